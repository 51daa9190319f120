"""Sampling, loss and the training step."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from copick_picker.core.models.residual_unet import ResidualUNet
from copick_picker.core.train.losses import TverskyCrossEntropy
from copick_picker.core.train.trainer import Trainer, TrainingPlan, learning_rate_factor
from copick_picker.core.train.volume_batches import (
    TrainingVolume,
    patch_batch,
    with_random_contrast,
)
from copick_picker.errors import DataError

WINDOW = (8, 12, 16)
PLAN = TrainingPlan(
    steps=40,
    warmup_steps=5,
    learning_rate=2e-2,
    weight_decay=1e-2,
    average_decay=0.8,
    gradient_norm=5.0,
    precision=torch.float32,
)


def volumes(shape_zyx: tuple[int, int, int] = (20, 28, 36)) -> list[TrainingVolume]:
    """Return two volumes: many particles of channel 1 in one, a single one of 2 in the other."""
    result = []
    for seed, centres in enumerate(
        [
            {1: np.array([[5.0, 6.0, 7.0], [14.0, 20.0, 28.0]]), 2: np.zeros((0, 3))},
            {1: np.zeros((0, 3)), 2: np.array([[10.0, 3.0, 30.0]])},
        ]
    ):
        rng = np.random.default_rng(seed)
        target = np.zeros(shape_zyx, dtype=np.uint8)
        for channel, points in centres.items():
            for z, y, x in points.astype(int):
                target[z - 1 : z + 2, y - 1 : y + 2, x - 1 : x + 2] = channel
        volume = rng.standard_normal(shape_zyx) * 0.3 + 3.0 * target
        result.append(TrainingVolume(volume.astype(np.float16), target, centres))
    return result


def batch(share: float, seed: int = 1, size: int = 6) -> tuple[np.ndarray, np.ndarray]:
    return patch_batch(
        volumes(),
        np.random.default_rng(seed),
        batch_size=size,
        window_voxels=WINDOW,
        particle_share=share,
    )


def test_patches_and_targets_are_cut_and_mirrored_together() -> None:
    patches, targets = batch(0.5, size=12)
    assert patches.shape == (12, 1, *WINDOW)
    assert patches.dtype == np.float32
    assert targets.shape == (12, *WINDOW)
    assert targets.dtype == np.int64
    painted = targets > 0
    assert painted.any()
    assert patches[:, 0][painted].min() > patches[:, 0][~painted].mean() + 1.0


def test_patches_around_particles_hold_one_and_kinds_are_balanced() -> None:
    _, targets = batch(1.0, size=60)
    holds = [set(np.unique(target)) - {0} for target in targets]
    assert all(holds)
    rare = sum(2 in channels for channels in holds)
    assert 15 <= rare <= 45


def test_equal_seeds_give_equal_batches() -> None:
    first, second, other = batch(0.5, 3)[0], batch(0.5, 3)[0], batch(0.5, 4)[0]
    assert first.tobytes() == second.tobytes()
    assert first.tobytes() != other.tobytes()


def test_a_pool_without_particles_gives_background() -> None:
    empty = [TrainingVolume(np.zeros(WINDOW, np.float16), np.zeros(WINDOW, np.uint8), {})]
    _, targets = patch_batch(
        empty, np.random.default_rng(1), batch_size=2, window_voxels=WINDOW, particle_share=1.0
    )
    assert not targets.any()


def test_no_volume_and_a_small_volume_are_refused() -> None:
    rng = np.random.default_rng(1)
    settings = {"batch_size": 1, "window_voxels": WINDOW, "particle_share": 0.5}
    with pytest.raises(DataError, match="no volume"):
        patch_batch([], rng, **settings)
    with pytest.raises(DataError, match=r"\(8, 12, 15\)"):
        patch_batch(volumes((8, 40, 40)) + volumes((8, 12, 15))[1:], rng, **settings)


def test_contrast_varies_patch_by_patch() -> None:
    patches = np.ones((50, 1, 2, 3, 4), dtype=np.float32)
    varied = with_random_contrast(
        patches, np.random.default_rng(1), scale_sigma=0.2, shift_sigma=0.0
    )
    assert varied.dtype == np.float32
    assert np.ptp(varied[0]) == 0
    assert np.log(varied[:, 0, 0, 0, 0]).std() == pytest.approx(0.2, rel=0.3)


def test_the_loss_falls_with_the_error_and_counts_missing_more_than_false_voxels() -> None:
    loss = TverskyCrossEntropy(0.3, 0.7, (1.0, 1.0))
    targets = torch.zeros((1, 8, 8, 8), dtype=torch.int64)
    targets[0, 2:6, 2:6, 2:6] = 1
    right = 20.0 * (2.0 * torch.nn.functional.one_hot(targets, 2).movedim(-1, 1) - 1.0)
    missed, false = right.clone(), right.clone()
    missed[0, :, 2:4, 2:6, 2:6] *= -1
    false[0, :, 6:8, 2:6, 2:6] *= -1
    perfect = float(loss(right, targets))
    assert perfect == pytest.approx(0.0, abs=1e-3)
    assert float(loss(missed, targets)) > float(loss(false, targets)) > perfect


def test_the_rate_warms_up_and_falls_to_nothing() -> None:
    factors = [learning_rate_factor(step, PLAN) for step in range(41)]
    assert factors[0] == pytest.approx(0.2)
    assert factors[4] == pytest.approx(1.0)
    assert factors[40] == pytest.approx(0.0, abs=1e-9)
    assert all(a >= b for a, b in pairwise(factors[5:]))


def new_trainer() -> Trainer:
    torch.manual_seed(4)
    network = ResidualUNet(1, 3, (4, 8), 0.0)
    return Trainer(network, TverskyCrossEntropy(0.3, 0.7, (1, 3, 3)), PLAN, torch.device("cpu"))


def run(trainer: Trainer, first: int, last: int) -> list[float]:
    return [trainer.step(*batch(1.0, step)) for step in range(first, last)]


def test_training_lowers_the_loss_and_the_average_finds_the_particles() -> None:
    trainer = new_trainer()
    losses = run(trainer, 0, 40)
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])
    patches, targets = batch(1.0, 99, size=8)
    with torch.inference_mode():
        logits = trainer.averaged_network()(torch.from_numpy(patches))
    background = torch.softmax(logits, dim=1)[:, 0].numpy()
    assert background[targets == 0].mean() > background[targets > 0].mean() + 0.3
    assert not trainer.averaged_network().training


def test_a_resumed_training_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    whole = new_trainer()
    run(whole, 0, 8)
    half = new_trainer()
    run(half, 0, 4)
    torch.save(half.state(), tmp_path / "state.pt")
    resumed = new_trainer()
    resumed.load_state(torch.load(tmp_path / "state.pt", weights_only=True))
    assert resumed.step_count == 4
    run(resumed, 4, 8)
    for name, expected in whole.average.state_dict().items():
        assert torch.equal(resumed.average.state_dict()[name], expected), name


def test_a_loss_that_is_not_finite_stops_with_the_step_and_leaves_the_weights() -> None:
    trainer = new_trainer()
    run(trainer, 0, 1)
    before = {name: value.clone() for name, value in trainer.network.named_parameters()}
    patches, targets = batch(1.0, 5)
    patches[0, 0, 0, 0, 0] = np.nan
    with pytest.raises(DataError, match="step 1"):
        trainer.step(patches, targets)
    for name, value in trainer.network.named_parameters():
        assert torch.equal(value, before[name])


def test_half_precision_trains_too() -> None:
    torch.manual_seed(4)
    plan = TrainingPlan(4, 1, 1e-3, 0.0, 0.5, 5.0, torch.bfloat16)
    loss = TverskyCrossEntropy(0.3, 0.7, (1, 3, 3))
    trainer = Trainer(ResidualUNet(1, 3, (4, 8), 0.0), loss, plan, torch.device("cpu"))
    assert all(np.isfinite(run(trainer, 0, 2)))
    assert next(trainer.network.parameters()).dtype == torch.float32
