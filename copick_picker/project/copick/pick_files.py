"""Pick sets: copick's JSON with our record beside it.

copick writes its JSON in place and drops keys that it does not know, so the JSON is written beside
and moved, and the record is a YAML file in the same folder, which copick's listing ignores. Where
the record holds distances to the surface of a mask, a CSV file beside it has a row a pick.
"""

import hashlib
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import numpy.typing as npt
from fsspec import AbstractFileSystem

from copick_picker.errors import DataError, ProjectError
from copick_picker.project.copick.api import CopickPicks
from copick_picker.project.copick.places import kept_at
from copick_picker.project.files import Permit, one_at_a_time, remove, replacing
from copick_picker.project.guards import guarded
from copick_picker.project.local_places import is_local
from copick_picker.project.provenance import from_stored, from_yaml, is_unfinished, to_yaml
from copick_picker.project.standing import Standing, regular_file, standing_in, with_record
from copick_picker.records.points import PickSet

MASK_DISTANCES = "mask_distances_angstrom"
"""Key in the record of picks: the distance of each pick to the mask's surface."""
SIGMAS = "sigmas_angstrom"
"""Key in the record of picks: the standard deviation of each position along x, y and z."""
SIGMA_NAMES = ("sigma_x_angstrom", "sigma_y_angstrom", "sigma_z_angstrom")
_HASH = "picks_sha256"
"""Key in the stored record of picks: of the file that copick lists."""
_FOREIGN = object()
"""Content of a file that we did not write."""
_TABLE_HEAD = "x,y,z,score,mask_distance_angstrom"


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


def write(
    item: CopickPicks, picks: PickSet, stored: dict[str, Any], where: str, *, permit: Permit
) -> None:
    """Write a pick set and its record, which holds a hash of the picks: it is of these alone.

    The record comes first, then the picks: whoever is stopped in between leaves the old picks, or
    none, with a record that does not speak of them.

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
    permit : callable
        Asked when all is ready; raises where the picks may not take their place.

    Raises
    ------
    ProjectError
        If the store cannot be written.
    """
    table = _distances_csv(picks, stored)
    if is_local(item.fs):
        _write_local(item, picks, stored, table, where, permit)
        return
    with guarded(f"cannot write {where}"):
        data = _json_bytes(item, picks)
        permit()
        if table is not None:
            item.fs.pipe_file(distances_path(str(item.path)), table)
        item.fs.pipe_file(record_path(str(item.path)), to_yaml(_signed(stored, data)))
        item.fs.pipe_file(item.path, data)
        if table is None and item.fs.exists(distances_path(str(item.path))):
            item.fs.rm_file(distances_path(str(item.path)))


def finished_record(item: CopickPicks) -> dict[str, Any] | None:
    """Return our record of a pick set; None where it has none, or was changed since.

    Parameters
    ----------
    item : copick picks
        Where to look.
    """
    if getattr(item, "read_only", False):
        return None
    return record_of_picks(item.fs, str(item.path))


def record_of_picks(filesystem: AbstractFileSystem, path: str) -> dict[str, Any] | None:
    """Return our record of a file of picks; None where it has none, or was changed since.

    Parameters
    ----------
    filesystem : fsspec.AbstractFileSystem
        Where.
    path : str
        The JSON file that copick lists.
    """
    beside = record_path(path)
    if not filesystem.exists(beside):
        return None
    return _fitting(from_yaml(filesystem.cat_file(beside), beside), filesystem, path)


def standing(item: CopickPicks) -> Standing | None:
    """Return what stands in the place of a pick set and of what lies beside it; None where nothing.

    Parameters
    ----------
    item : copick picks
        Stored or not.

    Raises
    ------
    ProjectError
        If the place cannot be looked at.
    """
    if getattr(item, "read_only", False):
        return Standing("a pick set", is_replaceable=False, is_read_only=True)
    path = str(item.path)
    found = standing_in(item.fs, path, regular_file)
    with guarded(f"cannot look at {path}"):
        stored = _content(item.fs, record_path(path), _parsed_record)
        table = _content(item.fs, distances_path(path), _parsed_table)
        for place, content in ((record_path(path), stored), (distances_path(path), table)):
            if content is _FOREIGN:
                name = place.rsplit("/", 1)[-1]
                words = f"{name}, a file in the place of our record that we did not write"
                return Standing(words, is_replaceable=False)
        if found is None or is_unfinished(stored):
            return None
        return with_record(found, _fitting(stored, item.fs, path))


def _fitting(
    stored: object, filesystem: AbstractFileSystem, picks_path: str
) -> dict[str, Any] | None:
    """Return a stored record where it is ours and speaks of the picks as they are."""
    record = from_stored(stored)
    if record is None or not filesystem.isfile(picks_path):
        return None
    known = record.pop(_HASH, None)
    is_changed = known is not None and known != _digest(filesystem.cat_file(picks_path))
    return None if is_changed else record


def _content(
    filesystem: AbstractFileSystem, path: str, parsed: Callable[[bytes], object]
) -> object:
    """Return the content of a file beside picks: None where there is none, or ``_FOREIGN``."""
    if not filesystem.exists(path):
        is_link = is_local(filesystem) and Path(path).is_symlink()
        return _FOREIGN if is_link else None
    return _FOREIGN if filesystem.isdir(path) else parsed(filesystem.cat_file(path))


def _parsed_record(data: bytes) -> object:
    try:
        content = from_yaml(data, "record")
    except ProjectError:
        return _FOREIGN
    is_ours = from_stored(content) is not None or is_unfinished(content)
    return content if is_ours else _FOREIGN


def _parsed_table(data: bytes) -> object:
    return data if data.startswith(_TABLE_HEAD.encode()) else _FOREIGN


def record_path(path: str) -> str:
    """Return the path of the record beside picks.

    Parameters
    ----------
    path : str
        Of the JSON file that copick lists.
    """
    return f"{path.removesuffix('.json')}.provenance.yaml"


def distances_path(path: str) -> str:
    """Return the path of the CSV file with the distances to a mask, beside picks.

    Parameters
    ----------
    path : str
        Of the JSON file that copick lists.
    """
    return f"{path.removesuffix('.json')}.mask-distances.csv"


def _write_local(
    item: CopickPicks,
    picks: PickSet,
    stored: dict[str, Any],
    table: bytes | None,
    where: str,
    permit: Permit,
) -> None:
    record_at, table_at = Path(record_path(str(item.path))), Path(distances_path(str(item.path)))
    path = Path(item.path)
    with one_at_a_time(path.parent), replacing(path, permit=permit) as fresh:
        with guarded(f"cannot write {where}"):
            _store(kept_at(item, str(fresh)), picks)
            record = to_yaml(_signed(stored, fresh.read_bytes()))
        with ExitStack() as beside:
            for place, data in ((table_at, table), (record_at, record)):
                if data is not None:
                    with guarded(f"cannot write {where}"):
                        beside.enter_context(replacing(place)).write_bytes(data)
            permit()
    if table is None:
        remove(table_at)


def _json_bytes(item: CopickPicks, picks: PickSet) -> bytes:
    """Return the file that copick writes of a pick set."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picks.json"
        here = fsspec.filesystem("file")
        _store(kept_at(item, str(path), fs=here, directory=folder), picks)
        return path.read_bytes()


def _signed(stored: Mapping[str, Any], picks_json: bytes) -> dict[str, Any]:
    return {**stored, _HASH: _digest(picks_json)}


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _distances_csv(picks: PickSet, stored: Mapping[str, Any]) -> bytes | None:
    """Return a row a pick with its distance to the mask; None where no mask was used."""
    distances = stored.get(MASK_DISTANCES)
    if distances is None:
        return None
    lines = [_TABLE_HEAD]
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


def finite_or_none(distances: npt.NDArray[np.float64]) -> list[float | None]:
    """Return distances for a record: to the hundredth, None where a mask has no surface.

    Parameters
    ----------
    distances : numpy.ndarray, shape (n,), float64
        Angstrom.

    Examples
    --------
    >>> finite_or_none(np.array([1.2345, np.inf]))
    [1.23, None]
    """
    return [round(float(value), 2) if np.isfinite(value) else None for value in distances.tolist()]


def rounded(values: npt.NDArray[np.float64]) -> list[Any]:
    """Return lengths for a record, to the thousandth.

    Parameters
    ----------
    values : numpy.ndarray, float64
        Angstrom.

    Examples
    --------
    >>> rounded(np.array([[1.23456, 2.0, 3.0]]))
    [[1.235, 2.0, 3.0]]
    """
    result: list[Any] = np.round(values, 3).tolist()
    return result


def recorded_sigmas(
    record: Mapping[str, Any] | None, n_picks: int
) -> npt.NDArray[np.float64] | None:
    """Return the standard deviation of each position, as the picks' record says.

    Parameters
    ----------
    record : mapping or None
        Record of the picks.
    n_picks : int
        Number of picks; a record of another number says nothing.

    Returns
    -------
    numpy.ndarray, shape (n, 3), float64, or None
        Along x, y and z in Angstrom; None if the record has none.

    Examples
    --------
    >>> recorded_sigmas({SIGMAS: [[1.5, 1.5, 2.5]]}, 1).tolist()
    [[1.5, 1.5, 2.5]]
    """
    sigmas = (record or {}).get(SIGMAS)
    if not isinstance(sigmas, list) or len(sigmas) != n_picks:
        return None
    values = np.asarray(sigmas, dtype=np.float64).reshape(-1, 3)
    if not np.isfinite(values).all():
        msg = f"the record of the picks has standard deviations that are not finite ({SIGMAS})"
        raise DataError(msg)
    return values


def recorded_facts(
    record: Mapping[str, Any] | None, points_xyz: npt.NDArray[np.float64]
) -> dict[tuple[float, ...], dict[str, float]]:
    """Return what the picks' record says of each point besides its score.

    Parameters
    ----------
    record : mapping or None
        Record of the picks; one of another number of picks says nothing.
    points_xyz : numpy.ndarray, shape (n, 3), float64
        The picks in their order, Angstrom.

    Returns
    -------
    dict
        Point (x, y, z) -> ``mask_distance_angstrom`` and ``sigma_x_angstrom``, ``_y_``, ``_z_``,
        where they are recorded.

    Examples
    --------
    >>> recorded_facts({MASK_DISTANCES: [12.5]}, np.array([[1.0, 2.0, 3.0]]))
    {(1.0, 2.0, 3.0): {'mask_distance_angstrom': 12.5}}
    """
    facts: dict[tuple[float, ...], dict[str, float]] = {}
    points = [tuple(point) for point in points_xyz.tolist()]
    distances = (record or {}).get(MASK_DISTANCES)
    if isinstance(distances, list) and len(distances) == len(points):
        for point, distance in zip(points, distances, strict=True):
            if distance is not None:
                facts[point] = {"mask_distance_angstrom": float(distance)}
    sigmas = recorded_sigmas(record, len(points))
    if sigmas is not None:
        for point, own in zip(points, sigmas.tolist(), strict=True):
            named = zip(SIGMA_NAMES, own, strict=True)
            facts[point] = facts.get(point, {}) | dict(named)
    return facts
