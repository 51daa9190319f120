"""Tracks to compare: points, the track of each, their order, and which points hit each other."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from copick_picker.core.evaluate.assignment import assign_one_to_one
from copick_picker.core.evaluate.pairs import find_pairs
from copick_picker.errors import DataError

FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.int64]
NOBODY = -1


@dataclass(frozen=True, eq=False)
class TrackSet:
    """Points and the tracks that they belong to.

    Attributes
    ----------
    positions : numpy.ndarray, shape (n, d), float64
        Positions, all axes in one unit of length; two or three axes.
    tracks : numpy.ndarray, shape (n,), int64
        Number of the track of each point from 1; 0: none.
    ranks : numpy.ndarray, shape (n,), int64
        Order along the track: the place along the ordered axis (the frame of a movie), or any
        numbers that rise along it.
    is_placed : bool
        Whether ranks are places along an ordered axis, so that points hit each other only at the
        same place, and no track has two at one.
    """

    positions: FloatArray
    tracks: IndexArray
    ranks: IndexArray
    is_placed: bool

    def __post_init__(self) -> None:
        """Check that no track has two points of one rank."""
        inside = self.tracks > 0
        keys = np.stack([self.tracks[inside], self.ranks[inside]], axis=1)
        _, counts = np.unique(keys, axis=0, return_counts=True)
        if (counts > 1).any():
            msg = f"{int((counts > 1).sum())} tracks have two points at one place"
            raise DataError(msg)

    def __len__(self) -> int:
        """Return the number of points."""
        return len(self.positions)

    def members(self) -> dict[int, IndexArray]:
        """Return the points of each track, in order."""
        order = np.lexsort((self.ranks, self.tracks))
        order = order[self.tracks[order] > 0]
        borders = np.flatnonzero(np.diff(self.tracks[order])) + 1
        return {int(self.tracks[part[0]]): part for part in np.split(order, borders) if len(part)}

    def edges(self) -> IndexArray:
        """Return the pairs of points (m, 2) that follow each other along a track."""
        parts = [np.stack([own[:-1], own[1:]], axis=1) for own in self.members().values()]
        return np.concatenate([np.zeros((0, 2), dtype=np.int64), *parts])


@dataclass(frozen=True, eq=False)
class TrackMatch:
    """Which points of two track sets hit each other.

    Attributes
    ----------
    reference, candidate : TrackSet
        The tracks compared.
    candidate_of : numpy.ndarray, shape (n,), int64
        Candidate point of each reference point; -1: none.
    reference_of : numpy.ndarray, shape (m,), int64
        Reference point of each candidate point; -1: none.
    tolerance : float
        Greatest distance of a hit.
    """

    reference: TrackSet
    candidate: TrackSet
    candidate_of: IndexArray
    reference_of: IndexArray
    tolerance: float

    def found_tracks(self, points: IndexArray) -> IndexArray:
        """Return the candidate track of the hits of reference points; 0: no hit, or no track."""
        result = np.zeros(len(points), dtype=np.int64)
        partner = self.candidate_of[points]
        result[partner != NOBODY] = self.candidate.tracks[partner[partner != NOBODY]]
        return result


def match_points(reference: TrackSet, candidate: TrackSet, *, tolerance: float) -> TrackMatch:
    """Return the one-to-one assignment of points: most hits, then the least total distance.

    Parameters
    ----------
    reference, candidate : TrackSet
        Tracks, both with an ordered axis or both without.
    tolerance : float
        Greatest distance of a hit, in the unit of the positions.

    Examples
    --------
    >>> one = np.array([1, 1])
    >>> first = TrackSet(np.array([[0.0, 0.0], [9.0, 0.0]]), one, np.array([0, 1]), is_placed=True)
    >>> second = TrackSet(np.array([[9.0, 1.0], [0.0, 1.0]]), one, np.array([0, 1]), is_placed=True)
    >>> match_points(first, second, tolerance=2.0).candidate_of.tolist()
    [-1, -1]
    """
    if reference.is_placed != candidate.is_placed:
        msg = "one set of tracks has an ordered axis, the other has none"
        raise DataError(msg)
    candidate_of = np.full(len(reference), NOBODY, dtype=np.int64)
    reference_of = np.full(len(candidate), NOBODY, dtype=np.int64)
    places = [np.zeros(len(each), dtype=np.int64) for each in (reference, candidate)]
    if reference.is_placed:
        places = [reference.ranks, candidate.ranks]
    for place in np.intersect1d(places[0], places[1]):
        rows = [np.flatnonzero(own == place) for own in places]
        pairs = find_pairs(
            _in_space(reference.positions[rows[0]]),
            _in_space(candidate.positions[rows[1]]),
            reach_angstrom=tolerance,
        )
        first, second = assign_one_to_one(pairs, tolerance_angstrom=tolerance)
        candidate_of[rows[0][first]] = rows[1][second]
        reference_of[rows[1][second]] = rows[0][first]
    return TrackMatch(reference, candidate, candidate_of, reference_of, tolerance)


def _in_space(positions: FloatArray) -> FloatArray:
    """Return positions with three axes."""
    return np.pad(positions, ((0, 0), (0, 3 - positions.shape[1])))
