"""Training targets, painted from particle centres or taken from segmentations.

The same functions paint patches on the fly and whole volumes for inspection. A patch is painted in
its local coordinates, so that it equals the same part of the whole volume.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from copick_picker.core.geometry import Triple, voxels_to_points
from copick_picker.core.labels import LabelVolume, paint_spheres
from copick_picker.errors import DataError, SettingsError, UnknownNameError, choices_text

FloatArray = npt.NDArray[np.float64]
Probabilities = npt.NDArray[np.float32]
_REACH = 3.0
"""Gaussian targets are cut off at this many standard deviations."""
_HALF_HEIGHT = float(np.sqrt(2.0 * np.log(2.0)))
"""Radius of a Gaussian at half its height, in standard deviations."""


@dataclass(frozen=True, eq=False)
class PatchTruth:
    """The particles of a patch, or of a whole volume.

    Attributes
    ----------
    shape_zyx : tuple of int
        Shape of the patch.
    centres_zyx : mapping of int to numpy.ndarray, shape (n, 3), float64
        Particle centres of each channel from 1, in voxels of the patch; may lie outside it.
    radii_voxels : mapping of int to float
        Radius of the particle of each channel in voxels.
    labels_zyx : numpy.ndarray, shape (z, y, x), uint8, or None
        Channels of a segmentation that covers the patch, if there is one.
    amplitudes : mapping of int to numpy.ndarray, shape (n,), float64, or None
        Amplitude of each particle, positive, where they are known.
    """

    shape_zyx: Triple
    centres_zyx: Mapping[int, FloatArray]
    radii_voxels: Mapping[int, float]
    labels_zyx: LabelVolume | None = None
    amplitudes: Mapping[int, FloatArray] | None = None


def sphere_labels(truth: PatchTruth, fraction: float) -> LabelVolume:
    """Return balls of a fraction of the particle's radius; see ``core.labels.paint_spheres``.

    Parameters
    ----------
    truth : PatchTruth
        Centres and radii.
    fraction : float
        Radius of the ball as a fraction of the particle's.

    Returns
    -------
    numpy.ndarray, shape (z, y, x), uint8
        Channel of each voxel; where balls overlap, that of the nearest centre in units of its
        ball's radius.

    Examples
    --------
    >>> truth = PatchTruth((5, 6, 7), {1: np.array([[2.0, 2.0, 3.0]])}, {1: 2.0})
    >>> int(sphere_labels(truth, 0.5).sum())
    7
    """
    points = {c: voxels_to_points(centres, 1.0) for c, centres in truth.centres_zyx.items()}
    radii = {c: fraction * _radius(truth, c) for c, centres in points.items() if len(centres)}
    return paint_spheres(truth.shape_zyx, points, radii, voxel_spacing=1.0)


def point_labels(truth: PatchTruth, fraction: float) -> LabelVolume:
    """Return one voxel per particle: the nearest to its centre.

    Parameters
    ----------
    truth : PatchTruth
        Centres.
    fraction : float
        Not used: a point has no size.

    Returns
    -------
    numpy.ndarray, shape (z, y, x), uint8
        Channel of each voxel; where two particles share a voxel, the lower channel.

    Examples
    --------
    >>> truth = PatchTruth((5, 6, 7), {2: np.array([[1.6, 2.0, 6.7]])}, {})
    >>> np.argwhere(point_labels(truth, 1.0)).tolist()
    []
    """
    del fraction
    labels = np.zeros(truth.shape_zyx, dtype=np.uint8)
    for channel in sorted(truth.centres_zyx, reverse=True):
        index = np.floor(truth.centres_zyx[channel] + 0.5).astype(int)
        inside = ((index >= 0) & (index < truth.shape_zyx)).all(axis=1)
        labels[tuple(index[inside].T)] = channel
    return labels


def mask_labels(truth: PatchTruth, fraction: float) -> LabelVolume:
    """Return the channels of the segmentation that covers the patch.

    Parameters
    ----------
    truth : PatchTruth
        With a segmentation.
    fraction : float
        Not used.

    Raises
    ------
    DataError
        If there is no segmentation, or its shape differs.
    """
    del fraction
    if truth.labels_zyx is None:
        msg = "targets of the kind 'masks' need a segmentation for every run"
        raise DataError(msg)
    if truth.labels_zyx.shape != truth.shape_zyx:
        msg = f"the segmentation has shape {truth.labels_zyx.shape}, the patch {truth.shape_zyx}"
        raise DataError(msg)
    return truth.labels_zyx


def gaussian_heights(truth: PatchTruth, n_channels: int, fraction: float) -> Probabilities:
    """Return, per channel, the maximum of Gaussians of height 1 at its particles.

    Parameters
    ----------
    truth : PatchTruth
        Centres and radii.
    n_channels : int
        Channels of the network, background included.
    fraction : float
        Standard deviation as a fraction of the particle's radius; cut off at three of them.

    Returns
    -------
    numpy.ndarray, shape (c, z, y, x), float32
        Channel 0 is 1 minus the others; where the others sum to more than 1 they are scaled to 1.

    Examples
    --------
    >>> truth = PatchTruth((5, 6, 7), {1: np.array([[2.0, 2.0, 3.0]])}, {1: 4.0})
    >>> heights = gaussian_heights(truth, 2, 0.5)
    >>> float(heights[1, 2, 2, 3]), round(float(heights[1, 2, 2, 5]), 4)
    (1.0, 0.6065)
    """
    heights = np.zeros((n_channels, *truth.shape_zyx), dtype=np.float32)
    for channel, centres in truth.centres_zyx.items():
        for centre in centres:
            _add_gaussian(heights[channel], centre, fraction * _radius(truth, channel))
    total = heights[1:].sum(axis=0)
    heights[1:] /= np.maximum(total, 1.0)
    heights[0] = 1.0 - np.minimum(total, 1.0)
    return heights


LABEL_TARGETS: dict[str, Callable[[PatchTruth, float], LabelVolume]] = {
    "masks": mask_labels,
    "points": point_labels,
    "spheres": sphere_labels,
}
"""Kinds of target with one channel per voxel: name -> (truth, fraction) -> labels."""
TARGET_KINDS = ("gaussian", *LABEL_TARGETS)
"""All kinds of target."""


def labels_of(kind: str, truth: PatchTruth, *, fraction: float) -> LabelVolume:
    """Return a target as labels, for inspection.

    Parameters
    ----------
    kind : str
        One of :data:`TARGET_KINDS`; for ``gaussian``, the voxels at half height and above.
    truth : PatchTruth
        The particles.
    fraction : float
        Size of the target as a fraction of the particle's radius.

    Returns
    -------
    numpy.ndarray, shape (z, y, x), uint8
        Channel of each voxel.

    Raises
    ------
    UnknownNameError
        If there is no such kind.
    """
    if kind == "gaussian":
        return sphere_labels(truth, fraction * _HALF_HEIGHT)
    if kind not in LABEL_TARGETS:
        msg = f"no kind of target '{kind}'; known: {choices_text(TARGET_KINDS)}"
        raise UnknownNameError(msg)
    return LABEL_TARGETS[kind](truth, fraction)


def painted_fraction(kind: str, fraction: float) -> float | None:
    """Return the radius that :func:`labels_of` paints, as a fraction of the particle's.

    Parameters
    ----------
    kind : str
        One of :data:`TARGET_KINDS`.
    fraction : float
        Size of the target as a fraction of the particle's radius.

    Returns
    -------
    float or None
        None for points, which have no size; 1 for masks, which show the particle itself.

    Examples
    --------
    >>> [painted_fraction(kind, 0.5) for kind in ("spheres", "points", "masks")]
    [0.5, None, 1.0]
    """
    if kind == "points":
        return None
    if kind == "masks":
        return 1.0
    return fraction * (_HALF_HEIGHT if kind == "gaussian" else 1.0)


def pooled_labels(labels: LabelVolume, stride: int) -> LabelVolume:
    """Return labels on a coarser grid: a block that touches an object gets its label.

    Parameters
    ----------
    labels : numpy.ndarray, shape (z, y, x), uint8
        Channel of each voxel; every side a multiple of the stride.
    stride : int
        Side of the blocks. A block with several objects goes to the lowest channel.

    Examples
    --------
    >>> pooled_labels(np.array([0, 0, 0, 2, 3, 2], np.uint8).reshape(1, 1, 6).repeat(2, 0)
    ...     .repeat(2, 1), 2).ravel().tolist()
    [0, 2, 2]
    """
    if stride == 1:
        return labels
    below = labels - np.uint8(1)  # background becomes 255, the maximum
    lowest = _blocks(below, stride).min(axis=(-5, -3, -1))
    result: LabelVolume = lowest + np.uint8(1)
    return result


def pooled_heights(heights: Probabilities, stride: int) -> Probabilities:
    """Return heights on a coarser grid: the maximum of each block; the background is the rest.

    Parameters
    ----------
    heights : numpy.ndarray, shape (c, z, y, x), float32
        As :func:`gaussian_heights` returns them.
    stride : int
        Side of the blocks.
    """
    if stride == 1:
        return heights
    pooled: Probabilities = _blocks(heights, stride).max(axis=(-5, -3, -1))
    total = pooled[1:].sum(axis=0)
    pooled[1:] /= np.maximum(total, 1.0)
    pooled[0] = 1.0 - np.minimum(total, 1.0)
    return pooled


def false_positive_centres(
    candidates_zyx: FloatArray, references_zyx: FloatArray, *, tolerance_voxels: float
) -> FloatArray:
    """Return the candidates far from every reference: hard negatives.

    A second candidate at a found particle counts as false in a score, but its surroundings show the
    particle, so it is not returned.

    Parameters
    ----------
    candidates_zyx : numpy.ndarray, shape (n, 3), float64
        Candidate picks of one object in one run, in voxels.
    references_zyx : numpy.ndarray, shape (m, 3), float64
        Reference picks of the same object in that run.
    tolerance_voxels : float
        Maximum distance of a hit.

    Returns
    -------
    numpy.ndarray, shape (k, 3), float64
        In the order of the candidates.

    Examples
    --------
    >>> candidates = np.array([[1.0, 1.0, 1.0], [9.0, 9.0, 9.0]])
    >>> false_positive_centres(candidates, candidates[:1], tolerance_voxels=2.0).tolist()
    [[9.0, 9.0, 9.0]]
    """
    candidates = np.asarray(candidates_zyx, dtype=np.float64).reshape(-1, 3)
    if len(candidates) == 0 or len(references_zyx) == 0:
        return candidates
    distance, _ = cKDTree(references_zyx).query(candidates)
    far: FloatArray = candidates[distance > tolerance_voxels]
    return far


def _radius(truth: PatchTruth, channel: int) -> float:
    radius = truth.radii_voxels.get(channel)
    if radius is None or not (np.isfinite(radius) and radius > 0):
        msg = f"channel {channel} has particles but its radius is {radius}"
        raise SettingsError(msg)
    return float(radius)


def blocks_of(centres: FloatArray, stride: int, *, n_axes: int) -> FloatArray:
    """Return positions in voxels as positions in blocks of voxels.

    Parameters
    ----------
    centres : numpy.ndarray, shape (n, d), float64
        Positions in voxels.
    stride : int
        Side of the blocks.
    n_axes : int
        d, for an empty array.

    Examples
    --------
    >>> blocks_of(np.array([[0.5, 2.5]]), 2, n_axes=2).tolist()
    [[0.0, 1.0]]
    """
    points = np.asarray(centres, dtype=np.float64).reshape(-1, n_axes)
    result: FloatArray = (points - (stride - 1) / 2) / stride
    return result


def blob_heights(heights: Probabilities, centres: FloatArray, sigma: float) -> None:
    """Raise a map to the maximum of itself and Gaussians of height 1, in place.

    Parameters
    ----------
    heights : numpy.ndarray, shape (z, y, x) or (y, x), float32
        The map.
    centres : numpy.ndarray, shape (n, d), float64
        Centres in voxels of the map; may lie outside it.
    sigma : float
        Standard deviation in voxels; a blob is cut off at three of them.

    Examples
    --------
    >>> heights = np.zeros((1, 5), np.float32)
    >>> blob_heights(heights, np.array([[0.0, 2.0]]), 1.0)
    >>> [round(float(height), 2) for height in heights[0]]
    [0.14, 0.61, 1.0, 0.61, 0.14]
    """
    for centre in centres:
        _add_gaussian(heights, centre, sigma)


def _add_gaussian(heights: Probabilities, centre: FloatArray, sigma: float) -> None:
    low = np.maximum(np.ceil(centre - _REACH * sigma), 0).astype(int)
    high = np.minimum(np.floor(centre + _REACH * sigma) + 1, heights.shape).astype(int)
    if (low >= high).any():
        return
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    blob: npt.NDArray[np.float64] = np.ones(())
    for a, b, c in zip(low, high, centre, strict=True):
        blob = np.multiply.outer(blob, np.exp(-0.5 * ((np.arange(a, b) - c) / sigma) ** 2))
    blob[blob < np.exp(-0.5 * _REACH**2)] = 0.0
    np.maximum(heights[box], blob.astype(np.float32), out=heights[box])


def _blocks(volume: npt.NDArray[Any], stride: int) -> npt.NDArray[Any]:
    *lead, z, y, x = volume.shape
    return volume.reshape(*lead, z // stride, stride, y // stride, stride, x // stride, stride)
