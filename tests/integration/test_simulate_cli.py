"""copick-picker simulate: the project that it makes, its bytes, what it refuses."""

import json
from pathlib import Path

import copick
import gemmi
import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from copick_picker.cli.main import console
from copick_picker.project.folders.simulation_folder import SESSION, USER
from copick_picker.project.formats.mrc import write_mrc
from copick_picker.settings.simulate_scene import load_scene, preset_names, preset_path
from copick_picker.workflows.simulate.run import TRUTH
from killed import killed_when, server, start
from projects import temporaries, tree

ROOT = Path(__file__).parents[2]
SHAPE = (32, 44, 56)
SCENE = {
    "title": "Small",
    "seed": 5,
    "runs": 2,
    "shape": list(SHAPE),
    "voxel_spacing": 10.0,
    "objects": {
        "ball": {"molecule": "blob:700", "count": [2, 4], "radius_angstrom": 60, "label": 7},
        "hsp90": {
            "molecule": "2cg9",
            "count": 3,
            "radius_angstrom": 60,
            "pdb_id": "2CG9",
            "color": [1, 2, 3, 255],
        },
    },
    "distractors": {"small": {"molecule": "blob:80", "count": 5}},
    "imaging": {"path": "quick"},
}


def written(folder: Path, scene: dict, name: str = "scene.yaml") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(yaml.safe_dump(scene))
    return path


def line(scene: Path, output: Path, *further: str) -> list[str]:
    log = str(scene.parent / "log.txt")
    return ["simulate", str(scene), "-o", str(output), "--threads", "1", "--log", log, *further]


def simulated(folder: Path, output: str = "made", scene: dict | None = None, *further: str):
    path = written(folder, scene or SCENE)
    return CliRunner().invoke(console, line(path, folder / output, *further))


def made(folder: Path, output: str = "made", scene: dict | None = None, *further: str) -> Path:
    result = simulated(folder, output, scene, *further)
    assert result.exit_code == 0, result.output
    return folder / output


def refused(result, *words: str) -> None:
    assert result.exit_code == 2, result.output
    for word in words:
        assert word in result.output


def content(folder: Path) -> dict[str, bytes]:
    """Return every file by name; of the configuration all but the folder that it lies in."""
    files = tree(folder)
    files["config.json"] = files["config.json"].replace(str(folder).encode(), b"")
    return files


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    return made(tmp_path_factory.mktemp("simulated"))


def test_copick_opens_the_project_and_finds_everything(project):
    root = copick.from_file(str(project / "config.json"))
    assert [run.name for run in root.runs] == ["SIM_001", "SIM_002"]
    ball, hsp90 = root.pickable_objects
    assert (ball.name, ball.label, ball.radius) == ("ball", 7, 60.0)
    assert (hsp90.label, hsp90.pdb_id, tuple(hsp90.color)) == (1, "2CG9", (1, 2, 3, 255))
    for run in root.runs:
        spacing = run.get_voxel_spacing(10.0)
        types = {tomogram.tomo_type: tomogram.numpy() for tomogram in spacing.tomograms}
        assert {name: volume.shape for name, volume in types.items()} == {
            "wbp": SHAPE,
            "denoised": SHAPE,
        }
        assert types["denoised"].std() < 0.5 * types["wbp"].std()
        (labels,) = run.get_segmentations(name=TRUTH, user_id=USER, is_multilabel=True)
        assert set(np.unique(labels.numpy())) == {0, 1, 7}
        for name, label in (("ball", 7), ("hsp90", 1)):
            check_truth(run, name, labels.numpy() == label, types["denoised"])


def check_truth(run, name: str, extent, tomogram) -> None:
    """Check that picks, instances and extent of one object say the same, and that it is dark."""
    (picks,) = run.get_picks(object_name=name, user_id=USER, session_id=SESSION)
    (instances,) = run.get_segmentations(name=name, is_instance=True)
    numbered = instances.numpy()
    assert (numbered > 0).tolist() == extent.tolist()
    points, transforms = picks.numpy()
    assert set(np.unique(numbered)) == set(range(len(points) + 1))
    rotations = transforms[:, :3, :3]
    assert np.allclose(rotations @ rotations.transpose(0, 2, 1), np.eye(3), atol=1e-6)
    assert np.allclose(np.linalg.det(rotations), 1.0)
    assert len({matrix.round(3).tobytes() for matrix in rotations}) == len(points)
    for number, point in enumerate(points, start=1):
        voxels = np.argwhere(numbered == number)
        inside = (voxels > 0).all() and (voxels < np.array(SHAPE) - 1).all()
        if inside:
            assert np.linalg.norm(voxels.mean(axis=0)[::-1] * 10.0 - point) < 12.0
    assert tomogram[extent].mean() < tomogram[~extent].mean()


def test_the_manifest_says_what_was_drawn_and_where_nothing_of_this_machine_stands(project):
    manifest = yaml.safe_load((project / "manifest.yaml").read_text())
    assert manifest["settings"]["seed"] == 5
    assert manifest["labels"] == {"ball": 7, "hsp90": 1}
    assert set(manifest["input"]) == {"2cg9", "blob:700", "blob:80"}
    run = yaml.safe_load((project / "manifest" / "SIM_002.yaml").read_text())
    assert run["placed"]["hsp90"] == run["asked"]["hsp90"] == 3
    assert run["imaging"]["conditions"]["tilt_limits_degrees"] == [-60.0, 60.0]
    everything = b"".join(data for name, data in tree(project).items() if name != "config.json")
    assert str(project.parent).encode() not in everything


def test_the_same_seed_gives_the_same_bytes_also_by_two_workers(project, tmp_path):
    again = made(tmp_path, "again", None, "-j", "2")
    assert content(again) == content(project)


def test_more_runs_leave_the_first_ones_as_they_are(project, tmp_path):
    one = made(tmp_path, "grown", None, "--runs", "1")
    first = content(one)
    assert {name: data for name, data in content(project).items() if "SIM_001" in name} == {
        name: data for name, data in first.items() if "SIM_001" in name
    }
    result = simulated(tmp_path, "grown")
    assert result.exit_code == 0, result.output
    assert "1 done, 1 skipped" in result.output
    assert content(one) == content(project)
    fewer = simulated(tmp_path, "grown", None, "--runs", "1")
    assert fewer.exit_code == 0, fewer.output
    assert content(one) == content(project)


def test_a_killed_command_run_again_gives_what_an_undisturbed_one_gives(project, tmp_path):
    scene, output = written(tmp_path, SCENE), tmp_path / "made"
    context = server()
    for wanted in ("SIM_001/VoxelSpacing10.000/wbp.zarr", "SIM_002/Segmentations"):
        place = output / "project" / "ExperimentRuns" / wanted
        process = start(context, line(scene, output), tmp_path / "said.txt")
        assert killed_when(process, place.exists, 0.0)
        assert not (output / "manifest" / f"{wanted[:7]}.yaml").exists()
    made(tmp_path)
    assert content(output) == content(project)
    assert not temporaries(output)


def test_other_settings_in_the_folder_are_refused_and_overwrite_begins_anew(tmp_path):
    output = made(tmp_path, "made", None, "--runs", "1")
    before = content(output)
    refused(simulated(tmp_path, "made", None, "--seed", "6"), "seed: 5 there, 6 now")
    refused(simulated(tmp_path, "made", None, "--path", "full"), "imaging.path", "'quick' there")
    assert content(output) == before
    made(tmp_path, "made", None, "--seed", "6", "--runs", "1", "--overwrite")
    after = content(output)
    assert set(after) == set(before)
    wbp = "project/ExperimentRuns/SIM_001/VoxelSpacing10.000/wbp.zarr/0/0/0/0"
    assert after[wbp] != before[wbp]


def test_a_folder_of_other_things_is_left_alone(tmp_path):
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "thesis.txt").write_text("mine")
    refused(simulated(tmp_path, "made", None, "--overwrite"), "contains other things")
    assert (tmp_path / "made" / "thesis.txt").read_text() == "mine"


def test_a_dry_run_writes_nothing(tmp_path):
    result = simulated(tmp_path, "made", None, "--dry-run")
    assert result.exit_code == 0
    assert "2 planned" in result.output
    assert not (tmp_path / "made").exists()


def test_both_paths_have_the_same_truth(project, tmp_path):
    output = made(tmp_path, "full", None, "--path", "full", "--runs", "1")
    ours, theirs = tree(output), tree(project)
    truths = [name for name in ours if name.endswith(".json") and name != "config.json"]
    truths += [name for name in ours if "Segmentations" in name and "/0/" in name]
    assert truths
    assert all(ours[name] == theirs[name] for name in truths)
    root = copick.from_file(str(output / "config.json"))
    spacing = root.runs[0].get_voxel_spacing(10.0)
    full = {tomogram.tomo_type: tomogram.numpy() for tomogram in spacing.tomograms}
    other = copick.from_file(str(project / "config.json")).get_run("SIM_001")
    quick = other.get_voxel_spacing(10.0).get_tomograms("denoised")[0].numpy()
    assert np.corrcoef(full["denoised"].ravel(), quick.ravel())[0, 1] > 0.5
    facts = yaml.safe_load((output / "manifest" / "SIM_001.yaml").read_text())["imaging"]
    total = facts["dose_per_tilt"] * len(facts["tilts_degrees"])
    assert total == pytest.approx(facts["conditions"]["total_dose_per_square_angstrom"])


def test_membranes_shells_filaments_and_gold(tmp_path):
    layers = [
        {"offset_angstrom": 0, "sigma_angstrom": 12, "volt_angstrom": 60, "patchy": True},
        {"offset_angstrom": [30, 34], "sigma_angstrom": 8, "volt_angstrom": 40},
    ]
    scene = {
        **{key: SCENE[key] for key in ("seed", "voxel_spacing", "imaging")},
        "shape": [48, 70, 90],
        "membranes": {"vesicle": {"count": 1, "membrane_radius_angstrom": 140, "labelled": True}},
        "membrane_proteins": {"receptor": {"molecule": "5kxi", "count": 2, "radius_angstrom": 60}},
        "vlps": {
            "virus": {
                "count": 1,
                "shell_radius_angstrom": 90,
                "outer_angstrom": 50,
                "layers": layers,
                "radius_angstrom": 130,
            }
        },
        "filaments": {
            "microtubule": {"count": 1, "radius_angstrom": 125, "length_angstrom": [500, 700]}
        },
        "gold": {"count": 1, "bead_radius_angstrom": 40},
        "ice": {"thickness_angstrom": 400},
    }
    output = made(tmp_path, "made", scene)
    root = copick.from_file(str(output / "config.json"))
    run = root.runs[0]
    names = [each.name for each in root.pickable_objects]
    assert names == ["receptor", "virus", "microtubule", "vesicle"]
    assert [each.is_particle for each in root.pickable_objects] == [True, True, True, False]
    assert root.get_object("microtubule").is_filament
    assert {picks.pickable_object_name for picks in run.picks} == set(names) - {"vesicle"}
    placed = yaml.safe_load((output / "manifest" / "SIM_001.yaml").read_text())["placed"]
    labels = run.get_segmentations(name=TRUTH, is_multilabel=True)[0].numpy()
    for label, name in enumerate(names, start=1):
        assert (labels == label).any() == (placed[name] > 0)
    assert sum(placed[name] > 0 for name in names) >= 3
    assert not labels[:4].any()
    assert not labels[-4:].any()
    if placed["microtubule"]:
        (picks,) = run.get_picks(object_name="microtubule")
        points, transforms = picks.numpy()
        steps = np.diff(points, axis=0)
        along = (steps * transforms[:-1, :3, 2]).sum(axis=1)
        assert np.allclose(along, np.linalg.norm(steps, axis=1), rtol=0.02)
        assert set(picks.instance_ids()) == {1}


def test_molecules_of_structure_files_and_densities_beside_the_scene(tmp_path):
    grid = np.indices((18, 20, 24)) - np.array([7, 10, 13])[:, None, None, None]
    write_mrc(tmp_path / "own.mrc", 4.0 * np.exp(-(grid**2).sum(0) / 8.0).astype(np.float32), 6.0)
    structure_file(tmp_path / "own.pdb", n_residues=80)
    objects = {
        name: {"molecule": f"own.{name}", "count": 2, "radius_angstrom": 30}
        for name in ("mrc", "pdb")
    }
    output = made(tmp_path, "made", {**SCENE, "objects": objects, "runs": 1})
    run = copick.from_file(str(output / "config.json")).runs[0]
    assert [len(picks.points) for picks in run.picks] == [2, 2]
    structure_file(tmp_path / "own.pdb", n_residues=81)
    result = simulated(tmp_path, "made", {**SCENE, "objects": objects, "runs": 1})
    refused(result, "input.own.pdb")


def structure_file(path: Path, *, n_residues: int) -> None:
    rng = np.random.default_rng(1)
    chain = gemmi.Chain("A")
    for number in range(n_residues):
        residue = gemmi.Residue()
        residue.name, residue.seqid = "ALA", gemmi.SeqId(str(number + 1))
        place = rng.normal(0.0, 12.0, 3)
        for name in ("N", "CA", "C", "O", "CB"):
            atom = gemmi.Atom()
            atom.name, atom.element = name, gemmi.Element(name[0])
            atom.pos = gemmi.Position(*(place + rng.normal(0.0, 1.5, 3)))
            residue.add_atom(atom)
        chain.add_residue(residue)
    model = gemmi.Model(1)
    model.add_chain(chain)
    structure = gemmi.Structure()
    structure.add_model(model)
    structure.write_pdb(str(path))


def changed(**changes: object) -> dict:
    return {**SCENE, **changes}


def full(**changes: object) -> dict:
    return changed(imaging={"path": "full", "full": changes})


def with_object(**changes: object) -> dict:
    entry = {"molecule": "2cg9", "count": 1, "radius_angstrom": 60, **changes}
    return changed(objects={"thing": {key: value for key, value in entry.items() if value != ""}})


@pytest.mark.parametrize(
    ("scene", "words"),
    [
        (changed(sped=1), ["unknown key 'sped'", "did you mean 'seed'"]),
        (with_object(radus_angstrom=1), ["objects.thing", "did you mean 'radius_angstrom'"]),
        (with_object(radius_angstrom=""), ["objects.thing.radius_angstrom", "is missing"]),
        (with_object(molecule="2cg8"), ["no molecule '2cg8'", "did you mean '2cg9'"]),
        (with_object(molecule="blob:heavy"), ["blob:heavy", "mass in kDa"]),
        (with_object(molecule="absent.pdb"), ["cannot read the structure", "absent.pdb"]),
        (with_object(molecule="absent.mrc"), ["cannot read", "absent.mrc"]),
        (with_object(count=[5, 2]), ["reversed"]),
        (with_object(count=""), ["give one of count", "got none"]),
        (with_object(per_cubic_micrometre=5), ["give one of count", "count and per_cubic"]),
        (with_object(count="", layout=True), ["'thing' takes its amount from the layout"]),
        (with_object(label=0), ["objects.thing.label", "expected at least 1"]),
        (changed(objects={}), ["no object"]),
        (changed(shape=[32, 44]), ["shape"]),
        (changed(voxel_spacing="wide"), ["voxel_spacing", "got 'wide'"]),
        (
            changed(objects={n: {**SCENE["objects"]["ball"], "label": 3} for n in "ab"}),
            ["'a' and 'b' both have the label 3"],
        ),
        (changed(distractors={"ball": SCENE["distractors"]["small"]}), ["appears in two sections"]),
        (
            changed(
                membranes={"vesicle": {"count": 1, "membrane_radius_angstrom": 100}},
                membrane_proteins={"p": {"molecule": "2cg9", "count": 1, "radius_angstrom": 5}},
            ),
            ["membrane_proteins.p", "membrane_centre_z_angstrom"],
        ),
        (
            changed(membrane_proteins={"p": {"molecule": "5kxi", "count": 1, "labelled": False}}),
            ["membrane_proteins without membranes"],
        ),
        (changed(imaging={"path": "slow"}), ["imaging.path", "'full'"]),
        (changed(imaging={"tomogram_type": "a b"}), ["tomogram type 'a b'"]),
        (full(tilt_limit_degrees=[10, 60], tilt_step_degrees=25), ["imaging.full", "two tilts"]),
        (full(dqe_nyquist=0.9), ["dqe_nyquist: 0.9 is above dqe_zero, 0.85"]),
        ({**full(), "voxel_spacing": 2.2}, ["2.2 A is less than imaging.full.detector_pixel"]),
    ],
)
def test_a_wrong_scene_is_one_line_that_says_where(tmp_path, scene, words):
    result = simulated(tmp_path, "made", scene)
    refused(result, *words)
    assert not (tmp_path / "made").exists()


def test_steps_to_choose_from_need_no_order_and_a_number_is_a_range(tmp_path):
    scene = changed(imaging={"path": "quick", "quick": {"tilt_steps_degrees": [3.0, 0.0]}})
    assert simulated(tmp_path, "made", scene, "--dry-run").exit_code == 0
    single = full(tilt_limit_degrees=45, total_dose_per_square_angstrom=80)
    assert simulated(tmp_path, "made", single, "--dry-run").exit_code == 0


def test_a_scene_that_does_not_fit_says_how_many_did(tmp_path):
    result = simulated(tmp_path, "made", {**with_object(molecule="6qzp", count=400), "runs": 1})
    assert result.exit_code == 1
    assert "400" in result.output
    assert "thing" in result.output
    assert "reference picks:" not in result.output
    assert not list((tmp_path / "made" / "project").rglob("*.zarr"))


def test_unreadable_and_empty_structures(tmp_path):
    (tmp_path / "noise.pdb").write_bytes(bytes(range(256)) * 8)
    (tmp_path / "empty.cif").write_text("")
    water = "HETATM    1  O   HOH A   1       1.000   1.000   1.000  1.00 20.00           O\n"
    (tmp_path / "water.pdb").write_text(water + "END\n")
    for name in ("noise.pdb", "empty.cif", "water.pdb"):
        refused(simulated(tmp_path, "made", with_object(molecule=name)), name)


def test_a_scene_and_a_preset_are_not_both_given(tmp_path):
    arguments = ["simulate", "-o", str(tmp_path / "made")]
    refused(CliRunner().invoke(console, arguments), "give a scene")
    arguments += ["--preset", "tinny"]
    refused(CliRunner().invoke(console, arguments), "no preset 'tinny'; did you mean 'tiny'?")


@pytest.mark.parametrize("name", preset_names())
def test_presets_are_valid_shown_in_configs_and_can_be_planned(name, tmp_path):
    assert (ROOT / "configs" / "simulate" / f"{name}.yaml").read_bytes() == preset_path(
        name
    ).read_bytes()
    assert load_scene(preset_path(name), {}).labelled()
    summary = tmp_path / "made"
    result = CliRunner().invoke(
        console, ["simulate", "--preset", name, "-o", str(summary), "--dry-run"]
    )
    assert result.exit_code == 0, result.output


def test_a_summary_for_programs(tmp_path):
    made(tmp_path, "made", None, "--runs", "1", "--json", str(tmp_path / "summary.json"))
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["counts"] == {"done": 1}
    assert summary["runs"][0]["placed"]["hsp90"] == 3
