"""Two evaluations of the same runs: the difference of their rates, and which picks changed."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import KDTree

from copick_picker.core.evaluate.metrics import (
    RATE_NAMES,
    bootstrap_weights,
    percentile_intervals,
    rates,
    weighted_mean,
)
from copick_picker.core.evaluate.pairs import FloatArray
from copick_picker.errors import DataError
from copick_picker.records.scores import Interval


@dataclass(frozen=True)
class ComparisonRules:
    """How two evaluations are compared.

    Attributes
    ----------
    beta : float
        Weight of recall in F-beta.
    n_bootstrap, min_bootstrap_runs : int
        Replicates of the bootstrap, and the fewest runs from which it is done.
    confidence : float
        Share of the replicates inside an interval.
    absent_is_zero : bool
        Whether an object without any rate counts as 0 in the macro average.
    """

    beta: float
    n_bootstrap: int
    min_bootstrap_runs: int
    confidence: float
    absent_is_zero: bool


@dataclass(frozen=True)
class Difference:
    """One rate of two evaluations.

    Attributes
    ----------
    rate : str
        ``precision``, ``recall``, ``f1``, ``f_beta`` or ``jaccard``.
    first, second : float or None
        Its values; None where there is nothing to score.
    difference : float or None
        Second less first.
    interval : tuple of float or None
        Bootstrap interval of the difference over runs; None where the runs are too few.
    """

    rate: str
    first: float | None
    second: float | None
    difference: float | None
    interval: Interval | None


def paired_differences(
    first: FloatArray,
    second: FloatArray,
    weights: FloatArray,
    *,
    average: str,
    rules: ComparisonRules,
    rng: np.random.Generator,
) -> list[Difference]:
    """Return the difference of every rate between two evaluations of the same runs.

    The bootstrap draws runs with replacement, the same runs for both [1]_, so that what makes a run
    hard for both does not widen the interval.

    Parameters
    ----------
    first, second : numpy.ndarray, shape (n_runs, n_objects, 3), float64
        True positives, false positives and false negatives of each run and object.
    weights : numpy.ndarray, shape (n_objects,), float64
        Weight of each object in the macro average.
    average : str
        ``micro`` sums counts over objects, ``macro`` averages rates by weight.
    rules : ComparisonRules
        Beta, replicates, confidence.
    rng : numpy.random.Generator
        Source of randomness.

    Raises
    ------
    DataError
        If the shapes differ.

    References
    ----------
    .. [1] B. Efron, R. Tibshirani, "An Introduction to the Bootstrap", Chapman & Hall 1993,
       chapter 8.

    Examples
    --------
    >>> first = np.array([[[8.0, 2, 2]], [[6, 4, 4]]])
    >>> second = np.array([[[9.0, 1, 1]], [[7, 3, 3]]])
    >>> rules = ComparisonRules(4.0, 0, 5, 0.95, absent_is_zero=False)
    >>> found = paired_differences(first, second, np.ones(1), average="micro", rules=rules,
    ...     rng=np.random.default_rng(0))
    >>> round(found[0].difference, 3), found[0].interval
    (0.1, None)
    """
    if first.shape != second.shape or first.ndim != 3 or first.shape[2] != 3:
        msg = (
            f"counts have shapes {first.shape} and {second.shape}; expected (run, object, 3) twice"
        )
        raise DataError(msg)

    def rates_of(counts: FloatArray) -> FloatArray:
        if average == "micro":
            return rates(*np.moveaxis(counts.sum(axis=-2), -1, 0), beta=rules.beta)
        values = rates(*np.moveaxis(counts, -1, 0), beta=rules.beta)
        return weighted_mean(np.nan_to_num(values) if rules.absent_is_zero else values, weights)

    pair = [rates_of(counts.sum(axis=0)) for counts in (first, second)]
    n_runs = len(first)
    intervals: dict[str, Interval] = {}
    if rules.n_bootstrap and n_runs >= rules.min_bootstrap_runs:
        drawn = bootstrap_weights(n_runs, n_replicates=rules.n_bootstrap, rng=rng)
        replicates = [rates_of(np.tensordot(drawn, counts, axes=1)) for counts in (first, second)]
        intervals = percentile_intervals(replicates[1] - replicates[0], confidence=rules.confidence)
    return [
        Difference(name, _known(a), _known(b), _known(b - a), intervals.get(name))
        for name, a, b in zip(RATE_NAMES, *pair, strict=True)
    ]


def without_near(
    points_xyz: FloatArray, other_xyz: FloatArray, distance_angstrom: float
) -> npt.NDArray[np.bool_]:
    """Return which points have none of the others within a distance.

    Parameters
    ----------
    points_xyz, other_xyz : numpy.ndarray, shape (n, 3) and (m, 3), float64
        Centres (x, y, z) in Angstrom.
    distance_angstrom : float
        The distance.

    Returns
    -------
    numpy.ndarray, shape (n,), bool
        True where no other point is as near.

    Examples
    --------
    >>> without_near(np.array([[0.0, 0, 0], [50, 0, 0]]), np.array([[4.0, 3, 0]]), 5.0).tolist()
    [False, True]
    """
    if not len(points_xyz) or not len(other_xyz):
        return np.ones(len(points_xyz), dtype=np.bool_)
    nearest, _ = KDTree(other_xyz).query(points_xyz)
    return np.asarray(nearest > distance_angstrom, dtype=np.bool_)


def _known(value: float) -> float | None:
    number = float(value)
    return number if np.isfinite(number) else None
