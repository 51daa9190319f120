"""Placement of a patch in a tomogram: flipped, turned, tilted, scaled.

One affine map from patch voxels to volume voxels serves image, labels and points, so that all three
are augmented alike and nothing is resampled twice. A map that only permutes and flips axes copies
voxels unchanged.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from copick_picker.core.labels import LabelVolume
from copick_picker.core.train.sources import FloatVolume, LabelSource, PatchSource

FloatArray = npt.NDArray[np.float64]
Triple = tuple[int, int, int]
_EXACT = 1e-9


@dataclass(frozen=True, eq=False)
class Placement:
    """Patch voxel p lies at volume voxel ``centre_zyx + matrix @ (p - (window - 1) / 2)``.

    Attributes
    ----------
    matrix : numpy.ndarray, shape (3, 3), float64
        Patch axes (z, y, x) to volume axes (z, y, x): a rotation or reflection times a factor.
    centre_zyx : numpy.ndarray, shape (3,), float64
        Position of the middle of the patch, in voxels of the volume.
    window_voxels : tuple of int
        Shape (z, y, x) of the patch.
    """

    matrix: FloatArray
    centre_zyx: FloatArray
    window_voxels: Triple

    @property
    def is_exact(self) -> bool:
        """Whether every voxel of the patch coincides with one of the volume."""
        whole = np.abs(self.matrix - np.rint(self.matrix)).max() < _EXACT
        return bool(whole and np.abs(self._first - np.rint(self._first)).max() < _EXACT)

    @property
    def scale(self) -> float:
        """Voxels of the volume per voxel of the patch."""
        return float(np.abs(np.linalg.det(self.matrix)) ** (1 / 3))

    @property
    def swaps_y_and_x(self) -> bool:
        """Whether the patch's x axis lies nearest to the volume's y axis: a quarter turn."""
        return bool(abs(self.matrix[1, 2]) > abs(self.matrix[2, 2]))

    def image(self, source: PatchSource) -> FloatVolume:
        """Return the patch of a tomogram (z, y, x), float32; outside it the tomogram is mirrored.

        Parameters
        ----------
        source : PatchSource
            The tomogram. Between voxels its values are interpolated linearly.
        """
        return self._sampled(source.read, source.shape_zyx, order=1)

    def labels(self, source: LabelSource) -> LabelVolume:
        """Return the patch of a segmentation (z, y, x), uint8: the nearest voxel's label.

        Parameters
        ----------
        source : LabelSource
            The segmentation.
        """
        return self._sampled(source.read, source.shape_zyx, order=0)

    def points(
        self, centres_zyx: FloatArray, shape_zyx: Triple, *, reach_voxels: float
    ) -> FloatArray:
        """Return points of the volume in voxels of the patch, shape (n, 3), order (z, y, x).

        If the patch reaches out of the volume, the mirror images that it shows are included.

        Parameters
        ----------
        centres_zyx : numpy.ndarray, shape (n, 3), float64
            Points in voxels of the volume.
        shape_zyx : tuple of int
            Shape of the volume.
        reach_voxels : float
            Points farther than this outside the patch, in its voxels, are omitted.
        """
        centres = np.asarray(centres_zyx, dtype=np.float64).reshape(-1, 3)
        low, high = self._bounds(reach_voxels * self.scale)
        for axis in range(3):
            copies = [centres]
            for mirror in (0.0, float(shape_zyx[axis] - 1)):
                mirrored = centres.copy()
                mirrored[:, axis] = 2 * mirror - mirrored[:, axis]
                is_new = centres[:, axis] != mirror  # a point on the face is its own image
                copies.append(mirrored[is_new])
            centres = np.concatenate(
                copies if low[axis] < 0 or high[axis] > shape_zyx[axis] - 1 else copies[:1]
            )
            near = (centres[:, axis] >= low[axis]) & (centres[:, axis] <= high[axis])
            centres = centres[near]
        local = (centres - self.centre_zyx) @ np.linalg.inv(self.matrix).T + self._middle
        window = np.asarray(self.window_voxels)
        inside = (local >= -reach_voxels) & (local <= window - 1 + reach_voxels)
        result: FloatArray = local[inside.all(axis=1)]
        return result

    @property
    def _middle(self) -> FloatArray:
        return (np.asarray(self.window_voxels, dtype=np.float64) - 1) / 2

    @property
    def _first(self) -> FloatArray:
        """Return the position of the patch's voxel (0, 0, 0)."""
        result: FloatArray = self.centre_zyx - self.matrix @ self._middle
        return result

    def _bounds(self, margin: float) -> tuple[FloatArray, FloatArray]:
        half = np.abs(self.matrix) @ self._middle + margin
        return self.centre_zyx - half, self.centre_zyx + half

    def _sampled(
        self, read: Callable[[Triple, Triple], npt.NDArray[Any]], shape_zyx: Triple, *, order: int
    ) -> npt.NDArray[Any]:
        low, high = self._bounds(0.0)
        first = np.floor(low + _EXACT).astype(int)
        size = np.ceil(high - _EXACT).astype(int) - first + 1
        block = mirrored_box(read, shape_zyx, first, size)
        start = self._first - first
        if self.is_exact:
            return _permuted(block, np.rint(self.matrix).astype(int))
        result: npt.NDArray[Any] = ndimage.affine_transform(
            block,
            self.matrix,
            offset=start,
            output_shape=self.window_voxels,
            order=order,
            mode="nearest",
            prefilter=False,
        )
        return result


def mirrored_box(
    read: Callable[[Triple, Triple], npt.NDArray[Any]],
    shape_zyx: Triple,
    corner_zyx: npt.ArrayLike,
    size_zyx: npt.ArrayLike,
) -> npt.NDArray[Any]:
    """Return a box that may reach out of the volume, mirrored at the volume's outermost voxels.

    Parameters
    ----------
    read : callable
        (corner, size) -> box (z, y, x) within the volume.
    shape_zyx : tuple of int
        Shape of the volume.
    corner_zyx, size_zyx : array_like, shape (3,)
        First voxel and size of the box.

    Examples
    --------
    >>> ramp = np.arange(4).reshape(1, 1, 4)
    >>> cut = lambda corner, size: ramp[:, :, corner[2] : corner[2] + size[2]]
    >>> mirrored_box(cut, ramp.shape, (0, 0, -2), (1, 1, 5)).ravel().tolist()
    [2, 1, 0, 1, 2]
    """
    axes = []
    for length, first, size in zip(
        shape_zyx, np.asarray(corner_zyx).tolist(), np.asarray(size_zyx).tolist(), strict=True
    ):
        period = max(1, 2 * (length - 1))
        index = np.abs((np.arange(first, first + size) + length - 1) % period - (length - 1))
        axes.append(index)
    z, y, x = (int(index.min()) for index in axes)
    depth, height, width = (int(index.max() - index.min()) + 1 for index in axes)
    block = read((z, y, x), (depth, height, width))
    for axis, (index, first) in enumerate(zip(axes, (z, y, x), strict=True)):
        if len(index) != block.shape[axis] or index[0] != first or (np.diff(index) != 1).any():
            block = block.take(index - first, axis=axis)
    return block


def turned_window(matrix: FloatArray, window_voxels: Triple) -> FloatArray:
    """Return the window along the volume's axes, ignoring small tilts and changes of size.

    Parameters
    ----------
    matrix : numpy.ndarray, shape (3, 3), float64
        Patch axes (z, y, x) to volume axes.
    window_voxels : tuple of int
        Shape (z, y, x) of the patch.

    Examples
    --------
    >>> turned_window(np.eye(3)[[0, 2, 1]], (4, 6, 8)).tolist()
    [4.0, 8.0, 6.0]
    """
    window = np.asarray(window_voxels)
    if np.abs(matrix - np.rint(matrix)).max() < _EXACT:
        whole: FloatArray = np.rint(np.abs(matrix) @ window)
        return whole
    nearest = np.abs(matrix).argmax(axis=1)
    result: FloatArray = window[nearest].astype(np.float64)
    return result


def placed_around(
    point_zyx: FloatArray,
    local_zyx: FloatArray,
    matrix: FloatArray,
    window_voxels: Triple,
    *,
    shape_zyx: Triple,
) -> Placement:
    """Return the placement of a patch that has a point of the volume at a place of its own.

    The place is met to half a voxel, and not where the patch would reach out of the volume.

    Parameters
    ----------
    point_zyx : numpy.ndarray, shape (3,), float64
        In voxels of the volume.
    local_zyx : numpy.ndarray, shape (3,), float64
        In voxels of the patch; may lie outside it.
    matrix : numpy.ndarray, shape (3, 3), float64
        Patch axes (z, y, x) to volume axes.
    window_voxels : tuple of int
        Shape (z, y, x) of the patch.
    shape_zyx : tuple of int
        Shape of the volume.

    Examples
    --------
    >>> point, local = np.array([5.0, 6.0, 7.0]), np.array([1.0, 2.0, 3.0])
    >>> placed = placed_around(point, local, np.eye(3), (4, 4, 8), shape_zyx=(20, 20, 20))
    >>> placed.points(point, (20, 20, 20), reach_voxels=0).tolist()
    [[1.0, 2.0, 3.0]]
    """
    turned = turned_window(matrix, window_voxels)
    offset = matrix @ (local_zyx - (np.asarray(window_voxels) - 1) / 2)
    corner = np.rint(point_zyx - offset - (turned - 1) / 2)
    corner = corner_within(corner, turned, shape_zyx)
    return Placement(matrix, corner + (turned - 1) / 2, window_voxels)


def corner_within(corner_zyx: FloatArray, window: FloatArray, shape_zyx: Triple) -> FloatArray:
    """Return the corner of a patch moved into the volume; along a shorter axis it is centred.

    Parameters
    ----------
    corner_zyx : numpy.ndarray, shape (3,), float64
        First voxel of the patch.
    window : numpy.ndarray, shape (3,), float64
        Its sides along the volume's axes.
    shape_zyx : tuple of int
        Shape of the volume.

    Examples
    --------
    >>> corner_within(np.array([7.0, -2.0, 1.0]), np.full(3, 4.0), (8, 9, 2)).tolist()
    [4.0, 0.0, -1.0]
    """
    room = np.asarray(shape_zyx) - window
    result: FloatArray = np.where(room < 0, np.floor(room / 2), np.clip(corner_zyx, 0, room))
    return result


def local_radii(radii_voxels: Mapping[int, float], placement: Placement) -> dict[int, float]:
    """Return radii in voxels of the patch.

    Parameters
    ----------
    radii_voxels : mapping of int to float
        Channel -> radius in voxels of the volume.
    placement : Placement
        Where the patch lies.
    """
    return {channel: radius / placement.scale for channel, radius in radii_voxels.items()}


def _permuted(block: npt.NDArray[Any], matrix: npt.NDArray[np.int_]) -> npt.NDArray[Any]:
    """Return the block with its axes in the order and direction of the patch's."""
    order = [int(np.abs(matrix[:, axis]).argmax()) for axis in range(3)]
    backwards = [int(matrix[order[axis], axis]) < 0 for axis in range(3)]
    result = block.transpose(order)[tuple(slice(None, None, -1 if b else 1) for b in backwards)]
    return np.ascontiguousarray(result)
