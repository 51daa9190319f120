"""From the intensity of a tilt to counted electrons, and what the alignment leaves."""

import math

import numpy as np
import numpy.typing as npt
from scipy import fft

from copick_picker.core.simulate.acquisition import TiltSeriesConditions
from copick_picker.core.simulate.image_formation import image_frequencies

Image = npt.NDArray[np.float32]
FloatArray = npt.NDArray[np.float64]


def detector_transfer(frequency: FloatArray, conditions: TiltSeriesConditions) -> FloatArray:
    """Return the detector's transfer of contrast where its noise is made white.

    ``sqrt(DQE(k) / DQE(0))``: with noise of a white spectrum this keeps the ratio of signal to
    noise at every frequency, which is what the detective quantum efficiency states (McMullan et
    al. 2014, https://doi.org/10.1016/j.ultramic.2014.08.002). Between its two values it is taken
    as a Gaussian, ``DQE(0) (DQE(kN) / DQE(0))^((k / kN)^2)``, kN the Nyquist frequency of the
    detector's pixel.

    Parameters
    ----------
    frequency : numpy.ndarray, float64
        Spatial frequencies in 1/Angstrom.
    conditions : TiltSeriesConditions
        Gives pixel and efficiencies.

    Returns
    -------
    numpy.ndarray, float64
        Values from 0 to 1, of the shape of ``frequency``.
    """
    of_nyquist = frequency * 2.0 * conditions.detector_pixel_angstrom
    exponent = 0.5 * math.log(conditions.dqe_nyquist / conditions.dqe_zero)
    transfer: FloatArray = np.exp(exponent * of_nyquist**2)
    return transfer


def detected_intensity(
    intensity: Image, pixel_angstrom: float, conditions: TiltSeriesConditions
) -> Image:
    """Return the intensity with the detector's transfer of contrast.

    Parameters
    ----------
    intensity : numpy.ndarray, shape (y, u), float32
        Intensity over that of bare ice.
    pixel_angstrom : float
        Edge of a pixel of the image; at least that of the detector.
    conditions : TiltSeriesConditions
        Gives the detector.

    Returns
    -------
    numpy.ndarray, shape (y, u), float32
        Intensity, 0 or more; its mean is kept where nothing is cut off at 0.
    """
    frequency = image_frequencies((intensity.shape[0], intensity.shape[1]), pixel_angstrom)
    transfer = detector_transfer(frequency, conditions).astype(np.float32)
    detected: Image = fft.ifft2(fft.fft2(intensity) * transfer).real.astype(np.float32)
    return np.maximum(detected, np.float32(0.0))


def displaced(image: Image, shift_yu_pixels: tuple[float, float], rotation_degrees: float) -> Image:
    """Return an image that is turned about its centre, then shifted.

    Both act on the image's Fourier series, so nothing is blurred: the turn is three shears (Unser,
    Thevenaz and Yaroslavsky 1995, https://doi.org/10.1109/83.469936). The image repeats itself at
    its borders.

    Parameters
    ----------
    image : numpy.ndarray, shape (y, u), float32
        Image.
    shift_yu_pixels : tuple of float
        Shift along y and u, in pixels.
    rotation_degrees : float
        Angle from u towards y.

    Returns
    -------
    numpy.ndarray, shape (y, u), float32
        Image.

    Examples
    --------
    >>> image = np.zeros((5, 7), dtype=np.float32)
    >>> image[2, 3] = 1.0
    >>> moved = displaced(image, (1.0, -2.0), 0.0)
    >>> [int(index) for index in np.unravel_index(moved.argmax(), moved.shape)]
    [3, 1]
    """
    height, width = image.shape
    y = np.arange(height) - (height - 1) / 2.0
    u = np.arange(width) - (width - 1) / 2.0
    angle = math.radians(rotation_degrees)
    along_y, along_u = shift_yu_pixels
    moved: npt.NDArray[np.floating] = image
    if angle != 0.0:
        moved = _sheared(moved, -math.tan(angle / 2.0) * y, axis=1)
        moved = _sheared(moved, math.sin(angle) * u, axis=0)
        moved = _sheared(moved, -math.tan(angle / 2.0) * y, axis=1)
    if along_y != 0.0:
        moved = _sheared(moved, np.full(width, along_y), axis=0)
    if along_u != 0.0:
        moved = _sheared(moved, np.full(height, along_u), axis=1)
    return moved.astype(np.float32)


def expected_counts(
    share_transmitted: float, pixel_angstrom: float, dose: float, conditions: TiltSeriesConditions
) -> float:
    """Return the electrons that one pixel of bare ice counts in one tilt.

    ``dose a^2 T DQE(0)``, T the share that passes the ice; the electrons that the detector misses
    or counts wrongly are taken as lost.

    Parameters
    ----------
    share_transmitted : float
        T, 0 to 1.
    pixel_angstrom : float
        Edge a of a pixel of the image.
    dose : float
        Electrons per square Angstrom in this tilt.
    conditions : TiltSeriesConditions
        Gives the detector.

    Returns
    -------
    float
        Electrons.
    """
    return dose * pixel_angstrom**2 * share_transmitted * conditions.dqe_zero


def _sheared(
    image: npt.NDArray[np.floating], shifts: FloatArray, *, axis: int
) -> npt.NDArray[np.floating]:
    """Return an image whose lines along an axis are shifted, each by its own number of pixels."""
    length = image.shape[axis]
    frequency = fft.rfftfreq(length)
    phase = -2j * np.pi * (shifts[:, None] * frequency)
    turn = np.exp(phase).astype(np.complex64)
    if axis == 0:
        turn = turn.T
    spectrum = fft.rfft(image, axis=axis) * turn
    moved: npt.NDArray[np.floating] = fft.irfft(spectrum, length, axis=axis)
    return moved
