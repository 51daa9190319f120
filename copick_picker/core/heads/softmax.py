"""The head of a segmentation: one probability for the background and each object, by softmax."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from copick_picker.core.heads.losses import build_loss
from copick_picker.core.heads.targets import (
    TARGET_KINDS,
    PatchTruth,
    gaussian_heights,
    labels_of,
    pooled_heights,
    pooled_labels,
)
from copick_picker.errors import UnknownNameError, choices_text

_SEEN = math.sqrt(3.0) / 2.0
"""A ball of this radius in voxels holds the middle of one voxel at least, wherever it lies."""


@dataclass(frozen=True)
class HeadRules:
    """What a head is made for.

    Attributes
    ----------
    n_objects : int
        Objects; they have the channels from 1 on.
    target_kind : str
        One of :data:`copick_picker.core.heads.targets.TARGET_KINDS`.
    target_fraction : float
        Size of the target as a share of the particle's radius.
    output_stride : int
        Voxels of the patch for a voxel of the output, along each axis.
    loss : str
        Name of the loss.
    loss_parameters : mapping of str to float
        Its parameters.
    channel_weights : tuple of float
        Weight of each channel in the loss, background first.
    """

    n_objects: int
    target_kind: str
    target_fraction: float
    output_stride: int
    loss: str
    loss_parameters: Mapping[str, float]
    channel_weights: tuple[float, ...]


class SoftmaxHead:
    """Background and objects compete for each voxel.

    Parameters
    ----------
    rules : HeadRules
        Any kind of target; ``gaussian`` becomes probabilities, the others channels.

    Raises
    ------
    UnknownNameError
        If there is no such kind of target or loss.
    """

    def __init__(self, rules: HeadRules) -> None:
        if rules.target_kind not in TARGET_KINDS:
            msg = f"no kind of target '{rules.target_kind}'; known: {choices_text(TARGET_KINDS)}"
            raise UnknownNameError(msg)
        self.rules = rules
        self.n_outputs = rules.n_objects + 1
        self.output_stride = rules.output_stride

    def target(self, truth: PatchTruth) -> npt.NDArray[Any]:
        """Return channels (z, y, x), int64, or probabilities (c, z, y, x), float32."""
        rules = self.rules
        if rules.target_kind == "gaussian":
            heights = gaussian_heights(truth, self.n_outputs, rules.target_fraction)
            return pooled_heights(heights, rules.output_stride)
        if rules.target_kind == "spheres" and rules.output_stride > 1:
            truth = coarse_truth(
                truth, rules.output_stride, least_radius=_SEEN / rules.target_fraction
            )
            return labels_of("spheres", truth, fraction=rules.target_fraction).astype(np.int64)
        labels = labels_of(rules.target_kind, truth, fraction=rules.target_fraction)
        return pooled_labels(labels, rules.output_stride).astype(np.int64)

    def loss(self) -> nn.Module:
        """Return a module: (outputs, targets of a batch) -> scalar."""
        rules = self.rules
        return build_loss(rules.loss, rules.channel_weights, rules.loss_parameters)

    def probabilities(self, outputs: Tensor) -> Tensor:
        """Return probabilities (b, c, z, y, x), background first, of outputs of that shape."""
        return torch.softmax(outputs.float(), dim=1)


def coarse_truth(truth: PatchTruth, stride: int, *, least_radius: float) -> PatchTruth:
    """Return the particles of a patch on a grid whose voxels are blocks of the patch's.

    A ball that is painted there has its own size; one that is painted on the patch and pooled
    would grow by half a block.

    Parameters
    ----------
    truth : PatchTruth
        The particles; every side of the patch a multiple of the stride.
    stride : int
        Side of the blocks.
    least_radius : float
        Smaller radii become this, in blocks.

    Examples
    --------
    >>> truth = PatchTruth((4, 6, 8), {1: np.array([[0.5, 2.5, 6.0]])}, {1: 3.0})
    >>> coarse = coarse_truth(truth, 2, least_radius=1.0)
    >>> coarse.shape_zyx, coarse.centres_zyx[1].tolist(), coarse.radii_voxels
    ((2, 3, 4), [[0.0, 1.0, 2.75]], {1: 1.5})
    """
    z, y, x = (side // stride for side in truth.shape_zyx)
    middle = (stride - 1) / 2  # of the first block
    return PatchTruth(
        (z, y, x),
        {channel: (centres - middle) / stride for channel, centres in truth.centres_zyx.items()},
        {c: max(radius / stride, least_radius) for c, radius in truth.radii_voxels.items()},
    )
