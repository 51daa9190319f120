"""Possible links: pairs of points within a gate, the nearest of each point."""

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from copick_picker.core.link.points import Edges, FloatArray, IndexArray, LinkPoints
from copick_picker.errors import DataError

_AT_ONCE = 20_000
_MIDDLE = (0.2, 0.8)
_LEAST = 1e-12


def candidate_edges(
    points: LinkPoints, *, gate: float, largest_gap: int, n_nearest: int
) -> tuple[Edges, bool]:
    """Return pairs of points that may be linked, and whether the gate held more.

    Parameters
    ----------
    points : LinkPoints
        The points; without an ordered axis they need tangents.
    gate : float
        Greatest distance of two points; over a gap g of places it is ``gate * sqrt(g)``.
    largest_gap : int
        Greatest difference of places.
    n_nearest : int
        Most partners of a point, the nearest: for each gap, or on each side.

    Returns
    -------
    edges : Edges
        Sorted by their points; each pair once.
    was_bounded : bool
        Whether some point had more partners within the gate.

    Raises
    ------
    DataError
        If there is neither an ordered axis nor a tangent.

    Examples
    --------
    >>> line = LinkPoints(np.array([[0.0], [1.0], [5.0]]), np.array([0, 1, 2]))
    >>> edges, _ = candidate_edges(line, gate=2.0, largest_gap=1, n_nearest=3)
    >>> edges.first.tolist(), edges.second.tolist()
    ([0], [1])
    """
    if points.places is not None:
        return _along_the_axis(points, points.places, gate, largest_gap, n_nearest)
    if points.tangents is None:
        msg = "points without an ordered axis need tangents to be linked"
        raise DataError(msg)
    return _along_tangents(points.positions, points.tangents, gate, n_nearest)


def _along_the_axis(
    points: LinkPoints, places: IndexArray, gate: float, largest_gap: int, n_nearest: int
) -> tuple[Edges, bool]:
    rows = {int(place): np.flatnonzero(places == place) for place in np.unique(places)}
    trees = {place: cKDTree(points.positions[row]) for place, row in rows.items()}
    firsts, seconds, gaps, was_bounded = [], [], [], False
    for place, row in rows.items():
        for gap in range(1, largest_gap + 1):
            if place + gap not in rows:
                continue
            reach = gate * np.sqrt(gap)
            _, found = trees[place + gap].query(
                points.positions[row], k=n_nearest + 1, distance_upper_bound=reach
            )
            there = np.asarray(found).reshape(len(row), -1) < len(rows[place + gap])
            was_bounded |= bool(there.sum(axis=1).max(initial=0) > n_nearest)
            there[:, n_nearest:] = False
            at, column = np.nonzero(there)
            firsts.append(row[at])
            seconds.append(rows[place + gap][np.asarray(found).reshape(len(row), -1)[at, column]])
            gaps.append(np.full(len(at), gap))
    first, second, gap_of = (_joined(parts) for parts in (firsts, seconds, gaps))
    order = np.lexsort((second, first))
    ones, zeros = np.ones(len(first), dtype=np.int64), np.zeros(len(first), dtype=np.int64)
    return Edges(first[order], second[order], ones, zeros, gap_of[order]), was_bounded


def _along_tangents(
    positions: FloatArray, tangents: FloatArray, gate: float, n_nearest: int
) -> tuple[Edges, bool]:
    """Return pairs of which one is among the nearest of the other, on that side of it."""
    distances, found = cKDTree(positions).query(
        positions, k=min(4 * n_nearest + 1, len(positions)), distance_upper_bound=gate
    )
    found = np.asarray(found).reshape(len(positions), -1)
    there = (found < len(positions)) & (found != np.arange(len(positions))[:, None])
    at, column = np.nonzero(there)
    first, second = at.astype(np.int64), found[at, column].astype(np.int64)
    apart = positions[second] - positions[first]
    sides = ((apart * tangents[first]).sum(axis=1) > 0).astype(np.int64)
    length = np.asarray(distances).reshape(len(positions), -1)[at, column]
    order = np.lexsort((length, sides, first))
    first, second, sides = first[order], second[order], sides[order]
    ranks = _ranks(2 * first + sides)
    was_bounded = bool((ranks >= n_nearest).any())
    kept = ranks < n_nearest
    first, second, sides = first[kept], second[kept], sides[kept]
    # once each, from the lower number
    number = len(positions)
    key = np.minimum(first, second) * number + np.maximum(first, second)
    _, once = np.unique(key, return_index=True)
    low, high = np.minimum(first, second)[once], np.maximum(first, second)[once]
    apart = positions[high] - positions[low]
    low_sides = ((apart * tangents[low]).sum(axis=1) > 0).astype(np.int64)
    high_sides = ((-apart * tangents[high]).sum(axis=1) > 0).astype(np.int64)
    return Edges(low, high, low_sides, high_sides, np.ones(len(low), dtype=np.int64)), was_bounded


def passes_none(
    positions: FloatArray, edges: Edges, *, width: float, n_nearest: int
) -> npt.NDArray[np.bool_]:
    """Return which links have no other point beside their middle part.

    A filament that goes on from one point to another does not leave out one between them.

    Parameters
    ----------
    positions : numpy.ndarray, shape (n, d), float64
        All points.
    edges : Edges
        The links.
    width : float
        Distance from the link up to which a point lies beside it.
    n_nearest : int
        Neighbours of each end that are looked at.

    Returns
    -------
    numpy.ndarray, shape (m,), bool

    Examples
    --------
    >>> one = np.ones(3, dtype=int)
    >>> edges = Edges(np.array([0, 1, 0]), np.array([1, 2, 2]), one, one, one)
    >>> line = np.array([[0.0, 0.0], [1.0, 0.1], [2.0, 0.0]])
    >>> passes_none(line, edges, width=0.3, n_nearest=2).tolist()
    [True, True, False]
    """
    k = min(n_nearest + 1, len(positions))
    _, near = cKDTree(positions).query(positions, k=k)
    near = np.asarray(near).reshape(len(positions), -1)
    free = np.ones(len(edges), dtype=bool)
    for begin in range(0, len(edges), _AT_ONCE):
        part = slice(begin, begin + _AT_ONCE)
        first, second = edges.first[part], edges.second[part]
        along = positions[second] - positions[first]
        square = np.maximum((along**2).sum(axis=1), _LEAST)
        for end, sign in ((first, 1.0), (second, -1.0)):
            others = near[end]
            apart = positions[others] - positions[end][:, None, :]
            share = sign * np.einsum("mkd,md->mk", apart, along) / square[:, None]
            across = (apart**2).sum(axis=2) - share**2 * square[:, None]
            between = (share > _MIDDLE[0]) & (share < _MIDDLE[1])
            other = (others != first[:, None]) & (others != second[:, None])
            free[part] &= ~(between & other & (across < width**2)).any(axis=1)
    return free


def _ranks(groups: IndexArray) -> IndexArray:
    """Return the number of each entry within its run of equal values."""
    begins = np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]])
    lengths = np.diff(np.r_[begins, len(groups)])
    result: IndexArray = np.arange(len(groups)) - np.repeat(begins, lengths)
    return result


def _joined(parts: list[npt.NDArray[np.int64]]) -> IndexArray:
    return np.concatenate([np.zeros(0, dtype=np.int64), *parts])
