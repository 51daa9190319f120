"""Tomograms in files of other programs: MRC, TIFF stacks, zarr."""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile
import zarr

from copick_picker.errors import DataError
from copick_picker.project.formats.mrc_stream import (
    HEADER_BYTES,
    MrcHeader,
    read_block,
    read_header,
    unpacked,
)
from copick_picker.project.formats.tiff import (
    check_tiff,
    opened_tiff,
    tiff_guarded,
    tiff_voxel_sizes,
)
from copick_picker.project.guards import guarded
from copick_picker.project.zarr_metadata import array_facts, finest_level, levels

Corner = tuple[int, int, int]
TIFF = (".tif", ".tiff")
ZARR = ".zarr"
_MARKS = (".zgroup", ".zattrs", ".zarray", "zarr.json")


@dataclass(frozen=True, eq=False)
class VolumeFile:
    """A volume that is read in blocks.

    Attributes
    ----------
    shape_zyx : tuple of int
        Its shape.
    sizes_xyz : tuple of float, or None
        Size of a voxel in Angstrom along x, y, z; None where the file does not say.
    read : callable
        Corner (z, y, x) and one past the last -> block, float32.
    head : str
        Hash of what identifies the file.
    other : str
        What the file holds that is no tomogram; empty if it may be one.
    """

    shape_zyx: tuple[int, int, int]
    sizes_xyz: tuple[float, float, float] | None
    read: Callable[[Corner, Corner], npt.NDArray[np.float32]]
    head: str
    other: str = ""


@contextmanager
def opened_volume(path: Path) -> Iterator[VolumeFile]:
    """Yield the volume of a file.

    Parameters
    ----------
    path : pathlib.Path
        MRC file (also gzip or bzip2), TIFF stack, or zarr group or array.

    Raises
    ------
    ProjectError
        If it cannot be read.
    DataError
        If it holds no volume of real numbers.
    """
    if path.suffix.lower() == ZARR:
        yield _zarr(path)
    elif path.suffix.lower() in TIFF:
        with opened_tiff(path) as file:
            yield _tiff(path, file)
    else:
        with unpacked(path) as plain:
            header = read_header(plain, name=path)
            with plain.open("rb") as stream:
                head = hashlib.sha256(stream.read(HEADER_BYTES)).hexdigest()
            yield VolumeFile(
                header.shape_zyx,
                header.voxel_sizes_xyz,
                lambda corner, end: read_block(plain, header, corner, end),
                head,
                _no_tomogram(header),
            )


def _no_tomogram(header: MrcHeader) -> str:
    if header.is_tilt_series:
        return "a tilt series, by its header"
    if header.is_stack_of_volumes:
        return "a stack of volumes, by its header"
    return "an image" if header.is_image else ""


def _tiff(path: Path, file: tifffile.TiffFile) -> VolumeFile:
    series = file.series[0]
    check_tiff(path, file, series)
    shape = _three(path, series.shape, series.dtype)
    facts = json.dumps([series.shape, str(series.dtype), path.stat().st_size])
    planes = _planes(path, file, series)

    def read(corner: Corner, end: Corner) -> npt.NDArray[np.float32]:
        _, y, x = _block(corner, end)
        with tiff_guarded(path):
            return np.asarray(planes(corner[0], end[0])[:, y, x], dtype=np.float32)

    head = hashlib.sha256(facts.encode() + planes(0, 1).tobytes()).hexdigest()
    return VolumeFile(shape, tiff_voxel_sizes(file), read, head)


def _planes(
    path: Path,
    file: tifffile.TiffFile,
    series: Any,  # noqa: ANN401 (tifffile is untyped here)
) -> Callable[[int, int], npt.NDArray[Any]]:
    """Return what reads planes: from a map of the file where its values lie in one piece."""
    if series.dataoffset is not None:
        kind = series.dtype.newbyteorder(file.byteorder)
        whole = np.memmap(path, kind, "r", offset=series.dataoffset, shape=series.shape)
        return lambda first, last: np.asarray(whole[first:last])
    return lambda first, last: np.stack([series.pages[k].asarray() for k in range(first, last)])


def _zarr(path: Path) -> VolumeFile:
    with guarded(f"cannot read {path}"):
        if (path / "zarr.json").is_file():
            msg = f"{path} is a zarr v3 store, which copick 1 does not read; write it as zarr v2"
            raise DataError(msg)
        facts = b"".join((path / mark).read_bytes() for mark in _MARKS if (path / mark).is_file())
        store = zarr.open(str(path), mode="r")
        sizes = None
        array: Any = store
        if isinstance(store, zarr.Group):
            attributes = dict(store.attrs)
            names = [name for name, each in store.arrays()]
            level = finest_level(attributes, names, lambda name: store[name].shape)
            array = store[level.path]
            known = next((each for each in levels(attributes) if each.path == level.path), level)
            if known.scale_zyx is not None:
                z, y, x = known.scale_zyx
                sizes = (x, y, z)
            facts += (path / level.path / ".zarray").read_bytes()
        array_facts(json.loads((path / array.path / ".zarray").read_bytes()))
    shape = _three(path, array.shape, array.dtype)
    first = np.ascontiguousarray(array[0]).tobytes()

    def read(corner: Corner, end: Corner) -> npt.NDArray[np.float32]:
        with guarded(f"cannot read {path}"):
            return np.asarray(array[_block(corner, end)], dtype=np.float32)

    return VolumeFile(shape, sizes, read, hashlib.sha256(facts + first).hexdigest())


def _three(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> tuple[int, int, int]:
    if len(shape) != 3 or 0 in shape or shape[0] == 1:
        size = " x ".join(map(str, shape))
        msg = f"{path} holds an array of {size}; expected one volume (z, y, x)"
        raise DataError(msg)
    if dtype.kind not in "iuf":
        msg = f"{path} holds {dtype}; expected real numbers"
        raise DataError(msg)
    z, y, x = shape
    return z, y, x


def _block(corner: Corner, end: Corner) -> tuple[slice, ...]:
    return tuple(slice(a, b) for a, b in zip(corner, end, strict=True))
