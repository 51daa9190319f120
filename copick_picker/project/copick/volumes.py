"""Volumes in copick's stores: lazy reads, records, what stands in their places.

copick 1.x opens for reading with mode "a", which creates what is missing, and zarr 2 reads a chunk
that fails as zeros. Here everything is opened with mode "r" and a failing chunk raises.
"""

import logging
from collections.abc import MutableMapping
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr
from fsspec import AbstractFileSystem

from copick_picker.errors import ProjectError
from copick_picker.project.copick import portal_items
from copick_picker.project.copick.api import CopickTomogram, Volume
from copick_picker.project.guards import broken, guarded
from copick_picker.project.local_places import is_local
from copick_picker.project.provenance import (
    ATTRIBUTE,
    from_stored,
    is_unfinished,
)
from copick_picker.project.remote.objects import RemoteReader
from copick_picker.project.remote.store import RemoteStore
from copick_picker.project.standing import Standing, standing_in, with_record
from copick_picker.project.zarr_survey import survey, zarr_group

logger = logging.getLogger(__name__)

_VERSIONS = (2,) if int(zarr.__version__.split(".")[0]) < 3 else (2, 3)
"""Formats that the installed zarr reads."""


class ZarrVolume:
    """A stored volume that is read plane by plane.

    Attributes
    ----------
    shape : tuple of int
        (z, y, x) or (c, z, y, x).
    dtype : numpy.dtype
        Type as stored.
    chunk_planes : int
        Planes of a stored chunk.
    """

    def __init__(self, array: zarr.Array, where: str) -> None:
        self._array = array
        self._where = where
        self.shape: tuple[int, ...] = tuple(int(size) for size in array.shape)
        self.dtype: np.dtype[Any] = np.dtype(array.dtype)
        self.chunk_planes: int = int(array.chunks[-3]) if len(self.shape) > 2 else 1

    def read(self, z_start: int = 0, z_stop: int | None = None) -> npt.NDArray[Any]:
        """Return the planes z_start to z_stop as stored, all channels.

        Parameters
        ----------
        z_start : int
            First plane.
        z_stop : int or None
            One past the last plane; None for all.

        Returns
        -------
        numpy.ndarray
            (z, y, x) or (c, z, y, x), type as stored.

        Raises
        ------
        ProjectError
            If a chunk is damaged or cannot be read.
        """
        planes = slice(z_start, z_stop)
        with guarded(f"cannot read {self._where}"):
            picked = self._array[planes] if len(self.shape) == 3 else self._array[:, planes]
            return np.asarray(picked)

    def check_chunks(self) -> None:
        """Warn where chunks are not stored: they read as the fill value.

        Raises
        ------
        ProjectError
            If not a single chunk is stored.
        """
        with guarded(f"cannot list the chunks of {self._where}"):
            stored, expected = int(self._array.nchunks_initialized), int(self._array.nchunks)
        if stored == 0:
            msg = f"{self._where} holds no data: none of its {expected} chunks is stored"
            raise ProjectError(msg)
        if stored < expected:
            logger.warning(
                "%s: %d of %d chunks are not stored and read as zeros",
                self._where,
                expected - stored,
                expected,
            )


def open_volume(
    item: Volume, where: str, *, dimensions: int, reader: RemoteReader | None = None
) -> ZarrVolume:
    """Return the full-resolution array of a copick object, without creating anything.

    Parameters
    ----------
    item : copick tomogram, segmentation or feature volume
        What to read.
    where : str
        URI and run, for messages.
    dimensions : int
        3 for (z, y, x), 4 for (c, z, y, x).
    reader : RemoteReader, optional
        Who reads what is not on this machine and nobody writes.

    Returns
    -------
    ZarrVolume
        Lazy volume.

    Raises
    ------
    ProjectError
        If the store holds no readable array of so many dimensions.
    """
    with guarded(f"cannot open {where}"):
        try:
            array = open_group(item, reader)["0"]
        except broken() as error:
            raise _what_it_is(item, where) or error from error
        volume = ZarrVolume(array, where)
    if len(volume.shape) != dimensions or 0 in volume.shape:
        axes = "(z, y, x)" if dimensions == 3 else "(c, z, y, x)"
        msg = f"{where} has shape {volume.shape}; expected {axes}, none of them 0"
        raise ProjectError(msg)
    return volume


def _what_it_is(item: Volume, where: str) -> ProjectError | None:
    """Return an error that names what a store on this machine is, where it is another."""
    filesystem, path = _place(item)
    if getattr(item, "read_only", False) and isinstance(item, CopickTomogram):
        filesystem, path = item.fs_static, item.static_path
    if not is_local(filesystem) or not filesystem.exists(path):
        return None
    found = survey(filesystem, path)
    if found.version in _VERSIONS and "0" in found.arrays:  # the reason lies within
        return None
    expected = f"a zarr v{' or v'.join(map(str, _VERSIONS))} group with array 0"
    return ProjectError(f"cannot open {where}: it is {found.words}; expected {expected}")


def open_group(item: Volume, reader: RemoteReader | None = None) -> zarr.Group:
    """Return the zarr group of a copick object, read-only.

    Parameters
    ----------
    item : copick object
        Anything with ``zarr()``.
    reader : RemoteReader, optional
        Who reads what is not on this machine and nobody writes.
    """
    store = item.zarr()
    if reader is not None and getattr(item, "read_only", False) and not is_local(store.fs):
        stated = portal_items.stated_bytes(item)
        return zarr.open_group(
            RemoteStore(reader, store.fs, store.path, stated_bytes=stated), mode="r"
        )
    return zarr.open_group(strict(store), mode="r")


def strict(store: MutableMapping[str, bytes]) -> MutableMapping[str, bytes]:
    """Let only a missing key read as missing: zarr 2 takes every OSError for an absent chunk.

    Parameters
    ----------
    store : mapping
        A zarr store of copick's.
    """
    if hasattr(store, "exceptions"):
        store.exceptions = (KeyError,)
    return store


def stored_record(item: Volume) -> object:
    """Return what stands at the place of our record in a volume's store; None where nothing does.

    Parameters
    ----------
    item : copick segmentation or feature volume
        Where to look.
    """
    try:
        return dict(open_group(item).attrs).get(ATTRIBUTE)
    except broken():
        return None


def finished_record(item: Volume) -> dict[str, Any] | None:
    """Return our record of a whole volume; None where it is not ours, or its array is missing.

    Parameters
    ----------
    item : copick tomogram, segmentation or feature volume
        Where to look.
    """
    record = from_stored(stored_record(item))
    filesystem, path = _place(item)
    if record is None or getattr(item, "read_only", False):
        return record
    metadata = (f"{path}/0/.zarray", f"{path}/0/zarr.json")
    return record if any(filesystem.exists(each) for each in metadata) else None


def standing(item: Volume) -> Standing | None:
    """Return what stands in the place of a volume; None where nothing does.

    What a write of ours left half-written on a file system without renames counts as nothing.

    Parameters
    ----------
    item : copick tomogram, segmentation or feature volume
        Stored or not.
    """
    if getattr(item, "read_only", False):
        record = finished_record(item)
        return Standing("a volume", is_replaceable=False, is_read_only=True, record=record)
    found = standing_in(*_place(item), zarr_group)
    if found is None or (found.is_replaceable and is_unfinished(stored_record(item))):
        return None
    return with_record(found, finished_record(item))


def _place(item: Volume) -> tuple[AbstractFileSystem, str]:
    """Return where a volume is written: a tomogram has two places, of which one is only read."""
    if isinstance(item, CopickTomogram):
        return item.fs_overlay, item.overlay_path
    return item.fs, item.path
