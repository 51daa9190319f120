"""``movie analyze``: events and traces of movies, read and checked against the tracks."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from copick_picker.errors import DataError
from copick_picker.project.formats.calcium_tables import read_events, read_traces
from copick_picker.records.calcium import Events, Traces
from copick_picker.records.movies import NO_TRACK, IndexArray, Spots
from copick_picker.settings.movie import MovieAnalyzeSettings
from copick_picker.workflows.movie.places import EVENTS_FILE, TRACES_FILE, paired, tables_at


@dataclass(frozen=True)
class CalciumTables:
    """Where the calcium of some movies is, by movie.

    Attributes
    ----------
    events, traces : dict
        Tables; empty where there are none.
    """

    events: dict[str, Path]
    traces: dict[str, Path]


def calcium_tables(settings: MovieAnalyzeSettings, tables: Mapping[str, Path]) -> CalciumTables:
    """Return where events and traces of movies are.

    Parameters
    ----------
    settings : MovieAnalyzeSettings
        Settings of the command.
    tables : mapping of str to pathlib.Path
        Tracks of each movie.

    Raises
    ------
    SettingsError
        If there are none where they are said to be, or a movie lacks them.
    """
    events: dict[str, Path] = {}
    traces: dict[str, Path] = {}
    if settings.events is not None:
        events = _paired(tables, settings.events, EVENTS_FILE, "events")
        beside = {name: path.with_name(TRACES_FILE) for name, path in events.items()}
        traces = {name: path for name, path in beside.items() if path.is_file()}
    if settings.traces is not None:
        traces = _paired(tables, settings.traces, TRACES_FILE, "traces")
    return CalciumTables(events, traces)


def _paired(tables: Mapping[str, Path], path: Path, file: str, what: str) -> dict[str, Path]:
    """Return the table of each movie, by the movies' names."""
    names = {table: name for name, table in tables.items()}
    pairs = paired(tables, tables_at(path, (file,)), what, "tracks")
    return {names[table]: found for table, found in pairs.values()}


@dataclass(frozen=True)
class Calcium:
    """The calcium of a movie.

    Attributes
    ----------
    tracks : Spots
        Its tracks.
    events : Events or None
        Events at tracks.
    traces : Traces or None
        Traces along tracks.
    apart : int
        Events at no track, which are left out.
    """

    tracks: Spots
    events: Events | None
    traces: Traces | None
    apart: int = 0


def read_calcium(
    where: CalciumTables, tables: Mapping[str, Path], read: Mapping[str, Spots]
) -> dict[str, Calcium]:
    """Return the calcium of each movie.

    Parameters
    ----------
    where : CalciumTables
        Tables of calcium.
    tables : mapping of str to pathlib.Path
        Tables of tracks, for messages.
    read : mapping of str to Spots
        Tracks of each movie.

    Raises
    ------
    DataError
        If events or traces belong to tracks that are not there, or events to frames.
    """
    found = {}
    for name, tracks in read.items():
        events = read_events(where.events[name]) if name in where.events else None
        traces = read_traces(where.traces[name]) if name in where.traces else None
        apart = 0
        if traces is not None:
            traces = _chosen_traces(traces)
            _check_tracks(where.traces[name], "rows", traces.tracks, tables[name], tracks)
        if events is not None:
            at_track = events.tracks != NO_TRACK
            events, apart = events.chosen(at_track), int((~at_track).sum())
            _check_tracks(where.events[name], "events", events.tracks, tables[name], tracks)
            _check_frames(where.events[name], events, tracks, traces)
        found[name] = Calcium(tracks, events, traces, apart)
    return found


def _chosen_traces(traces: Traces) -> Traces:
    """Return the signals of the traces along tracks."""
    rows = traces.tracks != NO_TRACK
    return Traces(traces.tracks[rows], traces.frames[rows], traces.dff[rows])


def _check_tracks(path: Path, what: str, numbers: IndexArray, table: Path, tracks: Spots) -> None:
    own = np.zeros(0, dtype=np.int64) if tracks.tracks is None else tracks.tracks
    unknown = ~np.isin(numbers, own)
    if unknown.any():
        msg = (
            f"{path}: {int(unknown.sum())} of {len(numbers)} {what} belong to tracks that {table} "
            f"does not hold; the first is track {numbers[unknown][0]}"
        )
        raise DataError(msg)


def _check_frames(path: Path, events: Events, tracks: Spots, traces: Traces | None) -> None:
    last = int(tracks.frames.max())
    if traces is not None and len(traces):
        last = max(last, int(traces.frames.max()))
    beyond = (events.onset_frames > last) | (events.peaks > last)
    if beyond.any():
        first = int(np.flatnonzero(beyond)[0])
        msg = (
            f"{path}: {int(beyond.sum())} of {len(events)} events begin or peak after frame {last},"
            f" the last of the tracks and traces; the first begins in frame "
            f"{events.onset_frames[first]} and peaks in {events.peaks[first]}"
        )
        raise DataError(msg)
