"""Calcium against the truth: events, states, traces, and the guide's grades."""

from dataclasses import dataclass, replace
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
    tracks_at,
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
    TRACE_DETAILS_FILE,
    TRACES_FILE,
    TRUE_EVENTS_FILE,
    TRUE_TRACES_FILE,
    tables_at,
)
from copick_picker.workflows.movie.truths import refuse_beyond

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
        Truth and tracks of each movie; None: events belong to the true tracks at their places.
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
        movie = settings.movie if len(truths) == 1 else None
        files = _Files(truth_file, tracks, tables[name], movie)
        parts.append(_of_movie(settings, files, number * _APART))
    return _together(settings, parts)


@dataclass(frozen=True)
class _Files:
    """Tables of a movie: true puncta, tracks where they are given, events; and the movie."""

    truth: Path
    tracks: Path | None
    events: Path
    movie: Path | None

    def beside_events(self, name: str) -> Path | None:
        path = self.events.with_name(name)
        return path if path.is_file() else None


def _of_movie(settings: MovieEvaluateSettings, files: _Files, shift: int) -> dict[str, Any]:
    """Return truth and findings of a movie with numbers of tracks that no other movie has."""
    for name in (TRUE_EVENTS_FILE, TRUE_TRACES_FILE):
        if not files.truth.with_name(name).is_file():
            msg = f"{files.truth} has no {name} next to it; events cannot be scored"
            raise SettingsError(msg)
    puncta = read_spots(files.truth, pixel_size_nm=settings.pixel_size_nm)
    true_events = read_events(files.truth.with_name(TRUE_EVENTS_FILE))
    kinds = true_events.kinds or (PUNCTUM,) * len(true_events)
    true_events = true_events.chosen(np.array([kind == PUNCTUM for kind in kinds], dtype=bool))
    true_traces = read_traces(files.truth.with_name(TRUE_TRACES_FILE))
    found = read_events(files.beside_events(EVENT_DETAILS_FILE) or files.events)
    frames = np.concatenate([found.onset_frames, found.peaks, found.ends])
    refuse_beyond(files.events, frames, "frames of events", truth=files.truth, movie=files.movie)
    owned = _owned(settings, files, puncta, found)
    return {
        "true_events": replace(true_events, tracks=true_events.tracks + shift),
        "true_traces": replace(true_traces, tracks=true_traces.tracks + shift),
        "events": _owned_events(found, owned.events, shift),
        "traces": _owned_traces(files, owned.tracks, shift),
        "completeness": owned.completeness,
    }


@dataclass(frozen=True, eq=False)
class _Owned:
    """The true track of each event; those of found tracks and how complete these are, if known."""

    events: IndexArray
    tracks: dict[int, int] | None
    completeness: FloatArray | None


def _owned(settings: MovieEvaluateSettings, files: _Files, puncta: Spots, events: Events) -> _Owned:
    """Return whose events are: by their tracks' positions, or else by their own.

    Raises
    ------
    SettingsError
        If neither is known.
    DataError
        If an event is of an unknown track.
    """
    if files.tracks is None and len(events) and events.positions is None:
        msg = (
            f"{files.events} has no positions of events: no x and y, and no "
            f"{EVENT_DETAILS_FILE} next to it; use --tracks with the table of tracks in "
            "which they were found"
        )
        raise SettingsError(msg)
    table = files.tracks or files.beside_events(TRACE_DETAILS_FILE)
    if table is not None:
        tracks = read_spots(table, pixel_size_nm=settings.pixel_size_nm)
        _check_tracks(events, tracks, files.events, str(table))
        owners, complete = owners_of(puncta, tracks, tolerance=settings.tolerance)
        numbers = [owners.get(int(track), NO_TRACK) for track in events.tracks]
        known = None if files.tracks is None else complete
        return _Owned(np.array(numbers, dtype=np.int64), owners, known)
    at = tracks_at(
        puncta, events, tolerance=settings.tolerance, onset_tolerance=settings.onset_tolerance
    )
    return _Owned(at, None, None)


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


def _renumbered(tracks: IndexArray, true: IndexArray, shift: int) -> IndexArray:
    """Return the true tracks of found ones; those of none get numbers that no true track has."""
    return np.where(true == NO_TRACK, -np.abs(tracks) - 2 - shift, true + shift)


def _owned_events(events: Events, true: IndexArray, shift: int) -> Events:
    return replace(events, tracks=_renumbered(events.tracks, true, shift))


def _owned_traces(files: _Files, owners: dict[int, int] | None, shift: int) -> Traces | None:
    """Return the traces beside events under the numbers of true tracks; None: not known whose."""
    table = files.beside_events(TRACES_FILE)
    if table is None or owners is None:
        return None
    traces = read_traces(table)
    true = np.array([owners.get(int(track), NO_TRACK) for track in traces.tracks], dtype=np.int64)
    return replace(traces, tracks=_renumbered(traces.tracks, true, shift))


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
