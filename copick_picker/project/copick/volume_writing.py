"""Volumes written into copick's stores slab by slab, whole or not at all."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numcodecs.blosc
import numpy as np
import numpy.typing as npt
import zarr

from copick_picker.errors import DataError, SameOutputError
from copick_picker.project.copick.api import Volume
from copick_picker.project.copick.places import replacing_volume
from copick_picker.project.copick.volumes import standing, strict
from copick_picker.project.guards import guarded
from copick_picker.project.provenance import ATTRIBUTE, UNFINISHED, to_stored
from copick_picker.project.standing import Claim
from copick_picker.project.store import Slabs

CHUNK_ZYX = (256, 256, 256)
"""Chunks of a segmentation: what copick writes."""
FEATURE_CHUNK_CZYX = (1, 32, 256, 256)
"""Chunks of a feature volume: flat, so that few planes of many channels are held at a time."""


@contextmanager
def same_bytes() -> Iterator[None]:
    """Let Blosc compress with one thread: with more, the order of blocks in a chunk is chance.

    It is so for the whole process, until the last of all blocks that run at once is left.
    """
    _ONE_THREAD.enter()
    try:
        yield
    finally:
        _ONE_THREAD.leave()


class _OneThread:
    """Blosc's number of threads, as several threads of ours ask for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before: bool | None = None

    def enter(self) -> None:
        with self._lock:
            if not self._inside:
                self._before = numcodecs.blosc.use_threads
                numcodecs.blosc.use_threads = False
            self._inside += 1

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                numcodecs.blosc.use_threads = self._before


_ONE_THREAD = _OneThread()


@dataclass(frozen=True)
class Stream:
    """A volume on its way into a store.

    Attributes
    ----------
    slabs : iterable of (int, numpy.ndarray)
        First plane and block; ascending and gapless along z.
    shape : tuple of int
        (z, y, x) or (c, z, y, x) of the whole volume.
    dtype : str or None
        Type to store; None for labels, which keep their own type (uint8 or uint16).
    voxel_spacing : float
        Edge of a voxel in Angstrom.
    """

    slabs: Slabs
    shape: tuple[int, ...]
    dtype: str | None
    voxel_spacing: float


def write_volume(item: Volume, stream: Stream, stored: dict[str, Any], where: str) -> None:
    """Write a volume chunk by chunk and, when it is whole, its record.

    Parameters
    ----------
    item : copick segmentation or feature volume
        Where; what its store holds is lost.
    stream : Stream
        What.
    stored : dict
        Record as ``provenance.to_stored`` returns it.
    where : str
        URI and run, for messages.

    Raises
    ------
    DataError
        If the slabs do not make up the volume, or hold values that cannot be stored.
    ProjectError
        If the store cannot be written.
    """
    shape, chunks = stream.shape, _chunks(stream.shape)
    with guarded(f"cannot write {where}"):
        group = zarr.open_group(strict(item.zarr()), mode="w")
        zarr_format = getattr(getattr(group, "metadata", None), "zarr_format", 2)
        ome = ome_attributes(stream.voxel_spacing, dimensions=len(shape), zarr_format=zarr_format)
        group.attrs.update({**ome, ATTRIBUTE: UNFINISHED})
    make_array = getattr(group, "create_array", None) or group.create_dataset  # zarr 3, zarr 2
    array: Any = None
    for z_start, block in _whole_chunks(stream, chunks, where):
        with guarded(f"cannot write {where}"), same_bytes():
            if array is None:
                array = make_array("0", shape=shape, chunks=chunks, dtype=block.dtype)
            array[..., z_start : z_start + block.shape[-3], :, :] = block
    with guarded(f"cannot write {where}"):
        group.attrs[ATTRIBUTE] = stored


def write_claimed(item: Volume, stream: Stream, claim: Claim) -> bool:
    """Write a volume and its record to the item's place, whole or not at all.

    Parameters
    ----------
    item : copick segmentation or feature volume
        Where.
    stream : Stream
        What.
    claim : Claim
        Its record, and what it may replace.

    Returns
    -------
    bool
        False, and nothing is written, where the same output stands by then.

    Raises
    ------
    ConflictError
        If something stands there that has to stay.
    DataError, ProjectError
        As ``write_volume``.
    """
    stored = to_stored(claim.record, claim.where)
    permit = claim.permit(lambda: standing(item))
    try:
        permit()
        stands = standing(item) is not None
        with replacing_volume(item, permit=permit, stands=stands) as target:
            write_volume(target, stream, stored, claim.where)
    except SameOutputError:
        return False
    return True


def ome_attributes(voxel_spacing: float, *, dimensions: int, zarr_format: int) -> dict[str, Any]:
    """Return OME-Zarr attributes of a volume of one resolution level, as copick writes them.

    Parameters
    ----------
    voxel_spacing : float
        Edge of a voxel in Angstrom.
    dimensions : int
        3 for (z, y, x), 4 for (c, z, y, x).
    zarr_format : int
        2 for OME-Zarr 0.4 (copick 1), 3 for OME-Zarr 0.5 (copick 2).
    """
    axes = [{"name": name, "type": "space", "unit": "angstrom"} for name in "zyx"]
    scale = [voxel_spacing] * 3
    if dimensions == 4:
        axes = [{"name": "c", "type": "channel"}, *axes]
        scale = [1.0, *scale]
    level = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": scale}]}
    image = {"name": "/", "axes": axes, "datasets": [level], "metadata": {}}
    if zarr_format == 2:
        return {"multiscales": [{"version": "0.4", **image}]}
    return {"ome": {"version": "0.5", "multiscales": [image]}}


def _chunks(shape: tuple[int, ...]) -> tuple[int, ...]:
    largest = CHUNK_ZYX if len(shape) == 3 else FEATURE_CHUNK_CZYX
    return tuple(min(size, most) for size, most in zip(shape, largest, strict=True))


def _whole_chunks(
    stream: Stream, chunks: tuple[int, ...], where: str
) -> Iterator[tuple[int, npt.NDArray[Any]]]:
    """Yield the slabs again, cut at the borders of the chunks and of the type to store."""
    shape, planes, depth = stream.shape, stream.shape[-3], chunks[-3]
    buffer: npt.NDArray[Any] | None = None
    done = 0
    for z_start, block in stream.slabs:
        _check_frame(block, shape, where)
        if z_start != done or done + block.shape[-3] > planes:
            msg = (
                f"{where}: got planes {z_start} to {z_start + block.shape[-3]}; expected them to "
                f"start at {done} and to end by {planes}"
            )
            raise DataError(msg)
        dtype = _stored_type(block, stream.dtype, buffer, where)
        if buffer is None:
            buffer = np.empty((*shape[:-3], depth, *shape[-2:]), dtype=dtype)
        used = 0
        while used < block.shape[-3]:
            at = done % depth
            taken = min(depth - at, block.shape[-3] - used)
            _fill(buffer[..., at : at + taken, :, :], block[..., used : used + taken, :, :], where)
            used += taken
            done += taken
            if done % depth == 0 or done == planes:
                yield done - at - taken, buffer[..., : at + taken, :, :]
    if done != planes:
        msg = f"{where}: got {done} planes of {planes}"
        raise DataError(msg)


def _check_frame(block: npt.NDArray[Any], shape: tuple[int, ...], where: str) -> None:
    frame = (*shape[:-3], *shape[-2:])
    if block.ndim != len(shape) or (*block.shape[:-3], *block.shape[-2:]) != frame:
        msg = f"{where}: a block has shape {block.shape}; the volume has {shape}"
        raise DataError(msg)


def _stored_type(
    block: npt.NDArray[Any], wanted: str | None, buffer: npt.NDArray[Any] | None, where: str
) -> np.dtype[Any]:
    """Return the type to store; labels keep theirs, which stays the same for all blocks."""
    if wanted is not None:
        return np.dtype(wanted)
    allowed = ("uint8", "uint16") if buffer is None else (buffer.dtype.name,)
    if block.dtype.name not in allowed:
        msg = f"{where}: labels have type {block.dtype}; expected {' or '.join(allowed)}"
        raise DataError(msg)
    return block.dtype


def _fill(target: npt.NDArray[Any], block: npt.NDArray[Any], where: str) -> None:
    with np.errstate(over="ignore"):
        target[...] = block
    if target.dtype.kind == "f" and not np.isfinite(target).all():
        msg = f"{where}: values are NaN or infinite in {target.dtype}"
        raise DataError(msg)
