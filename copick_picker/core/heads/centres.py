"""The head ``centres``: for each object a probability, an offset and its uncertainty per voxel.

After DECODE (Speiser et al. 2021, https://doi.org/10.1038/s41592-021-01236-x), written anew for
particles: each voxel of the output says how likely a particle's centre lies in it, where the centre
lies relative to the voxel, and how far off that may be along each axis. Works on volumes (z, y, x)
and on images (y, x).

Channels of the outputs, for n objects and d axes: n logits; n x d offsets; n x d logarithms of
standard deviations, in voxels of the output; where amplitudes are learned, n logarithms of those.
"""

import itertools
import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from copick_picker.core.augmentations import Augmentation
from copick_picker.core.heads.head import Decoded, FoundPoints, HeadKind, HeadSettings
from copick_picker.core.heads.maxima import face_steps, local_maxima
from copick_picker.core.heads.point_losses import COMPETING, CentresLoss
from copick_picker.core.heads.point_scores import calibrated, set_prior
from copick_picker.core.heads.rules import HeadRules
from copick_picker.core.heads.targets import PatchTruth, blob_heights, blocks_of

FloatArray = npt.NDArray[np.float64]
OFFSET_REACH = 2.0
"""Largest offset, in voxels of the output: ``OFFSET_REACH * tanh``."""
LOG_SIGMA_LIMITS = (-3.0, 1.0)
"""Range of the logarithm of a standard deviation, in voxels of the output."""
FLOOR = 0.02
"""Least score of a centre that is reported, before calibration."""
NARROWEST = 0.8
"""Least standard deviation of a blob of probability, in voxels of the output."""


class CentresHead:
    """The head in training.

    Parameters
    ----------
    rules : HeadRules
        Objects, priors, output stride and loss.
    """

    def __init__(self, rules: HeadRules) -> None:
        self.rules = rules
        self.n_outputs = _n_outputs(
            rules.n_objects, rules.n_axes, has_amplitude=rules.has_amplitude
        )
        self.output_stride = rules.output_stride
        self._spreads = rules.spreads or (NARROWEST,) * rules.n_objects

    def target(self, truth: PatchTruth) -> npt.NDArray[np.float32]:
        """Return the target of a patch.

        Parameters
        ----------
        truth : PatchTruth
            Centres of the particles; every side of the patch a multiple of the stride.

        Returns
        -------
        numpy.ndarray, shape (n + 2 + d, ...), float32
            For each object 1 where a centre lies in the voxel; the channel of the nearest particle,
            0 where none lies in the voxel or next to it; the offset to it along each axis in voxels
            of the output; and the logarithm of its amplitude.
        """
        stride, n = self.output_stride, self.rules.n_objects
        shape = tuple(side // stride for side in truth.shape_zyx)
        d = len(shape)
        result = np.zeros((n + 2 + d, *shape), dtype=np.float32)
        steps = np.array(list(itertools.product((-1, 0, 1), repeat=d)))
        cells, offsets, channels, amplitudes = [], [], [], []
        for channel, centres in truth.centres_zyx.items():
            coarse = blocks_of(centres, stride, n_axes=d)
            home = np.floor(coarse + 0.5).astype(int)
            blob_heights(result[channel - 1], coarse, self._spreads[channel - 1])
            inside = ((home >= 0) & (home < shape)).all(axis=1)
            result[(channel - 1, *home[inside].T)] = 1.0
            near = (home[:, None] + steps).reshape(-1, d)
            cells.append(near)
            offsets.append(np.repeat(coarse, len(steps), axis=0) - near)
            channels.append(np.full(len(near), channel))
            known = (truth.amplitudes or {}).get(channel, np.ones(len(coarse)))
            amplitudes.append(np.repeat(np.log(known), len(steps)))
        if not cells:
            return result
        cell, offset = np.concatenate(cells), np.concatenate(offsets)
        far_first = np.argsort(-(offset**2).sum(axis=1), kind="stable")
        inside = np.asarray(((cell >= 0) & (cell < shape)).all(axis=1))
        far_first = far_first[inside[far_first]]
        place = tuple(cell[far_first].T)
        result[(n, *place)] = np.concatenate(channels)[far_first]
        for axis in range(d):
            result[(n + 1 + axis, *place)] = offset[far_first, axis]
        result[(n + 1 + d, *place)] = np.concatenate(amplitudes)[far_first]
        return result

    def loss(self) -> nn.Module:
        """Return the loss: probability, position, and what is asked for beside them."""
        return CentresLoss(self.rules, reach=OFFSET_REACH, log_sigma_limits=LOG_SIGMA_LIMITS)

    def prepare(self, network: nn.Module) -> None:
        """Set the biases: each logit to its prior, each standard deviation to half a voxel."""
        n, d = self.rules.n_objects, self.rules.n_axes
        others = torch.zeros(self.n_outputs - n)
        others[n * d : 2 * n * d] = math.log(0.5)
        set_prior(network, self.rules, others)

    def settings(self) -> HeadSettings:
        """Return number of axes, whether there is an amplitude, and the weight of positives."""
        return {
            "n_axes": self.rules.n_axes,
            "has_amplitude": self.rules.has_amplitude,
            "positive_weight": float(self.rules.loss_parameters.get("positive_weight", 1.0)),
            "competing": self.rules.loss in COMPETING,
            "spreads": [round(float(spread), 6) for spread in self._spreads],
        }


class CentresReadout:
    """The head in use: mean probabilities, positions weighted by their inverse variance.

    Averaged over windows, augmentations and models are the probability, the inverse variance along
    each axis and that times the offset. The variance of the mean is the harmonic mean of the
    variances, not divided by their number: the errors of augmentations and models go together.

    Parameters
    ----------
    n_outputs : int
        Channels of the network.
    settings : mapping
        ``n_axes``, ``has_amplitude``, ``positive_weight``; ``probability`` and ``sigma_scale`` once
        they are calibrated, by object.
    """

    finds_points = True
    halo = 1

    def __init__(self, n_outputs: int, settings: HeadSettings) -> None:
        self.n_axes = int(settings.get("n_axes", 3))
        self.has_amplitude = bool(settings.get("has_amplitude", False))
        self.n_objects = n_outputs // (1 + 2 * self.n_axes + int(self.has_amplitude))
        self.n_outputs = self.n_sums = n_outputs
        self.n_channels = self.n_objects + 1
        self._log_weight = math.log(float(settings.get("positive_weight", 1.0)))
        self._competing = bool(settings.get("competing", False))
        self._spreads = list(settings.get("spreads", [NARROWEST] * self.n_objects))
        self._settings = settings

    def sums(self, outputs: Tensor) -> Tensor:
        """Return probabilities, offsets times inverse variances, inverse variances, amplitudes."""
        logits, offsets, log_sigmas, amplitudes = self._split(outputs, axis=1)
        weights = torch.exp(-2.0 * log_sigmas.clamp(*LOG_SIGMA_LIMITS))
        places = OFFSET_REACH * torch.tanh(offsets)
        shares = torch.sigmoid(logits - self._log_weight)
        if self._competing:
            with_background = torch.cat([torch.zeros_like(logits[:, :1]), logits], dim=1)
            shares = torch.softmax(with_background, dim=1)[:, 1:]
        parts = [shares, places * weights, weights, amplitudes]
        return torch.cat(parts, dim=1)

    def undo(self, sums: Tensor, augmentation: Augmentation) -> Tensor:
        """Return the sums of an augmented window; vectors and lengths turn with their axes."""
        near, places, weights, amplitudes = self._split(sums, axis=0)
        turned = [
            augmentation.undo_vectors(places[3 * k : 3 * k + 3]) for k in range(self.n_objects)
        ]
        lengths = [
            augmentation.undo_lengths(weights[3 * k : 3 * k + 3]) for k in range(self.n_objects)
        ]
        return torch.cat(
            [augmentation.undo(near), *turned, *lengths, augmentation.undo(amplitudes)]
        )

    def compact(self, sums: Tensor) -> Tensor:
        """Return the sums: they are within the range of float16."""
        return sums

    def decode(self, averages: Tensor, *, probabilities: bool) -> Decoded:
        """Return labels from a probability of 0.5 on, finite rows, and maps.

        The maps are, for each object: the probability, the offset along each axis, the standard
        deviation along each axis, and the amplitude where there is one.
        """
        near, places, weights, amplitudes = self._split(averages, axis=0)
        shares = torch.cat([1.0 - near.amax(dim=0, keepdim=True), near])
        labels = shares.argmax(dim=0).to(torch.uint8)
        finite = torch.isfinite(averages).all(dim=0).all(dim=-1, keepdim=True)
        least = math.exp(-2.0 * LOG_SIGMA_LIMITS[1])
        weights = weights.clamp(min=0.5 * least)
        maps = torch.cat([near, places / weights, weights.rsqrt(), amplitudes]).to(torch.float16)
        if not probabilities:
            return labels, finite, maps
        return labels, finite, shares.to(torch.float16), maps

    def points(self, maps: npt.NDArray[Any], planes: slice) -> list[FoundPoints]:
        """Return the maxima of the probability, each judged together with its neighbours.

        The score is the sum of the probability over a voxel and those that share a face with it,
        over what that sum is for a certain particle at the predicted position: at most 1. The
        position is the mean of where these voxels point to, weighted by their probability.
        """
        near, places, sigmas, amplitudes = self._split(maps, axis=0)
        d, found = self.n_axes, []
        for k in range(self.n_objects):
            own = slice(d * k, d * k + d)
            amplitude = amplitudes[k] if self.has_amplitude else None
            maps_of_object = _Maps(near[k], places[own], sigmas[own], amplitude)
            points = _points_of(maps_of_object, planes, spread=self._spreads[k])
            found.append(calibrated(points, self._settings, k))
        return found

    def _split(self, values: Any, *, axis: int) -> Any:  # noqa: ANN401 (tensors and arrays)
        n, d = self.n_objects, self.n_axes
        ends = list(itertools.accumulate((n, n * d, n * d, n * int(self.has_amplitude))))
        lead = (slice(None),) * axis
        return [values[(*lead, slice(a, b))] for a, b in zip([0, *ends], ends, strict=False)]


class _Maps(NamedTuple):
    """The maps of one object."""

    near: npt.NDArray[Any]
    places: npt.NDArray[Any]
    sigmas: npt.NDArray[Any]
    amplitude: npt.NDArray[Any] | None


def _points_of(maps: _Maps, planes: slice, *, spread: float) -> FoundPoints:
    """Return the points of one object, not calibrated."""
    shares = maps.near.astype(np.float32)
    peaks = local_maxima(shares, floor=FLOOR, planes=planes)
    steps = face_steps(shares.ndim)
    cells = peaks[:, None] + steps
    inside = np.asarray(((cells >= 0) & (cells < shares.shape)).all(axis=-1))
    index = tuple(np.moveaxis(np.where(inside[..., None], cells, 0), -1, 0))
    seen = np.where(inside, shares[index], 0.0)
    weights = seen / np.maximum(seen.sum(axis=1, keepdims=True), 1e-12)
    pointed = steps + np.moveaxis(maps.places[(slice(None), *index)].astype(np.float64), 0, -1)
    offsets = (weights[..., None] * pointed).sum(axis=1)
    away = ((steps - offsets[:, None]) ** 2).sum(axis=-1)
    wanted = np.where(inside, np.exp(-0.5 * away / spread**2), 0.0)
    wanted[:, 0] = 1.0  # as in the target
    variances = np.moveaxis(maps.sigmas[(slice(None), *index)].astype(np.float64) ** 2, 0, -1)
    amplitude = None
    if maps.amplitude is not None:
        amplitude = np.exp(maps.amplitude[tuple(peaks.T)].astype(np.float64))
    return FoundPoints(
        peaks,
        offsets,
        np.minimum(seen.sum(axis=1) / wanted.sum(axis=1), 1.0),
        np.sqrt((weights[..., None] * variances).sum(axis=1)),
        amplitude,
    )


def _n_outputs(n_objects: int, n_axes: int, *, has_amplitude: bool) -> int:
    return n_objects * (1 + 2 * n_axes + int(has_amplitude))


CENTRES = HeadKind(CentresHead, CentresReadout, lambda n: _n_outputs(n, 3, has_amplitude=False))
