"""Volumes in copick's stores: lazy reads, records, what stands in their places.

copick 1.x opens for reading with mode "a", which creates what is missing, and zarr 2 reads a chunk
that fails as zeros. Here everything is opened with mode "r" and a failing chunk raises.
"""

import itertools
import lzma
import re
import zlib
from collections.abc import MutableMapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr
from fsspec import AbstractFileSystem

from copick_picker.errors import ProjectError
from copick_picker.project.copick import portal_items
from copick_picker.project.copick.api import CopickTomogram, Volume
from copick_picker.project.guards import broken, guarded, reason
from copick_picker.project.local_places import is_local
from copick_picker.project.provenance import (
    ATTRIBUTE,
    from_stored,
    is_unfinished,
)
from copick_picker.project.remote.objects import RemoteReader
from copick_picker.project.remote.store import RemoteStore
from copick_picker.project.standing import Standing, standing_in, with_record
from copick_picker.project.zarr_metadata import (
    ArrayFacts,
    Level,
    MetadataError,
    array_facts,
    axes_trouble,
    can_leave_out,
    finest_level,
    json_object,
    level_trouble,
    levels,
    scale_troubles,
)
from copick_picker.project.zarr_survey import survey, zarr_group
from copick_picker.records.checks import Trouble

_VERSIONS = (2,) if int(zarr.__version__.split(".")[0]) < 3 else (2, 3)
"""Formats that the installed zarr reads."""
_FLAT_CHUNK = re.compile(r"\d+(\.\d+)+")
_DAMAGED = (RuntimeError, ValueError, TypeError, zlib.error, EOFError, lzma.LZMAError)
"""What the codecs raise on a chunk that they cannot decode."""
_MOST_LOOKED_AT = 4096
"""Chunks that are looked at for the damaged one."""


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
    troubles : tuple of Trouble
        What the metadata contradict; the volume is read all the same.
    """

    def __init__(
        self,
        array: zarr.Array,
        where: str,
        *,
        left_out: int = 0,
        troubles: Sequence[Trouble] = (),
    ) -> None:
        self._array = array
        self._where = where
        self._first = (0,) * left_out
        self.troubles = tuple(troubles)
        self.shape: tuple[int, ...] = tuple(int(size) for size in array.shape)[left_out:]
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
            If a chunk is damaged or cannot be read; it is named.
        """
        planes = slice(z_start, z_stop)
        index: tuple[int | slice, ...] = self._first
        if len(self.shape) == 4:
            index = (*index, slice(None))
        with guarded(f"cannot read {self._where}"):
            try:
                return np.asarray(self._array[(*index, planes)])
            except _DAMAGED as error:
                chunk = self._damaged_chunk((*index, planes))
                if chunk is None:
                    raise
                msg = f"cannot read {self._where}: chunk {chunk} is damaged ({reason(error)})"
                raise ProjectError(msg) from error

    def _damaged_chunk(self, index: tuple[int | slice, ...]) -> str | None:
        """Return the name of the first chunk of a part that cannot be decoded."""
        rest = self._array.ndim - len(index)
        parts: list[int | slice] = [*index, *(slice(None) for _ in range(rest))]
        ranges = []
        sides = zip(parts, self._array.shape, self._array.chunks, strict=True)
        for part, size, chunk in sides:
            stop = part + 1 if isinstance(part, int) else part.indices(size)[1]
            start = part if isinstance(part, int) else part.indices(size)[0]
            ranges.append(range(start // chunk, -(-stop // chunk)))
        for place in itertools.islice(itertools.product(*ranges), _MOST_LOOKED_AT):
            corner = zip(place, self._array.chunks, strict=True)
            try:
                self._array[tuple(slice(at * size, at * size + 1) for at, size in corner)]
            except _DAMAGED:
                return self._array._chunk_key(place)  # type: ignore[no-any-return]
        return None

    def check_chunks(self) -> None:
        """Note where chunks are not stored: they read as the fill value.

        A store that may not be listed is not asked: there a chunk that is missing is found when it
        is read.

        Raises
        ------
        ProjectError
            If not a single chunk is stored.
        """
        if getattr(self._array.store, "is_listed", True) is False:
            return  # each chunk that is missing fails when it is read
        with guarded(f"cannot list the chunks of {self._where}"):
            stored, expected = int(self._array.nchunks_initialized), int(self._array.nchunks)
        if stored == 0:
            msg = f"{self._where} contains no data: none of its {expected} chunks is stored"
            raise ProjectError(msg)
        if stored < expected:
            text = (
                f"{expected - stored} of {expected} chunks are not stored; they are read as zeros"
            )
            self.troubles = (*self.troubles, Trouble("chunks", text))


def open_volume(
    item: Volume,
    where: str,
    *,
    dimensions: int,
    voxel_spacing: float | None = None,
    reader: RemoteReader | None = None,
) -> ZarrVolume:
    """Return the full-resolution array of a copick object, without creating anything.

    Parameters
    ----------
    item : copick tomogram, segmentation or feature volume
        What to read.
    where : str
        URI and run, for messages.
    dimensions : int
        3 for (z, y, x), 4 for (c, z, y, x); axes of size 1 before them are left out.
    voxel_spacing : float, optional
        Of the folder in Angstrom, which the store's own scale is compared with.
    reader : RemoteReader, optional
        Who reads what is not on this machine and nobody writes.

    Returns
    -------
    ZarrVolume
        Lazy volume.

    Raises
    ------
    ProjectError
        If the store holds no readable array of so many dimensions, or says of it what cannot be.
    """
    with guarded(f"cannot open {where}"):
        try:
            store = _store_of(item, reader)
            level, troubles = _finest(store)
            facts = _facts(store, level)
            array = zarr.open_array(_as_separated(store, level), path=level.path, mode="r")
        except MetadataError as error:
            msg = f"cannot open {where}: {error}"
            raise _what_it_is(item, where) or ProjectError(msg) from error
        except broken() as error:
            raise _what_it_is(item, where) or error from error
    wrong = axes_trouble(facts.shape, dimensions)
    if wrong is not None:
        if not can_leave_out(facts.shape, dimensions):
            msg = f"{where} has shape {facts.shape}: {wrong.text}"
            raise ProjectError(msg)
        troubles = [*troubles, wrong]
    if voxel_spacing is not None:
        troubles += scale_troubles(level, voxel_spacing)
    return ZarrVolume(array, where, left_out=len(facts.shape) - dimensions, troubles=troubles)


def _as_separated(store: MutableMapping[str, bytes], level: Level) -> MutableMapping[str, bytes]:
    """Return the store with the chunks' names as the array has them: ``0/0/0`` or ``0.0.0``.

    copick's stores take all chunks to be nested, and read those that are not as zeros.
    """
    files: Any = store
    name = f"{level.path}/.zarray"
    separator = json_object(store[name], name).get("dimension_separator")
    if isinstance(store, RemoteStore):
        store.separator = "/" if separator == "/" else "."
    if not hasattr(store, "key_separator"):
        return store
    if separator is None:
        names = [str(path).rsplit("/", 1)[-1] for path in files.fs.ls(f"{files.path}/{level.path}")]
        separator = "." if any(_FLAT_CHUNK.fullmatch(each) for each in names) else "/"
    if separator == files.key_separator:
        return store
    return strict(type(files)(files.path, fs=files.fs, mode="r", dimension_separator=separator))


def _finest(store: MutableMapping[str, bytes]) -> tuple[Level, list[Trouble]]:
    """Return the level of full resolution of a store, and what its attributes contradict."""
    if ".zgroup" not in store and "zarr.json" not in store:
        raise MetadataError(Trouble("metadata", "it is not a zarr group: it has no .zgroup"))
    troubles = []
    try:
        attributes = json_object(store[".zattrs"], ".zattrs") if ".zattrs" in store else {}
    except MetadataError as error:
        attributes, troubles = {}, [error.trouble]
    stated = levels(attributes)
    likely = stated[0] if stated else Level("0")
    if f"{likely.path}/.zarray" not in store:
        names = [name for name in _children(store) if f"{name}/.zarray" in store]
        likely = finest_level(attributes, names, lambda name: _facts(store, Level(name)).shape)
    return likely, [*troubles, *level_trouble(likely)]


def _children(store: MutableMapping[str, bytes]) -> list[str]:
    listdir = getattr(store, "listdir", None)
    if "zarr.json" in store:
        text = "stored as zarr v3, which the installed zarr 2 cannot read"
        raise MetadataError(Trouble("format", text))
    return [] if listdir is None else [str(name) for name in listdir("")]


def _facts(store: MutableMapping[str, bytes], level: Level) -> ArrayFacts:
    name = f"{level.path}/.zarray"
    return array_facts(json_object(store[name], name))


def _what_it_is(item: Volume, where: str) -> ProjectError | None:
    """Return an error that names what a store on this machine is, where it is another."""
    filesystem, path = _place(item)
    if getattr(item, "read_only", False) and isinstance(item, CopickTomogram):
        filesystem, path = item.fs_static, item.static_path
    if not is_local(filesystem) or not filesystem.exists(path):
        return None
    found = survey(filesystem, path)
    if found.version in _VERSIONS and found.arrays:  # the reason lies within
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
    return zarr.open_group(_store_of(item, reader), mode="r")


def _store_of(item: Volume, reader: RemoteReader | None) -> MutableMapping[str, bytes]:
    store = item.zarr()
    if reader is not None and getattr(item, "read_only", False) and not is_local(store.fs):
        stated = portal_items.stated_bytes(item)
        return RemoteStore(reader, store.fs, store.path, stated_bytes=stated)
    return strict(store)


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
