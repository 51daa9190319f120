"""Rates, errors, curves and intervals from counts and matches."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from copick_picker.core.evaluate.matching import HitScores
from copick_picker.core.evaluate.pairs import FloatArray
from copick_picker.records.scores import (
    Interval,
    LocalizationError,
    MatchCounts,
    Score,
    ScoreCurve,
)

RATE_NAMES = ("precision", "recall", "f1", "f_beta", "jaccard")


def rates(
    true_positives: npt.ArrayLike,
    false_positives: npt.ArrayLike,
    false_negatives: npt.ArrayLike,
    *,
    beta: float,
) -> FloatArray:
    """Return precision, recall, F1, F-beta and the Jaccard index of counts, element by element.

    ``P = TP / (TP + FP)``, ``R = TP / (TP + FN)``,
    ``F_b = (1 + b^2) P R / (b^2 P + R) = (1 + b^2) TP / ((1 + b^2) TP + b^2 FN + FP)`` [1]_,
    ``J = TP / (TP + FP + FN)``. A rate whose denominator is 0 is 0 as long as there is any pick;
    where there is none at all, every rate is NaN.

    Parameters
    ----------
    true_positives, false_positives, false_negatives : array_like, shape (...)
        Counts.
    beta : float
        How many times recall counts as much as precision.

    Returns
    -------
    numpy.ndarray, shape (5, ...), float64
        Rates in the order of ``RATE_NAMES``.

    References
    ----------
    .. [1] C. J. van Rijsbergen, "Information Retrieval", 2nd ed., Butterworths 1979, chapter 7.

    Examples
    --------
    >>> rates(8, 2, 0, beta=4.0).round(3).tolist()
    [0.8, 1.0, 0.889, 0.986, 0.8]
    """
    hit = np.asarray(true_positives, dtype=np.float64)
    false = np.asarray(false_positives, dtype=np.float64)
    missed = np.asarray(false_negatives, dtype=np.float64)
    weight = beta * beta
    denominators = (
        hit + false,
        hit + missed,
        2.0 * hit + missed + false,
        (1.0 + weight) * hit + weight * missed + false,
        hit + false + missed,
    )
    factors = (1.0, 1.0, 2.0, 1.0 + weight, 1.0)
    nothing = (hit == 0) & (false == 0) & (missed == 0)
    out = np.empty((len(RATE_NAMES), *hit.shape))
    for index, (factor, denominator) in enumerate(zip(factors, denominators, strict=True)):
        safe = np.where(denominator == 0, 1.0, denominator)
        out[index] = np.where(nothing, np.nan, np.where(denominator == 0, 0.0, factor * hit / safe))
    return out


def score_of(counts: MatchCounts, *, beta: float) -> Score:
    """Return the rates of counts; None where there is neither a reference nor a candidate.

    Parameters
    ----------
    counts : MatchCounts
        Counts.
    beta : float
        Weight of recall in F-beta.

    Examples
    --------
    >>> score_of(MatchCounts(8, 2, 0, 8, 10), beta=4.0).precision
    0.8
    """
    values = rates(counts.true_positives, counts.false_positives, counts.false_negatives, beta=beta)
    return score_from_rates(values)


def score_from_rates(values: npt.ArrayLike) -> Score:
    """Return a record of rates in the order of ``RATE_NAMES``; NaN becomes None.

    Parameters
    ----------
    values : array_like, shape (5,)
        Rates.
    """
    numbers = [float(value) for value in np.asarray(values)]
    return Score(*(None if np.isnan(number) else number for number in numbers))


def localization_error(reference_xyz: FloatArray, candidate_xyz: FloatArray) -> LocalizationError:
    """Return how far matched candidates lie from their reference picks.

    Parameters
    ----------
    reference_xyz, candidate_xyz : numpy.ndarray, shape (n, 3), float64
        Matched picks, row by row, (x, y, z) in Angstrom.

    Examples
    --------
    >>> error = localization_error(np.zeros((2, 3)), np.array([[3.0, 4, 0], [0, 0, 9]]))
    >>> error.mean_angstrom, error.mean_offset_xyz
    (7.0, (1.5, 2.0, 4.5))
    """
    if len(reference_xyz) == 0:
        return LocalizationError()
    offset = candidate_xyz - reference_xyz
    distance = np.linalg.norm(offset, axis=1)
    x, y, z = (float(value) for value in offset.mean(axis=0))
    return LocalizationError(
        n_pairs=len(distance),
        mean_angstrom=float(distance.mean()),
        median_angstrom=float(np.median(distance)),
        p95_angstrom=float(np.percentile(distance, 95)),
        mean_offset_xyz=(x, y, z),
    )


def score_curve(
    hit_scores: Sequence[HitScores],
    candidate_scores: Sequence[FloatArray],
    *,
    n_reference: int,
    beta: float,
) -> ScoreCurve | None:
    """Return precision and recall against the score threshold, pooled over runs.

    The average precision is ``sum_k (R_k - R_{k-1}) P_k`` over the distinct thresholds from the
    highest down, with ``R_0 = 0``: no interpolation [1]_.

    Parameters
    ----------
    hit_scores : sequence of HitScores
        One for each run.
    candidate_scores : sequence of numpy.ndarray, shape (m,), float64
        Scores of all candidates of each run.
    n_reference : int
        Reference picks of all runs.
    beta : float
        Weight of recall in F-beta.

    Returns
    -------
    ScoreCurve or None
        None where there is no reference, where the scores are not finite, or where there are
        fewer than two distinct ones: then a threshold tells nothing apart.

    References
    ----------
    .. [1] M. Zhu, "Recall, precision and average precision", University of Waterloo 2004.

    Examples
    --------
    >>> hits = np.array([0.9, 0.5])
    >>> curve = score_curve([HitScores(hits, hits)], [np.array([0.9, 0.7, 0.5])], n_reference=2,
    ...                     beta=1.0)
    >>> curve.precision.round(3).tolist(), curve.recall.tolist()
    ([1.0, 0.5, 0.667], [0.5, 0.5, 1.0])
    >>> round(curve.average_precision, 3)
    0.833
    """
    scores = np.concatenate([np.zeros(0), *candidate_scores])
    if n_reference == 0 or not np.isfinite(scores).all():
        return None
    thresholds = np.unique(scores)[::-1]
    if len(thresholds) < 2:
        return None
    hits = _count_at_least(np.concatenate([entry.hits for entry in hit_scores]), thresholds)
    found = _count_at_least(np.concatenate([entry.found for entry in hit_scores]), thresholds)
    taken = _count_at_least(scores, thresholds)
    values = rates(hits, taken - hits, n_reference - found, beta=beta)
    precision, recall, f_beta = values[0], values[1], values[3]
    average = float(np.sum(np.diff(recall, prepend=0.0) * precision))
    return ScoreCurve(thresholds, precision, recall, f_beta, average)


def _count_at_least(scores: FloatArray, thresholds: FloatArray) -> FloatArray:
    ordered = np.sort(scores)
    return (len(ordered) - np.searchsorted(ordered, thresholds, side="left")).astype(np.float64)


def bootstrap_weights(n_runs: int, *, n_replicates: int, rng: np.random.Generator) -> FloatArray:
    """Return how often each run occurs in each bootstrap replicate.

    Parameters
    ----------
    n_runs : int
        Runs to draw from, with replacement, as many as there are.
    n_replicates : int
        Replicates.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    numpy.ndarray, shape (n_replicates, n_runs), float64
        Whole numbers; each row sums to ``n_runs``.
    """
    draws = rng.multinomial(n_runs, np.full(n_runs, 1.0 / n_runs), size=n_replicates)
    return draws.astype(np.float64)


def percentile_intervals(replicates: FloatArray, *, confidence: float) -> dict[str, Interval]:
    """Return the percentile interval of each rate over bootstrap replicates.

    Parameters
    ----------
    replicates : numpy.ndarray, shape (5, n_replicates), float64
        Rates in the order of ``RATE_NAMES``; NaN where a replicate holds no pick.
    confidence : float
        Share of the replicates inside the interval.

    Returns
    -------
    dict
        Name of the rate -> (low, high).

    References
    ----------
    B. Efron, R. Tibshirani, "An Introduction to the Bootstrap", Chapman & Hall 1993, chapter 13.
    """
    tail = 50.0 * (1.0 - confidence)
    intervals = {}
    for name, values in zip(RATE_NAMES, replicates, strict=True):
        finite = values[np.isfinite(values)]
        if len(finite):
            low, high = np.percentile(finite, [tail, 100.0 - tail])
            intervals[name] = (float(low), float(high))
    return intervals


def weighted_mean(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the weighted mean over the last axis, leaving out NaN; NaN where nothing is left.

    Parameters
    ----------
    values : numpy.ndarray, shape (..., n), float64
        Rates of n objects.
    weights : numpy.ndarray, shape (n,), float64
        Weight of each object, not negative.

    Examples
    --------
    >>> weighted_mean(np.array([[1.0, 0.5, np.nan]]), np.array([1.0, 3.0, 7.0])).tolist()
    [0.625]
    """
    present = np.isfinite(values)
    total = np.sum(present * weights, axis=-1)
    summed = np.sum(np.where(present, values, 0.0) * weights, axis=-1)
    return np.where(total > 0, summed / np.where(total > 0, total, 1.0), np.nan)
