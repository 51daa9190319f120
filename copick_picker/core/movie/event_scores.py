"""Scores of calcium at puncta: states frame by frame, events, onsets; and the guide's grades."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from copick_picker.records.calcium import Events, Traces
from copick_picker.records.movies import NO_TRACK, FloatArray, IndexArray, Spots

ONSET_TOLERANCE = 3.0
"""Frames between the onsets of an event and its partner."""
_SIDES: tuple[tuple[int, Literal["left", "right"]], ...] = ((-1, "left"), (1, "right"))


def state_scores(
    found: npt.NDArray[np.bool_], truth: npt.NDArray[np.bool_]
) -> dict[str, float | int | None]:
    """Return how well states (calcium up or at rest) agree, one for each punctum and frame.

    Parameters
    ----------
    found, truth : numpy.ndarray, shape (n,), bool
        Whether calcium is up.

    Returns
    -------
    dict
        ``states``, ``active`` (true ones), ``f1``, ``sensitivity`` (share of the active that were
        found), ``specificity`` (share of those at rest that were left), ``precision`` and ``iou``
        (intersection over union); None where there is nothing to divide by.
    """
    hits = int((found & truth).sum())
    false, missed = int((found & ~truth).sum()), int((~found & truth).sum())
    rest = len(truth) - hits - false - missed

    def share(part: int, whole: int) -> float | None:
        return part / whole if whole else None

    return {
        "states": len(truth),
        "active": hits + missed,
        "f1": share(2 * hits, 2 * hits + false + missed),
        "precision": share(hits, hits + false),
        "sensitivity": share(hits, hits + missed),
        "specificity": share(rest, rest + false),
        "iou": share(hits, hits + false + missed),
    }


@dataclass(frozen=True, eq=False)
class EventMatch:
    """Which events are true.

    Attributes
    ----------
    truth_rows, found_rows : numpy.ndarray, shape (h,), int64
        Rows of the partners.
    n_truth, n_found : int
        Events.
    onset_errors : numpy.ndarray, shape (h,), float64
        Onset found less the true one, in frames.
    """

    truth_rows: IndexArray
    found_rows: IndexArray
    n_truth: int
    n_found: int
    onset_errors: FloatArray


def match_events(truth: Events, found: Events, *, tolerance: float = ONSET_TOLERANCE) -> EventMatch:
    """Return the one-to-one assignment of events on the same tracks whose onsets are close.

    As many pairs as possible, and of those the assignment of the least total distance.

    Parameters
    ----------
    truth, found : Events
        Events whose tracks have the same numbers.
    tolerance : float
        Most frames between two onsets.
    """
    pairs: list[tuple[int, int]] = []
    for track in np.unique(truth.tracks):
        rows, others = np.flatnonzero(truth.tracks == track), np.flatnonzero(found.tracks == track)
        if not len(others):
            continue
        away = np.abs(truth.onsets[rows][:, None] - found.onsets[others][None])
        far = 1e3 * (tolerance + 1.0)
        chosen = linear_sum_assignment(np.where(away <= tolerance, away, far))
        pairs += [
            (int(rows[i]), int(others[j]))
            for i, j in zip(*chosen, strict=True)
            if away[i, j] <= tolerance
        ]
    table = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    errors = found.onsets[table[:, 1]] - truth.onsets[table[:, 0]]
    return EventMatch(table[:, 0], table[:, 1], len(truth), len(found), errors)


def tracks_at(
    truth: Spots, events: Events, *, tolerance: float, onset_tolerance: float
) -> IndexArray:
    """Return the true track at the place of each event, shape (n,); ``NO_TRACK`` where none is.

    Of the true positions within both tolerances the one of the nearest frame counts, and of those
    the nearest one.

    Parameters
    ----------
    truth : Spots
        True positions with tracks.
    events : Events
        Events with positions.
    tolerance : float
        Most pixels between an event and a true position.
    onset_tolerance : float
        Most frames between an event's onset and a true position.
    """
    found = np.full(len(events), NO_TRACK, dtype=np.int64)
    if truth.tracks is None or events.positions is None:
        return found
    order = np.argsort(truth.frames, kind="stable")
    frames = truth.frames[order]
    at = events.onset_frames
    bounds = [np.searchsorted(frames, at + k * onset_tolerance, side) for k, side in _SIDES]
    for row, (first, end) in enumerate(zip(*bounds, strict=True)):
        near = order[first:end]
        away = np.hypot(*(truth.positions[near] - events.positions[row]).T)
        near, away = near[away <= tolerance], away[away <= tolerance]
        if len(near):
            best = np.lexsort((away, np.abs(truth.frames[near] - at[row])))[0]
            found[row] = truth.tracks[near[best]]
    return found


def event_scores(match: EventMatch) -> dict[str, float | int | None]:
    """Return precision, recall and F1 of events, and the error of onsets in frames.

    Parameters
    ----------
    match : EventMatch
        The hits.
    """
    hits = len(match.truth_rows)
    total = match.n_truth + match.n_found
    errors = match.onset_errors
    return {
        "true_events": match.n_truth,
        "found_events": match.n_found,
        "event_hits": hits,
        "event_precision": hits / match.n_found if match.n_found else None,
        "event_recall": hits / match.n_truth if match.n_truth else None,
        "event_f1": 2 * hits / total if total else None,
        "onset_error": float(np.abs(errors).mean()) if hits else None,
        "onset_bias": float(errors.mean()) if hits else None,
    }


def states_of(events: Events, tracks: IndexArray, frames: IndexArray) -> npt.NDArray[np.bool_]:
    """Return whether an event is on at each of some tracks and frames.

    An event is on from the frame after its onset, when more than half of it is there, to its end;
    at least in its peak.

    Parameters
    ----------
    events : Events
        Events.
    tracks, frames : numpy.ndarray, shape (n,), int64
        Track and frame of each.
    """
    on = np.zeros(len(tracks), dtype=bool)
    for row in range(len(events)):
        first = min(int(np.ceil(events.onsets[row])), int(events.peaks[row]))
        own = tracks == events.tracks[row]
        on |= own & (frames >= first) & (frames <= events.ends[row])
    return on


def trace_correlation(truth: Traces, found: Traces) -> float | None:
    """Return Pearson's correlation of dF/F0 with the true one over all tracks and frames in common.

    Parameters
    ----------
    truth, found : Traces
        Traces whose tracks have the same numbers.
    """
    known = {(t, f): k for k, (t, f) in enumerate(zip(truth.tracks, truth.frames, strict=True))}
    rows = [
        (known[key], k)
        for k, key in enumerate(zip(found.tracks, found.frames, strict=True))
        if key in known
    ]
    if len(rows) < 3:
        return None
    first, second = np.array(rows).T
    a, b = truth.dff[first], found.dff[second]
    if a.std() == 0 or b.std() == 0:
        return None
    return float(np.corrcoef(a, b)[0, 1])


GRADES: dict[str, tuple[str, float, float, float]] = {
    "rmse_nm": ("low", 50.0, 30.0, 20.0),
    "precision": ("high", 0.85, 0.90, 0.95),
    "recall": ("high", 0.85, 0.90, 0.95),
    "frames_per_second": ("high", 20.0, 50.0, 100.0),
    "calcium_f1": ("high", 0.80, 0.85, 0.90),
    "sensitivity": ("high", 0.85, 0.90, 0.95),
    "specificity": ("high", 0.80, 0.85, 0.90),
    "correlation": ("high", 0.70, 0.80, 0.90),
    "completeness": ("high", 0.60, 0.75, 0.85),
    "colocalization_nm": ("low", 200.0, 100.0, 50.0),
    "onset_error": ("low", 1.0, 1.0, 0.5),
}
"""Figure -> whether low or high is good, and the guide's limits: target, good, excellent."""


def grade(name: str, value: float | None) -> str:
    """Return the guide's grade of a figure: below target, target, good or excellent.

    Parameters
    ----------
    name : str
        Name in :data:`GRADES`.
    value : float or None
        The figure; None has no grade.

    Examples
    --------
    >>> grade("rmse_nm", 25.0), grade("calcium_f1", 0.7), grade("recall", None)
    ('good', 'below target', '-')
    """
    if value is None:
        return "-"
    good_is, *limits = GRADES[name]
    words = ("target", "good", "excellent")
    reached = [
        word
        for word, limit in zip(words, limits, strict=True)
        if (value <= limit if good_is == "low" else value >= limit)
    ]
    return reached[-1] if reached else "below target"


def as_figures(values: dict[str, Any]) -> dict[str, str]:
    """Return the grades of the figures that have one.

    Parameters
    ----------
    values : dict
        Figures by name.
    """
    return {name: grade(name, values.get(name)) for name in GRADES if name in values}
