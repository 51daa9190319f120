"""From atoms to the electrostatic potential over vitreous ice."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from copick_picker.core.wedge import frequencies
from copick_picker.errors import DataError

Volume = npt.NDArray[np.float32]
FloatArray = npt.NDArray[np.float64]

VOLT_SQUARE_ANGSTROM = 47.878
"""h^2 / (2 pi m_e e): volts of an electron scattering density of 1 A per A^3."""
ICE_VOLTS = 4.5301
"""Mean inner potential of vitreous ice (Vulovic et al. 2013, J. Struct. Biol. 183, 19-32)."""
ICE_SIGMA_ANGSTROM = 1.5
"""Standard deviation of the Gaussian by which each atom displaces ice."""
PASS_ANGSTROM, STOP_ANGSTROM = 11.8, 10.0
"""The band limit falls between these resolutions."""
BLOB_VOLTS_PER_DALTON = 4.3
"""Excess potential of protein, V A^3 / Da: 4.2 to 4.45 from coordinates."""
CUBIC_ANGSTROM_PER_DALTON = 1.21
"""Volume of protein in ice (Harpaz et al. 1994, Structure 2, 641-649)."""
NUCLEIC_CUBIC_ANGSTROM_PER_DALTON = 0.90
"""Volume of DNA and RNA in ice."""


@dataclass(frozen=True, eq=False)
class Atoms:
    """What a structure's atoms scatter and displace.

    Attributes
    ----------
    scattering : numpy.ndarray, shape (n, n, n), float32
        Electron scattering density (z, y, x) in A per A^3; the centre of mass lies at voxel n // 2.
    spacing : float
        Edge of its voxels in Angstrom.
    points_xyz : numpy.ndarray, shape (m, 3), float64
        Atoms without hydrogens, in Angstrom from the centre of mass.
    displaced_cubic_angstrom : numpy.ndarray, shape (m,), float64
        Volume of ice that each atom displaces, with its hydrogens.
    """

    scattering: Volume
    spacing: float
    points_xyz: FloatArray
    displaced_cubic_angstrom: FloatArray


def excess_potential(atoms: Atoms, reduction: int) -> Volume:
    """Return the potential of a structure over that of the ice which it displaces.

    ``47.878 V A^2`` times the electron scattering density, less 4.5301 V times the displaced
    fraction (Vulovic et al. 2013, J. Struct. Biol. 183, 19-32), band-limited with a soft edge from
    11.8 to 10 A and reduced in Fourier space.

    Parameters
    ----------
    atoms : Atoms
        The structure; n is a multiple of ``2 * reduction``.
    reduction : int
        How many voxels of the scattering density become one.

    Returns
    -------
    numpy.ndarray, shape (n / reduction,) * 3, float32
        Volts; the centre of mass lies at the voxel of half the size.

    Raises
    ------
    DataError
        If the size of the scattering density does not fit the reduction.
    """
    side = atoms.scattering.shape[0]
    if side % (2 * reduction):
        msg = (
            f"the scattering density is {side} voxels wide; expected a multiple of {2 * reduction}"
        )
        raise DataError(msg)
    volts = atoms.scattering * np.float32(VOLT_SQUARE_ANGSTROM)
    spectrum = _low_frequencies(volts, side // reduction)
    del volts
    deposited = _deposited(atoms, side)
    ice = _low_frequencies(deposited, side // reduction)
    reduced = (side // reduction,) * 3
    spacing = atoms.spacing * reduction
    along_z, along_y, along_x = frequencies(reduced, spacing)
    frequency = np.sqrt(along_z**2 + along_y**2 + along_x**2)
    ice *= np.exp(-2.0 * (np.pi * ICE_SIGMA_ANGSTROM * frequency) ** 2)
    for along in (along_z, along_y, along_x):
        ice /= np.sinc(along * atoms.spacing) ** 2
    spectrum -= ICE_VOLTS * ice
    spectrum *= _falling(frequency)
    potential: Volume = fft.irfftn(spectrum, s=reduced).astype(np.float32) / np.float32(
        reduction**3
    )
    return _bordered(potential)


def displaced_volumes(masses_dalton: FloatArray, is_nucleic: npt.NDArray[np.bool_]) -> FloatArray:
    """Return the volume of ice that each atom displaces, in cubic Angstrom.

    Parameters
    ----------
    masses_dalton : numpy.ndarray, shape (m,), float64
        Mass of each atom with its hydrogens.
    is_nucleic : numpy.ndarray, shape (m,), bool
        Whether it belongs to DNA or RNA.

    Examples
    --------
    >>> displaced_volumes(np.array([100.0, 100.0]), np.array([False, True])).tolist()
    [121.0, 90.0]
    """
    each = np.where(is_nucleic, NUCLEIC_CUBIC_ANGSTROM_PER_DALTON, CUBIC_ANGSTROM_PER_DALTON)
    volumes: FloatArray = masses_dalton * each
    return volumes


def blob_potential(mass_kda: float, spacing: float) -> Volume:
    """Return a ball of protein: its mass, its volume, and nothing of its shape.

    Parameters
    ----------
    mass_kda : float
        Mass.
    spacing : float
        Edge of a voxel in Angstrom.

    Returns
    -------
    numpy.ndarray, shape (n, n, n), float32
        Volts, with the ball's middle at voxel n // 2, band-limited to 10 A.

    Raises
    ------
    DataError
        If the mass is not positive.
    """
    if not 0.0 < mass_kda < np.inf:
        msg = f"mass is {mass_kda} kDa; expected a positive number"
        raise DataError(msg)
    volume = 1e3 * mass_kda * CUBIC_ANGSTROM_PER_DALTON
    radius = (3.0 * volume / (4.0 * np.pi)) ** (1.0 / 3.0)
    side = box_voxels(radius, spacing)
    along_z, along_y, along_x = frequencies((side, side, side), spacing)
    frequency = np.sqrt(along_z**2 + along_y**2 + along_x**2)
    phase = np.maximum(2.0 * np.pi * radius * frequency, 1e-6)
    ball = 3.0 * (np.sin(phase) - phase * np.cos(phase)) / phase**3
    spectrum = (1e3 * mass_kda * BLOB_VOLTS_PER_DALTON / spacing**3) * ball * _falling(frequency)
    potential = np.fft.fftshift(fft.irfftn(spectrum.astype(np.complex128), s=(side, side, side)))
    return _bordered(potential.astype(np.float32))


def box_voxels(radius_angstrom: float, spacing: float) -> int:
    """Return the width of the box of a molecule: 20 A of border, a multiple of 4 voxels.

    Parameters
    ----------
    radius_angstrom : float
        Distance of the farthest atom from the centre of mass.
    spacing : float
        Edge of a voxel in Angstrom.

    Examples
    --------
    >>> box_voxels(67.8, 5.0)
    36
    """
    return 4 * int(np.ceil(2.0 * (radius_angstrom + 20.0) / spacing / 4.0))


def centred_cube(potential: npt.NDArray[np.floating]) -> Volume:
    """Return a potential in a cube, its centre of mass at voxel n // 2.

    Parameters
    ----------
    potential : numpy.ndarray, shape (z, y, x)
        Volts above ice.

    Returns
    -------
    numpy.ndarray, shape (n, n, n), float32
        The same where it is a cube and centred to 0.1 voxel; else moved by cubic splines.

    Raises
    ------
    DataError
        If a value is not finite, or the potential is not that of matter denser than ice.
    """
    volume = np.asarray(potential, dtype=np.float32)
    if volume.ndim != 3 or not np.isfinite(volume).all():
        msg = f"expected finite values (z, y, x); got shape {volume.shape}"
        raise DataError(msg)
    total = float(volume.sum(dtype=np.float64))
    if not total > 0.0:
        msg = f"the values sum to {total:g}; expected volts above ice, where matter is positive"
        raise DataError(msg)
    centre_zyx = _centre_of_mass(volume)
    half = np.maximum(centre_zyx, np.array(volume.shape) - 1 - centre_zyx)
    middle = volume.shape[0] // 2
    is_cube = len(set(volume.shape)) == 1
    if is_cube and np.abs(centre_zyx - middle).max() <= 0.1:
        return volume
    side = 2 * int(np.ceil(half.max())) + 2
    moved: Volume = ndimage.affine_transform(
        volume,
        np.ones(3),
        offset=centre_zyx - side // 2,
        output_shape=(side, side, side),
        order=3,
        mode="constant",
    )
    return moved


def mass_kda_of(potential: npt.NDArray[np.floating], spacing: float) -> float:
    """Return the mass of protein that has a potential's integral.

    Parameters
    ----------
    potential : numpy.ndarray, shape (z, y, x)
        Volts above ice.
    spacing : float
        Edge of a voxel in Angstrom.
    """
    total = float(np.sum(potential, dtype=np.float64)) * spacing**3
    return total / BLOB_VOLTS_PER_DALTON / 1e3


def _centre_of_mass(volume: Volume) -> FloatArray:
    total = volume.sum(dtype=np.float64)
    planes = [
        volume.sum(axis=tuple(other for other in range(3) if other != axis), dtype=np.float64)
        for axis in range(3)
    ]
    return np.array([np.arange(len(plane)) @ plane / total for plane in planes])


def _deposited(atoms: Atoms, side: int) -> Volume:
    """Return the displaced share of each voxel, every atom dealt out to its eight neighbours."""
    deposited = np.zeros((side, side, side), dtype=np.float32)
    places = atoms.points_xyz[:, ::-1] / atoms.spacing + side // 2
    low = np.floor(places).astype(np.int64)
    share = places - low
    weights = atoms.displaced_cubic_angstrom / atoms.spacing**3
    for corner in np.ndindex(2, 2, 2):
        offset = np.array(corner)
        portion = weights * np.prod(np.where(offset == 1, share, 1.0 - share), axis=1)
        z, y, x = ((low + offset) % side).T
        np.add.at(deposited, (z, y, x), portion.astype(np.float32))
    return deposited


def _low_frequencies(volume: Volume, side: int) -> npt.NDArray[np.complex128]:
    """Return the half spectrum of a cube, cut down to that of a smaller one."""
    spectrum = fft.rfftn(volume)
    half = side // 2
    kept = np.r_[0:half, -half:0]
    cut: npt.NDArray[np.complex128] = spectrum[np.ix_(kept, kept, np.arange(half + 1))].astype(
        np.complex128
    )
    return cut


def _falling(frequency: FloatArray) -> FloatArray:
    low, high = 1.0 / PASS_ANGSTROM, 1.0 / STOP_ANGSTROM
    share = np.clip((frequency - low) / (high - low), 0.0, 1.0)
    falling: FloatArray = 0.5 + 0.5 * np.cos(np.pi * share)
    return falling


def _bordered(potential: Volume) -> Volume:
    """Set the outermost voxels to 0."""
    inner = (slice(1, -1),) * 3
    bordered = np.zeros_like(potential)
    bordered[inner] = potential[inner]
    return bordered
