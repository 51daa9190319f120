import numpy as np
import pytest

from copick_picker.core.evaluate.matching import HitScores
from copick_picker.core.evaluate.metrics import (
    bootstrap_weights,
    localization_error,
    percentile_intervals,
    rates,
    score_curve,
    score_of,
    weighted_mean,
)
from copick_picker.records.scores import LocalizationError, MatchCounts, Score


def same(scores: list[float]) -> HitScores:
    values = np.array(scores, dtype=np.float64)
    return HitScores(values, values)


def test_rates_by_hand() -> None:
    precision, recall, f1, f_beta, jaccard = rates(30, 10, 20, beta=4.0)
    assert precision == 0.75
    assert recall == 0.6
    assert f1 == pytest.approx(2 * 0.75 * 0.6 / 1.35)
    assert f_beta == pytest.approx(17 * 0.75 * 0.6 / (16 * 0.75 + 0.6))
    assert jaccard == 0.5


def test_rates_where_a_denominator_is_zero() -> None:
    assert score_of(MatchCounts(0, 0, 5, 5, 0), beta=1.0) == Score(0.0, 0.0, 0.0, 0.0, 0.0)
    assert score_of(MatchCounts(0, 7, 0, 0, 7), beta=1.0) == Score(0.0, 0.0, 0.0, 0.0, 0.0)
    assert score_of(MatchCounts(), beta=1.0) == Score()


def test_counts_add_up() -> None:
    total = MatchCounts(1, 2, 3, 4, 5, 6) + MatchCounts(10, -20, 30, 40, 50, 60)
    assert total == MatchCounts(11, -18, 33, 44, 55, 66)


def test_curve_pools_runs_and_treats_equal_scores_together() -> None:
    curve = score_curve(
        [same([0.9, 0.5]), same([0.9])],
        [np.array([0.9, 0.5, 0.5]), np.array([0.9, 0.1])],
        n_reference=4,
        beta=1.0,
    )
    assert curve is not None
    assert curve.thresholds.tolist() == [0.9, 0.5, 0.1]
    assert curve.precision.tolist() == [1.0, 0.75, 0.6]
    assert curve.recall.tolist() == [0.5, 0.75, 0.75]
    assert curve.average_precision == pytest.approx(0.5 * 1.0 + 0.25 * 0.75)


@pytest.mark.parametrize(
    ("scores", "n_reference"),
    [([], 3), ([1.0, 1.0], 3), ([0.2, np.nan], 3), ([0.2, 0.9], 0)],
    ids=["no candidates", "equal scores", "nan", "no reference"],
)
def test_no_curve_where_scores_tell_nothing(scores: list[float], n_reference: int) -> None:
    values = np.array(scores, dtype=np.float64)
    assert score_curve([same([])], [values], n_reference=n_reference, beta=1.0) is None


def test_localization_error_in_angstrom() -> None:
    reference = np.array([[100.0, 20, 3], [0, 0, 0], [7, 7, 7]])
    offset = np.array([[3.0, 4, 0], [0, 0, 12], [0, 0, 0]])
    error = localization_error(reference, reference + offset)
    assert error.n_pairs == 3
    assert error.mean_angstrom == pytest.approx(17 / 3)
    assert error.median_angstrom == pytest.approx(5.0)
    assert error.p95_angstrom == pytest.approx(np.percentile([0, 5, 12], 95))
    assert error.mean_offset_xyz == pytest.approx((1.0, 4 / 3, 4.0))
    assert localization_error(np.zeros((0, 3)), np.zeros((0, 3))) == LocalizationError()


def test_bootstrap_draws_as_many_runs_as_there_are_and_repeats_with_the_seed() -> None:
    weights = bootstrap_weights(7, n_replicates=200, rng=np.random.default_rng(5))
    assert weights.shape == (200, 7)
    assert (weights.sum(axis=1) == 7).all()
    again = bootstrap_weights(7, n_replicates=200, rng=np.random.default_rng(5))
    other = bootstrap_weights(7, n_replicates=200, rng=np.random.default_rng(6))
    assert (weights == again).all()
    assert (weights != other).any()


def test_interval_holds_the_wanted_share_of_replicates() -> None:
    replicates = np.tile(np.linspace(0, 1, 1001), (5, 1))
    replicates[2] = np.nan
    intervals = percentile_intervals(replicates, confidence=0.9)
    assert intervals["recall"] == pytest.approx((0.05, 0.95))
    assert "f1" not in intervals


def test_weighted_mean_leaves_out_what_has_no_value() -> None:
    values = np.array([[0.2, 0.8, np.nan], [np.nan, np.nan, np.nan]])
    mean = weighted_mean(values, np.array([3.0, 1.0, 5.0]))
    assert mean[0] == pytest.approx(0.35)
    assert np.isnan(mean[1])
    assert np.isnan(weighted_mean(np.array([1.0]), np.array([0.0])))
