"""Probability volumes to segmentations, and picks to painted segmentations."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from copick_picker.core.geometry import length_to_voxels, points_to_voxels
from copick_picker.errors import DataError, SettingsError

LabelVolume = npt.NDArray[np.uint8]
"""Channels or labels (z, y, x)."""
MAX_LABEL = 255


def paint_spheres(
    shape_zyx: tuple[int, int, int],
    points_xyz_per_label: Mapping[int, npt.ArrayLike],
    radius_angstrom_per_label: Mapping[int, float],
    *,
    voxel_spacing: float,
) -> npt.NDArray[np.uint8]:
    """Return a segmentation with one solid sphere for each point.

    A voxel belongs to a sphere when its index lies at most one radius from the centre. Where
    spheres overlap it goes to the one whose centre is nearest in units of that sphere's radius,
    and at equal distance to the lower label, so that the order of points changes nothing.
    Spheres are cut at the faces of the volume; centres may lie outside it.

    Parameters
    ----------
    shape_zyx : tuple of int
        Shape of the segmentation, order (z, y, x).
    points_xyz_per_label : mapping of int to array_like, shape (n, 3), float64
        Centres (x, y, z) in Angstrom of each label from 1 to 255.
    radius_angstrom_per_label : mapping of int to float
        Radius as painted in Angstrom: a fraction of the particle's radius is the caller's choice.
    voxel_spacing : float
        Edge of a voxel in Angstrom.

    Returns
    -------
    numpy.ndarray, shape (z, y, x), uint8
        Label of each voxel; 0 is background.

    Raises
    ------
    SettingsError
        If a label has points but no positive radius, or does not lie between 1 and 255.
    DataError
        If the points are not (n, 3) and finite, or the spacing is not positive.

    Examples
    --------
    >>> painted = paint_spheres((5, 6, 7), {3: [[30.0, 20.0, 20.0]]}, {3: 10.0}, voxel_spacing=10.0)
    >>> int(painted[2, 2, 3]), int((painted == 3).sum())
    (3, 7)
    """
    labels = np.zeros(shape_zyx, dtype=np.uint8)
    nearest = np.full(shape_zyx, np.inf, dtype=np.float32)
    for label in sorted(points_xyz_per_label):
        centres_zyx = points_to_voxels(points_xyz_per_label[label], voxel_spacing)
        if len(centres_zyx) == 0:
            continue
        if not np.isfinite(centres_zyx).all():
            msg = f"points of label {label} hold values that are NaN or infinite"
            raise DataError(msg)
        radius = _painted_radius(label, radius_angstrom_per_label)
        for centre_zyx in centres_zyx:
            _paint_one(labels, nearest, centre_zyx, length_to_voxels(radius, voxel_spacing), label)
    return labels


def segmentation_from_probabilities(
    probabilities: npt.NDArray[np.floating],
    channel_labels: Sequence[int],
    *,
    thresholds: Mapping[int, float] | None = None,
) -> npt.NDArray[np.uint8]:
    """Return the label of the most probable channel of each voxel.

    Ties go to the earlier channel. A voxel whose winner stays below that label's threshold
    becomes background.

    Parameters
    ----------
    probabilities : numpy.ndarray, shape (c, z, y, x), floating
        Probability of each channel.
    channel_labels : sequence of int
        Label of each channel from 0 to 255, in order; 0 is background.
    thresholds : mapping of int to float, optional
        Lowest probability of a label that counts; labels not named have none.

    Returns
    -------
    numpy.ndarray, shape (z, y, x), uint8
        Label of each voxel; 0 is background.

    Raises
    ------
    DataError
        If the volume is not (c, z, y, x) or its channels are not those listed.
    SettingsError
        If a label does not lie between 0 and 255.

    Examples
    --------
    >>> volume = np.array([0.2, 0.8, 0.7, 0.3]).reshape(2, 1, 1, 2)
    >>> segmentation_from_probabilities(volume, [0, 5]).ravel().tolist()
    [5, 0]
    """
    if probabilities.ndim != 4 or probabilities.shape[0] != len(channel_labels):
        msg = (
            f"probability volume has shape {probabilities.shape}; "
            f"expected (c, z, y, x) with {len(channel_labels)} channels"
        )
        raise DataError(msg)
    if any(not 0 <= label <= MAX_LABEL for label in channel_labels):
        msg = f"labels of the channels are {list(channel_labels)}; expected 0 to {MAX_LABEL}"
        raise SettingsError(msg)
    lookup = np.asarray(channel_labels, dtype=np.uint8)
    floors = [(thresholds or {}).get(int(label), -np.inf) for label in channel_labels]
    floor_of_channel = np.asarray(floors, dtype=np.float32)
    labels = np.empty(probabilities.shape[1:], dtype=np.uint8)
    for z in range(len(labels)):
        winner = probabilities[:, z].argmax(axis=0)
        labels[z] = lookup[winner]
        if thresholds:
            best = np.take_along_axis(probabilities[:, z], winner[None], axis=0)[0]
            labels[z][best < floor_of_channel[winner]] = 0
    return labels


def _painted_radius(label: int, radius_angstrom_per_label: Mapping[int, float]) -> float:
    if not 1 <= label <= MAX_LABEL:
        msg = f"cannot paint label {label}; expected 1 to {MAX_LABEL}"
        raise SettingsError(msg)
    radius = radius_angstrom_per_label.get(label)
    if radius is None or not (np.isfinite(radius) and radius > 0):
        msg = f"label {label} has points but its radius is {radius}; expected a positive number"
        raise SettingsError(msg)
    return float(radius)


def _paint_one(
    labels: npt.NDArray[np.uint8],
    nearest: npt.NDArray[np.float32],
    centre_zyx: npt.NDArray[np.float64],
    radius_voxels: float,
    label: int,
) -> None:
    low = np.maximum(np.ceil(centre_zyx - radius_voxels), 0).astype(int)
    high = np.minimum(np.floor(centre_zyx + radius_voxels) + 1, labels.shape).astype(int)
    if (low >= high).any():
        return
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    z, y, x = (
        ((np.arange(a, b) - c) / radius_voxels) ** 2
        for a, b, c in zip(low, high, centre_zyx, strict=True)
    )
    distance = (z[:, None, None] + y[None, :, None] + x[None, None, :]).astype(np.float32)
    mine = (distance <= 1.0) & (distance < nearest[box])
    nearest[box][mine] = distance[mine]
    labels[box][mine] = label


def relabelled(labels: npt.NDArray[Any], label_of: Mapping[int, int]) -> npt.NDArray[Any]:
    """Return a segmentation with other labels; what has none becomes background.

    Parameters
    ----------
    labels : numpy.ndarray, shape (z, y, x), integer
        A segmentation.
    label_of : mapping of int to int
        Value there -> label; empty: everything but 0 becomes 1.

    Returns
    -------
    numpy.ndarray, shape (z, y, x), uint8 or uint16

    Examples
    --------
    >>> relabelled(np.array([[[0, 1, 2]]]), {2: 300}).tolist()
    [[[0, 0, 300]]]
    """
    if not label_of:
        inside: npt.NDArray[Any] = (labels != 0).astype(np.uint8)
        return inside
    table = np.zeros(max(int(labels.max(initial=0)), *label_of) + 1)
    table[list(label_of)] = list(label_of.values())
    table = table.astype(np.uint8 if table.max() < 256 else np.uint16)
    values: npt.NDArray[Any] = table[labels.astype(np.intp)]
    return values
