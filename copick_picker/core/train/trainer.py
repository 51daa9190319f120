"""A plain training loop's one step: AdamW, warm-up and cosine, averaged weights, resumable."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.utils import convert_conv3d_weight_memory_format
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from copick_picker.errors import DataError


@dataclass(frozen=True)
class TrainingPlan:
    """How long and how fast to train.

    Attributes
    ----------
    steps : int
        Optimiser steps in all.
    warmup_steps : int
        Steps over which the learning rate rises from 0.
    learning_rate : float
        Highest learning rate; it falls to 0 along a cosine.
    weight_decay : float
        AdamW's decoupled weight decay (Loshchilov and Hutter 2019, arXiv:1711.05101).
    average_decay : float
        Decay of the exponential average of the weights, per step.
    gradient_norm : float
        Gradients longer than this are shortened to it.
    precision : torch.dtype
        ``torch.float32``, or ``torch.bfloat16`` for autocast where the machine is faster with it.
    """

    steps: int
    warmup_steps: int
    learning_rate: float
    weight_decay: float
    average_decay: float
    gradient_norm: float
    precision: torch.dtype


def learning_rate_factor(step: int, plan: TrainingPlan) -> float:
    """Return the share of the highest learning rate at a step: linear rise, then half a cosine.

    Parameters
    ----------
    step : int
        Steps done.
    plan : TrainingPlan
        Gives the number of steps and of warm-up steps.
    """
    if step < plan.warmup_steps:
        return (step + 1) / plan.warmup_steps
    progress = (step - plan.warmup_steps) / max(1, plan.steps - plan.warmup_steps)
    return 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))


class Trainer:
    """Trains a network batch by batch; its whole state can be saved and loaded.

    Parameters
    ----------
    network : torch.nn.Module
        Network to train, moved to the device.
    loss : torch.nn.Module
        Takes logits and targets.
    plan : TrainingPlan
        How long and how fast.
    device : torch.device
        Where to train.
    """

    def __init__(
        self, network: nn.Module, loss: nn.Module, plan: TrainingPlan, device: torch.device
    ) -> None:
        self.plan = plan
        self.device = device
        self.step_count = 0
        self.network = network.to(device)
        convert_conv3d_weight_memory_format(self.network, torch.channels_last_3d)
        self.loss = loss.to(device)
        averaging: Any = get_ema_multi_avg_fn
        self.average = AveragedModel(
            self.network, multi_avg_fn=averaging(plan.average_decay), use_buffers=True
        )
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=plan.learning_rate, weight_decay=plan.weight_decay
        )

    def step(self, patches: npt.NDArray[np.float32], targets: npt.NDArray[np.int64]) -> float:
        """Return the loss of a batch, after one step of the optimiser.

        Parameters
        ----------
        patches : numpy.ndarray, shape (b, 1, z, y, x), float32
            Patches of tomograms.
        targets : numpy.ndarray, shape (b, z, y, x), int64
            Channel of each voxel.

        Raises
        ------
        DataError
            If the loss is not finite; the weights are then as before.
        """
        self.network.train()
        rate = self.plan.learning_rate * learning_rate_factor(self.step_count, self.plan)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        inputs = torch.from_numpy(patches).to(self.device, memory_format=torch.channels_last_3d)
        truth = torch.from_numpy(targets).to(self.device)
        is_mixed = self.plan.precision != torch.float32
        with torch.autocast(self.device.type, dtype=self.plan.precision, enabled=is_mixed):
            logits: Tensor = self.network(inputs)
        value: Tensor = self.loss(logits.float(), truth)
        if not torch.isfinite(value):
            msg = f"the loss became {value.item()} at step {self.step_count}; lower the rate"
            raise DataError(msg)
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(value)
        nn.utils.clip_grad_norm_(self.network.parameters(), self.plan.gradient_norm)
        self.optimizer.step()
        self.average.update_parameters(self.network)
        self.step_count += 1
        return float(value.detach())

    def averaged_network(self) -> nn.Module:
        """Return the network with averaged weights, ready for use."""
        network: nn.Module = self.average.module
        return network.eval()

    def state(self) -> dict[str, Any]:
        """Return all that :meth:`load_state` needs to go on as if nothing had happened."""
        return {
            "step_count": self.step_count,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Take up the state of another trainer with the same network and plan.

        Parameters
        ----------
        state : dict
            What :meth:`state` returned.
        """
        self.step_count = int(state["step_count"])
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
