"""From a potential to a tomogram, in Fourier space (the quick way).

The whole tilt series is replaced by one multiplication: contrast transfer times the part of
Fourier space that the tilts fill; noise of the reconstruction's colour is added inside the same
part. Good enough for training; it knows no beam damage, no tilt misalignment and no change of
defocus through the specimen.
"""

import numpy as np
import numpy.typing as npt
from scipy import fft

from copick_picker.core.simulate.optics import contrast_transfer, interaction_constant
from copick_picker.core.wedge import frequencies, tilt_weights, wedge_mask
from copick_picker.errors import DataError
from copick_picker.records.specimens import ImagingConditions

Volume = npt.NDArray[np.float32]


def tomogram_signal(
    potential: npt.NDArray[np.floating], voxel_spacing: float, conditions: ImagingConditions
) -> Volume:
    """Return the noise-free tomogram of a potential: dark protein, missing wedge.

    Weak-phase image ``-2 CTF sigma V a``: interaction constant sigma, voxel edge a (Vulovic et al.
    2014, Ultramicroscopy 136, 61).

    Parameters
    ----------
    potential : numpy.ndarray, shape (z, y, x)
        Potential over vitreous ice, in volts.
    voxel_spacing : float
        Edge of a voxel in Angstrom.
    conditions : ImagingConditions
        Microscope, tilts and reconstruction.

    Returns
    -------
    numpy.ndarray, shape (z, y, x), float32
        Contrast of each voxel, without unit; the mean is that of the transfer at frequency 0.

    Raises
    ------
    DataError
        If the potential is not three-dimensional.
    """
    shape_zyx = _checked_shape(potential)
    spectrum = fft.rfftn(np.asarray(potential, dtype=np.float32))
    spectrum *= _transfer(shape_zyx, voxel_spacing, conditions)
    phase = interaction_constant(conditions.voltage_kilovolt) * voxel_spacing
    spectrum *= np.float32(-2.0 * phase)
    return _real_volume(spectrum, shape_zyx)


def tomogram_noise(
    shape_zyx: tuple[int, int, int], conditions: ImagingConditions, rng: np.random.Generator
) -> Volume:
    """Return noise with the colour and the missing wedge of a reconstruction.

    Back-projection of white noise with a ramp filter over planes whose density falls as 1/k gives
    an amplitude that grows as ``k^0.5``, k perpendicular to the tilt axis; the exponent is a
    setting.

    Parameters
    ----------
    shape_zyx : tuple of int
        Shape of the tomogram.
    conditions : ImagingConditions
        Gives the noise's standard deviation and colour, and the tilts.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    numpy.ndarray, shape (z, y, x), float32
        Noise of mean 0. Before the reconstruction filter (``filter_exponent``) it has, over the
        volume, exactly the standard deviation asked for.
    """
    if conditions.noise_std == 0.0:
        return np.zeros(shape_zyx, dtype=np.float32)
    spectrum = fft.rfftn(rng.standard_normal(shape_zyx, dtype=np.float32))
    along_z, along_y, along_x = frequencies(shape_zyx, 1.0)
    colour = _power(np.hypot(along_z, along_x), conditions.noise_exponent)
    colour *= _measured(shape_zyx, conditions)
    spectrum *= colour.astype(np.float32)
    spectrum[0, 0, 0] = 0.0
    scale = conditions.noise_std / _standard_deviation(spectrum, shape_zyx)
    frequency = np.sqrt(along_z**2 + along_y**2 + along_x**2)
    spectrum *= (scale * _power(frequency, conditions.filter_exponent)).astype(np.float32)
    return _real_volume(spectrum, shape_zyx)


def simulated_tomogram(
    potential: npt.NDArray[np.floating],
    voxel_spacing: float,
    conditions: ImagingConditions,
    rng: np.random.Generator,
) -> Volume:
    """Return a noisy tomogram of a potential: dark protein, missing wedge, coloured noise.

    Parameters
    ----------
    potential : numpy.ndarray, shape (z, y, x)
        Potential over vitreous ice, in volts.
    voxel_spacing : float
        Edge of a voxel in Angstrom.
    conditions : ImagingConditions
        Microscope, tilts, reconstruction and noise.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    numpy.ndarray, shape (z, y, x), float32
        Contrast of each voxel.

    Examples
    --------
    >>> conditions = ImagingConditions(300.0, 2.7e7, 0.07, 3e4, False, (-60.0, 60.0), 0.0,
    ...                                noise_std=0.02, noise_exponent=0.5, filter_exponent=0.0)
    >>> rng = np.random.default_rng(1)
    >>> simulated_tomogram(np.zeros((8, 10, 12)), 10.0, conditions, rng).shape
    (8, 10, 12)
    """
    signal = tomogram_signal(potential, voxel_spacing, conditions)
    return signal + tomogram_noise(_checked_shape(potential), conditions, rng)


def noise_std_for_snr(signal: npt.NDArray[np.floating], signal_to_noise: float) -> float:
    """Return the noise's standard deviation at which var(signal) / var(noise) is as stated.

    Parameters
    ----------
    signal : numpy.ndarray, shape (z, y, x)
        Noise-free tomogram.
    signal_to_noise : float
        Ratio of the variances, over all voxels of the volume.

    Raises
    ------
    DataError
        If the ratio is not positive.
    """
    if not signal_to_noise > 0:
        msg = f"signal-to-noise ratio is {signal_to_noise}; expected a positive number"
        raise DataError(msg)
    return float(np.sqrt(np.var(signal, dtype=np.float64) / signal_to_noise))


def _transfer(
    shape_zyx: tuple[int, int, int], voxel_spacing: float, conditions: ImagingConditions
) -> Volume:
    along_z, along_y, along_x = frequencies(shape_zyx, voxel_spacing)
    frequency = np.sqrt(along_z**2 + along_y**2 + along_x**2)
    transfer = contrast_transfer(frequency, conditions)
    transfer *= _power(frequency * voxel_spacing, conditions.filter_exponent)
    transfer *= _measured(shape_zyx, conditions)
    return transfer.astype(np.float32)


def _measured(
    shape_zyx: tuple[int, int, int], conditions: ImagingConditions
) -> npt.NDArray[np.float64]:
    low, high = conditions.tilt_limits_degrees
    mask = wedge_mask(shape_zyx, (low, high))
    if conditions.tilt_step_degrees > 0.0:
        tilts = np.arange(low, high + 1e-6, conditions.tilt_step_degrees)
        mask = mask * tilt_weights(shape_zyx, tilts)
    return mask


def _power(frequency: npt.NDArray[np.float64], exponent: float) -> npt.NDArray[np.float64]:
    """Return frequency^exponent, in voxel units, with its lowest step in place of frequency 0."""
    lowest = frequency[frequency > 0].min(initial=np.inf)
    floor = lowest if np.isfinite(lowest) else 1.0
    values: npt.NDArray[np.float64] = (2.0 * np.maximum(frequency, floor)) ** exponent
    return values


def _standard_deviation(
    spectrum: npt.NDArray[np.complexfloating], shape_zyx: tuple[int, int, int]
) -> float:
    """Return the standard deviation of the volume of a half spectrum (Parseval's theorem)."""
    power = np.abs(spectrum.astype(np.complex128)) ** 2
    power[0, 0, 0] = 0.0
    single = power[..., 0].sum() + (power[..., -1].sum() if shape_zyx[2] % 2 == 0 else 0.0)
    return float(np.sqrt(2.0 * power.sum() - single) / np.prod(shape_zyx))


def _real_volume(spectrum: npt.NDArray[np.complexfloating], shape_zyx: tuple[int, ...]) -> Volume:
    volume: Volume = fft.irfftn(spectrum, s=shape_zyx, overwrite_x=True).astype(np.float32)
    return volume


def _checked_shape(potential: npt.NDArray[np.floating]) -> tuple[int, int, int]:
    if potential.ndim != 3:
        msg = f"potential has shape {potential.shape}; expected (z, y, x)"
        raise DataError(msg)
    depth, height, width = potential.shape
    return depth, height, width
