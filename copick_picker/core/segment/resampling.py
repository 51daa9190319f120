"""Volumes at another voxel spacing."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from copick_picker.core.segment.results import SegmentedVolume
from copick_picker.core.segment.volume import PlaneReader

_TRUNCATE = 4.0
"""Reach of the smoothing in standard deviations."""


@dataclass(frozen=True, eq=False)
class ResampledReader:
    """A stored volume at another voxel spacing, by planes as they are read; see :func:`resample`.

    Attributes
    ----------
    reader : PlaneReader
        The stored volume.
    factor : float
        New voxel spacing divided by the old one.
    """

    reader: PlaneReader
    factor: float
    chunk_planes: int = 16

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (z, y, x)."""
        return resampled_shape(self.reader.shape, factor=self.factor)

    @property
    def dtype(self) -> np.dtype[np.float32]:
        """Type of the voxels."""
        return np.dtype(np.float32)

    def read(self, z_start: int = 0, z_stop: int | None = None) -> npt.NDArray[np.float32]:
        """Return the planes z_start to z_stop, (z, y, x)."""
        depth, height, width = self.shape
        stop = depth if z_stop is None else min(z_stop, depth)
        sigma = _sigma(self.factor)
        halo = int(_TRUNCATE * sigma + 0.5) + 1
        low = max(0, int(np.floor(z_start * self.factor)) - halo)
        high = min(self.reader.shape[0], int(np.ceil((stop - 1) * self.factor)) + halo + 1)
        values = np.asarray(self.reader.read(low, high), dtype=np.float32)
        if sigma > 0:
            values = ndimage.gaussian_filter(values, sigma, truncate=_TRUNCATE)
        return _interpolated(
            values, self.factor, (stop - z_start, height, width), first=z_start * self.factor - low
        )


def resample(
    volume: npt.NDArray[Any], *, factor: float, shape_zyx: tuple[int, int, int] | None = None
) -> npt.NDArray[np.float32]:
    """Return a volume with voxels ``factor`` times as large, linearly interpolated.

    Voxel i of the result lies where voxel ``i * factor`` of the input lies (index i is at
    i * spacing, without a half-voxel shift). Where voxels grow, a Gaussian with a standard
    deviation of ``0.5 * sqrt(factor**2 - 1)`` input voxels keeps fine detail from aliasing.

    Parameters
    ----------
    volume : numpy.ndarray, shape (z, y, x)
        The volume.
    factor : float
        New voxel spacing divided by the old one.
    shape_zyx : tuple of int, optional
        Shape of the result; by default as many voxels as cover the input.

    Returns
    -------
    numpy.ndarray, shape (z, y, x), float32

    Examples
    --------
    >>> resample(np.arange(8.0).reshape(2, 2, 2), factor=1.0).shape
    (2, 2, 2)
    """
    values = np.asarray(volume, dtype=np.float32)
    shape = shape_zyx or resampled_shape(values.shape, factor=factor)
    sigma = _sigma(factor)
    if sigma > 0:
        values = ndimage.gaussian_filter(values, sigma, truncate=_TRUNCATE)
    return _interpolated(values, factor, shape, first=0.0)


def resampled_result(
    result: SegmentedVolume, *, factor: float, shape_zyx: tuple[int, int, int]
) -> SegmentedVolume:
    """Return probabilities resampled to another grid, and the labels that follow from them.

    Parameters
    ----------
    result : SegmentedVolume
        With probabilities (c, z, y, x).
    factor : float
        New voxel spacing divided by the old one.
    shape_zyx : tuple of int
        Shape of the result.
    """
    channels = () if result.probabilities is None else result.probabilities
    probabilities = np.stack(
        [resample(channel, factor=factor, shape_zyx=shape_zyx) for channel in channels]
    )
    labels = probabilities.argmax(axis=0).astype(np.uint8)
    return SegmentedVolume(labels, probabilities.astype(np.float16))


def resampled_shape(shape_zyx: tuple[int, ...], *, factor: float) -> tuple[int, int, int]:
    """Return the shape that covers a volume with voxels ``factor`` times as large.

    Parameters
    ----------
    shape_zyx : tuple of int
        Shape of the volume.
    factor : float
        New voxel spacing divided by the old one.

    Examples
    --------
    >>> resampled_shape((11, 21, 31), factor=2.0)
    (6, 11, 16)
    """
    z, y, x = (int(np.floor((size - 1) / factor + 1e-6)) + 1 for size in shape_zyx)
    return z, y, x


@dataclass(eq=False)
class MapEnlarger:
    """Maps on a coarse grid to maps on a finer one, plane by plane, linearly interpolated.

    Attributes
    ----------
    factor : float
        Voxels of the coarse grid per voxel of the fine one.
    shift : float
        Position of the fine grid's first voxel on the coarse one, along every axis.
    shape_zyx : tuple of int
        Shape of the fine grid.
    """

    factor: float
    shift: float
    shape_zyx: tuple[int, int, int]
    _done: int = 0
    _first: int = 0
    _kept: npt.NDArray[np.float32] | None = None

    def put(
        self, z_start: int, maps: npt.NDArray[Any], *, is_last: bool
    ) -> tuple[int, npt.NDArray[np.float32]] | None:
        """Take the next coarse planes; return the fine ones that are finished, None if none is.

        Parameters
        ----------
        z_start : int
            First coarse plane; they come in order.
        maps : numpy.ndarray, shape (c, k, y, x)
            The planes.
        is_last : bool
            Whether these are the last.

        Returns
        -------
        tuple
            First plane, and planes (c, z, y, x).
        """
        fresh = np.asarray(maps, dtype=np.float32)
        if self._kept is None:
            self._kept, self._first = fresh, z_start
        else:
            self._kept = np.concatenate([self._kept, fresh], axis=1)
        start, stop = self._done, self.shape_zyx[0]
        if not is_last:  # a fine plane needs the coarse ones on both sides
            last = self._first + self._kept.shape[1] - 1
            stop = min(stop, int(np.floor((last - self.shift) / self.factor + 1e-9)) + 1)
        if stop <= start:
            return None
        offset = start * self.factor + self.shift - self._first
        result = np.stack([self._fine(each, offset, stop - start) for each in self._kept])
        self._done = stop
        keep = max(0, int(np.floor(stop * self.factor + self.shift)) - self._first)
        keep = min(keep, self._kept.shape[1] - 1)
        self._kept, self._first = self._kept[:, keep:], self._first + keep
        return start, result

    def _fine(
        self, channel: npt.NDArray[np.float32], offset: float, n_planes: int
    ) -> npt.NDArray[np.float32]:
        result: npt.NDArray[np.float32] = ndimage.affine_transform(
            channel,
            np.full(3, self.factor),
            offset=(offset, self.shift, self.shift),
            output_shape=(n_planes, *self.shape_zyx[1:]),
            order=1,
            mode="nearest",
        )
        return result


def _sigma(factor: float) -> float:
    """Return the standard deviation of the smoothing, in voxels of the input."""
    return 0.5 * float(np.sqrt(max(0.0, factor**2 - 1)))


def _interpolated(
    values: npt.NDArray[np.float32], factor: float, shape: tuple[int, int, int], *, first: float
) -> npt.NDArray[np.float32]:
    """Return voxels ``factor`` times as large; the first plane lies at ``first``."""
    result: npt.NDArray[np.float32] = ndimage.affine_transform(
        values,
        np.full(3, factor),
        offset=(first, 0.0, 0.0),
        output_shape=shape,
        order=1,
        mode="nearest",
    )
    return result
