"""The module that learns: rates, averaged weights, networks with several outputs."""

import warnings

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer
from torch import nn
from torch.utils.data import DataLoader

from copick_picker.core.train.module import (
    LearningPlan,
    PickerModule,
    as_tensors,
    finest,
    rate_factor,
)
from copick_picker.core.train.sampling import Batch


def plan(**changes):
    given = {
        "steps": 10,
        "seconds": None,
        "warmup_steps": 0,
        "learning_rate": 0.1,
        "backbone_rate": 1.0,
        "backbone": frozenset(),
        "weight_decay": 0.0,
        "average_decay": 0.9,
        "seed": 0,
    }
    return LearningPlan(**(given | changes))


def test_the_rate_rises_and_falls_to_nothing():
    given = plan(steps=100, warmup_steps=10)
    rates = [rate_factor(step, 0.0, given) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[:10] == sorted(rates[:10])
    assert rates[10] == 1.0
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[55] == pytest.approx(0.5)
    assert rates[100] == pytest.approx(0.0)


def test_with_a_time_limit_the_rate_falls_with_whatever_ends_first():
    given = plan(steps=1000, seconds=60.0)
    assert rate_factor(10, 30.0, given) == pytest.approx(0.5)
    assert rate_factor(500, 1.0, given) == pytest.approx(0.5)
    assert rate_factor(10, 60.0, given) == pytest.approx(0.0)
    assert rate_factor(10, 90.0, given) == pytest.approx(0.0)


def test_with_a_time_limit_the_rate_rises_with_the_time_too():
    given = plan(steps=1000, seconds=60.0, warmup_steps=50)
    assert rate_factor(4, 0.0, given) == pytest.approx(0.1)
    assert rate_factor(4, 1.5, given) == pytest.approx(0.5)
    assert rate_factor(4, 3.0, given) == pytest.approx(1.0, abs=0.01)
    assert rate_factor(4, 60.0, given) == pytest.approx(0.0)


def test_the_average_forgets_the_first_weights_and_then_follows_its_decay():
    network = nn.Conv3d(1, 1, 1, bias=False)
    module = PickerModule(network, nn.MSELoss(), plan(average_decay=0.5), output_stride=1)
    averaged = module.averaged_network().weight
    expected = None
    for number in range(1, 21):
        with torch.no_grad():
            network.weight.fill_(float(number))
        module.average.update_parameters(network)
        done = number - 1
        decay = min(0.5, (1 + done) / (10 + done))
        expected = 1.0 if expected is None else decay * expected + (1 - decay) * number
        assert float(averaged) == pytest.approx(expected, rel=1e-5)
    assert float(network.weight.detach()) == 20.0


def test_an_average_of_decay_0_is_the_last_weights():
    network = nn.BatchNorm3d(2)
    module = PickerModule(network, nn.MSELoss(), plan(average_decay=0.0), output_stride=1)
    for _ in range(3):
        network(torch.randn(2, 2, 3, 4, 5))
        module.average.update_parameters(network)
    own = module.averaged_network().state_dict()
    assert all(torch.equal(own[name], value) for name, value in network.state_dict().items())


def test_weights_of_a_backbone_learn_at_their_own_rate():
    network = nn.Sequential(nn.Conv3d(1, 2, 1), nn.Conv3d(2, 3, 1))
    taken = frozenset({"0.weight", "0.bias"})
    given = plan(backbone=taken, backbone_rate=0.01)
    module = PickerModule(network, nn.MSELoss(), given, output_stride=1)
    groups = module.configure_optimizers()["optimizer"].param_groups
    assert [group["initial_lr"] for group in groups] == [0.1, pytest.approx(0.001)]
    assert groups[1]["params"] == [network[0].weight, network[0].bias]


def test_accumulated_gradients_are_bounded_as_one_mean():
    """Two batches that pull 3 and 1 have a mean of 2: that is what a bound is compared with."""

    class Pull(nn.Module):
        def forward(self, outputs, targets):
            return (outputs * targets).mean()

    class Recorded(PickerModule):
        def on_train_batch_start(self, batch, batch_idx):
            del batch, batch_idx  # no dropout to seed

    def seen(bound, accumulate, pulls):
        network = nn.Conv3d(1, 1, 1, bias=False)
        module = Recorded(network, Pull(), plan(steps=1), output_stride=1)
        found = []
        configured = module.configure_optimizers()
        configured["optimizer"].register_step_post_hook(
            lambda *_: found.append(float(network.weight.grad.flatten()[0]))
        )
        module.configure_optimizers = lambda: configured
        ones = np.ones((1, 1, 2, 2, 2), np.float32)
        batches = [as_tensors(Batch(ones, pull * ones, ("a",), ("particle",))) for pull in pulls]
        trainer = Trainer(
            accelerator="cpu",
            max_steps=1,
            accumulate_grad_batches=accumulate,
            gradient_clip_val=bound,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trainer.fit(module, DataLoader(batches, batch_size=None))
        return found

    assert seen(100.0, 2, (3.0, 1.0)) == [pytest.approx(2.0)]
    assert seen(1.5, 2, (3.0, 1.0)) == [pytest.approx(1.5, rel=1e-4)]
    assert seen(1.5, 2, (3.0, -1.0)) == [pytest.approx(1.0)]
    assert seen(1.5, 1, (3.0,)) == [pytest.approx(1.5, rel=1e-4)]


def test_a_mixed_batch_is_compared_with_both_targets():
    patches = np.zeros((1, 1, 2, 2, 2), np.float32)
    ones, threes = np.ones_like(patches), np.full_like(patches, 3.0)
    mixed = as_tensors(Batch(patches, ones, ("a",), ("particle",), threes, 0.25))
    plain = as_tensors(Batch(patches, ones, ("a",), ("particle",)))
    module = PickerModule(nn.Identity(), nn.MSELoss(), plan(), output_stride=1)
    assert float(module.training_step(plain, 0)) == pytest.approx(1.0)
    assert float(module.training_step(mixed, 0)) == pytest.approx(0.75 * 1.0 + 0.25 * 9.0)
    assert module.step_loss() == pytest.approx((1.0 + 3.0) / 2)


def test_of_several_outputs_the_finest_is_taken():
    levels = [torch.zeros(2, 4, side, side, side) for side in (8, 4)]
    assert finest(levels) is levels[0]
    assert finest(torch.zeros(2, 3, 4, 8, 9, 10)).shape == (2, 4, 8, 9, 10)
    assert finest(levels[0]) is levels[0]
