"""A trained detector on the frames of a movie."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from copick_picker.core.heads.centres import CentresReadout
from copick_picker.core.heads.head import FoundPoints
from copick_picker.core.movie.network import FrameNetwork
from copick_picker.core.movie.patches import AMPLITUDE_UNIT, context_frames
from copick_picker.core.movie.scaling import GreyScale
from copick_picker.core.segment.device import arithmetic
from copick_picker.errors import DataError
from copick_picker.records.movies import Frames, Spots, all_spots


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
    """

    network: FrameNetwork
    readout: CentresReadout
    device: torch.device
    precision: str = "float32"

    def spots(
        self,
        frames: Frames,
        numbers: Iterable[int],
        *,
        scale: GreyScale,
        gain: float,
        threshold: float,
        batch: int = 4,
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

        Raises
        ------
        DataError
            If an output is NaN or infinite.
        """
        waiting: list[int] = []
        for number in numbers:
            waiting.append(int(number))
            if len(waiting) == batch:
                yield self._of_batch(frames, waiting, scale, gain, threshold)
                waiting = []
        if waiting:
            yield self._of_batch(frames, waiting, scale, gain, threshold)

    def _of_batch(
        self,
        frames: Frames,
        numbers: list[int],
        scale: GreyScale,
        gain: float,
        threshold: float,
    ) -> Spots:
        context = self.network.context
        needed = np.stack([context_frames(n, context, len(frames)) for n in numbers])
        distinct, place = np.unique(needed, return_inverse=True)
        values = scale.scaled(np.stack([frames[int(n)] for n in distinct]))
        padded, (height, width) = _padded(values, self.network.window_multiple)
        inputs = torch.from_numpy(padded[place.reshape(needed.shape)]).to(self.device)
        inputs = inputs.contiguous(memory_format=torch.channels_last)
        with torch.inference_mode():
            with arithmetic(self.device, self.precision):
                outputs = self.network(inputs)
            averages = self.readout.sums(outputs.float())[..., :height, :width].cpu()
        found = []
        for number, of_frame in zip(numbers, averages, strict=True):
            _, finite, maps = self.readout.decode(of_frame, probabilities=False)
            if not bool(finite.all()):
                msg = f"frame {number}: the network's outputs are NaN or infinite"
                raise DataError(msg)
            points = self.readout.points(maps.float().numpy(), slice(0, height))[0]
            found.append(_as_spots(points, number, scale.noise / gain, threshold))
        return all_spots(found)


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
