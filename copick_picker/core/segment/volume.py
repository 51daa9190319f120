"""A volume as the engine sees it: read by planes, normalised, cut into windows."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from copick_picker.core.segment.grid import Span
from copick_picker.errors import DataError

_BLOCK_BYTES = 2**27


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

    Blocks of planes are merged in float64 (Chan, Golub and LeVeque 1979, equation 2.1), so that
    neither the size nor a large mean costs digits.

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
    depth, height, width = reader.shape
    step = max(_BLOCK_BYTES // (8 * height * width), 1)
    count, mean, squares = 0, 0.0, 0.0
    low, high = np.inf, -np.inf
    for z_start in range(0, depth, step):
        block = _real(reader.read(z_start, min(z_start + step, depth))).astype(np.float64)
        with np.errstate(invalid="ignore"):
            block_mean = float(block.mean())
        if not np.isfinite(block_mean):
            bad = int(block.size - np.isfinite(block).sum())
            msg = f"{bad} voxels in planes {z_start} to {z_start + len(block) - 1} are not finite"
            raise DataError(msg)
        low, high = min(low, float(block.min())), max(high, float(block.max()))
        block -= block_mean
        difference, total = block_mean - mean, count + block.size
        squares += float(np.vdot(block, block)) + difference**2 * count * block.size / total
        mean += difference * block.size / total
        count = total
    if low == high:
        msg = f"all voxels are {low:g}: a constant volume holds nothing to find"
        raise DataError(msg)
    return VolumeStatistics(mean, float(np.sqrt(squares / count)))


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
    exact = np.result_type(_real(planes).dtype, np.float32)
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
        Where planes come from; each is read once.
    statistics : VolumeStatistics
        Of the whole volume.
    inverted : bool
        Whether dark and bright change places.
    device : torch.device
        Where planes are kept.
    """

    def __init__(
        self,
        reader: PlaneReader,
        statistics: VolumeStatistics,
        *,
        inverted: bool,
        device: torch.device,
    ) -> None:
        self._reader = reader
        self._statistics = statistics
        self._inverted = inverted
        self._planes = torch.empty((0, *reader.shape[1:]), device=device)
        self._first = 0

    def advance(self, z_start: int, z_stop: int) -> None:
        """Forget the planes before z_start, read on to z_stop.

        Parameters
        ----------
        z_start, z_stop : int
            First plane and one past the last; neither ever goes back.
        """
        kept = self._planes[z_start - self._first :]
        held_stop = z_start + len(kept)
        if z_stop > held_stop:
            raw = self._reader.read(held_stop, z_stop)
            fresh = normalised(raw, self._statistics, inverted=self._inverted)
            if not np.isfinite(fresh).all():
                msg = f"planes {held_stop} to {z_stop - 1} hold voxels that are not finite"
                raise DataError(msg)
            kept = torch.cat([kept, torch.from_numpy(fresh).to(self._planes.device)])
        elif z_start > self._first:
            kept = kept.clone()
        self._planes, self._first = kept, z_start

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


def _real(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if values.dtype.kind not in "iuf":
        msg = f"voxels of type {values.dtype}; expected integers or floats"
        raise DataError(msg)
    return values
