"""Score thresholds that keep a stated share of runs: for objects that most runs lack."""

import math
from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from copick_picker.records.points import PickSet

_ROUNDING = 1e-9
"""Slack when a share times a number of runs is rounded up: 0.55 of 100 runs are 55."""


def best_score(picks: PickSet) -> float:
    """Return the highest score of a pick set, -inf if it is empty.

    Parameters
    ----------
    picks : PickSet
        Picks of one object in one run; a score that is NaN is none.

    Examples
    --------
    >>> best_score(PickSet("motor", np.zeros((2, 3)), np.array([0.2, 0.7])))
    0.7
    """
    known = picks.scores[~np.isnan(picks.scores)]
    return float(known.max(initial=-np.inf))


def quantile_threshold(best_scores: npt.ArrayLike, share: float) -> float:
    """Return the score at which a share of runs keep a pick.

    It is the k-th highest of the runs' best scores, k being the share of the runs, rounded up. Runs
    that tie with the k-th keep theirs too. This fixes how many tomograms get an answer where scores
    of different models, or of different data, cannot be compared: the entries that won the
    challenge BYU 2025 chose their threshold so.

    Parameters
    ----------
    best_scores : array_like, shape (n,)
        Best score of each run, -inf for a run without picks.
    share : float
        Share of the runs, above 0, at most 1.

    Returns
    -------
    float
        Lowest score that is kept; -inf, which keeps all, if fewer than k runs have a pick.

    Examples
    --------
    >>> quantile_threshold([0.9, 0.1, 0.4, 0.3], 0.5)
    0.4
    >>> quantile_threshold([0.9, -np.inf, -np.inf, -np.inf], 0.5)
    -inf
    """
    ordered = np.sort(np.asarray(best_scores, dtype=np.float64))[::-1]
    n_kept = min(len(ordered), max(1, math.ceil(share * len(ordered) - _ROUNDING)))
    return float(ordered[n_kept - 1]) if len(ordered) else -math.inf


def quantile_thresholds(
    runs: Iterable[Mapping[str, PickSet]], shares: Mapping[str, float]
) -> dict[str, float]:
    """Return the :func:`quantile_threshold` of each object over runs.

    Parameters
    ----------
    runs : iterable of mapping
        For each run, object name -> its picks. A run that lacks an object does not count for it;
        an empty set counts.
    shares : mapping of str to float
        Object name -> share of its runs that keep a pick.

    Returns
    -------
    dict
        Object name -> lowest score that is kept, for the objects of ``shares``.

    Examples
    --------
    >>> sets = [PickSet("motor", np.zeros((1, 3)), np.array([score])) for score in (0.2, 0.8)]
    >>> quantile_thresholds([{"motor": picks} for picks in sets], {"motor": 0.5})
    {'motor': 0.8}
    """
    best: dict[str, list[float]] = {name: [] for name in shares}
    for sets in runs:
        for name in best.keys() & sets.keys():
            best[name].append(best_score(sets[name]))
    return {name: quantile_threshold(best[name], share) for name, share in shares.items()}
