"""Losses for small objects in a large background, all on softmax outputs.

Every loss takes logits (b, c, z, y, x) and either channels (b, z, y, x), int64, or probabilities
(b, c, z, y, x), float32.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from monai.losses import DiceLoss, FocalLoss, TverskyLoss
from torch import Tensor, nn

from copick_picker.errors import SettingsError, UnknownNameError, choices_text, nearest_name


class WeightedCrossEntropy(nn.Module):
    """Cross-entropy weighted by channel, averaged over all voxels.

    For probabilities it is the mean over voxels and channels with weight times probability, so that
    probabilities of 0 and 1 give what channels give (torch then divides by the number of voxels).

    Parameters
    ----------
    channel_weights : sequence of float
        Weight of each channel, background first.
    """

    def __init__(self, channel_weights: Sequence[float]) -> None:
        super().__init__()
        self.hard = nn.CrossEntropyLoss(weight=_weights(channel_weights))

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of logits against channels or probabilities."""
        if not targets.is_floating_point():
            result: Tensor = self.hard(logits, targets)
            return result
        weights = self.hard.weight
        shares = targets if weights is None else targets * weights[:, None, None, None]
        total: Tensor = -(shares * torch.log_softmax(logits, dim=1)).sum() / shares.sum()
        return total


class TverskyCrossEntropy(nn.Module):
    """Tversky loss of the objects plus weighted cross-entropy.

    Salehi et al. 2017, https://arxiv.org/abs/1706.05721, equation 4; false positives weigh
    ``alpha``, false negatives ``beta``. The sums run over the whole batch, so that a patch without
    an object does not count as a failure.

    Parameters
    ----------
    alpha, beta : float
        Weights of false positives and false negatives.
    channel_weights : sequence of float
        Weight of each channel in the cross-entropy, background first.
    """

    def __init__(self, alpha: float, beta: float, channel_weights: Sequence[float]) -> None:
        super().__init__()
        self.tversky = TverskyLoss(
            include_background=False, softmax=True, alpha=alpha, beta=beta, batch=True
        )
        self.cross_entropy = WeightedCrossEntropy(channel_weights)

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of logits against channels or probabilities."""
        overlap: Tensor = self.tversky(logits, as_probabilities(targets, logits.shape[1]))
        result: Tensor = overlap + self.cross_entropy(logits, targets)
        return result


class DiceCrossEntropy(nn.Module):
    """Soft Dice loss of the objects plus weighted cross-entropy.

    Milletari et al. 2016, https://arxiv.org/abs/1606.04797, section 3. The sums run over the
    whole batch.

    Parameters
    ----------
    channel_weights : sequence of float
        Weight of each channel in the cross-entropy, background first.
    """

    def __init__(self, channel_weights: Sequence[float]) -> None:
        super().__init__()
        self.dice = DiceLoss(include_background=False, softmax=True, batch=True)
        self.cross_entropy = WeightedCrossEntropy(channel_weights)

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of logits against channels or probabilities."""
        overlap: Tensor = self.dice(logits, as_probabilities(targets, logits.shape[1]))
        result: Tensor = overlap + self.cross_entropy(logits, targets)
        return result


class SoftmaxFocal(nn.Module):
    """Focal loss on softmax outputs, averaged over all voxels.

    Lin et al. 2017, https://arxiv.org/abs/1708.02002, equation 5.

    Parameters
    ----------
    gamma : float
        Exponent that down-weights well classified voxels.
    channel_weights : sequence of float
        Weight of each channel, background first.
    """

    def __init__(self, gamma: float, channel_weights: Sequence[float]) -> None:
        super().__init__()
        weights = _weights(channel_weights)
        self.focal = FocalLoss(gamma=gamma, use_softmax=True, weight=weights, reduction="none")

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of logits against channels or probabilities."""
        by_channel: Tensor = self.focal(logits, as_probabilities(targets, logits.shape[1]))
        return by_channel.sum(dim=1).mean()


LossBuilder = Callable[[Sequence[float], Mapping[str, float]], nn.Module]

LOSSES: dict[str, tuple[tuple[str, ...], LossBuilder]] = {
    "cross-entropy": ((), lambda weights, _: WeightedCrossEntropy(weights)),
    "dice-ce": ((), lambda weights, _: DiceCrossEntropy(weights)),
    "focal": (("gamma",), lambda weights, given: SoftmaxFocal(given["gamma"], weights)),
    "tversky": (
        ("alpha", "beta"),
        lambda weights, given: TverskyCrossEntropy(given["alpha"], given["beta"], weights),
    ),
}
"""Name -> (names of its parameters, builder of channel weights and parameters)."""


def build_loss(
    name: str, channel_weights: Sequence[float], parameters: Mapping[str, float]
) -> nn.Module:
    """Return a loss: (logits, channels or probabilities) -> scalar.

    Parameters
    ----------
    name : str
        Name in :data:`LOSSES`.
    channel_weights : sequence of float
        Weight of each channel in the cross-entropy, background first.
    parameters : mapping of str to float
        ``alpha`` and ``beta`` of ``tversky``, ``gamma`` of ``focal``; others are ignored, so that
        one set of settings serves all losses.

    Raises
    ------
    UnknownNameError
        If there is no such loss.
    SettingsError
        If a parameter is missing.

    Examples
    --------
    >>> loss = build_loss("cross-entropy", [1.0, 2.0], {})
    >>> value = loss(torch.zeros(1, 2, 2, 3, 4), torch.zeros((1, 2, 3, 4), dtype=torch.int64))
    >>> round(float(value), 3)
    0.693
    """
    if name not in LOSSES:
        msg = f"no loss '{name}'{nearest_name(name, LOSSES)}; known: {choices_text(LOSSES)}"
        raise UnknownNameError(msg)
    needed, builder = LOSSES[name]
    missing = [parameter for parameter in needed if parameter not in parameters]
    if missing:
        msg = f"the loss '{name}' needs {choices_text(missing)}"
        raise SettingsError(msg)
    return builder(channel_weights, parameters)


def as_probabilities(targets: Tensor, n_channels: int) -> Tensor:
    """Return targets as probabilities (b, c, z, y, x), float32.

    Parameters
    ----------
    targets : torch.Tensor, shape (b, z, y, x), int64, or (b, c, z, y, x), float32
        Channels or probabilities.
    n_channels : int
        Channels, background included.
    """
    if targets.is_floating_point():
        return targets
    result = torch.zeros((len(targets), n_channels, *targets.shape[1:]), device=targets.device)
    return result.scatter_(1, targets[:, None], 1.0)


def _weights(channel_weights: Sequence[float]) -> Tensor:
    return torch.tensor(list(channel_weights), dtype=torch.float32)
