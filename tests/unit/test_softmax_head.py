"""Targets of the softmax head on a grid of half the resolution, and the weights of its channels."""

import numpy as np
import pytest

from copick_picker.core.heads.head import build_head
from copick_picker.core.heads.rules import HeadRules
from copick_picker.core.heads.targets import PatchTruth
from copick_picker.records.runs import ObjectSpec
from copick_picker.settings.train import TrainSettings
from copick_picker.workflows.train.data import TrainingData
from copick_picker.workflows.train.training import head_rules

SHAPE = (28, 32, 36)


def head(stride, fraction=0.5):
    weights = (1.0, 1.0, 1.0)
    rules = HeadRules(2, "spheres", fraction, stride, "cross-entropy", {}, weights)
    return build_head("softmax", rules)


@pytest.mark.parametrize("painted", [2.0, 3.25, 7.5])
def test_balls_on_the_coarse_grid_keep_their_size_and_place(painted):
    rng = np.random.default_rng(3)
    volumes, shifts = [], []
    for _ in range(100):
        centre = rng.uniform(9, np.array(SHAPE) - 10)
        truth = PatchTruth(SHAPE, {2: centre[None]}, {2: 2.0 * painted})
        target = head(2).target(truth)
        assert target.shape == (14, 16, 18)
        assert target.dtype == np.int64
        assert set(np.unique(target)) == {0, 2}
        voxels = np.argwhere(target == 2)
        volumes.append(8 * len(voxels))
        shifts.append(2 * voxels.mean(axis=0) + 0.5 - centre)
    assert np.mean(volumes) == pytest.approx(4 / 3 * np.pi * painted**3, rel=0.05)
    assert np.abs(np.mean(shifts, axis=0)).max() < 0.1


def test_the_smallest_ball_is_seen_wherever_it_lies():
    rng = np.random.default_rng(4)
    centres = [np.array([[2.5, 4.5, 6.5]]), *(rng.uniform(2, 26, (1, 3)) for _ in range(50))]
    for centre in centres:
        truth = PatchTruth(SHAPE, {1: centre, 2: np.zeros((0, 3))}, {1: 0.4, 2: 5.0})
        found = np.argwhere(head(2).target(truth) == 1)
        assert 1 <= len(found) <= 8
        assert np.abs(2 * found + 0.5 - centre).max() <= 2.5


def data(**radii):
    objects = tuple(
        ObjectSpec(name, label, radius) for label, (name, radius) in enumerate(radii.items(), 1)
    )
    return TrainingData(objects, (), 10.0, "dark")


def weights(given, **settings):
    made = TrainSettings(config="config.json", picks="*", output="model", **settings)
    return head_rules(made, given, 2).channel_weights


def test_small_objects_weigh_more_unless_the_user_says_otherwise():
    given = data(small=50.0, large=150.0, middle=100.0)
    assert weights(given, object_weight=2.0, size_power=1.0) == pytest.approx((1, 6, 2, 3))
    assert weights(given, object_weight=2.0, size_power=0.0) == (1, 2, 2, 2)
    assert weights(given, size_power=2.0, weight={"small": 1.5}) == pytest.approx((1, 1.5, 2, 4.5))
