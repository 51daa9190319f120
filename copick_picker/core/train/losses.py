"""Losses for small balls in a large background."""

from collections.abc import Sequence

import torch
from monai.losses import TverskyLoss
from torch import Tensor, nn


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
            include_background=False,
            to_onehot_y=True,
            softmax=True,
            alpha=alpha,
            beta=beta,
            batch=True,
        )
        self.cross_entropy = nn.CrossEntropyLoss(
            weight=torch.tensor(list(channel_weights), dtype=torch.float32)
        )

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of logits (b, c, z, y, x) for targets (b, z, y, x), int64."""
        overlap: Tensor = self.tversky(logits, targets[:, None])
        result: Tensor = overlap + self.cross_entropy(logits, targets)
        return result
