"""Which runs are trained on, what a network starts from, and the losses."""

import numpy as np
import pytest
import torch
from torch import nn

from copick_picker.core.heads.head import outputs_of
from copick_picker.core.heads.losses import LOSSES, build_loss
from copick_picker.core.models.residual_unet import ResidualUNet
from copick_picker.core.segment.prepared import prepared
from copick_picker.core.train.splits import check_split, fixed_split, fold_splits, share_split
from copick_picker.core.train.starting import start_from
from copick_picker.errors import CheckpointError, DataError, SettingsError, UnknownNameError

GIVEN = {"alpha": 0.3, "beta": 0.7, "gamma": 2.0}


def counts(n_runs=12, rare=(2, 5, 9)):
    return {
        f"TS_{number:02}": {"ribosome": 4, "rare": 3 * (number in rare), "never": 0}
        for number in range(n_runs)
    }


@pytest.mark.parametrize("seed", range(6))
def test_folds_share_no_run_hold_all_and_have_every_object(seed):
    splits = fold_splits(counts(), 3, seed=seed)
    folds = [set(split.validation) for split in splits]
    assert set.union(*folds) == set(counts())
    assert [len(fold) for fold in folds] == [4, 4, 4]
    for split in splits:
        assert not set(split.training) & set(split.validation)
        assert len(split.training) + len(split.validation) == 12
        assert sum(counts()[name]["rare"] > 0 for name in split.validation) == 1


def test_folds_depend_on_the_seed_and_not_on_the_order_of_the_runs():
    turned = dict(reversed(counts().items()))
    folds = [[set(s.validation) for s in fold_splits(one, 3, seed=4)] for one in (counts(), turned)]
    assert folds[0] == folds[1]
    assert fold_splits(counts(), 3, seed=4) != fold_splits(counts(), 3, seed=5)


def test_folds_of_unequal_size_are_as_equal_as_can_be():
    splits = fold_splits(counts(11, rare=range(11)), 4, seed=1)
    assert sorted(len(split.validation) for split in splits) == [2, 3, 3, 3]


def test_an_object_in_fewer_runs_than_folds_is_named_with_the_fold():
    with pytest.raises(
        DataError, match=r"fold \d of 4 has no 'rare' in its validation runs.*TS_02"
    ):
        fold_splits(counts(), 4, seed=1)
    with pytest.raises(DataError, match="'rare' in its training runs"):
        fixed_split(counts(), ["TS_02", "TS_05", "TS_09"])
    with pytest.raises(DataError, match="'rare' in its validation runs"):
        fixed_split(counts(), ["TS_01"])


def test_a_share_of_the_runs_validates():
    for seed in range(5):
        split = share_split(counts(), 0.25, seed=seed)
        assert len(split.validation) == 3
        assert any(counts()[name]["rare"] for name in split.validation)
    assert len(share_split({"a": {"x": 1}, "b": {"x": 1}}, 0.9, seed=1).training) == 1
    with pytest.raises(SettingsError, match="between 0 and 1"):
        share_split(counts(), 1.0, seed=1)


def test_one_run_unknown_runs_and_too_many_folds_are_refused():
    one = {"TS_1": {"x": 3}}
    for split in (
        lambda: fold_splits(one, 2, seed=1),
        lambda: share_split(one, 0.5, seed=1),
        lambda: fixed_split(one, ["TS_1"]),
    ):
        with pytest.raises(DataError, match="only one run"):
            split()
    with pytest.raises(UnknownNameError, match="TS_99"):
        fixed_split(counts(), ["TS_99"])
    with pytest.raises(SettingsError, match="13 folds of 12 runs"):
        fold_splits(counts(), 13, seed=1)
    split = fixed_split(counts(), ["TS_02", "TS_05"])
    check_split(counts(), split, "the split")


def network(n_out=3, **changes):
    return ResidualUNet(1, n_out, (4, 8), 0.0, **changes)


def test_a_network_takes_over_what_fits_and_says_what_does_not():
    torch.manual_seed(1)
    other, own = network(5), network(3)
    fresh = own.head.weight.clone()
    state = {**other.state_dict(), "extra.weight": torch.ones(2)}
    report = start_from(own, state, least_share=0.5)
    assert torch.equal(own.stem.weight, other.stem.weight)
    assert torch.equal(own.head.weight, fresh)
    assert "stem.weight" in report.matched
    assert [name.split(" ")[0] for name in report.mismatched] == ["head.weight", "head.bias"]
    assert report.unused == ("extra.weight",)
    assert report.missing == ()
    text = report.text()
    assert "2 of another shape (head.weight (5, 4, 1, 1, 1) for (3, 4, 1, 1, 1)" in text
    assert "\n" not in text


def test_another_architecture_and_broken_weights_leave_the_network_as_it_was():
    own = network()
    before = {name: value.clone() for name, value in own.state_dict().items()}
    wide = ResidualUNet(1, 3, (6, 12), 0.0).state_dict()
    with pytest.raises(CheckpointError, match="another architecture"):
        start_from(own, wide, least_share=0.5)
    broken = network().state_dict()
    broken["stem.weight"][0, 0, 0, 0, 0] = np.nan
    with pytest.raises(CheckpointError, match=r"not finite.*stem\.weight"):
        start_from(own, broken, least_share=0.5)
    for name, value in own.state_dict().items():
        assert torch.equal(value, before[name]), name


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_of_channels_equals_that_of_their_probabilities_and_falls_to_nothing(name):
    loss = build_loss(name, (1.0, 2.0, 4.0), GIVEN)
    targets = torch.randint(0, 3, (2, 4, 6, 8), generator=torch.Generator().manual_seed(1))
    soft = nn.functional.one_hot(targets, 3).movedim(-1, 1).float()
    logits = torch.randn((2, 3, 4, 6, 8), generator=torch.Generator().manual_seed(2))
    hard = float(loss(logits, targets))
    assert float(loss(logits, soft)) == pytest.approx(hard, rel=1e-5)
    right = 40.0 * (soft - 0.5)
    assert float(loss(right, targets)) == pytest.approx(0.0, abs=1e-3)
    assert float(loss(-right, targets)) > hard > 0.01


def test_missing_voxels_cost_more_than_false_ones_where_beta_is_above_alpha():
    loss = build_loss("tversky", (1.0, 1.0), GIVEN)
    targets = torch.zeros((1, 8, 8, 8), dtype=torch.int64)
    targets[0, 2:6, 2:6, 2:6] = 1
    right = 40.0 * (nn.functional.one_hot(targets, 2).movedim(-1, 1).float() - 0.5)
    missed, false = right.clone(), right.clone()
    missed[0, :, 2:4, 2:6, 2:6] *= -1
    false[0, :, 6:8, 2:6, 2:6] *= -1
    assert float(loss(missed, targets)) > float(loss(false, targets)) > float(loss(right, targets))


@pytest.mark.parametrize("name", LOSSES)
def test_missing_a_heavy_class_costs_more_than_missing_a_light_one(name):
    loss = build_loss(name, (1.0, 1.0, 50.0), GIVEN)
    targets = torch.zeros((1, 4, 6, 8), dtype=torch.int64)
    targets[0, 1, 2, 3], targets[0, 3, 5, 7] = 1, 2
    right = 8.0 * (nn.functional.one_hot(targets, 3).movedim(-1, 1).float() - 0.5)
    missed = {1: right.clone(), 2: right.clone()}
    missed[1][0, :, 1, 2, 3] = right[0, :, 0, 0, 0]
    missed[2][0, :, 3, 5, 7] = right[0, :, 0, 0, 0]
    assert float(loss(missed[2], targets)) > float(loss(missed[1], targets))


def test_a_network_with_stride_two_trains_coarse_and_segments_fine():
    torch.manual_seed(3)
    strided = network(output_stride=2).eval()
    plain = network().eval()
    plain.load_state_dict(strided.state_dict())
    patch = torch.randn(2, 1, 8, 12, 20)
    with torch.inference_mode():
        coarse = outputs_of(strided, patch, output_stride=2)
        fine = outputs_of(strided, patch, output_stride=1)
        assert coarse.shape == (2, 3, 4, 6, 10)
        assert fine.shape == (2, 3, 8, 12, 20)
        assert torch.equal(fine, plain(patch))
        fast = prepared(strided, torch.device("cpu"))
        assert torch.allclose(fast(patch), fine, atol=1e-4)
    with pytest.raises(SettingsError, match="stride 2"):
        outputs_of(plain, patch, output_stride=2)


def test_runs_without_any_object_are_dealt_evenly():
    counts = {f"tomo_{n:03d}": {"motor": int(n % 9 < 5)} for n in range(648)}
    for split in fold_splits(counts, 5, seed=2):
        empty = sum(counts[name]["motor"] == 0 for name in split.validation)
        assert abs(empty - 288 / 5) <= 1
    split = share_split(counts, 0.2, seed=2)
    empty = sum(counts[name]["motor"] == 0 for name in split.validation)
    assert abs(empty - 0.2 * 288) <= 1
