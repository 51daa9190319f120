"""A trained detector on the frames of a movie."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import map_coordinates
from torch import Tensor

from copick_picker.core.heads.centres import CentresReadout
from copick_picker.core.heads.head import FoundPoints
from copick_picker.core.movie.network import FrameNetwork, HybridNetwork
from copick_picker.core.movie.patches import AMPLITUDE_UNIT, context_frames
from copick_picker.core.movie.scaling import GreyScale
from copick_picker.core.segment.device import arithmetic
from copick_picker.errors import DataError
from copick_picker.records.movies import FloatArray, Frames, Spots, all_spots


@dataclass(frozen=True, eq=False)
class Channel:
    """A channel of a movie.

    Attributes
    ----------
    frames : numpy.ndarray, shape (t, y, x)
        Grey values, perhaps in a file: only the frames that are needed are read.
    scale : GreyScale
        Level and noise.
    """

    frames: Frames
    scale: GreyScale


@dataclass(frozen=True, eq=False)
class Detector:
    """A network with what its outputs mean.

    Attributes
    ----------
    network : FrameNetwork
        In evaluation mode, on the device.
    readout : CentresReadout
        Reads puncta from outputs.
    device : torch.device
        Where the network is.
    precision : str
        ``float32``, or ``bf16`` or ``fp16`` where the device is fast at it.
    others : tuple of FrameNetwork
        Further members of an ensemble, alike but for their weights; what is averaged are
        probabilities, offsets by their inverse variance, and the logits of calcium.
    """

    network: FrameNetwork
    readout: CentresReadout
    device: torch.device
    precision: str = "float32"
    others: tuple[FrameNetwork, ...] = ()

    @property
    def has_calcium(self) -> bool:
        """Whether the network also says where calcium is up."""
        return isinstance(self.network, HybridNetwork)

    def spots(
        self,
        frames: Frames,
        numbers: Iterable[int],
        *,
        scale: GreyScale,
        gain: float,
        threshold: float,
        batch: int = 4,
        second: Channel | None = None,
    ) -> Iterator[Spots]:
        """Yield the puncta of some frames, a batch at a time.

        Parameters
        ----------
        frames : numpy.ndarray, shape (t, y, x)
            The movie, perhaps in a file: only the frames that are needed are read.
        numbers : iterable of int
            Frames to look at.
        scale : GreyScale
            Level and noise of the movie.
        gain : float
            Grey values for each photon.
        threshold : float
            Least probability.
        batch : int
            Frames that the network sees at a time.
        second : Channel, optional
            The other channel, for a network that sees two.

        Raises
        ------
        DataError
            If an output is NaN or infinite, or a channel is missing.
        """
        channels = [Channel(frames, scale)] + ([] if second is None else [second])
        for some in batched(map(int, numbers), batch):
            outputs, (height, width) = self._outputs(channels, some)
            sums = [self.readout.sums(self._of_puncta(each)) for each in outputs]
            averages = torch.stack(sums).mean(dim=0)[..., :height, :width].cpu()
            found = []
            for number, of_frame in zip(some, averages, strict=True):
                _, finite, maps = self.readout.decode(of_frame, probabilities=False)
                if not bool(finite.all()):
                    msg = f"frame {number}: the network's outputs are NaN or infinite"
                    raise DataError(msg)
                points = self.readout.points(maps.float().numpy(), slice(0, height))[0]
                found.append(_as_spots(points, number, scale.noise / gain, threshold))
            yield all_spots(found)

    def calcium_at(
        self, channels: Sequence[Channel], spots: Spots, *, batch: int = 4
    ) -> FloatArray:
        """Return the logit of calcium being up at each of some positions, shape (n,).

        Parameters
        ----------
        channels : sequence of Channel
            The channels that the network sees.
        spots : Spots
            Frames and positions; each takes the value between the nearest four pixels.
        batch : int
            Frames that the network sees at a time.

        Raises
        ------
        DataError
            If a channel is missing.
        """
        found = np.zeros(len(spots))
        order = np.argsort(spots.frames, kind="stable")
        numbers, starts = np.unique(spots.frames[order], return_index=True)
        rows = dict(zip(numbers.tolist(), np.split(order, starts[1:]), strict=True))
        for some in batched(numbers.tolist(), batch):
            outputs, (height, width) = self._outputs(channels, some)
            logits_of = torch.stack([each[:, -1] for each in outputs]).mean(dim=0)
            maps = logits_of[:, :height, :width].cpu().numpy()
            for number, logits in zip(some, maps, strict=True):
                places = spots.positions[rows[number], ::-1].T
                found[rows[number]] = map_coordinates(logits, places, order=1, mode="nearest")
        return found

    def _of_puncta(self, outputs: Tensor) -> Tensor:
        return outputs[:, :-1] if self.has_calcium else outputs

    def _outputs(
        self, channels: Sequence[Channel], numbers: Sequence[int]
    ) -> tuple[list[Tensor], tuple[int, int]]:
        """Return each network's outputs for some frames, padded, and the size of a frame."""
        context, wanted = self.network.context, self.network.n_channels
        if len(channels) < wanted:
            msg = "the network needs two channels, but the movie has one"
            raise DataError(msg)
        needed = np.stack([context_frames(n, context, len(channels[0].frames)) for n in numbers])
        distinct, place = np.unique(needed, return_inverse=True)
        parts = []
        for channel in channels[:wanted]:
            frames = np.stack([channel.frames[int(n)] for n in distinct])
            padded, size = _padded(channel.scale.scaled(frames), self.network.window_multiple)
            parts.append(padded[place.reshape(needed.shape)])
        inputs = torch.from_numpy(np.concatenate(parts, axis=1)).to(self.device)
        inputs = inputs.contiguous(memory_format=torch.channels_last)
        with torch.inference_mode(), arithmetic(self.device, self.precision):
            outputs = [network(inputs).float() for network in (self.network, *self.others)]
        return outputs, size


def batched(numbers: Iterable[int], size: int) -> Iterator[list[int]]:
    """Yield numbers in lists of a size; the last may be shorter.

    Parameters
    ----------
    numbers : iterable of int
        Numbers.
    size : int
        Most of a list.
    """
    rest = iter(numbers)
    while some := list(islice(rest, size)):
        yield some


def _padded(
    values: npt.NDArray[np.float32], multiple: int
) -> tuple[npt.NDArray[np.float32], tuple[int, int]]:
    """Return frames whose sides are multiples, mirrored below and on the right."""
    _, height, width = values.shape
    more = [(-side) % multiple for side in (height, width)]
    mode: Any = "reflect" if min(height, width) > max(more) else "edge"
    padded = np.pad(values, ((0, 0), (0, more[0]), (0, more[1])), mode=mode)
    return padded, (height, width)


def _as_spots(points: FoundPoints, frame: int, per_grey: float, threshold: float) -> Spots:
    amplitudes = np.ones(len(points.scores)) if points.amplitudes is None else points.amplitudes
    sigmas = np.ones_like(points.centres) if points.sigmas is None else points.sigmas
    spots = Spots(
        np.full(len(points.scores), frame, dtype=np.int64),
        points.centres[:, ::-1],
        probabilities=points.scores,
        photons=amplitudes * AMPLITUDE_UNIT * per_grey,
        sigmas=sigmas[:, ::-1],
    )
    return spots.chosen(points.scores >= threshold)


def with_calibration(detector: Detector, settings: dict[str, Any]) -> Detector:
    """Return a detector whose probabilities and standard deviations are calibrated.

    Parameters
    ----------
    detector : Detector
        The detector.
    settings : dict
        Settings of its head, see ``CentresReadout``.
    """
    return replace(detector, readout=CentresReadout(detector.readout.n_outputs, settings))
