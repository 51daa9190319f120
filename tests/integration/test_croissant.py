"""Croissant manifests as projects: a manifest exported from a local project, its splits."""

import json

import copick
import numpy as np
import pytest
from click.testing import CliRunner
from copick.ops.croissant import export_croissant

from copick_picker.cli.main import console
from copick_picker.errors import ProjectError, UnknownNameError
from copick_picker.project.copick.store import open_project
from copick_picker.project.remote.objects import OPENING
from copick_picker.records.keys import PicksKey
from copick_picker.records.points import PickSet
from copick_picker.records.runs import Opening
from projects import OBJECTS, TOMOGRAM, noise, project_of

SHAPE_ZYX = (12, 20, 28)
TRUTH = PicksKey("ribosome", "curator", "1")
POINTS = np.array([[100.0, 90.0, 50.0], [200.0, 120.0, 60.0]])
SPLITS = {"train": ["TS_1", "TS_3"], "test": ["TS_2"]}

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    """Return the manifest of a project of three runs in two splits."""
    folder = tmp_path_factory.mktemp("croissant")
    runs = [name for names in SPLITS.values() for name in names]
    config = project_of(
        folder,
        {name: noise(SHAPE_ZYX, seed=number) for number, name in enumerate(runs)},
        {(name, TRUTH): POINTS for name in runs},
    )
    root = copick.from_file(str(config))
    place = folder / "project"
    export_croissant(root, str(place), base_url=str(place), splits=SPLITS, validate=False)
    return place / "Croissant" / "metadata.json"


def config_of(manifest, folder, *, overlay=True):
    content = {
        "config_type": "mlcroissant",
        "croissant_url": str(manifest),
        "pickable_objects": [],
    }
    if overlay:
        content |= {
            "overlay_root": f"local://{folder / 'overlay'}",
            "overlay_fs_args": {"auto_mkdir": True},
        }
    path = folder / "config.json"
    path.write_text(json.dumps(content))
    return path


def test_names_of_a_manifest_are_text(tmp_path):
    runs = ("1.1", "1.10", "0034", "NA", "1e5", "true")
    picks = PicksKey("ribosome", "curator", "1.10")
    config = project_of(
        tmp_path / "p",
        {name: noise(SHAPE_ZYX, seed=number) for number, name in enumerate(runs)},
        {(name, picks): POINTS + 5.0 * number for number, name in enumerate(runs)},
    )
    place = tmp_path / "p" / "project"
    splits = {"1.0": ["1.1", "NA"], "test": ["1.10"]}
    root = copick.from_file(str(config))
    export_croissant(root, str(place), base_url=str(place), splits=splits, validate=False)
    (tmp_path / "c").mkdir()
    store = open_project(config_of(place / "Croissant" / "metadata.json", tmp_path / "c"))
    assert sorted(store.run_names()) == sorted(runs)
    for number, name in enumerate(runs):
        assert store.tomograms(name) == [TOMOGRAM]
        assert store.picks(name) == [picks]
        assert np.abs(store.read_picks(name, picks).points_xyz - POINTS - 5 * number).max() < 1e-9
    config = tmp_path / "c" / "config.json"
    config.write_bytes(b"\xef\xbb\xbf" + config.read_bytes())
    assert open_project(config, Opening(split="1.0")).run_names() == ["1.1", "NA"]


def opening(split):
    return Opening(
        OPENING.attempts,
        OPENING.timeout_seconds,
        OPENING.connections,
        OPENING.memory_bytes,
        split=split,
    )


def test_a_split_holds_its_runs_alone(manifest, tmp_path):
    store = open_project(config_of(manifest, tmp_path), opening("test"))
    assert store.run_names() == ["TS_2"]
    assert len(open_project(config_of(manifest, tmp_path)).run_names()) == 3
    assert [spec.name for spec in store.objects()] == [spec.name for spec in OBJECTS]
    assert store.open_tomogram("TS_2", TOMOGRAM).read().shape == SHAPE_ZYX
    np.testing.assert_allclose(store.read_picks("TS_2", TRUTH).points_xyz, POINTS)


def test_outputs_go_to_the_overlay(manifest, tmp_path):
    store = open_project(config_of(manifest, tmp_path), opening("test"))
    store.check_writable()
    key = PicksKey("ribosome", "picker", "1")
    picks = PickSet("ribosome", POINTS + 1, np.array([0.5, 0.9]))
    store.write_picks("TS_2", key, picks, provenance={"command": "x"}, overwrite=False)
    assert key in store.picks("TS_2")
    assert (tmp_path / "overlay/ExperimentRuns/TS_2/Picks/picker_1_ribosome.json").exists()
    assert not list(manifest.parent.parent.glob("ExperimentRuns/*/Picks/picker_*"))


def test_evaluate_scores_a_split(manifest, tmp_path):
    config = config_of(manifest, tmp_path)
    store = open_project(config)
    key = PicksKey("ribosome", "picker", "1")
    for name in store.run_names():
        picks = PickSet("ribosome", POINTS, np.array([0.5, 0.9]))
        store.write_picks(name, key, picks, provenance={"command": "x"}, overwrite=False)
    output, summary = tmp_path / "scores", tmp_path / "summary.json"
    arguments = ["evaluate", "-c", config, "--reference", "ribosome:curator/1", "--split", "test"]
    result = CliRunner().invoke(
        console, [*map(str, arguments), "-o", str(output), "--json", str(summary)]
    )
    assert result.exit_code == 0, result.output
    found = json.loads(summary.read_text())
    assert [entry["run"] for entry in found["runs"]] == ["TS_2"]
    assert found["totals"]["micro"]["f1"] == 1.0


def test_browse_lists_a_split(manifest, tmp_path):
    config, listing = config_of(manifest, tmp_path), tmp_path / "listing.json"
    arguments = ["browse", "project", "-c", str(config), "--json", str(listing)]
    result = CliRunner().invoke(console, [*arguments, "--split", "train"])
    assert result.exit_code == 0, result.output
    found = json.loads(listing.read_text())["runs"]
    assert [entry["run"] for entry in found] == sorted(SPLITS["train"])
    result = CliRunner().invoke(console, [*arguments, "--split", "tset"])
    assert result.exit_code == 2
    assert "no 'tset'; did you mean 'test'?" in result.output


def test_browse_of_a_split_of_a_project_of_files_says_that_it_has_none(tmp_path):
    config = project_of(tmp_path, {"TS_1": noise(SHAPE_ZYX, seed=0)}, {})
    arguments = ["browse", "project", "-c", str(config), "--split", "test"]
    result = CliRunner().invoke(console, arguments)
    assert result.exit_code == 2
    assert "is not a Croissant manifest and has no splits" in result.output


@pytest.mark.parametrize("split", ["tset", "validation"])
def test_an_unknown_split_is_named_with_the_choices(manifest, tmp_path, split):
    with pytest.raises(UnknownNameError, match=r"no '.*; splits: ") as caught:
        open_project(config_of(manifest, tmp_path), opening(split))
    assert "train" in str(caught.value)


def test_a_project_without_splits_says_so(tmp_path):
    config = project_of(tmp_path, {"TS_1": noise(SHAPE_ZYX, seed=0)}, {})
    with pytest.raises(UnknownNameError, match="is not a Croissant manifest and has no splits"):
        open_project(config, opening("test"))


def test_a_manifest_without_an_overlay_is_not_written_to(manifest, tmp_path):
    store = open_project(config_of(manifest, tmp_path, overlay=False))
    assert len(store.run_names()) == 3
    with pytest.raises(ProjectError, match="has no overlay_root"):
        store.check_writable()


def test_a_manifest_that_is_not_there_is_said_in_one_line(tmp_path):
    config = config_of(tmp_path / "Croissant" / "metadata.json", tmp_path)
    with pytest.raises(ProjectError, match="cannot open the project") as caught:
        open_project(config)
    assert "\n" not in str(caught.value)
