"""Tables of motors as in the challenge BYU 2025: one row a motor, or one of -1 where there is none.

Coordinates are voxels of the tomogram, axis 0, 1, 2 being z, y, x. The columns of the challenge's
``train_labels.csv`` and of its submissions are read and written; of tables that others made from
it, also ``z``, ``y``, ``x``, ``coordinates`` (all points of the tomogram as text) and ``fold``.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from copick_picker.errors import DataError, choices_text
from copick_picker.project.formats.tables import csv_text, read_cells, read_csv
from copick_picker.project.formats.text import number_of

TOMOGRAM = "tomo_id"
AXES = ("Motor axis 0", "Motor axis 1", "Motor axis 2")
SHAPE = ("Array shape (axis 0)", "Array shape (axis 1)", "Array shape (axis 2)")
SPACING = "Voxel spacing"
COUNT = "Number of motors"
FOLD = "fold"
POINTS = "coordinates"
SHORT_AXES = ("z", "y", "x")
LABEL_COLUMNS = ("row_id", TOMOGRAM, *AXES, *SHAPE, SPACING, COUNT)
"""Columns of the challenge's ``train_labels.csv``."""
SUBMISSION_COLUMNS = (TOMOGRAM, *AXES)
NONE = -1.0
"""All three coordinates of a row that says that there is no motor."""
_SPACINGS = (SPACING, "voxel_spacing")
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|nan|inf", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class MotorLabels:
    """What a table says of one tomogram.

    Attributes
    ----------
    points_zyx : numpy.ndarray, shape (n, 3), float64
        Motors in voxels; (0, 3) where it was looked at and has none.
    shape_zyx : tuple of int, or None
        Shape of the tomogram.
    voxel_spacing : float or None
        Edge of a voxel in Angstrom.
    fold : str or None
        Fold of a cross-validation; -1 leaves the tomogram out.
    """

    points_zyx: npt.NDArray[np.float64]
    shape_zyx: tuple[int, int, int] | None = None
    voxel_spacing: float | None = None
    fold: str | None = None


def read_motor_labels(path: Path) -> dict[str, MotorLabels]:
    """Return tomogram -> its motors, in the order of the table.

    Parameters
    ----------
    path : pathlib.Path
        CSV file.

    Raises
    ------
    ProjectError
        If it cannot be read.
    DataError
        If it lacks columns or rows, a number is missing or not finite, or rows of one tomogram
        contradict each other.
    """
    rows = read_csv(path)
    if read_cells(path).delimiter == ";":  # Excel's decimal commas
        numbers = {*AXES, *SHORT_AXES, *SHAPE, *_SPACINGS, FOLD}
        rows = [
            {
                name: cell.replace(",", ".") if name in numbers else cell
                for name, cell in row.items()
            }
            for row in rows
        ]
    if not rows:
        msg = f"{path} contains no rows"
        raise DataError(msg)
    columns = [name for name in rows[0] if name]
    axes = next((axes for axes in (AXES, SHORT_AXES) if set(axes) <= set(columns)), None)
    if TOMOGRAM not in columns or (axes is None and POINTS not in columns):
        msg = (
            f"{path}: columns are {choices_text(columns)}; expected {TOMOGRAM} with "
            f"{', '.join(AXES)}, or with z, y, x"
        )
        raise DataError(msg)
    found: dict[str, list[MotorLabels]] = {}
    for number, row in enumerate(rows, 1):
        name = (row[TOMOGRAM] or "").strip()
        where = f"{path}, row {number} ({name or 'no name'})"
        if not name:
            msg = f"{where}: {TOMOGRAM} is empty"
            raise DataError(msg)
        found.setdefault(name, []).append(_read_row(row, axes or (), where))
    return {name: _together(entries, f"{path}: {name}") for name, entries in found.items()}


def labels_csv(tomograms: Mapping[str, MotorLabels]) -> str:
    """Return a table with the columns of the challenge's ``train_labels.csv``.

    Parameters
    ----------
    tomograms : mapping of str to MotorLabels
        Tomogram -> its motors, shape and voxel spacing.
    """
    rows: list[dict[str, Any]] = []
    for name, labels in tomograms.items():
        points = labels.points_zyx if len(labels.points_zyx) else np.full((1, 3), NONE)
        for point in points.tolist():
            rows.append(
                {"row_id": len(rows), TOMOGRAM: name, COUNT: len(labels.points_zyx)}
                | dict(zip(AXES, point, strict=True))
                | dict(zip(SHAPE, labels.shape_zyx or ("", "", ""), strict=True))
                | {SPACING: labels.voxel_spacing}
            )
    return _table(LABEL_COLUMNS, rows)


def submission_csv(best_zyx: Mapping[str, Sequence[float] | None]) -> str:
    """Return a table with the columns of a submission: one row a tomogram.

    Parameters
    ----------
    best_zyx : mapping
        Tomogram -> its best candidate in voxels (z, y, x); None where there is none: -1.
    """
    nothing = [int(NONE)] * len(AXES)
    rows = (
        {TOMOGRAM: name, **dict(zip(AXES, nothing if point is None else point, strict=True))}
        for name, point in best_zyx.items()
    )
    return _table(SUBMISSION_COLUMNS, rows)


def _table(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    return csv_text([columns, *([_cell(row[name]) for name in columns] for row in rows)])


def _cell(value: object) -> object:
    """Return a number to 0.001 voxels, without superfluous digits."""
    return float(f"{value:.3f}") if isinstance(value, float) else value


def _read_row(row: Mapping[str, str], axes: Sequence[str], where: str) -> MotorLabels:
    given = [name for name in SHAPE if row.get(name)]
    shape = [int(_number(row[name], name, where)) for name in given]
    spacing = next((row[name] for name in _SPACINGS if row.get(name)), "")
    labels = MotorLabels(
        _points(row, axes, where),
        (shape[0], shape[1], shape[2]) if len(shape) == len(SHAPE) else None,
        round(_number(spacing, SPACING, where), 3) if spacing else None,
        _fold(row.get(FOLD) or "", where),
    )
    if labels.voxel_spacing is not None and labels.voxel_spacing <= 0:
        msg = f"{where}: {SPACING} is {labels.voxel_spacing:g}; expected a positive number"
        raise DataError(msg)
    return labels


def _points(row: Mapping[str, str], axes: Sequence[str], where: str) -> npt.NDArray[np.float64]:
    text = (row.get(POINTS) or "").strip()
    numbers = [float(found) for found in _NUMBER.findall(text)]
    if len(numbers) % 3 or not all(map(math.isfinite, numbers)):
        msg = f"{where}: {POINTS} is '{text}'; expected points [[z, y, x], ...] in voxels"
        raise DataError(msg)
    if not numbers and axes:
        numbers = [_number(row.get(name) or "", name, where) for name in axes]
    points = np.array(numbers, dtype=np.float64).reshape(-1, 3)
    return np.asarray(points[(points != NONE).any(axis=1)])


def _fold(text: str, where: str) -> str | None:
    """Return a fold as text; one that a spreadsheet made a float, such as 3.0, without the 0."""
    if not text.strip():
        return None
    if _NUMBER.fullmatch(text.strip()):
        number = _number(text, FOLD, where)
        return str(int(number)) if number == int(number) else text.strip()
    return text.strip()


def _number(text: str, name: str, where: str) -> float:
    number = number_of(text)
    if not math.isfinite(number):
        msg = f"{where}: {name} is '{text}'; expected a number" + (
            ", or -1 in each axis for no motor" if name in (*AXES, *SHORT_AXES) else ""
        )
        raise DataError(msg)
    return number


def _together(entries: Sequence[MotorLabels], where: str) -> MotorLabels:
    """Return what all rows of one tomogram say; a point that several name counts once."""
    whole = entries[0]
    for name in ("shape_zyx", "voxel_spacing", "fold"):
        told = list(dict.fromkeys(getattr(entry, name) for entry in entries))
        if len(told) > 1:
            msg = f"{where}: its rows give different values for {name}: {choices_text(told)}"
            raise DataError(msg)
    if len({len(entry.points_zyx) > 0 for entry in entries}) > 1:
        msg = f"{where}: one row says there is no motor, another gives a position"
        raise DataError(msg)
    rows = np.concatenate([entry.points_zyx for entry in entries]).tolist()
    points = list(dict.fromkeys(tuple(row) for row in rows))
    return replace(whole, points_zyx=np.array(points, dtype=np.float64).reshape(-1, 3))
