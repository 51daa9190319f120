"""What a volume looks like before a network sees it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from copick_picker.core.segment.moments import Moments, moments_of
from copick_picker.core.segment.volume import (
    Volume,
    VolumeStatistics,
    as_reader,
    blocks,
    n_not_finite,
    real,
)
from copick_picker.errors import DataError

_SMOOTHING_REACH = 4.0
"""Standard deviations after which a Gaussian is cut off."""
OUTLIER_SD = 20.0
"""Standard deviations from the middle beyond which a voxel is gold or a detector fault."""
_ONE_SD = 84.13
"""Percentile one standard deviation above the middle of a Gaussian."""
_SAMPLE = 2**16
"""Voxels of a block by which middle and spread are told, or somewhat fewer."""
_MOST_FAR = 2**20


@dataclass(frozen=True)
class VolumeFacts:
    """Figures of a volume that tell whether it can be segmented.

    Attributes
    ----------
    n_not_finite : int
        Voxels that are NaN or infinite.
    minimum, maximum : float
        Range of the finite voxels; 0 where there are none.
    skewness : float
        Third standardised moment of the lightly smoothed volume: below 0 where rare things are
        dark, above 0 where they are bright, 0 for a constant or not finite volume.
    statistics : VolumeStatistics or None
        Mean and standard deviation; None for a constant or not finite volume.
    middle, spread : float
        Median of the finite voxels, and half the distance of the percentiles that lie one standard
        deviation on either side of it in a Gaussian; outliers hardly move them.
    n_outliers : int
        Finite voxels further than :data:`OUTLIER_SD` spreads from the middle.
    empty_planes : tuple of int
        Planes across z, y and x without a finite voxel.
    """

    n_not_finite: int
    minimum: float
    maximum: float
    skewness: float
    statistics: VolumeStatistics | None = None
    middle: float = 0.0
    spread: float = 0.0
    n_outliers: int = 0
    empty_planes: tuple[int, int, int] = (0, 0, 0)

    @property
    def is_constant(self) -> bool:
        """Whether all voxels are equal."""
        return self.minimum == self.maximum

    def looks(self, least_skewness: float) -> str:
        """Return ``dark``, ``bright`` or ``unclear``: how the rare things of the volume look.

        Parameters
        ----------
        least_skewness : float
            Skewness below which the volume says nothing.
        """
        if abs(self.skewness) < least_skewness:
            return "unclear"
        return "dark" if self.skewness < 0 else "bright"


def inspect_volume(volume: Volume, *, smoothing_voxels: float | None) -> VolumeFacts:
    """Return the figures of a volume, in one pass over its planes.

    Protein is rarer than ice, so that the histogram of a smoothed tomogram has its longer tail on
    the side of protein; smoothing by about one voxel brings that tail out of the noise. Outliers
    are drawn in before that, so that one of them does not decide.

    Parameters
    ----------
    volume : numpy.ndarray or PlaneReader, shape (z, y, x), any real dtype
        The tomogram or a part of it. A few MB of planes are held at a time.
    smoothing_voxels : float or None
        Standard deviation of the Gaussian, in voxels; None leaves the skewness at 0.

    Raises
    ------
    DataError
        If the volume has not three axes, is empty, or is not of real numbers.

    Examples
    --------
    >>> volume = np.zeros((8, 9, 10), dtype=np.float32)
    >>> volume[2:4, 3:5, 4:6] = -1
    >>> inspect_volume(volume, smoothing_voxels=1.0).looks(0.2)
    'dark'
    """
    reader = as_reader(volume)
    voxels, smooth, bad = Moments(), Moments(), 0
    low, high = np.inf, -np.inf
    smoothing, outliers = _Smoothing(reader.shape[0], smoothing_voxels), _Outliers()
    known = [np.zeros(length, dtype=bool) for length in reader.shape]
    for z_start, z_stop in blocks(reader.shape):
        block = real(reader.read(z_start, z_stop))
        n_bad = n_not_finite(block)
        bad += n_bad
        is_finite = np.isfinite(block) if n_bad else np.ones((1, 1, 1), dtype=bool)
        known[0][z_start:z_stop] = is_finite.any(axis=(1, 2))
        known[1] |= is_finite.any(axis=(0, 2))
        known[2] |= is_finite.any(axis=(0, 1))
        finite = block[is_finite] if n_bad else block
        if not finite.size:
            continue
        lowest, highest = float(finite.min()), float(finite.max())
        low, high = min(low, lowest), max(high, highest)
        drawn_in = outliers.drawn_in(block, finite, lowest, highest)
        if not bad:
            voxels = voxels.joined(moments_of(block))
            for planes in smoothing.smoothed(drawn_in, z_start, offset=low):
                smooth = smooth.joined(moments_of(planes))
    middle, spread = outliers.scale()
    far = outliers.number(middle, spread)
    if bad or low == high:
        low, high = (low, high) if low <= high else (0.0, 0.0)
        z, y, x = (int((~each).sum()) for each in known)
        return VolumeFacts(bad, low, high, 0.0, None, middle, spread, far, (z, y, x))
    statistics = VolumeStatistics(voxels.mean, voxels.standard_deviation)
    return VolumeFacts(0, low, high, smooth.skewness, statistics, middle, spread, far)


class _Outliers:
    """Voxels far from the middle of a volume whose blocks come one after the other."""

    def __init__(self) -> None:
        self._samples: list[npt.NDArray[Any]] = []
        self._far: list[npt.NDArray[Any]] = []
        self._limits = (-np.inf, np.inf)

    def drawn_in(
        self, block: npt.NDArray[Any], finite: npt.NDArray[Any], lowest: float, highest: float
    ) -> npt.NDArray[Any]:
        """Return a block whose far voxels lie at the limits that are known so far."""
        step = int(np.ceil(np.sqrt(max(block.size / _SAMPLE, 1.0))))
        sample = block[:, ::step, ::step]
        self._samples.append(sample[np.isfinite(sample)].astype(np.float64))
        if not np.isfinite(self._limits[0]):
            middle, spread = self.scale()
            if spread > 0:
                self._limits = (middle - OUTLIER_SD * spread, middle + OUTLIER_SD * spread)
        low, high = self._limits
        if lowest >= low and highest <= high:
            return block
        if sum(map(len, self._far)) < _MOST_FAR:
            values = finite.astype(np.float64)
            self._far.append(values[(values < low) | (values > high)])
        kind = np.result_type(block.dtype, np.float32)
        drawn: npt.NDArray[Any] = np.clip(block.astype(kind), kind.type(low), kind.type(high))
        return drawn

    def scale(self) -> tuple[float, float]:
        """Return middle and spread of the sample."""
        values = np.concatenate(self._samples) if self._samples else np.zeros(0)
        if not values.size:
            return 0.0, 0.0
        below, middle, above = np.percentile(values, [100.0 - _ONE_SD, 50.0, _ONE_SD])
        return float(middle), float(0.5 * (above - below))

    def number(self, middle: float, spread: float) -> int:
        """Return how many voxels lie far from the middle."""
        away = OUTLIER_SD * spread
        return sum(int((np.abs(values - middle) > away).sum()) for values in self._far if away)


class _Smoothing:
    """A Gaussian over planes that come in blocks; each plane is smoothed once."""

    def __init__(self, depth: int, sigma: float | None) -> None:
        self._depth = depth
        self._sigma = sigma or 0.0
        self._is_on = sigma is not None
        self._reach = int(_SMOOTHING_REACH * self._sigma + 0.5)
        self._offset: float | None = None
        self._held = np.empty((0, 0, 0), np.float32)
        self._first, self._done = 0, 0

    def smoothed(
        self, block: npt.NDArray[Any], z_start: int, *, offset: float
    ) -> Iterator[npt.NDArray[np.float32]]:
        """Yield smooth planes, in order, less an offset: that of the first block for all."""
        if not self._is_on:
            return
        if self._offset is None:
            self._offset = offset
            self._held = np.empty((0, *block.shape[1:]), np.float32)
        exact = np.result_type(block.dtype, np.float32)
        values = (block.astype(exact, copy=False) - exact.type(self._offset)).astype(
            np.float32, copy=False
        )
        for axis in (1, 2):
            values = self._along(values, axis)
        self._held = np.concatenate([self._held, values])
        z_stop = z_start + len(block)
        ready = z_stop if z_stop == self._depth else z_stop - self._reach
        if ready <= self._done:
            return
        smooth = self._along(self._held, 0)
        yield smooth[self._done - self._first : ready - self._first]
        keep = max(ready - self._reach, 0)
        self._held = self._held[keep - self._first :].copy()
        self._first, self._done = keep, ready

    def _along(self, planes: npt.NDArray[np.float32], axis: int) -> npt.NDArray[np.float32]:
        result: npt.NDArray[np.float32] = ndimage.gaussian_filter1d(
            planes, self._sigma, axis=axis, truncate=_SMOOTHING_REACH
        )
        return result


def check_voxels(facts: VolumeFacts, *, run_name: str, key: object) -> None:
    """Raise where a tomogram's voxels cannot be segmented.

    Parameters
    ----------
    facts : VolumeFacts
        Figures of the tomogram.
    run_name : str
        The run, for the message.
    key : object
        The tomogram, for the message.

    Raises
    ------
    DataError
        If voxels are not finite, or all are equal.
    """
    if facts.n_not_finite:
        msg = f"run {run_name}: {key} has {facts.n_not_finite} voxels that are NaN or infinite"
        raise DataError(msg)
    if facts.is_constant:
        msg = f"run {run_name}: {key} is constant: every voxel is {facts.minimum:g}"
        raise DataError(msg)


def check_planes(facts: VolumeFacts, *, run_name: str, key: object) -> None:
    """Raise where whole planes of a tomogram hold no finite voxel: none to fill them by.

    Parameters
    ----------
    facts : VolumeFacts
        Figures of the tomogram.
    run_name : str
        The run, for the message.
    key : object
        The tomogram, for the message.

    Raises
    ------
    DataError
        With the number of planes.
    """
    for axis, number in zip("zyx", facts.empty_planes, strict=True):
        if number:
            msg = (
                f"run {run_name}: {key} has {number} whole planes across {axis} of NaN or "
                "infinite voxels: --fill-nan only fills single voxels; crop these planes or "
                "reconstruct again"
            )
            raise DataError(msg)
