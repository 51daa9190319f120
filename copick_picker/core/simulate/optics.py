"""Contrast transfer function of the microscope.

Convention: underfocus is positive, and a positive value means that protein comes out dark.
Formulas: Reimer and Kohl, Transmission Electron Microscopy, 5th edition, chapter 6; Erickson and
Klug 1971, https://doi.org/10.1098/rstb.1971.0040, for the share of amplitude contrast.
"""

import math

import numpy as np
import numpy.typing as npt

from copick_picker.errors import DataError
from copick_picker.records.specimens import ImagingConditions

PLANCK_JOULE_SECOND = 6.62607015e-34
ELECTRON_MASS_KILOGRAM = 9.1093837015e-31
ELECTRON_CHARGE_COULOMB = 1.602176634e-19
LIGHT_SPEED_METRE_PER_SECOND = 2.99792458e8
ANGSTROM_PER_METRE = 1e10


def electron_wavelength(voltage_kilovolt: float) -> float:
    """Return the relativistic wavelength of an electron, in Angstrom.

    Parameters
    ----------
    voltage_kilovolt : float
        Acceleration voltage.

    Raises
    ------
    DataError
        If the voltage is not positive.

    Examples
    --------
    >>> round(electron_wavelength(300.0), 6)
    0.019687
    """
    energy = _energy_joule(voltage_kilovolt)
    rest = ELECTRON_MASS_KILOGRAM * LIGHT_SPEED_METRE_PER_SECOND**2
    momentum = math.sqrt(energy * (energy + 2.0 * rest)) / LIGHT_SPEED_METRE_PER_SECOND
    return PLANCK_JOULE_SECOND / momentum * ANGSTROM_PER_METRE


def interaction_constant(voltage_kilovolt: float) -> float:
    """Return the phase shift per volt and Angstrom of projected potential, in rad/(V A).

    ``sigma = 2 pi m e lambda / h^2`` with the relativistic mass m.

    Parameters
    ----------
    voltage_kilovolt : float
        Acceleration voltage.

    Raises
    ------
    DataError
        If the voltage is not positive.

    Examples
    --------
    >>> round(interaction_constant(300.0), 6)
    0.000653
    """
    rest = ELECTRON_MASS_KILOGRAM * LIGHT_SPEED_METRE_PER_SECOND**2
    gamma = 1.0 + _energy_joule(voltage_kilovolt) / rest
    wavelength_metre = electron_wavelength(voltage_kilovolt) / ANGSTROM_PER_METRE
    per_volt_metre = (
        2.0
        * math.pi
        * gamma
        * ELECTRON_MASS_KILOGRAM
        * ELECTRON_CHARGE_COULOMB
        * wavelength_metre
        / PLANCK_JOULE_SECOND**2
    )
    return per_volt_metre / ANGSTROM_PER_METRE


def contrast_transfer(
    frequency: npt.ArrayLike, conditions: ImagingConditions
) -> npt.NDArray[np.float64]:
    """Return the contrast transfer function at spatial frequencies.

    ``sin(chi + asin w)`` with ``chi = pi lambda dz k^2 - pi/2 Cs lambda^3 k^4`` and the amplitude
    contrast w; its absolute value where the conditions say that signs were corrected.

    Parameters
    ----------
    frequency : array_like
        Spatial frequencies in 1/Angstrom, any shape.
    conditions : ImagingConditions
        Microscope and defocus.

    Returns
    -------
    numpy.ndarray, float64
        Values in [-1, 1], of the shape of ``frequency``.
    """
    chi = phase_aberration(
        frequency,
        wavelength_angstrom=electron_wavelength(conditions.voltage_kilovolt),
        defocus_angstrom=conditions.defocus_angstrom,
        spherical_aberration_angstrom=conditions.spherical_aberration_angstrom,
    )
    transfer = np.sin(chi + math.asin(conditions.amplitude_contrast))
    return np.abs(transfer) if conditions.phase_flipped else transfer


def phase_aberration(
    frequency: npt.ArrayLike,
    *,
    wavelength_angstrom: float,
    defocus_angstrom: float,
    spherical_aberration_angstrom: float,
) -> npt.NDArray[np.float64]:
    """Return the phase ``chi = pi lambda dz k^2 - pi/2 Cs lambda^3 k^4`` of the objective lens.

    Parameters
    ----------
    frequency : array_like
        Spatial frequencies in 1/Angstrom, any shape.
    wavelength_angstrom : float
        Wavelength of the electrons.
    defocus_angstrom : float
        Underfocus, positive.
    spherical_aberration_angstrom : float
        Spherical aberration.

    Returns
    -------
    numpy.ndarray, float64
        Radians, of the shape of ``frequency``.
    """
    squared = np.asarray(frequency, dtype=np.float64) ** 2
    chi: npt.NDArray[np.float64] = np.pi * wavelength_angstrom * defocus_angstrom * squared
    chi -= 0.5 * np.pi * spherical_aberration_angstrom * wavelength_angstrom**3 * squared**2
    return chi


def _energy_joule(voltage_kilovolt: float) -> float:
    if not voltage_kilovolt > 0:
        msg = f"acceleration voltage is {voltage_kilovolt} kV; expected a positive number"
        raise DataError(msg)
    return voltage_kilovolt * 1e3 * ELECTRON_CHARGE_COULOMB
