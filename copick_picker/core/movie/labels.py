"""Calcium labels of others at puncta: masks and event tables become states of each punctum."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import find_objects, label
from scipy.spatial import cKDTree

from copick_picker.errors import DataError
from copick_picker.records.calcium import PUNCTUM, WAVE, Events
from copick_picker.records.movies import NO_TRACK, Frames, IndexArray, Spots

KINDS = {"wave": WAVE, "waves": WAVE, "spark": "spark", "sparks": "spark", "puff": "puff"} | {
    "puffs": "puff"
}
"""What users call what is left out -> kind."""


@dataclass(frozen=True)
class LabelRules:
    """Which labels are kept.

    Attributes
    ----------
    distance : float
        Most pixels between a label and the punctum that it belongs to.
    wave_area : float
        Pixels in a frame from which on a labelled body is a wave.
    left_out : frozenset of str
        Kinds that are left out: ``wave``, ``spark``, ``puff``.
    """

    distance: float
    wave_area: float
    left_out: frozenset[str]


@dataclass(frozen=True, eq=False)
class PairedLabels:
    """States of puncta as labels have them.

    Attributes
    ----------
    active : numpy.ndarray, shape (n,), bool
        Whether calcium is up at each punctum.
    counts : dict
        Labels in all, kept, and left out by reason.
    """

    active: npt.NDArray[np.bool_]
    counts: dict[str, int]


def states_of_events(
    events: Events, puncta: Spots, rules: LabelRules, *, n_frames: int, name: str
) -> PairedLabels:
    """Return the states of puncta from a table of events.

    An event belongs to its track where it names one, else to the punctum nearest to it in its first
    frame that shows one within the distance.

    Parameters
    ----------
    events : Events
        Events.
    puncta : Spots
        Puncta, with tracks where there are any.
    rules : LabelRules
        What is kept.
    n_frames : int
        Frames of the movie.
    name : str
        The table, for messages.

    Raises
    ------
    DataError
        If an event lies beyond the movie, or has neither a track nor a position.
    """
    beyond = np.flatnonzero((events.ends >= n_frames) | (events.onsets < 0))
    if len(beyond):
        row = int(beyond[0])
        msg = (
            f"{name}: the event in row {row + 1} lasts from frame {events.onset_frames[row]} to "
            f"{events.ends[row]}, but the movie has {n_frames} frames; {len(beyond)} of "
            f"{len(events)} events go beyond it"
        )
        raise DataError(msg)
    active = np.zeros(len(puncta), dtype=bool)
    counts = {"labels": len(events), "kept": 0, "apart from puncta": 0}
    kinds = events.kinds or (PUNCTUM,) * len(events)
    for row, kind in enumerate(kinds):
        word = KINDS.get(kind, kind)
        if word in rules.left_out:
            counts[f"{word}s"] = counts.get(f"{word}s", 0) + 1
            continue
        own = _rows_of_event(events, row, puncta, rules.distance, name)
        if not len(own):
            counts["apart from puncta"] += 1
            continue
        counts["kept"] += 1
        active[own] = True
    return PairedLabels(active, counts)


def _rows_of_event(
    events: Events, row: int, puncta: Spots, distance: float, name: str
) -> IndexArray:
    first, last = int(events.onset_frames[row]), int(events.ends[row])
    during = (puncta.frames >= first) & (puncta.frames <= last)
    track = int(events.tracks[row])
    if track != NO_TRACK and puncta.tracks is not None:
        return np.flatnonzero(during & (puncta.tracks == track))
    if events.positions is None:
        msg = f"{name}: the event in row {row + 1} has neither a track_id nor x and y"
        raise DataError(msg)
    away = np.hypot(*(puncta.positions - events.positions[row]).T)
    near = np.flatnonzero(during & (away <= distance))
    if not len(near):
        return near
    best = int(near[np.lexsort((away[near], puncta.frames[near]))[0]])
    if puncta.tracks is None or puncta.tracks[best] == NO_TRACK:
        return near
    return np.flatnonzero(during & (puncta.tracks == puncta.tracks[best]))


def states_of_mask(mask: Frames, puncta: Spots, rules: LabelRules, *, name: str) -> PairedLabels:
    """Return the states of puncta from a mask: up where a labelled body reaches a punctum.

    Bodies are joined within a frame; one larger than a wave's least area is a wave, one that
    reaches no punctum a spark.

    Parameters
    ----------
    mask : numpy.ndarray, shape (t, y, x)
        Two values: signal and none; perhaps in a file.
    puncta : Spots
        Puncta.
    rules : LabelRules
        What is kept.
    name : str
        The mask, for messages.

    Raises
    ------
    DataError
        If it has more than two values.
    """
    active = np.zeros(len(puncta), dtype=bool)
    counts = {"labels": 0, "kept": 0, "apart from puncta": 0}
    seen: set[float] = set()
    for frame in range(len(mask)):
        plane = np.asarray(mask[frame])
        seen |= {float(each) for each in np.unique(plane)}
        if len(seen) > 2:
            some = ", ".join(f"{value:g}" for value in sorted(seen)[:4])
            msg = f"{name} has more than two values ({some}); expected signal and none"
            raise DataError(msg)
        on = plane > min(seen) if len(seen) == 2 else plane > 0
        rows = np.flatnonzero(puncta.frames == frame)
        _add_bodies(on, rows, puncta, rules, active, counts)
    return PairedLabels(active, counts)


def _add_bodies(
    on: npt.NDArray[np.bool_],
    rows: IndexArray,
    puncta: Spots,
    rules: LabelRules,
    active: npt.NDArray[np.bool_],
    counts: dict[str, int],
) -> None:
    """Mark the puncta that a frame's bodies reach, and count the bodies."""
    bodies, _ = label(on)
    tree = cKDTree(puncta.positions[rows, ::-1]) if len(rows) else None
    for number, window in enumerate(find_objects(bodies), start=1):
        cells = np.argwhere(bodies[window] == number) + [part.start for part in window]
        counts["labels"] += 1
        if len(cells) >= rules.wave_area and WAVE in rules.left_out:
            counts["waves"] = counts.get("waves", 0) + 1
            continue
        near: set[int] = set()
        if tree is not None:
            for found in tree.query_ball_point(cells, rules.distance):
                near |= set(found)
        if not near:
            counts["apart from puncta"] += 1
            continue
        counts["kept"] += 1
        active[rows[sorted(near)]] = True
