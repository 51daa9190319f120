"""A volume as the engine sees it: read by planes, normalised, cut into windows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from copick_picker.core.segment.grid import Span
from copick_picker.core.segment.moments import Moments, moments_of
from copick_picker.errors import DataError

_BLOCK_VOXELS = 2**23
_CONSTANT_BLOCK = 16
_PIECE_PLANES = 16


class PlaneReader(Protocol):
    """Anything with a shape (z, y, x) that hands out planes."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape (z, y, x)."""
        ...

    def read(self, z_start: int = 0, z_stop: int | None = None) -> npt.NDArray[Any]:
        """Return the planes z_start to z_stop, (z, y, x)."""
        ...


Volume = npt.NDArray[Any] | PlaneReader


@dataclass(frozen=True)
class ArrayReader:
    """A volume in memory.

    Attributes
    ----------
    array : numpy.ndarray, shape (z, y, x)
        Any real type.
    """

    array: npt.NDArray[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape (z, y, x)."""
        return self.array.shape

    def read(self, z_start: int = 0, z_stop: int | None = None) -> npt.NDArray[Any]:
        """Return the planes z_start to z_stop as a view."""
        return self.array[z_start:z_stop]


@dataclass(eq=False)
class LayeredReader:
    """A stored volume, read in layers of whole chunks; planes are handed out of the last layer.

    So a chunk is read once in a pass from the first plane to the last.

    Attributes
    ----------
    reader : PlaneReader
        The stored volume.
    layer_planes : int
        Planes that are read and held at once: a multiple of the planes of a chunk.
    """

    reader: PlaneReader
    layer_planes: int
    _layer: int = field(default=-1, init=False)
    _held: npt.NDArray[Any] | None = field(default=None, init=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape (z, y, x)."""
        return self.reader.shape

    def read(self, z_start: int = 0, z_stop: int | None = None) -> npt.NDArray[Any]:
        """Return the planes z_start to z_stop; a view where they lie in one layer."""
        depth, size = self.shape[0], self.layer_planes
        stop = depth if z_stop is None else min(z_stop, depth)
        parts = []
        for layer in range(z_start // size, max(-(-stop // size), z_start // size + 1)):
            planes = self._planes(layer)
            parts.append(planes[max(z_start - layer * size, 0) : max(stop - layer * size, 0)])
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _planes(self, layer: int) -> npt.NDArray[Any]:
        if self._held is None or layer != self._layer:
            self._held = None  # before the next one comes
            start = layer * self.layer_planes
            stop = min(start + self.layer_planes, self.shape[0])
            self._held, self._layer = self.reader.read(start, stop), layer
        return self._held


@dataclass(frozen=True)
class CleanedReader:
    """A volume whose voxels are all finite, and none of them far out.

    Attributes
    ----------
    reader : PlaneReader
        The volume.
    filling : float or None
        What stands for voxels that are NaN or infinite; None leaves them.
    limits : tuple of float, or None
        Lowest and highest value; None leaves all.
    """

    reader: PlaneReader
    filling: float | None = None
    limits: tuple[float, float] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape (z, y, x)."""
        return self.reader.shape

    def read(self, z_start: int = 0, z_stop: int | None = None) -> npt.NDArray[Any]:
        """Return the planes z_start to z_stop."""
        planes = self.reader.read(z_start, z_stop)
        if self.filling is not None and n_not_finite(planes):
            planes = np.where(np.isfinite(planes), planes, planes.dtype.type(self.filling))
        if self.limits is None:
            return planes
        low, high = self.limits
        if planes.dtype.kind in "iu":
            known = np.iinfo(planes.dtype)
            low, high = max(np.ceil(low), known.min), min(np.floor(high), known.max)
        kind = planes.dtype.type
        return np.asarray(np.clip(planes, kind(low), kind(high)))


def layer_planes(
    depth: int, *, chunk_planes: int, plane_bytes: int, kept_bytes: int, layer_bytes: int
) -> int:
    """Return how many planes of a stored volume to hold at once.

    Parameters
    ----------
    depth : int
        Planes of the volume.
    chunk_planes : int
        Planes of a chunk.
    plane_bytes : int
        Size of a plane in memory.
    kept_bytes : int
        Size up to which the whole volume is held.
    layer_bytes : int
        Size up to which the planes of a chunk are held; of larger chunks only a part, so that they
        are read several times.

    Examples
    --------
    >>> [layer_planes(90, chunk_planes=32, plane_bytes=10, kept_bytes=n, layer_bytes=500)
    ...  for n in (900, 899)]
    [90, 32]
    >>> layer_planes(90, chunk_planes=32, plane_bytes=10, kept_bytes=0, layer_bytes=200)
    20
    """
    if depth * plane_bytes <= kept_bytes:
        return depth
    return min(max(layer_bytes // plane_bytes, 1), chunk_planes)


@dataclass(frozen=True)
class VolumeStatistics:
    """Mean and population standard deviation of all voxels of a volume."""

    mean: float
    standard_deviation: float


def as_reader(volume: Volume) -> PlaneReader:
    """Return a volume as a reader of planes.

    Parameters
    ----------
    volume : numpy.ndarray or PlaneReader, shape (z, y, x)
        The volume.

    Raises
    ------
    DataError
        If it has not three axes, or an axis without voxels.
    """
    reader = ArrayReader(volume) if isinstance(volume, np.ndarray) else volume
    if len(reader.shape) != 3 or 0 in reader.shape:
        msg = f"the volume has shape {tuple(reader.shape)}; expected (z, y, x), no axis empty"
        raise DataError(msg)
    return reader


def volume_statistics(volume: Volume) -> VolumeStatistics:
    """Return mean and standard deviation of a volume, in one pass over its planes.

    Parameters
    ----------
    volume : numpy.ndarray or PlaneReader, shape (z, y, x)
        Integers or floats.

    Raises
    ------
    DataError
        If a voxel is NaN or infinite, all voxels are equal, or the type is not a real number.

    Examples
    --------
    >>> volume_statistics(np.array([[[1.0, 2.0], [3.0, 4.0]]]))
    VolumeStatistics(mean=2.5, standard_deviation=1.118033988749895)
    """
    reader = as_reader(volume)
    known = Moments()
    low, high = np.inf, -np.inf
    for z_start, z_stop in blocks(reader.shape):
        block = real(reader.read(z_start, z_stop))
        bad = n_not_finite(block)
        if bad:
            msg = (
                f"{bad} voxels in planes {z_start} to {z_start + len(block) - 1} are NaN or "
                "infinite"
            )
            raise DataError(msg)
        low, high = min(low, float(block.min())), max(high, float(block.max()))
        known = known.joined(moments_of(block))
    if low == high:
        msg = f"all voxels are {low:g}: a constant volume has nothing to find"
        raise DataError(msg)
    return VolumeStatistics(known.mean, known.standard_deviation)


def blocks(shape_zyx: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield first plane and one past the last of blocks that make up a volume, a few MB each."""
    depth, height, width = shape_zyx
    step = max(_BLOCK_VOXELS // (height * width), 1)
    for z_start in range(0, depth, step):
        yield z_start, min(z_start + step, depth)


def n_not_finite(block: npt.NDArray[Any]) -> int:
    """Return how many voxels are NaN or infinite."""
    return 0 if block.dtype.kind in "iu" else block.size - int(np.isfinite(block).sum())


def normalised(
    planes: npt.NDArray[Any], statistics: VolumeStatistics, *, inverted: bool
) -> npt.NDArray[np.float32]:
    """Return planes with the volume's mean at 0 and its standard deviation at 1.

    Parameters
    ----------
    planes : numpy.ndarray
        Voxels of the volume, any real type.
    statistics : VolumeStatistics
        Of the whole volume.
    inverted : bool
        Whether dark and bright change places.

    Returns
    -------
    numpy.ndarray, float32
        ``(v - mean) / standard_deviation``, negated where inverted.

    Examples
    --------
    >>> normalised(np.array([1, 3], np.int16), VolumeStatistics(2.0, 0.5), inverted=False)
    array([-2.,  2.], dtype=float32)
    """
    scale = np.float32(
        -statistics.standard_deviation if inverted else statistics.standard_deviation
    )
    exact = np.result_type(real(planes).dtype, np.float32)
    centred = planes.astype(exact) - exact.type(statistics.mean)
    with np.errstate(over="ignore"):
        values: npt.NDArray[np.float32] = centred.astype(np.float32, copy=False)
    values /= scale
    return values


class PlaneBuffer:
    """The planes that the current windows need, normalised, on the device.

    Parameters
    ----------
    reader : PlaneReader
        Where planes come from; each is read once, in order.
    statistics : VolumeStatistics
        Of the whole volume.
    inverted : bool
        Whether dark and bright change places.
    capacity : int
        Most planes that are held at once.
    device : torch.device
        Where planes are kept.
    """

    def __init__(
        self,
        reader: PlaneReader,
        statistics: VolumeStatistics,
        *,
        inverted: bool,
        capacity: int,
        device: torch.device,
    ) -> None:
        self._reader = reader
        self._statistics = statistics
        self._inverted = inverted
        height, width = reader.shape[1:]
        self._planes = torch.empty((capacity, height, width), device=device)
        cells = (capacity, -(-height // _CONSTANT_BLOCK), -(-width // _CONSTANT_BLOCK))
        self._lows, self._highs = np.empty(cells, np.float32), np.empty(cells, np.float32)
        self._first, self._stop = 0, 0

    def advance(self, z_start: int, z_stop: int) -> None:
        """Forget the planes before z_start, read on to z_stop.

        Parameters
        ----------
        z_start, z_stop : int
            First plane and one past the last; neither ever goes back.
        """
        shift, kept = z_start - self._first, max(self._stop - z_start, 0)
        for at in range(0, kept if shift else 0, max(shift, 1)):  # so that no two parts overlap
            place = slice(at, min(at + shift, kept))
            source = slice(place.start + shift, place.stop + shift)
            self._planes[place] = self._planes[source]
            self._lows[place], self._highs[place] = self._lows[source], self._highs[source]
        self._first, self._stop = z_start, z_start + kept
        while self._stop < z_stop:
            self._read(min(self._stop + _PIECE_PLANES, z_stop))

    def crop(self, spans_zyx: tuple[Span, Span, Span], padding: str) -> torch.Tensor:
        """Return one window.

        Parameters
        ----------
        spans_zyx : tuple of Span
            Extent of the window; its planes must be held.
        padding : str
            What stands outside of the volume: ``zero`` (the mean) or ``reflect``.

        Returns
        -------
        torch.Tensor, shape (z, y, x), float32
            The window; a view where it lies within the volume.
        """
        z, y, x = spans_zyx
        inner = self._planes[
            z.inner_start - self._first : z.inner_stop - self._first,
            y.inner_start : y.inner_stop,
            x.inner_start : x.inner_stop,
        ]
        for axis, span in enumerate(spans_zyx):
            before = span.inner_start - span.start
            after = span.stop - span.inner_stop
            if before or after:
                inner = padded(inner, axis, before=before, after=after, padding=padding)
        return inner

    def constant(self, spans_zyx: tuple[Span, Span, Span], padding: str) -> float | None:
        """Return the value of a window whose voxels are all equal, else None.

        A window is only found when the blocks of 16 x 16 voxels that it touches are constant, too.

        Parameters
        ----------
        spans_zyx : tuple of Span
            Extent of the window; its planes must be held.
        padding : str
            What stands outside of the volume.
        """
        z, y, x = spans_zyx
        cells = (
            slice(z.inner_start - self._first, z.inner_stop - self._first),
            slice(y.inner_start // _CONSTANT_BLOCK, -(-y.inner_stop // _CONSTANT_BLOCK)),
            slice(x.inner_start // _CONSTANT_BLOCK, -(-x.inner_stop // _CONSTANT_BLOCK)),
        )
        value = float(self._lows[cells].min())
        if value != float(self._highs[cells].max()):
            return None
        whole = all(len(span.weights) == span.stop - span.start for span in spans_zyx)
        return value if whole or padding == "reflect" or value == 0.0 else None

    def _read(self, z_stop: int) -> None:
        place = slice(self._stop - self._first, z_stop - self._first)
        raw = self._reader.read(self._stop, z_stop)
        fresh = normalised(raw, self._statistics, inverted=self._inverted)
        self._lows[place] = _of_cells(np.minimum, fresh)
        self._highs[place] = _of_cells(np.maximum, fresh)
        if not np.isfinite(self._lows[place] + self._highs[place]).all():
            msg = f"planes {self._stop} to {z_stop - 1} hold voxels that are NaN or infinite"
            raise DataError(msg)
        self._planes[place] = torch.from_numpy(fresh).to(self._planes.device)
        self._stop = z_stop


def _of_cells(reduce: np.ufunc, planes: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the least or largest value in blocks of rows and columns of each plane."""
    rows, columns = (np.arange(0, size, _CONSTANT_BLOCK) for size in planes.shape[1:])
    result: npt.NDArray[np.float32] = reduce.reduceat(
        reduce.reduceat(planes, rows, axis=1), columns, axis=2
    )
    return result


def padded(
    volume: torch.Tensor, axis: int, *, before: int, after: int, padding: str
) -> torch.Tensor:
    """Return a volume made longer along an axis.

    Parameters
    ----------
    volume : torch.Tensor
        Any shape.
    axis : int
        Which axis.
    before, after : int
        Voxels to add at the low and at the high end.
    padding : str
        ``zero``, or ``reflect``: mirrored about the outermost voxels, as often as it takes.

    Examples
    --------
    >>> padded(torch.tensor([1, 2, 3]), 0, before=1, after=3, padding="reflect")
    tensor([2, 1, 2, 3, 2, 1, 2])
    >>> padded(torch.tensor([1, 2, 3]), 0, before=1, after=0, padding="zero")
    tensor([0, 1, 2, 3])
    """
    length = volume.shape[axis]
    if padding == "zero":
        shape = list(volume.shape)
        shape[axis] = before + length + after
        result = volume.new_zeros(shape)
        result.narrow(axis, before, length).copy_(volume)
        return result
    period = max(2 * (length - 1), 1)
    place = torch.arange(-before, length + after, device=volume.device) % period
    return volume.index_select(axis, torch.minimum(place, period - place).clamp(max=length - 1))


def real(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return voxels as they are, where they are real numbers; else raise ``DataError``."""
    if values.dtype.kind not in "iuf":
        msg = f"voxels of type {values.dtype}; expected integers or floats"
        raise DataError(msg)
    return values
