"""A few numbers that a network computes from a known input: to notice a wrong or broken model."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from copick_picker.errors import DataError

LONGEST_CROP_SIDE = 64
"""Voxels along a side of a stored crop, at most."""
RELATIVE_TOLERANCE = 1e-3
"""Float32 on another machine differs by about 1e-6; a wrong parameter by far more than this."""


def fingerprint(network: nn.Module, window_voxels: tuple[int, int, int]) -> tuple[float, ...]:
    """Return mean, standard deviation and centre value of each channel's logits for a fixed input.

    Parameters
    ----------
    network : torch.nn.Module
        On the CPU; switched to evaluation.
    window_voxels : tuple of int
        Window (z, y, x) of the model.

    Returns
    -------
    tuple of float
        For each channel: mean, standard deviation, value at the window's centre; rounded to six
        significant digits.

    Raises
    ------
    DataError
        If the network fails on its window, or its output is not (1, c, z, y, x) of that window.
    """
    return crop_fingerprint(network, _waves(window_voxels))


def crop_fingerprint(network: nn.Module, crop: npt.NDArray[np.floating[Any]]) -> tuple[float, ...]:
    """Return mean, standard deviation and centre value of each channel's logits for a crop.

    Parameters
    ----------
    network : torch.nn.Module
        On the CPU; switched to evaluation.
    crop : numpy.ndarray, shape (z, y, x), float16 or float32
        Input as the network wants it, normalised. Each side fits the network.

    Returns
    -------
    tuple of float
        As :func:`fingerprint` gives it.

    Raises
    ------
    DataError
        If the network fails on the crop, or its output is not (1, c, z, y, x) of that shape.
    """
    shape_zyx = crop.shape
    given = torch.from_numpy(crop.astype(np.float32))[None, None]
    network.eval()
    with torch.inference_mode():
        try:
            logits = network(given)
        except (RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())
            msg = f"the network fails on a window of {shape_zyx} voxels: {reason}"
            raise DataError(msg) from error
    if logits.ndim != 5 or tuple(logits.shape[2:]) != shape_zyx:
        msg = f"the network returns shape {tuple(logits.shape)} for a window {shape_zyx}"
        raise DataError(msg)
    values = logits[0].float().numpy()
    middle = tuple(side // 2 for side in shape_zyx)
    rows = [(channel.mean(), channel.std(), channel[middle]) for channel in values]
    return tuple(float(f"{number:.6g}") for row in rows for number in row)


def same_fingerprint(first: tuple[float, ...], second: tuple[float, ...]) -> bool:
    """Return whether two fingerprints agree within the tolerance.

    Parameters
    ----------
    first, second : tuple of float
        As :func:`fingerprint` returns them.

    Examples
    --------
    >>> same_fingerprint((1.0, 2.0, 3.0), (1.0, 2.0, 3.000001))
    True
    >>> same_fingerprint((1.0, 2.0, 3.0), (1.0, 2.0, 3.1))
    False
    """
    if len(first) != len(second):
        return False
    scale = max((abs(number) for number in first), default=0.0)
    return bool(np.allclose(first, second, rtol=0.0, atol=RELATIVE_TOLERANCE * max(scale, 1e-6)))


def _waves(window_voxels: tuple[int, int, int]) -> npt.NDArray[np.float32]:
    z, y, x = np.meshgrid(*(np.arange(side) for side in window_voxels), indexing="ij")
    wave = np.sin(0.37 * z + 0.11 * y) + np.sin(0.23 * y - 0.31 * x) + np.cos(0.05 * x * z)
    single: npt.NDArray[np.float32] = wave.astype(np.float32)
    return single


def storable_crop(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float16]:
    """Return a crop as float16, checked.

    Parameters
    ----------
    values : numpy.ndarray, shape (z, y, x), float32
        Voxels, normalised as the network wants them.

    Raises
    ------
    DataError
        If it is too large, or holds numbers that float16 does not.
    """
    if values.ndim != 3 or max(values.shape) > LONGEST_CROP_SIDE:
        msg = (
            f"a crop of shape {values.shape} is not stored; expected (z, y, x) with sides up to "
            f"{LONGEST_CROP_SIDE}"
        )
        raise DataError(msg)
    largest = float(np.abs(values).max())
    if not largest <= float(np.finfo(np.float16).max):
        msg = f"the crop holds {largest:g}, which is too large for float16"
        raise DataError(msg)
    stored: npt.NDArray[np.float16] = values.astype(np.float16)
    return stored
