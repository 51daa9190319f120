"""``movie analyze``: how tracks move, and how precise their positions are."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from copick_picker.core.movie.analysis import TrackSummary, members_of
from copick_picker.core.movie.motion import LEAST_LENGTH, Motion, motion_figures, motions
from copick_picker.records.movies import FloatArray, Spots
from copick_picker.report.analysis_pictures import (
    FieldOfTracks,
    precision_picture,
    trajectories_picture,
)
from copick_picker.settings.movie import MovieAnalyzeSettings
from copick_picker.workflows.movie.analysis_parts import Findings, rows_csv, share_words
from copick_picker.workflows.movie.places import MOTION

MOTION_FILES = (
    *(MOTION, "trajectories.png", "trajectories.svg"),
    *("precision_histogram.png", "precision_histogram.svg"),
)


def motion_findings(
    settings: MovieAnalyzeSettings, read: Mapping[str, Spots], summaries: list[TrackSummary]
) -> Findings:
    """Return how the tracks of some movies move: table, pictures, figures and words.

    Parameters
    ----------
    settings : MovieAnalyzeSettings
        Settings of the command.
    read : mapping of str to Spots
        Tracks of each movie.
    summaries : list of TrackSummary
        Steps and scatter of all tracks.
    """
    moved = {
        name: motions(tracks, exposure=settings.exposure_share, min_length=settings.min_length)
        for name, tracks in read.items()
    }
    every = [each for found in moved.values() for each in found]
    long = [each for each in summaries if each.length >= settings.min_length]
    figures = _steps(long, settings) | _in_units(motion_figures(every), every, settings)
    rows = [_row(name, each, settings) for name, found in moved.items() for each in found]
    files: dict[str, str | bytes] = {MOTION: rows_csv(MOTION, rows)}
    files |= trajectories_picture(
        _fields(read, moved),
        min_length=max(settings.min_length, LEAST_LENGTH),
        pixel_size_nm=settings.pixel_size_nm,
    )
    files |= precision_picture(_stated(read), _errors(every), pixel_size_nm=settings.pixel_size_nm)
    return Findings(files, {"motion": figures}, _words(figures, settings))


def um2_s(settings: MovieAnalyzeSettings) -> float | None:
    """Return the square micrometres a second in a square pixel a frame, None if not known."""
    if settings.pixel_size_nm is None or settings.frame_time_ms is None:
        return None
    return (settings.pixel_size_nm / 1000.0) ** 2 / (settings.frame_time_ms / 1000.0)


def _steps(tracks: list[TrackSummary], settings: MovieAnalyzeSettings) -> dict[str, Any]:
    """Return medians of step and scatter of the long tracks."""
    figures: dict[str, Any] = {"min_length": settings.min_length, "tracks": len(tracks)}
    for name in ("step", "scatter"):
        values = [getattr(each, f"{name}_px") for each in tracks]
        known = [value for value in values if value is not None]
        figures[f"median_{name}_px"] = float(np.median(known)) if known else None
        if known and settings.pixel_size_nm is not None:
            figures[f"median_{name}_nm"] = figures[f"median_{name}_px"] * settings.pixel_size_nm
    return figures


def _in_units(
    figures: dict[str, Any], found: list[Motion], settings: MovieAnalyzeSettings
) -> dict[str, Any]:
    """Return the figures with lengths in nm and diffusion in um2/s where the scale is known."""
    figures = figures | {"exposure_share": settings.exposure_share}
    if settings.pixel_size_nm is not None and figures["median_error_px"] is not None:
        figures["median_error_nm"] = figures["median_error_px"] * settings.pixel_size_nm
    factor = um2_s(settings)
    if factor is not None and found:
        figures["median_diffusion_um2_s"] = factor * float(
            np.median([each.diffusion for each in found])
        )
        of_mobile = figures["median_diffusion_of_mobile_px2_frame"]
        if of_mobile is not None:
            figures["median_diffusion_of_mobile_um2_s"] = factor * of_mobile
    return figures


def _row(name: str, motion: Motion, settings: MovieAnalyzeSettings) -> tuple[Any, ...]:
    factor = um2_s(settings)
    diffusion = (motion.diffusion, motion.low, motion.high)
    in_um = [None if factor is None else factor * value for value in diffusion]
    return (
        *(name, motion.track_id, motion.length, *diffusion, *in_um),
        *(motion.kind, motion.margin, motion.error, motion.speed, motion.radius),
    )


def _fields(read: Mapping[str, Spots], moved: Mapping[str, list[Motion]]) -> list[FieldOfTracks]:
    """Return the tracks of each movie as mobile, immobile and short ones."""
    fields = []
    for name, tracks in read.items():
        is_mobile = {each.track_id: each.is_mobile for each in moved[name]}
        groups: dict[bool | None, list[FloatArray]] = {True: [], False: [], None: []}
        for track, rows in members_of(tracks):
            groups[is_mobile.get(track)].append(tracks.positions[rows])
        title = name if len(read) > 1 else ""
        fields.append(FieldOfTracks(title, groups[True], groups[False], groups[None]))
    return fields


def _stated(read: Mapping[str, Spots]) -> FloatArray | None:
    """Return the standard deviations that the tables state, without interpolated positions."""
    seen = [tracks.seen().sigmas for tracks in read.values()]
    known = [each for each in seen if each is not None]
    return np.concatenate(known) if known else None


def _errors(found: list[Motion]) -> dict[str, FloatArray]:
    return {
        name: np.array([each.error for each in found if each.is_mobile == is_mobile])
        for name, is_mobile in (("mobile", True), ("immobile", False))
    }


def _words(figures: dict[str, Any], settings: MovieAnalyzeSettings) -> list[str]:
    """Return what the figures say."""
    if figures["median_scatter_px"] is None:
        return []
    unit = "nm" if settings.pixel_size_nm is not None else "px"
    notes = [
        f"{figures['tracks']:,} tracks of {settings.min_length} or more detections: median "
        f"step {figures[f'median_step_{unit}']:.3g} {unit} per frame, scatter about the mean "
        f"{figures[f'median_scatter_{unit}']:.3g} {unit} along an axis"
    ]
    total = figures["mobile"] + figures["immobile"]
    if not total:
        return notes
    kinds = ", ".join(f"{number} {kind}" for kind, number in figures["kinds"].items())
    words = f"mobile: {figures['mobile']} of {total} ({share_words(figures['mobile_share'])}); "
    words += f"{kinds}; error of positions {figures[f'median_error_{unit}']:.3g} {unit}"
    diffusion = figures.get("median_diffusion_of_mobile_um2_s")
    if diffusion is not None:
        words += f"; median diffusion of mobile ones {diffusion:.3g} um2/s"
    return [*notes, words]
