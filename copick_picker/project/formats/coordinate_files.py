"""Particles of one tomogram: plain text x y z, the portal's ``.ndjson``, motive lists ``.em``.

* ``.coords``, ``.xyz``, ``.txt``: three numbers a line, voxels of the tomogram, as TomoTwin and
  crYOLO write them and IMOD's ``model2point`` does; or a first line that names the columns.
* ``.ndjson``: the points of the CryoET Data Portal, an object of JSON a line, in voxels
  (https://chanzuckerberg.github.io/cryoet-data-portal/cryoet_data_portal_docsite_data.html).
* ``.em``: a motive list of the TOM toolbox and AV3, 20 numbers a particle: score 1, tomogram 5,
  position 8 to 10 in voxels from 1, shift 11 to 13, angles phi, psi, theta 17 to 19, class 20
  (Nickell et al. 2005, J. Struct. Biol. 149, 227; Foerster and Hegerl 2007, Methods Cell Biol. 79,
  741). copick writes the score into 4.
"""

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from copick_picker.errors import DataError, choices_text
from copick_picker.project.formats.cells import Cells, FloatArray, ReadOptions
from copick_picker.project.formats.csv_particles import particles_of, read_particles_csv
from copick_picker.project.formats.text import lines_of, number_of, read_text
from copick_picker.records.plain_text import load_json
from copick_picker.records.points import ParticleTable

STEM = "the file's name"
"""Where the tomogram of such files is from."""
_ROWS = 20
_EM_HEADER = 512
_EM_TYPES = {1: "i1", 2: "i2", 4: "i4", 5: "f4", 9: "f8"}
_BIG_ENDIAN_MACHINES = (0, 3, 5)
"""First byte of an EM file that OS-9, SGI or a Macintosh wrote."""


def read_plain(path: Path, options: ReadOptions) -> ParticleTable:
    """Return the particles of a text file: x y z a line, or a table whose first line is a header.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    options : ReadOptions
        What the user says of it.

    Raises
    ------
    ProjectError
        If it cannot be read.
    DataError
        If its lines do not hold three numbers and no header says what they are.
    """
    lines = [line for line in lines_of(read_text(path)) if line.strip()]
    rows = [_split(line) for line in lines if not line.lstrip().startswith("#")]
    head = rows[0] if rows else []
    if head and all(np.isnan(number_of(cell)) for cell in head):
        if any(mark in lines[0] for mark in ",;\t"):
            return read_particles_csv(path, options)
        cells = Cells.of_rows(str(path), head, rows[1:])
        return _of_file(particles_of(cells, options, ()), path)
    width = max((len(row) for row in rows), default=3)
    if width != 3:
        msg = (
            f"{path} has {width} numbers per line; expected x y z, or a header line such as "
            "x y z score"
        )
        raise DataError(msg)
    cells = Cells.of_rows(str(path), ["x", "y", "z"], rows)
    return ParticleTable(
        "text, x y z in voxels",
        "pixels",
        cells.points(["x", "y", "z"]),
        (path.stem,) * cells.n_rows,
        None,
        np.zeros((cells.n_rows, 3)),
        None,
        None,
        name_from=STEM,
        problems=cells.problems,
    )


def read_ndjson(path: Path, options: ReadOptions) -> ParticleTable:
    """Return the points of a file of the CryoET Data Portal.

    Parameters
    ----------
    path : pathlib.Path
        ``..._point.ndjson``, ``..._orientedpoint.ndjson`` or ``..._instancesegmentation.ndjson``.
    options : ReadOptions
        What the user says of it.

    Raises
    ------
    ProjectError
        If it cannot be read.
    """
    _ = options  # no scores, no columns
    lines = [line for line in lines_of(read_text(path)) if line.strip()]
    points, rotations = np.full((len(lines), 3), np.nan), np.tile(np.eye(3), (len(lines), 1, 1))
    ids, turned = np.zeros(len(lines), dtype=np.int64), np.zeros(len(lines), dtype=bool)
    problems: dict[int, str] = {}
    for row, line in enumerate(lines):
        try:
            content = load_json(line)
            points[row] = _three(content["location"])
            ids[row] = int(content.get("instance_id") or 0)
            if content.get("xyz_rotation_matrix") is not None:
                rotations[row], turned[row] = _matrix(content["xyz_rotation_matrix"]), True
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
            problems[row] = f"is not a point with a location x, y, z: {line.strip()[:60]}"
    if turned.any():
        for row in np.flatnonzero(~turned).tolist():
            problems.setdefault(row, "has no rotation, and others have one")
    return ParticleTable(
        "CryoET Data Portal, voxels",
        "pixels",
        points,
        (path.stem,) * len(lines),
        None,
        np.zeros((len(lines), 3)),
        None,
        rotations if turned.any() else None,
        (),
        ids if ids.any() else None,
        name_from=STEM,
        problems=problems,
    )


def read_motive_list(path: Path, options: ReadOptions) -> ParticleTable:
    """Return the particles of a motive list.

    Parameters
    ----------
    path : pathlib.Path
        ``.em`` file.
    options : ReadOptions
        What the user says of it; ``score_column`` is a row's number, from 1.

    Raises
    ------
    DataError
        If it is no EM file of 20 numbers a particle.
    """
    from scipy.spatial.transform import Rotation

    rows = _em_rows(path)
    angles = np.nan_to_num(rows[:, [16, 18, 17]])
    rotations = Rotation.from_euler("zxz", angles, degrees=True).as_matrix().reshape(-1, 3, 3)
    scores, score_from = _motive_scores(rows, options.score_column)
    numbers = rows[:, 4]
    names = (path.stem,) * len(rows)
    if numbers.any():
        names = tuple(f"{number:g}" for number in numbers)
    notes: tuple[str, ...] = ()
    if np.nan_to_num(rows[:, 13:16]).any():
        notes = ("Rows 14 to 16, shifts in the particle's own frame, are not added",)
    bad = np.flatnonzero(~np.isfinite(rows[:, 4:20]).all(axis=1)).tolist()
    problems = dict.fromkeys(bad, "holds a number that is NaN or infinite")
    return ParticleTable(
        "motive list, voxels from 1",
        "pixels",
        rows[:, 7:10] - 1.0 + rows[:, 10:13],
        names,
        None,
        np.zeros((len(rows), 3)),
        scores,
        rotations if np.any(angles) else None,
        name_from="row 5" if numbers.any() else STEM,
        score_from=score_from,
        classes=tuple(f"{number:g}" for number in rows[:, 19]),
        class_from="row 20",
        problems=problems,
        notes=notes,
    )


def _split(line: str) -> list[str]:
    return line.replace(",", " ").replace(";", " ").split()


def _of_file(table: ParticleTable, path: Path) -> ParticleTable:
    """Return particles that name their tomogram, all of the file's where no column does."""
    from dataclasses import replace

    if table.names:
        return table
    return replace(table, names=(path.stem,) * len(table), name_from=STEM)


def _three(location: Mapping[str, Any]) -> list[float]:
    place = [float(location[axis]) for axis in ("x", "y", "z")]
    if not np.isfinite(place).all():
        msg = "a position is three finite numbers"
        raise ValueError(msg)
    return place


def _matrix(rows: Any) -> FloatArray:  # noqa: ANN401 (parsed JSON)
    matrix = np.asarray(rows, dtype=np.float64)
    if matrix.shape != (3, 3) or not np.isfinite(matrix).all():
        msg = "a rotation is 3 x 3 finite numbers"
        raise ValueError(msg)
    return matrix


def _em_rows(path: Path) -> npt.NDArray[np.float64]:
    """Return the numbers (n, 20) of an EM file: 512 bytes of header, then the array."""
    data = path.read_bytes()
    if len(data) < _EM_HEADER or data[3] not in _EM_TYPES:
        msg = f"{path} is not an EM file of numbers; known types: {choices_text(_EM_TYPES)}"
        raise DataError(msg)
    order = ">" if data[0] in _BIG_ENDIAN_MACHINES else "<"
    sizes = struct.unpack_from(f"{order}3i", data, 4)
    kind = np.dtype(f"{order}{_EM_TYPES[data[3]]}")
    shape = [size for size in reversed(sizes) if size != 1] or [1]
    if min(sizes) < 1 or _ROWS not in shape or len(shape) > 2:
        shown = " x ".join(map(str, sizes))
        msg = f"{path} is an EM file of {shown} numbers; expected a motive list of 20 x particles"
        raise DataError(msg)
    count = int(np.prod(np.array(shape, dtype=object)))
    if len(data) < _EM_HEADER + count * kind.itemsize:
        msg = (
            f"{path} is truncated: {len(data)} bytes, {_EM_HEADER + count * kind.itemsize} expected"
        )
        raise DataError(msg)
    numbers = np.frombuffer(data, kind, count, _EM_HEADER).reshape(shape).astype(np.float64)
    if numbers.ndim == 1:
        numbers = numbers[None]
    return numbers if numbers.shape[1] == _ROWS else numbers.T


def _motive_scores(rows: FloatArray, wanted: str | None) -> tuple[FloatArray | None, str]:
    if wanted is not None:
        if not wanted.isdecimal() or not 1 <= int(wanted) <= _ROWS:
            msg = f"a motive list has rows 1 to {_ROWS}, not '{wanted}' (--score-column)"
            raise DataError(msg)
        return rows[:, int(wanted) - 1], f"row {wanted}"
    if rows[:, 0].any():
        return rows[:, 0], "row 1"
    fourth = rows[:, 3]
    is_number = len(rows) > 0 and np.array_equal(fourth, np.arange(1, len(rows) + 1))
    return (None, "") if is_number or not fourth.any() else (fourth, "row 4")
