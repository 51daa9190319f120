"""Learning both tasks of a hybrid network: where puncta are, and whether calcium is up at them."""

import math
from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from copick_picker.core.heads.point_losses import KENDALL_LIMITS, CentresLoss, pooled, voxel_loss
from copick_picker.core.movie.network import HybridNetwork
from copick_picker.core.train.module import LearningPlan, PickerModule, TensorBatch
from copick_picker.errors import CopickPickerError

LOCALIZATION, CALCIUM = TASKS = ("localization", "calcium")
CALCIUM_LOSSES: Mapping[str, str] = {"cross-entropy": "bce", "focal": "focal"}
"""Name -> loss of each pixel."""
GRADIENTS_EVERY = 25
"""Steps between two looks at the gradient of each task, which costs another backward pass."""
_LEAST_MASS = 64.0
"""Lit pixels, those of about three spots, that a batch counts for at least: one with fewer would
otherwise pull at the shared encoder many times as hard as the puncta do."""


class HybridLoss(nn.Module):
    """Sum of the losses of two tasks, with fixed weights or with learned ones.

    Learned are the logarithms of the tasks' variances (Kendall et al. 2018,
    https://arxiv.org/abs/1705.07115, in the form of Liebel and Koerner 2018,
    https://arxiv.org/abs/1805.06334, the variances clamped).

    Parameters
    ----------
    localization : CentresLoss
        Loss of all outputs but the last.
    weights : mapping of str to float
        Of :data:`TASKS`; 0 leaves a task out.
    calcium : str
        Name in :data:`CALCIUM_LOSSES`.
    positive_weight : float
        Weight of pixels where calcium is up.
    kendall : bool
        Whether the weights are learned; those of ``weights`` are then their beginning.

    Attributes
    ----------
    tasks : dict
        The last losses of both tasks, with their gradients.
    """

    def __init__(
        self,
        localization: CentresLoss,
        *,
        weights: Mapping[str, float],
        calcium: str,
        positive_weight: float = 1.0,
        kendall: bool = False,
    ) -> None:
        super().__init__()
        self.localization = localization
        self.weights = dict(weights)
        given = {"positive_weight": positive_weight, "gamma": 2.0}
        self.pixels = voxel_loss(CALCIUM_LOSSES[calcium], given)
        self.log_variances: nn.ParameterDict | None = None
        if kendall:
            begin = {name: -math.log(2.0 * weight) for name, weight in weights.items() if weight}
            self.log_variances = nn.ParameterDict(
                {name: nn.Parameter(torch.tensor(value)) for name, value in begin.items()}
            )
        self.tasks: dict[str, Tensor] = {}

    @property
    def progress(self) -> float:
        """Share of the training that is done; the training sets it."""
        return self.localization.progress

    @progress.setter
    def progress(self, value: float) -> None:
        self.localization.progress = value

    @property
    def terms(self) -> dict[str, Tensor]:
        """The last values of all terms, without gradients."""
        calcium = self.tasks.get(CALCIUM)
        known = {} if calcium is None else {CALCIUM: calcium.detach()}
        return self.localization.terms | known

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of outputs (b, c + 1, y, x) against targets, calcium last in both."""
        self.tasks = {
            LOCALIZATION: self.localization(outputs[:, :-1], targets[:, :-1]),
            CALCIUM: self._calcium(outputs[:, -1:], targets[:, -1:]),
        }
        total = outputs.new_zeros(())
        for name, value in self.tasks.items():
            if not self.weights[name]:
                continue
            if self.log_variances is None:
                total = total + self.weights[name] * value
            else:
                log_variance = self.log_variances[name].clamp(*KENDALL_LIMITS)
                total = total + 0.5 * value * torch.exp(-log_variance)
                total = total + torch.log1p(torch.exp(log_variance))
        return total

    def _calcium(self, logits: Tensor, targets: Tensor) -> Tensor:
        is_known = (targets >= 0).to(logits.dtype)
        heights = targets.clamp(min=0.0)
        values = self.pixels(logits, heights) * is_known
        return pooled(values, self.pixels.mass(heights * is_known, least=_LEAST_MASS), share=None)

    def log_sigmas(self) -> dict[str, float]:
        """Return the logarithm of each task's standard deviation; those of fixed weights are fixed.

        The weight of a task is half the inverse of its variance.
        """
        if self.log_variances is None:
            return {
                name: -0.5 * math.log(2.0 * weight) if weight else math.nan
                for name, weight in self.weights.items()
            }
        return {
            name: 0.5 * float(self.log_variances[name].detach().clamp(*KENDALL_LIMITS))
            if name in self.log_variances
            else math.nan
            for name in TASKS
        }


class HybridModule(PickerModule):
    """The training of a hybrid network: parts can be frozen, both gradients are watched.

    Parameters
    ----------
    network : HybridNetwork
        The network.
    loss : HybridLoss
        Of both tasks.
    plan : LearningPlan
        Duration and learning rates.
    frozen : collection of str
        Parts (see ``HybridNetwork.parts``) whose weights stay.
    frozen_until : int or None
        Step from which on they learn too; None: never.

    Attributes
    ----------
    gradient_norms : dict
        Norm of the encoder's gradient that each task asks for, when it was last looked at.
    """

    def __init__(
        self,
        network: HybridNetwork,
        loss: HybridLoss,
        plan: LearningPlan,
        *,
        frozen: Collection[str] = (),
        frozen_until: int | None = None,
    ) -> None:
        super().__init__(network, loss, plan, output_stride=1)
        self.frozen, self.frozen_until = tuple(frozen), frozen_until
        self.gradient_norms = dict.fromkeys(TASKS, math.nan)

    def on_train_batch_start(self, batch: TensorBatch, batch_idx: int) -> None:
        """Freeze or free parts, and seed dropout."""
        super().on_train_batch_start(batch, batch_idx)
        step = self.trainer.global_step
        stays = self.frozen_until is None or step < self.frozen_until
        for module in self._modules_of(self.frozen):
            module.requires_grad_(not stays)
            module.train(not stays)

    def _modules_of(self, parts: Collection[str]) -> list[nn.Module]:
        network = self.network
        if not isinstance(network, HybridNetwork):
            msg = f"got a {type(network).__name__}"
            raise CopickPickerError(msg)
        return [getattr(network, name) for part in parts for name in network.parts()[part]]

    def _loss_of(self, outputs: Tensor, batch: TensorBatch) -> Tensor:
        value = super()._loss_of(outputs, batch)
        if outputs.requires_grad and self.trainer.global_step % GRADIENTS_EVERY == 0:
            self._look_at_gradients()
        return value

    def _look_at_gradients(self) -> None:
        """Measure the gradient of the encoder that each task's loss asks for."""
        modules = self._modules_of(["encoder"])
        shared = [p for each in modules for p in each.parameters() if p.requires_grad]
        tasks: Mapping[str, Any] = self.loss.tasks  # type: ignore[assignment]
        for name, value in tasks.items():
            if not shared or not value.requires_grad:
                self.gradient_norms[name] = math.nan
                continue
            found = torch.autograd.grad(value, shared, retain_graph=True, allow_unused=True)
            squares = [(each.float() ** 2).sum() for each in found if each is not None]
            self.gradient_norms[name] = float(torch.stack(squares).sum().sqrt()) if squares else 0.0


def parameters_of_parts(network: HybridNetwork) -> dict[str, int]:
    """Return the number of parameters of each part.

    Parameters
    ----------
    network : HybridNetwork
        The network.
    """
    return {
        part: sum(p.numel() for name in names for p in getattr(network, name).parameters())
        for part, names in network.parts().items()
    }


def take_weights(network: HybridNetwork, state: Mapping[str, Tensor], context: int) -> list[str]:
    """Give a network the weights of a detector or of another hybrid; return the parts taken.

    Of a stem that saw fewer frames or one channel, the frames in common keep their weights, and
    those that are new begin at 0, so that the features at first are those that were learned.

    Parameters
    ----------
    network : HybridNetwork
        The network, changed in place.
    state : mapping of str to torch.Tensor
        Weights of the other model.
    context : int
        Frames that it saw.

    Raises
    ------
    CopickPickerError
        If they are of another width.
    """
    own = network.state_dict()
    taken: dict[str, Tensor] = {}
    for name, value in state.items():
        if name not in own:
            continue
        wanted = own[name]
        if value.shape == wanted.shape:
            taken[name] = value
        elif name in ("stem.weight", "fine.weight"):
            per_frame = 4 if name == "stem.weight" else 1
            before = 0 if name == "stem.weight" else wanted.shape[1] - network.context
            taken[name] = _widened(value, wanted, per_frame, before, (context, network.context))
        else:
            msg = f"{name} is {tuple(value.shape)}, here {tuple(wanted.shape)}: another width"
            raise CopickPickerError(msg)
    network.load_state_dict(own | taken)
    parts = network.parts().items()
    return [
        part
        for part, names in parts
        if any(each.split(".")[0] in names for each in taken if "num_batches" not in each)
    ]


def _widened(
    value: Tensor, wanted: Tensor, per_frame: int, before: int, contexts: tuple[int, int]
) -> Tensor:
    """Return weights over more frames or channels: zero where there were none."""
    result = torch.zeros_like(wanted)
    result[:, :before] = value[:, :before]
    theirs, ours = contexts
    shift = (ours - theirs) // 2
    channels = (value.shape[1] - before) // (per_frame * theirs)
    for channel in range(channels):
        for frame in range(theirs):
            if not 0 <= frame + shift < ours:
                continue
            source = before + per_frame * (channel * theirs + frame)
            target = before + per_frame * (channel * ours + frame + shift)
            if target + per_frame <= wanted.shape[1]:
                result[:, target : target + per_frame] = value[:, source : source + per_frame]
    return result
