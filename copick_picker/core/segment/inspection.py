"""What a volume looks like before a network sees it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage


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
    """

    n_not_finite: int
    minimum: float
    maximum: float
    skewness: float

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


def inspect_volume(volume: npt.NDArray[Any], *, smoothing_voxels: float) -> VolumeFacts:
    """Return the figures of a volume.

    Protein is rarer than ice, so that the histogram of a smoothed tomogram has its longer tail on
    the side of protein; smoothing by about one voxel brings that tail out of the noise.

    Parameters
    ----------
    volume : numpy.ndarray, shape (z, y, x), any real dtype
        The tomogram or a part of it.
    smoothing_voxels : float
        Standard deviation of the Gaussian, in voxels.

    Examples
    --------
    >>> volume = np.zeros((8, 9, 10), dtype=np.float32)
    >>> volume[2:4, 3:5, 4:6] = -1
    >>> inspect_volume(volume, smoothing_voxels=1.0).looks(0.2)
    'dark'
    """
    values = np.asarray(volume, dtype=np.float32)
    finite = np.isfinite(values)
    n_not_finite = int(values.size - np.count_nonzero(finite))
    if n_not_finite:
        kept = values[finite]
        low, high = (float(kept.min()), float(kept.max())) if kept.size else (0.0, 0.0)
        return VolumeFacts(n_not_finite, low, high, 0.0)
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    if low == high:
        return VolumeFacts(0, low, high, 0.0)
    smooth = ndimage.gaussian_filter((values - low) / (high - low), smoothing_voxels)
    deviation = smooth - smooth.mean(dtype=np.float64)
    spread = float(np.sqrt(np.mean(deviation**2, dtype=np.float64)))
    skewness = float(np.mean(deviation**3, dtype=np.float64)) / spread**3 if spread > 0 else 0.0
    return VolumeFacts(0, low, high, skewness)
