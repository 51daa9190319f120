"""A head that is no segmentation: where the nearest particle is, and in which direction it lies."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from copick_picker.core.augmentations import Augmentation
from copick_picker.core.heads.head import Decoded, FoundPoints, HeadKind, HeadSettings
from copick_picker.core.heads.maxima import local_maxima
from copick_picker.core.heads.rules import HeadRules
from copick_picker.core.heads.targets import PatchTruth

AXES = 3


class OffsetLoss(nn.Module):
    """Cross-entropy of "a particle is near", and the distance of the offsets where one is."""

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of outputs and targets (b, n + 3, z, y, x)."""
        n = outputs.shape[1] - AXES
        near = targets[:, :n]
        weight = torch.where(near > 0, 20.0, 1.0)
        seen = nn.functional.binary_cross_entropy_with_logits(outputs[:, :n], near, weight)
        inside = near.amax(dim=1, keepdim=True)
        away = (outputs[:, n:] - targets[:, n:]).abs() * inside
        return seen + 0.1 * away.sum() / inside.sum().clamp(min=1.0)


class OffsetHead:
    """The head in training: for each object whether it is near, then the offset along z, y, x."""

    def __init__(self, rules: HeadRules) -> None:
        self.n_outputs = rules.n_objects + AXES
        self.output_stride = rules.output_stride
        self.rules = rules

    def target(self, truth: PatchTruth) -> npt.NDArray[np.float32]:
        """Return (n + 3, z, y, x): 1 in half the radius, and the way to that particle's centre."""
        stride = self.output_stride
        shape = tuple(side // stride for side in truth.shape_zyx)
        grid = np.moveaxis(np.indices(shape), 0, -1).astype(np.float64)
        result = np.zeros((self.n_outputs, *shape), np.float32)
        for channel, centres in truth.centres_zyx.items():
            for centre in centres:
                away = (centre - (stride - 1) / 2) / stride - grid
                near = np.linalg.norm(away, axis=-1) <= 0.5 * truth.radii_voxels[channel] / stride
                result[channel - 1][near] = 1.0
                result[-AXES:, near] = away[near].T
        return result

    def loss(self) -> nn.Module:
        """Return the loss."""
        return OffsetLoss()

    def prepare(self, network: nn.Module) -> None:
        """Leave the network as it is."""

    def settings(self) -> HeadSettings:
        """Return nothing."""
        return {}


class OffsetReadout:
    """The head in use: probabilities are averaged, and offsets weighted with them."""

    finds_points = True
    halo = 1

    def __init__(self, n_outputs: int, settings: HeadSettings) -> None:
        del settings
        self.n_outputs = self.n_sums = n_outputs
        self.n_objects = n_outputs - AXES
        self.n_channels = self.n_objects + 1

    def sums(self, outputs: Tensor) -> Tensor:
        """Return probabilities, and offsets times the highest of them."""
        near = torch.sigmoid(outputs[:, : self.n_objects])
        return torch.cat([near, outputs[:, self.n_objects :] * near.amax(1, keepdim=True)], dim=1)

    def undo(self, sums: Tensor, augmentation: Augmentation) -> Tensor:
        """Return probabilities moved back, and offsets moved and turned back."""
        near, away = sums[: self.n_objects], sums[self.n_objects :]
        return torch.cat([augmentation.undo(near), augmentation.undo_vectors(away)])

    def compact(self, sums: Tensor) -> Tensor:
        """Return the sums: they are small numbers."""
        return sums

    def decode(self, averages: Tensor, *, probabilities: bool) -> Decoded:
        """Return labels from 0.5 on, finite rows, probabilities where asked for, and the maps."""
        near = averages[: self.n_objects]
        shares = torch.cat([1.0 - near.amax(dim=0, keepdim=True), near])
        labels = shares.argmax(dim=0).to(torch.uint8)
        finite = torch.isfinite(averages).all(dim=0).all(dim=-1, keepdim=True)
        maps = averages.to(torch.float16)
        if not probabilities:
            return labels, finite, maps
        return labels, finite, shares.to(torch.float16), maps

    def points(self, maps: npt.NDArray[np.float16], planes: slice) -> list[FoundPoints]:
        """Return where the maxima point to, and how sure."""
        near, away = maps[: self.n_objects].astype(np.float32), maps[self.n_objects :].astype(float)
        found = []
        for channel in range(self.n_objects):
            peaks = local_maxima(near[channel], floor=0.5, planes=planes)
            place = tuple(peaks.T)
            strongest = near.max(axis=0)[place]
            offsets = away[(slice(None), *place)].T / strongest[:, None]
            found.append(FoundPoints(peaks, offsets, near[channel][place].astype(float)))
        return found


OFFSETS = HeadKind(OffsetHead, OffsetReadout, lambda n_objects: n_objects + AXES)
