"""Simulated tomograms with motors, as slices and as a project, through the real command line."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from copick_picker.cli.main import console
from copick_picker.project.copick.store import open_project
from copick_picker.project.formats.byu_tables import read_motor_labels
from copick_picker.records.keys import PicksKey
from projects import temporaries, tree

SIMULATE = ("simulate", "--preset", "motors", "-o", "sim", "--slices", "slices")
SMALL = ("--runs", "3", "--shape", "32,64,56", "--threads", "1")
TRUTH = PicksKey("motor", "simulation", "1")


def run(*arguments, code=0):
    result = CliRunner().invoke(console, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    assert "Traceback (most" not in result.output
    return " ".join(result.output.split())


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a folder with a simulated project of three runs and its slices."""
    place = tmp_path_factory.mktemp("motors")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        run(*SIMULATE, *SMALL)
    return place


@pytest.fixture
def here(made, monkeypatch):
    monkeypatch.chdir(made)
    return made


@pytest.mark.usefixtures("here")
def test_labels_are_the_picks_in_voxels():
    labels = read_motor_labels(Path("slices/train_labels.csv"))
    store = open_project("sim/config.json")
    assert list(labels) == store.run_names() == ["SIM_001", "SIM_002", "SIM_003"]
    for name, entry in labels.items():
        (key,) = store.tomograms(name)
        assert (key.tomogram_type, key.voxel_spacing) == ("wbp", entry.voxel_spacing)
        assert store.open_tomogram(name, key).shape == entry.shape_zyx == (32, 64, 56)
        points = store.read_picks(name, TRUTH).points_xyz
        assert np.allclose(entry.points_zyx[:, ::-1] * key.voxel_spacing, points, atol=0.02)
    assert len({entry.voxel_spacing for entry in labels.values()}) > 1
    assert {min(len(entry.points_zyx), 1) for entry in labels.values()} == {0, 1}


@pytest.mark.usefixtures("here")
def test_slices_are_the_tomogram_in_8_bits():
    store = open_project("sim/config.json")
    (key,) = store.tomograms("SIM_002")
    volume = store.open_tomogram("SIM_002", key).read()
    files = sorted(Path("slices/SIM_002").iterdir())
    assert [file.name for file in files[:2]] == ["slice_0000.jpg", "slice_0001.jpg"]
    grey = np.stack([np.asarray(Image.open(file), dtype=float) for file in files])
    assert grey.shape == volume.shape
    assert np.corrcoef(grey.ravel(), volume.ravel())[0, 1] > 0.95


@pytest.mark.usefixtures("here")
def test_again_nothing_is_written():
    before = tree(Path())
    assert "3 skipped" in run(*SIMULATE, *SMALL)
    assert tree(Path()) == before


def test_the_same_seed_gives_the_same_slices_and_other_things_are_kept(here, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("slices").mkdir()
    Path("slices/notes.txt").write_text("mine")
    run(*SIMULATE, *SMALL)
    found = tree(Path("slices"))
    assert found.pop("notes.txt") == b"mine"
    assert found == tree(here / "slices")


def test_slices_of_a_project_that_is_complete(here, tmp_path):
    output = run(*SIMULATE[:5], "--slices", tmp_path / "later", *SMALL)
    assert "complete; its slices are new" in output
    assert tree(tmp_path / "later") == tree(here / "slices")


@pytest.mark.usefixtures("here")
def test_other_slices_are_replaced_with_overwrite_only(tmp_path):
    other = tmp_path / "other"
    arguments = (*SIMULATE[:5], "--slices", other, *SMALL)
    run(*arguments)
    (other / "SIM_001" / "slice_0003.jpg").write_bytes(b"changed")
    output = run(*arguments, code=1)
    assert "other/SIM_001 exists; use --overwrite or another --slices" in output
    assert not temporaries(other)
    (other / "SIM_002" / "notes.txt").write_text("mine")
    before = tree(other)
    output = run(*arguments, "--overwrite", code=2)
    assert "SIM_002 exists and was not made by this tool: it is 1 other thing: notes.txt" in output
    assert tree(other) == before


def test_a_scene_of_several_objects_has_no_table_of_motors(tmp_path):
    arguments = ("simulate", "--preset", "tiny", "-o", tmp_path / "t", "--slices", tmp_path / "s")
    output = run(*arguments, code=2)
    assert "the scene has 3 objects (ribosome, proteasome, apo-ferritin)" in output
    assert list(tmp_path.iterdir()) == []


def test_a_scene_names_a_shape_that_there_is(tmp_path):
    scene = tmp_path / "scene.yaml"
    scene.write_text(
        "shape: [32, 32, 32]\nvoxel_spacing: 10\nimaging: {path: quick}\n"
        "objects: {a: {molecule: 'shape:motor', count: 1, radius_angstrom: 500}}\n"
    )
    output = run("simulate", scene, "-o", tmp_path / "t", code=2)
    assert "no shape 'motor'" in output
    scene.write_text(scene.read_text().replace("shape:motor", "shape:granule:x"))
    assert "expected shape:NAME, or shape:NAME:NUMBER" in run(
        "simulate", scene, "-o", tmp_path / "t", code=2
    )


def test_from_slices_to_a_submission_and_a_score(here, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    slices = here / "slices"
    run("import", "byu", slices, "--labels", slices / "train_labels.csv", "-c", "byu/config.json")
    truth = open_project(here / "sim/config.json")
    store = open_project("byu/config.json")
    for name in store.run_names():
        found = store.read_picks(name, PicksKey("motor", "byu", "1"))
        assert np.allclose(found.points_xyz, truth.read_picks(name, TRUTH).points_xyz, atol=0.02)
    run("filter", "-c", "byu/config.json", "-i", "motor:byu/1", "-o", "*:picker/1", "--top", "*=1")
    reference = ("--reference", "motor:byu/1", "--candidate", "motor:picker/1")
    run("evaluate", "-c", "byu/config.json", *reference, "--matcher", "byu", "-o", "scores")
    scored = json.loads(Path("scores/scores.json").read_text())["objects"][0]
    exported = ("export", "picks", "-c", "byu/config.json", "-i", "motor:picker/1", "--to", "byu")
    run(*exported, "-o", "submission")
    assert scored["counts"]["true_positives"] == scored["counts"]["n_reference"] > 0
    assert scored["f_beta"] == scored["presence_auc"] == 1.0
    lines = Path("submission/motor.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == ["SIM_001", "SIM_002", "SIM_003"]
