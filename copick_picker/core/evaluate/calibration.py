"""Score thresholds chosen on pooled curves: one an object, where F-beta is highest."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from copick_picker.records.scores import (
    FEWEST_REFERENCES,
    THRESHOLD_MARGIN,
    Calibrated,
    Calibration,
    Evaluation,
    ObjectScore,
    ScoreCurve,
    SuggestedThreshold,
)


@dataclass(frozen=True)
class CalibrationRule:
    """How a threshold is chosen.

    Attributes
    ----------
    margin : float
        F-beta that a lower threshold may cost: among the thresholds whose F-beta is at least the
        highest less this margin, the lowest is taken. 0: the lowest of those that are equal.
    fewest_references : int
        An object with fewer reference picks in all runs together gets no threshold.
    by_expectation : frozenset of str
        Objects whose scores are probabilities, and whose threshold has the highest F-beta that is
        expected of them, see :func:`expected_f_beta`, whatever the margin.
    """

    margin: float
    fewest_references: int
    by_expectation: frozenset[str] = frozenset()


EVALUATION_RULE = CalibrationRule(THRESHOLD_MARGIN, FEWEST_REFERENCES)
"""The rule of ``calibrate`` as it is without options, which ``evaluate`` follows."""


def calibrated_thresholds(
    evaluation: Evaluation,
    *,
    rule: CalibrationRule,
    present: Mapping[str, float],
    sought_from: Mapping[str, float],
) -> Calibration:
    """Return for every object the score threshold that maximises the pooled F-beta.

    The curve of :func:`copick_picker.core.evaluate.metrics.score_curve` is used: hits and misses
    of all runs are summed first, ``F_b = (1 + b^2) P R / (b^2 P + R)`` [1]_ is taken of the sums,
    and each reference pick is hit once at most with the matcher ``one-to-one``.

    The threshold lies halfway between the lowest score that is kept and the next lower one: on
    these runs the same picks are kept, and on others scores scatter. Where no candidate has a lower
    score, the score down to which candidates were sought takes its place; where that is not known,
    the threshold is the lowest score itself.

    Parameters
    ----------
    evaluation : Evaluation
        Candidate picks, of all scores that there are, scored against reference picks.
    rule : CalibrationRule
        Which of several good thresholds, and how many reference picks are enough.
    present : mapping of str to float
        Object name -> threshold in use so far, to compare with.
    sought_from : mapping of str to float
        Object name -> score from which on candidates were kept when they were looked for, where
        that is known.

    Returns
    -------
    Calibration
        Thresholds, and the objects that get none: without reference picks, with too few, without
        candidates, or with candidates of one score only.

    References
    ----------
    .. [1] C. J. van Rijsbergen, "Information Retrieval", 2nd ed., Butterworths 1979, chapter 7.

    Examples
    --------
    >>> from copick_picker.core.evaluate import ScoredObject, ScoringRules, evaluate_picks
    >>> from copick_picker.records.points import PickSet
    >>> at = np.arange(4)[:, None] * np.array([[500.0, 0, 0]])
    >>> truth = PickSet("ribosome", at[:3], np.ones(3))
    >>> found = PickSet("ribosome", at, np.array([0.9, 0.8, 0.4, 0.3]))
    >>> rules = ScoringRules("one-to-one", 1.0, (0.5,), 0, 5, 0.95, (0.0, 0.0, 0.0))
    >>> scored = evaluate_picks({"a": {"ribosome": truth}}, {"a": {"ribosome": found}},
    ...     [ScoredObject("ribosome", 75.0, 150.0, 1.0)], rules=rules,
    ...     rng=np.random.default_rng(0))
    >>> rule = CalibrationRule(0.0, 3)
    >>> calibrated_thresholds(scored, rule=rule, present={}, sought_from={}).thresholds
    {'ribosome': 0.35}
    """
    chosen, refused = [], {}
    for entry in evaluation.objects:
        reason = _why_not(entry, rule)
        if reason or entry.curve is None:
            refused[entry.name] = reason
            continue
        if entry.name in rule.by_expectation:
            expected = expected_f_beta(
                _scores_of(evaluation, entry.name),
                entry.curve.thresholds,
                n_reference=entry.counts.n_reference,
                beta=evaluation.beta,
            )
            index = int(expected.argmax())
        else:
            index = _lowest_good(entry.curve, rule)
        found = _chosen(entry, entry.curve, index, present.get(entry.name))
        chosen.append(_with_room(found, entry.curve, sought_from.get(entry.name)))
    return Calibration(tuple(chosen), refused)


def with_suggestion(
    entry: ObjectScore, *, beta: float, rule: CalibrationRule = EVALUATION_RULE
) -> ObjectScore:
    """Return an object's score with the threshold that :func:`calibrated_thresholds` chooses.

    None is suggested, and ``suggested_note`` says why, where that function refuses to choose, or
    where even the lowest score is worth keeping: then lower ones have to be sought first.

    Parameters
    ----------
    entry : ObjectScore
        Score of one object, with its curve.
    beta : float
        Weight of recall in F-beta, for the description.
    rule : CalibrationRule
        Which of several good thresholds, and how many reference picks are enough.
    """
    curve, reason = entry.curve, _why_not(entry, rule)
    if curve is None or reason:
        return replace(entry, suggested_note=reason)
    found = _chosen(entry, curve, _lowest_good(curve, rule), None)
    if found.is_lowest_score:
        note = f"even the lowest score ({found.threshold:.3f}) is worth keeping"
        return replace(entry, suggested_note=note)
    suggested = SuggestedThreshold(
        threshold=_with_room(found, curve, None).threshold,
        precision=found.precision,
        recall=found.recall,
        f_beta=found.f_beta,
        how=f"lowest threshold within {rule.margin:g} of the highest F{beta:g}, as calibrate does",
    )
    return replace(entry, suggested=suggested)


def _lowest_good(curve: ScoreCurve, rule: CalibrationRule) -> int:
    """Return the place of the lowest threshold that is as good as the best one, by the rule."""
    good = np.flatnonzero(curve.f_beta >= float(curve.f_beta.max()) - rule.margin)
    return int(good[-1])  # thresholds fall: the last is the lowest


def expected_f_beta(
    probabilities: npt.NDArray[np.float64],
    thresholds: npt.NDArray[np.float64],
    *,
    n_reference: int,
    beta: float,
) -> npt.NDArray[np.float64]:
    """Return the F-beta that is expected of probabilities, for each threshold.

    With the sum of the kept probabilities in place of the number of hits it is smooth, where the
    curve itself jumps with every hit: a dozen rare objects are enough.

    Parameters
    ----------
    probabilities : numpy.ndarray, shape (n,), float64
        Probability of each candidate that it is a hit.
    thresholds : numpy.ndarray, shape (k,), float64
        Lowest probabilities that are kept.
    n_reference : int
        Reference picks.
    beta : float
        Weight of recall.

    Returns
    -------
    numpy.ndarray, shape (k,), float64

    Examples
    --------
    >>> expected_f_beta(np.array([0.9, 0.1]), np.array([0.9, 0.1]), n_reference=1, beta=1.0)
    array([0.9       , 0.66666667])
    """
    hits = np.array([probabilities[probabilities >= least].sum() for least in thresholds])
    kept = np.array([(probabilities >= least).sum() for least in thresholds])
    result: npt.NDArray[np.float64] = (1.0 + beta**2) * hits / (kept + beta**2 * n_reference)
    return result


def _scores_of(evaluation: Evaluation, name: str) -> npt.NDArray[np.float64]:
    """Return the scores of all candidates of an object."""
    own = [each.candidate_scores for each in evaluation.matches if each.object_name == name]
    return np.concatenate([np.zeros(0), *own])


def f_beta_at(curve: ScoreCurve, threshold: float) -> float:
    """Return F-beta when the candidates of at least a score are kept; 0 where none is.

    Parameters
    ----------
    curve : ScoreCurve
        Pooled curve.
    threshold : float
        Lowest score that counts, any number.

    Examples
    --------
    >>> half = np.array([0.5, 0.9])
    >>> curve = ScoreCurve(np.array([0.8, 0.3]), half, half, half, 0.9)
    >>> f_beta_at(curve, 0.81), f_beta_at(curve, 0.8), f_beta_at(curve, 0.0)
    (0.0, 0.5, 0.9)
    """
    n_kept = int(np.count_nonzero(curve.thresholds >= threshold))
    return float(curve.f_beta[n_kept - 1]) if n_kept else 0.0


def _why_not(entry: ObjectScore, rule: CalibrationRule) -> str:
    n_reference = entry.counts.n_reference
    if 0 < n_reference < rule.fewest_references:
        return f"{n_reference} reference picks; a threshold needs {rule.fewest_references}"
    if entry.curve is not None and float(entry.curve.f_beta.max()) == 0.0:
        return f"none of the {entry.counts.n_candidate} candidates hits a reference pick"
    return "" if entry.curve is not None else entry.curve_note


def _chosen(entry: ObjectScore, curve: ScoreCurve, index: int, present: float | None) -> Calibrated:
    return Calibrated(
        object_name=entry.name,
        threshold=float(curve.thresholds[index]),
        precision=float(curve.precision[index]),
        recall=float(curve.recall[index]),
        f_beta=float(curve.f_beta[index]),
        highest_f_beta=float(curve.f_beta.max()),
        present=present,
        present_f_beta=None if present is None else f_beta_at(curve, present),
        n_runs=entry.n_runs,
        n_reference=entry.counts.n_reference,
        n_candidate=entry.counts.n_candidate,
        is_lowest_score=index == len(curve.thresholds) - 1,
    )


def _with_room(found: Calibrated, curve: ScoreCurve, sought_from: float | None) -> Calibrated:
    """Return the threshold in the middle of those that keep the same picks."""
    lowest_kept = found.threshold
    below = sought_from
    if not found.is_lowest_score:
        below = float(curve.thresholds[curve.thresholds < lowest_kept].max())
    if below is None or below > lowest_kept:
        return found
    middle = (lowest_kept + below) / 2
    threshold = middle if middle > below else lowest_kept
    return replace(found, threshold=threshold, is_lowest_score=found.is_lowest_score and below > 0)


def best_f_beta(evaluation: Evaluation) -> dict[str, float]:
    """Return the F-beta of each object at its best threshold; 0 where nothing is found.

    Parameters
    ----------
    evaluation : Evaluation
        All candidates scored.
    """
    best = {}
    for entry in evaluation.objects:
        if entry.curve is not None:
            best[entry.name] = float(entry.curve.f_beta.max())
        else:
            best[entry.name] = float(entry.score.f_beta or 0.0)
    return best


def macro_f_beta(evaluation: Evaluation) -> float:
    """Return the weighted mean over objects of F-beta at each object's best threshold.

    Parameters
    ----------
    evaluation : Evaluation
        All candidates scored.
    """
    best = best_f_beta(evaluation)
    weights = np.array([entry.weight for entry in evaluation.objects])
    if weights.sum() == 0:
        weights = np.ones(len(best))
    return float(np.average(np.array(list(best.values())), weights=weights)) if best else 0.0
