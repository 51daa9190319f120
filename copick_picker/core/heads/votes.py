"""Votes of voxels for the centre of the particle that they belong to.

Every voxel with a probability votes for the place that its offset points to: a Hough transform with
learned displacements, as in Gall and Lempitsky 2009, https://doi.org/10.1109/CVPR.2009.5206740.
Votes of one particle meet in a point, however wide and flat the probability is.
"""

import itertools
import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from copick_picker.core.heads.head import FoundPoints
from copick_picker.core.heads.maxima import face_steps, local_maxima

FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.int64]
VOTER = 0.05
"""Least probability of a voxel that votes."""
GATHERED = 1.5
"""Votes so many voxels from a maximum are looked at first."""
COUNTED = 1.25
"""Votes so many voxels from their mean count for a particle."""
_LEAST_SIGMA = 1e-3
PLANES = 4
"""Planes beyond the reach of a vote that decide on a particle."""


class VoteMaps(NamedTuple):
    """The maps of one object on one grid, (z, y, x) or (y, x).

    Attributes
    ----------
    shares : numpy.ndarray, shape (...)
        Probability of each voxel.
    places : numpy.ndarray, shape (d, ...)
        Offset along each axis, in voxels.
    sigmas : numpy.ndarray, shape (d, ...)
        Standard deviation of each offset.
    amplitudes : numpy.ndarray, shape (...), or None
        Logarithm of the amplitude.
    """

    shares: npt.NDArray[Any]
    places: npt.NDArray[Any]
    sigmas: npt.NDArray[Any]
    amplitudes: npt.NDArray[Any] | None


class _Votes(NamedTuple):
    """The voxels that vote, and how."""

    cells: IndexArray
    offsets: FloatArray
    shares: FloatArray
    variances: FloatArray
    amplitudes: FloatArray | None


def voted_points(maps: VoteMaps, planes: slice, *, mass: float, floor: float) -> FoundPoints:
    """Return the particles that voxels vote for.

    A particle is a maximum of the votes, each voxel's together with those of its face neighbours.
    Its position is the mean of the votes there, weighted by probability over variance. Its score is
    the sum s of their probabilities over that of a perfect particle; above 0.5 it is compressed to
    1 - exp(1 - 2 s) / 2, so that it stays below 1 and keeps the order.

    Parameters
    ----------
    maps : VoteMaps
        Some planes of the maps, with those around that votes come from.
    planes : slice
        Planes whose particles are returned.
    mass : float
        Sum of the probabilities of a perfect particle.
    floor : float
        Least score.

    Returns
    -------
    FoundPoints
        Sorted along the axes.
    """
    votes = _votes_of(maps)
    shape = maps.shares.shape
    density = _density(votes, shape)
    near = sum(_shifted(density, step) for step in face_steps(len(shape)))
    peaks = local_maxima(
        np.asarray(near, dtype=np.float32), floor=max(floor * mass, 1e-6), planes=planes
    )
    if len(peaks) == 0:
        return _points([], [], len(shape), has_amplitude=votes.amplitudes is not None)
    tree = cKDTree(votes.cells + votes.offsets)
    gathered = tree.query_ball_point(peaks, GATHERED + COUNTED, return_sorted=True)
    found = [
        _settled(votes, peak, np.asarray(members, dtype=np.int64))
        for peak, members in zip(peaks, gathered, strict=True)
    ]
    kept = [number for number, (_, _, total, _) in enumerate(found) if total >= floor * mass]
    return _points(
        [peaks[number] for number in kept],
        [(o, s, _score(t / mass), a) for o, s, t, a in (found[number] for number in kept)],
        len(shape),
        has_amplitude=votes.amplitudes is not None,
    )


def _votes_of(maps: VoteMaps) -> _Votes:
    cells = np.argwhere(maps.shares >= VOTER)
    place = tuple(cells.T)
    amplitudes = None
    if maps.amplitudes is not None:
        amplitudes = np.exp(maps.amplitudes[place].astype(np.float64))
    return _Votes(
        cells,
        np.stack([axis[place] for axis in maps.places], axis=1).astype(np.float64),
        maps.shares[place].astype(np.float64),
        np.stack([axis[place] for axis in maps.sigmas], axis=1)
        .astype(np.float64)
        .clip(min=_LEAST_SIGMA)
        ** 2,
        amplitudes,
    )


def _density(votes: _Votes, shape: tuple[int, ...]) -> FloatArray:
    """Return the probability that votes bring to each voxel, shared linearly between voxels."""
    base = np.floor(votes.offsets).astype(np.int64)
    part = votes.offsets - base
    density = np.zeros(int(np.prod(shape)))
    for corner in itertools.product((0, 1), repeat=len(shape)):
        cells = votes.cells + base + corner
        inside = np.asarray(((cells >= 0) & (cells < shape)).all(axis=1))
        weights = np.where(corner, part, 1.0 - part).prod(axis=1) * votes.shares
        index = np.ravel_multi_index(tuple(cells[inside].T), shape)
        density += np.bincount(index, weights[inside], minlength=len(density))
    return density.reshape(shape)


def _shifted(values: FloatArray, step: IndexArray) -> FloatArray:
    """Return values moved by a step, zeros where nothing comes from."""
    result = np.zeros_like(values)
    target: list[slice] = []
    source: list[slice] = []
    for move, size in zip(step.tolist(), values.shape, strict=True):
        target.append(slice(max(0, move), size + min(0, move)))
        source.append(slice(max(0, -move), size - max(0, move)))
    result[*target] = values[*source]
    return result


def _settled(
    votes: _Votes, peak: IndexArray, members: IndexArray
) -> tuple[FloatArray, FloatArray, float, float]:
    """Return offset from the peak, standard deviations, sum of probabilities and amplitude."""
    places = (votes.cells[members] - peak) + votes.offsets[members]
    weights = votes.shares[members, None] / votes.variances[members]
    first = (places**2).sum(axis=1) <= GATHERED**2
    if not first.any():
        return np.zeros(len(peak)), np.ones(len(peak)), 0.0, 0.0
    middle = (weights[first] * places[first]).sum(axis=0) / weights[first].sum(axis=0)
    near = ((places - middle) ** 2).sum(axis=1) <= COUNTED**2
    if not near.any():
        near = first
    totals = weights[near].sum(axis=0)
    offset = (weights[near] * places[near]).sum(axis=0) / totals
    shares = votes.shares[members][near]
    sigma = np.sqrt(shares.sum() / totals)
    amplitude = 0.0
    if votes.amplitudes is not None:
        amplitude = float((shares * votes.amplitudes[members][near]).sum() / shares.sum())
    return offset, sigma, float(shares.sum()), amplitude


def _score(share: float) -> float:
    return share if share <= 0.5 else 1.0 - 0.5 * math.exp(1.0 - 2.0 * share)


def _points(
    peaks: list[IndexArray],
    found: list[tuple[FloatArray, FloatArray, float, float]],
    n_axes: int,
    *,
    has_amplitude: bool,
) -> FoundPoints:
    return FoundPoints(
        np.array(peaks, dtype=np.int64).reshape(-1, n_axes),
        np.array([offset for offset, _, _, _ in found]).reshape(-1, n_axes),
        np.array([score for _, _, score, _ in found], dtype=np.float64),
        np.array([sigma for _, sigma, _, _ in found]).reshape(-1, n_axes),
        np.array([each for _, _, _, each in found], dtype=np.float64) if has_amplitude else None,
    )
