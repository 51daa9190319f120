"""Patches by kind: what they hold, how often each is drawn, what replaces a missing one."""

from collections import Counter

import numpy as np
import pytest
import torch
from torch import nn

from copick_picker.core.heads.head import build_head
from copick_picker.core.heads.rules import HeadRules
from copick_picker.core.train.kinds import PATCH_KINDS, check_kinds, place_by_kind
from copick_picker.core.train.module import LearningPlan, PickerModule, as_tensors
from copick_picker.core.train.sampling import (
    Batch,
    SamplingRules,
    TrainingRun,
    batch_at,
    check_runs,
)
from copick_picker.core.train.sources import ArraySource
from copick_picker.errors import SettingsError, UnknownNameError

WINDOW = (12, 16, 16)
SHAPE = (40, 60, 72)
ALL = {"single": 4.0, "multi": 1.0, "hard-negative": 2.0, "negative": 3.0}


def run_of(name, points, *, mined=(), shape=SHAPE, channel=1):
    source = ArraySource(np.zeros(shape, np.float32))
    centres = {channel: np.array(points, dtype=float).reshape(-1, 3)}
    negatives = np.array(mined, dtype=float).reshape(-1, 3)
    return TrainingRun(name, source, centres, {channel: 2.0}, None, negatives)


ALONE = run_of("alone", [[20.0, 30.0, 36.0]])
PAIR = run_of("pair", [[20.0, 30.0, 36.0], [23.0, 36.0, 31.0]])
EMPTY = run_of("empty", [])


def drawn(runs, weights, n=200, *, matrix=None, seed=1):
    rng = np.random.default_rng(seed)
    turn = np.eye(3) if matrix is None else matrix
    return [
        place_by_kind(runs, weights, window_voxels=WINDOW, matrix=turn, rng=rng) for _ in range(n)
    ]


def n_inside(run, placement):
    """Return the centres in the box of a patch whose axes are those of the volume."""
    half = (np.abs(placement.matrix) @ (np.array(WINDOW) - 1)) / 2 + 0.5
    points = np.concatenate([np.zeros((0, 3)), *run.centres_zyx.values()])
    return int((np.abs(points - placement.centre_zyx) <= half).all(axis=1).sum())


@pytest.mark.parametrize("matrix", [np.eye(3), np.diag([1.0, -1.0, 1.0])[[0, 2, 1]]])
def test_a_patch_holds_what_its_kind_says(matrix):
    runs = [ALONE, EMPTY, PAIR]
    seen = Counter()
    for kind, number, placement in drawn(runs, ALL, 400, matrix=matrix):
        held = n_inside(runs[number], placement)
        assert {"single": held == 1, "multi": held > 1}.get(kind, held == 0), (kind, held)
        low = placement.centre_zyx - np.abs(matrix) @ (np.array(WINDOW) - 1) / 2
        high = placement.centre_zyx + np.abs(matrix) @ (np.array(WINDOW) - 1) / 2
        assert (low >= 0).all()
        assert (high <= np.array(SHAPE) - 1).all()
        seen[kind] += 1
    assert set(seen) == set(PATCH_KINDS)
    shares = np.array([seen[kind] for kind in PATCH_KINDS]) / 400
    assert np.abs(shares - np.array([0.4, 0.1, 0.2, 0.3])).max() < 0.07


def test_a_single_particle_lies_anywhere_but_at_the_rim():
    places = np.array(
        [
            placement.points(ALONE.centres_zyx[1], SHAPE, reach_voxels=0)[0]
            for _, _, placement in drawn([ALONE], {"single": 1})
        ]
    )
    sides = np.array(WINDOW) - 1
    assert places.min(axis=0) == pytest.approx(0.15 * sides, abs=1.0)
    assert places.max(axis=0) == pytest.approx(0.85 * sides, abs=1.0)
    assert places.mean(axis=0) == pytest.approx(sides / 2, abs=0.8)


def test_a_hard_negative_has_its_particle_a_little_beyond_a_face():
    sides = np.array(WINDOW)
    for kind, _, placement in drawn([ALONE], {"hard-negative": 1}):
        assert kind == "hard-negative"
        (local,) = placement.points(ALONE.centres_zyx[1], SHAPE, reach_voxels=20)
        beyond = np.maximum(-local, local - (sides - 1))
        axis = int(beyond.argmax())
        share = beyond[axis] / sides[axis]
        assert 0.1 - 0.5 / sides[axis] <= share <= 0.3 + 0.5 / sides[axis]
        assert np.delete(beyond, axis).max() <= 0.5


def test_mined_false_picks_are_hard_negatives_too():
    mined = run_of("mined", [[20.0, 30.0, 10.0]], mined=[[20.0, 30.0, 60.0]])
    at_mined = [
        len(placement.points(np.array([[20.0, 30.0, 60.0]]), SHAPE, reach_voxels=0))
        for _, _, placement in drawn([mined], {"hard-negative": 1})
    ]
    assert 0.35 < np.mean(at_mined) < 0.65


def test_runs_without_a_particle_give_negatives_as_often_as_others():
    runs = [ALONE, EMPTY, PAIR, run_of("none", [], channel=2)]
    numbers = Counter(number for _, number, _ in drawn(runs, {"negative": 1}, 400))
    assert min(numbers.values()) > 70
    assert len(numbers) == 4


@pytest.mark.parametrize(
    ("runs", "weights", "expected"),
    [
        ([EMPTY], ALL, {"negative"}),
        ([ALONE], {"multi": 1.0}, {"single"}),
        ([ALONE, EMPTY], {"hard-negative": 1.0}, {"hard-negative"}),
    ],
)
def test_a_kind_that_is_nowhere_becomes_another(runs, weights, expected):
    assert {kind for kind, _, _ in drawn(runs, weights, 50)} == expected


def test_among_crowded_particles_a_patch_goes_by_what_it_holds():
    grid = np.stack(np.meshgrid(*(np.arange(2, side, 5) for side in SHAPE), indexing="ij"))
    crowd = run_of("crowd", grid.reshape(3, -1).T)
    found = drawn([crowd], {"negative": 1, "single": 1, "multi": 1}, 30)
    assert {kind for kind, _, _ in found} == {"multi"}
    assert min(n_inside(crowd, placement) for _, _, placement in found) >= 2


def test_a_batch_depends_on_its_number_alone_and_tells_its_kinds():
    rules = SamplingRules(WINDOW, 6, 0.7, 0.1, ALL)
    head = build_head("softmax", HeadRules(1, "spheres", 1.0, 1, "cross-entropy", {}, (1, 1)))
    tilts = {"flips": {}, "tilts": {"share": 1.0, "max_degrees": 10.0}}
    given = {"rules": rules, "head": head, "augmentations": tilts, "seed": 4}
    runs = [ALONE, EMPTY, PAIR]
    batches = [batch_at(step, runs=runs, **given) for step in range(8)]
    again = batch_at(5, runs=runs, **given)
    assert np.array_equal(again.targets, batches[5].targets)
    assert again.kinds == batches[5].kinds
    assert {kind for batch in batches for kind in batch.kinds} == set(PATCH_KINDS)
    for batch in batches:
        for kind, target in zip(batch.kinds, batch.targets, strict=True):
            if kind in ("single", "multi"):
                assert target.any()


def test_the_loss_of_each_kind_is_the_mean_over_its_patches():
    plan = LearningPlan(10, None, 0, 0.1, 1.0, frozenset(), 0.0, 0.9, 0)
    module = PickerModule(nn.Identity(), nn.MSELoss(), plan, output_stride=1)
    patches = np.zeros((3, 1, 2, 2, 2), np.float32)
    targets = np.ones_like(patches) * np.array([1.0, 2.0, 3.0]).reshape(3, 1, 1, 1, 1)
    rules = {"run_names": ("a", "b", "c"), "kinds": ("single", "negative", "single")}
    batch = as_tensors(Batch(patches, targets.astype(np.float32), **rules))
    module.training_step(batch, 0)
    assert module.kind_losses() == {}
    module.tells_kinds = True
    assert float(module.training_step(batch, 0)) == pytest.approx((1 + 4 + 9) / 3)
    assert module.kind_losses() == {"negative": pytest.approx(4.0), "single": pytest.approx(5.0)}
    assert module.kind_losses() == {}
    assert torch.is_tensor(batch.patches)


@pytest.mark.parametrize(
    ("weights", "kind", "message"),
    [
        ({"singel": 1.0}, UnknownNameError, "no kind of patch 'singel'; did you mean 'single'"),
        ({"single": -1.0}, SettingsError, "patch kind single has the weight -1"),
        ({"multi": 0.0}, SettingsError, "no kind of patch has a weight above 0"),
        ({}, SettingsError, "no kind of patch has a weight above 0"),
    ],
)
def test_wrong_weights_are_one_line(weights, kind, message):
    with pytest.raises(kind) as error:
        check_kinds(weights)
    assert str(error.value).startswith(message)
    with pytest.raises(kind):
        check_runs([ALONE], SamplingRules(WINDOW, 1, 0.7, 0.1, weights))
