"""The molecules of a scene: shipped ones, structure files, density maps, plain spheres."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from copick_picker.core.simulate.molecules import Molecule, prepared_molecule
from copick_picker.core.simulate.motor_shapes import SHAPES, shape_potential
from copick_picker.core.simulate.potentials import (
    Atoms,
    blob_potential,
    box_voxels,
    centred_cube,
    displaced_volumes,
    excess_potential,
    mass_kda_of,
)
from copick_picker.errors import (
    DataError,
    SettingsError,
    UnknownNameError,
    choices_text,
    nearest_name,
)
from copick_picker.project.folders.package_data import molecule_table, package_data
from copick_picker.project.formats.mrc import read_mrc
from copick_picker.project.formats.structures import Structure, is_structure, read_structure
from copick_picker.settings.simulate_scene import SHAPE_SOURCE

Volume = npt.NDArray[np.float32]
SPACING_ANGSTROM = 5.0
"""Voxel spacing of the potentials made here, as of those that ship with the package."""
SHAPE_SPACING_ANGSTROM = 10.0
"""Voxel spacing of drawn shapes, whose edges are softer than that."""
BLOB = "blob:"
_DENSITIES = (".mrc", ".map", ".rec", ".mrc.gz", ".map.gz", ".rec.gz")
_LARGEST_BOX = 160
_FINE_BOX = 64
"""Largest box, in voxels, whose atoms are drawn at 1.25 A; in larger ones at 1.67 A."""


@dataclass(frozen=True, eq=False)
class LoadedMolecule:
    """A molecule and its origin.

    Attributes
    ----------
    molecule : Molecule
        Ready for drawing.
    mass_kda : float
        Mass from the table, from the atoms, or of protein with the same potential.
    sha256 : str
        Digest of the potential as read, to detect another file of the same name.
    """

    molecule: Molecule
    mass_kda: float
    sha256: str


def load_molecules(
    sources: Iterable[str], folder: Path, voxel_spacing: float
) -> dict[str, LoadedMolecule]:
    """Return the molecules that a scene names.

    Parameters
    ----------
    sources : iterable of str
        Names of shipped molecules, files relative to the folder, ``blob:KDA``.
    folder : pathlib.Path
        Folder of the scene's file.
    voxel_spacing : float
        Voxel spacing of the tomograms in Angstrom.

    Raises
    ------
    UnknownNameError
        If there is no such molecule; with the nearest name.
    DataError
        If a file contains no atoms, or no potential.
    ProjectError
        If a file cannot be read.
    """
    return {source: _load(source, folder, voxel_spacing) for source in sorted(set(sources))}


def membrane_centre_angstrom(source: str) -> float | None:
    """Return the position of the membrane's mid-plane in a shipped membrane protein.

    Parameters
    ----------
    source : str
        Name of a molecule.

    Returns
    -------
    float or None
        In Angstrom along z from the centre of mass; None if the table does not state it.
    """
    if source.startswith(SHAPE_SOURCE):
        return _drawn_shape(source)[1]
    text = molecule_table().get(source, {}).get("membrane_centre_z_angstrom", "")
    return float(text) if text else None


def _load(source: str, folder: Path, voxel_spacing: float) -> LoadedMolecule:
    potential, spacing, mass_kda = _potential(source, folder)
    molecule = prepared_molecule(
        source, potential, source_spacing=spacing, target_spacing=voxel_spacing
    )
    stored = np.ascontiguousarray(potential, dtype="<f4")
    return LoadedMolecule(molecule, mass_kda, hashlib.sha256(stored.tobytes()).hexdigest()[:16])


def _potential(source: str, folder: Path) -> tuple[Volume, float, float]:
    """Return the potential, its voxel spacing and the mass in kDa."""
    if source.startswith(SHAPE_SOURCE):
        volume, _ = _drawn_shape(source)
        mass_kda = mass_kda_of(volume, SHAPE_SPACING_ANGSTROM)
        return volume, SHAPE_SPACING_ANGSTROM, mass_kda
    if source.startswith(BLOB):
        mass_kda = _blob_mass(source)
        return blob_potential(mass_kda, SPACING_ANGSTROM), SPACING_ANGSTROM, mass_kda
    shipped = molecule_table()
    if source in shipped:
        row = shipped[source]
        volume, spacing = read_mrc(package_data() / "molecules" / row["file"])
        return volume.astype(np.float32), spacing, float(row["mass_kda"])
    path = folder / source
    if is_structure(path):
        return _of_atoms(read_structure(path), path)
    if path.name.lower().endswith(_DENSITIES):
        return _of_density(path)
    near = nearest_name(source, shipped)
    msg = (
        f"no molecule '{source}'{near}; shipped: {choices_text(shipped)}; or a file (.pdb, .cif, "
        f".mrc), or {BLOB}KDA, or {SHAPE_SOURCE}NAME ({choices_text(SHAPES)})"
    )
    raise UnknownNameError(msg)


def _of_atoms(structure: Structure, path: Path) -> tuple[Volume, float, float]:
    side = box_voxels(structure.radius_angstrom, SPACING_ANGSTROM)
    if side > _LARGEST_BOX:
        msg = (
            f"{path} reaches {structure.radius_angstrom:.0f} A from its centre of mass; expected "
            f"at most {_LARGEST_BOX * SPACING_ANGSTROM / 2 - 20:.0f}"
        )
        raise DataError(msg)
    reduction = 4 if side <= _FINE_BOX else 3
    fine = SPACING_ANGSTROM / reduction
    atoms = Atoms(
        scattering=structure.scattering(side * reduction, fine),
        spacing=fine,
        points_xyz=structure.points_xyz,
        displaced_cubic_angstrom=displaced_volumes(structure.masses_dalton, structure.is_nucleic),
    )
    mass_kda = float(structure.masses_dalton.sum()) / 1e3
    return excess_potential(atoms, reduction), SPACING_ANGSTROM, mass_kda


def _of_density(path: Path) -> tuple[Volume, float, float]:
    volume, spacing = read_mrc(path)
    if spacing in (0.0, 1.0):
        msg = f"{path} states voxels of {spacing:g} A, a placeholder some programs write"
        raise DataError(msg)
    try:
        centred = centred_cube(volume.astype(np.float32))
    except DataError as error:
        msg = f"{path}: {error}"
        raise DataError(msg) from error
    return centred, spacing, mass_kda_of(centred, spacing)


@lru_cache(maxsize=16)
def _drawn_shape(source: str) -> tuple[Volume, float]:
    """Return the potential of a shape, and where the membrane lies in it along z."""
    return shape_potential(*_shape_of(source), SHAPE_SPACING_ANGSTROM)


def _shape_of(source: str) -> tuple[str, int]:
    """Return the name of a shape and its variant."""
    name, _, variant = source.removeprefix(SHAPE_SOURCE).partition(":")
    if variant and not variant.isdigit():
        msg = f"molecule '{source}': expected {SHAPE_SOURCE}NAME, or {SHAPE_SOURCE}NAME:NUMBER"
        raise SettingsError(msg)
    return name, int(variant or 0)


def _blob_mass(source: str) -> float:
    try:
        mass_kda = float(source.removeprefix(BLOB))
    except ValueError:
        mass_kda = 0.0
    if not 0.0 < mass_kda < 1e5:
        msg = f"molecule '{source}': expected {BLOB} and a mass in kDa, such as {BLOB}200"
        raise SettingsError(msg)
    return mass_kda
