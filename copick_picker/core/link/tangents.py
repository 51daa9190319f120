"""Tangents: of points from their neighbours, and along tracks from their own points."""

import numpy as np
from scipy.spatial import cKDTree

from copick_picker.core.link.points import FloatArray, IndexArray
from copick_picker.core.link.tracks import Track

_ROUNDS = 3
_LEAST_NEIGHBOURS = 2


def tangents_from_neighbours(
    positions: FloatArray, *, reach: float, width: float, n_nearest: int
) -> FloatArray:
    """Return for each point the direction of the line on which most neighbours lie.

    Every direction to a neighbour is tried; the one with the most points near its line is taken
    and fitted to them, weighted by a Gaussian of their distance from the line.

    Parameters
    ----------
    positions : numpy.ndarray, shape (n, d), float64
        The points.
    reach : float
        Distance of the farthest neighbours that are looked at.
    width : float
        Standard deviation of points about the line, in the same unit.
    n_nearest : int
        Most neighbours that are looked at.

    Returns
    -------
    numpy.ndarray, shape (n, d), float64
        Unit vectors of either sign; along the first axis where a point has no neighbour.

    Examples
    --------
    >>> line = np.array([[0.0, 0.0], [0.0, 2.0], [0.0, 4.0], [3.0, 9.0]])
    >>> tangents_from_neighbours(line, reach=5.0, width=0.5, n_nearest=3)[0].round(3).tolist()
    [0.0, 1.0]
    """
    number, d = positions.shape
    result = np.zeros((number, d))
    result[:, 0] = 1.0
    if number < 2:
        return result
    k = min(n_nearest + 1, number)
    distances, found = cKDTree(positions).query(positions, k=k, distance_upper_bound=reach)
    there = np.isfinite(distances[:, 1:])
    index = np.where(there, found[:, 1:], 0)
    apart = positions[index] - positions[:, None, :]
    length = np.where(there, distances[:, 1:], 1.0)
    directions = apart / np.maximum(length, 1e-12)[..., None]
    along = np.einsum("nad,nbd->nab", directions, apart)
    across = np.maximum(length[:, None, :] ** 2 - along**2, 0.0)
    weights = np.exp(-0.5 * across / width**2) * there[:, None, :]
    support = np.where(there, weights.sum(axis=2), -1.0)
    best = support.argmax(axis=1)
    chosen = directions[np.arange(number), best]
    has_any = there.any(axis=1)
    for _ in range(_ROUNDS):
        along = np.einsum("nd,nbd->nb", chosen, apart)
        across = np.maximum((apart**2).sum(axis=2) - along**2, 0.0)
        weight = np.exp(-0.5 * across / width**2) * there
        moments = np.einsum("nb,nbd,nbe->nde", weight, apart, apart)
        _, vectors = np.linalg.eigh(moments)
        fitted = vectors[:, :, -1]
        enough = weight.sum(axis=1) > _LEAST_NEIGHBOURS - 0.5
        chosen = np.where((enough & has_any)[:, None], fitted, chosen)
    return np.where(has_any[:, None], chosen, result)


def tangents_along(positions: FloatArray, members: IndexArray, *, n_each_side: int) -> FloatArray:
    """Return the tangent at each point of a track: of the line through its neighbours on it.

    Parameters
    ----------
    positions : numpy.ndarray, shape (n, d), float64
        All points.
    members : numpy.ndarray, shape (k,), int64
        Points of the track in order, two or more.
    n_each_side : int
        Neighbours on each side that the line is fitted to.

    Returns
    -------
    numpy.ndarray, shape (k, d), float64
        Unit vectors, forward along the track.

    Examples
    --------
    >>> points = np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]])
    >>> tangents_along(points, np.array([2, 1, 0]), n_each_side=1).tolist()
    [[-1.0, 0.0], [-1.0, 0.0], [-1.0, 0.0]]
    """
    own = positions[members]
    length = np.r_[0.0, np.cumsum(np.linalg.norm(np.diff(own, axis=0), axis=1))]
    result = np.zeros_like(own)
    for at in range(len(own)):
        part = slice(max(0, at - n_each_side), at + n_each_side + 1)
        s = length[part] - length[part].mean()
        slope = (s[:, None] * (own[part] - own[part].mean(axis=0))).sum(axis=0)
        norm = np.linalg.norm(slope)
        if norm > 0:
            result[at] = slope / norm
        else:
            result[at] = own[min(at + 1, len(own) - 1)] - own[max(at - 1, 0)]
    return result


def refined_tangents(
    positions: FloatArray, tangents: FloatArray, tracks: list[Track], *, n_each_side: int
) -> FloatArray:
    """Return tangents, those of points in tracks of three or more from their track.

    Parameters
    ----------
    positions, tangents : numpy.ndarray, shape (n, d), float64
        Points, and the tangents so far.
    tracks : list of Track
        Tracks.
    n_each_side : int
        Neighbours on each side.
    """
    result = tangents.copy()
    for track in tracks:
        if len(track.members) > _LEAST_NEIGHBOURS:
            own = tangents_along(positions, track.members, n_each_side=n_each_side)
            result[track.members] = np.where(track.turned[:, None], -own, own)
    return result
