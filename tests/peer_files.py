"""Files of other programs' particles, written from their specifications, for tests."""

import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

# Two particles of TS_1, off centre in a volume of 400 x 300 x 200 A (10 A a voxel).
EXPECTED = np.array([[123.0, 56.0, 78.0], [200.0, 150.5, 101.0]])
AXES = [f"rlnCoordinate{axis}" for axis in "XYZ"]
IN_FIVE = (EXPECTED / 5.0).tolist()


def star(
    path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]], optics: str = ""
) -> Path:
    """Write a STAR file of particles."""
    names = "".join(f"_{name} #{number}\n" for number, name in enumerate(columns, 1))
    lines = "".join(" ".join(map(str, row)) + "\n" for row in rows)
    path.write_text(f"{optics}\ndata_particles\n\nloop_\n{names}{lines}\n")
    return path


def optics(*sizes: object, column: str = "rlnTomoTiltSeriesPixelSize") -> str:
    """Return an optics table, a group for each size."""
    rows = "".join(f"{group} {size}\n" for group, size in enumerate(sizes, 1))
    return f"data_optics\n\nloop_\n_rlnOpticsGroup #1\n_{column} #2\n{rows}\n"


def dynamo(
    path: Path,
    pixels: Iterable[Sequence[float]],
    *,
    apix: float = 0.0,
    classes: Sequence[int] = (1, 1),
    numbers: Sequence[int] = (1, 1),
    angles: Sequence[float] = (0, 0, 0),
) -> Path:
    """Write a table of Dynamo."""
    lines = []
    for row, (x, y, z) in enumerate(pixels):
        cells: list[Any] = [0] * 42
        cells[0], cells[9], cells[10] = row + 1, 0.5, 0.25 + 0.5 * row
        cells[6:9] = angles
        cells[19], cells[21], cells[35] = numbers[row], classes[row], apix
        cells[23:26] = [x, y, z]
        cells[27] = "1+2i"
        lines.append(" ".join(map(str, cells)) + "\n")
    path.write_text("".join(lines))
    return path


def imod(
    path: Path,
    things: Sequence[tuple[str, Sequence[Any]]],
    *,
    pixel: tuple[float, int] = (1.0, 0),
    minx: Sequence[float] | None = None,
    flags: int = 0,
) -> Path:
    """Write a model by IMOD's specification."""
    header = struct.pack(">4iI", 40, 30, 20, len(things), flags) + bytes(60)
    header = bytes(128) + header + struct.pack(">fi", *pixel) + bytes(16)
    body = b""
    for name, contours in things:
        body += b"OBJT" + name.encode().ljust(64, b"\0") + bytes(112)
        for xyz in contours:
            body += b"CONT" + struct.pack(">4i", len(xyz), 0, 0, 0)
            body += np.asarray(xyz, ">f4").tobytes()
    if minx is not None:
        body += b"MINX" + struct.pack(">i18f", 72, *minx)
    path.write_bytes(b"IMODV1.2" + header + body + b"IEOF")
    return path


def in_imod(pixel_size: float) -> npt.NDArray[np.float64]:
    """Return the expected particles as IMOD counts."""
    return EXPECTED / pixel_size + [0.5, 0.5, 0.0]


def image(
    scale: float, old: Sequence[float] = (0, 0, 0), now: Sequence[float] = (0, 0, 0)
) -> list[float]:
    """Return the numbers of a chunk MINX."""
    return [*(1, 1, 1), *old, 0, 0, 0, *([scale] * 3), *now, 0, 0, 0]


def em(path: Path, rows: npt.NDArray[Any], order: str = "<") -> Path:
    """Write a motive list."""
    machine = 6 if order == "<" else 5
    head = bytes([machine, 0, 0, 5]) + struct.pack(f"{order}3i", 20, len(rows), 1)
    path.write_bytes(head.ljust(512, b"\0") + rows.astype(f"{order}f4").tobytes())
    return path
