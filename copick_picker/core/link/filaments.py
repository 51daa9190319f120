"""Filaments of a tomogram from points: linked, ordered, directed, filtered, evenly sampled."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from copick_picker.core.link import chains
from copick_picker.core.link.branches import branches_of
from copick_picker.core.link.frames import frames_along, turned_onto
from copick_picker.core.link.linking import LinkRules, Scorer, link_points, mend_tracks
from copick_picker.core.link.points import FloatArray, IndexArray, LinkPoints
from copick_picker.core.link.polarity import forward_probability
from copick_picker.core.link.skeleton import APART_VOXELS, skeleton_paths, to_the_ends
from copick_picker.core.link.splines import Curve, even_places, learned_stiffness, smooth_curve
from copick_picker.core.link.tangents import tangents_from_neighbours
from copick_picker.core.link.tracks import Track, turned_round
from copick_picker.errors import DataError, SettingsError
from copick_picker.records.points import PickSet

SURE = 0.95
"""Least probability of a direction that counts as known."""
GATE_SPACINGS = 4.0
"""Gate where none is given, in spacings of the points."""
GAP_SPACINGS = 14.0
"""Longest gap that is closed where none is given, in spacings."""
_GAP_STEPS = (4.0, 8.0, 14.0, 20.0, 28.0, 40.0)
_N_NEAREST = 8
_ROUNDS = 4
_LEAST_JOIN = 2.0
_BREAK_LIMIT = 4.0
_MOST_ANGLE = np.radians(40.0)
TWICE_ANGSTROM = 2.0
"""Picks nearer than this to another are the same one."""
_DOUBLE, _DOUBLE_SHARE = 0.2, 0.8
"""A filament of whose picks such a share lie so near to a longer one, in spacings, is that one."""
_MOST_PICKS = 2_000_000
_WIDTH = 0.5


@dataclass(frozen=True)
class FilamentRules:
    """How filaments are made of points.

    Attributes
    ----------
    gate_angstrom : float or None
        Greatest distance of two picks that are linked directly; None: four spacings.
    max_gap_angstrom : float or None
        Longest gap that is closed; None: fourteen spacings; 0: none.
    min_points : int
        Picks of the shortest filament.
    solver : str
        See ``core.link.linking.SOLVERS``.
    spacing_angstrom : float or None
        Distance of evenly spaced picks along each filament; None: the given picks.
    min_length_angstrom : float
        Length of the shortest filament.
    max_curvature : float or None
        Greatest mean curvature, in 1/um.
    min_straightness : float
        Least distance of the ends over the length.
    uses_rotations : bool
        Whether z axes of given rotations tell tangents and direction.
    has_polarity : bool
        Whether the two directions of the object differ.
    finds_branches : bool
        Whether ends that meet another filament between its ends are looked for.
    """

    gate_angstrom: float | None
    max_gap_angstrom: float | None
    min_points: int
    solver: str
    spacing_angstrom: float | None
    min_length_angstrom: float
    max_curvature: float | None
    min_straightness: float
    uses_rotations: bool
    has_polarity: bool
    finds_branches: bool = False


@dataclass(frozen=True, eq=False)
class FoundFilament:
    """One filament.

    Attributes
    ----------
    members : numpy.ndarray, shape (k,), int64
        Its picks in order.
    curve : Curve
        The smooth curve through them, (x, y, z) in Angstrom.
    score : float
        Mean score of its picks.
    is_polar : bool
        Whether its direction is known.
    branches : mapping
        ``first`` or ``last``, its end -> number of the filament that this end meets.
    """

    members: IndexArray
    curve: Curve
    score: float
    is_polar: bool
    branches: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class FoundFilaments:
    """The filaments of one object in one run.

    Attributes
    ----------
    filaments : list of FoundFilament
        Filaments that are kept, of the most picks first; numbered from 1 in this order.
    picks : PickSet
        Picks with the number of their filament, in order along each, with rotations whose z axis is
        the tangent; those in none have the number 0 and stand at the end.
    n_points : int
        Picks, or points of a segmentation's skeleton, that were given.
    of : str
        ``picks`` or ``points``: what was given.
    dropped : mapping
        Reason -> number of filaments that were not kept.
    facts : mapping
        What was learned of the picks: ``spacing``, ``gate`` in Angstrom and more.
    notes : tuple of str
        What a user should know.
    """

    filaments: list[FoundFilament]
    picks: PickSet
    n_points: int
    of: str
    dropped: Mapping[str, int]
    facts: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def filaments_of(
    picks: PickSet, rules: FilamentRules, scorer: Scorer | None = None
) -> FoundFilaments:
    """Return the filaments that picks lie on.

    Parameters
    ----------
    picks : PickSet
        Picks of one object in one run; numbers that they have already are not used.
    rules : FilamentRules
        How.
    scorer : Scorer, optional
        A learned score in place of likelihood ratios.

    Raises
    ------
    DataError
        If most of the picks lie on top of one another.
    """
    notes: list[str] = []
    used = _apart(picks.points_xyz, picks.scores)
    n_twice = len(picks) - len(used)
    if n_twice > len(picks) / 2:
        msg = (
            f"{picks.object_name}: most of the {len(picks)} picks have another at the same place; "
            "take one of each, see filter --min-distance"
        )
        raise DataError(msg)
    if n_twice:
        notes.append(
            f"{picks.object_name}: {n_twice} of {len(picks)} picks lie within "
            f"{TWICE_ANGSTROM:g} A of a better one and join no filament"
        )
    points = picks.points_xyz[used]
    spacing = chains.nearest_spacing(LinkPoints(points)) if len(points) > 1 else 0.0
    gate = rules.gate_angstrom or GATE_SPACINGS * spacing
    rotations = None
    if rules.uses_rotations and picks.rotations is not None:
        rotations = picks.rotations[used]
    if rotations is not None and len(points) > rules.min_points:
        angle = _angle_to_neighbours(points, rotations[:, :, 2], spacing, gate)
        if angle > _MOST_ANGLE:
            notes.append(
                f"{picks.object_name}: the z axes of the picks do not lie along the "
                f"filaments (median angle {np.degrees(angle):.0f} degrees to the line of "
                "neighbours); using tangents from the positions instead"
            )
            rotations = None
    tangents = None
    if rotations is not None:
        tangents = rotations[:, :, 2] / np.linalg.norm(rotations[:, :, 2], axis=1)[:, None]
    linked = link_points(
        LinkPoints(points, tangents=tangents), _link_rules(rules, spacing, gate), scorer
    )
    if linked.was_bounded:
        notes.append(
            f"{picks.object_name}: there are more picks within the gate of {gate:.0f} A than "
            f"the {_N_NEAREST} nearest on each side, which are the only ones tried"
        )
    facts = {"spacing": linked.model.get("spacing", spacing), "gate": gate, "model": linked.model}
    tracks = [Track(used[track.members], track.turned) for track in linked.tracks]
    given = None if rotations is None else picks.rotations
    return _finished(picks, tracks, given, rules, facts, notes)


def _apart(points: FloatArray, scores: FloatArray) -> IndexArray:
    """Return points without those that lie on one of a better score, or an earlier one."""
    dropped = np.zeros(len(points), dtype=bool)
    pairs = cKDTree(points).query_pairs(TWICE_ANGSTROM, output_type="ndarray")
    worse = np.where(scores[pairs[:, 0]] < scores[pairs[:, 1]], pairs[:, 0], pairs[:, 1])
    dropped[worse] = True
    return np.flatnonzero(~dropped)


def filaments_of_mask(
    object_name: str, mask: npt.NDArray[np.bool_], rules: FilamentRules, *, voxel_spacing: float
) -> FoundFilaments:
    """Return the filaments that the regions of a mask belong to.

    The paths of its skeleton are cut where they bend, joined over gaps, and go on straight to the
    ends of the regions.

    Parameters
    ----------
    object_name : str
        The object.
    mask : numpy.ndarray, shape (z, y, x), bool
        The regions.
    rules : FilamentRules
        How; the gate does not count.
    voxel_spacing : float
        Edge of a voxel in Angstrom: half of it is the scatter of points, unless they tell.
    """
    paths = skeleton_paths(mask)
    points = np.concatenate([np.zeros((0, 3)), *paths])
    spacing = APART_VOXELS * voxel_spacing
    in_voxels = _link_rules(rules, spacing, spacing)
    in_voxels = replace(
        in_voxels, closed_gaps=tuple(gap / voxel_spacing for gap in in_voxels.closed_gaps)
    )
    linked = mend_tracks(
        LinkPoints(points), _in_turn(paths), in_voxels, spacing=APART_VOXELS, scatter=0.25
    )
    whole = to_the_ends([points[track.members] for track in linked.tracks], mask)
    xyz = np.concatenate([np.zeros((0, 3)), *whole])[:, ::-1] * voxel_spacing
    picks = PickSet(object_name, xyz, np.ones(len(xyz)))
    model = {"unit": "voxels", **linked.model}
    facts = {"spacing": spacing, "gate": spacing, "model": model}
    return _finished(picks, _in_turn(whole), None, rules, facts, [])


def _in_turn(paths: list[FloatArray]) -> list[Track]:
    """Return the tracks of points that stand path by path."""
    ends = np.cumsum([0, *(len(path) for path in paths)])
    return [
        Track(np.arange(first, last), np.zeros(last - first, dtype=bool))
        for first, last in pairwise(ends.tolist())
    ]


def _finished(
    picks: PickSet,
    found: list[Track],
    rotations: FloatArray | None,
    rules: FilamentRules,
    facts: dict[str, Any],
    notes: list[str],
) -> FoundFilaments:
    """Return tracks as filaments: directed, smooth, filtered, with their picks."""
    points = picks.points_xyz
    found, n_double = _without_doubles(found, points, spacing=float(facts["spacing"]))
    if n_double:
        notes.append(
            f"{picks.object_name}: {n_double} filaments lie on others, within a fifth of the "
            "spacing, and are left out; are picks stored twice?"
        )
    tracks, is_polar = _directed(found, points, rules, is_known=rotations is not None)
    stiffness = learned_stiffness([points[track.members] for track in tracks])
    curves = [smooth_curve(points[track.members], stiffness=stiffness) for track in tracks]
    kept, dropped = [], dict.fromkeys(("short", "curved", "bent"), 0)
    for track, curve, known in zip(tracks, curves, is_polar, strict=True):
        why = _reason(curve, rules)
        if why is not None:
            dropped[why] += 1
            continue
        score = float(picks.scores[track.members].mean())
        kept.append(FoundFilament(track.members, curve, score, known))
    if rules.finds_branches:
        kept = _with_branches(kept, points, gate=float(facts["gate"]))
    made, few = (
        (_members(picks, kept, rotations), 0)
        if rules.spacing_angstrom is None
        else _even(picks, kept, rules.spacing_angstrom)
    )
    if few:
        notes.append(
            f"{picks.object_name}: {few} of {len(kept)} filaments are shorter than the spacing of "
            f"{rules.spacing_angstrom:g} A and have no picks"
        )
    facts = facts | {"stiffness": stiffness}
    of = "points" if "unit" in facts["model"] else "picks"
    return FoundFilaments(kept, made, len(picks), of, dropped, facts, tuple(notes))


def _link_rules(rules: FilamentRules, spacing: float, gate: float) -> LinkRules:
    longest = GAP_SPACINGS * spacing if rules.max_gap_angstrom is None else rules.max_gap_angstrom
    steps = [each * spacing for each in _GAP_STEPS if each * spacing < longest]
    return LinkRules(
        gate=gate,
        largest_gap=1,
        n_nearest=_N_NEAREST,
        rounds=_ROUNDS,
        closed_gaps=(*steps, longest) if longest > 0 else (),
        least_join=_LEAST_JOIN,
        break_limit=_BREAK_LIMIT,
        solver=rules.solver,
        least_length=rules.min_points,
    )


def _angle_to_neighbours(
    points: FloatArray, axes: FloatArray, spacing: float, gate: float
) -> float:
    """Return the median angle between axes and the lines on which neighbours lie."""
    lines = tangents_from_neighbours(
        points, reach=gate, width=_WIDTH * spacing, n_nearest=2 * _N_NEAREST
    )
    cosine = np.abs((lines * axes).sum(axis=1)) / np.linalg.norm(axes, axis=1)
    return float(np.median(np.arccos(np.clip(cosine, 0.0, 1.0))))


def _directed(
    tracks: list[Track], points: FloatArray, rules: FilamentRules, *, is_known: bool
) -> tuple[list[Track], list[bool]]:
    """Return tracks that run as most of their axes point, and whether that is sure.

    Without axes they begin at the end of the lower x, or y, or z, whichever differs most.
    """
    if not is_known or not tracks:
        ends = [points[track.members[-1]] - points[track.members[0]] for track in tracks]
        forward = [bool(apart[int(np.argmax(np.abs(apart)))] >= 0) for apart in ends]
        sure = [False] * len(tracks)
    else:
        agree = np.array([int((~track.turned).sum()) for track in tracks])
        chance = forward_probability(agree, np.array([len(track.members) for track in tracks]))
        forward = [bool(each >= 0.5) for each in chance]
        sure = [rules.has_polarity and max(each, 1 - each) >= SURE for each in chance.tolist()]
    directed = [
        track if good else turned_round(track) for track, good in zip(tracks, forward, strict=True)
    ]
    return directed, sure


def _without_doubles(
    tracks: list[Track], points: FloatArray, *, spacing: float
) -> tuple[list[Track], int]:
    """Return tracks without those whose points lie on a longer one, and how many those are."""
    kept: list[Track] = []
    taken = np.zeros(len(points), dtype=bool)
    for track in tracks:
        if kept:
            others = points[np.flatnonzero(taken)]
            away, _ = cKDTree(others).query(points[track.members])
            if (away < _DOUBLE * spacing).mean() >= _DOUBLE_SHARE:
                continue
        kept.append(track)
        taken[track.members] = True
    return kept, len(tracks) - len(kept)


def _with_branches(
    kept: list[FoundFilament], points: FloatArray, *, gate: float
) -> list[FoundFilament]:
    tracks = [Track(each.members, np.zeros(len(each.members), dtype=bool)) for each in kept]
    met: list[dict[str, int]] = [{} for _ in kept]
    for branch in branches_of(LinkPoints(points), tracks, gate=gate, largest_gap=1):
        met[branch.track]["first" if branch.at_start else "last"] = branch.other + 1
    return [replace(each, branches=own) for each, own in zip(kept, met, strict=True)]


def _reason(curve: Curve, rules: FilamentRules) -> str | None:
    if curve.length < rules.min_length_angstrom:
        return "short"
    if rules.max_curvature is not None and curve.curvature * 1e4 > rules.max_curvature:
        return "curved"
    return "bent" if curve.straightness < rules.min_straightness else None


def _members(picks: PickSet, kept: list[FoundFilament], rotations: FloatArray | None) -> PickSet:
    """Return the given picks in order along the filaments, then those in none."""
    ids = np.zeros(len(picks), dtype=np.int64)
    turned = np.tile(np.eye(3), (len(picks), 1, 1)) if picks.rotations is None else picks.rotations
    turned = turned.copy()
    order: list[int] = []
    for number, each in enumerate(kept, start=1):
        _, tangents = each.curve.at(each.curve.nearest(picks.points_xyz[each.members]))
        ids[each.members] = number
        order += each.members.tolist()
        turned[each.members] = (
            frames_along(tangents)
            if rotations is None
            else turned_onto(rotations[each.members], tangents)
        )
    order += np.flatnonzero(ids == 0).tolist()
    which = np.array(order, dtype=np.int64)
    return PickSet(
        picks.object_name,
        picks.points_xyz[which],
        picks.scores[which],
        turned[which],
        ids[which],
        None if picks.sigmas_xyz is None else picks.sigmas_xyz[which],
    )


def _even(picks: PickSet, kept: list[FoundFilament], spacing: float) -> tuple[PickSet, int]:
    """Return evenly spaced picks along filaments, and how many filaments are too short for any."""
    number = sum(each.curve.length for each in kept) / spacing
    if number > _MOST_PICKS:
        msg = f"a spacing of {spacing:g} A would make {number:.3g} picks of {picks.object_name}"
        raise SettingsError(msg)
    points, scores = [np.zeros((0, 3))], [np.zeros(0)]
    rotations, ids = [np.zeros((0, 3, 3))], [np.zeros(0, dtype=np.int64)]
    few = 0
    for number, each in enumerate(kept, start=1):
        places = even_places(each.curve, spacing)
        few += len(places) == 0
        where, tangents = each.curve.at(places)
        own = each.curve.nearest(picks.points_xyz[each.members])
        rising = np.argsort(own, kind="stable")
        points.append(where)
        scores.append(np.interp(places, own[rising], picks.scores[each.members][rising]))
        rotations.append(frames_along(tangents))
        ids.append(np.full(len(places), number, dtype=np.int64))
    return (
        PickSet(
            picks.object_name,
            np.concatenate(points),
            np.concatenate(scores),
            np.concatenate(rotations),
            np.concatenate(ids),
        ),
        few,
    )
