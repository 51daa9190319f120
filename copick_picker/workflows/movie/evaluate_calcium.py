"""Calcium against the truth: events, states, traces, and the guide's grades."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from copick_picker.core.movie.event_scores import (
    event_scores,
    grade,
    match_events,
    state_scores,
    states_of,
    trace_correlation,
)
from copick_picker.core.movie.scores import matched
from copick_picker.errors import DataError, SettingsError
from copick_picker.jobs.reporter import Reporter
from copick_picker.project.formats.calcium_tables import read_events, read_traces
from copick_picker.project.formats.spot_tables import read_spots
from copick_picker.records.calcium import PUNCTUM, Events, Traces
from copick_picker.records.movies import NO_TRACK, FloatArray, IndexArray, Spots
from copick_picker.settings.movie import MovieEvaluateSettings
from copick_picker.workflows.movie.places import (
    EVENT_DETAILS_FILE,
    EVENTS_FILE,
    TRACES_FILE,
    TRUE_EVENTS_FILE,
    TRUE_TRACES_FILE,
    tables_at,
)

_APART = 1_000_000
"""Numbers of tracks of one movie and of the next differ by so much."""
_GRADED = (
    *("rmse_nm", "precision", "recall", "calcium_f1", "sensitivity", "specificity"),
    *("correlation", "completeness", "colocalization_nm", "onset_error"),
)


def calcium_scores(
    settings: MovieEvaluateSettings,
    tracked: dict[str, tuple[Path, Path]] | None,
    truths: dict[str, Path],
) -> dict[str, Any]:
    """Return the scores of events and traces over all movies.

    Parameters
    ----------
    settings : MovieEvaluateSettings
        ``events``, tolerances, scale.
    tracked : dict or None
        Truth and tracks of each movie; None: events have the numbers of the true tracks.
    truths : dict
        Table of the true puncta of each movie.

    Raises
    ------
    SettingsError
        If a table is missing.
    DataError
        If a table is wrong.
    """
    if settings.events is None:
        msg = "give --events"
        raise SettingsError(msg)
    tables = tables_at(settings.events, (EVENTS_FILE,))
    if len(tables) == len(truths) == 1:
        tables = {next(iter(truths)): next(iter(tables.values()))}
    parts = []
    for number, (name, truth_file) in enumerate(truths.items()):
        if name not in tables:
            msg = f"{settings.events} contains no events of {name}"
            raise SettingsError(msg)
        tracks = None if tracked is None else tracked[name][1]
        parts.append(_of_movie(settings, truth_file, tracks, tables[name], number * _APART))
    return _together(settings, parts)


def _of_movie(
    settings: MovieEvaluateSettings,
    truth_file: Path,
    tracks_file: Path | None,
    events_file: Path,
    shift: int,
) -> dict[str, Any]:
    """Return truth and findings of a movie with numbers of tracks that no other movie has."""
    for name in (TRUE_EVENTS_FILE, TRUE_TRACES_FILE):
        if not truth_file.with_name(name).is_file():
            msg = f"{truth_file} has no {name} next to it; events cannot be scored"
            raise SettingsError(msg)
    puncta = read_spots(truth_file, pixel_size_nm=settings.pixel_size_nm)
    true_events = read_events(truth_file.with_name(TRUE_EVENTS_FILE))
    kinds = true_events.kinds or (PUNCTUM,) * len(true_events)
    true_events = true_events.chosen(np.array([kind == PUNCTUM for kind in kinds], dtype=bool))
    true_traces = read_traces(truth_file.with_name(TRUE_TRACES_FILE))
    details = events_file.with_name(EVENT_DETAILS_FILE)
    found = read_events(details if details.is_file() else events_file)
    table = events_file.with_name(TRACES_FILE)
    traces = read_traces(table) if table.is_file() else None
    owners, completeness = None, None
    if tracks_file is None:
        _check_tracks(found, puncta, events_file, f"{truth_file}; give --tracks")
    else:
        tracks = read_spots(tracks_file, pixel_size_nm=settings.pixel_size_nm)
        _check_tracks(found, tracks, events_file, str(tracks_file))
        owners, completeness = owners_of(puncta, tracks, tolerance=settings.tolerance)
    return {
        "true_events": replace(true_events, tracks=true_events.tracks + shift),
        "true_traces": replace(true_traces, tracks=true_traces.tracks + shift),
        "events": _owned_events(found, owners, shift),
        "traces": None if traces is None else _owned_traces(traces, owners, shift),
        "completeness": completeness,
    }


def _check_tracks(events: Events, spots: Spots, events_file: Path, where: str) -> None:
    """Raise where an event is of a track that a table does not have."""
    known = np.zeros(0, dtype=np.int64) if spots.tracks is None else spots.tracks
    unknown = np.setdiff1d(events.tracks, known)
    if len(unknown):
        msg = f"{events_file} has events of track {unknown[0]}, which is not in {where}"
        raise DataError(msg)


def owners_of(
    truth: Spots, tracks: Spots, *, tolerance: float
) -> tuple[dict[int, int], FloatArray]:
    """Return the true track of each found one, and how complete each true track was found.

    A found track belongs to the true one that most of its hits are of. A true track is as complete
    as the share of its positions that lie in one found track.

    Parameters
    ----------
    truth, tracks : Spots
        True and found tracks.
    tolerance : float
        Most pixels of a hit.

    Raises
    ------
    DataError
        If a table has no tracks.
    """
    if truth.tracks is None or tracks.tracks is None:
        which = "the truth" if truth.tracks is None else "the table of tracks"
        msg = f"{which} has no column track_id"
        raise DataError(msg)
    seen = tracks.seen()
    match = matched(truth, seen, tolerance=tolerance)
    numbers = np.zeros(0, dtype=np.int64) if seen.tracks is None else seen.tracks
    pairs, counts = np.unique(
        np.stack([numbers[match.found_rows], truth.tracks[match.truth_rows]], axis=1),
        axis=0,
        return_counts=True,
    )
    owners: dict[int, int] = {}
    best: dict[int, int] = {}
    for row in np.argsort(counts):
        found, true = (int(each) for each in pairs[row])
        if found != NO_TRACK:
            owners[found] = true
            best[true] = int(counts[row])
    known, lengths = np.unique(truth.tracks, return_counts=True)
    shares = [best.get(int(t), 0) / n for t, n in zip(known, lengths, strict=True)]
    return owners, np.array(shares)


def _renumbered(tracks: IndexArray, owners: dict[int, int] | None, shift: int) -> IndexArray:
    """Return the true tracks of found ones; those of none get numbers that no true track has."""
    if owners is None:
        return tracks + shift
    return np.array(
        [owners[int(t)] + shift if int(t) in owners else -int(t) - 2 - shift for t in tracks],
        dtype=np.int64,
    )


def _owned_events(events: Events, owners: dict[int, int] | None, shift: int) -> Events:
    return replace(events, tracks=_renumbered(events.tracks, owners, shift))


def _owned_traces(traces: Traces, owners: dict[int, int] | None, shift: int) -> Traces:
    return replace(traces, tracks=_renumbered(traces.tracks, owners, shift))


def _together(settings: MovieEvaluateSettings, parts: list[dict[str, Any]]) -> dict[str, Any]:
    true_events, events = (_all_events([p[k] for p in parts]) for k in ("true_events", "events"))
    truth = _all_traces([part["true_traces"] for part in parts])
    match = match_events(true_events, events, tolerance=settings.onset_tolerance)
    scores: dict[str, Any] = event_scores(match)
    if truth.active is not None:
        on = states_of(events, truth.tracks, truth.frames)
        scores |= {_STATE_NAMES.get(k, k): v for k, v in state_scores(on, truth.active).items()}
    known = [part["traces"] for part in parts if part["traces"] is not None]
    scores["correlation"] = trace_correlation(truth, _all_traces(known)) if known else None
    complete = [part["completeness"] for part in parts if part["completeness"] is not None]
    scores["completeness"] = float(np.concatenate(complete).mean()) if complete else None
    away = None
    if events.positions is not None and true_events.positions is not None and len(match.found_rows):
        apart = events.positions[match.found_rows] - true_events.positions[match.truth_rows]
        away = float(np.hypot(*apart.T).mean())
    scores["colocalization_px"] = away
    pixel = settings.pixel_size_nm
    scores["colocalization_nm"] = None if away is None or pixel is None else away * pixel
    if settings.frame_time_ms is not None and scores["onset_error"] is not None:
        scores["onset_error_ms"] = scores["onset_error"] * settings.frame_time_ms
    return scores


_STATE_NAMES = {"f1": "calcium_f1", "precision": "calcium_precision"}


def _all_events(parts: list[Events]) -> Events:
    places = [part.positions for part in parts]
    known = [each for each in places if each is not None]
    return Events(
        np.concatenate([part.tracks for part in parts]),
        np.concatenate([part.onsets for part in parts]),
        np.concatenate([part.peaks for part in parts]),
        np.concatenate([part.ends for part in parts]),
        np.concatenate([part.amplitudes for part in parts]),
        positions=np.concatenate(known) if len(known) == len(places) else None,
    )


def _all_traces(parts: list[Traces]) -> Traces:
    active = [part.active for part in parts]
    known = [each for each in active if each is not None]
    return Traces(
        np.concatenate([part.tracks for part in parts]),
        np.concatenate([part.frames for part in parts]),
        np.concatenate([part.dff for part in parts]),
        active=np.concatenate(known) if len(known) == len(active) else None,
    )


def graded(content: dict[str, Any], pixel_size_nm: float | None) -> dict[str, dict[str, Any]]:
    """Return the figures that the guide grades, with their grades.

    Parameters
    ----------
    content : dict
        What ``movie evaluate`` writes: detections and calcium.
    pixel_size_nm : float or None
        Errors in nm need it.
    """
    values: dict[str, Any] = dict(content.get("calcium") or {})
    detections = (content.get("detections") or {}).get("all")
    if detections is not None:
        values |= {key: detections[key] for key in ("precision", "recall")}
        error = detections["rmse_per_axis_px"]
        if error is not None and pixel_size_nm is not None:
            values["rmse_nm"] = error * pixel_size_nm
    return {
        name: {"value": values[name], "grade": grade(name, values[name])}
        for name in _GRADED
        if values.get(name) is not None
    }


def tell_grades(grades: dict[str, dict[str, Any]], reporter: Reporter) -> None:
    """Show figures and grades as a table.

    Parameters
    ----------
    grades : dict
        As :func:`graded` returns them.
    reporter : Reporter
        Receives the table.
    """
    rows = [(_WORDS[name], f"{each['value']:.3g}", each["grade"]) for name, each in grades.items()]
    reporter.table("Grades of the guide", ("figure", "value", "grade"), rows)


_WORDS = {
    "rmse_nm": "error along an axis (nm)",
    "precision": "precision of puncta",
    "recall": "recall of puncta",
    "calcium_f1": "F1 of calcium states",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "correlation": "correlation of dF/F0",
    "completeness": "completeness of tracks",
    "colocalization_nm": "events to puncta (nm)",
    "onset_error": "error of onsets (frames)",
}
