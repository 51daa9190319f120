"""Pick sets: copick's JSON with our record beside it.

copick writes its JSON in place and drops keys that it does not know, so the JSON is written beside
and moved, and the record is a YAML file in the same folder, which copick's listing ignores. Where
the record holds distances to the surface of a mask, a CSV file beside it has a row a pick.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from copick_picker.errors import DataError
from copick_picker.project.copick_api import CopickPicks
from copick_picker.project.files import remove, replacing
from copick_picker.project.guards import guarded
from copick_picker.project.places import is_local, replacing_item
from copick_picker.project.provenance import UNFINISHED, from_yaml, is_unfinished, to_yaml
from copick_picker.records import PickSet

MASK_DISTANCES = "mask_distances_angstrom"
"""Key in the record of picks: the distance of each pick to the mask's surface."""


def read(item: CopickPicks, where: str) -> PickSet:
    """Return the true centres (location plus the transform's shift) and scores of copick's picks.

    Parameters
    ----------
    item : copick picks
        What to read.
    where : str
        URI and run, for messages.

    Raises
    ------
    ProjectError
        If the file is missing or malformed.
    DataError
        If a position or a score is not finite.
    """
    with guarded(f"cannot read {where}"):
        item.refresh()
        points_xyz = np.asarray(item.full_positions(), dtype=np.float64).reshape(-1, 3)
        scores = np.asarray(item.scores(), dtype=np.float64)
        rotations = _rotations(item)
        instance_ids = np.array([point.instance_id or 0 for point in item.points], dtype=np.int64)
    picks = PickSet(
        str(item.pickable_object_name),
        points_xyz,
        scores,
        rotations,
        instance_ids if instance_ids.any() else None,
    )
    check_finite(picks, where)
    return picks


def check_finite(picks: PickSet, where: str) -> None:
    """Raise where a position or a score is not finite: copick would write it as invalid JSON.

    Parameters
    ----------
    picks : PickSet
        What to check.
    where : str
        URI and run, for messages.

    Raises
    ------
    DataError
        With the number of picks and the first of them.
    """
    good = np.isfinite(picks.points_xyz).all(axis=1) & np.isfinite(picks.scores)
    if not good.all():
        first = int(np.flatnonzero(~good)[0])
        msg = (
            f"{where}: {int((~good).sum())} of {len(picks)} picks have a position or score that is "
            f"not finite, the first at index {first}"
        )
        raise DataError(msg)


def write(item: CopickPicks, picks: PickSet, stored: dict[str, Any], where: str) -> None:
    """Write a pick set and its record; on a local file system both appear at once.

    Parameters
    ----------
    item : copick picks
        Where.
    picks : PickSet
        What, finite.
    stored : dict
        Record as ``provenance.to_stored`` returns it.
    where : str
        URI and run, for messages.

    Raises
    ------
    ProjectError
        If the store cannot be written.
    """
    record, table = to_yaml(stored), _distances_csv(picks, stored)
    if is_local(item.fs):
        _write_local(item, picks, {record_path(item): record, distances_path(item): table}, where)
        return
    with guarded(f"cannot write {where}"):
        item.fs.pipe_file(record_path(item), to_yaml(UNFINISHED))
        _store(item, picks)
        if table is not None:
            item.fs.pipe_file(distances_path(item), table)
        elif item.fs.exists(distances_path(item)):
            item.fs.rm_file(distances_path(item))
        item.fs.pipe_file(record_path(item), record)


def stored_record(item: CopickPicks) -> object:
    """Return what the file beside the picks holds; None where there is none.

    Parameters
    ----------
    item : copick picks
        Where to look.
    """
    path = record_path(item)
    if getattr(item, "read_only", False) or not item.fs.exists(path):
        return None
    return from_yaml(item.fs.cat_file(path), path)


def is_occupied(item: CopickPicks) -> bool:
    """Return whether picks stand at the place of a copick object that must not be lost.

    Parameters
    ----------
    item : copick picks
        Where to look.
    """
    if getattr(item, "read_only", False):
        return True
    return item.fs.exists(item.path) and not is_unfinished(stored_record(item))


def record_path(item: CopickPicks) -> str:
    """Return the path of the record beside the picks.

    Parameters
    ----------
    item : copick picks
        Whose record.
    """
    return f"{str(item.path).removesuffix('.json')}.provenance.yaml"


def distances_path(item: CopickPicks) -> str:
    """Return the path of the CSV file with the distances to a mask, beside the picks.

    Parameters
    ----------
    item : copick picks
        Whose distances.
    """
    return f"{str(item.path).removesuffix('.json')}.mask-distances.csv"


def _write_local(
    item: CopickPicks, picks: PickSet, beside: Mapping[str, bytes | None], where: str
) -> None:
    """Prepare all files, then move those beside and last the picks: no record, no picks."""
    with ExitStack() as stack:
        fresh = stack.enter_context(replacing_item(item))
        files = {
            path: (stack.enter_context(replacing(Path(path))), data)
            for path, data in beside.items()
            if data is not None
        }
        with guarded(f"cannot write {where}"):
            _store(fresh, picks)
            for file, data in files.values():
                file.write_bytes(data)
            remove(Path(item.path))
            for path in set(beside) - set(files):
                remove(Path(path))


def _distances_csv(picks: PickSet, stored: Mapping[str, Any]) -> bytes | None:
    """Return a row a pick with its distance to the mask; None where no mask was used."""
    distances = stored.get(MASK_DISTANCES)
    if distances is None:
        return None
    lines = ["x,y,z,score,mask_distance_angstrom"]
    for point, score, distance in zip(
        picks.points_xyz.tolist(), picks.scores.tolist(), distances, strict=True
    ):
        lines.append(",".join(map(str, (*point, score, "" if distance is None else distance))))
    return ("\n".join(lines) + "\n").encode()


def _store(item: CopickPicks, picks: PickSet) -> None:
    """Let copick write the points; a rotation goes into the transform, which has no shift."""
    transforms = None
    if picks.rotations is not None:
        transforms = np.tile(np.eye(4), (len(picks), 1, 1))
        transforms[:, :3, :3] = picks.rotations
    item.meta.run_name = item.run.name  # copick leaves it out of picks found in a listing
    item.from_numpy(
        picks.points_xyz, transforms, instance_ids=picks.instance_ids, scores=picks.scores
    )


def _rotations(item: CopickPicks) -> npt.NDArray[np.float64] | None:
    """Return the rotations of copick's transforms, None where all are the identity."""
    _, transforms = item.numpy()
    found = np.asarray(transforms, dtype=np.float64).reshape(-1, 4, 4)
    rotations: npt.NDArray[np.float64] = found[:, :3, :3] / found[:, 3:, 3:]
    return None if np.array_equal(rotations, np.tile(np.eye(3), (len(found), 1, 1))) else rotations
