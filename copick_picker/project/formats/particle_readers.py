"""Particles read from other programs' files: STAR, CSV, Dynamo, EMAN2, IMOD.

Each reader says which convention it took. Nothing is converted to Angstrom here: that needs the
tomogram.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import starfile

from copick_picker.errors import DataError, SettingsError, choices_text
from copick_picker.project.formats.copick_formats import (
    read_dynamo_table,
    read_dynamo_tomolist,
    relion_rows_to_poses,
)
from copick_picker.project.formats.imod_models import read_imod_points
from copick_picker.project.guards import guarded, root_logging_kept
from copick_picker.records.plain_text import load_json
from copick_picker.records.points import ParticleTable

CENTRED = [f"rlnCenteredCoordinate{axis}Angst" for axis in "XYZ"]
PIXELS = [f"rlnCoordinate{axis}" for axis in "XYZ"]
ORIGINS = [f"rlnOrigin{axis}" for axis in "XYZ"]
ORIGINS_ANGSTROM = [f"rlnOrigin{axis}Angst" for axis in "XYZ"]
ANGLES = ["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"]
SUBTOMOGRAM_ANGLES = [f"rlnTomoSubtomogram{name}" for name in ("Rot", "Tilt", "Psi")]
M_COORDINATES = [f"wrpCoordinate{axis}1" for axis in "XYZ"]
M_ANGLES = [f"wrpAngle{name}1" for name in ("Rot", "Tilt", "Psi")]
NAMES = ("rlnTomoName", "wrpSourceName", "rlnMicrographName")
SCORE = "rlnAutopickFigureOfMerit"
TUBE, INSTANCE = "rlnHelicalTubeID", "instance_id"
_HELICAL = (
    "rlnHelicalTrackLengthAngst",
    "rlnAnglePsiFlipRatio",
    "rlnAngleTiltPrior",
    "rlnAnglePsiPrior",
)
_SIZES = ("rlnPixelSize", "rlnMicrographPixelSize", "rlnDetectorPixelSize", "rlnMagnification")
_GROUPS = ("rlnOpticsGroup", "rlnOpticsGroupName", "rlnRandomSubset")
FloatArray = npt.NDArray[np.float64]


def read_particles(path: Path, *, object_name: str | None = None) -> ParticleTable:
    """Return the particles of a file, with the convention that was recognised.

    Parameters
    ----------
    path : pathlib.Path
        ``.star``, ``.csv``, ``.tbl``, ``.json`` (EMAN2) or ``.mod`` (IMOD).
    object_name : str, optional
        Object whose rows are meant, in files that hold several (CSV with a column ``object``).

    Raises
    ------
    SettingsError
        If the suffix is unknown.
    ProjectError
        If the file cannot be read.
    DataError
        If it holds no particles that can be understood, or positions that are not finite.
    """
    kind = path.suffix.lower()
    if kind not in _READERS:
        msg = f"{path}: no format has the suffix '{kind}'; formats: {choices_text(_READERS)}"
        raise SettingsError(msg)
    with guarded(f"cannot read {path}"), root_logging_kept():
        table = _READERS[kind](path, object_name)
    if len(table.coordinates) == 0:
        msg = f"{path} holds no particles ({table.convention})"
        raise DataError(msg)
    bad = np.asarray(~np.isfinite(table.coordinates).all(axis=1))
    if table.scores is not None:
        bad |= ~np.isfinite(table.scores)
    if bad.any():
        msg = (
            f"{path}: {int(bad.sum())} of {len(bad)} rows have a position or score that is not "
            f"finite, the first is row {int(np.flatnonzero(bad)[0]) + 1}"
        )
        raise DataError(msg)
    return table


def _read_star(path: Path, object_name: str | None) -> ParticleTable:
    _ = object_name
    blocks = starfile.read(path, always_dict=True)
    optics = blocks.pop("optics", None)
    table = blocks.get("particles", next(iter(blocks.values()), None))
    if isinstance(table, dict):
        table = pd.DataFrame({name: [value] for name, value in table.items()})
    if isinstance(optics, dict):
        optics = pd.DataFrame({name: [value] for name, value in optics.items()})
    if table is None:
        return _table("STAR without particles", "pixels", np.zeros((0, 3)))
    columns = set(table.columns)
    if columns >= set(CENTRED):
        return _relion(table, "RELION 5, centred Angstrom", "centred angstrom", CENTRED, optics)
    if columns >= set(M_COORDINATES):
        return _m_species(table)
    if columns >= set(PIXELS):
        named = table["rlnTomoName"] if "rlnTomoName" in columns else None
        return _relion(table, *_pixel_convention(table, named is not None), PIXELS, optics)
    known = f"{CENTRED[0]}, {PIXELS[0]} or {M_COORDINATES[0]} and so on"
    msg = f"{path} has no coordinates: expected {known}; it has: {choices_text(table.columns)}"
    raise DataError(msg)


def _pixel_convention(table: Any, is_relion4: bool) -> tuple[str, str]:  # noqa: ANN401, FBT001 (pandas is untyped here; private)
    coordinates = table[PIXELS].to_numpy(dtype=np.float64)
    names = table["rlnMicrographName"].astype(str) if "rlnMicrographName" in table else []
    is_warp = len(names) > 0 and all(name.endswith(".tomostar") for name in names)
    if is_warp and coordinates.size and coordinates.min() >= 0 and coordinates.max() <= 1:
        return "Warp, fractions of the volume's size", "fractions"
    if is_warp:
        return "Warp, pixels", "pixels"
    version = "RELION 4" if is_relion4 else "RELION 3"
    return f"{version}, tilt-series pixels", "tilt-series pixels"


def _relion(
    table: Any,  # noqa: ANN401 (pandas is untyped here)
    convention: str,
    unit: str,
    columns: list[str],
    optics: Any,  # noqa: ANN401
) -> ParticleTable:
    coordinates = table[columns].to_numpy(dtype=np.float64)
    if unit.endswith("pixels") and set(ORIGINS) <= set(table.columns):
        coordinates = coordinates - table[ORIGINS].to_numpy(dtype=np.float64)
    rotations, shifts = relion_rows_to_poses(table)
    name = next((name for name in NAMES if name in table.columns), None)
    read = {
        *CENTRED,
        *PIXELS,
        *ORIGINS,
        *ORIGINS_ANGSTROM,
        *ANGLES,
        *SUBTOMOGRAM_ANGLES,
        *NAMES,
        *_SIZES,
        *_GROUPS,
        SCORE,
        TUBE,
        *_HELICAL,
    }
    return ParticleTable(
        convention,
        unit,
        coordinates,
        () if name is None else tuple(table[name].astype(str)),
        _stated_pixel_size(table, optics),
        -shifts,
        _column(table, SCORE),
        rotations if set(ANGLES) <= set(table.columns) else None,
        tuple(str(column) for column in table.columns if column not in read),
        _ids(table, TUBE),
    )


def _m_species(table: Any) -> ParticleTable:  # noqa: ANN401 (pandas is untyped here)
    """Return the particles of M's species: Angstrom, the first of several points in time."""
    named = dict(zip(M_ANGLES, ANGLES, strict=True))
    rotations, shifts = relion_rows_to_poses(table.rename(columns=named))
    read = {*M_COORDINATES, *M_ANGLES, *NAMES, SCORE}
    return ParticleTable(
        "M species, Angstrom",
        "angstrom",
        table[M_COORDINATES].to_numpy(dtype=np.float64),
        tuple(table["wrpSourceName"].astype(str)) if "wrpSourceName" in table else (),
        None,
        -shifts,
        _column(table, SCORE),
        rotations if set(M_ANGLES) <= set(table.columns) else None,
        tuple(str(column) for column in table.columns if column not in read),
    )


def _stated_pixel_size(table: Any, optics: Any) -> FloatArray | None:  # noqa: ANN401 (pandas)
    """Return the pixel size that the optics or the columns of RELION 3 state."""
    if optics is not None and "rlnTomoTiltSeriesPixelSize" in optics:
        sizes = optics["rlnTomoTiltSeriesPixelSize"].to_numpy(dtype=np.float64)
        if len(sizes) == 1 or (sizes == sizes[0]).all():
            return np.full(len(table), sizes[0])
        if "rlnOpticsGroup" in table and "rlnOpticsGroup" in optics:
            by_group = dict(zip(optics["rlnOpticsGroup"], sizes, strict=True))
            found: FloatArray = table["rlnOpticsGroup"].map(by_group).to_numpy(dtype=np.float64)
            if not np.isfinite(found).all():
                msg = "some particles are of an optics group that the optics table has not"
                raise DataError(msg)
            return found
        msg = "the optics table has several pixel sizes and the particles name no optics group"
        raise DataError(msg)
    if {"rlnMagnification", "rlnDetectorPixelSize"} <= set(table.columns):
        detector = table["rlnDetectorPixelSize"].to_numpy(dtype=np.float64)
        magnification = table["rlnMagnification"].to_numpy(dtype=np.float64)
        return np.asarray(1e4 * detector / magnification)
    return None


def _read_csv(path: Path, object_name: str | None) -> ParticleTable:
    table = pd.read_csv(path, comment="#")
    if not {"x", "y", "z"} <= set(table.columns):
        msg = f"{path} has no columns x, y, z; it has: {choices_text(table.columns)}"
        raise DataError(msg)
    if object_name is not None and "object" in table:
        objects = sorted({str(name) for name in table["object"]})
        table = table[table["object"].astype(str) == object_name]
        if len(table) == 0:
            msg = f"{path} has no rows of object '{object_name}'; it has: {choices_text(objects)}"
            raise DataError(msg)
    is_copick = "transform_00" in table
    rotations, shifts = _csv_poses(table, is_copick=is_copick)
    read = {"run_name", "object", "x", "y", "z", "score", "rot", "tilt", "psi", INSTANCE}
    return ParticleTable(
        "copick CSV, Angstrom" if is_copick else "CSV, Angstrom",
        "angstrom",
        table[["x", "y", "z"]].to_numpy(dtype=np.float64),
        tuple(table["run_name"].astype(str)) if "run_name" in table else (),
        None,
        shifts,
        _column(table, "score"),
        rotations,
        tuple(
            str(column)
            for column in table.columns
            if column not in read and not str(column).startswith("transform_")
        ),
        _ids(table, INSTANCE),
    )


def _csv_poses(table: Any, *, is_copick: bool) -> tuple[FloatArray | None, FloatArray]:  # noqa: ANN401 (pandas)
    if is_copick:
        cells = [f"transform_{row}{column}" for row in range(4) for column in range(4)]
        transforms = table[cells].to_numpy(dtype=np.float64).reshape(-1, 4, 4)
        rotations = transforms[:, :3, :3]
        return (None if (rotations == np.eye(3)).all() else rotations), transforms[:, :3, 3]
    none = np.zeros((len(table), 3))
    if not {"rot", "tilt", "psi"} <= set(table.columns):
        return None, none
    named = dict(zip(("rot", "tilt", "psi"), ANGLES, strict=True))
    rotations, _ = relion_rows_to_poses(table.rename(columns=named))
    return rotations, none


def _read_dynamo(path: Path, object_name: str | None) -> ParticleTable:
    _ = object_name
    pixels, angles, shifts, scores, numbers = read_dynamo_table(str(path), include_tomo_index=True)
    beside = path.with_suffix(".doc")
    names = {number: str(number) for number in numbers}
    if beside.exists():
        names |= read_dynamo_tomolist(str(beside))
    from scipy.spatial.transform import Rotation

    rotations = Rotation.from_euler("zxz", angles, degrees=True).inv().as_matrix()
    table = _table("Dynamo table, pixels", "pixels", pixels + shifts)
    return ParticleTable(
        table.convention,
        table.unit,
        table.coordinates,
        tuple(names[number] for number in numbers),
        None,
        table.offsets_xyz,
        np.asarray(scores, dtype=np.float64),
        rotations if np.any(angles) else None,
    )


def _read_eman2(path: Path, object_name: str | None) -> ParticleTable:
    """Return the 3D boxes of EMAN2's info file; newer ones count from the volume's centre."""
    content = load_json(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict) or "boxes_3d" not in content:
        msg = f"{path} has no key 'boxes_3d'; expected an info file of EMAN2"
        raise DataError(msg)
    boxes = content["boxes_3d"]
    classes = {
        str(value["name"]): int(number) for number, value in content.get("class_list", {}).items()
    }
    if object_name in classes:
        boxes = [box for box in boxes if len(box) > 5 and int(box[5]) == classes[object_name]]
    points = np.array([box[:3] for box in boxes], dtype=np.float64).reshape(-1, 3)
    size = content.get("apix_unbin")
    unit = "pixels" if size is None else "centred pixels"
    where = "from the first voxel" if size is None else "unbinned, from the centre"
    scores = [float(box[4]) for box in boxes if len(box) > 4]
    return ParticleTable(
        f"EMAN2 boxes, pixels {where}",
        unit,
        points,
        (path.stem.removesuffix("_info"),) * len(points),
        None if size is None else np.full(len(points), float(size)),
        np.zeros((len(points), 3)),
        np.array(scores) if len(scores) == len(points) else None,
        None,
    )


def _read_imod(path: Path, object_name: str | None) -> ParticleTable:
    _ = object_name
    points = read_imod_points(path)
    names = (path.stem,) * len(points)
    none = np.zeros((len(points), 3))
    return ParticleTable("IMOD model, pixels", "pixels", points, names, None, none, None, None)


_READERS: dict[str, Callable[[Path, str | None], ParticleTable]] = {
    ".star": _read_star,
    ".csv": _read_csv,
    ".tbl": _read_dynamo,
    ".json": _read_eman2,
    ".mod": _read_imod,
}


def _column(table: Any, name: str) -> FloatArray | None:  # noqa: ANN401 (pandas is untyped here)
    return table[name].to_numpy(dtype=np.float64) if name in table else None


def _ids(table: Any, name: str) -> npt.NDArray[np.int64] | None:  # noqa: ANN401 (pandas is untyped here)
    """Return the filament of each particle; None if there is no such column, or nothing but 0."""
    if name not in table:
        return None
    ids: npt.NDArray[np.int64] = table[name].fillna(0).to_numpy().astype(np.int64)
    return ids if ids.any() else None


def _table(convention: str, unit: str, coordinates: FloatArray) -> ParticleTable:
    offsets = np.zeros((len(coordinates), 3))
    return ParticleTable(convention, unit, coordinates, (), None, offsets, None, None)
