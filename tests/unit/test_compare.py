"""The difference between two evaluations of the same runs."""

import numpy as np
import pytest

from copick_picker.core.evaluate.compare import (
    ComparisonRules,
    paired_differences,
    without_near,
)
from copick_picker.errors import DataError

RULES = ComparisonRules(
    beta=1.0, n_bootstrap=2000, min_bootstrap_runs=5, confidence=0.95, absent_is_zero=False
)


def differences(first, second, *, weights=(1.0,), average="micro", rules=RULES, seed=0):
    found = paired_differences(
        np.array(first, dtype=float),
        np.array(second, dtype=float),
        np.array(weights),
        average=average,
        rules=rules,
        rng=np.random.default_rng(seed),
    )
    return {entry.rate: entry for entry in found}


def test_differences_by_hand():
    first = [[[6, 2, 4]], [[2, 0, 0]]]
    second = [[[8, 2, 2]], [[1, 0, 1]]]
    found = differences(first, second)
    assert found["precision"].first == 0.8
    assert found["precision"].second == pytest.approx(9 / 11)
    assert found["recall"].first == pytest.approx(8 / 12)
    assert found["recall"].difference == pytest.approx(9 / 12 - 8 / 12)
    assert found["f1"].interval is None  # two runs


def test_macro_weighs_objects():
    first = [[[1, 0, 1], [4, 0, 0]]]
    second = [[[2, 0, 0], [2, 0, 2]]]
    found = differences(first, second, weights=(3.0, 1.0), average="macro")
    assert found["recall"].first == pytest.approx((3 * 0.5 + 1) / 4)
    assert found["recall"].second == pytest.approx((3 * 1 + 0.5) / 4)


@pytest.mark.parametrize(("absent_is_zero", "expected"), [(False, 1.0), (True, 0.5)])
def test_an_object_without_picks_counts_as_zero_or_not_at_all(absent_is_zero, expected):
    rules = ComparisonRules(1.0, 0, 5, 0.95, absent_is_zero)
    counts = [[[2, 0, 0], [0, 0, 0]]]
    found = differences(counts, counts, weights=(1.0, 1.0), average="macro", rules=rules)
    assert found["f1"].first == expected
    assert found["f1"].difference == 0.0


def test_where_there_is_nothing_there_is_no_difference():
    counts = [[[0, 0, 0]]] * 6
    found = differences(counts, counts)
    assert found["f1"].first is None
    assert found["f1"].difference is None
    assert found["f1"].interval is None


def test_the_interval_is_that_of_paired_runs():
    # runs differ much in how hard they are; the second finds one more in each
    hits = np.array([1, 3, 5, 7, 9, 11, 13, 15])
    first = np.stack([hits, np.zeros(8), 20 - hits], axis=1)[:, None]
    second = first + np.array([1.0, 0.0, -1.0])
    found = differences(first, second)["recall"]
    assert found.difference == pytest.approx(1 / 20)
    assert found.interval == pytest.approx((1 / 20, 1 / 20))
    spread = differences(first, first[::-1])["recall"].interval
    assert spread[0] < -0.2 < 0.2 < spread[1]


def test_the_interval_covers_the_true_difference_most_of_the_time():
    rng = np.random.default_rng(7)
    rules = ComparisonRules(1.0, 300, 5, 0.95, absent_is_zero=False)
    inside = 0
    for seed in range(200):
        hits = [rng.binomial(40, share, size=(30, 1)) for share in (0.6, 0.7)]
        pair = [np.stack([h, np.zeros_like(h), 40 - h], axis=-1) for h in hits]
        low, high = differences(*pair, rules=rules, seed=seed)["recall"].interval
        inside += low <= 0.1 <= high
    assert 0.88 <= inside / 200 <= 0.99


def test_the_same_seed_gives_the_same_interval():
    first = np.random.default_rng(0).integers(0, 20, (9, 2, 3))
    second = np.random.default_rng(1).integers(0, 20, (9, 2, 3))
    weights = (1.0, 2.0)
    assert differences(first, second, weights=weights) == differences(
        first, second, weights=weights
    )


@pytest.mark.parametrize("shape", [(3, 2), (3, 2, 4), (4, 2, 3)])
def test_counts_of_another_shape_are_refused(shape):
    with pytest.raises(DataError, match="expected \\(run, object, 3\\) twice"):
        differences(np.zeros((3, 2, 3)), np.zeros(shape))


def test_points_with_and_without_neighbours():
    points = np.array([[0.0, 0, 0], [100, 0, 0], [0, 30, 40]])
    others = np.array([[0.0, 0, 5], [0, 0, 40]])
    assert without_near(points, others, 30.0).tolist() == [False, True, False]
    assert without_near(points, others, 29.9).tolist() == [False, True, True]
    assert without_near(points, np.zeros((0, 3)), 30.0).tolist() == [True, True, True]
    assert without_near(np.zeros((0, 3)), others, 30.0).shape == (0,)
