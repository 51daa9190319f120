"""``movie analyze``: tracks in figures, pictures and words."""

from pathlib import Path
from typing import Any

import numpy as np

from copick_picker.core.evaluate.track_fragments import fragment_scores
from copick_picker.core.movie.analysis import (
    TrackSummary,
    fragments_of,
    length_figures,
    lengths_of,
    members_of,
    summaries,
    verdict,
)
from copick_picker.core.movie.scores import matched_tracks
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.summary import Result, summarised
from copick_picker.project.formats.spot_tables import read_spots
from copick_picker.records.movies import Spots
from copick_picker.report.movie_pictures import diagnostic_picture, length_analysis_picture
from copick_picker.settings.movie import MovieAnalyzeSettings
from copick_picker.workflows.movie.places import (
    COLUMNS,
    FRAGMENTATION,
    TRACK_STATISTICS,
    TRACKS_FILE,
    TRUTH_FILES,
    ResultFolder,
    paired,
    require_some,
    tables_at,
)

SUMMARY_FILE = "analysis_summary.json"
LENGTHS_FILE, DIAGNOSTIC_FILE = "track_length_analysis.png", "diagnostic_summary.png"


@summarised
def analyze(settings: MovieAnalyzeSettings, *, reporter: Reporter) -> Result:
    """Say how long tracks are, how they move, and, with a truth, how whole they are.

    Parameters
    ----------
    settings : MovieAnalyzeSettings
        Settings of the command.
    reporter : Reporter
        Receives the figures.

    Raises
    ------
    CopickPickerError
        If a table is missing or wrong.
    """
    tables = tables_at(settings.tracks, (TRACKS_FILE,))
    known = None
    if settings.truth is not None:
        known = paired(tables_at(settings.truth, TRUTH_FILES), tables, "tracks")
        tables = {name: table for name, (_, table) in known.items()}
    results = ResultFolder(settings.output, settings.overwrite)
    names = [SUMMARY_FILE, LENGTHS_FILE, TRACK_STATISTICS]
    results.check(*names, *((FRAGMENTATION, DIAGNOSTIC_FILE) if known else ()))
    read = {
        name: read_spots(path, pixel_size_nm=settings.pixel_size_nm)
        for name, path in tables.items()
    }
    for name, tracks in read.items():
        require_some(len(members_of(tracks)), tables[name], "tracks (no track_id)")
    statistics = [
        (name or tables[name].parent.name, each)
        for name, tracks in read.items()
        for each in summaries(tracks)
    ]
    lengths = np.concatenate([lengths_of(tracks) for tracks in read.values()])
    found = length_figures(lengths)
    long = [each for _, each in statistics if each.length >= settings.min_length]
    content: dict[str, Any] = {"command": "movie analyze", "found": found, "movies": len(read)}
    content["motion"] = _motion_figures(long, settings)
    files: dict[str, str | bytes] = {TRACK_STATISTICS: _statistics_csv(statistics)}
    words, truth_lengths = _plain_words(found), None
    if known is not None:
        fragments, facts, truth_lengths = _fragments(settings, known, read)
        content |= facts
        words = verdict(found, facts["truth"], facts["fragments"], facts["merges"])
        content["verdict"] = words
        files[FRAGMENTATION] = _fragmentation_csv(fragments)
        files[DIAGNOSTIC_FILE] = diagnostic_picture(
            np.array([row["fragments"] for _, row in fragments], dtype=np.float64),
            np.array([row["longest"] / row["length"] for _, row in fragments]),
            words,
            mean=facts["fragments"],
        )
    files[LENGTHS_FILE] = length_analysis_picture(lengths, truth_lengths)
    _tell(found, content.get("truth"), reporter)
    motion = content["motion"]
    if motion["median_scatter_px"] is not None:
        unit = "nm" if settings.pixel_size_nm is not None else "px"
        reporter.note(
            f"{motion['tracks']:,} tracks of {settings.min_length} detections and more: median "
            f"step {motion[f'median_step_{unit}']:.3g} {unit} a frame, scatter about the mean "
            f"{motion[f'median_scatter_{unit}']:.3g} {unit} along an axis"
        )
    for name, data in files.items():
        results.write(name, data)
    results.write(SUMMARY_FILE, content)
    results.flush()
    return Result(f"movie analyze: {words} {settings.output}", content=content)


def _tell(found: dict[str, Any], truth: dict[str, Any] | None, reporter: Reporter) -> None:
    rows = []
    for name, each in (("found", found), ("truth", truth)):
        if each is None or not each["tracks"]:
            continue
        shares = [f"{100 * each[key]:.1f} %" for key in ("short", "medium", "long")]
        middle = [f"{each['mean_length']:.1f}", f"{each['median_length']:.0f}"]
        rows.append((name, f"{each['tracks']:,}", *middle, *shares))
    columns = ("", "tracks", "mean length", "median", "up to 3", "4 to 10", "more than 10")
    reporter.table("Lengths of tracks", columns, rows)


def _plain_words(found: dict[str, Any]) -> str:
    return (
        f"{found['tracks']:,} tracks, mean length {found['mean_length']:.1f}, "
        f"{100 * found['long']:.0f} % longer than 10."
    )


def _motion_figures(tracks: list[TrackSummary], settings: MovieAnalyzeSettings) -> dict[str, Any]:
    """Return steps and scatter of the long tracks, and the diffusion that the steps mean."""
    figures: dict[str, Any] = {"min_length": settings.min_length, "tracks": len(tracks)}
    for name in ("step", "scatter"):
        values = [getattr(each, f"{name}_px") for each in tracks]
        known = [value for value in values if value is not None]
        figures[f"median_{name}_px"] = float(np.median(known)) if known else None
        if known and settings.pixel_size_nm is not None:
            figures[f"median_{name}_nm"] = figures[f"median_{name}_px"] * settings.pixel_size_nm
    step = figures.get("median_step_nm")
    if step is not None and settings.frame_time_ms is not None:
        figures["median_diffusion_um2_s"] = (step / 1000.0) ** 2 / (4e-3 * settings.frame_time_ms)
    return figures


Fragments = list[tuple[str, dict[str, Any]]]


def _fragments(
    settings: MovieAnalyzeSettings,
    known: dict[str, tuple[Path, Path]],
    read: dict[str, Spots],
) -> tuple[Fragments, dict[str, Any], Any]:
    """Return a row for each true track, figures of all, and the lengths of the true tracks."""
    rows: Fragments = []
    lengths, pieces, merges = [], [], 0
    for name, (truth_file, _) in known.items():
        truth = read_spots(truth_file, pixel_size_nm=settings.pixel_size_nm)
        require_some(len(truth), truth_file, "puncta")
        match = matched_tracks(truth, read[name], tolerance=settings.tolerance)
        scores = fragment_scores(match)
        rows += [(name or truth_file.parent.name, row) for row in fragments_of(match)]
        lengths.append(lengths_of(truth))
        merges += scores.merges
        if scores.fragments is not None:
            pieces.append(scores.fragments)
    together = np.concatenate(lengths)
    facts = {
        "truth": length_figures(together),
        "fragments": float(np.mean(pieces)) if pieces else None,
        "merges": merges,
    }
    return rows, facts, together


def _statistics_csv(rows: list[tuple[str, TrackSummary]]) -> str:
    lines = [",".join(COLUMNS[TRACK_STATISTICS])]
    lines += [
        f"{name},{t.track_id},{t.length},{t.start_frame},{t.end_frame},{t.duration},"
        f"{t.mean_x:.4f},{t.mean_y:.4f},{_text(t.step_px)},{_text(t.scatter_px)}"
        for name, t in rows
    ]
    return "\n".join(lines) + "\n"


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _fragmentation_csv(rows: Fragments) -> str:
    lines = [",".join(COLUMNS[FRAGMENTATION])]
    lines += [
        f"{name},{row['track_id']},{row['length']},{row['found']},{row['fragments']},"
        f"{row['longest']}"
        for name, row in rows
    ]
    return "\n".join(lines) + "\n"
