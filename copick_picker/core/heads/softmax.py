"""The segmentation head: softmax over the background and the objects."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from copick_picker.core.augmentations import Augmentation
from copick_picker.core.heads.head import Decoded, FoundPoints, HeadKind, HeadSettings
from copick_picker.core.heads.losses import build_loss
from copick_picker.core.heads.rules import HeadRules
from copick_picker.core.heads.targets import (
    TARGET_KINDS,
    PatchTruth,
    blocks_of,
    gaussian_heights,
    labels_of,
    pooled_heights,
    pooled_labels,
)
from copick_picker.errors import UnknownNameError, choices_text

SEEN = math.sqrt(3.0) / 2.0
"""A ball of this radius in voxels contains at least one voxel centre, wherever it lies."""


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
                truth, rules.output_stride, least_radius=SEEN / rules.target_fraction
            )
            return labels_of("spheres", truth, fraction=rules.target_fraction).astype(np.int64)
        labels = labels_of(rules.target_kind, truth, fraction=rules.target_fraction)
        return pooled_labels(labels, rules.output_stride).astype(np.int64)

    def loss(self) -> nn.Module:
        """Return a module: (outputs, targets of a batch) -> scalar."""
        rules = self.rules
        return build_loss(rules.loss, rules.channel_weights, rules.loss_parameters)

    def prepare(self, network: nn.Module) -> None:
        """Leave the network as it is: its background's bias is set when it is built."""

    def settings(self) -> HeadSettings:
        """Return nothing."""
        return {}


class SoftmaxReadout:
    """Logits are averaged; one softmax gives the probabilities, their maximum the labels.

    Parameters
    ----------
    n_outputs : int
        Channels of the network, background first.
    settings : mapping
        Not used.
    """

    finds_points = False
    halo = 0

    def __init__(self, n_outputs: int, settings: HeadSettings) -> None:
        del settings
        self.n_outputs = self.n_sums = self.n_channels = n_outputs

    def sums(self, outputs: Tensor) -> Tensor:
        """Return the logits (b, c, z, y, x) as they are."""
        return outputs

    def undo(self, sums: Tensor, augmentation: Augmentation) -> Tensor:
        """Return the logits (c, z, y, x) of an augmented window in the volume's orientation."""
        return augmentation.undo(sums)

    def compact(self, sums: Tensor) -> Tensor:
        """Return logits minus the highest of each voxel, to which softmax is invariant."""
        return sums - sums.amax(dim=0)

    def decode(self, averages: Tensor, *, probabilities: bool) -> Decoded:
        """Return labels (ties go to the first), finite rows and, if requested, probabilities."""
        shares = torch.softmax(averages, dim=0)
        labels = shares.max(dim=0).indices.to(torch.uint8)
        # if one channel is not finite, none is
        finite = torch.isfinite(shares[0]).all(dim=-1, keepdim=True)
        if not probabilities:
            return labels, finite
        return labels, finite, shares.to(torch.float16)

    def points(self, maps: npt.NDArray[Any], planes: slice) -> list[FoundPoints]:  # noqa: ARG002
        """Return no points: picks are read from labels and probabilities."""
        return []


SOFTMAX = HeadKind(SoftmaxHead, SoftmaxReadout, lambda n_objects: n_objects + 1)


def coarse_truth(truth: PatchTruth, stride: int, *, least_radius: float) -> PatchTruth:
    """Return the particles of a patch on a grid whose voxels are blocks of the patch's.

    A ball painted on that grid keeps its size; one painted on the patch and then pooled would grow
    by half a block.

    Parameters
    ----------
    truth : PatchTruth
        The particles; every side of the patch a multiple of the stride.
    stride : int
        Side of the blocks.
    least_radius : float
        Smaller radii are raised to this, in blocks.

    Examples
    --------
    >>> truth = PatchTruth((4, 6, 8), {1: np.array([[0.5, 2.5, 6.0]])}, {1: 3.0})
    >>> coarse = coarse_truth(truth, 2, least_radius=1.0)
    >>> coarse.shape_zyx, coarse.centres_zyx[1].tolist(), coarse.radii_voxels
    ((2, 3, 4), [[0.0, 1.0, 2.75]], {1: 1.5})
    """
    z, y, x = (side // stride for side in truth.shape_zyx)
    return PatchTruth(
        (z, y, x),
        {c: blocks_of(centres, stride, n_axes=3) for c, centres in truth.centres_zyx.items()},
        {c: max(radius / stride, least_radius) for c, radius in truth.radii_voxels.items()},
    )
