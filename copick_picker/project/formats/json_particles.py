"""Particles of JSON files: EMAN2's info files and copick's picks.

EMAN2 lists boxes in ``boxes_3d`` as x, y, z, how they were made, score and class; copick's picks
are ``{"pickable_object_name": ..., "run_name": ..., "points": [{"location": ...}, ...]}``.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from copick_picker.errors import DataError
from copick_picker.project.formats.cells import FloatArray, ReadOptions
from copick_picker.project.formats.text import read_text
from copick_picker.records.points import ParticleTable

_DIGITS = 18


def read_json(path: Path, options: ReadOptions) -> ParticleTable:
    """Return the particles of an info file of EMAN2, or of copick's picks.

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
        If it is neither.
    """
    _ = options
    try:
        content = json.loads(read_text(path), parse_int=_integer)
    except RecursionError:
        msg = f"{path} is nested too deeply for a list of particles"
        raise DataError(msg) from None
    if isinstance(content, dict) and "boxes_3d" in content:
        return _eman2(path, content)
    if isinstance(content, dict) and {"pickable_object_name", "points"} <= content.keys():
        return _copick(path, content)
    msg = f"{path} has no key 'boxes_3d'; expected an info file of EMAN2, or picks of copick"
    raise DataError(msg)


def _eman2(path: Path, content: dict[str, Any]) -> ParticleTable:
    """Return the 3D boxes of an info file; newer ones count from the volume's centre."""
    boxes = content["boxes_3d"] or []
    if not isinstance(boxes, list):
        msg = f"{path}: 'boxes_3d' is a {type(boxes).__name__}; expected a list of boxes"
        raise DataError(msg)
    points, problems = np.full((len(boxes), 3), np.nan), {}
    scores, classes = np.full(len(boxes), np.nan), []
    for row, box in enumerate(boxes):
        try:
            points[row] = [_finite(value) for value in box[:3]]
            scores[row] = _finite(box[4]) if len(box) > 4 else np.nan
            classes.append(str(int(box[5])) if len(box) > 5 else "")
        except (TypeError, ValueError, OverflowError, LookupError):
            problems[row] = f"is not a box of x, y, z, ...: {str(box)[:60]}"
            classes.append("")
    size = content.get("apix_unbin")
    if size is not None:
        size = _pixel_size(path, size)
    unit = "pixels" if size is None else "centred pixels"
    where = "from the first voxel" if size is None else "unbinned, from the centre"
    has_scores = len(boxes) > 0 and bool(np.isfinite(scores[list(_others(boxes, problems))]).all())
    return ParticleTable(
        f"EMAN2 boxes, pixels {where}",
        unit,
        points,
        (path.stem.removesuffix("_info"),) * len(points),
        None if size is None else np.full(len(points), size),
        np.zeros((len(points), 3)),
        scores if has_scores else None,
        None,
        name_from="the file's name",
        scale_from="" if size is None else "apix_unbin",
        score_from="the boxes" if has_scores else "",
        classes=_class_names(content, classes),
        class_from="the boxes' class",
        problems=problems,
    )


def _class_names(content: dict[str, Any], classes: list[str]) -> tuple[str, ...]:
    """Return the name of each box's class where the file has names, else its number."""
    named = content.get("class_list")
    if not isinstance(named, dict):
        return tuple(classes) if any(classes) else ()
    names = {
        str(number): str(value.get("name", number)) if isinstance(value, dict) else str(value)
        for number, value in named.items()
    }
    return tuple(names.get(number, number) for number in classes) if any(classes) else ()


def _copick(path: Path, content: dict[str, Any]) -> ParticleTable:
    points = content["points"] or []
    if not isinstance(points, list):
        msg = f"{path}: 'points' is a {type(points).__name__}; expected a list, or null for none"
        raise DataError(msg)
    places, matrices = np.full((len(points), 3), np.nan), np.tile(np.eye(4), (len(points), 1, 1))
    scores, problems = np.full(len(points), np.nan), {}
    ids = np.zeros(len(points), dtype=np.int64)
    for row, point in enumerate(points):
        try:
            places[row] = [_finite(point["location"][axis]) for axis in "xyz"]
            given = point.get("transformation_")
            if given is not None:
                matrices[row] = _four(given)
            scores[row] = _finite(1.0 if point.get("score") is None else point["score"])
            ids[row] = int(point.get("instance_id") or 0)
        except (TypeError, ValueError, OverflowError, LookupError, AttributeError):
            problems[row] = f"is not a point with a location x, y, z: {str(point)[:60]}"
    name = content.get("run_name") or path.parent.parent.name
    turned = matrices[:, :3, :3]
    return ParticleTable(
        "copick picks, Angstrom",
        "angstrom",
        places,
        (str(name),) * len(points),
        None,
        matrices[:, :3, 3],
        scores,
        None if (turned == np.eye(3)).all() else turned,
        (),
        ids if ids.any() else None,
        name_from="run_name",
        score_from="score",
        classes=(str(content["pickable_object_name"]),) * len(points),
        class_from="pickable_object_name",
        has_named_classes=True,
        looked_at=() if points else (str(name),),
        problems=problems,
    )


def _finite(value: Any) -> float:  # noqa: ANN401 (parsed JSON)
    if isinstance(value, bool) or not np.isfinite(float(value)):
        msg = "expected a finite number"
        raise ValueError(msg)
    return float(value)


def _integer(digits: str) -> int | float:
    """Return a whole number; a float where it has more digits than any count."""
    return int(digits) if len(digits) <= _DIGITS else float(digits)


def _four(rows: Any) -> FloatArray:  # noqa: ANN401 (parsed JSON)
    matrix = np.asarray(rows, dtype=np.float64)
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or matrix[3, 3] == 0:
        msg = "a transformation is 4 x 4 finite numbers"
        raise ValueError(msg)
    return np.asarray(matrix / matrix[3, 3])


def _others(boxes: list[Any], problems: dict[int, str]) -> list[int]:
    return [row for row in range(len(boxes)) if row not in problems]


def _pixel_size(path: Path, value: Any) -> float:  # noqa: ANN401 (parsed JSON)
    try:
        size = _finite(value)
    except (TypeError, ValueError, OverflowError):
        size = 0.0
    if size <= 0:
        msg = f"{path}: apix_unbin is {value}; expected a size in Angstrom above 0"
        raise DataError(msg)
    return size
