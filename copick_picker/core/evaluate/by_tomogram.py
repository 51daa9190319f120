"""The rule of the challenge BYU 2025, which asks of each tomogram whether and where there is one.

A tomogram counts once. With reference picks it is a true positive if its best candidate lies within
the tolerance of any of them, otherwise a false negative, whether the candidate lies elsewhere or
there is none. Without reference picks it is a false positive if it has any candidate, otherwise a
true negative, which F-beta ignores.
"""

from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata

from copick_picker.core.evaluate.matching import HitScores, ScoredMatch
from copick_picker.core.evaluate.metrics import score_of
from copick_picker.core.evaluate.pairs import BoolArray, FloatArray, checked_points
from copick_picker.records.points import PickSet
from copick_picker.records.scores import MatchCounts, RunObjectMatch, ScoringRules

UNCOUNTED = "uncounted"
MISPLACED = "misplaced"


def match_tomogram(
    reference: PickSet,
    candidate: PickSet,
    *,
    run_name: str,
    tolerance_angstrom: float,
    reaches_angstrom: FloatArray,
    rules: ScoringRules,
) -> ScoredMatch:
    """Return what becomes of one object in one tomogram.

    Only the candidate of the highest score counts (of equal ones the first), and of the reference
    picks only the one nearest to it; further picks are ``uncounted``.

    Parameters
    ----------
    reference, candidate : PickSet
        Picks of one object in one run.
    run_name : str
        The run.
    tolerance_angstrom : float
        Greatest distance of a hit in Angstrom, the bound included.
    reaches_angstrom : numpy.ndarray, shape (n_fractions,), float64
        Tolerances of the recall curve in Angstrom.
    rules : ScoringRules
        Its beta is used.

    Raises
    ------
    DataError
        If points are not finite.

    References
    ----------
    "BYU - Locating Bacterial Flagellar Motors 2025", Kaggle 2025, evaluation page and published
    metric.

    Examples
    --------
    A motor, and two candidates of which the better one lies elsewhere:

    >>> motor = PickSet("motor", np.array([[5000.0, 4000, 900]]), np.ones(1))
    >>> found = PickSet("motor", np.array([[0.0, 0, 0], [5000, 4000, 950]]), np.array([0.9, 0.8]))
    >>> rules = ScoringRules("byu", 2.0, (), 0, 5, 0.95, (0.0, 0.0, 0.0))
    >>> match = match_tomogram(motor, found, run_name="a", tolerance_angstrom=1000.0,
    ...                        reaches_angstrom=np.zeros(0), rules=rules).match
    >>> match.candidate_status.tolist(), match.reference_status.tolist()
    (['misplaced', 'uncounted'], ['missed'])
    >>> match.counts.false_positives, match.counts.false_negatives
    (0, 1)
    """
    reference_xyz = checked_points(reference.points_xyz, "reference")
    candidate_xyz = checked_points(candidate.points_xyz, "candidate")
    scores = candidate.scores
    best = int(np.argmax(_ranked(scores))) if len(scores) else -1
    nearest, distance = _nearest(reference_xyz, candidate_xyz[best] if best >= 0 else None)
    has, hit = len(reference_xyz) > 0, distance <= tolerance_angstrom
    reference_status = _statuses(len(reference_xyz), nearest, "matched" if hit else "missed")
    verdict = "matched" if hit else MISPLACED if has else "false"
    candidate_status = _statuses(len(candidate_xyz), best, verdict)
    counts = MatchCounts(
        true_positives=int(hit),
        false_positives=int(best >= 0 and not has),
        false_negatives=int(has and not hit),
        n_reference=int(has),
        n_candidate=int(best >= 0),
    )
    at_best = scores[[best]] if best >= 0 else np.zeros(0)
    hits = at_best if hit else np.zeros(0)
    within = distance <= reaches_angstrom
    return ScoredMatch(
        match=RunObjectMatch(
            run_name=run_name,
            object_name=reference.object_name or candidate.object_name,
            reference_xyz=reference_xyz,
            candidate_xyz=candidate_xyz,
            candidate_scores=scores,
            reference_status=reference_status,
            candidate_status=candidate_status,
            reference_partner=np.where(reference_status == "matched", best, -1),
            candidate_partner=np.where(candidate_status == "matched", nearest, -1),
            confused_with=np.zeros(len(candidate_xyz), dtype=np.str_),
            counts=counts,
            score=score_of(counts, beta=rules.beta),
        ),
        hit_scores=HitScores(hits, hits),
        counted_scores=np.zeros(0) if verdict == MISPLACED else at_best,
        recall_hits=within.astype(np.int64),
        recall_misses=(has & ~within).astype(np.int64),
    )


def presence_auc(has_object: BoolArray, best_score: FloatArray) -> float | None:
    """Return how well the best score of a run tells runs with an object from those without.

    The area under the ROC curve: the share of pairs of a run with and a run without the object in
    which the former has the higher score, ties counting one half [1]_.

    Parameters
    ----------
    has_object : numpy.ndarray, shape (n,), bool
        Whether each run has a reference pick.
    best_score : numpy.ndarray, shape (n,), float64
        Highest score of its candidates, -inf without a candidate.

    Returns
    -------
    float or None
        None if there are no runs with the object, or none without.

    References
    ----------
    .. [1] J. A. Hanley, B. J. McNeil, "The meaning and use of the area under a receiver operating
       characteristic (ROC) curve", Radiology 143 (1982) 29-36.

    Examples
    --------
    >>> presence_auc(np.array([True, True, False, False]), np.array([0.9, 0.4, 0.4, -np.inf]))
    0.875
    """
    n_with = int(np.count_nonzero(has_object))
    n_without = len(has_object) - n_with
    if n_with == 0 or n_without == 0:
        return None
    ranks = rankdata(_ranked(best_score))
    above = float(ranks[has_object].sum()) - n_with * (n_with + 1) / 2
    return above / (n_with * n_without)


def auc_of_runs(matches: Sequence[RunObjectMatch]) -> float | None:
    """Return the :func:`presence_auc` of one object over runs.

    Parameters
    ----------
    matches : sequence of RunObjectMatch
        One entry a run.
    """
    has = np.array([len(match.reference_xyz) > 0 for match in matches], dtype=bool)
    best = np.array([_ranked(match.candidate_scores).max(initial=-np.inf) for match in matches])
    return presence_auc(has, best)


def _ranked(scores: FloatArray) -> FloatArray:
    """Return the scores with -inf in place of NaN, which is no score."""
    return np.where(np.isnan(scores), -np.inf, scores)


def _nearest(reference_xyz: FloatArray, point_xyz: FloatArray | None) -> tuple[int, float]:
    """Return index and distance of the nearest reference; (-1 or 0, inf) if a side is empty."""
    if len(reference_xyz) == 0:
        return -1, np.inf
    if point_xyz is None:
        return 0, np.inf
    distance = np.linalg.norm(reference_xyz - point_xyz, axis=1)
    index = int(np.argmin(distance))
    return index, float(distance[index])


def _statuses(size: int, chosen: int, status: str) -> np.ndarray[tuple[int], np.dtype[np.str_]]:
    statuses = [UNCOUNTED] * size
    if chosen >= 0:
        statuses[chosen] = status
    return np.array(statuses, dtype=np.str_)
