"""Atomic structures: PDB and mmCIF files, read by gemmi."""

import gzip
import zlib
from pathlib import Path

import gemmi
import numpy as np
import numpy.typing as npt

from copick_picker.errors import DataError
from copick_picker.project.guards import guarded

SUFFIXES = (".pdb", ".ent", ".cif", ".mmcif")
"""Suffixes of structure files; each also with ``.gz``."""
B_SQUARE_ANGSTROM = 40.0
"""Temperature factor of every atom, in place of those of the file."""


class Structure:
    """The atoms of the biological assembly, without waters; every occupancy is 1.

    Attributes
    ----------
    points_xyz : numpy.ndarray, shape (n, 3), float64
        Atoms heavier than hydrogen, in Angstrom from the centre of mass.
    masses_dalton : numpy.ndarray, shape (n,), float64
        Mass of each with its share of the residue's hydrogens.
    is_nucleic : numpy.ndarray, shape (n,), bool
        Whether the atom belongs to DNA or RNA.
    """

    def __init__(self, model: gemmi.Model, path: Path) -> None:
        self._elements: list[str] = []
        self._hydrogens: list[float] = []
        points, nucleic = [], []
        for residue in (residue for chain in model for residue in chain):
            kind = gemmi.find_tabulated_residue(residue.name)
            atoms = [atom for atom in residue if not atom.is_hydrogen()]
            bonded = _hydrogen_count(kind) / max(len(atoms), 1)
            for atom in atoms:
                self._elements.append(atom.element.name)
                self._hydrogens.append(bonded)
                points.append(atom.pos.tolist())
                nucleic.append(kind.is_nucleic_acid())
        if not points:
            msg = f"{path} contains no atoms except waters and hydrogens"
            raise DataError(msg)
        positions = np.array(points, dtype=np.float64)
        weights = {name: gemmi.Element(name).weight for name in set(self._elements)}
        heavy = np.array([weights[name] for name in self._elements])
        if not np.isfinite(positions).all() or not heavy.sum() > 0.0:
            msg = f"{path} contains atoms without a known position or element"
            raise DataError(msg)
        hydrogen = gemmi.Element("H").weight
        self.masses_dalton = heavy + hydrogen * np.array(self._hydrogens)
        centre = self.masses_dalton @ positions / self.masses_dalton.sum()
        self.points_xyz: npt.NDArray[np.float64] = positions - centre
        self.is_nucleic = np.array(nucleic, dtype=bool)

    @property
    def radius_angstrom(self) -> float:
        """Distance of the farthest atom from the centre of mass."""
        return float(np.sqrt((self.points_xyz**2).sum(axis=1).max()))

    def scattering(self, side: int, spacing: float) -> npt.NDArray[np.float32]:
        """Return the electron scattering density, with hydrogens at their heavy atoms.

        Parameters
        ----------
        side : int
            Width of the cube, even; the centre of mass lies at voxel side // 2.
        spacing : float
            Edge of a voxel in Angstrom.

        Returns
        -------
        numpy.ndarray, shape (side, side, side), float32
            Density (z, y, x) in A per A^3, of temperature factor 40 A^2.
        """
        calculator = gemmi.DensityCalculatorE()
        edge = side * spacing
        calculator.grid.set_unit_cell(gemmi.UnitCell(edge, edge, edge, 90.0, 90.0, 90.0))
        calculator.grid.spacegroup = gemmi.SpaceGroup("P 1")
        calculator.grid.set_size(side, side, side)
        calculator.grid.fill(0.0)
        atom = gemmi.Atom()
        atom.b_iso = B_SQUARE_ANGSTROM
        middle = side // 2 * spacing
        for place, element, bonded in zip(
            (self.points_xyz + middle).tolist(), self._elements, self._hydrogens, strict=True
        ):
            atom.pos = gemmi.Position(*place)
            for name, occupancy in ((element, 1.0), ("H", bonded)):
                if occupancy > 0.0:
                    atom.element, atom.occ = gemmi.Element(name), occupancy
                    calculator.add_atom_density_to_grid(atom)
        density = np.array(calculator.grid, copy=False)
        return np.ascontiguousarray(density.transpose(2, 1, 0), dtype=np.float32)


def is_structure(path: Path) -> bool:
    """Return whether a file's name is that of an atomic structure.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    """
    return path.name.lower().removesuffix(".gz").endswith(SUFFIXES)


def read_structure(path: Path) -> Structure:
    """Return the first biological assembly of the first model of a structure file.

    Where the file names no assembly, its atoms are taken as they are. Of alternative conformers
    the first is taken.

    Parameters
    ----------
    path : pathlib.Path
        PDB or mmCIF file, also gzip.

    Returns
    -------
    Structure
        Its atoms.

    Raises
    ------
    ProjectError
        If the file cannot be read.
    DataError
        If it holds no atoms but waters and hydrogens.
    """
    with guarded(f"cannot read the structure {path}"):
        structure = _parsed(path)
        if not len(structure):
            msg = f"{path} contains no atoms"
            raise DataError(msg)
        structure.setup_entities()
        model = structure[0]
        if len(structure.assemblies) and len(structure.assemblies[0].generators):
            naming = gemmi.HowToNameCopiedChain.Short
            model = gemmi.make_assembly(structure.assemblies[0], model, naming)
        model.remove_waters()
        model.remove_alternative_conformations()
        return Structure(model, path)


def _parsed(path: Path) -> gemmi.Structure:
    """Return what a file holds; gemmi alone reads a packed file that was cut off as a short one."""
    data = path.read_bytes()
    if path.name.lower().endswith(".gz"):
        try:
            data = gzip.decompress(data)
        except (EOFError, zlib.error) as error:
            msg = f"the packed file is truncated or damaged ({error})"
            raise ValueError(msg) from error
    text = data.decode("utf-8", errors="replace")
    if "cif" not in path.name.lower().removesuffix(".gz").rpartition(".")[2]:
        return gemmi.read_pdb_string(text)
    document = gemmi.cif.read_string(text)
    return gemmi.make_structure_from_block(document[0]) if len(document) else gemmi.Structure()


def _hydrogen_count(kind: gemmi.ResidueInfo) -> int:
    """Return the hydrogens of a residue in its chain, which has lost a water for each bond."""
    count = int(kind.hydrogen_count)
    in_chain = kind.is_amino_acid() or kind.is_nucleic_acid()
    return max(count - 2, 0) if in_chain else count
