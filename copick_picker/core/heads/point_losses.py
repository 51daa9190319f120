"""Losses of heads that find points: where a particle is, and how far off its position may be."""

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from copick_picker.core.heads.losses import LOSSES, build_loss
from copick_picker.core.heads.rules import HeadRules
from copick_picker.errors import SettingsError, UnknownNameError, choices_text, nearest_name

_BETA = 0.5
"""Exponent of the variance in the position's loss, see :class:`CentresLoss`."""
_EDGE = 1e-6
RAMP = (0.0, 0.2)
"""Share of the training at which positions begin to count, and at which they count in full: where a
particle is can be learned once it is seen."""
KENDALL_LIMITS = (-2.0, 2.0)
"""Range of the logarithm of the variances of Kendall's weighting."""


class WeightedBinaryCrossEntropy(nn.Module):
    """Binary cross-entropy of heights y, a voxel weighing ``1 + (w - 1) y``.

    A weight w of positives moves the posterior q to ``w q / (1 + (w - 1) q)``; readouts subtract
    ln w from the logits, so that 0.5 means 0.5.

    Parameters
    ----------
    positive_weight : float
        w, up to a few hundred for rare objects.
    """

    def __init__(self, positive_weight: float) -> None:
        super().__init__()
        self.positive_weight = positive_weight

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of each voxel, the shape of the logits."""
        plain = nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
        return plain * (1.0 + (self.positive_weight - 1.0) * targets)

    def mass(self, targets: Tensor, *, least: float) -> Tensor:
        """Return what the sum of the losses is divided by: the weight of the positives.

        At least that of one particle, whose sum of heights is ``least``, so that patches without
        any do not weigh more than others.
        """
        return self.positive_weight * targets.sum().clamp(min=max(least, 1.0))


class HeatFocal(nn.Module):
    """Focal loss against heights from 0 to 1.

    Lin et al. 2017, https://arxiv.org/abs/1708.02002, with the down-weighting of voxels near a
    centre of Law and Deng 2018, https://arxiv.org/abs/1808.01244, equation 1.

    Parameters
    ----------
    gamma : float
        Exponent that down-weights well classified voxels.
    positive_weight : float
        Weight of the centres.
    """

    def __init__(self, gamma: float, positive_weight: float) -> None:
        super().__init__()
        self.gamma, self.positive_weight = gamma, positive_weight

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of each voxel, the shape of the logits."""
        share = torch.sigmoid(logits)
        is_centre = (targets >= 1.0 - _EDGE).to(logits.dtype)
        hit = -nn.functional.logsigmoid(logits) * (1.0 - share) ** self.gamma
        miss = -nn.functional.logsigmoid(-logits) * share**self.gamma * (1.0 - targets) ** 4
        return is_centre * self.positive_weight * hit + (1.0 - is_centre) * miss

    def mass(self, targets: Tensor, *, least: float) -> Tensor:
        """Return what the sum of the losses is divided by: the weight of the centres."""
        del least
        centres = (targets >= 1.0 - _EDGE).sum().to(targets.dtype)
        return self.positive_weight * centres.clamp(min=1.0)


VoxelLoss = WeightedBinaryCrossEntropy | HeatFocal
VOXEL_LOSSES: dict[str, Callable[[Mapping[str, float]], VoxelLoss]] = {
    "bce": lambda given: WeightedBinaryCrossEntropy(given["positive_weight"]),
    "focal": lambda given: HeatFocal(given["gamma"], given["positive_weight"]),
    "top-k": lambda given: WeightedBinaryCrossEntropy(given["positive_weight"]),
}
"""Name -> parameters -> loss of each voxel. ``top-k`` keeps the highest, see :func:`pooled`."""


def voxel_loss(
    name: str, parameters: Mapping[str, float], *, others: Sequence[str] = ()
) -> VoxelLoss:
    """Return a loss of each voxel: (logits, targets) -> values of the same shape.

    Parameters
    ----------
    name : str
        Name in :data:`VOXEL_LOSSES`.
    parameters : mapping of str to float
        ``positive_weight``, ``gamma``.
    others : sequence of str
        Further losses that the head knows, for the message.

    Raises
    ------
    UnknownNameError
        If there is no such loss.
    SettingsError
        If a parameter is missing.
    """
    if name not in VOXEL_LOSSES:
        known = sorted([*VOXEL_LOSSES, *others])
        msg = f"no loss '{name}' for this head{nearest_name(name, known)}; known: "
        msg += choices_text(known)
        raise UnknownNameError(msg)
    try:
        return VOXEL_LOSSES[name](parameters)
    except KeyError as error:
        msg = f"the loss '{name}' needs {error.args[0]}"
        raise SettingsError(msg) from None


def pooled(values: Tensor, mass: Tensor, *, share: float | None) -> Tensor:
    """Return a scalar of the losses of all voxels: their sum over the weight of the positives.

    So a batch without a particle counts, but not as much as one with, and the loss does not depend
    on how much background there is.

    Parameters
    ----------
    values : torch.Tensor, shape (b, n, ...)
        Loss of each voxel.
    mass : torch.Tensor, shape ()
        Weight of the positives, as the loss has it.
    share : float or None
        Only the highest values count, this share of each sample's voxels (top-k); None: all.
    """
    if share is None:
        return values.sum() / mass
    flat = values.flatten(start_dim=1)
    k = max(1, int(share * flat.shape[1]))
    return flat.topk(k, dim=1).values.sum() / mass


COMPETING = tuple(LOSSES.keys() - VOXEL_LOSSES.keys())
"""Losses of ``centres`` under which objects and background compete, as in ``softmax``."""


class CompetingLoss(nn.Module):
    """A loss of :mod:`copick_picker.core.heads.losses` on objects and background.

    Parameters
    ----------
    rules : HeadRules
        Name and parameters of the loss, weights of background and objects.
    """

    def __init__(self, rules: HeadRules) -> None:
        super().__init__()
        self.inner = build_loss(rules.loss, rules.channel_weights, rules.loss_parameters)

    def forward(self, logits: Tensor, background: Tensor, shares: Tensor) -> Tensor:
        """Return the loss of logits (b, n, ...), the background's, and shares of 0 or 1."""
        number = torch.arange(1, logits.shape[1] + 1, device=logits.device, dtype=shares.dtype)
        labels = (shares * number.reshape(-1, *(1,) * (logits.ndim - 2))).sum(dim=1).long()
        result: Tensor = self.inner(torch.cat([background, logits], dim=1), labels)
        return result


def blob_mass(sigma: float, n_axes: int) -> float:
    """Return the sum of the heights of a Gaussian blob of height 1, at least 1.

    Parameters
    ----------
    sigma : float
        Standard deviation in voxels.
    n_axes : int
        Axes of the map.

    Examples
    --------
    >>> round(blob_mass(1.0, 3), 2), blob_mass(0.1, 3)
    (15.75, 1.0)
    """
    return max(1.0, math.pow(math.sqrt(2.0 * math.pi) * sigma, n_axes))


class CentresLoss(nn.Module):
    """Loss of the head ``centres``.

    The terms are the cross-entropy of the probability; near centres the negative log-likelihood of
    a Gaussian at the offset with its standard deviation, each voxel weighing its variance to the
    power ``beta`` without gradient (Seitzer et al. 2022, https://arxiv.org/abs/2203.09168, equation
    5), which keeps badly placed particles in the gradient; optionally the count of particles as a
    Gaussian with the mean and variance of the probabilities' sum (DECODE, Speiser et al. 2021,
    methods, equation 7); and the squared error of the logarithm of amplitudes.

    Parameters
    ----------
    rules : HeadRules
        Objects; ``loss_parameters`` gives ``positive_weight``, ``offset_weight``, ``count_weight``,
        ``amplitude_weight``, and ``kendall`` (1: weigh the terms by learned variances, Kendall et
        al. 2018, https://arxiv.org/abs/1705.07115, in the form of Liebel and Koerner 2018,
        https://arxiv.org/abs/1805.06334, the variances clamped).
    reaches : sequence of float
        Largest offset of each object in voxels of the output.
    log_sigma_limits : tuple of float
        Range of the logarithm of standard deviations.

    Notes
    -----
    ``progress``, the share of the training that is done, is set by the training; see :data:`RAMP`.
    """

    def __init__(
        self,
        rules: HeadRules,
        *,
        reaches: Sequence[float],
        log_sigma_limits: tuple[float, float],
    ) -> None:
        super().__init__()
        given = rules.loss_parameters
        self.n_objects, self.n_axes = rules.n_objects, rules.n_axes
        self.has_amplitude = rules.has_amplitude
        self.log_sigma_limits = log_sigma_limits
        self.reaches: Tensor
        reach = torch.tensor(list(reaches), dtype=torch.float32)
        self.register_buffer("reaches", reach, persistent=False)
        name = "bce" if rules.loss in COMPETING else rules.loss
        self.voxels = voxel_loss(name, given, others=COMPETING)
        self.top_share = given.get("top_share") if rules.loss == "top-k" else None
        self.log_positive = math.log(given["positive_weight"])
        self.least_mass = min(blob_mass(spread, rules.n_axes) for spread in rules.spreads or (0.0,))
        self.weights = {
            "probability": 1.0,
            "position": given.get("offset_weight", 1.0),
            "count": given.get("count_weight", 0.0),
            "amplitude": given.get("amplitude_weight", 1.0) if rules.has_amplitude else 0.0,
        }
        self.object_weights: Tensor
        objects = torch.tensor(rules.channel_weights[1:], dtype=torch.float32)
        self.register_buffer("object_weights", objects, persistent=False)
        self.competing = CompetingLoss(rules) if rules.loss in COMPETING else None
        used = [name for name, weight in self.weights.items() if weight > 0]
        self.log_variances: nn.ParameterDict | None = None
        if given.get("kendall", 0.0):
            self.log_variances = nn.ParameterDict({n: nn.Parameter(torch.zeros(())) for n in used})
        self.terms: dict[str, Tensor] = {}
        self.progress = 1.0

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of outputs against targets as :meth:`CentresHead.target` makes them."""
        n = self.n_objects
        logits, near = outputs[:, :n], targets[:, :n]
        terms = {"probability": self._probability(logits, outputs[:, n : n + 1], near)}
        terms["position"], terms["amplitude"] = self._of_near_voxels(outputs, targets)
        if self.weights["count"]:
            terms["count"] = self._count(logits, near)
        self.terms = {name: term.detach() for name, term in terms.items()}
        begin, full = RAMP
        ramp = min(1.0, max(0.0, (self.progress - begin) / (full - begin)))
        terms["position"] = ramp * terms["position"]
        total = outputs.new_zeros(())
        for name, term in terms.items():
            if not self.weights[name]:
                continue
            if self.log_variances is None:
                total = total + self.weights[name] * term
            else:
                log_variance = self.log_variances[name].clamp(*KENDALL_LIMITS)
                total = total + 0.5 * term * torch.exp(-log_variance)
                total = total + torch.log1p(torch.exp(log_variance))
        return total

    def _probability(self, logits: Tensor, background: Tensor, near: Tensor) -> Tensor:
        if self.competing is not None:
            result: Tensor = self.competing(logits, background, near)
            return result
        weights = self.object_weights.reshape(-1, *(1,) * self.n_axes)
        values = self.voxels(logits, near) * weights
        mass = self.voxels.mass(near, least=self.least_mass)
        return pooled(values, mass, share=self.top_share)

    def _of_near_voxels(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss of positions and of amplitudes, means over the voxels near centres."""
        n, d = self.n_objects, self.n_axes
        channel = targets[:, n]
        place = (channel > 0).nonzero(as_tuple=True)
        if len(place[0]) == 0:
            nothing = 0.0 * outputs.sum()
            return nothing, nothing
        rows = outputs.movedim(1, -1)[place][:, 1:]  # without the background
        wanted = targets.movedim(1, -1)[place]
        which = wanted[:, n].long() - 1
        own = which[:, None] * d + torch.arange(d, device=outputs.device)
        places = torch.tanh(rows[:, n : n + n * d].gather(1, own))
        offsets = self.reaches[which, None] * places
        log_sigmas = rows[:, n + n * d : n + 2 * n * d].gather(1, own).clamp(*self.log_sigma_limits)
        away = (offsets - wanted[:, n + 1 : n + 1 + d]) * torch.exp(-log_sigmas)
        likelihood = 0.5 * away**2 + log_sigmas
        weights = torch.exp(2.0 * _BETA * log_sigmas.detach())
        of_object = self.object_weights[which]
        position = ((likelihood * weights).sum(dim=1) * of_object).mean()
        if not self.has_amplitude:
            return position, 0.0 * position
        logs = rows[:, n + 2 * n * d :].gather(1, which[:, None])[:, 0]
        return position, ((logs - wanted[:, n + 1 + d]) ** 2).mean()

    def _count(self, logits: Tensor, near: Tensor) -> Tensor:
        """Return the negative log-likelihood of the number of particles of each sample."""
        shares = torch.sigmoid(logits - self.log_positive).flatten(start_dim=2)
        number = near.flatten(start_dim=2).sum(dim=2)
        mean = shares.sum(dim=2)
        variance = (shares * (1.0 - shares)).sum(dim=2) + 0.1
        return (0.5 * (number - mean) ** 2 / variance + 0.5 * torch.log(variance)).mean()
