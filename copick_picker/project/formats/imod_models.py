"""Points of IMOD's binary models (https://bio3d.colorado.edu/imod/doc/binspec.html).

A model is a header of 240 bytes, objects (``OBJT``) of contours (``CONT``) of points, and chunks,
all big endian. Coordinates are pixels of the volume: x and y from the lower left corner of the
first pixel, z from the middle of the first section. The chunk ``MINX`` says how the volume was
scaled and placed, the header how large a pixel is. Where only a part of a volume was loaded,
https://bio3d.colorado.edu/imod/doc/asciispec.html says how its points are moved.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from copick_picker.errors import DataError
from copick_picker.project.formats.cells import ReadOptions
from copick_picker.records.points import ParticleTable

FloatArray = npt.NDArray[np.float64]
_MAGIC = b"IMODV1.2"
_MODEL_HEADER_BYTES = 240
_OBJECT_HEADER_BYTES = 180
_CONTOUR_HEADER_BYTES = 20
_MESH_HEADER_BYTES = 20
_PIXEL_AT, _FLAGS_AT = 216, 152
_MINX_FLOATS = 18
_ORIGIN_IN_MINX = 1 << 14
"""Flag of a model whose chunk MINX holds the origin of the image."""
_UNITS = {3: 1e13, 1: 1e10, -2: 1e8, -3: 1e7, -6: 1e4, -9: 10.0, -10: 1.0, -12: 0.01}
"""Power of ten of a metre that the header names -> Angstrom."""
_SAME = 0.01
_HALF_PIXEL = np.array([0.5, 0.5, 0.0])
_SCATTERED = 1 << 9
"""Flag of an object whose contours are scattered points."""
_FROM_HALF = 1 << 10
"""Flag of a model whose z starts at -0.5, as it does since 1997."""


@dataclass
class _Model:
    """What is read of a model."""

    sizes: dict[str, float] = field(default_factory=dict)
    shift: FloatArray = field(default_factory=lambda: np.zeros(3))
    names: list[str] = field(default_factory=list)
    points: list[FloatArray] = field(default_factory=list)
    objects: list[int] = field(default_factory=list)


def read_imod(path: Path, options: ReadOptions) -> ParticleTable:
    """Return the points of all contours of a model, in pixels with pixel 0 at 0 along all axes.

    Parameters
    ----------
    path : pathlib.Path
        ``.mod`` file.
    options : ReadOptions
        What the user says of it.

    Raises
    ------
    DataError
        If the file is no IMOD model or ends early.
    """
    model = _parsed(path, path.read_bytes())
    points = np.concatenate(model.points) if model.points else np.zeros((0, 3))
    points = points - _HALF_PIXEL + model.shift
    known = [model.names[number] or f"object {number + 1}" for number in model.objects]
    numbers = [len(each) for each in model.points]
    size, scale_from = _pixel_size(path, model, options)
    bad = np.flatnonzero(~np.isfinite(points).all(axis=1)).tolist()
    problems = dict.fromkeys(bad, "holds a number that is NaN or infinite")
    return ParticleTable(
        "IMOD model, pixels",
        "pixels",
        points,
        (path.stem,) * len(points),
        None if size is None else np.full(len(points), size),
        np.zeros((len(points), 3)),
        None,
        None,
        name_from="the file's name",
        scale_from=scale_from,
        classes=tuple(np.repeat(known, numbers).tolist()) if known else (),
        class_from="its objects",
        problems=problems,
    )


def imod_bytes(name: str, points: FloatArray, pixel_size: float, shape_xyz: Sequence[int]) -> bytes:
    """Return a model of one object of scattered points.

    No chunk ``MINX`` is written: IMOD then takes the coordinates as pixels of whatever volume the
    model is opened on, whose origin need not be known here. The header states the pixel size.

    Parameters
    ----------
    name : str
        Name of the object, of which 63 bytes are kept.
    points : numpy.ndarray, shape (n, 3), float64
        x, y, z in pixels, pixel 0 at 0.
    pixel_size : float
        Edge of a pixel in Angstrom.
    shape_xyz : sequence of int
        Size of the volume in pixels.
    """
    title = b"copick-picker".ljust(128, b"\0")
    header = struct.pack(
        ">4i I 4i 6f 5i f 2i 3f",
        *(*shape_xyz, 1, _FROM_HALF, 1, 1, 0, 255, 0, 0, 0, 1, 1, 1, 0, 0, 0, 3, 128),
        *(pixel_size / _UNITS[-9], -9, 0, 0, 0, 0),
    )
    label = name.encode("utf-8")[:63].decode("utf-8", "ignore").encode("utf-8").ljust(64, b"\0")
    thing = struct.pack(
        ">16I i I 2i 3f i 8B 2i",
        *(*[0] * 16, 1, _SCATTERED, 0, 1, 0, 1, 0, 5, 0, 3, 1, 1, 0, 0, 0, 0, 0, 0),
    )
    contour = struct.pack(">i I 2i", len(points), 0, 0, 0)
    places = (points + _HALF_PIXEL).astype(">f4").tobytes()
    return b"".join(
        (_MAGIC, title, header, b"OBJT", label, thing, b"CONT", contour, places, b"IEOF")
    )


def _pixel_size(path: Path, model: _Model, options: ReadOptions) -> tuple[float | None, str]:
    """Return the pixel size that the model states, and where."""
    if not model.sizes:
        return None, ""
    sizes = list(model.sizes.values())
    if options.pixel_size is None and max(sizes) - min(sizes) > _SAME * max(sizes):
        values = " and ".join(f"{name} {size:g}" for name, size in model.sizes.items())
        msg = f"{path} states two pixel sizes: {values} A: give --pixel-size A"
        raise DataError(msg)
    name, size = list(model.sizes.items())[-1]
    return size, name


def _parsed(path: Path, data: bytes) -> _Model:
    if data[:8] != _MAGIC:
        msg = f"{path} is not an IMOD model: it starts with {data[:8]!r}, expected {_MAGIC!r}"
        raise DataError(msg)
    model = _Model()
    try:
        _read_header(model, data)
        at = _MODEL_HEADER_BYTES
        while at + 4 <= len(data) and data[at : at + 4] != b"IEOF":
            at = _read_chunk(model, data, at)
    except (struct.error, ValueError) as error:
        msg = f"{path} ends in the middle of a contour"
        raise DataError(msg) from error
    return model


def _read_header(model: _Model, data: bytes) -> None:
    size, unit = struct.unpack_from(">fi", data, _PIXEL_AT)
    if unit in _UNITS and np.isfinite(size) and size > 0:
        model.sizes["the model's header"] = float(size) * _UNITS[unit]


def _read_chunk(model: _Model, data: bytes, at: int) -> int:
    """Read what begins at an offset, and return where the next begins."""
    mark = data[at : at + 4]
    if mark == b"OBJT":
        label = data[at + 4 : at + 68].split(b"\0")[0].decode("utf-8", "replace").strip()
        model.names.append(label)
        return at + _OBJECT_HEADER_BYTES
    if mark == b"CONT":
        size = _integer(data, at + 4)
        at += _CONTOUR_HEADER_BYTES
        if size < 0 or not model.names:
            msg = "a contour with a negative number of points, or without an object"
            raise ValueError(msg)
        found = np.frombuffer(data, dtype=">f4", count=3 * size, offset=at) if size else np.zeros(0)
        model.points.append(found.reshape(-1, 3).astype(np.float64))
        model.objects.append(len(model.names) - 1)
        return at + 12 * size
    if mark == b"MESH":
        vertices, indices = _integer(data, at + 4), _integer(data, at + 8)
        size = _MESH_HEADER_BYTES - 8 + 12 * vertices + 4 * indices
    else:
        size = _integer(data, at + 4)
        if mark == b"MINX" and size >= 4 * _MINX_FLOATS:
            _read_image(model, data, at + 8)
    if size < 0:
        msg = "a chunk of a negative length"
        raise ValueError(msg)
    return at + 8 + size


def _integer(data: bytes, at: int) -> int:
    return int(struct.unpack_from(">i", data, at)[0])


def _read_image(model: _Model, data: bytes, at: int) -> None:
    """Read the chunk MINX: scale of the image, and where the part that was loaded begins."""
    numbers = np.array(struct.unpack_from(f">{_MINX_FLOATS}f", data, at), dtype=np.float64)
    old_origin, scale, origin = numbers[3:6], numbers[9:12], numbers[12:15]
    if not (np.isfinite(scale).all() and (scale > 0).all()) or (scale == 1).all():
        return  # IMOD writes 1 where the image states no pixel size
    if np.ptp(scale) <= _SAME * scale.max():
        model.sizes["the model's chunk MINX"] = float(scale[0])
    (flags,) = struct.unpack_from(">I", data, _FLAGS_AT)
    if flags & _ORIGIN_IN_MINX and np.isfinite(numbers).all():
        model.shift = (old_origin - origin) / scale
