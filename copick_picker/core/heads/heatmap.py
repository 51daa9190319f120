"""The head ``heatmap``: for each object Gaussian blobs at its particles, one channel each.

The target is the maximum of Gaussians of height 1 whose standard deviation is stated in Angstrom,
on the grid of the network's outputs. The outputs are logits; their logistic function is the heat
map. Particles are its maxima, refined by a parabola in the logarithm, exact for a Gaussian. Works
on volumes (z, y, x) and on images (y, x).
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from copick_picker.core.augmentations import Augmentation
from copick_picker.core.heads.head import Decoded, FoundPoints, HeadKind, HeadSettings
from copick_picker.core.heads.maxima import local_maxima, log_parabola
from copick_picker.core.heads.point_losses import blob_mass, pooled, voxel_loss
from copick_picker.core.heads.point_scores import calibrated, prior_logits, set_last_layer
from copick_picker.core.heads.rules import HeadRules
from copick_picker.core.heads.targets import PatchTruth, blob_heights, blocks_of
from copick_picker.errors import SettingsError

FLOOR = 0.02
"""Least height of a maximum that is reported."""
_LARGEST_LOGIT = 20.0


class HeatLoss(nn.Module):
    """Loss of heat maps against Gaussian heights, by object.

    Parameters
    ----------
    rules : HeadRules
        ``loss``: ``bce``, ``focal`` or ``top-k``, the mean of the highest losses of each sample
        (``top_share`` of its voxels); the objects' weights.
    """

    def __init__(self, rules: HeadRules) -> None:
        super().__init__()
        self.voxels = voxel_loss(rules.loss, rules.loss_parameters)
        self.top_share = rules.loss_parameters.get("top_share") if rules.loss == "top-k" else None
        self.n_axes = rules.n_axes
        sigmas = [a * b for a, b in zip(rules.blob_radii, rules.block_radii, strict=False)]
        self.least_mass = min((blob_mass(sigma, rules.n_axes) for sigma in sigmas), default=1.0)
        self.object_weights: Tensor
        objects = torch.tensor(rules.channel_weights[1:], dtype=torch.float32)
        self.register_buffer("object_weights", objects, persistent=False)
        self.terms: dict[str, Tensor] = {}

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of logits and heights (b, n, ...)."""
        weights = self.object_weights.reshape(-1, *(1,) * self.n_axes)
        value = pooled(
            self.voxels(outputs, targets) * weights,
            self.voxels.mass(targets, least=self.least_mass),
            share=self.top_share,
        )
        self.terms = {"heat": value.detach()}
        return value


class HeatmapHead:
    """The head in training.

    Parameters
    ----------
    rules : HeadRules
        Objects, blobs, priors, output stride and loss.

    Raises
    ------
    SettingsError
        If there is not one blob for each object.
    """

    def __init__(self, rules: HeadRules) -> None:
        if len(rules.blob_radii) != rules.n_objects:
            msg = f"{len(rules.blob_radii)} blobs for {rules.n_objects} objects; expected one each"
            raise SettingsError(msg)
        self.rules = rules
        self.n_outputs = rules.n_objects
        self.output_stride = rules.output_stride

    def target(self, truth: PatchTruth) -> npt.NDArray[np.float32]:
        """Return heights (n, ...), float32, on the grid of the outputs.

        The voxel that is nearest to a centre has the height 1, so that it counts as a positive.

        Parameters
        ----------
        truth : PatchTruth
            The particles; every side of the patch a multiple of the stride.
        """
        stride = self.output_stride
        shape = tuple(side // stride for side in truth.shape_zyx)
        heights = np.zeros((self.n_outputs, *shape), dtype=np.float32)
        for channel, centres in truth.centres_zyx.items():
            coarse = blocks_of(centres, stride, n_axes=len(shape))
            sigma = self.rules.blob_radii[channel - 1] * truth.radii_voxels[channel] / stride
            blob_heights(heights[channel - 1], coarse, sigma)
            home = np.floor(coarse + 0.5).astype(int)
            inside = np.asarray(((home >= 0) & (home < shape)).all(axis=1))
            heights[(channel - 1, *home[inside].T)] = 1.0
        return heights

    def loss(self) -> nn.Module:
        """Return the loss."""
        return HeatLoss(self.rules)

    def prepare(self, network: nn.Module) -> None:
        """Set the bias of each object to its prior."""
        set_last_layer(network, prior_logits(self.rules))

    def settings(self) -> HeadSettings:
        """Return number of axes and the weight of positives."""
        return {
            "n_axes": self.rules.n_axes,
            "positive_weight": float(self.rules.loss_parameters.get("positive_weight", 1.0)),
        }


class HeatmapReadout:
    """The head in use: mean logits, corrected for the weight of positives.

    Parameters
    ----------
    n_outputs : int
        Channels of the network, one for each object.
    settings : mapping
        ``positive_weight``; ``probability`` once it is calibrated, by object.
    """

    finds_points = True
    halo = 1

    def __init__(self, n_outputs: int, settings: HeadSettings) -> None:
        self.n_outputs = self.n_sums = n_outputs
        self.n_channels = n_outputs + 1
        self._log_weight = math.log(float(settings.get("positive_weight", 1.0)))
        self._settings = settings

    def sums(self, outputs: Tensor) -> Tensor:
        """Return the logits, corrected and clamped."""
        return (outputs - self._log_weight).clamp(-_LARGEST_LOGIT, _LARGEST_LOGIT)

    def undo(self, sums: Tensor, augmentation: Augmentation) -> Tensor:
        """Return the sums (n, z, y, x) of an augmented window in the volume's orientation."""
        return augmentation.undo(sums)

    def compact(self, sums: Tensor) -> Tensor:
        """Return the sums: they are within the range of float16."""
        return sums

    def decode(self, averages: Tensor, *, probabilities: bool) -> Decoded:
        """Return labels from a height of 0.5 on, finite rows, and the heat maps."""
        heat = torch.sigmoid(averages)
        shares = torch.cat([1.0 - heat.amax(dim=0, keepdim=True), heat])
        labels = shares.argmax(dim=0).to(torch.uint8)
        finite = torch.isfinite(averages).all(dim=0).all(dim=-1, keepdim=True)
        maps = heat.to(torch.float16)
        if not probabilities:
            return labels, finite, maps
        return labels, finite, shares.to(torch.float16), maps

    def points(self, maps: npt.NDArray[Any], planes: slice) -> list[FoundPoints]:
        """Return the maxima of each heat map; the score is the height, calibrated if it was."""
        found = []
        for number, each in enumerate(maps):
            heat = each.astype(np.float32)
            peaks = local_maxima(heat, floor=FLOOR, planes=planes)
            scores = heat[tuple(peaks.T)].astype(np.float64)
            points = FoundPoints(peaks, log_parabola(heat, peaks), scores)
            found.append(calibrated(points, self._settings, number))
        return found


HEATMAP = HeadKind(HeatmapHead, HeatmapReadout, lambda n_objects: n_objects)
