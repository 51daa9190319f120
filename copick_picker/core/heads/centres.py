"""The head ``centres``: for each object a probability, an offset and its uncertainty per voxel.

After DECODE (Speiser et al. 2021, https://doi.org/10.1038/s41592-021-01236-x), written anew for
particles: each voxel of the output says how likely it belongs to a particle, where the particle's
centre lies relative to the voxel, and how far off that may be along each axis; the votes of the
voxels give the particles. Works on volumes (z, y, x) and on images (y, x).

Channels of the outputs, for n objects and d axes: n logits; the logit of the background, which
only counts where objects compete; n x d offsets; n x d logarithms of standard deviations, in voxels
of the output; where amplitudes are learned, n logarithms of those.
"""

import itertools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.spatial import cKDTree
from torch import Tensor, nn

from copick_picker.core.augmentations import Augmentation
from copick_picker.core.heads.head import Decoded, FoundPoints, HeadKind, HeadSettings
from copick_picker.core.heads.point_losses import COMPETING, CentresLoss, blob_mass
from copick_picker.core.heads.point_scores import calibrated, prior_logits, set_last_layer
from copick_picker.core.heads.rules import HeadRules
from copick_picker.core.heads.softmax import SEEN, coarse_truth
from copick_picker.core.heads.targets import PatchTruth, blob_heights, blocks_of, labels_of
from copick_picker.core.heads.votes import PLANES, VoteMaps, voted_points

FloatArray = npt.NDArray[np.float64]
LEAST_REACH = 2.0
"""Least reach of an offset, in voxels of the output: ``reach * tanh``."""
BACKGROUND_BIAS = 3.0
"""Logit of the background at which training begins where objects compete: mostly background."""
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

    @property
    def _paints_balls(self) -> bool:
        """Whether a particle is a ball of voxels that objects compete for, or a blob of its own."""
        return self.rules.loss in COMPETING

    def target(self, truth: PatchTruth) -> npt.NDArray[np.float32]:
        """Return the target of a patch.

        Parameters
        ----------
        truth : PatchTruth
            Centres of the particles; every side of the patch a multiple of the stride.

        Returns
        -------
        numpy.ndarray, shape (n + 2 + d, ...), float32
            For each object its share of each voxel; the channel of the particle that a voxel
            points to, 0 where there is none; the offset to its centre along each axis in voxels of
            the output; and the logarithm of its amplitude.
        """
        stride, n = self.output_stride, self.rules.n_objects
        shape = tuple(side // stride for side in truth.shape_zyx)
        d = len(shape)
        result = np.zeros((n + 2 + d, *shape), dtype=np.float32)
        coarse = {
            channel: blocks_of(centres, stride, n_axes=d)
            for channel, centres in truth.centres_zyx.items()
            if len(centres)
        }
        if self._paints_balls:
            near = self._balls(truth)
            for channel in coarse:
                result[channel - 1] = near == channel
        else:
            near = self._blobs(coarse, result)
        result[n] = near
        for channel, centres in coarse.items():
            cells = np.argwhere(near == channel)
            if len(cells) == 0:
                continue
            _, nearest = cKDTree(centres).query(cells)
            place = near == channel  # in the order of the cells
            for axis in range(d):
                result[n + 1 + axis][place] = (centres[nearest] - cells)[:, axis]
            if truth.amplitudes is not None:
                result[n + 1 + d][place] = np.log(truth.amplitudes[channel][nearest])
        return result

    def _balls(self, truth: PatchTruth) -> npt.NDArray[np.uint8]:
        """Return the channel of each voxel: balls of a fraction of the radius, as of softmax."""
        rules = self.rules
        small = coarse_truth(truth, self.output_stride, least_radius=SEEN / rules.target_fraction)
        labels: npt.NDArray[np.uint8] = labels_of("spheres", small, fraction=rules.target_fraction)
        return labels

    def _blobs(
        self, coarse: Mapping[int, FloatArray], result: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.uint8]:
        """Raise blobs in ``result``; return the channel of the particle nearest to each voxel.

        The voxel of a centre has the height 1, and it and the voxels next to it point there.
        """
        shape = result.shape[1:]
        near = np.zeros(shape, dtype=np.uint8)
        best = np.full(shape, np.inf)
        steps = np.array(list(itertools.product((-1, 0, 1), repeat=len(shape))))
        for channel, centres in coarse.items():
            blob_heights(result[channel - 1], centres, self._spreads[channel - 1])
            home = np.floor(centres + 0.5).astype(int)
            inside = np.asarray(((home >= 0) & (home < shape)).all(axis=1))
            result[(channel - 1, *home[inside].T)] = 1.0
            for point, cell in zip(centres, home, strict=True):
                cells = cell + steps
                cells = cells[np.asarray(((cells >= 0) & (cells < shape)).all(axis=1))]
                place = tuple(cells.T)
                away = ((cells - point) ** 2).sum(axis=1)
                nearer = away < best[place]
                chosen = tuple(cells[nearer].T)
                near[chosen], best[chosen] = channel, away[nearer]
        return near

    def loss(self) -> nn.Module:
        """Return the loss: probability, position, and what is asked for beside them."""
        return CentresLoss(self.rules, reaches=self._reaches, log_sigma_limits=LOG_SIGMA_LIMITS)

    def prepare(self, network: nn.Module) -> None:
        """Set the biases: the background's, or each object's prior; and the uncertainty.

        Offsets begin at 0, with the standard deviation that those of a ball's voxels have along an
        axis: the radius over the root of five. Random ones would drown the probabilities' gradient.
        """
        n, d = self.rules.n_objects, self.rules.n_axes
        bias = torch.zeros(self.n_outputs, dtype=torch.float64)
        radii = self._balls_radii if self._paints_balls else [1.0] * n
        spread = torch.tensor(radii, dtype=torch.float64).clamp(min=1.0) / math.sqrt(5.0)
        bias[n + 1 + n * d : n + 1 + 2 * n * d] = torch.log(spread).repeat_interleave(d)
        if self._paints_balls:
            bias[n] = BACKGROUND_BIAS
        else:
            bias[:n] = prior_logits(self.rules)
        set_last_layer(network, bias, n_learned=n + 1)

    def settings(self) -> HeadSettings:
        """Return what the readout has to know of the training."""
        weight = float(self.rules.loss_parameters.get("positive_weight", 1.0))
        return {
            "n_axes": self.rules.n_axes,
            "has_amplitude": self.rules.has_amplitude,
            "positive_weight": 1.0 if self._paints_balls else weight,
            "competing": self._paints_balls,
            "reaches": [round(reach, 4) for reach in self._reaches],
            "masses": [round(mass, 4) for mass in self._masses],
        }

    @property
    def _balls_radii(self) -> list[float]:
        """Radii of the balls in voxels of the output."""
        fraction = self.rules.target_fraction
        return [max(fraction * radius, SEEN) for radius in self.rules.block_radii]

    @property
    def _reaches(self) -> list[float]:
        """Largest offset of each object in voxels of the output."""
        if not self._paints_balls:
            return [LEAST_REACH] * self.rules.n_objects
        return [max(LEAST_REACH, 1.25 * radius + 0.5) for radius in self._balls_radii]

    @property
    def _masses(self) -> list[float]:
        """Sum of the probabilities of a perfect particle of each object."""
        d = self.rules.n_axes
        if self._paints_balls:
            unit = math.pi ** (d / 2) / math.gamma(d / 2 + 1)
            return [max(1.0, unit * radius**d) for radius in self._balls_radii]
        return [blob_mass(spread, d) for spread in self._spreads]


class CentresReadout:
    """The head in use: mean probabilities, positions weighted by their inverse variance.

    Averaged over windows, augmentations and models are the probabilities, the inverse variance
    along each axis, and that times the offset: both of the object to which a voxel most likely
    belongs. The variance of the mean is the harmonic mean of the variances, not divided by their
    number: the errors of augmentations and models go together.

    Parameters
    ----------
    n_outputs : int
        Channels of the network.
    settings : mapping
        As :meth:`CentresHead.settings` returns them; ``probability`` and ``sigma_scale`` once they
        are calibrated, by object.
    """

    finds_points = True

    def __init__(self, n_outputs: int, settings: HeadSettings) -> None:
        self.n_axes = int(settings.get("n_axes", 3))
        self.has_amplitude = bool(settings.get("has_amplitude", False))
        self.n_objects = (n_outputs - 1) // (1 + 2 * self.n_axes + int(self.has_amplitude))
        self.n_outputs = n_outputs
        self.n_sums = self.n_objects + 2 * self.n_axes + int(self.has_amplitude)
        self.n_channels = self.n_objects + 1
        self._log_weight = math.log(float(settings.get("positive_weight", 1.0)))
        self._competing = bool(settings.get("competing", False))
        self._reaches = list(settings.get("reaches", [LEAST_REACH] * self.n_objects))
        self._masses = list(settings.get("masses", [1.0] * self.n_objects))
        self.halo = math.ceil(max(self._reaches, default=0.0)) + PLANES
        self._settings = settings

    def sums(self, outputs: Tensor) -> Tensor:
        """Return probabilities, offsets times inverse variances, inverse variances, amplitude."""
        n, d = self.n_objects, self.n_axes
        logits, background = outputs[:, :n], outputs[:, n : n + 1]
        if self._competing:
            shares = torch.softmax(torch.cat([background, logits], dim=1), dim=1)[:, 1:]
        else:
            shares = torch.sigmoid(logits - self._log_weight)
        own = torch.zeros_like(shares, dtype=torch.long)
        if n > 1:
            own = shares.argmax(dim=1, keepdim=True)
        b, _, *grid = outputs.shape
        which = own.unsqueeze(2).expand(b, 1, d, *grid)
        ends = list(itertools.accumulate((n + 1, n * d, n * d)))
        offsets, log_sigmas = (
            outputs[:, first:end].reshape(b, n, d, *grid).gather(1, which)[:, 0]
            for first, end in itertools.pairwise(ends)
        )
        reach = torch.tensor(self._reaches, dtype=outputs.dtype, device=outputs.device)
        weights = torch.exp(-2.0 * log_sigmas.clamp(*LOG_SIGMA_LIMITS))
        parts = [shares, reach[own] * torch.tanh(offsets) * weights, weights]
        if self.has_amplitude:
            parts.append(outputs[:, ends[2] :].gather(1, own))
        return torch.cat(parts, dim=1)

    def undo(self, sums: Tensor, augmentation: Augmentation) -> Tensor:
        """Return the sums of an augmented window; vectors and lengths turn with their axes."""
        near, places, weights, amplitude = self._split(sums)
        return torch.cat(
            [
                augmentation.undo(near),
                augmentation.undo_vectors(places),
                augmentation.undo_lengths(weights),
                augmentation.undo(amplitude),
            ]
        )

    def compact(self, sums: Tensor) -> Tensor:
        """Return the sums: they are within the range of float16."""
        return sums

    def decode(self, averages: Tensor, *, probabilities: bool) -> Decoded:
        """Return labels from a probability of 0.5 on, finite rows, and maps.

        The maps are: the probability of each object; the offset along each axis, the standard
        deviation along each axis, and the amplitude where there is one, of whatever object the
        voxel belongs to.
        """
        near, places, weights, amplitude = self._split(averages)
        shares = torch.cat([1.0 - near.amax(dim=0, keepdim=True), near])
        if self.n_objects == 1:
            labels = (shares[1] > shares[0]).to(torch.uint8)
        else:
            labels = shares.argmax(dim=0).to(torch.uint8)
        finite = torch.isfinite(averages).all(dim=0).all(dim=-1, keepdim=True)
        least = math.exp(-2.0 * LOG_SIGMA_LIMITS[1])
        weights = weights.clamp(min=0.5 * least)
        maps = torch.cat([near, places / weights, weights.rsqrt(), amplitude]).to(torch.float16)
        if not probabilities:
            return labels, finite, maps
        return labels, finite, shares.to(torch.float16), maps

    def points(self, maps: npt.NDArray[Any], planes: slice) -> list[FoundPoints]:
        """Return where voxels vote for, see :mod:`copick_picker.core.heads.votes`."""
        near, places, sigmas, amplitude = self._split(maps)
        found = []
        for k in range(self.n_objects):
            of_object = VoteMaps(
                near[k], places, sigmas, amplitude[0] if self.has_amplitude else None
            )
            points = voted_points(of_object, planes, mass=self._masses[k], floor=FLOOR)
            found.append(calibrated(points, self._settings, k))
        return found

    def _split(self, values: Any) -> Any:  # noqa: ANN401 (tensors and arrays)
        """Return probabilities, places, weights or sigmas, and amplitude."""
        n, d = self.n_objects, self.n_axes
        ends = list(itertools.accumulate((n, d, d, int(self.has_amplitude))))
        return [values[a:b] for a, b in zip([0, *ends], ends, strict=False)]


def _n_outputs(n_objects: int, n_axes: int, *, has_amplitude: bool) -> int:
    return n_objects * (1 + 2 * n_axes + int(has_amplitude)) + 1


CENTRES = HeadKind(
    CentresHead,
    CentresReadout,
    lambda n: _n_outputs(n, 3, has_amplitude=False),
    n_side=lambda n: 6 * n,
)
