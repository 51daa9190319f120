"""Turned and shifted copies of a molecule's potential, at the spacing of a tomogram."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from copick_picker.core.wedge import frequencies
from copick_picker.errors import DataError

Volume = npt.NDArray[np.float32]
SPLINE_ORDER = 3
EDGE_SHARE = 0.15
"""Share of the band below the limit over which the low-pass filter falls."""


@dataclass(frozen=True, eq=False)
class Molecule:
    """A molecule made ready for drawing at one voxel spacing.

    Attributes
    ----------
    name : str
        Name of the molecule.
    coefficients : numpy.ndarray, shape (n, n, n), float32
        Spline coefficients of the band-limited potential; its centre is voxel n // 2.
    source_spacing : float
        Voxel spacing of the coefficients in Angstrom.
    target_spacing : float
        Voxel spacing of the tomogram in Angstrom.
    """

    name: str
    coefficients: Volume
    source_spacing: float
    target_spacing: float


def prepared_molecule(
    name: str,
    potential: npt.NDArray[np.floating],
    *,
    source_spacing: float,
    target_spacing: float,
) -> Molecule:
    """Return a molecule that can be drawn at a tomogram's voxel spacing.

    Parameters
    ----------
    name : str
        Name of the molecule.
    potential : numpy.ndarray, shape (n, n, n)
        Potential over vitreous ice in volts, centre of mass at voxel n // 2.
    source_spacing, target_spacing : float
        Voxel spacing of the potential and of the tomogram, in Angstrom. Frequencies that the
        tomogram cannot hold are removed with a soft edge.

    Raises
    ------
    DataError
        If the potential is not a cube.
    """
    if potential.ndim != 3 or len(set(potential.shape)) != 1:
        msg = f"potential of {name} has shape {potential.shape}; expected a cube"
        raise DataError(msg)
    side = potential.shape[0]
    shape = (side, side, side)
    along_z, along_y, along_x = frequencies(shape, source_spacing)
    frequency = np.sqrt(along_z**2 + along_y**2 + along_x**2)
    limit = 0.5 / target_spacing
    falling = np.clip((frequency / limit - (1.0 - EDGE_SHARE)) / EDGE_SHARE, 0.0, 1.0)
    spectrum = fft.rfftn(potential.astype(np.float64)) * (0.5 + 0.5 * np.cos(np.pi * falling))
    limited = fft.irfftn(spectrum, s=shape)
    coefficients = ndimage.spline_filter(limited, order=SPLINE_ORDER, mode="constant")
    return Molecule(name, coefficients.astype(np.float32), source_spacing, target_spacing)


def drawn_molecule(
    molecule: Molecule,
    rotation: npt.NDArray[np.float64],
    shift_zyx: npt.NDArray[np.float64],
) -> Volume:
    """Return a turned and shifted copy of a molecule in a cube of the tomogram's voxels.

    Parameters
    ----------
    molecule : Molecule
        What to draw.
    rotation : numpy.ndarray, shape (3, 3)
        Rotation that acts on columns (z, y, x).
    shift_zyx : numpy.ndarray, shape (3,)
        Where the molecule's centre lies from voxel m // 2 of the result, in voxels, below 1.

    Returns
    -------
    numpy.ndarray, shape (m, m, m), float32
        Potential in volts; m is odd and the same for every orientation.
    """
    side = molecule.coefficients.shape[0]
    ratio = molecule.target_spacing / molecule.source_spacing
    edge = 2 * int(np.ceil(side / 2 / ratio)) + 3
    matrix = rotation.T * ratio
    offset = side // 2 - matrix @ (edge // 2 + np.asarray(shift_zyx, dtype=np.float64))
    drawn: Volume = ndimage.affine_transform(
        molecule.coefficients,
        matrix,
        offset=offset,
        output_shape=(edge, edge, edge),
        order=SPLINE_ORDER,
        mode="constant",
        prefilter=False,
    )
    return drawn
