"""Pick sets: copick's JSON with our record beside it.

Where the record holds distances to the surface of a mask, a CSV file beside it has a row a pick.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from copick_picker.errors import DataError, ProjectError
from copick_picker.project.copick import record_files
from copick_picker.project.copick.api import CopickPicks
from copick_picker.project.files import Permit
from copick_picker.project.guards import guarded
from copick_picker.project.pick_content import PickFileError, points_of
from copick_picker.project.standing import Standing
from copick_picker.records.points import PickSet

MASK_DISTANCES = "mask_distances_angstrom"
"""Key in the record of picks: the distance of each pick to the mask's surface."""
SIGMAS = "sigmas_angstrom"
"""Key in the record of picks: the standard deviation of each position along x, y and z."""
SIGMA_NAMES = ("sigma_x_angstrom", "sigma_y_angstrom", "sigma_z_angstrom")
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
        data = item.fs.cat_file(item.path)
    try:
        points = points_of(data)
    except PickFileError as error:
        if error.trouble.check == "finite":
            msg = f"{where}: {error}"
            raise DataError(msg) from error
        msg = f"cannot read {where}: {error} (file {item.path})"
        raise ProjectError(msg) from error
    places = [[point["location"][axis] for axis in "xyz"] for point in points]
    scores = [1.0 if point.get("score") is None else point["score"] for point in points]
    transforms = _transforms(points)
    points_xyz = np.array(places, dtype=np.float64).reshape(-1, 3) + transforms[:, :3, 3]
    instance_ids = np.array([int(point.get("instance_id") or 0) for point in points], np.int64)
    return PickSet(
        str(item.pickable_object_name),
        points_xyz,
        np.array(scores, dtype=np.float64),
        _rotations(transforms),
        instance_ids if instance_ids.any() else None,
    )


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
    if picks.rotations is not None:
        good &= np.isfinite(picks.rotations).all(axis=(1, 2))
    if not good.all():
        first = int(np.flatnonzero(~good)[0])
        msg = (
            f"{where}: {int((~good).sum())} of {len(picks)} picks have a position, score or "
            f"rotation that is NaN or infinite, the first at index {first}"
        )
        raise DataError(msg)


def write(
    item: CopickPicks, picks: PickSet, stored: dict[str, Any], where: str, *, permit: Permit
) -> None:
    """Write a pick set and its record, which holds a hash of the picks: it is of these alone.

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
    record_files.write(
        item,
        lambda place: _store(place, picks),
        stored,
        where,
        permit=permit,
        table=(distances_path(str(item.path)), table),
    )


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
    table = {distances_path(str(item.path)): _is_table}
    return record_files.standing(item, "a pick set", beside=table)


def _is_table(data: bytes) -> bool:
    return data.startswith(_TABLE_HEAD.encode())


def distances_path(path: str) -> str:
    """Return the path of the CSV file with the distances to a mask, beside picks.

    Parameters
    ----------
    path : str
        Of the JSON file that copick lists.
    """
    return f"{path.removesuffix('.json')}.mask-distances.csv"


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


def _transforms(points: Sequence[Mapping[str, Any]]) -> npt.NDArray[np.float64]:
    """Return copick's transforms (n, 4, 4); the identity where a point has none."""
    plain = np.eye(4).tolist()
    rows = [plain if (own := point.get("transformation_")) is None else own for point in points]
    return np.array(rows, dtype=np.float64).reshape(-1, 4, 4)


def _rotations(found: npt.NDArray[np.float64]) -> npt.NDArray[np.float64] | None:
    """Return the rotations of copick's transforms, None where all are the identity."""
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
        msg = f"the record of the picks has standard deviations that are NaN or infinite ({SIGMAS})"
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
