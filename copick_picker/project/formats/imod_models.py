"""Points of IMOD's binary models (https://bio3d.colorado.edu/imod/doc/binspec.html)."""

import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt

from copick_picker.errors import DataError

_MAGIC = b"IMODV1.2"
_MODEL_HEADER_BYTES = 240
_OBJECT_HEADER_BYTES = 180
_CONTOUR_HEADER_BYTES = 20
_MESH_HEADER_BYTES = 20


def read_imod_points(path: Path) -> npt.NDArray[np.float64]:
    """Return the points of all contours of an IMOD model, in the pixels of its image.

    IMOD counts x and y from the lower left corner of the first pixel and z from the middle of the
    first section; the points are moved to where pixel 0 is at 0 along all three axes.

    Parameters
    ----------
    path : pathlib.Path
        ``.mod`` file, big endian as IMOD writes it.

    Returns
    -------
    numpy.ndarray, shape (n, 3), float64
        x, y, z in pixels.

    Raises
    ------
    DataError
        If the file is no IMOD model or ends early.
    """
    data = path.read_bytes()
    if data[:8] != _MAGIC:
        msg = f"{path} is no IMOD model: it starts with {data[:8]!r}, expected {_MAGIC!r}"
        raise DataError(msg)
    at = _MODEL_HEADER_BYTES
    points = []
    try:
        while at + 4 <= len(data):
            mark = data[at : at + 4]
            if mark == b"IEOF":
                break
            if mark == b"OBJT":
                at += _OBJECT_HEADER_BYTES
            elif mark == b"CONT":
                (size,) = struct.unpack_from(">i", data, at + 4)
                at += _CONTOUR_HEADER_BYTES
                found = np.frombuffer(data, dtype=">f4", count=3 * size, offset=at)
                points.append(found.reshape(-1, 3).astype(np.float64))
                at += 12 * size
            elif mark == b"MESH":
                vertices, indices = struct.unpack_from(">ii", data, at + 4)
                at += _MESH_HEADER_BYTES + 12 * vertices + 4 * indices
            else:
                (size,) = struct.unpack_from(">i", data, at + 4)
                at += 8 + size
    except (struct.error, ValueError) as error:
        msg = f"{path} ends in the middle of a contour"
        raise DataError(msg) from error
    if not points:
        return np.zeros((0, 3))
    moved: npt.NDArray[np.float64] = np.concatenate(points) - np.array([0.5, 0.5, 0.0])
    return moved
