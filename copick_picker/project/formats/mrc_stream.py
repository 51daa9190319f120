"""Reading MRC files of any mode and byte order in blocks: a file may exceed the memory.

The format is that of Cheng et al. 2015 (J. Struct. Biol. 192, 146-150) with IMOD's additions:
unsigned bytes in mode 0 and four-bit numbers in mode 101.
"""

import bz2
import gzip
import shutil
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from copick_picker.errors import DataError
from copick_picker.project.guards import guarded

HEADER_BYTES = 1024
_MODES = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2", 101: "nibbles"}
_REFUSED = {3: "complex 16-bit integers", 4: "complex floats", 16: "colours"}
_LARGEST_SIDE = 1 << 20
_IMOD_STAMP = 1146047817
_CUBIC_WITHIN = 0.01
_VOLUME_STACKS = range(401, 631)
MAP_AT = 208
"""Offset of the mark that identifies an MRC file."""


@dataclass(frozen=True)
class MrcHeader:
    """Contents of the header of an MRC file.

    Attributes
    ----------
    shape : tuple of int
        Sections, rows and columns as stored.
    dtype : str
        numpy's name of the stored type with its byte order; ``nibbles`` for four-bit numbers.
    offset : int
        Bytes before the first section.
    axes_xyz : tuple of int
        Axis (1 x, 2 y, 3 z) of columns, rows and sections.
    voxel_sizes_xyz : tuple of float
        Edges of a voxel in Angstrom; 0.0 if the header does not state them.
    name : str
        The file, for messages.
    space_group : int
        ISPG: 0 for images and image stacks, 1 for a volume, 401 to 630 for stacks of volumes.
    has_map_stamp : bool
        Whether the header contains ``MAP``, as the format requires.
    is_tilt_series : bool
        Whether the header says that its sections are views of a tilt series.
    """

    shape: tuple[int, int, int]
    dtype: str
    offset: int
    axes_xyz: tuple[int, int, int]
    voxel_sizes_xyz: tuple[float, float, float]
    name: str
    space_group: int = 1
    has_map_stamp: bool = True
    is_tilt_series: bool = False

    @property
    def voxel_spacing(self) -> float:
        """Edge of a voxel in Angstrom, three decimals; 0.0 if the header does not state it.

        Raises
        ------
        DataError
            If the voxels are not cubes.
        """
        sizes = self.voxel_sizes_xyz
        if self.has_cubic_voxels:
            return round(sizes[0], 3)
        shown = ", ".join(f"{size:.4g}" for size in sizes)
        msg = f"{self.name} has voxels of {shown} A; expected cubic voxels"
        raise DataError(msg)

    @property
    def has_cubic_voxels(self) -> bool:
        """Whether the edges of a voxel are equal, to a hundredth."""
        sizes = self.voxel_sizes_xyz
        return max(sizes) - min(sizes) <= _CUBIC_WITHIN * max(sizes)

    @property
    def is_image(self) -> bool:
        """Whether it is a single image, not a volume."""
        return self.shape[0] == 1 and self.space_group == 0

    @property
    def is_stack_of_volumes(self) -> bool:
        """Whether several volumes follow each other (space groups 401 to 630)."""
        return self.space_group in _VOLUME_STACKS

    @property
    def voxel_dtype(self) -> np.dtype[Any]:
        """Type of the voxels in this machine's byte order; uint8 for four-bit numbers."""
        return np.dtype("u1" if self.dtype == "nibbles" else self.dtype).newbyteorder("=")

    @property
    def shape_zyx(self) -> tuple[int, int, int]:
        """Shape of the volume in the order z, y, x."""
        sizes = dict(zip(self.axes_xyz, reversed(self.shape), strict=True))
        return sizes[3], sizes[2], sizes[1]

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        columns = self.shape[2]
        return (
            (columns + 1) // 2
            if self.dtype == "nibbles"
            else columns * np.dtype(self.dtype).itemsize
        )

    @property
    def data_bytes(self) -> int:
        """Bytes of all sections."""
        return self.shape[0] * self.shape[1] * self.row_bytes


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """Yield the path of an uncompressed MRC file; gzip and bzip2 go to a temporary file.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Raises
    ------
    ProjectError
        If it cannot be read or is damaged.
    """
    kind = path.suffix.lower()
    if kind not in (".gz", ".bz2"):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / path.stem
        with guarded(f"cannot read {path}"):
            try:
                with (
                    gzip.GzipFile(path) if kind == ".gz" else bz2.BZ2File(path) as packed,
                    plain.open("wb") as out,
                ):
                    shutil.copyfileobj(packed, out, 1 << 20)
            except EOFError as error:
                msg = f"{path} is truncated: its compressed data end early"
                raise DataError(msg) from error
        yield plain


def read_header(path: Path, *, name: Path) -> MrcHeader:
    """Return the header of an uncompressed MRC file, after checking the file's length.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    name : pathlib.Path
        Its name for messages.

    Raises
    ------
    ProjectError
        If the file cannot be read.
    DataError
        If it is not an MRC file, does not contain a single real volume, or is truncated.
    """
    with guarded(f"cannot read {name}"), path.open("rb") as file:
        raw = file.read(HEADER_BYTES)
        length = path.stat().st_size
    if len(raw) < HEADER_BYTES:
        msg = f"{name} has {len(raw)} bytes; an MRC header alone has {HEADER_BYTES}"
        raise DataError(msg)
    order = _byte_order(raw, name)
    columns, rows, sections, mode = struct.unpack_from(f"{order}4i", raw, 0)
    if mode not in _MODES:
        what = _REFUSED.get(mode, "an unknown mode")
        modes = ", ".join(map(str, _MODES))
        msg = f"{name} has mode {mode} ({what}); expected one real volume, of mode {modes}"
        raise DataError(msg)
    header = MrcHeader(
        (sections, rows, columns),
        _dtype(raw, order, mode),
        HEADER_BYTES + max(0, struct.unpack_from(f"{order}i", raw, 92)[0]),
        _axes(raw, order),
        _voxel_sizes(raw, order),
        str(name),
        struct.unpack_from(f"{order}i", raw, 88)[0],
        raw[MAP_AT : MAP_AT + 3] == b"MAP",
        _is_tilt_series(raw, order),
    )
    if length < header.offset + header.data_bytes:
        msg = (
            f"{name} is truncated: {length} bytes, {header.offset + header.data_bytes} "
            f"expected for {columns} x {rows} x {sections} voxels of mode {mode}"
        )
        raise DataError(msg)
    return header


def read_block(
    path: Path,
    header: MrcHeader,
    corner_zyx: tuple[int, int, int],
    end_zyx: tuple[int, int, int],
    dtype: npt.DTypeLike = np.float32,
) -> npt.NDArray[Any]:
    """Return a block of the volume; only its rows are read.

    Parameters
    ----------
    path : pathlib.Path
        Uncompressed file.
    header : MrcHeader
        Its header.
    corner_zyx, end_zyx : tuple of int
        First voxel, and one past the last (z, y, x).
    dtype : numpy dtype
        Type of the block.

    Returns
    -------
    numpy.ndarray, shape (z, y, x)
        The block.
    """
    axes = header.axes_xyz[::-1]
    first = [corner_zyx[3 - axis] for axis in axes]
    last = [end_zyx[3 - axis] for axis in axes]
    n_rows = last[1] - first[1]
    block = np.empty([end - begin for begin, end in zip(first, last, strict=True)], dtype)
    with path.open("rb") as file:
        for number, section in enumerate(range(first[0], last[0])):
            row = section * header.shape[1] + first[1]
            file.seek(header.offset + row * header.row_bytes)
            raw = file.read(n_rows * header.row_bytes)
            block[number] = _numbers(raw, header, n_rows)[:, first[2] : last[2]]
    stored_order = list(axes)
    return np.ascontiguousarray(block.transpose([stored_order.index(axis) for axis in (3, 2, 1)]))


def _numbers(raw: bytes, header: MrcHeader, n_rows: int) -> npt.NDArray[np.generic]:
    if header.dtype != "nibbles":
        return np.frombuffer(raw, dtype=header.dtype).reshape(n_rows, header.shape[2])
    packed = np.frombuffer(raw, dtype=np.uint8).reshape(n_rows, header.row_bytes)
    both = np.stack([packed & 15, packed >> 4], axis=-1).reshape(n_rows, -1)
    return both[:, : header.shape[2]]


def _byte_order(raw: bytes, name: Path) -> str:
    """Return ``<`` or ``>``: the one that makes sense, or the machine stamp's if both do."""
    stamped = ">" if raw[212] == 0x11 else "<"
    for order in (stamped, "<", ">"):
        columns, rows, sections, mode = struct.unpack_from(f"{order}4i", raw, 0)
        sides = (columns, rows, sections)
        if all(0 < side <= _LARGEST_SIDE for side in sides) and mode in {*_MODES, *_REFUSED}:
            return order
    msg = f"{name} is not an MRC file: size and mode are invalid in either byte order"
    raise DataError(msg)


def _dtype(raw: bytes, order: str, mode: int) -> str:
    kind = _MODES[mode]
    if kind == "nibbles":
        return kind
    stamp, flags = struct.unpack_from(f"{order}2i", raw, 152)
    if mode == 0 and stamp == _IMOD_STAMP and not flags & 1:
        return "u1"
    return f"{order}{kind}"


def _axes(raw: bytes, order: str) -> tuple[int, int, int]:
    columns, rows, sections = struct.unpack_from(f"{order}3i", raw, 64)
    return (columns, rows, sections) if {columns, rows, sections} == {1, 2, 3} else (1, 2, 3)


def _voxel_sizes(raw: bytes, order: str) -> tuple[float, float, float]:
    """Return the edges of a voxel (x, y, z); zeros where one is not stated."""
    intervals = struct.unpack_from(f"{order}3i", raw, 28)
    lengths = struct.unpack_from(f"{order}3f", raw, 40)
    x, y, z = (
        float(length / number) if number > 0 else 0.0
        for length, number in zip(lengths, intervals, strict=True)
    )
    return (x, y, z) if all(np.isfinite(size) and size > 0 for size in (x, y, z)) else (0.0,) * 3


def _is_tilt_series(raw: bytes, order: str) -> bool:
    """Return whether IMOD's field ``idtype`` says so: 1 or 2 for one or several tilt series."""
    (stamp,) = struct.unpack_from(f"{order}i", raw, 152)
    (kind,) = struct.unpack_from(f"{order}h", raw, 160)
    return stamp == _IMOD_STAMP and kind in (1, 2)
