"""Particles of CSV tables: ours, copick's, those of the challenges CZII 2024 and BYU 2025, Topaz'.

CZII's tables have the columns ``experiment``, ``particle_type``, ``x``, ``y``, ``z`` in Angstrom;
BYU's ``tomo_id`` and ``Motor axis 0``, ``1``, ``2``, which are z, y, x in voxels, -1 where there
is no motor; Topaz' ``image_name``, ``x_coord``, ``y_coord``, ``z_coord`` in voxels and ``score``.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from copick_picker.errors import DataError
from copick_picker.project.formats.byu_tables import AXES, COUNT, NONE, SHAPE, SPACING
from copick_picker.project.formats.cells import Cells, FloatArray, ReadOptions
from copick_picker.project.formats.star_particles import ANGLES, poses
from copick_picker.project.formats.tables import read_cells
from copick_picker.project.formats.text import several
from copick_picker.records.points import ParticleTable

RUNS = (
    "run_name|run",
    "tomo_id|tomo_name|tomogram_name|tomogram_id|tomogram|tomo",
    "experiment",
    "rlnTomoName|rlnMicrographName",
    "image_name",
)
"""Columns that name the tomogram, the first that a file has counts."""
OBJECTS = (
    "object|object_name|pickable_object_name",
    "particle_type",
    "class_name|predicted_class_name",
)
CLASSES = ("class|class_id|class_number|label|type|species|category",)
"""Columns of classes, which are numbers or names."""
INSTANCE = "instance_id"
_KNOWN = {"id", "row_id", *SHAPE, COUNT}


@dataclass(frozen=True)
class _Places:
    """Columns of positions, and what they count.

    Attributes
    ----------
    columns : tuple of str
        Those of x, y, z.
    unit : str
        See ``ParticleTable``.
    convention : str
        In words.
    factor : float
        What they are multiplied by.
    """

    columns: tuple[str, ...]
    unit: str
    convention: str
    factor: float = 1.0


def read_particles_csv(path: Path, options: ReadOptions) -> ParticleTable:
    """Return the particles of a CSV or TSV file.

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
        If it has no columns of positions.
    """
    table = read_cells(path)
    decimal = "," if table.delimiter == ";" else "."
    cells = Cells.of_rows(str(path), table.columns, table.rows, decimal=decimal)
    notes: tuple[str, ...] = ()
    if table.n_comments:
        notes = (f"{table.n_comments} lines that start with # are comments",)
    return particles_of(cells, options, notes)


def particles_of(cells: Cells, options: ReadOptions, notes: tuple[str, ...]) -> ParticleTable:
    """Return the particles of a table with a header.

    Parameters
    ----------
    cells : Cells
        The table.
    options : ReadOptions
        What the user says of it.
    notes : tuple of str
        What else the user should know.

    Raises
    ------
    DataError
        If it has no columns of positions.
    """
    places = _places(cells)
    points = cells.points(places.columns) * places.factor
    rotations, shifts = _poses(cells)
    scores, score_from = cells.scores(options.score_column)
    run, ids = cells.first(RUNS), _ids(cells)
    names = cells.text(run) if run else ()
    size, scale_from = _spacing(cells, options) if places.unit == "pixels" else (None, "")
    classes = _classes(cells)
    is_copick = "transform_00" in cells
    found = ParticleTable(
        places.convention.replace("CSV", "copick CSV") if is_copick else places.convention,
        places.unit,
        points,
        names,
        size,
        shifts,
        scores,
        rotations,
        cells.unread(_KNOWN | {name for name in cells.columns if _of_transform(name)}),
        ids,
        name_from=run,
        scale_from=scale_from,
        score_from=score_from,
        problems=cells.problems,
        notes=notes,
        **classes,
    )
    return _without_empty(found) if places.columns == AXES[::-1] else found


def _places(cells: Cells) -> _Places:
    if cells.has(AXES):
        return _Places(AXES[::-1], "pixels", "BYU 2025, voxels, axes 0, 1, 2 are z, y, x")
    for pattern, unit, what, factor in (
        ("{axis}|{axis}_angstrom", "angstrom", "CSV, Angstrom", 1.0),
        ("{axis}_nm", "angstrom", "CSV, nanometres", 10.0),
        ("{axis}_coord", "pixels", "Topaz, voxels", 1.0),
        ("{axis}_(voxels?|pixels?|px)|(voxel|pixel)_{axis}", "pixels", "CSV, voxels", 1.0),
    ):
        columns = tuple(cells.first([pattern.replace("{axis}", axis)]) for axis in "xyz")
        if all(columns):
            return _challenge(cells, _Places(columns, unit, what, factor))
    msg = f"{cells.where} has no columns x, y, z; it has: {several(cells.columns)}"
    raise DataError(msg)


def _challenge(cells: Cells, places: _Places) -> _Places:
    """Return the places of a table with x, y, z, with the name of the challenge that it is of."""
    if cells.has(("experiment", "particle_type")):
        return _Places(places.columns, "angstrom", "CZII 2024, Angstrom")
    order = [name for name in cells.columns if name in ("x", "y", "z")]
    if "tomo_id" in cells and order == ["z", "y", "x"]:
        return _Places(places.columns, "pixels", "made from BYU 2025, voxels z, y, x")
    return places


def _without_empty(table: ParticleTable) -> ParticleTable:
    """Return the particles without rows of -1, which say that a tomogram has none."""
    is_none = np.all(table.coordinates == NONE, axis=1)
    if not table.names:
        return table.chosen(np.flatnonzero(~is_none))
    empty = tuple(dict.fromkeys(table.names[row] for row in np.flatnonzero(is_none)))
    placed = {table.names[row] for row in np.flatnonzero(~is_none)}
    both = sorted(placed & set(empty))
    if both:
        msg = f"{several(both)}: one row says there is no motor, another gives a position"
        raise DataError(msg)
    return replace(table.chosen(np.flatnonzero(~is_none)), looked_at=empty)


def _spacing(cells: Cells, options: ReadOptions) -> tuple[FloatArray | None, str]:
    name = cells.first([SPACING, "voxel_spacing"])
    if not name:
        return None, ""
    counted = cells if options.pixel_size is None else replace(cells, problems={})
    cells.read.add(name)
    return counted.lengths(name), name


def _classes(cells: Cells) -> dict[str, Any]:
    name = cells.first(OBJECTS)
    is_named = bool(name)
    name = name or cells.first(CLASSES)
    if not name:
        return {}
    classes = tuple(cell.strip() for cell in cells.text(name))
    return {"classes": classes, "class_from": name, "has_named_classes": is_named}


def _poses(cells: Cells) -> tuple[FloatArray | None, FloatArray]:
    if "transform_00" in cells:
        names = [f"transform_{row}{column}" for row in range(4) for column in range(4)]
        missing = [name for name in names if name not in cells]
        if missing:
            msg = f"{cells.where} lacks {several(missing)} of a 4 x 4 matrix"
            raise DataError(msg)
        transforms = np.nan_to_num(cells.points(names)).reshape(-1, 4, 4)
        rotations = transforms[:, :3, :3]
        return (None if (rotations == np.eye(3)).all() else rotations), transforms[:, :3, 3]
    named = dict(zip(("rot", "tilt", "psi"), ANGLES, strict=True))
    angles, shifts = poses(cells, named)
    return angles, -shifts


def _ids(cells: Cells) -> npt.NDArray[np.int64] | None:
    ids = cells.whole(INSTANCE) if INSTANCE in cells else None
    return ids if ids is not None and ids.any() else None


def _of_transform(name: str) -> bool:
    return name.startswith("transform_")
