"""The picks of one run matched, object by object."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from copick_picker.core.evaluate.assignment import assign_one_to_one
from copick_picker.core.evaluate.by_tomogram import match_tomogram
from copick_picker.core.evaluate.confusion import mark_confused
from copick_picker.core.evaluate.matching import (
    Match,
    ScoredMatch,
    counts_of,
    hits_by_score,
    match_picks,
    pairs_in_reach,
    recall_at_tolerances,
)
from copick_picker.core.evaluate.metrics import score_of
from copick_picker.core.evaluate.pairs import (
    BoolArray,
    FloatArray,
    Pairs,
    checked_points,
    find_pairs,
)
from copick_picker.errors import DataError
from copick_picker.records.points import PickSet
from copick_picker.records.scores import RunObjectMatch, ScoredObject, ScoringRules


@dataclass(frozen=True, eq=False)
class _Sides:
    """Checked picks of both sides, and which of them lie in the border margin."""

    reference_xyz: FloatArray
    candidate_xyz: FloatArray
    candidate_scores: FloatArray
    reference_border: BoolArray
    candidate_border: BoolArray


def match_run(
    run_name: str,
    objects: Sequence[ScoredObject],
    reference: Mapping[str, PickSet],
    candidate: Mapping[str, PickSet],
    *,
    rules: ScoringRules,
    box_xyz: FloatArray | None,
) -> list[ScoredMatch]:
    """Return the matched picks of one run, one entry an object.

    Border picks: a reference in the margin does not count. Candidates do not count when they hit
    no reference that counts and lie in the margin or within the tolerance of a reference there.

    Parameters
    ----------
    run_name : str
        The run.
    objects : sequence of ScoredObject
        Objects that count in this run.
    reference, candidate : mapping of str to PickSet
        Picks of the run by object.
    rules : ScoringRules
        How to match.
    box_xyz : numpy.ndarray, shape (3,), float64, or None
        Largest position (x, y, z) in Angstrom inside the volume; needed for a border margin.

    Raises
    ------
    DataError
        If points are not finite, an object with reference picks has no tolerance, or there is a
        border margin and no box.
    """
    if any(rules.border_margin_xyz) and box_xyz is None:
        msg = f"run {run_name}: a border margin needs the size of the tomogram"
        raise DataError(msg)
    matched = []
    for entry in objects:
        try:
            both = reference.get(entry.name), candidate.get(entry.name)
            if rules.matcher == "byu":
                matched.append(_match_tomogram(run_name, entry, both, rules))
            else:
                sides = _sides(*both, rules, box_xyz)
                matched.append(_match_object(run_name, entry, sides, rules))
        except DataError as error:
            msg = f"run {run_name}, {entry.name}: {error}"
            raise DataError(msg) from error
    marked = mark_confused(objects, [entry.match for entry in matched])
    return [replace(entry, match=match) for entry, match in zip(matched, marked, strict=True)]


def near_border(
    points_xyz: FloatArray, *, box_xyz: FloatArray, margin_xyz: tuple[float, float, float]
) -> BoolArray:
    """Return which points lie within the margin of a face of the volume.

    Parameters
    ----------
    points_xyz : numpy.ndarray, shape (n, 3), float64
        Points (x, y, z) in Angstrom.
    box_xyz : numpy.ndarray, shape (3,), float64
        Largest position (x, y, z) in Angstrom inside the volume; the smallest is 0.
    margin_xyz : tuple of float
        Margin in Angstrom for the faces across x, y and z, the bound included; 0: none.

    Examples
    --------
    >>> near_border(np.array([[50.0, 5, 50], [50, 50, 5]]), box_xyz=np.full(3, 100.0),
    ...             margin_xyz=(10, 10, 0))
    array([ True, False])
    """
    margin = np.asarray(margin_xyz, dtype=np.float64)
    near = (points_xyz <= margin) | (points_xyz >= box_xyz - margin)
    return np.asarray((near & (margin > 0)).any(axis=1))


def _sides(
    reference: PickSet | None,
    candidate: PickSet | None,
    rules: ScoringRules,
    box_xyz: FloatArray | None,
) -> _Sides:
    nothing = PickSet("", np.zeros((0, 3)), np.zeros(0))
    reference, candidate = reference or nothing, candidate or nothing
    reference_xyz = checked_points(reference.points_xyz, "reference")
    candidate_xyz = checked_points(candidate.points_xyz, "candidate")
    return _Sides(
        reference_xyz,
        candidate_xyz,
        candidate.scores,
        _in_margin(reference_xyz, rules, box_xyz),
        _in_margin(candidate_xyz, rules, box_xyz),
    )


def _in_margin(
    points_xyz: FloatArray, rules: ScoringRules, box_xyz: FloatArray | None
) -> BoolArray:
    if box_xyz is None:
        return np.zeros(len(points_xyz), dtype=bool)
    return near_border(points_xyz, box_xyz=box_xyz, margin_xyz=rules.border_margin_xyz)


def _match_object(
    run_name: str, entry: ScoredObject, sides: _Sides, rules: ScoringRules
) -> ScoredMatch:
    matcher, tolerance = rules.matcher, _tolerance(entry, len(sides.reference_xyz))
    reaches = _reaches(entry, tolerance, rules)
    pairs = find_pairs(
        sides.reference_xyz[~sides.reference_border],
        sides.candidate_xyz,
        reach_angstrom=max(tolerance, float(reaches.max(initial=0.0))),
    )
    match = match_picks(pairs, matcher=matcher, tolerance_angstrom=tolerance)
    ignored = _ignored(sides, match, tolerance)
    hits = pairs_in_reach(pairs, matcher=matcher, tolerance_angstrom=tolerance)
    hits = hits.select(~ignored[hits.candidate])
    recall_hits, recall_misses = recall_at_tolerances(
        pairs, matcher=matcher, tolerances_angstrom=reaches
    )
    return ScoredMatch(
        match=_record(
            run_name,
            entry.name,
            sides,
            match,
            ignored=ignored,
            duplicate=_duplicates(hits, match, matcher, tolerance),
            beta=rules.beta,
        ),
        hit_scores=hits_by_score(
            hits, sides.candidate_scores, matcher=matcher, tolerance_angstrom=tolerance
        ),
        counted_scores=sides.candidate_scores[~ignored],
        recall_hits=recall_hits,
        recall_misses=recall_misses,
    )


def _match_tomogram(
    run_name: str,
    entry: ScoredObject,
    both: tuple[PickSet | None, PickSet | None],
    rules: ScoringRules,
) -> ScoredMatch:
    nothing = PickSet(entry.name, np.zeros((0, 3)), np.zeros(0))
    reference, candidate = (picks or nothing for picks in both)
    tolerance = _tolerance(entry, len(reference))
    return match_tomogram(
        replace(reference, object_name=entry.name),
        candidate,
        run_name=run_name,
        tolerance_angstrom=tolerance,
        reaches_angstrom=_reaches(entry, tolerance, rules),
        rules=rules,
    )


def _reaches(entry: ScoredObject, tolerance: float, rules: ScoringRules) -> FloatArray:
    """Return the tolerances of the recall curve in Angstrom."""
    base = tolerance if entry.radius_angstrom is None else entry.radius_angstrom
    return np.asarray(rules.recall_fractions, dtype=np.float64) * base


def _tolerance(entry: ScoredObject, n_reference: int) -> float:
    if entry.tolerance_angstrom is not None:
        return entry.tolerance_angstrom
    if n_reference:
        msg = f"{n_reference} reference picks, but neither a radius nor a tolerance in Angstrom"
        raise DataError(msg)
    return 1.0  # nothing to reach


def _ignored(sides: _Sides, match: Match, tolerance: float) -> BoolArray:
    """Return the candidates that do not count: without a hit, at the border or what lies there."""
    ignored = sides.candidate_border.copy()
    at_border = sides.reference_xyz[sides.reference_border]
    if len(at_border):
        beside = find_pairs(at_border, sides.candidate_xyz, reach_angstrom=tolerance)
        ignored[beside.candidate] = True
    ignored &= match.candidate_partner < 0
    return ignored


def _duplicates(hits: Pairs, match: Match, matcher: str, tolerance: float) -> BoolArray:
    """Return the candidates in reach that the one-to-one rule leaves without a partner."""
    duplicate = np.zeros(hits.n_candidate, dtype=bool)
    duplicate[hits.candidate] = True
    if matcher == "one-to-one":
        duplicate[match.candidate_partner >= 0] = False
    else:
        duplicate[assign_one_to_one(hits, tolerance_angstrom=tolerance)[1]] = False
    return duplicate


def _record(
    run_name: str,
    object_name: str,
    sides: _Sides,
    match: Match,
    *,
    ignored: BoolArray,
    duplicate: BoolArray,
    beta: float,
) -> RunObjectMatch:
    counted = np.flatnonzero(~sides.reference_border)
    reference_partner = np.full(len(sides.reference_xyz), -1, dtype=np.int64)
    reference_partner[counted] = match.reference_partner
    has_partner = match.candidate_partner >= 0
    candidate_partner = np.full(len(sides.candidate_xyz), -1, dtype=np.int64)
    candidate_partner[has_partner] = counted[match.candidate_partner[has_partner]]
    counts = counts_of(
        match,
        n_candidate=int(np.count_nonzero(~ignored)),
        duplicates=int(np.count_nonzero(duplicate)),
    )
    return RunObjectMatch(
        run_name=run_name,
        object_name=object_name,
        reference_xyz=sides.reference_xyz,
        candidate_xyz=sides.candidate_xyz,
        candidate_scores=sides.candidate_scores,
        reference_status=np.select(
            [sides.reference_border, reference_partner >= 0], ["border", "matched"], "missed"
        ),
        candidate_status=np.select(
            [ignored, has_partner, duplicate], ["border", "matched", "duplicate"], "false"
        ),
        reference_partner=reference_partner,
        candidate_partner=candidate_partner,
        confused_with=np.zeros(len(candidate_partner), dtype=np.str_),
        counts=counts,
        score=score_of(counts, beta=beta),
    )
