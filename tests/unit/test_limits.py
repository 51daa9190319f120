"""Limits on sets of picks, and the merging of two sets."""

import numpy as np
import pytest

from copick_picker.core.localize.limits import inside, limited, merged, winners
from copick_picker.core.localize.quantiles import quantile_threshold, quantile_thresholds
from copick_picker.records.points import PickLimits, PickSet


def picks(points, scores, name="ribosome", **known):
    points = np.asarray(points, dtype=np.float64).reshape(-1, 3)
    return PickSet(name, points, np.asarray(scores, dtype=np.float64), **known)


LINE = np.array([[0.0, 0, 0], [3.0, 0, 0], [6.0, 0, 0], [50.0, 20, 10]])


def test_nothing_falls_without_limits():
    kept, dropped = limited({"ribosome": picks(LINE, [0.1, 0.4, 0.3, 0.2])}, {})
    assert np.array_equal(kept["ribosome"].points_xyz, LINE)
    assert sum(dropped["ribosome"].values()) == 0


def test_empty_sets_pass():
    rules = {"ribosome": PickLimits(0.5, 3, 10.0)}
    sets = {"ribosome": picks([], []), "other": picks([], [], "other")}
    kept, dropped = limited(
        sets, rules, between_angstrom=5.0, border_angstrom=4.0, last_xyz=(10.0, 20.0, 30.0)
    )
    assert [len(kept[name]) for name in sets] == [0, 0]
    assert all(count == 0 for counts in dropped.values() for count in counts.values())


def test_the_better_of_a_chain_stays_and_frees_the_next():
    """The middle pick loses to the first, so the third has no kept pick near it."""
    assert winners(LINE, np.array([0.9, 0.5, 0.4, 0.1]), 4.0).tolist() == [True, False, True, True]
    assert winners(LINE, np.array([0.4, 0.9, 0.5, 0.1]), 4.0).tolist() == [False, True, False, True]


def test_picks_at_the_very_distance_both_stay():
    assert winners(LINE, np.ones(4), 3.0).all()
    assert winners(LINE, np.ones(4), 3.0001).tolist() == [True, False, True, True]


def test_what_is_kept_keeps_its_order_and_all_that_is_known_of_it():
    turned = np.tile(np.eye(3), (4, 1, 1)) * np.arange(4.0)[:, None, None]
    given = picks(LINE, [0.1, 0.4, 0.3, 0.2], rotations=turned, instance_ids=np.arange(4))
    kept, dropped = limited({"ribosome": given}, {"ribosome": PickLimits(top=2)})
    assert kept["ribosome"].scores.tolist() == [0.4, 0.3]
    assert kept["ribosome"].instance_ids.tolist() == [1, 2]
    assert kept["ribosome"].rotations[:, 0, 0].tolist() == [1.0, 2.0]
    assert dropped["ribosome"]["beyond the top"] == 2


def test_axes_are_not_mixed_up_at_the_border():
    points = np.array([[95.0, 45, 15], [45.0, 95, 15], [15.0, 45, 95]])
    assert inside(points, (100.0, 50.0, 20.0), 0.0).tolist() == [True, False, False]
    assert inside(points, (100.0, 50.0, 20.0), 5.0).tolist() == [True, False, False]
    assert not inside(points, (100.0, 50.0, 20.0), 5.001).any()
    assert inside(points, (90.0, 50.0, 20.0), -5.0).tolist() == [True, False, False]


def test_the_number_is_taken_after_the_distances():
    given = picks(LINE, [0.9, 0.8, 0.3, 0.2])
    rules = {"ribosome": PickLimits(top=2, min_distance_angstrom=4.0)}
    kept, _ = limited({"ribosome": given}, rules)
    assert kept["ribosome"].scores.tolist() == [0.9, 0.3]


def test_merging_leaves_near_picks_of_one_set_alone():
    both = merged(picks(LINE, [0.5] * 4), picks([[1.0, 0, 0]], [0.5]), 4.0)
    assert len(both) == 4
    both = merged(picks(LINE, [0.5] * 4), picks([[1.0, 0, 0]], [0.6]), 4.0)
    assert both.scores.tolist() == [0.5, 0.5, 0.6]
    assert len(merged(picks([], []), picks(LINE, [0.5] * 4), 4.0)) == 4


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_two_objects_compete_whatever_their_order(order):
    sets = [picks([[0.0, 0, 0]], [0.2], "a"), picks([[1.0, 0, 0]], [0.7], "b")]
    given = {sets[at].object_name: sets[at] for at in order}
    kept, dropped = limited(given, {}, between_angstrom=2.0)
    assert (len(kept["a"]), len(kept["b"])) == (0, 1)
    assert dropped["a"]["too close to another object"] == 1


def test_the_quantile_threshold_is_the_kth_best_run():
    best = np.array([0.9, 0.1, -np.inf, 0.4, 0.4, np.nextafter(0.4, 1)])
    # 1/6 and less: one run; up to 2/6: two; 3/6 meets the tie, which both keep.
    assert quantile_threshold(best, 0.01) == 0.9
    assert quantile_threshold(best, 2 / 6) == np.nextafter(0.4, 1)
    assert quantile_threshold(best, 3 / 6) == 0.4
    assert (best >= quantile_threshold(best, 3 / 6)).sum() == 4
    assert quantile_threshold(best, 5 / 6) == 0.1
    assert quantile_threshold(best, 1.0) == -np.inf
    assert quantile_threshold([], 0.5) == -np.inf


@pytest.mark.parametrize("share", [0.05, 0.07, 0.29, 0.55, 0.57, 0.58, 1.0])
def test_shares_of_a_hundred_runs_are_exact(share):
    best = np.arange(100.0)
    assert (best >= quantile_threshold(best, share)).sum() == round(100 * share)


def test_quantiles_count_empty_sets_but_not_absent_ones():
    runs = [{"a": picks([[0, 0, 0]], [0.5], "a")}, {"a": picks([], [], "a")}, {}]
    runs += [{"b": picks([[0, 0, 0]], [np.nan], "b")}]
    assert quantile_thresholds(runs, {"a": 0.5, "b": 0.5, "c": 0.5}) == {
        "a": 0.5,
        "b": -np.inf,
        "c": -np.inf,
    }
