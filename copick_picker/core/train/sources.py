"""Sources of training patches: stored volumes, read by planes through one bounded cache."""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from copick_picker.core.geometry import Triple
from copick_picker.core.labels import LabelVolume
from copick_picker.errors import DataError

FloatVolume = npt.NDArray[np.float32]


class StoredVolume(Protocol):
    """A volume (z, y, x) that is read by planes, such as one of a project."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape (z, y, x)."""
        ...

    @property
    def chunk_planes(self) -> int:
        """Planes per stored chunk."""
        ...

    def read(self, z_start: int = 0, z_stop: int | None = None) -> npt.NDArray[Any]:
        """Return the planes z_start to z_stop as stored."""
        ...


class PatchSource(Protocol):
    """A tomogram with mean 0 and standard deviation 1 from which boxes are read."""

    @property
    def shape_zyx(self) -> Triple:
        """Shape of the tomogram."""
        ...

    def read(self, corner_zyx: Triple, size_zyx: Triple) -> FloatVolume:
        """Return a box (z, y, x), float32, inside the tomogram."""
        ...


class LabelSource(Protocol):
    """A segmentation in channels of the training, from which boxes are read."""

    @property
    def shape_zyx(self) -> Triple:
        """Shape of the segmentation."""
        ...

    def read(self, corner_zyx: Triple, size_zyx: Triple) -> LabelVolume:
        """Return a box (z, y, x), uint8, inside the segmentation."""
        ...


class PlaneCache:
    """Blocks of planes of many volumes, the least recently used dropped first; thread-safe.

    Parameters
    ----------
    max_bytes : int
        Limit of the cached blocks together. A larger block is returned without caching.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._blocks: OrderedDict[tuple[str, int], npt.NDArray[Any]] = OrderedDict()
        self._lock = threading.Lock()
        self._bytes = 0

    @property
    def stored_bytes(self) -> int:
        """Bytes of the cached blocks."""
        with self._lock:
            return self._bytes

    def planes(
        self,
        name: str,
        volume: StoredVolume,
        z_start: int,
        z_stop: int,
        *,
        part: tuple[slice, slice] = (slice(None), slice(None)),
    ) -> npt.NDArray[Any]:
        """Return planes as stored, or a part of each, from the cache if possible.

        Parameters
        ----------
        name : str
            Name of the volume; unique among those that share the cache.
        volume : StoredVolume
            The volume.
        z_start, z_stop : int
            First plane and one past the last.
        part : tuple of slice
            Rows (y) and columns (x) of the planes.
        """
        step = max(1, volume.chunk_planes)
        parts = []
        for number in range(z_start // step, (z_stop - 1) // step + 1):
            low, high = number * step, min((number + 1) * step, volume.shape[0])
            first, last = max(low, z_start), min(high, z_stop)
            block = self._block(name, number)
            if block is None and self._fits(volume, high - low):
                block = volume.read(low, high)
                self._keep(name, number, block)
            if block is None:
                parts.append(volume.read(first, last)[:, *part])
            else:
                parts.append(block[first - low : last - low, *part])
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def __getstate__(self) -> dict[str, Any]:
        """Return the size; another process starts with an empty cache."""
        return {"max_bytes": self.max_bytes}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        """Restore the size."""
        self.__init__(state["max_bytes"])  # type: ignore[misc]

    def _fits(self, volume: StoredVolume, n_planes: int) -> bool:
        """Return whether a block fits the cache, as far as is known before reading it."""
        dtype = getattr(volume, "dtype", np.dtype(np.float32))
        plane = int(np.prod(volume.shape[1:])) * np.dtype(dtype).itemsize
        return n_planes * plane <= self.max_bytes

    def _block(self, name: str, number: int) -> npt.NDArray[Any] | None:
        with self._lock:
            block = self._blocks.get((name, number))
            if block is not None:
                self._blocks.move_to_end((name, number))
            return block

    def _keep(self, name: str, number: int, block: npt.NDArray[Any]) -> None:
        if block.nbytes > self.max_bytes:
            return
        with self._lock:
            if (name, number) in self._blocks:
                return
            while self._bytes + block.nbytes > self.max_bytes:
                self._bytes -= self._blocks.popitem(last=False)[1].nbytes
            self._blocks[name, number] = block
            self._bytes += block.nbytes


class KeptVolume:
    """A volume whose blocks of planes are kept in a cache, for one that is costly to read.

    Parameters
    ----------
    name : str
        Name of the volume in the cache.
    volume : StoredVolume
        The volume (z, y, x).
    cache : PlaneCache
        Shared by several volumes.
    """

    def __init__(self, name: str, volume: StoredVolume, cache: PlaneCache) -> None:
        self._name, self._volume, self._cache = name, volume, cache

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape (z, y, x)."""
        return self._volume.shape

    @property
    def chunk_planes(self) -> int:
        """Planes per block."""
        return self._volume.chunk_planes

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the voxels."""
        return np.dtype(getattr(self._volume, "dtype", np.float32))

    def read(self, z_start: int = 0, z_stop: int | None = None) -> npt.NDArray[Any]:
        """Return the planes z_start to z_stop."""
        stop = self.shape[0] if z_stop is None else min(z_stop, self.shape[0])
        return self._cache.planes(self._name, self._volume, z_start, stop)


class CachedPlanes:
    """A stored tomogram whose boxes are read through a shared cache and scaled to z-scores.

    Parameters
    ----------
    name : str
        Name of the volume in the cache, such as that of its run.
    volume : StoredVolume
        Tomogram (z, y, x).
    cache : PlaneCache
        Shared by all runs.
    mean, standard_deviation : float
        Of the whole tomogram; a negative standard deviation inverts the contrast.

    Raises
    ------
    DataError
        If the tomogram is not (z, y, x) or the standard deviation is 0 or not finite.

    Examples
    --------
    >>> class Ramp:
    ...     shape, chunk_planes, dtype = (4, 2, 3), 2, np.dtype(np.float32)
    ...     def read(self, z_start=0, z_stop=None):
    ...         return np.arange(24, dtype=np.float32).reshape(4, 2, 3)[z_start:z_stop]
    >>> source = CachedPlanes("TS_1", Ramp(), PlaneCache(1000), mean=2.0, standard_deviation=2.0)
    >>> source.read((1, 0, 2), (2, 1, 1)).ravel().tolist()
    [3.0, 6.0]
    """

    def __init__(
        self,
        name: str,
        volume: StoredVolume,
        cache: PlaneCache,
        *,
        mean: float,
        standard_deviation: float,
    ) -> None:
        self.shape_zyx = _three(volume.shape, name)
        if not (np.isfinite([mean, standard_deviation]).all() and standard_deviation):
            msg = f"run {name}: mean {mean:g} and standard deviation {standard_deviation:g}"
            raise DataError(msg)
        self._name, self._volume, self._cache = name, volume, cache
        self._mean, self._factor = np.float32(mean), np.float32(1.0 / standard_deviation)

    def read(self, corner_zyx: Triple, size_zyx: Triple) -> FloatVolume:
        """Return a box (z, y, x), float32, inside the tomogram.

        Parameters
        ----------
        corner_zyx, size_zyx : tuple of int
            First voxel and size of the box.
        """
        box = _box(self._cache, self._name, self._volume, corner_zyx, size_zyx)
        result: FloatVolume = (box.astype(np.float32) - self._mean) * self._factor
        return result


class CachedLabels:
    """A stored segmentation whose values are converted to channels of the training.

    Parameters
    ----------
    name : str
        Name of the volume in the cache; differs from that of the run's tomogram.
    volume : StoredVolume
        Segmentation (z, y, x) of integers.
    cache : PlaneCache
        Shared by all runs.
    channel_of_value : mapping of int to int
        Value in the segmentation -> channel from 1 to 255; other values are background.
    any_value : bool
        Whether every value above 0 belongs to the only channel.
    """

    def __init__(
        self,
        name: str,
        volume: StoredVolume,
        cache: PlaneCache,
        *,
        channel_of_value: Mapping[int, int],
        any_value: bool = False,
    ) -> None:
        self.shape_zyx = _three(volume.shape, name)
        self._name, self._volume, self._cache = name, volume, cache
        self._channels = dict(channel_of_value)
        self._any_value = any_value

    def read(self, corner_zyx: Triple, size_zyx: Triple) -> LabelVolume:
        """Return a box (z, y, x), uint8, inside the segmentation.

        Parameters
        ----------
        corner_zyx, size_zyx : tuple of int
            First voxel and size of the box.
        """
        box = _box(self._cache, self._name, self._volume, corner_zyx, size_zyx)
        channels = np.zeros(box.shape, dtype=np.uint8)
        for value, channel in self._channels.items():
            channels[box > 0 if self._any_value else box == value] = channel
        return channels


class ArraySource:
    """A tomogram with mean 0 and standard deviation 1, completely in memory.

    Parameters
    ----------
    volume : numpy.ndarray, shape (z, y, x), floating
        The tomogram.
    """

    def __init__(self, volume: npt.NDArray[np.floating]) -> None:
        self.shape_zyx = _three(volume.shape, "in memory")
        self._volume = volume

    def read(self, corner_zyx: Triple, size_zyx: Triple) -> FloatVolume:
        """Return a box (z, y, x), float32, inside the tomogram.

        Parameters
        ----------
        corner_zyx, size_zyx : tuple of int
            First voxel and size of the box.
        """
        return self._volume[_slices(corner_zyx, size_zyx)].astype(np.float32)


def _box(
    cache: PlaneCache, name: str, volume: StoredVolume, corner_zyx: Triple, size_zyx: Triple
) -> npt.NDArray[Any]:
    inside = np.add(corner_zyx, size_zyx) <= volume.shape
    if min(corner_zyx) < 0 or min(size_zyx) < 1 or not inside.all():
        msg = f"run {name}: a box of {size_zyx} at {corner_zyx} does not lie within {volume.shape}"
        raise DataError(msg)
    z, *part = _slices(corner_zyx, size_zyx)
    return cache.planes(name, volume, z.start, z.stop, part=(part[0], part[1]))


def _slices(corner_zyx: Triple, size_zyx: Triple) -> tuple[slice, slice, slice]:
    z, y, x = (slice(a, a + b) for a, b in zip(corner_zyx, size_zyx, strict=True))
    return z, y, x


def _three(shape: tuple[int, ...], name: str) -> Triple:
    if len(shape) != 3:
        msg = f"run {name}: a volume has shape {shape}; expected (z, y, x)"
        raise DataError(msg)
    z, y, x = shape
    return z, y, x
