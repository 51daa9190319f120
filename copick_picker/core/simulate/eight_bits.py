"""Tomograms as grey values of 8 bits."""

import numpy as np
import numpy.typing as npt

_MOST_VALUES = 1_000_000
"""Percentiles are taken of about so many evenly spaced voxels."""


def eight_bits(
    volume: npt.NDArray[np.floating], *, percentiles: tuple[float, float]
) -> npt.NDArray[np.uint8]:
    """Return a volume as grey values: the lower percentile becomes 0, the upper 255.

    Parameters
    ----------
    volume : numpy.ndarray, shape (z, y, x)
        Contrast.
    percentiles : tuple of float
        Lower and upper percentile; values beyond are cut off.

    Returns
    -------
    numpy.ndarray, shape (z, y, x), uint8
        A constant volume becomes 0.

    Examples
    --------
    >>> eight_bits(np.linspace(0.0, 1.0, 6).reshape(1, 2, 3), percentiles=(0, 100)).ravel().tolist()
    [0, 51, 102, 153, 204, 255]
    """
    some = volume.ravel()[:: max(volume.size // _MOST_VALUES, 1)]
    low, high = np.percentile(some, percentiles)
    scale = 255.0 / (high - low) if high > low else 0.0
    grey: npt.NDArray[np.uint8] = np.clip(np.rint((volume - low) * scale), 0, 255).astype(np.uint8)
    return grey
