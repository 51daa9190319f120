"""Copies of a training's volumes on a fast disk: a folder each, with what it was made from.

A copy has the values and the type of the volume, so that patches cut from it are the same, bit for
bit. It is found again by what it was made from: the run, the volume's name, shape and type, and the
hash of its middle plane. A tomogram that was replaced has another hash, and gets another copy.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from copick_picker.errors import ConflictError, ProjectError
from copick_picker.project.files import replacing
from copick_picker.project.guards import reason
from copick_picker.project.store import LazyVolume, ProjectStore
from copick_picker.records.keys import SegmentationKey, TomogramKey
from copick_picker.records.plain_text import load_json

VolumeKey = SegmentationKey | TomogramKey
Copies = Mapping[tuple[str, VolumeKey], Path]
"""Run and volume -> folder of its copy."""
_ARRAY, _RECORD = "volume.npy", "made_from.json"
_NAME_LENGTH = 24


def source_of(run_name: str, key: VolumeKey, volume: LazyVolume) -> dict[str, Any]:
    """Return what identifies a volume; its middle plane is read.

    Parameters
    ----------
    run_name : str
        The run.
    key : TomogramKey or SegmentationKey
        The volume.
    volume : LazyVolume
        The volume, opened.
    """
    middle = volume.shape[0] // 2
    plane = np.ascontiguousarray(volume.read(middle, middle + 1))
    return {
        "run": run_name,
        "volume": str(key),
        "shape": list(volume.shape),
        "dtype": np.dtype(volume.dtype).str,
        "chunk_planes": volume.chunk_planes,
        "middle_plane_sha256": hashlib.sha256(plane.tobytes()).hexdigest(),
    }


def copy_place(folder: Path, source: Mapping[str, Any]) -> Path:
    """Return the folder of the copy of a volume.

    Parameters
    ----------
    folder : pathlib.Path
        The cache.
    source : mapping
        As :func:`source_of` returns it.
    """
    text = json.dumps(source, sort_keys=True)
    return folder / hashlib.sha256(text.encode()).hexdigest()[:_NAME_LENGTH]


def is_copied(place: Path, source: Mapping[str, Any]) -> bool:
    """Return whether the whole copy of a volume is there.

    Parameters
    ----------
    place : pathlib.Path
        As :func:`copy_place` returns it.
    source : mapping
        What it was made from.

    Raises
    ------
    ConflictError
        If something else is in its place.
    """
    if not place.exists():
        return False
    try:
        known = load_json((place / _RECORD).read_text(encoding="utf-8"))
        copy = MappedVolume(place)
        middle = copy.shape[0] // 2
        plane = hashlib.sha256(copy.read(middle, middle + 1).tobytes()).hexdigest()
        whole = known == dict(source) and plane == source["middle_plane_sha256"]
    except (OSError, ValueError, KeyError, ProjectError):
        whole = False
    if not whole:
        msg = (
            f"{place} was not made by --patch-cache, or was changed since: move it away or "
            "choose another folder"
        )
        raise ConflictError(msg)
    return True


def copy_volume(place: Path, source: Mapping[str, Any], volume: LazyVolume) -> None:
    """Copy a volume, read chunk by chunk; what is interrupted leaves no copy.

    Parameters
    ----------
    place : pathlib.Path
        As :func:`copy_place` returns it.
    source : mapping
        What it is made from.
    volume : LazyVolume
        The volume.

    Raises
    ------
    ProjectError
        If the volume cannot be read or the copy not written.
    """
    dtype, step = np.dtype(volume.dtype), max(1, volume.chunk_planes)
    header = {"descr": dtype.str, "fortran_order": False, "shape": tuple(volume.shape)}
    with replacing(place) as temporary:
        temporary.mkdir()
        with (temporary / _ARRAY).open("wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            for start in range(0, volume.shape[0], step):
                planes = volume.read(start, min(start + step, volume.shape[0]))
                file.write(np.ascontiguousarray(planes, dtype=dtype).tobytes())
        (temporary / _RECORD).write_text(json.dumps(source, indent=1) + "\n", encoding="utf-8")


class MappedVolume:
    """The copy of a volume, read plane by plane.

    Parameters
    ----------
    place : pathlib.Path
        Folder of the copy.

    Attributes
    ----------
    shape : tuple of int
        (z, y, x).
    dtype : numpy.dtype
        Type of the volume it was made from.
    chunk_planes : int
        Planes of a chunk of that volume, so that reading in layers gives the same sums.
    troubles : tuple of Trouble
        None: what is wrong with the volume was said when it was copied.

    Raises
    ------
    ProjectError
        If it cannot be read.
    """

    def __init__(self, place: Path) -> None:
        self.troubles = ()
        try:
            self._array: npt.NDArray[Any] = np.load(place / _ARRAY, mmap_mode="r")
            known = load_json((place / _RECORD).read_text(encoding="utf-8"))
            self.chunk_planes = int(known["chunk_planes"])
        except (OSError, ValueError, KeyError) as error:
            why = reason(error) if isinstance(error, OSError) else str(error)
            msg = f"cannot read the copy {place}: {why}"
            raise ProjectError(msg) from error
        self.shape: tuple[int, ...] = self._array.shape
        self.dtype: np.dtype[Any] = self._array.dtype

    def read(self, z_start: int = 0, z_stop: int | None = None) -> npt.NDArray[Any]:
        """Return the planes z_start to z_stop.

        Parameters
        ----------
        z_start : int
            First plane.
        z_stop : int or None
            One past the last plane; None for all.
        """
        return np.array(self._array[z_start:z_stop])


class _WithCopies:
    """A project some of whose volumes are read from their copies."""

    def __init__(self, store: ProjectStore, copies: Copies) -> None:
        self._store = store
        self._copies = copies

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (of any kind)
        if name.startswith("__"):  # asked for before there is a store, as when unpickled
            raise AttributeError(name)
        return getattr(self._store, name)

    def open_tomogram(self, run_name: str, key: TomogramKey) -> LazyVolume:
        place = self._copies.get((run_name, key))
        if place is None:
            return self._store.open_tomogram(run_name, key)
        return MappedVolume(place)

    def open_segmentation(self, run_name: str, key: SegmentationKey) -> LazyVolume:
        place = self._copies.get((run_name, key))
        if place is None:
            return self._store.open_segmentation(run_name, key)
        return MappedVolume(place)


def with_copies(store: ProjectStore, copies: Copies) -> ProjectStore:
    """Return a project that reads volumes from their copies, where there are any.

    Parameters
    ----------
    store : ProjectStore
        The project.
    copies : mapping
        Run and volume -> folder of its copy.
    """
    return cast("ProjectStore", _WithCopies(store, copies)) if copies else store
