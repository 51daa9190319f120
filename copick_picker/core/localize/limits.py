"""Limits on sets of picks: score, border, distance within and between objects, number; merging."""

from collections.abc import Mapping
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from copick_picker.core.localize.candidates import LOW_SCORE, NEAR_BORDER, TOO_CLOSE
from copick_picker.records.points import PickLimits, PickSet

Number = TypeVar("Number", np.float64, np.int64)
FloatArray = npt.NDArray[np.float64]
TOO_CLOSE_TO_OTHER = "too close to another object"
BEYOND_TOP = "beyond the top"
REASONS = (LOW_SCORE, NEAR_BORDER, TOO_CLOSE, TOO_CLOSE_TO_OTHER, BEYOND_TOP)


def limited(
    sets: Mapping[str, PickSet],
    limits: Mapping[str, PickLimits],
    *,
    between_angstrom: float = 0.0,
    border_angstrom: float = 0.0,
    last_xyz: npt.ArrayLike | None = None,
) -> tuple[dict[str, PickSet], dict[str, dict[str, int]]]:
    """Return the picks of one run that pass the limits, and how many fell for which reason.

    The limits act in this order: score, border, distance within an object, distance between
    objects, number. What is kept keeps its order.

    Parameters
    ----------
    sets : mapping of str to PickSet
        Object name -> picks of the run.
    limits : mapping of str to PickLimits
        Object name -> limits; an object that is not named has none.
    between_angstrom : float
        Minimum distance of picks of different objects; the higher score is kept.
    border_angstrom : float
        Picks nearer than this to a face of the tomogram are dropped.
    last_xyz : array_like, shape (3,), optional
        Position of the last voxel (x, y, z) in Angstrom; needed with a border.

    Returns
    -------
    kept : dict of str to PickSet
        The same objects.
    dropped : dict of str to dict
        Object name -> reason -> number.

    Examples
    --------
    >>> points = np.array([[10.0, 0, 0], [11.0, 0, 0], [50.0, 0, 0]])
    >>> picks = PickSet("ribosome", points, np.array([0.5, 0.9, 0.2]))
    >>> rules = {"ribosome": PickLimits(min_score=0.3, min_distance_angstrom=5.0)}
    >>> kept, dropped = limited({"ribosome": picks}, rules)
    >>> kept["ribosome"].scores.tolist()
    [0.9]
    >>> dropped["ribosome"]["low score"], dropped["ribosome"]["too close"]
    (1, 1)
    """
    kept = dict(sets)
    dropped = {name: dict.fromkeys(REASONS, 0) for name in sets}

    def keep(name: str, good: npt.NDArray[np.bool_], why: str) -> None:
        dropped[name][why] += int((~good).sum())
        kept[name] = kept[name].chosen(good)

    for name in sets:
        rules = limits.get(name, PickLimits())
        if rules.min_score is not None:
            keep(name, kept[name].scores >= rules.min_score, LOW_SCORE)
        if border_angstrom > 0 and last_xyz is not None:
            keep(name, inside(kept[name].points_xyz, last_xyz, border_angstrom), NEAR_BORDER)
        best = winners(kept[name].points_xyz, kept[name].scores, rules.min_distance_angstrom)
        keep(name, best, TOO_CLOSE)
    for name, good in _between(kept, between_angstrom).items():
        keep(name, good, TOO_CLOSE_TO_OTHER)
    for name in sets:
        top = limits.get(name, PickLimits()).top
        if top is not None:
            keep(name, _first(kept[name].scores, top), BEYOND_TOP)
    return kept, dropped


def merged(first: PickSet, second: PickSet, distance_angstrom: float) -> PickSet:
    """Merge two pick sets of one object; of two picks of one particle the higher score is kept.

    Parameters
    ----------
    first, second : PickSet
        Picks of two models. At equal scores the first set's pick stays. Standard deviations are
        kept where both have them.
    distance_angstrom : float
        Picks of different sets nearer than this mean one particle. Picks of one set never do.

    Examples
    --------
    >>> one = PickSet("ribosome", np.array([[0.0, 0, 0]]), np.array([0.4]))
    >>> two = PickSet("ribosome", np.array([[3.0, 0, 0], [90.0, 0, 0]]), np.array([0.8, 0.1]))
    >>> merged(one, two, 10.0).points_xyz[:, 0].tolist()
    [3.0, 90.0]
    """
    points = np.concatenate([first.points_xyz, second.points_xyz])
    scores = np.concatenate([first.scores, second.scores])
    sets = np.repeat([0, 1], [len(first), len(second)])
    sigmas = None
    if first.sigmas_xyz is not None and second.sigmas_xyz is not None:
        sigmas = np.concatenate([first.sigmas_xyz, second.sigmas_xyz])
    together = PickSet(
        first.object_name,
        points,
        scores,
        _joined(first.rotations, second.rotations, first, second, np.eye(3)),
        _joined(
            first.instance_ids, second.instance_ids, first, second, np.array(0, dtype=np.int64)
        ),
        sigmas,
    )
    return together.chosen(winners(points, scores, distance_angstrom, groups=sets))


def winners(
    points_xyz: FloatArray,
    scores: FloatArray,
    distance_angstrom: float,
    *,
    groups: npt.NDArray[np.integer] | None = None,
) -> npt.NDArray[np.bool_]:
    """Return which picks have no better kept pick nearer than a distance.

    Parameters
    ----------
    points_xyz : numpy.ndarray, shape (n, 3), float64
        Points (x, y, z) in Angstrom.
    scores : numpy.ndarray, shape (n,), float64
        Their scores; of equal ones the first in the array is the better.
    distance_angstrom : float
        Least distance of two kept picks; 0 keeps all.
    groups : numpy.ndarray, shape (n,), int, optional
        Only picks of different groups stand in each other's way.

    Examples
    --------
    >>> line = np.array([[0.0, 0, 0], [3.0, 0, 0], [5.0, 0, 0]])
    >>> winners(line, np.array([0.3, 0.2, 0.1]), 4.0).tolist()
    [True, False, True]
    """
    kept = np.ones(len(points_xyz), dtype=bool)
    if len(points_xyz) < 2 or distance_angstrom <= 0:
        return kept
    order = np.argsort(-scores, kind="stable")
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    near = cKDTree(points_xyz).query_pairs(
        np.nextafter(distance_angstrom, 0.0), output_type="ndarray"
    )
    if groups is not None:
        near = near[groups[near[:, 0]] != groups[near[:, 1]]]
    ranks = np.sort(rank[near], axis=1)
    for better, worse in ranks[np.lexsort((ranks[:, 1], ranks[:, 0]))]:
        if kept[order[better]]:
            kept[order[worse]] = False
    return kept


def inside(
    points_xyz: FloatArray, last_xyz: npt.ArrayLike, margin_angstrom: float
) -> npt.NDArray[np.bool_]:
    """Return which points lie in a tomogram, at least a margin from its faces.

    Parameters
    ----------
    points_xyz : numpy.ndarray, shape (n, 3), float64
        Points (x, y, z) in Angstrom.
    last_xyz : array_like, shape (3,)
        Position of the last voxel.
    margin_angstrom : float
        Least distance from a face; below 0 points may lie so far outside.

    Examples
    --------
    >>> inside(np.array([[5.0, 5, 5], [5.0, 5, 95]]), [100, 100, 90], 0.0).tolist()
    [True, False]
    """
    last = np.asarray(last_xyz, dtype=np.float64)
    high, low = points_xyz <= last - margin_angstrom, points_xyz >= margin_angstrom
    return np.asarray((high & low).all(axis=1))


def _between(
    sets: Mapping[str, PickSet], distance_angstrom: float
) -> dict[str, npt.NDArray[np.bool_]]:
    if len(sets) < 2 or distance_angstrom <= 0:
        return {}
    points = np.concatenate([picks.points_xyz for picks in sets.values()])
    scores = np.concatenate([picks.scores for picks in sets.values()])
    sizes = [len(picks) for picks in sets.values()]
    good = winners(
        points, scores, distance_angstrom, groups=np.repeat(np.arange(len(sizes)), sizes)
    )
    return dict(zip(sets, np.split(good, np.cumsum(sizes)[:-1]), strict=True))


def _first(scores: FloatArray, top: int) -> npt.NDArray[np.bool_]:
    good = np.zeros(len(scores), dtype=bool)
    good[np.argsort(-scores, kind="stable")[:top]] = True
    return good


def _joined(
    one: npt.NDArray[Number] | None,
    two: npt.NDArray[Number] | None,
    first: PickSet,
    second: PickSet,
    default: npt.NDArray[Number],
) -> npt.NDArray[Number] | None:
    """Return what is known of both sets' picks; the default for a set of which it is not known."""
    if one is None and two is None:
        return None
    parts = [
        np.broadcast_to(default, (len(picks), *default.shape)) if known is None else known
        for known, picks in ((one, first), (two, second))
    ]
    return np.concatenate(parts)
