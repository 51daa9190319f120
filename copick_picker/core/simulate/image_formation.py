"""From layers of projected potential to the intensity that reaches the detector.

The specimen is cut across the beam into layers. Each shifts the phase of the wave by ``sigma``
times its projected potential, and between layers the wave spreads in free space (multislice: Cowley
and Moodie 1957, https://doi.org/10.1107/S0365110X57002194; Vulovic et al. 2013,
https://doi.org/10.1016/j.jsb.2013.05.008, for thick specimens in ice). So defocus changes through
the specimen, and strong scatterers such as gold are not cut off at a weak phase.
"""

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from scipy import fft

from copick_picker.core.simulate.acquisition import TiltSeriesConditions, remaining_signal
from copick_picker.core.simulate.optics import (
    electron_wavelength,
    interaction_constant,
    phase_aberration,
)

Image = npt.NDArray[np.float32]
FloatArray = npt.NDArray[np.float64]

LAYER_PHASE_ERROR_RADIAN = 0.1
"""Error of the aberration's phase at Nyquist that the thickness of a layer may cause."""


def image_frequencies(shape_yu: tuple[int, int], pixel_angstrom: float) -> FloatArray:
    """Return the spatial frequency of each term of ``scipy.fft.fft2``.

    Parameters
    ----------
    shape_yu : tuple of int
        Shape of an image.
    pixel_angstrom : float
        Edge of a pixel.

    Returns
    -------
    numpy.ndarray, shape (y, u), float64
        In 1/Angstrom.
    """
    along_y = fft.fftfreq(shape_yu[0], pixel_angstrom)[:, None]
    along_u = fft.fftfreq(shape_yu[1], pixel_angstrom)[None, :]
    frequency: FloatArray = np.hypot(along_y, along_u)
    return frequency


def layer_thickness(voxel_spacing: float, voltage_kilovolt: float) -> float:
    """Return how thick a layer may be, in Angstrom.

    A point at the edge of a layer of thickness t is imaged with a defocus that is wrong by t/2; at
    the Nyquist frequency of the voxels the phase ``pi lambda (t/2) k^2`` is then wrong by
    `LAYER_PHASE_ERROR_RADIAN`.

    Parameters
    ----------
    voxel_spacing : float
        Edge of a voxel in Angstrom.
    voltage_kilovolt : float
        Acceleration voltage.

    Examples
    --------
    >>> round(layer_thickness(10.0, 300.0))
    1293
    """
    nyquist = 0.5 / voxel_spacing
    wavelength = electron_wavelength(voltage_kilovolt)
    return 2.0 * LAYER_PHASE_ERROR_RADIAN / (math.pi * wavelength * nyquist**2)


def coherence_envelope(frequency: FloatArray, conditions: TiltSeriesConditions) -> FloatArray:
    """Return what is left of the contrast transfer by an imperfect source and lens current.

    Temporal: ``exp(-(pi lambda D k^2)^2 / 2)``, D the standard deviation of the focus; spatial:
    ``exp(-(pi a (Cs lambda^2 k^3 - dz k))^2)``, a the semi-angle of the illumination. Wade and
    Frank 1977, Optik 49, 81; Reimer and Kohl, Transmission Electron Microscopy, 5th edition,
    section 6.4.

    Parameters
    ----------
    frequency : numpy.ndarray, float64
        Spatial frequencies in 1/Angstrom.
    conditions : TiltSeriesConditions
        Gives focus spread, semi-angle, aberration and defocus.

    Returns
    -------
    numpy.ndarray, float64
        Values from 0 to 1, of the shape of ``frequency``.
    """
    wavelength = electron_wavelength(conditions.voltage_kilovolt)
    spread = math.pi * wavelength * conditions.defocus_spread_angstrom * frequency**2
    aberration = conditions.spherical_aberration_angstrom * wavelength**2 * frequency**3
    slope = aberration - conditions.defocus_angstrom * frequency
    blur = math.pi * conditions.illumination_semiangle_radian * slope
    envelope: FloatArray = np.exp(-0.5 * spread**2 - blur**2)
    return envelope


def image_intensity(
    layers: Image,
    heights_angstrom: FloatArray,
    pixel_angstrom: float,
    *,
    dose: float,
    conditions: TiltSeriesConditions,
) -> Image:
    """Return the intensity of one tilt over that of bare ice, before the detector.

    For a weak phase shift phi in one layer this is ``1 - 2 phi`` with phi filtered by the contrast
    transfer function ``sin(chi + asin w)``, the envelope and the radiation damage; amplitude
    contrast w is an imaginary part of the potential. The image repeats itself at its borders.

    Parameters
    ----------
    layers : numpy.ndarray, shape (layers, y, u), float32
        Projected potential in volt Angstrom, the layer that the beam meets first at first.
    heights_angstrom : numpy.ndarray, shape (layers,), float64
        Middle of each layer towards the source, from where the defocus holds.
    pixel_angstrom : float
        Edge of a pixel.
    dose : float
        Electrons per square Angstrom that the specimen took so far.
    conditions : TiltSeriesConditions
        Microscope and radiation damage.

    Returns
    -------
    numpy.ndarray, shape (y, u), float32
        Intensity, without unit, 0 or more.
    """
    frequency = image_frequencies((layers.shape[1], layers.shape[2]), pixel_angstrom)
    left = remaining_signal(frequency, dose, conditions)
    phases = (fft.ifft2(fft.fft2(layer) * _single(left)).real for layer in layers)
    spectrum, height = _exit_spectrum(phases, heights_angstrom, frequency, conditions)
    chi = phase_aberration(
        frequency,
        wavelength_angstrom=electron_wavelength(conditions.voltage_kilovolt),
        defocus_angstrom=conditions.defocus_angstrom - height,
        spherical_aberration_angstrom=conditions.spherical_aberration_angstrom,
    )
    transfer = coherence_envelope(frequency, conditions) * np.exp(1j * chi)
    wave = fft.ifft2(spectrum * transfer.astype(np.complex64))
    intensity: Image = (wave.real**2 + wave.imag**2).astype(np.float32)
    return intensity


def _exit_spectrum(
    layers: Iterable[Image],
    heights_angstrom: FloatArray,
    frequency: FloatArray,
    conditions: TiltSeriesConditions,
) -> tuple[npt.NDArray[np.complex64], float]:
    """Return the spectrum of the wave behind the last layer and the height of that layer."""
    sigma = interaction_constant(conditions.voltage_kilovolt)
    share = conditions.amplitude_contrast
    per_volt_angstrom = np.complex64(sigma * (1j * math.sqrt(1.0 - share**2) - share))
    wavelength = electron_wavelength(conditions.voltage_kilovolt)
    wave: npt.NDArray[np.complex64] = np.ones(frequency.shape, dtype=np.complex64)
    spectrum = fft.fft2(wave)
    height = float(heights_angstrom[0])
    for layer, own_height in zip(layers, heights_angstrom, strict=True):
        fall = height - float(own_height)
        if fall > 0.0:
            spreading = np.exp(-1j * math.pi * wavelength * fall * frequency**2)
            wave = fft.ifft2(spectrum * spreading.astype(np.complex64))
        wave = wave * np.exp(per_volt_angstrom * _single(layer))
        spectrum, height = fft.fft2(wave), float(own_height)
    return spectrum, height


def _single(values: npt.NDArray[np.floating]) -> Image:
    return values.astype(np.float32, copy=False)
