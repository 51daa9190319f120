"""Particles of STAR files: RELION 3 to 5, Warp, M, pytom-match-pick, and crYOLO's ``.cbox``.

Columns are those of RELION's ``metadata_label.h``, of Warp's particle files, of pytom-match-pick's
``extract`` (which states the voxel size of the searched tomogram in ``rlnPixelSize``, in earlier
versions in ``rlnDetectorPixelSize``, and its score in ``rlnLCCmax``), and of crYOLO's CBOX format
as its own viewer napari-boxmanager reads and writes it.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from copick_picker.errors import DataError
from copick_picker.project.formats.cells import Cells, FloatArray, ReadOptions
from copick_picker.project.formats.copick_formats import relion_rows_to_poses
from copick_picker.project.formats.star import StarBlock, parse_star
from copick_picker.project.formats.text import read_text, several
from copick_picker.records.points import ParticleTable

CENTRED = [f"rlnCenteredCoordinate{axis}Angst" for axis in "XYZ"]
PIXELS = [f"rlnCoordinate{axis}" for axis in "XYZ"]
ORIGINS = [f"rlnOrigin{axis}" for axis in "XYZ"]
ORIGINS_ANGSTROM = [f"rlnOrigin{axis}Angst" for axis in "XYZ"]
ANGLES = ["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"]
SUBTOMOGRAM_ANGLES = [f"rlnTomoSubtomogram{name}" for name in ("Rot", "Tilt", "Psi")]
M_COORDINATES = [f"wrpCoordinate{axis}1" for axis in "XYZ"]
M_ANGLES = [f"wrpAngle{name}1" for name in ("Rot", "Tilt", "Psi")]
BOX = ["CoordinateX", "CoordinateY", "CoordinateZ", "Width", "Height"]
NAMES = ("rlnTomoName", "wrpSourceName", "rlnMicrographName", "rlnTomogramName")
SIZES = (
    "rlnPixelSize",
    "rlnMicrographPixelSize",
    "rlnTomoTiltSeriesPixelSize",
    "rlnImagePixelSize",
    "wrpPixelSize",
)
"""Columns of the particles that state the pixel size of their coordinates in Angstrom."""
OPTICS_SIZES = (
    "rlnTomoTiltSeriesPixelSize",
    "rlnMicrographPixelSize",
    "rlnMicrographOriginalPixelSize",
    "rlnImagePixelSize",
)
"""The same of the optics table, the first that it has."""
DETECTOR, MAGNIFICATION = "rlnDetectorPixelSize", "rlnMagnification"
CLASS_NAMES = ("rlnObjectName|rlnParticleType|rlnTomoParticleType|wrpSpeciesName|wrpParticleType",)
CLASS_NUMBERS = ("rlnClassNumber", "wrpClassNumber")
TUBE = "rlnHelicalTubeID"
_HELICAL = (
    "rlnHelicalTrackLengthAngst",
    "rlnAnglePsiFlipRatio",
    "rlnAngleTiltPrior",
    "rlnAnglePsiPrior",
)
_GROUPS = ("rlnOpticsGroup", "rlnOpticsGroupName", "rlnRandomSubset")
_SAME = 1e-3
"""Relative difference of two pixel sizes that are the same, written with few digits."""


def read_star(path: Path, options: ReadOptions) -> ParticleTable:
    """Return the particles of a STAR file.

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
        If it has no coordinates, or contradicts itself.
    """
    blocks = parse_star(read_text(path))
    optics = next((block for block in blocks if block.name == "optics"), None)
    table = _particles(path, blocks)
    cells = Cells.of_rows(str(path), table.columns, table.rows)
    if cells.has(CENTRED):
        kind = ("RELION 5, centred Angstrom", "centred angstrom")
        return _relion(cells, *kind, CENTRED, optics, options)
    if cells.has(M_COORDINATES):
        return _m_species(cells, options)
    if cells.has(PIXELS):
        return _relion(cells, *_pixel_convention(cells), PIXELS, optics, options)
    return _boxes(cells, path, options)


def poses(
    cells: Cells, names: dict[str, str] | None = None
) -> tuple[FloatArray | None, FloatArray]:
    """Return rotations, None where the angles are not given, and shifts in Angstrom.

    Parameters
    ----------
    cells : Cells
        The particles.
    names : dict, optional
        Column -> RELION's name for it; None: RELION's names.

    Returns
    -------
    rotations : numpy.ndarray, shape (n, 3, 3), float64, or None
        Rotation of the particle's axes to the tomogram's.
    shifts : numpy.ndarray, shape (n, 3), float64
        To be subtracted from positions.
    """
    import pandas as pd

    renamed = {relion: own for own, relion in (names or {}).items()}
    found: dict[str, FloatArray] = {}
    for group in (ANGLES, SUBTOMOGRAM_ANGLES, ORIGINS_ANGSTROM):
        columns = [renamed.get(name, name) for name in group]
        if cells.has(columns):
            for name, column in zip(group, columns, strict=True):
                found[name] = np.nan_to_num(cells.numbers(column))
    rotations, shifts = relion_rows_to_poses(pd.DataFrame(found, index=range(cells.n_rows)))
    return (rotations if ANGLES[0] in found else None), shifts


def _particles(path: Path, blocks: list[StarBlock]) -> StarBlock:
    """Return the block of particles: ``particles``, or the one that has coordinates."""
    named = [block for block in blocks if block.name == "particles"]
    with_places = [block for block in blocks if _has_places(block)]
    if len(with_places) > 1 and not (named and _has_places(named[0])):
        names = several(f"data_{block.name}" for block in with_places)
        msg = f"{path} has several tables with coordinates: {names}; expected one"
        raise DataError(msg)
    if named or with_places:
        return (named or with_places)[0]
    columns = [column for block in blocks for column in block.columns]
    known = f"{CENTRED[0]}, {PIXELS[0]} or {M_COORDINATES[0]} and so on"
    what = f"it has: {several(columns)}" if columns else "it contains no particles"
    msg = f"{path} has no coordinates: expected {known}; {what}"
    raise DataError(msg)


def _has_places(block: StarBlock) -> bool:
    columns = set(block.columns)
    return any(columns >= set(names) for names in (CENTRED, PIXELS, M_COORDINATES, BOX))


def _pixel_convention(cells: Cells) -> tuple[str, str]:
    coordinates = np.stack([cells.numbers(name) for name in PIXELS])
    names = cells.text("rlnMicrographName") if "rlnMicrographName" in cells else ()
    is_warp = len(names) > 0 and all(name.endswith(".tomostar") for name in names)
    known = coordinates[np.isfinite(coordinates)]
    if is_warp and known.size and known.min() >= 0 and known.max() <= 1:
        return "Warp, fractions of the volume's size", "fractions"
    if is_warp:
        return "Warp, pixels", "pixels"
    version = "RELION 4" if "rlnTomoName" in cells else "RELION 3"
    return f"{version}, tilt-series pixels", "tilt-series pixels"


def _relion(
    cells: Cells,
    convention: str,
    unit: str,
    columns: list[str],
    optics: StarBlock | None,
    options: ReadOptions,
) -> ParticleTable:
    coordinates = cells.points(columns)
    if unit.endswith("pixels") and cells.has(ORIGINS):
        coordinates = coordinates - cells.points(ORIGINS)
    rotations, shifts = poses(cells)
    size, scale_from = (None, "")
    if unit.endswith("pixels"):
        size, scale_from = _pixel_size(cells, optics, options)
    scores, score_from = cells.scores(options.score_column)
    names, name_from = _names(cells)
    classes = _classes(cells)
    return ParticleTable(
        convention,
        unit,
        coordinates,
        names,
        size,
        -shifts,
        scores,
        rotations,
        cells.unread({*PIXELS, *ORIGINS, *_sizes(), *_GROUPS, *_HELICAL, *NAMES}),
        _ids(cells),
        name_from=name_from,
        scale_from=scale_from,
        score_from=score_from,
        problems=cells.problems,
        **classes,
    )


def _m_species(cells: Cells, options: ReadOptions) -> ParticleTable:
    """Return the particles of M's species: Angstrom, the first of several points in time."""
    rotations, shifts = poses(cells, dict(zip(M_ANGLES, ANGLES, strict=True)))
    scores, score_from = cells.scores(options.score_column)
    names, name_from = _names(cells)
    return ParticleTable(
        "M species, Angstrom",
        "angstrom",
        cells.points(M_COORDINATES),
        names,
        None,
        -shifts,
        scores,
        rotations,
        cells.unread(),
        name_from=name_from,
        score_from=score_from,
        problems=cells.problems,
    )


def _boxes(cells: Cells, path: Path, options: ReadOptions) -> ParticleTable:
    """Return crYOLO's boxes: x and y of the lower left corner, z of the middle, in voxels."""
    if not cells.has(BOX):
        known = f"{CENTRED[0]}, {PIXELS[0]} or {M_COORDINATES[0]} and so on"
        msg = f"{path} has no coordinates: expected {known}; it has: {several(cells.columns)}"
        raise DataError(msg)
    corner, size = cells.points(BOX[:3]), cells.points(BOX[3:])
    corner[:, :2] += 0.5 * size
    scores, score_from = cells.scores(options.score_column)
    ids = cells.whole("filamentid") if "filamentid" in cells else None
    return ParticleTable(
        "crYOLO boxes, voxels",
        "pixels",
        corner,
        (path.stem,) * cells.n_rows,
        None,
        np.zeros((cells.n_rows, 3)),
        scores,
        None,
        cells.unread({"Depth", "EstWidth", "EstHeight", "NumBoxes", "Angle"}),
        None if ids is None or not ids.any() else ids,
        name_from="the file's name",
        score_from=score_from,
        problems=cells.problems,
    )


def _names(cells: Cells) -> tuple[tuple[str, ...], str]:
    name = next((name for name in NAMES if name in cells), None)
    return ((), "") if name is None else (cells.text(name), name)


def _classes(cells: Cells) -> dict[str, Any]:
    """Return the fields of a table of particles that say of which class each is."""
    for patterns, is_named in ((CLASS_NAMES, True), (CLASS_NUMBERS, False)):
        name = cells.first(patterns)
        if name:
            classes = tuple(cell.strip() for cell in cells.text(name))
            return {"classes": classes, "class_from": name, "has_named_classes": is_named}
    return {}


def _ids(cells: Cells) -> npt.NDArray[np.int64] | None:
    """Return the filament of each particle; None if there is no such column, or nothing but 0."""
    ids = cells.whole(TUBE) if TUBE in cells else None
    return ids if ids is not None and ids.any() else None


def _sizes() -> tuple[str, ...]:
    return (*SIZES, DETECTOR, MAGNIFICATION)


def _pixel_size(
    cells: Cells, optics: StarBlock | None, options: ReadOptions
) -> tuple[FloatArray | None, str]:
    """Return the stated pixel size; a wrong one does no harm where the user gives another."""
    if options.pixel_size is None:
        return _stated_pixel_size(cells, optics)
    try:
        return _stated_pixel_size(replace(cells, problems={}), optics)
    except DataError:
        return None, ""


def _stated_pixel_size(cells: Cells, optics: StarBlock | None) -> tuple[FloatArray | None, str]:
    """Return the pixel size of the coordinates as the file states it, and where."""
    by_group = _optics_pixel_size(cells, optics)
    if by_group is not None and by_group[1].endswith(OPTICS_SIZES[0]):
        return by_group
    found = {name: cells.lengths(name) for name in SIZES if name in cells}
    if DETECTOR in cells:
        size, name = cells.lengths(DETECTOR), DETECTOR
        if MAGNIFICATION in cells:
            size = 1e4 * size / cells.lengths(MAGNIFICATION)
            name = f"{DETECTOR} and {MAGNIFICATION}"
        found[name] = size
    if not found:
        return by_group or (None, "")
    first, *others = found
    for other in others:
        if not np.allclose(found[first], found[other], rtol=_SAME, atol=0, equal_nan=True):
            values = [f"{name} {found[name][0]:g}" for name in (first, other)]
            both = " and ".join(values)
            msg = f"{cells.where} states two pixel sizes: {both} A: give --pixel-size A"
            raise DataError(msg)
    return found[first], first


def _optics_pixel_size(cells: Cells, optics: StarBlock | None) -> tuple[FloatArray, str] | None:
    """Return the pixel size that the optics table states for each particle."""
    if optics is None or not optics.rows:
        return None
    groups = Cells.of_rows(f"{cells.where}, optics", optics.columns, optics.rows)
    name = next((name for name in OPTICS_SIZES if name in groups), None)
    if name is None:
        return None
    sizes, where = groups.lengths(name), f"the optics' {name}"
    if groups.problems:
        row, why = next(iter(groups.problems.items()))
        msg = f"{cells.where}: row {row + 1} of the optics table: {why}"
        raise DataError(msg)
    if len(sizes) == 1 or (sizes == sizes[0]).all():
        return np.full(cells.n_rows, sizes[0]), where
    if "rlnOpticsGroup" not in cells or "rlnOpticsGroup" not in groups:
        msg = (
            f"{cells.where}: the optics table has several pixel sizes and the particles have "
            "no optics group"
        )
        raise DataError(msg)
    by_group = dict(zip(groups.text("rlnOpticsGroup"), sizes, strict=True))
    given = cells.text("rlnOpticsGroup")
    for row, group in enumerate(given):
        if group not in by_group:
            cells.note(row, f"rlnOpticsGroup {group} is not in the optics table")
    return np.array([by_group.get(group, np.nan) for group in given]), where
