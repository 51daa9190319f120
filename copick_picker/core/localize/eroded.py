"""Centres of eroded components: how CryoSiam turns labels into picks."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from copick_picker.core.geometry import length_to_voxels

_TOUCHING = np.ones((3, 3, 3), dtype=bool)


@dataclass(frozen=True, eq=False)
class ErodedComponents:
    """Components of one label after erosion.

    Attributes
    ----------
    numbers : numpy.ndarray, shape (n,), int64
        Number of each component, from 1, counted before small ones were dropped.
    voxel_counts : numpy.ndarray, shape (n,), int64
        Voxels left by the erosion.
    centres_zyx : numpy.ndarray, shape (n, 3), float64
        Mean index of those voxels.
    mean_probabilities : numpy.ndarray, shape (n,), float64, or None
        Mean probability of those voxels, where one was given.
    n_label_voxels : int
        Voxels of the label before erosion.
    n_components : int
        Components after erosion, the small ones too.
    most_voxels : int
        Voxels of the largest of them.
    """

    numbers: npt.NDArray[np.int64]
    voxel_counts: npt.NDArray[np.int64]
    centres_zyx: npt.NDArray[np.float64]
    mean_probabilities: npt.NDArray[np.float64] | None = None
    n_label_voxels: int = 0
    n_components: int = 0
    most_voxels: int = 0


def eroded_components(
    labels: npt.NDArray[Any],
    label: int,
    *,
    more_than_voxels: int,
    probability_zyx: npt.NDArray[np.floating[Any]] | None = None,
) -> ErodedComponents:
    """Return the components of a label, eroded by one voxel, that are large enough.

    The structuring element is the cross of six neighbours; outside of the volume counts as the
    label, so that particles at a face are not lost. Components join over faces, edges and corners.

    Parameters
    ----------
    labels : numpy.ndarray, shape (z, y, x), integer
        Segmentation.
    label : int
        Which label.
    more_than_voxels : int
        A component must have more eroded voxels.
    probability_zyx : numpy.ndarray, shape (z, y, x), float, optional
        Probability of the label.

    Examples
    --------
    >>> labels = np.zeros((5, 6, 7), int)
    >>> labels[:3, 1:4, 2:5] = 2
    >>> found = eroded_components(labels, 2, more_than_voxels=1)
    >>> found.voxel_counts.tolist(), found.centres_zyx.tolist()
    ([2], [[0.5, 2.0, 3.0]])
    """
    own = labels == label
    inside = ndimage.binary_erosion(own, border_value=1)
    ids, n_components = ndimage.label(inside, structure=_TOUCHING)
    z, y, x = np.nonzero(ids)
    of_voxel = ids[z, y, x]
    counts = np.bincount(of_voxel, minlength=1)
    numbers = np.flatnonzero(counts > more_than_voxels)
    numbers = numbers[numbers > 0]
    sums = np.stack([np.bincount(of_voxel, axis, minlength=1)[numbers] for axis in (z, y, x)], 1)
    means = None
    if probability_zyx is not None:
        weights = probability_zyx[z, y, x].astype(np.float64)
        means = np.bincount(of_voxel, weights, minlength=1)[numbers] / counts[numbers]
    return ErodedComponents(
        numbers.astype(np.int64),
        counts[numbers].astype(np.int64),
        sums / counts[numbers, None],
        means,
        int(own.sum()),
        int(n_components),
        int(counts[1:].max(initial=0)),
    )


def bodies_of(labels: npt.NDArray[Any], label: int) -> tuple[int, int]:
    """Return how many components a label has before erosion, and the voxels of the largest.

    Parameters
    ----------
    labels : numpy.ndarray, shape (z, y, x), integer
        Segmentation.
    label : int
        Which label.

    Examples
    --------
    >>> labels = np.zeros((5, 6, 7), int)
    >>> labels[:2, 1:3, 2] = labels[4, 5, 6] = 1
    >>> bodies_of(labels, 1)
    (2, 4)
    """
    ids, number = ndimage.label(labels == label, structure=_TOUCHING)
    return int(number), int(np.bincount(ids.ravel())[1:].max(initial=0))


def eroded_ball_voxels(radius_angstrom: float, voxel_spacing: float) -> float:
    """Return how many voxels of a ball the erosion by one voxel leaves, 1 at least.

    Parameters
    ----------
    radius_angstrom : float
        Radius of the ball.
    voxel_spacing : float
        Edge of a voxel in Angstrom.

    Examples
    --------
    >>> round(eroded_ball_voxels(50.0, 10.0))
    268
    """
    left = max(length_to_voxels(radius_angstrom, voxel_spacing) - 1.0, 0.0)
    return max(4.0 / 3.0 * math.pi * left**3, 1.0)
