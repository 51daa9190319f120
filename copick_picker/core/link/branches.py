"""Splits and merges: ends of tracks that meet another track between its ends.

Tracks are one-to-one; a branch is a relation of two of them, found afterwards and only if asked
for. Along an ordered axis a track that begins beside another has split off it, one that ends beside
another has merged with it; without one either end may meet a side.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from copick_picker.core.link.points import IndexArray, LinkPoints
from copick_picker.core.link.tracks import Track

_PIECE = 4
_LARGEST_ANGLE = math.radians(60.0)
_LEAST = 1e-12


class Branch(NamedTuple):
    """An end of a track that meets another track.

    Attributes
    ----------
    track : int
        The track that ends there, by its place in the list.
    at_start : bool
        Whether its first point meets the other (a split, along an ordered axis), or its last.
    other : int
        The track that is met.
    point : int
        The nearest point of that.
    """

    track: int
    at_start: bool
    other: int
    point: int


def branches_of(
    points: LinkPoints, tracks: list[Track], *, gate: float, largest_gap: int
) -> list[Branch]:
    """Return the ends of tracks that meet another track between its ends.

    Parameters
    ----------
    points : LinkPoints
        The points.
    tracks : list of Track
        Tracks.
    gate : float
        Greatest distance of an end from the point that it meets, over a gap of g places times
        ``sqrt(g)``.
    largest_gap : int
        Greatest difference of places; without an ordered axis it does not count. There the other
        has to lie before the end, within 60 degrees of the line of its last points.

    Examples
    --------
    >>> line = [[float(x), 0.0] for x in range(9)]
    >>> points = LinkPoints(np.array([*line, [4.0, 1.0], [4.0, 2.0], [4.0, 3.0]]))
    >>> no = np.zeros(9, dtype=bool)
    >>> tracks = [Track(np.arange(9), no), Track(np.arange(9, 12), no[:3])]
    >>> branches_of(points, tracks, gate=1.5, largest_gap=1)
    [Branch(track=1, at_start=True, other=0, point=4)]
    """
    inner, owners = [], []
    for number, track in enumerate(tracks):
        inner.append(track.members[1:-1])
        owners.append(np.full(len(inner[-1]), number))
    members = np.concatenate([np.zeros(0, dtype=np.int64), *inner])
    owner = np.concatenate([np.zeros(0, dtype=np.int64), *owners])
    if len(members) == 0:
        return []
    tree = cKDTree(points.positions[members])
    reach = gate * math.sqrt(max(1, largest_gap if points.places is not None else 1))
    found = []
    for number, track in enumerate(tracks):
        for at_start in (True, False):
            own = track.members if at_start else track.members[::-1]
            near = np.array(tree.query_ball_point(points.positions[own[0]], reach), dtype=np.int64)
            near = near[owner[near] != number]
            at = members[near]
            good = _meets(points, own, at, gate=gate, largest_gap=largest_gap, at_start=at_start)
            if good.any():
                apart = np.linalg.norm(points.positions[at] - points.positions[own[0]], axis=1)
                best = int(np.where(good, apart, np.inf).argmin())
                found.append(Branch(number, at_start, int(owner[near[best]]), int(at[best])))
    return found


def _meets(
    points: LinkPoints,
    own: IndexArray,
    at: IndexArray,
    *,
    gate: float,
    largest_gap: int,
    at_start: bool,
) -> npt.NDArray[np.bool_]:
    """Return which points an end may meet; ``own`` are the track's points from that end on."""
    apart = points.positions[at] - points.positions[own[0]]
    length = np.linalg.norm(apart, axis=1)
    result: npt.NDArray[np.bool_]
    if points.places is not None:
        gap = (points.places[own[0]] - points.places[at]) * (1 if at_start else -1)
        result = (gap >= 1) & (gap <= largest_gap) & (length <= gate * np.sqrt(np.maximum(gap, 1)))
        return result
    piece = points.positions[own[:_PIECE]]
    outward = piece[0] - piece[-1] if len(piece) > 1 else np.zeros(piece.shape[1])
    norms = np.maximum(length * np.linalg.norm(outward), _LEAST)
    result = (length <= gate) & ((apart @ outward) / norms >= math.cos(_LARGEST_ANGLE))
    return result
