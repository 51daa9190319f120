"""Contrast of protein in a tomogram: as the user says, else from its voxels."""

from typing import Any

import numpy.typing as npt

from copick_picker.core.segment.inspection import inspect_volume
from copick_picker.settings.segment import CONTRAST_LEAST_SKEWNESS, CONTRAST_SMOOTHING_VOXELS


def contrast_of(volume: npt.NDArray[Any], *, stated: str) -> str:
    """Return ``dark`` or ``bright``: how protein looks in a tomogram to be drawn.

    Parameters
    ----------
    volume : numpy.ndarray, shape (z, y, x)
        The tomogram, or a part of it.
    stated : str
        ``dark`` or ``bright`` as the user says; ``auto`` takes the sign of the skewness of the
        voxels, and dark if that is unclear.
    """
    if stated != "auto":
        return stated
    facts = inspect_volume(volume, smoothing_voxels=CONTRAST_SMOOTHING_VOXELS)
    looks = facts.looks(CONTRAST_LEAST_SKEWNESS)
    return "dark" if looks == "unclear" else looks
