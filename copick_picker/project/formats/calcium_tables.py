"""Tables of calcium: traces along tracks, events, and the truth of both."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from copick_picker.errors import DataError, choices_text
from copick_picker.project.formats.csv_columns import numbers_of, read_table
from copick_picker.records.calcium import EVENT_KINDS, Events, Traces
from copick_picker.records.movies import NO_TRACK, FloatArray, Spots

TRACE_COLUMNS = ("track_id", "frame", "dff")
TRACE_DETAIL_COLUMNS = (
    *("track_id", "frame", "x", "y", "signal", "surround", "baseline", "f0", "dff"),
    *("fitted_dff", "other_dff", "probability", "filled"),
)
EVENT_COLUMNS = ("track_id", "onset_frame", "peak_frame", "amplitude", "probability")
EVENT_DETAIL_COLUMNS = (
    *("track_id", "onset", "peak_frame", "end_frame", "amplitude", "probability"),
    *("rise_frames", "decay_frames", "x", "y"),
)
TRUE_EVENT_COLUMNS = (
    *("track_id", "onset_frame", "peak_frame", "end_frame", "amplitude", "onset"),
    *("rise_frames", "decay_frames", "kind", "x", "y"),
)
TRUE_TRACE_COLUMNS = ("track_id", "frame", "x", "y", "dff", "active")
Columns = Mapping[str, npt.NDArray[np.generic] | tuple[str, ...]]


def table_csv(columns: Columns) -> str:
    """Return columns as the text of a CSV file; numbers with at most six digits, NaN as nothing.

    Parameters
    ----------
    columns : mapping of str to numpy.ndarray or tuple of str
        Values by name, all of one length.
    """
    frame = pd.DataFrame({name: pd.Series(values) for name, values in columns.items()})
    return str(frame.to_csv(index=False, float_format="%.6g", lineterminator="\n"))


def _or_nan(values: FloatArray | None, n: int) -> FloatArray:
    return np.full(n, np.nan) if values is None else values


def events_csv(events: Events) -> str:
    """Return events as the text of ``events.csv``.

    Parameters
    ----------
    events : Events
        Events.
    """
    values = (
        *(events.tracks, events.onset_frames, events.peaks, events.amplitudes),
        _or_nan(events.probabilities, len(events)),
    )
    return table_csv(dict(zip(EVENT_COLUMNS, values, strict=True)))


def event_details_csv(events: Events) -> str:
    """Return events with all that is known of them, as the text of ``event_details.csv``.

    Parameters
    ----------
    events : Events
        Events.
    """
    n = len(events)
    places = np.full((n, 2), np.nan) if events.positions is None else events.positions
    values = (
        *(events.tracks, events.onsets, events.peaks, events.ends, events.amplitudes),
        *(_or_nan(each, n) for each in (events.probabilities, events.rises, events.decays)),
        *places.T,
    )
    return table_csv(dict(zip(EVENT_DETAIL_COLUMNS, values, strict=True)))


def true_events_csv(events: Events) -> str:
    """Return the events of a simulated movie as the text of ``ground_truth_events.csv``.

    Parameters
    ----------
    events : Events
        Events with kinds and positions.
    """
    n = len(events)
    places = np.full((n, 2), np.nan) if events.positions is None else events.positions
    values = (
        *(events.tracks, events.onset_frames, events.peaks, events.ends, events.amplitudes),
        *(events.onsets, _or_nan(events.rises, n), _or_nan(events.decays, n)),
        events.kinds or (EVENT_KINDS[0],) * n,
        *places.T,
    )
    return table_csv(dict(zip(TRUE_EVENT_COLUMNS, values, strict=True)))


def traces_csv(traces: Traces) -> str:
    """Return traces as the text of ``traces.csv``.

    Parameters
    ----------
    traces : Traces
        Traces.
    """
    values = (traces.tracks, traces.frames, traces.dff)
    return table_csv(dict(zip(TRACE_COLUMNS, values, strict=True)))


def true_traces_csv(traces: Traces) -> str:
    """Return the traces of a simulated movie as the text of ``ground_truth_traces.csv``.

    Parameters
    ----------
    traces : Traces
        Traces with positions, and where calcium is up.
    """
    n = len(traces)
    places = np.full((n, 2), np.nan) if traces.positions is None else traces.positions
    active = np.zeros(n, dtype=bool) if traces.active is None else traces.active
    values = (traces.tracks, traces.frames, *places.T, traces.dff, active.astype(np.int64))
    return table_csv(dict(zip(TRUE_TRACE_COLUMNS, values, strict=True)))


def read_events(path: Path) -> Events:
    """Return the events of a table: ours, a simulated movie's, or another's.

    Parameters
    ----------
    path : pathlib.Path
        CSV with a column ``onset_frame`` (or ``onset``, ``start_frame``, ``frame``), and perhaps
        ``track_id``, ``peak_frame``, ``end_frame``, ``amplitude``, ``probability``, ``kind``, x, y.

    Raises
    ------
    SettingsError
        If there is no such file.
    DataError
        If a column is missing, or a value is not a number.
    """
    table = read_table(path, "events")
    onset = next((n for n in ("onset", "onset_frame", "start_frame", "frame") if n in table), None)
    if onset is None:
        msg = f"{path} has no column onset_frame; it has {choices_text(list(table.columns))}"
        raise DataError(msg)
    onsets = numbers_of(path, table, onset)
    n = len(onsets)
    starts = np.floor(onsets).astype(np.int64)
    peaks = _whole(path, table, ("peak_frame", "peak"), starts)
    ends = _whole(path, table, ("end_frame", "end", "stop_frame"), peaks)
    bad = np.flatnonzero((peaks < starts) | (ends < starts))
    if len(bad):
        row = int(bad[0])
        msg = (
            f"{path}: the event in row {row + 1} begins in frame {starts[row]}, but its peak is in "
            f"{peaks[row]} and its end in {ends[row]}"
        )
        raise DataError(msg)
    kinds = None
    if "kind" in table:
        kinds = tuple(str(each).strip().lower() for each in table["kind"])
    positions = None
    if {"x", "y"} <= set(table.columns) and not table[["x", "y"]].isna().any().any():
        positions = np.stack([numbers_of(path, table, name) for name in ("x", "y")], axis=1)
    amplitudes = numbers_of(path, table, "amplitude") if "amplitude" in table else np.ones(n)
    probabilities = None
    if "probability" in table and not table["probability"].isna().all():
        probabilities = numbers_of(path, table, "probability")
    return Events(
        _whole(path, table, ("track_id",), np.full(n, NO_TRACK)),
        onsets,
        peaks,
        ends,
        amplitudes,
        probabilities,
        _perhaps(table, "rise_frames"),
        _perhaps(table, "decay_frames"),
        kinds,
        positions,
    )


def _perhaps(table: pd.DataFrame, name: str) -> FloatArray | None:
    """Return a column whose values may be missing; None where there is no such column."""
    if name not in table:
        return None
    values: FloatArray = pd.to_numeric(table[name], errors="coerce").to_numpy(dtype=np.float64)
    return values


def read_traces(path: Path) -> Traces:
    """Return the traces of a table: ours, or the truth of a simulated movie.

    Parameters
    ----------
    path : pathlib.Path
        CSV with the columns track_id, frame and dff, and perhaps x, y, active, probability.

    Raises
    ------
    SettingsError
        If there is no such file.
    DataError
        If a column is missing, or a value is not a number.
    """
    table = read_table(path, "traces")
    missing = [name for name in TRACE_COLUMNS if name not in table]
    if missing:
        msg = (
            f"{path} has no column {choices_text(missing)}; it has "
            f"{choices_text(list(table.columns))}"
        )
        raise DataError(msg)
    positions = None
    if {"x", "y"} <= set(table.columns) and not table[["x", "y"]].isna().any().any():
        positions = np.stack([numbers_of(path, table, name) for name in ("x", "y")], axis=1)
    zeros = np.zeros(len(table), dtype=np.int64)
    known = {"active", "probability"} & set(table.columns)
    return Traces(
        _whole(path, table, ("track_id",), zeros),
        _whole(path, table, ("frame",), zeros),
        numbers_of(path, table, "dff"),
        positions,
        numbers_of(path, table, "active") > 0 if "active" in known else None,
        numbers_of(path, table, "probability")
        if "probability" in known and not table["probability"].isna().any()
        else None,
    )


def read_signals(path: Path) -> tuple[Spots, FloatArray, bool]:
    """Return traces that another program measured: tracks, values, whether those are dF/F0.

    Parameters
    ----------
    path : pathlib.Path
        CSV with the columns track_id, frame, and dff or signal (or intensity, f); every frame from
        a track's first to its last. Positions are not known, and 0.

    Raises
    ------
    SettingsError
        If there is no such file.
    DataError
        If a column or a frame is missing, or a value is not a number.
    """
    table = read_table(path, "traces")
    names = [name for name in ("dff", "signal", "intensity", "f") if name in table]
    if not names or "frame" not in table:
        missing = "frame" if names else "dff or signal"
        msg = f"{path} has no column {missing}; it has {choices_text(list(table.columns))}"
        raise DataError(msg)
    zeros = np.zeros(len(table), dtype=np.int64)
    tracks, frames = (_whole(path, table, (name,), zeros) for name in ("track_id", "frame"))
    values = numbers_of(path, table, names[0])
    order = np.lexsort((frames, tracks))
    tracks, frames, values = tracks[order], frames[order], values[order]
    same = tracks[1:] == tracks[:-1]
    bad = np.flatnonzero(same & (np.diff(frames) != 1))
    if len(bad):
        row = int(bad[0])
        msg = (
            f"{path}: track {tracks[row]} goes from frame {frames[row]} to {frames[row + 1]}; "
            "expected every frame once"
        )
        raise DataError(msg)
    if not len(values):
        msg = f"{path} contains no traces"
        raise DataError(msg)
    spots = Spots(frames, np.zeros((len(frames), 2)), tracks=tracks)
    return spots, values, names[0] == "dff"


def _whole(
    path: Path, table: pd.DataFrame, names: tuple[str, ...], default: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Return a column of whole numbers under one of its names, or what stands for it."""
    name = next((each for each in names if each in table), None)
    if name is None:
        return default.astype(np.int64)
    values = numbers_of(path, table, name)
    bad = np.flatnonzero(values != np.floor(values))
    if len(bad):
        msg = f"{path}: '{name}' is {values[bad[0]]:g} in row {int(bad[0]) + 1}; expected a whole "
        msg += "number"
        raise DataError(msg)
    return values.astype(np.int64)
