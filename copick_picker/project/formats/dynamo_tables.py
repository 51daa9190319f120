"""Dynamo's tables (https://wiki.dynamo.biozentrum.unibas.ch/w/index.php/Table_convention).

A row a particle, columns by number: shifts 4 to 6 and position 24 to 26 in voxels of the volume
that was cropped from, angles 7 to 9, correlation 10, tomogram 20, class 22, size of those voxels
36 (``apix``). Beside a table a ``.doc`` names the volumes by number; cropping calls it
``indices_column20.doc``.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from copick_picker.errors import DataError
from copick_picker.project.formats.cells import Cells, FloatArray, ReadOptions
from copick_picker.project.formats.text import lines_of, number_of, read_text
from copick_picker.records.points import ParticleTable

N_COLUMNS = 42
CROPPED = "indices_column20.doc"
_NAMES = {
    **{f"column {number}": number for number in range(1, N_COLUMNS + 1)},
    "cc": 10,
    "cc2": 11,
}
_LEAST = 26
_UNKNOWN_SIZES = (0.0, 1.0)
"""What column 36 holds where nobody told Dynamo the size of a voxel."""


def read_dynamo(path: Path, options: ReadOptions) -> ParticleTable:
    """Return the particles of a table.

    Parameters
    ----------
    path : pathlib.Path
        ``.tbl`` file.
    options : ReadOptions
        What the user says of it; ``score_column`` is a column's number, ``cc`` or ``cc2``.

    Raises
    ------
    ProjectError
        If it cannot be read.
    DataError
        If it is no table, or the ``.doc`` beside it contradicts itself.
    """
    from scipy.spatial.transform import Rotation

    cells = _cells(path)
    angles = np.nan_to_num(cells.points(_columns(7, 8, 9)))
    rotations = Rotation.from_euler("zxz", angles, degrees=True).inv().as_matrix().reshape(-1, 3, 3)
    number = _score_number(options.score_column, cells)
    scores = cells.numbers(f"column {number}")
    has_scores = options.score_column is not None or bool(scores.any())  # 0: not aligned yet
    size, scale_from, notes = _sizes(cells, options)
    names, doc = _names(path, cells)
    return ParticleTable(
        "Dynamo table, pixels",
        "pixels",
        cells.points(_columns(24, 25, 26)) + cells.points(_columns(4, 5, 6)),
        names,
        size,
        np.zeros((cells.n_rows, 3)),
        scores if has_scores else None,
        rotations if np.any(angles) else None,
        name_from=f"column 20 and {doc}" if doc else "column 20",
        scale_from=scale_from,
        score_from=f"column {number}" if has_scores else "",
        classes=tuple(cell.strip() for cell in cells.text("column 22")),
        class_from="column 22",
        problems=cells.problems,
        notes=notes,
    )


def dynamo_text(
    xyz: FloatArray,
    angles: FloatArray,
    scores: FloatArray,
    tomograms: Sequence[int],
    size: FloatArray,
    shifts: FloatArray | None = None,
) -> str:
    """Return a table.

    Parameters
    ----------
    xyz : numpy.ndarray, shape (n, 3), float64
        Positions in voxels.
    angles : numpy.ndarray, shape (n, 3), float64
        tdrot, tilt and narot in degrees.
    scores : numpy.ndarray, shape (n,), float64
        Column 10.
    tomograms : sequence of int
        Number of each particle's tomogram.
    size : numpy.ndarray, shape (n,), float64
        Edge of a voxel in Angstrom.
    shifts : numpy.ndarray, shape (n, 3), float64, or None
        Columns 4 to 6: from the position to the particle, in voxels; None: zeros.
    """
    lines = []
    for row, number in enumerate(tomograms):
        cells: list[object] = [0] * N_COLUMNS
        cells[:3] = [row + 1, 1, 1]
        cells[6:9] = angles[row].tolist()
        cells[9], cells[19], cells[35] = float(scores[row]), number, float(size[row])
        cells[23:26] = xyz[row].tolist()
        if shifts is not None:
            cells[3:6] = shifts[row].tolist()
        lines.append(" ".join(map(str, cells)) + "\n")
    return "".join(lines)


def _columns(*numbers: int) -> list[str]:
    return [f"column {number}" for number in numbers]


def _cells(path: Path) -> Cells:
    rows = [line.split() for line in lines_of(read_text(path)) if line.strip()]
    width = max((len(row) for row in rows), default=0)
    if rows and width < _LEAST:
        msg = f"{path} is not a table of Dynamo: it has {width} columns; expected at least {_LEAST}"
        raise DataError(msg)
    width = max(width, _LEAST)
    return Cells.of_rows(str(path), _columns(*range(1, width + 1)), rows)


def _score_number(wanted: str | None, cells: Cells) -> int:
    if wanted is None:
        return _NAMES["cc"]
    number = int(wanted) if wanted.isdecimal() else _NAMES.get(wanted.lower(), 0)
    if f"column {number}" not in cells:
        msg = (
            f"{cells.where} has no column '{wanted}' (--score-column); expected a number from 1 to "
            f"{len(cells.columns)}, cc or cc2"
        )
        raise DataError(msg)
    return number


def _sizes(cells: Cells, options: ReadOptions) -> tuple[FloatArray | None, str, tuple[str, ...]]:
    """Return the size of voxels, where it is from, and what to say where it is not known."""
    name = "column 36"
    if name not in cells or cells.n_rows == 0:
        return None, "", ()
    known = {number_of(cell) for cell in cells.columns[name]}
    if known <= set(_UNKNOWN_SIZES):
        shown = " and ".join(f"{size:g}" for size in sorted(known))
        return None, "", (f"Column 36 (apix) is {shown}, so it gives no voxel size",)
    counted = cells if options.pixel_size is None else replace(cells, problems={})
    return counted.lengths(name), "column 36 (apix)", ()


def _names(path: Path, cells: Cells) -> tuple[tuple[str, ...], str]:
    """Return the tomogram of every particle, and the file that names them."""
    numbers = cells.whole("column 20")
    beside = next(
        (doc for doc in (path.with_suffix(".doc"), path.with_name(CROPPED)) if doc.is_file()), None
    )
    if beside is None:
        return tuple(str(number) for number in numbers), ""
    named = _volumes(beside)
    for row, number in enumerate(numbers.tolist()):
        if number not in named:
            cells.note(row, f"its tomogram, {number} in column 20, is not in {beside.name}")
    return tuple(named.get(number, str(number)) for number in numbers.tolist()), beside.name


def _volumes(path: Path) -> dict[int, str]:
    """Return number -> volume of a ``.doc``: a line each, the number first."""
    found: dict[int, str] = {}
    for line in lines_of(read_text(path)):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        text, *rest = line.split(maxsplit=1)
        number, name = number_of(text), "".join(rest).strip()
        if number != np.floor(number) or not name:
            msg = f"{path}: '{line.strip()}' is not a line of a number and the name of a volume"
            raise DataError(msg)
        if found.setdefault(int(number), name) != name:
            msg = f"{path} names two volumes {int(number)}: {found[int(number)]}, {name}"
            raise DataError(msg)
    return found
