"""The Lightning module: a network with averaged weights and a learning rate schedule.

Randomness within a step (dropout) depends only on the seed and the number of the batch, so that a
stopped training resumes as if nothing had happened.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import Sampler

from copick_picker.core.heads.head import outputs_of
from copick_picker.core.models.small_convolutions import SmallConvolutionsInFloat32
from copick_picker.core.segment.device import prefers_channels_last
from copick_picker.core.train.sampling import Batch
from copick_picker.errors import DataError

Tensors = tuple[Tensor, ...] | list[Tensor]
_WARM_AVERAGE = 10.0
_RECENT = 50


class LossNotFiniteError(DataError):
    """The loss became NaN or infinite."""


class TensorBatch(NamedTuple):
    """A batch of :mod:`copick_picker.core.train.sampling` as tensors.

    Attributes
    ----------
    patches : torch.Tensor, shape (b, 1, z, y, x), float32
        Patches.
    targets, partner_targets : torch.Tensor
        As the head makes them; the partner's equal the targets if nothing is mixed in.
    partner_share : torch.Tensor, shape (), float32
        Share of the partner's targets in the loss.
    run_names : tuple of str
        Run of each patch.
    kinds : tuple of str
        Kind of each patch.
    """

    patches: Tensor
    targets: Tensor
    partner_targets: Tensor
    partner_share: Tensor
    run_names: tuple[str, ...]
    kinds: tuple[str, ...] = ()


def as_tensors(batch: Batch) -> TensorBatch:
    """Return a batch as tensors that share its memory.

    Parameters
    ----------
    batch : Batch
        As :func:`copick_picker.core.train.sampling.batch_at` returns it.
    """
    partner = batch.targets if batch.partner_targets is None else batch.partner_targets
    return TensorBatch(
        torch.from_numpy(batch.patches),
        torch.from_numpy(batch.targets),
        torch.from_numpy(partner),
        torch.tensor(batch.partner_share, dtype=torch.float32),
        batch.run_names,
        batch.kinds,
    )


class BatchOrder(Sampler[int]):
    """Numbers of the batches of one epoch, from the current step of the training on.

    Parameters
    ----------
    per_epoch : int
        Batches between two validations.
    accumulate : int
        Batches per step.
    """

    def __init__(self, per_epoch: int, accumulate: int) -> None:
        self.per_epoch = per_epoch
        self.accumulate = accumulate
        self.trainer: Trainer | None = None

    def __len__(self) -> int:
        """Return the number of batches of an epoch for this device, finished ones included."""
        return self.per_epoch

    def __iter__(self) -> Iterator[int]:
        """Yield the numbers of the remaining batches of this epoch."""
        trainer = self.trainer
        done, world, rank = 0, 1, 0
        if trainer is not None:
            done = trainer.global_step * self.accumulate
            world, rank = trainer.world_size, trainer.global_rank
        end = (done // self.per_epoch + 1) * self.per_epoch
        return iter(number * world + rank for number in range(done, end))


@dataclass(frozen=True)
class LearningPlan:
    """Duration and learning rates of a training.

    Attributes
    ----------
    steps : int
        Total steps of the optimiser.
    seconds : float or None
        Time limit of the training, or None. The rate follows steps or time, whichever is nearer to
        its end.
    warmup_steps : int
        Steps over which the rate rises from 0.
    learning_rate : float
        Highest learning rate; it falls to 0 along half a cosine.
    backbone_rate : float
        Rate of the weights named in ``backbone``, as a fraction of that of the others.
    backbone : frozenset of str
        Names of the parameters taken from another model, or of all but the head's.
    weight_decay : float
        AdamW's decoupled weight decay.
    average_decay : float
        Decay of the exponential average of the weights per step; 0 uses the last weights.
    seed : int
        Seed of the randomness within a step.
    """

    steps: int
    seconds: float | None
    warmup_steps: int
    learning_rate: float
    backbone_rate: float
    backbone: frozenset[str]
    weight_decay: float
    average_decay: float
    seed: int


def rate_factor(step: int, seconds: float, plan: LearningPlan) -> float:
    """Return the fraction of the highest learning rate: a linear rise, then half a cosine.

    Loshchilov and Hutter 2017, https://arxiv.org/abs/1608.03983, equation 5 without restarts.

    Parameters
    ----------
    step : int
        Steps done.
    seconds : float
        Seconds of training done.
    plan : LearningPlan
        Steps, time and warm-up.

    Examples
    --------
    >>> plan = LearningPlan(12, None, 2, 1e-3, 1.0, frozenset(), 0.0, 0.99, 0)
    >>> [round(rate_factor(step, 0.0, plan), 2) for step in (0, 1, 2, 7, 12)]
    [0.5, 1.0, 1.0, 0.5, 0.0]
    """
    time_share = 0.0 if plan.seconds is None else seconds / plan.seconds
    if step < plan.warmup_steps:
        risen = max((step + 1) / plan.warmup_steps, time_share * plan.steps / plan.warmup_steps)
        if risen < 1.0:
            return risen
    progress = (step - plan.warmup_steps) / max(1, plan.steps - plan.warmup_steps)
    progress = max(0.0, progress, time_share)
    return 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))


def training_progress(step: int, seconds: float, plan: LearningPlan) -> float:
    """Return the share of a training that is done, by steps or by time, whichever is further.

    Parameters
    ----------
    step : int
        Steps done.
    seconds : float
        Seconds of training done.
    plan : LearningPlan
        Steps and time.
    """
    time_share = 0.0 if plan.seconds is None else seconds / plan.seconds
    return min(1.0, max(step / max(1, plan.steps), time_share))


class PickerModule(LightningModule):
    """A network with its loss, optimiser and averaged weights.

    Parameters
    ----------
    network : torch.nn.Module
        Patches (b, 1, z, y, x) in, logits (b, c, z, y, x) out.
    loss : torch.nn.Module
        (outputs, targets) -> scalar.
    plan : LearningPlan
        Duration and learning rates.
    output_stride : int
        Voxels of a patch per voxel of the outputs in the loss.

    Attributes
    ----------
    tells_kinds : bool
        Whether the loss of each kind of patch is computed as well, for the curve.
    """

    def __init__(
        self, network: nn.Module, loss: nn.Module, plan: LearningPlan, *, output_stride: int
    ) -> None:
        super().__init__()
        nn.utils.convert_conv3d_weight_memory_format(network, torch.channels_last_3d)
        self.network = network
        self.loss = loss
        self.plan = plan
        self.output_stride = output_stride
        self.average: Any = AveragedModel(
            network, multi_avg_fn=_averaging(plan.average_decay), use_buffers=True
        )
        self.average.requires_grad_(requires_grad=False)
        self.seconds_before = 0.0
        self.best: dict[str, Any] = {}
        self.last_loss = math.nan
        self.tells_kinds = False
        self._losses: list[float] = []
        self._of_kind: dict[str, list[float]] = {}
        self._recent: list[float] = []
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds of training so far, including interrupted sessions."""
        return self.seconds_before + time.monotonic() - self._began

    def averaged_network(self) -> nn.Module:
        """Return the network with averaged weights."""
        network: nn.Module = self.average.module
        return network

    def on_fit_start(self) -> None:
        """Start the clock."""
        self._began = time.monotonic()

    def on_train_batch_start(self, batch: TensorBatch, batch_idx: int) -> None:  # noqa: ARG002 (Lightning's)
        """Seed dropout from the seed and the batch."""
        number = self.trainer.fit_loop.total_batch_idx + 1
        entropy = np.random.SeedSequence([self.plan.seed, number, self.global_rank])
        torch.manual_seed(int(entropy.generate_state(1)[0]))

    def training_step(self, batch: TensorBatch, batch_idx: int) -> Tensor:  # noqa: ARG002 (Lightning's)
        """Return the loss of a batch.

        Raises
        ------
        LossNotFiniteError
            With the runs of the batch; the weights are unchanged.
        """
        patches = batch.patches
        if prefers_channels_last(patches.device):
            images = patches.ndim == 4
            form = torch.channels_last if images else torch.channels_last_3d
            patches = patches.to(memory_format=form)
        if hasattr(self.loss, "progress"):
            done = training_progress(self.trainer.global_step, self.seconds, self.plan)
            setattr(self.loss, "progress", done)  # noqa: B010 (a module's attribute)
        with SmallConvolutionsInFloat32():
            outputs = finest(outputs_of(self.network, patches, output_stride=self.output_stride))
        with torch.autocast(outputs.device.type, enabled=False):
            value = self._loss_of(outputs.float(), batch)
            if self.tells_kinds:
                self._add_kinds(outputs.detach().float(), batch)
        if not torch.isfinite(value.detach()):
            runs = ", ".join(sorted(set(batch.run_names)))
            msg = (
                f"the loss became {float(value.detach()):g} at step "
                f"{self.trainer.global_step}, in a batch of patches of runs {runs}: lower "
                "--learning-rate or check these tomograms"
            )
            raise LossNotFiniteError(msg)
        self.last_loss = float(value.detach())
        self._losses.append(self.last_loss)
        return value

    def _loss_of(self, outputs: Tensor, batch: TensorBatch) -> Tensor:
        value: Tensor = self.loss(outputs, batch.targets)
        share = float(batch.partner_share)
        if share == 0.0:
            return value
        mixed: Tensor = self.loss(outputs, batch.partner_targets)
        return (1.0 - share) * value + share * mixed

    @torch.no_grad()
    def _add_kinds(self, outputs: Tensor, batch: TensorBatch) -> None:
        """Add the loss of the patches of each kind to those of the step."""
        for kind in sorted(set(batch.kinds)):
            rows = [row for row, name in enumerate(batch.kinds) if name == kind]
            part = batch._replace(
                targets=batch.targets[rows], partner_targets=batch.partner_targets[rows]
            )
            self._of_kind.setdefault(kind, []).append(float(self._loss_of(outputs[rows], part)))

    def kind_losses(self) -> dict[str, float]:
        """Return the mean loss of each kind of patch since the last call; empty if not told."""
        means = {kind: float(np.mean(values)) for kind, values in self._of_kind.items()}
        self._of_kind = {}
        return means

    def step_loss(self) -> float:
        """Return the mean loss of the batches since the last call, i.e. of one step."""
        mean = float(np.mean(self._losses)) if self._losses else math.nan
        self._recent = [*self._recent[1 - _RECENT :], mean]
        self._losses = []
        return mean

    def recent_loss(self) -> float:
        """Return the mean loss of the last steps."""
        return float(np.mean(self._recent)) if self._recent else math.nan

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Make a step and add the new weights to the average."""
        super().optimizer_step(*args, **kwargs)
        self.average.update_parameters(self.network)

    def configure_optimizers(self) -> Any:  # noqa: ANN401 (Lightning's signature)
        """Return AdamW [1]_ with the plan's rate; the backbone's weights have their own.

        References
        ----------
        .. [1] I. Loshchilov, F. Hutter 2019, https://arxiv.org/abs/1711.05101
        """
        named = [(n, p) for n, p in self.network.named_parameters() if p.requires_grad]
        own = [p for name, p in named if name not in self.plan.backbone]
        taken = [p for name, p in named if name in self.plan.backbone]
        rate = self.plan.learning_rate
        groups = [{"params": own, "lr": rate}]
        if taken:
            groups.append({"params": taken, "lr": rate * self.plan.backbone_rate})
        groups = [group for group in groups if group["params"]]
        of_loss = list(self.loss.parameters())
        if of_loss:  # learned weights between the terms of a loss
            groups.append({"params": of_loss, "lr": rate, "weight_decay": 0.0})
        optimizer = torch.optim.AdamW(groups, weight_decay=self.plan.weight_decay)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: rate_factor(step, self.seconds, self.plan)
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the time used so far and the result of the best validation."""
        checkpoint["picker"] = {"seconds": self.seconds, "best": self.best}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the time used so far and the result of the best validation."""
        known = checkpoint["picker"]
        self.seconds_before, self.best = float(known["seconds"]), dict(known["best"])


def finest(outputs: Tensor | Sequence[Tensor]) -> Tensor:
    """Return the outputs at the finest level of a network that returns several in training.

    Parameters
    ----------
    outputs : torch.Tensor or sequence of torch.Tensor
        (b, c, z, y, x); MONAI's networks with deep supervision give (b, levels, c, z, y, x), or a
        list, finest first.

    Examples
    --------
    >>> finest(torch.zeros(2, 3, 4, 8, 8, 8)).shape, finest([torch.zeros(2, 4, 8, 8, 8)]).shape
    (torch.Size([2, 4, 8, 8, 8]), torch.Size([2, 4, 8, 8, 8]))
    """
    if not isinstance(outputs, Tensor):
        return outputs[0]
    return outputs[:, 0] if outputs.ndim == 6 else outputs


def _averaging(decay: float) -> Callable[[Tensors, Tensors, Tensor | int], None]:
    """Return the update of the exponential average, with a decay that rises in the first steps.

    After n steps the decay is min(decay, (1 + n) / (10 + n)), so that the initial random weights
    are soon forgotten.
    """

    @torch.no_grad()
    def update(averaged: Tensors, current: Tensors, n_averaged: Tensor | int) -> None:
        done = float(n_averaged)
        share = 1.0 - min(decay, (1.0 + done) / (_WARM_AVERAGE + done))
        for old, new in zip(averaged, current, strict=True):
            if old.is_floating_point():
                old.lerp_(new.detach().to(old.device, old.dtype), share)
            else:
                old.copy_(new)

    return update
