"""Weighted back-projection of a tilt series about the y axis."""

import math

import numpy as np
import numpy.typing as npt
from scipy import fft

from copick_picker.core.simulate.acquisition import TiltSeriesConditions
from copick_picker.core.simulate.optics import (
    electron_wavelength,
    phase_aberration,
)
from copick_picker.core.simulate.projection import back_projected

Volume = npt.NDArray[np.float32]
FloatArray = npt.NDArray[np.float64]


def ramp_filter(n_pixels: int, conditions: TiltSeriesConditions) -> FloatArray:
    """Return the weights of a weighted back-projection at the frequencies of ``scipy.fft.rfft``.

    ``|k_u|`` in cycles a pixel (Radermacher 1988, Three-dimensional reconstruction of single
    particles from random and nonrandom tilt series), with its mean over one frequency step in place
    of frequency 0, up to the cut-off, and a Gaussian fall beyond it (the radial filter of IMOD's
    tilt: Kremer, Mastronarde and McIntosh 1996, https://doi.org/10.1006/jsbi.1996.0013).

    Parameters
    ----------
    n_pixels : int
        Pixels across the tilt axis.
    conditions : TiltSeriesConditions
        Gives cut-off and fall.

    Returns
    -------
    numpy.ndarray, shape (n_pixels // 2 + 1,), float64
        Weights, cycles a pixel.
    """
    frequency = fft.rfftfreq(n_pixels)
    ramp: FloatArray = frequency.copy()
    ramp[0] = 0.25 / n_pixels
    beyond = np.maximum(frequency - conditions.filter_cutoff_per_voxel, 0.0)
    falloff = conditions.filter_falloff_per_voxel
    if falloff == 0.0:
        return np.where(beyond > 0.0, 0.0, ramp)
    weights: FloatArray = ramp * np.exp(-0.5 * (beyond / falloff) ** 2)
    return weights


def reconstruction(
    images: Volume,
    tilts_degrees: FloatArray,
    shape_zyx: tuple[int, int, int],
    voxel_spacing: float,
    *,
    conditions: TiltSeriesConditions,
    lowpass_angstrom: float,
    n_threads: int,
) -> Volume:
    """Return the weighted back-projection of a tilt series.

    ``dt sum_t irfft(|k_u| P_t)``, dt the tilt step in radians: where tilts measure, frequencies
    come back at the scale of the specimen.

    Parameters
    ----------
    images : numpy.ndarray, shape (n, y, u), float32
        Contrast of each tilt; 0 for bare ice.
    tilts_degrees : numpy.ndarray, shape (n,), float64
        Tilt angles.
    shape_zyx : tuple of int
        Shape of the tomogram.
    voxel_spacing : float
        Edge of a voxel, and of a pixel, in Angstrom.
    conditions : TiltSeriesConditions
        Gives the filter, and whether and how signs of the contrast transfer are corrected.
    lowpass_angstrom : float
        Resolution at which a Gaussian low-pass filter leaves half the amplitude; 0 for none.
    n_threads : int
        Threads; the result does not depend on them.

    Returns
    -------
    numpy.ndarray, shape (z, y, x), float32
        Contrast of each voxel; protein is dark.
    """
    n_pixels = images.shape[-1]
    weights = _image_filter((images.shape[1], n_pixels), voxel_spacing, conditions)
    weights = weights * _lowpass((images.shape[1], n_pixels), voxel_spacing, lowpass_angstrom)
    weights = weights * math.radians(conditions.tilt_step_degrees)
    filtered = np.stack(
        [fft.irfft2(fft.rfft2(image) * weights.astype(np.float32), image.shape) for image in images]
    )
    single = filtered.astype(np.float32, copy=False)
    return back_projected(single, tilts_degrees, shape_zyx, n_threads=n_threads)


def _image_filter(
    shape_yu: tuple[int, int], pixel_angstrom: float, conditions: TiltSeriesConditions
) -> FloatArray:
    ramp = ramp_filter(shape_yu[1], conditions)[None, :]
    if not conditions.phase_flipped:
        return ramp
    chi = phase_aberration(
        _half_frequencies(shape_yu, pixel_angstrom),
        wavelength_angstrom=electron_wavelength(conditions.voltage_kilovolt),
        defocus_angstrom=conditions.defocus_angstrom,
        spherical_aberration_angstrom=conditions.spherical_aberration_angstrom,
    )
    transfer = np.sin(chi + math.asin(conditions.amplitude_contrast))
    return np.where(transfer < 0.0, -ramp, ramp)


def _lowpass(
    shape_yu: tuple[int, int], pixel_angstrom: float, lowpass_angstrom: float
) -> FloatArray:
    frequency = _half_frequencies(shape_yu, pixel_angstrom)
    weights: FloatArray = np.exp(-math.log(2.0) * (frequency * lowpass_angstrom) ** 2)
    return weights


def _half_frequencies(shape_yu: tuple[int, int], pixel_angstrom: float) -> FloatArray:
    along_y = fft.fftfreq(shape_yu[0], pixel_angstrom)[:, None]
    along_u = fft.rfftfreq(shape_yu[1], pixel_angstrom)[None, :]
    frequency: FloatArray = np.hypot(along_y, along_u)
    return frequency
