"""Atoms to potentials: structure files, biological assemblies, plain balls, densities."""

import gzip

import gemmi
import numpy as np
import pytest

from copick_picker.core.simulate.potentials import blob_potential, centred_cube
from copick_picker.errors import DataError, ProjectError
from copick_picker.project.formats.mrc import write_mrc
from copick_picker.project.formats.structures import read_structure
from copick_picker.workflows.simulate.molecules import load_molecules, membrane_centre_angstrom

SIDE_CHAINS = {
    "GLY": "",
    "ALA": "C",
    "SER": "CO",
    "VAL": "CCC",
    "LEU": "CCCC",
    "ASP": "CCOO",
    "LYS": "CCCCN",
    "GLU": "CCCOO",
    "PHE": "CCCCCCC",
    "ARG": "CCCNCNN",
}
NUCLEOTIDES = {"A": "POOOCCCOCCOONCNCCNCNCN", "U": "POOOCCCOCCOONCONCOCC"}


def model_of(residues, *, spread=20.0, offset=(0.0, 0.0, 0.0), seed=1):
    """Return a model of (name, elements), each residue a clump at a random place of a ball."""
    rng = np.random.default_rng(seed)
    chain = gemmi.Chain("A")
    for number, (name, elements) in enumerate(residues, start=1):
        residue = gemmi.Residue()
        residue.name, residue.seqid = name, gemmi.SeqId(str(number))
        place = rng.normal(0.0, spread / 2, 3) + offset
        for position, element in enumerate(elements):
            atom = gemmi.Atom()
            atom.name, atom.element = f"{element}{position}", gemmi.Element(element)
            atom.pos = gemmi.Position(*(place + rng.normal(0.0, 1.5, 3)))
            residue.add_atom(atom)
        chain.add_residue(residue)
    model = gemmi.Model(1)
    model.add_chain(chain)
    return model


def protein(n_residues=300):
    names = list(SIDE_CHAINS)
    rng = np.random.default_rng(2)
    chosen = [names[index] for index in rng.integers(len(names), size=n_residues)]
    return [(name, "NCCO" + SIDE_CHAINS[name]) for name in chosen]


def structure_of(model):
    structure = gemmi.Structure()
    structure.add_model(model)
    return structure


def potential(path):
    """Return the loaded molecule's potential in volts, before the tomogram's spacing limits it."""
    from copick_picker.workflows.simulate.molecules import _potential

    return _potential(path.name, path.parent)


@pytest.mark.parametrize("suffix", ["pdb", "cif"])
def test_a_protein_has_the_potential_of_its_mass_at_the_centre(tmp_path, suffix):
    structure = structure_of(model_of(protein(), offset=(40.0, -20.0, 7.0)))
    path = tmp_path / f"protein.{suffix}"
    if suffix == "pdb":
        structure.write_pdb(str(path))
    else:
        structure.make_mmcif_document().write_file(str(path))
    volts, spacing, mass_kda = potential(path)
    assert spacing == 5.0
    assert 4.2 < volts.sum() * 125.0 / (1e3 * mass_kda) < 4.45
    side = len(volts)
    centre = (np.indices(volts.shape) * volts).sum(axis=(1, 2, 3)) / volts.sum()
    np.testing.assert_allclose(centre, side // 2, atol=0.05)
    frequency = np.fft.fftfreq(side, 5.0)
    radius = np.sqrt(sum(np.meshgrid(*[frequency**2] * 3, indexing="ij")))
    power = np.abs(np.fft.fftn(volts)) ** 2
    assert power[radius > 0.1001].sum() < 1e-3 * power.sum()


def test_rna_scatters_more_than_protein_of_its_mass(tmp_path):
    rna = [("A" if number % 2 else "U") for number in range(60)]
    model = model_of([(name, NUCLEOTIDES[name]) for name in rna])
    structure_of(model).write_pdb(str(tmp_path / "rna.pdb"))
    volts, _, mass_kda = potential(tmp_path / "rna.pdb")
    assert volts.sum() * 125.0 / (1e3 * mass_kda) > 4.5


def test_masses_hold_hydrogens_and_not_the_water_of_the_bonds(tmp_path):
    structure_of(model_of([("ALA", "NCCOC")] * 50)).write_pdb(str(tmp_path / "alanines.pdb"))
    structure = read_structure(tmp_path / "alanines.pdb")
    assert structure.masses_dalton.sum() == pytest.approx(50 * 71.08, rel=1e-3)
    np.testing.assert_allclose(structure.masses_dalton @ structure.points_xyz, 0.0, atol=1e-6)


def test_waters_conformers_and_occupancies_change_nothing(tmp_path):
    plain = model_of(protein(40))
    structure_of(plain).write_pdb(str(tmp_path / "plain.pdb"))
    varied = model_of([*protein(40), ("HOH", "O"), ("HOH", "O")])
    for residue in varied[0]:
        for atom in residue:
            atom.occ, atom.b_iso = 0.3, 90.0
    first = varied[0][0]
    first[0].altloc = "A"
    other = first[0].clone()
    other.altloc, other.pos = "B", gemmi.Position(50.0, 50.0, 50.0)
    first.add_atom(other)
    structure_of(varied).write_pdb(str(tmp_path / "varied.pdb"))
    np.testing.assert_allclose(
        potential(tmp_path / "varied.pdb")[0], potential(tmp_path / "plain.pdb")[0], atol=1e-4
    )


def test_the_biological_assembly_is_drawn_and_of_models_the_first(tmp_path):
    remark = ["REMARK 350 BIOMOLECULE: 1", "REMARK 350 APPLY THE FOLLOWING TO CHAINS: A"]
    for number, sign in ((1, 1.0), (2, -1.0)):
        rows = [(sign, 0.0, 0.0, 0.0), (0.0, sign, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0)]
        for row, values in enumerate(rows, start=1):
            numbers = "".join(f"{value:10.6f}" for value in values[:3]) + f"{values[3]:15.5f}"
            remark.append(f"REMARK 350   BIOMT{row} {number:3d}{numbers}")
    structure = structure_of(model_of(protein(30), offset=(15.0, 5.0, 0.0)))
    structure.add_model(gemmi.Model(2))
    structure.write_pdb(str(tmp_path / "half.pdb"))
    text = (tmp_path / "half.pdb").read_text().splitlines()
    body = [line for line in text if not line.startswith("REMARK 350")]
    packed = gzip.compress("\n".join([*remark, *body]).encode() + b"\n")
    (tmp_path / "whole.pdb.gz").write_bytes(packed)
    half, whole = (read_structure(tmp_path / name) for name in ("half.pdb", "whole.pdb.gz"))
    assert whole.masses_dalton.sum() == pytest.approx(2 * half.masses_dalton.sum())
    volts = potential(tmp_path / "whole.pdb.gz")[0]
    inner = volts[2:-1, 2:-1, 2:-1]
    np.testing.assert_allclose(inner[:, ::-1, ::-1], inner, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "data", "error"),
    [
        ("empty.pdb", b"", DataError),
        ("empty.cif", b"", DataError),
        ("noise.cif", b"loop_ loop_ _a", ProjectError),
        ("packed.pdb.gz", b"not gzip", ProjectError),
        ("short.cif.gz", gzip.compress(bytes(range(256)) * 9)[:-20], ProjectError),
        ("absent.cif", None, ProjectError),
    ],
)
def test_a_file_without_atoms_is_named(tmp_path, name, data, error):
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(error, match=name):
        read_structure(tmp_path / name)


def test_a_ball_has_the_mass_and_the_size_of_protein():
    volts = blob_potential(200.0, 5.0)
    assert volts.sum() * 125.0 == pytest.approx(200e3 * 4.3, rel=1e-3)
    radius = (3 * 200e3 * 1.21 / (4 * np.pi)) ** (1 / 3)
    inside = np.sqrt(((np.indices(volts.shape) - len(volts) // 2) ** 2).sum(axis=0)) * 5.0
    assert volts[inside < radius - 12].min() > 2.5
    assert np.abs(volts[inside > radius + 12]).max() < 0.6
    with pytest.raises(DataError, match="mass is 0"):
        blob_potential(0.0, 5.0)


def test_a_density_off_the_centre_of_its_box_is_centred(tmp_path):
    shape, centre = (18, 22, 26), np.array([7.3, 12.6, 10.2])
    grid = np.indices(shape) - centre[:, None, None, None]
    density = 3.0 * np.exp(-(grid**2).sum(axis=0) / 10.0).astype(np.float32)
    cube = centred_cube(density)
    side = len(cube)
    assert cube.shape == (side, side, side)
    found = (np.indices(cube.shape) * cube).sum(axis=(1, 2, 3)) / cube.sum()
    np.testing.assert_allclose(found, side // 2, atol=0.02)
    assert cube.sum() == pytest.approx(density.sum(), rel=1e-3)
    assert cube.max() == pytest.approx(3.0, rel=0.05)
    assert centred_cube(cube) is cube
    with pytest.raises(DataError, match="expected volts above ice"):
        centred_cube(-density)
    with pytest.raises(DataError, match="finite"):
        centred_cube(np.full((4, 4, 4), np.nan))
    write_mrc(tmp_path / "unknown.mrc", density, 1.0)
    with pytest.raises(DataError, match=r"voxels of 1 A"):
        load_molecules(["unknown.mrc"], tmp_path, 10.0)


def test_shipped_molecules_are_found_by_name(tmp_path):
    loaded = load_molecules(["1s3x", "2cg9", "blob:50"], tmp_path, 10.0)
    assert {name: round(each.mass_kda) for name, each in loaded.items()} == {
        "1s3x": 42,
        "2cg9": 169,
        "blob:50": 50,
    }
    assert len({each.sha256 for each in loaded.values()}) == 3
    assert membrane_centre_angstrom("5kxi") == -35.0
    assert membrane_centre_angstrom("1s3x") is None
