"""How a simulated tilt series is taken: conditions, order, dose, attenuation, radiation damage."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from copick_picker.errors import DataError

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TiltSeriesConditions:
    """How a simulated tilt series is taken and reconstructed.

    Attributes
    ----------
    tilt_limits_degrees : tuple of float
        Lowest and highest tilt about the y axis, between -90 and 90 (not included).
    tilt_step_degrees : float
        Step between tilts; the series starts at the lowest.
    total_dose_per_square_angstrom : float
        Electrons per square Angstrom on the specimen, all tilts together, an equal share each.
    voltage_kilovolt : float
        Acceleration voltage.
    spherical_aberration_angstrom : float
        Spherical aberration of the objective lens (2.7 mm = 2.7e7 A).
    amplitude_contrast : float
        Share of amplitude contrast, 0 to 1 (1 not included).
    defocus_angstrom : float
        Underfocus, positive, at the middle of the ice on the tilt axis.
    phase_flipped : bool
        Whether the signs of the contrast transfer function at that defocus are corrected in every
        tilt before the reconstruction.
    defocus_spread_angstrom : float
        Standard deviation of the focus (chromatic aberration): the temporal envelope.
    illumination_semiangle_radian : float
        Half the opening angle of the illumination, at 1/e: the spatial envelope.
    ice_z_angstrom : tuple of float
        Lower and upper surface of the ice along z, voxel 0 at 0. Its thickness attenuates the
        beam, its middle is where the defocus holds.
    inelastic_mean_free_path_angstrom : float
        Lambda of the attenuation exp(-t / (Lambda cos tilt)): at 300 kV about 395 nm behind an
        energy filter, 320 nm where an aperture also takes what was scattered far (Rice et al.
        2018, J. Struct. Biol. 204, 38).
    critical_dose_scale : float
        Factor on the critical exposure of `critical_dose`: 1 at 300 kV, 0.8 at 200 kV, infinity
        for a specimen that the beam does not damage.
    detector_pixel_angstrom : float
        Pixel of the detector on the specimen, before images are binned to the voxel spacing; at
        most the voxel spacing.
    dqe_zero, dqe_nyquist : float
        Detective quantum efficiency at frequency 0 and at the Nyquist frequency of the detector's
        pixel. Typical of cameras that count electrons at 300 kV are 0.8 to 0.9 and 0.2 to 0.4:
        rounded from the curves of several cameras, not those of one (Ruskin, Yu and Grigorieff
        2013, J. Struct. Biol. 184, 385; McMullan et al. 2014, Ultramicroscopy 147, 156; Kuijper
        et al. 2015, J. Struct. Biol. 192, 179).
    shift_sigma_angstrom : float
        Standard deviation, along each axis of an image, of the shift that is left after the
        alignment of the series.
    rotation_sigma_degrees : float
        Standard deviation of the rotation in the plane of an image that is left.
    filter_cutoff_per_voxel, filter_falloff_per_voxel : float
        The ramp of the weighted back-projection is exact up to the cut-off (cycles a voxel, at
        most 0.5) and falls beyond it with a Gaussian of this standard deviation (0: at once).

    Raises
    ------
    DataError
        If a value is outside its range.
    """

    tilt_limits_degrees: tuple[float, float]
    tilt_step_degrees: float
    total_dose_per_square_angstrom: float
    voltage_kilovolt: float
    spherical_aberration_angstrom: float
    amplitude_contrast: float
    defocus_angstrom: float
    phase_flipped: bool
    defocus_spread_angstrom: float
    illumination_semiangle_radian: float
    ice_z_angstrom: tuple[float, float]
    inelastic_mean_free_path_angstrom: float
    critical_dose_scale: float
    detector_pixel_angstrom: float
    dqe_zero: float
    dqe_nyquist: float
    shift_sigma_angstrom: float
    rotation_sigma_degrees: float
    filter_cutoff_per_voxel: float
    filter_falloff_per_voxel: float

    def __post_init__(self) -> None:
        """Check every value against its range."""
        low, high = self.tilt_limits_degrees
        if not -90.0 < low < high < 90.0:
            msg = f"tilt limits are {low} and {high} degrees; expected -90 < lowest < highest < 90"
            raise DataError(msg)
        if not 0.0 < self.tilt_step_degrees <= high - low:
            msg = (
                f"tilt step is {self.tilt_step_degrees} degrees; expected more than 0 and at most "
                f"{high - low:g}, the range of the tilts"
            )
            raise DataError(msg)
        bottom, top = self.ice_z_angstrom
        if not -math.inf < bottom < top < math.inf:
            msg = f"surfaces of the ice are at {bottom} and {top} A; expected lower < upper"
            raise DataError(msg)
        self._check_positive()
        self._check_shares()

    def _check_positive(self) -> None:
        above_zero = (
            "total_dose_per_square_angstrom",
            "voltage_kilovolt",
            "inelastic_mean_free_path_angstrom",
            "critical_dose_scale",
            "detector_pixel_angstrom",
            "filter_cutoff_per_voxel",
        )
        zero_or_above = (
            "spherical_aberration_angstrom",
            "defocus_spread_angstrom",
            "illumination_semiangle_radian",
            "shift_sigma_angstrom",
            "rotation_sigma_degrees",
            "filter_falloff_per_voxel",
        )
        for name in above_zero:
            if not getattr(self, name) > 0.0:
                msg = f"{name} is {getattr(self, name)}; expected a positive number"
                raise DataError(msg)
        for name in zero_or_above:
            if not 0.0 <= getattr(self, name) < math.inf:
                msg = f"{name} is {getattr(self, name)}; expected a number of 0 or more"
                raise DataError(msg)

    def _check_shares(self) -> None:
        if not 0.0 <= self.amplitude_contrast < 1.0:
            msg = f"amplitude_contrast is {self.amplitude_contrast}; expected 0 <= value < 1"
            raise DataError(msg)
        if not 0.0 < self.dqe_nyquist <= self.dqe_zero <= 1.0:
            msg = (
                f"detective quantum efficiency is {self.dqe_zero} at frequency 0 and "
                f"{self.dqe_nyquist} at Nyquist; expected 0 < at Nyquist <= at 0 <= 1"
            )
            raise DataError(msg)
        if self.filter_cutoff_per_voxel > 0.5:
            msg = f"filter_cutoff_per_voxel is {self.filter_cutoff_per_voxel}; expected at most 0.5"
            raise DataError(msg)


def tilt_angles(conditions: TiltSeriesConditions) -> FloatArray:
    """Return the tilts from the lowest to the highest.

    Parameters
    ----------
    conditions : TiltSeriesConditions
        Gives limits and step.

    Returns
    -------
    numpy.ndarray, shape (n,), float64
        Degrees; the last is the highest that whole steps reach.
    """
    low, high = conditions.tilt_limits_degrees
    n_steps = math.floor((high - low) / conditions.tilt_step_degrees + 1e-9)
    steps = np.arange(n_steps + 1, dtype=np.float64)
    return steps * conditions.tilt_step_degrees + low


def dose_before(tilts_degrees: FloatArray, dose_per_tilt: float) -> FloatArray:
    """Return the dose that the specimen took before each tilt, in the dose-symmetric order.

    Nearest to 0 first, of two tilts as near the positive one (Hagen, Wan and Briggs 2017,
    https://doi.org/10.1016/j.jsb.2016.06.007).

    Parameters
    ----------
    tilts_degrees : numpy.ndarray, shape (n,), float64
        Tilt angles, in any order.
    dose_per_tilt : float
        Dose of one tilt.

    Returns
    -------
    numpy.ndarray, shape (n,), float64
        In the unit of ``dose_per_tilt``, in the order of the tilts given.

    Examples
    --------
    >>> dose_before(np.array([-6.0, -3.0, 0.0, 3.0, 6.0]), 2.0).tolist()
    [8.0, 4.0, 0.0, 2.0, 6.0]
    """
    rounded = np.round(tilts_degrees, 6)
    order = np.lexsort((-rounded, np.abs(rounded)))
    rank = np.empty(len(order))
    rank[order] = np.arange(len(order))
    return rank * dose_per_tilt


def transmission(conditions: TiltSeriesConditions, tilts_degrees: npt.ArrayLike) -> FloatArray:
    """Return the share of the beam that passes the ice without inelastic scattering.

    ``exp(-t / (Lambda cos tilt))``, t the thickness of the ice (the law of Beer and Lambert: Yan et
    al. 2015, J. Struct. Biol. 192, 287, for tilts; Rice et al. 2018, J. Struct. Biol. 204, 38, for
    the mean free path); an energy filter takes the rest away.

    Parameters
    ----------
    conditions : TiltSeriesConditions
        Gives the ice and the mean free path.
    tilts_degrees : array_like
        Tilt angles.

    Returns
    -------
    numpy.ndarray, float64
        Of the shape of ``tilts_degrees``.
    """
    bottom, top = conditions.ice_z_angstrom
    path = (top - bottom) / np.cos(np.deg2rad(np.asarray(tilts_degrees, dtype=np.float64)))
    share: FloatArray = np.exp(-path / conditions.inelastic_mean_free_path_angstrom)
    return share


def critical_dose(frequency: npt.ArrayLike, scale: float) -> FloatArray:
    """Return the dose at which the signal's power has fallen to 1/e.

    ``0.24499 k^-1.6649 + 2.8141`` electrons per square Angstrom at 300 kV, k in 1/Angstrom: Grant
    and Grigorieff 2015, https://doi.org/10.7554/eLife.06980, equation 3.

    Parameters
    ----------
    frequency : array_like
        Spatial frequency in 1/Angstrom.
    scale : float
        Factor on the curve; 0.8 at 200 kV, by the same paper.

    Returns
    -------
    numpy.ndarray, float64
        Electrons per square Angstrom; infinite at frequency 0.

    Examples
    --------
    >>> critical_dose([0.05, 0.1], 1.0).round(1).tolist()
    [38.7, 14.1]
    """
    values = np.asarray(frequency, dtype=np.float64)
    with np.errstate(divide="ignore"):
        dose: FloatArray = scale * (0.24499 * values**-1.6649 + 2.8141)
    return dose


def remaining_signal(
    frequency: npt.ArrayLike, dose: float, conditions: TiltSeriesConditions
) -> FloatArray:
    """Return the share of the signal's amplitude that a dose leaves.

    ``exp(-N / (2 N_c(k)))``, N the dose and N_c that of `critical_dose`.

    Parameters
    ----------
    frequency : array_like
        Spatial frequency in 1/Angstrom.
    dose : float
        Electrons per square Angstrom that the specimen took.
    conditions : TiltSeriesConditions
        Gives the factor on the critical exposure.

    Returns
    -------
    numpy.ndarray, float64
        Values from 0 to 1, of the shape of ``frequency``.
    """
    share: FloatArray = np.exp(
        -0.5 * dose / critical_dose(frequency, conditions.critical_dose_scale)
    )
    return share
