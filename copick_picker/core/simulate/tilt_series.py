"""From a potential to a tomogram by a whole tilt series (the full way).

Every tilt is projected, passed through the microscope, counted by the detector and back-projected.
The ice is a slab without end of even density, so it attenuates the beam and gives no contrast; the
potential stands alone in it, and the detector is as wide as its projections.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from copick_picker.core.simulate.acquisition import (
    TiltSeriesConditions,
    dose_before,
    tilt_angles,
    transmission,
)
from copick_picker.core.simulate.detector import detected_intensity, displaced, expected_counts
from copick_picker.core.simulate.image_formation import image_intensity, layer_thickness
from copick_picker.core.simulate.projection import projected_layers
from copick_picker.core.simulate.reconstruction import reconstruction
from copick_picker.errors import DataError

Volume = npt.NDArray[np.float32]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TiltSeries:
    """A simulated tilt series and how it came about, the lowest tilt first.

    Attributes
    ----------
    images : numpy.ndarray, shape (n, y, u), float32
        Contrast of each tilt: counted electrons over those of bare ice, minus 1. The axis u lies
        across the tilt axis, is as wide as the widest projection, and its centre is the volume's.
    signal : numpy.ndarray, shape (n, y, u), float32
        The same of the expected counts: without noise.
    tilts_degrees : numpy.ndarray, shape (n,), float64
        Tilt angles about y.
    dose_per_tilt : float
        Electrons per square Angstrom on the specimen in one tilt.
    dose_before : numpy.ndarray, shape (n,), float64
        Electrons per square Angstrom that the specimen took before each tilt.
    ice_counts : numpy.ndarray, shape (n,), float64
        Electrons that a pixel of bare ice is expected to count.
    shifts_yu_angstrom : numpy.ndarray, shape (n, 2), float64
        Shift of each image that the alignment left, along y and u.
    rotations_degrees : numpy.ndarray, shape (n,), float64
        Rotation of each image that the alignment left, from u towards y.
    """

    images: Volume
    signal: Volume
    tilts_degrees: FloatArray
    dose_per_tilt: float
    dose_before: FloatArray
    ice_counts: FloatArray
    shifts_yu_angstrom: FloatArray
    rotations_degrees: FloatArray


@dataclass(frozen=True, eq=False)
class TiltSeriesResult:
    """A tomogram and the tilt series it was reconstructed from.

    Attributes
    ----------
    tomogram : numpy.ndarray, shape (z, y, x), float32
        Contrast of each voxel; protein is dark.
    series : TiltSeries
        The images.
    """

    tomogram: Volume
    series: TiltSeries


def tilt_series_tomogram(
    potential_zyx: Volume,
    voxel_spacing: float,
    conditions: TiltSeriesConditions,
    rng: np.random.Generator,
    *,
    n_threads: int,
) -> TiltSeriesResult:
    """Return the tomogram of a potential by tilt series and weighted back-projection.

    Parameters
    ----------
    potential_zyx : numpy.ndarray, shape (z, y, x), float32
        Potential over vitreous ice, in volts.
    voxel_spacing : float
        Edge of a voxel, and of a pixel of the images, in Angstrom.
    conditions : TiltSeriesConditions
        Microscope, dose, detector and reconstruction.
    rng : numpy.random.Generator
        Source of randomness: first the misalignment, then the counts, the lowest tilt first.
    n_threads : int
        Threads; the result does not depend on them.

    Returns
    -------
    TiltSeriesResult
        Tomogram of the potential's shape, and the series.

    Raises
    ------
    DataError
        If the potential is not three-dimensional or not finite, or the detector's pixel is larger
        than a voxel.

    Examples
    --------
    >>> conditions = TiltSeriesConditions(
    ...     tilt_limits_degrees=(-60.0, 60.0), tilt_step_degrees=3.0,
    ...     total_dose_per_square_angstrom=120.0, voltage_kilovolt=300.0,
    ...     spherical_aberration_angstrom=2.7e7, amplitude_contrast=0.07,
    ...     defocus_angstrom=3e4, phase_flipped=True, defocus_spread_angstrom=100.0,
    ...     illumination_semiangle_radian=1e-5, ice_z_angstrom=(0.0, 1600.0),
    ...     inelastic_mean_free_path_angstrom=3600.0, critical_dose_scale=1.0,
    ...     detector_pixel_angstrom=1.5, dqe_zero=0.8, dqe_nyquist=0.2,
    ...     shift_sigma_angstrom=3.0, rotation_sigma_degrees=0.1,
    ...     filter_cutoff_per_voxel=0.4, filter_falloff_per_voxel=0.05)
    >>> rng = np.random.default_rng(1)
    >>> potential = np.zeros((16, 20, 24), dtype=np.float32)
    >>> result = tilt_series_tomogram(potential, 10.0, conditions, rng, n_threads=1)
    >>> result.tomogram.shape, result.series.images.shape
    ((16, 20, 24), (41, 20, 40))
    """
    shape_zyx = _checked_shape(potential_zyx)
    series = tilt_series(potential_zyx, voxel_spacing, conditions, rng, n_threads=n_threads)
    tomogram = reconstruction(
        series.images,
        series.tilts_degrees,
        shape_zyx,
        voxel_spacing,
        conditions=conditions,
        lowpass_angstrom=0.0,
        n_threads=n_threads,
    )
    return TiltSeriesResult(tomogram, series)


def low_noise_tomogram(
    series: TiltSeries,
    shape_zyx: tuple[int, int, int],
    voxel_spacing: float,
    *,
    conditions: TiltSeriesConditions,
    noise_share: float,
    lowpass_angstrom: float,
    n_threads: int,
) -> Volume:
    """Return the tomogram of the same series with a share of its noise, as a denoiser leaves it.

    The known signal with a share of the noise, low-pass filtered, goes through the same weighted
    back-projection: missing wedge, misalignment and contrast transfer stay. It costs one
    back-projection.

    Parameters
    ----------
    series : TiltSeries
        The series of the noisy tomogram.
    shape_zyx : tuple of int
        Shape of the tomogram.
    voxel_spacing : float
        Edge of a voxel in Angstrom.
    conditions : TiltSeriesConditions
        Those of the series.
    noise_share : float
        Share of the noise's amplitude that stays, 0 to 1.
    lowpass_angstrom : float
        Resolution at which a Gaussian low-pass filter leaves half the amplitude; 0 for none.
    n_threads : int
        Threads; the result does not depend on them.

    Returns
    -------
    numpy.ndarray, shape (z, y, x), float32
        Contrast of each voxel; protein is dark.

    Raises
    ------
    DataError
        If the share is not between 0 and 1.
    """
    if not 0.0 <= noise_share <= 1.0:
        msg = f"share of the noise is {noise_share}; expected 0 to 1"
        raise DataError(msg)
    share = np.float32(noise_share)
    return reconstruction(
        series.signal + share * (series.images - series.signal),
        series.tilts_degrees,
        shape_zyx,
        voxel_spacing,
        conditions=conditions,
        lowpass_angstrom=lowpass_angstrom,
        n_threads=n_threads,
    )


def tilt_series(
    potential_zyx: Volume,
    voxel_spacing: float,
    conditions: TiltSeriesConditions,
    rng: np.random.Generator,
    *,
    n_threads: int,
) -> TiltSeries:
    """Return the counted images of a potential, with and without noise.

    Parameters
    ----------
    potential_zyx : numpy.ndarray, shape (z, y, x), float32
        Potential over vitreous ice, in volts.
    voxel_spacing : float
        Edge of a voxel, and of a pixel of the images, in Angstrom.
    conditions : TiltSeriesConditions
        Microscope, dose and detector.
    rng : numpy.random.Generator
        Source of randomness: first the misalignment, then the counts, the lowest tilt first.
    n_threads : int
        Threads; the result does not depend on them.

    Returns
    -------
    TiltSeries
        The images.

    Raises
    ------
    DataError
        If the potential is not three-dimensional or not finite, or the detector's pixel is larger
        than a voxel.
    """
    _checked_shape(potential_zyx)
    if conditions.detector_pixel_angstrom > voxel_spacing:
        msg = (
            f"the detector's pixel is {conditions.detector_pixel_angstrom} A; expected at most "
            f"{voxel_spacing} A, the voxel spacing"
        )
        raise DataError(msg)
    tilts = tilt_angles(conditions)
    dose = conditions.total_dose_per_square_angstrom / len(tilts)
    taken = dose_before(tilts, dose)
    shifts = conditions.shift_sigma_angstrom * rng.standard_normal((len(tilts), 2))
    rotations = conditions.rotation_sigma_degrees * rng.standard_normal(len(tilts))
    counts = np.array(
        [
            expected_counts(float(share), voxel_spacing, dose, conditions)
            for share in transmission(conditions, tilts)
        ]
    )
    signal = np.stack(
        [
            displaced(intensity, (shift[0], shift[1]), rotation)
            for intensity, shift, rotation in zip(
                _intensities(potential_zyx, voxel_spacing, conditions, n_threads=n_threads),
                (shifts / voxel_spacing).tolist(),
                rotations.tolist(),
                strict=True,
            )
        ]
    )
    np.maximum(signal, np.float32(0.0), out=signal)
    images = np.empty_like(signal)
    for image, expected, ice in zip(images, signal, counts, strict=True):
        image[...] = rng.poisson(expected.astype(np.float64) * ice) / ice - 1.0
    signal -= np.float32(1.0)
    return TiltSeries(images, signal, tilts, dose, taken, counts, shifts, rotations)


def _intensities(
    potential_zyx: Volume,
    voxel_spacing: float,
    conditions: TiltSeriesConditions,
    *,
    n_threads: int,
) -> Iterator[Volume]:
    """Give the expected intensity of each tilt over that of bare ice, the lowest tilt first."""
    tilts = tilt_angles(conditions)
    dose = conditions.total_dose_per_square_angstrom / len(tilts)
    exposures = dose_before(tilts, dose) + 0.5 * dose
    thickness = layer_thickness(voxel_spacing, conditions.voltage_kilovolt) / voxel_spacing
    centre = (potential_zyx.shape[0] - 1) / 2.0 * voxel_spacing
    middle = 0.5 * sum(conditions.ice_z_angstrom) - centre
    projections = projected_layers(
        potential_zyx.astype(np.float32, copy=False), tilts, thickness, n_threads=n_threads
    )
    for (layers, heights), tilt, exposure in zip(projections, tilts, exposures, strict=True):
        above = heights * voxel_spacing - middle * np.cos(np.deg2rad(tilt))
        intensity = image_intensity(
            layers * np.float32(voxel_spacing),
            above,
            voxel_spacing,
            dose=float(exposure),
            conditions=conditions,
        )
        yield detected_intensity(intensity, voxel_spacing, conditions)


def _checked_shape(potential_zyx: Volume) -> tuple[int, int, int]:
    if potential_zyx.ndim != 3 or potential_zyx.size == 0:
        msg = f"potential has shape {potential_zyx.shape}; expected (z, y, x), none of them 0"
        raise DataError(msg)
    if not np.isfinite(potential_zyx).all():
        msg = "potential holds values that are NaN or infinite"
        raise DataError(msg)
    depth, height, width = potential_zyx.shape
    return depth, height, width
