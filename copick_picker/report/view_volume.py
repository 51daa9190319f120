"""A tomogram binned for viewing, and its slices as pictures."""

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

FloatArray = npt.NDArray[np.float64]
PlaneReader = Callable[[int, int], npt.NDArray[Any]]
"""First plane and the one after the last -> planes (z, y, x) as stored."""

_BLOCK_VOXELS = 16_000_000
_JPEG_QUALITY = 80
VIEWS = ((0, "xy"), (1, "xz"), (2, "yz"))
"""Axis (z, y, x) that a view looks along, and its name: horizontal, then vertical axis."""


def small_volume(
    read: PlaneReader, shape_zyx: tuple[int, ...], voxel_spacing: float, most_pixels: int
) -> "SmallVolume":
    """Return a volume binned by the smallest whole number that keeps its sides within a limit.

    A binned voxel is the mean of the voxels in it, fewer of them at the far faces. Planes are read
    a few at a time.

    Parameters
    ----------
    read : callable
        Returns some planes.
    shape_zyx : tuple of int
        Shape of the volume.
    voxel_spacing : float
        Edge of a voxel in Angstrom.
    most_pixels : int
        Most voxels along a side of the result.
    """
    factor = max(1, -(-max(shape_zyx) // most_pixels))
    n_z, n_y, n_x = shape_zyx
    small = np.empty(tuple(-(-size // factor) for size in shape_zyx), dtype=np.float32)
    step = factor * max(1, _BLOCK_VOXELS // (n_y * n_x * factor))
    for start in range(0, n_z, step):
        block = np.asarray(read(start, min(start + step, n_z)), dtype=np.float32)
        for axis in range(3):
            block = _binned(block, factor, axis)
        small[start // factor : start // factor + len(block)] = block
    return SmallVolume(small, voxel_spacing * factor, voxel_spacing * (factor - 1) / 2)


def _binned(block: npt.NDArray[np.float32], factor: int, axis: int) -> npt.NDArray[np.float32]:
    if factor == 1:
        return block
    starts = np.arange(0, block.shape[axis], factor)
    counts = np.diff([*starts, block.shape[axis]]).astype(np.float32)
    sums = np.add.reduceat(block, starts, axis=axis)
    sums /= counts.reshape([-1 if at == axis else 1 for at in range(3)])
    return sums


@dataclass(frozen=True, eq=False)
class SmallVolume:
    """A binned volume and where its voxels are.

    Attributes
    ----------
    values : numpy.ndarray, shape (z, y, x), float32
        Means of blocks of voxels.
    voxel_spacing : float
        Edge of a binned voxel in Angstrom.
    first_angstrom : float
        Position of the first binned voxel's centre along every axis.
    heat : numpy.ndarray, shape (z, y, x), float32, or None
        Heights in [0, 1] to draw over the volume, binned alike.
    labels : numpy.ndarray, shape (z, y, x), uint8, or None
        Numbers of regions to draw over the volume, 0 for none.
    """

    values: npt.NDArray[np.float32]
    voxel_spacing: float
    first_angstrom: float
    heat: npt.NDArray[np.float32] | None = None
    labels: npt.NDArray[np.uint8] | None = None

    @property
    def low_angstrom(self) -> float:
        """Position of the near face along every axis."""
        return self.first_angstrom - 0.5 * self.voxel_spacing

    def size_angstrom(self, axis_zyx: int) -> float:
        """Return the length along an axis.

        Parameters
        ----------
        axis_zyx : int
            0 (z), 1 (y) or 2 (x).
        """
        return int(self.values.shape[axis_zyx]) * self.voxel_spacing

    def slice_at(self, axis_zyx: int, centre_angstrom: float, slab_planes: int) -> "Slice":
        """Return the slice nearest to a position.

        Parameters
        ----------
        axis_zyx : int
            Axis that the slice is across.
        centre_angstrom : float
            Position along that axis; outside the volume the first or last slice is meant.
        slab_planes : int
            Planes that are averaged, fewer at the faces.
        """
        size = self.values.shape[axis_zyx]
        at = round((centre_angstrom - self.first_angstrom) / self.voxel_spacing)
        start = int(np.clip(at - slab_planes // 2, 0, max(0, size - slab_planes)))
        return self._slice(axis_zyx, start, min(size, start + slab_planes))

    def slices(self, axis_zyx: int, slab_planes: int) -> "list[Slice]":
        """Return the slices that follow each other along an axis without gap or overlap.

        Parameters
        ----------
        axis_zyx : int
            Axis that the slices are across.
        slab_planes : int
            Planes that each averages; the last one perhaps fewer.
        """
        size = self.values.shape[axis_zyx]
        return [
            self._slice(axis_zyx, start, min(size, start + slab_planes))
            for start in range(0, size, slab_planes)
        ]

    def _slice(self, axis_zyx: int, start: int, stop: int) -> "Slice":
        slab = self.values.take(range(start, stop), axis=axis_zyx)
        heat = None
        if self.heat is not None:
            heat = self.heat.take(range(start, stop), axis=axis_zyx).max(axis=axis_zyx)
        centre = self.first_angstrom + 0.5 * (start + stop - 1) * self.voxel_spacing
        thickness = (stop - start) * self.voxel_spacing
        picture = slab.mean(axis=axis_zyx, dtype=np.float64)
        labels = None
        if self.labels is not None:
            labels = np.take(self.labels, (start + stop - 1) // 2, axis=axis_zyx)
        return Slice(axis_zyx, centre, thickness, picture, heat, labels)


@dataclass(frozen=True, eq=False)
class Slice:
    """The mean of some planes.

    Attributes
    ----------
    axis_zyx : int
        Axis that it is across.
    centre_angstrom : float
        Where its middle is along that axis.
    thickness_angstrom : float
        How thick it is.
    picture : numpy.ndarray, shape (rows, columns), float64
        Rows along the vertical axis of the view, columns along the horizontal one.
    heat : numpy.ndarray, shape (rows, columns), float32, or None
        Highest of the heights in the slice.
    labels : numpy.ndarray, shape (rows, columns), uint8, or None
        Numbers of the regions in the plane in its middle.
    """

    axis_zyx: int
    centre_angstrom: float
    thickness_angstrom: float
    picture: FloatArray
    heat: npt.NDArray[np.float32] | None = None
    labels: npt.NDArray[np.uint8] | None = None


def slab_planes(
    small: SmallVolume, axis_zyx: int, slab_angstrom: float, *, least: int, most_slices: int
) -> int:
    """Return how many planes a slice averages.

    Parameters
    ----------
    small : SmallVolume
        The volume.
    axis_zyx : int
        Axis that the slices are across.
    slab_angstrom : float
        Thickness that is wanted.
    least : int
        Fewest planes.
    most_slices : int
        Most slices that may follow each other along the axis.
    """
    wanted = max(least, round(slab_angstrom / small.voxel_spacing))
    size = int(small.values.shape[axis_zyx])
    return min(size, max(wanted, -(-size // most_slices)))


def grey_limits(slices: list[Slice], percentiles: tuple[float, float]) -> tuple[float, float]:
    """Return the values that are drawn black and white.

    Parameters
    ----------
    slices : list of Slice
        Slices to show.
    percentiles : tuple of float
        Of their finite values.
    """
    values = np.concatenate([entry.picture.ravel() for entry in slices])
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return 0.0, 1.0
    low, high = (float(limit) for limit in np.percentile(finite, percentiles))
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def grey_bytes(
    picture: FloatArray, limits: tuple[float, float], *, contrast: str
) -> npt.NDArray[np.uint8]:
    """Return grey values from 0 to 255 with protein dark; what is not finite is grey.

    Parameters
    ----------
    picture : numpy.ndarray, shape (rows, columns), float64
        A slice.
    limits : tuple of float
        Values that become black and white.
    contrast : str
        ``dark`` or ``bright``: how protein looks in the volume.
    """
    low, high = limits
    middle = np.nan_to_num(picture, nan=0.5 * (low + high), posinf=high, neginf=low)
    grey = np.clip((middle - low) / (high - low), 0.0, 1.0)
    if contrast == "bright":
        grey = 1.0 - grey
    return np.round(255 * grey).astype(np.uint8)


def jpeg_address(picture: npt.NDArray[np.uint8]) -> str:
    """Return a picture as a ``data:`` address, its first row at the bottom.

    Parameters
    ----------
    picture : numpy.ndarray, shape (rows, columns), uint8
        Grey values.
    """
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture[::-1])).save(
        buffer, format="JPEG", quality=_JPEG_QUALITY, optimize=True
    )
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
