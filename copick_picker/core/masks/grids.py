"""A mask on another grid: the same physical box, other voxels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from copick_picker.core.geometry import length_to_voxels
from copick_picker.errors import DataError

BoolVolume = npt.NDArray[np.bool_]
Shape = tuple[int, int, int]


def inside_of(values: npt.NDArray[Any]) -> BoolVolume:
    """Return which voxels of a stored mask are inside.

    Parameters
    ----------
    values : numpy.ndarray, shape (z, y, x)
        Labels: every value but 0 is inside. Floats: from 0.5 on.

    Returns
    -------
    numpy.ndarray, shape (z, y, x), bool

    Raises
    ------
    DataError
        If there are not three axes, one of them is empty, or the type is not a real number.

    Examples
    --------
    >>> inside_of(np.array([[[0, 1, 3]]]))
    array([[[False,  True,  True]]])
    >>> inside_of(np.array([[[0.2, 0.9]]]))
    array([[[False,  True]]])
    """
    if values.ndim != 3 or values.size == 0:
        msg = f"the mask has shape {values.shape}; expected (z, y, x), no axis empty"
        raise DataError(msg)
    if values.dtype.kind not in "biuf":
        msg = f"the mask has voxels of type {values.dtype}; expected integers or floats"
        raise DataError(msg)
    inside: BoolVolume = values >= 0.5 if values.dtype.kind == "f" else values != 0
    return inside


def same_box(shape_zyx: Shape, voxel_spacing: float, other_zyx: Shape, other: float) -> bool:
    """Return whether two grids fill the same box, to within one of the larger voxels.

    Parameters
    ----------
    shape_zyx, other_zyx : tuple of int
        Shapes of the two grids.
    voxel_spacing, other : float
        Their voxel spacings in Angstrom.

    Examples
    --------
    >>> same_box((20, 30, 40), 10.0, (10, 15, 20), 20.0)
    True
    >>> same_box((20, 30, 40), 10.0, (10, 15, 22), 20.0)
    False
    """
    size = np.asarray(shape_zyx) * voxel_spacing
    other_size = np.asarray(other_zyx) * other
    return bool((np.abs(size - other_size) <= max(voxel_spacing, other) * (1 + 1e-6)).all())


def box_text(shape_zyx: Shape, voxel_spacing: float) -> str:
    """Return a grid and its box in words.

    Parameters
    ----------
    shape_zyx : tuple of int
        Shape of the grid.
    voxel_spacing : float
        Edge of a voxel in Angstrom.

    Examples
    --------
    >>> box_text((20, 30, 40), 10.0)
    '20 x 30 x 40 voxels (z, y, x) of 10 A, 200 x 300 x 400 A'
    """
    voxels = " x ".join(str(size) for size in shape_zyx)
    lengths = " x ".join(f"{size * voxel_spacing:g}" for size in shape_zyx)
    return f"{voxels} voxels (z, y, x) of {voxel_spacing:g} A, {lengths} A"


def on_grid(
    inside_zyx: BoolVolume, voxel_spacing: float, *, shape_zyx: Shape, spacing: float
) -> BoolVolume:
    """Return a mask on another grid of the same box: every voxel takes its nearest one.

    Parameters
    ----------
    inside_zyx : numpy.ndarray, shape (z, y, x), bool
        The mask.
    voxel_spacing : float
        Its voxel spacing in Angstrom.
    shape_zyx : tuple of int
        Shape of the other grid.
    spacing : float
        Voxel spacing of the other grid in Angstrom.

    Returns
    -------
    numpy.ndarray, shape ``shape_zyx``, bool
        Index i of the result lies at ``i * spacing`` and takes the voxel of the mask nearest to
        that: the lower of two as near, the last one where the mask ends before.

    Raises
    ------
    DataError
        If the boxes differ by more than a voxel; both are named.

    Examples
    --------
    >>> on_grid(np.array([[[False, True]]]), 20.0, shape_zyx=(1, 1, 4), spacing=10.0)
    array([[[False, False,  True,  True]]])
    """
    own = _shape(inside_zyx)
    if own == shape_zyx and abs(voxel_spacing - spacing) < 1e-3:
        return inside_zyx
    if not same_box(own, voxel_spacing, shape_zyx, spacing):
        msg = (
            f"the mask covers another box: {box_text(own, voxel_spacing)}; the volume has "
            f"{box_text(shape_zyx, spacing)}"
        )
        raise DataError(msg)
    return _nearest(inside_zyx, factor=spacing / voxel_spacing, shape_zyx=shape_zyx)


def covering(inside_zyx: BoolVolume, *, factor: float, shape_zyx: Shape) -> BoolVolume:
    """Return a mask on a resampled volume, wide enough to cover all that interpolation reads.

    Parameters
    ----------
    inside_zyx : numpy.ndarray, shape (z, y, x), bool
        The mask.
    factor : float
        Voxel spacing of the result divided by the mask's.
    shape_zyx : tuple of int
        Shape of the resampled volume.

    Returns
    -------
    numpy.ndarray, shape ``shape_zyx``, bool
        Grown by two voxels of the coarser grid.

    Examples
    --------
    >>> covering(np.array([[[True] + [False] * 7]]), factor=2.0, shape_zyx=(1, 1, 4))
    array([[[ True,  True,  True, False]]])
    """
    reach = int(np.ceil(2 * max(factor, 1.0)))
    grown = ndimage.maximum_filter(inside_zyx, size=2 * reach + 1, mode="constant", cval=0)
    return _nearest(grown, factor=factor, shape_zyx=shape_zyx)


def within_edges(
    shape_zyx: Shape, voxel_spacing: float, *, margins_zyx: tuple[float, float, float]
) -> BoolVolume:
    """Return a mask of the voxels that lie at least so far from the faces of the volume.

    Parameters
    ----------
    shape_zyx : tuple of int
        Shape of the volume.
    voxel_spacing : float
        Edge of a voxel in Angstrom.
    margins_zyx : tuple of float
        Distance in Angstrom from the first and the last voxel of each axis.

    Returns
    -------
    numpy.ndarray, shape ``shape_zyx``, bool

    Examples
    --------
    >>> within_edges((1, 1, 5), 10.0, margins_zyx=(0.0, 0.0, 10.0))
    array([[[False,  True,  True,  True, False]]])
    """
    inside = np.zeros(shape_zyx, dtype=bool)
    slices = []
    for size, margin in zip(shape_zyx, margins_zyx, strict=True):
        width = int(np.ceil(length_to_voxels(margin, voxel_spacing) - 1e-9))
        slices.append(slice(width, max(size - width, width)))
    inside[tuple(slices)] = True
    return inside


def _nearest(inside_zyx: BoolVolume, *, factor: float, shape_zyx: Shape) -> BoolVolume:
    indices = [
        np.clip(np.ceil(np.arange(size) * factor - 0.5 - 1e-9).astype(np.int64), 0, length - 1)
        for size, length in zip(shape_zyx, inside_zyx.shape, strict=True)
    ]
    nearest: BoolVolume = inside_zyx[np.ix_(*indices)]
    return nearest


def _shape(volume: npt.NDArray[Any]) -> Shape:
    z, y, x = volume.shape
    return z, y, x


def mask_on_grid(values: npt.NDArray[Any], shape_zyx: Sequence[int]) -> npt.NDArray[np.bool_]:
    """Return where a mask of the same box is not 0, by the nearest voxel.

    Parameters
    ----------
    values : numpy.ndarray, shape (z, y, x)
        The mask, on a grid of its own.
    shape_zyx : sequence of int
        Grid of the tomogram.

    Raises
    ------
    DataError
        If the two grids cannot be the same box: their axes differ by unlike factors.
    """
    ratios = [size / own for size, own in zip(shape_zyx, values.shape, strict=True)]
    factor = float(np.median(ratios))
    slack = max(factor, 1.0)
    pairs = zip(shape_zyx, values.shape, strict=True)
    if any(abs(size - own * factor) > slack for size, own in pairs):
        msg = f"the mask has shape {values.shape}, the tomogram {tuple(shape_zyx)}: they differ"
        raise DataError(msg)
    places = [
        ((np.arange(size) + 0.5) * own / size).astype(int)
        for size, own in zip(shape_zyx, values.shape, strict=True)
    ]
    inside: npt.NDArray[np.bool_] = values[np.ix_(*places)] != 0
    return inside
