"""Folders that hold a whole project are begun anew only where nobody put anything into them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
import zarr
from click.testing import CliRunner, Result

from copick_picker.cli.main import console
from copick_picker.project.copick.making import add_picks
from copick_picker.project.folders.demo_folder import MARK, foreign_of_demo
from copick_picker.project.folders.project_folder import aside_of
from copick_picker.records.keys import PicksKey
from copick_picker.records.points import PickSet
from copick_picker.workflows.benchmark.demo_projects import make_real_project
from projects import copied_project
from things import FOLDERS, state

SCENE = {
    "title": "Balls",
    "runs": 1,
    "seed": 5,
    "shape": [20, 40, 44],
    "voxel_spacing": 10.0,
    "objects": {"ball": {"molecule": "blob:200", "count": 2, "radius_angstrom": 60}},
    "imaging": {"path": "quick"},
}
SUITE = {
    "title": "One tiny tomogram",
    "simulated": {"seeds": [9001], "shape_zyx": [40, 56, 64]},
    "tomogram": "wbp@10.0",
    "reference": "*:curator/1",
    "also": {"anna": "*:anna/1"},
    "report": {"gallery": 0, "contrast": "dark"},
}
SPOTS = np.array([[100.0, 100, 50], [200, 250, 80]])


def invoke(*arguments: object) -> Result:
    result = CliRunner().invoke(console, [str(argument) for argument in arguments])
    assert "Traceback (most" not in result.output
    return result


def scene_file(folder: Path, **changes: object) -> Path:
    file = folder / "scene.yaml"
    file.write_text(yaml.safe_dump({**SCENE, **changes}))
    return file


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulated")
    done = invoke("simulate", scene_file(folder), "-o", folder / "made", "--threads", 1)
    assert done.exit_code == 0, done.output
    return folder / "made"


@pytest.fixture
def made(simulated: Path, tmp_path: Path) -> Path:
    """Return a copy of a simulated project."""
    return copied_project(simulated, tmp_path / "made").parent


def users_picks(folder: Path) -> None:
    picks = PickSet("ball", SPOTS, np.ones(2))
    add_picks(folder / "config.json", "SIM_001", PicksKey("ball", "anna", "1"), picks)


def users_segmentation(folder: Path) -> None:
    """Make a mask with a command of ours: it is the user's all the same."""
    line = ("mask", "exclude-edges", "-c", folder / "config.json", "-i", "wbp@10.0")
    assert invoke(*line, "--margin-xy", 30).exit_code == 0


def edited_picks(folder: Path) -> None:
    file = folder / "project/ExperimentRuns/SIM_001/Picks/simulation_1_ball.json"
    content = json.loads(file.read_text())
    content["points"] = content["points"][:1]
    file.write_text(json.dumps(content))


def edited_volume(folder: Path) -> None:
    """Paint into a segmentation, as a person does in napari."""
    stores = (folder / "project/ExperimentRuns/SIM_001/Segmentations").glob("*.zarr")
    zarr.open_group(str(next(stores)), mode="r+")["0"][:3] = 1


def notes_in_an_array(folder: Path) -> None:
    store = folder / "project/ExperimentRuns/SIM_001/VoxelSpacing10.000/wbp.zarr"
    (store / "0" / "notes.txt").write_text("years of work")


def notes_below_numbers(folder: Path) -> None:
    store = folder / "project/ExperimentRuns/SIM_001/VoxelSpacing10.000/wbp.zarr"
    (store / "backup" / "2024").mkdir(parents=True)
    (store / "backup" / "2024" / "precious.txt").write_text("years of work")


def a_folder_with_a_name_of_copicks(folder: Path) -> None:
    (folder / ".meta").mkdir()
    (folder / ".meta" / "notes.txt").write_text("years of work")


def notes(folder: Path) -> None:
    (folder / "notes.txt").write_text("years of work")


def notes_in_a_store(folder: Path) -> None:
    store = folder / "project/ExperimentRuns/SIM_001/VoxelSpacing10.000/wbp.zarr"
    (store / "notes.txt").write_text("years of work")


def notes_in_a_run(folder: Path) -> None:
    run = folder / "project/ExperimentRuns/SIM_001"
    (run / "Meshes").mkdir()
    (run / "Meshes" / "me_1_ball.glb").write_bytes(b"mesh")


def another_run(folder: Path) -> None:
    runs = folder / "project/ExperimentRuns"
    shutil.copytree(runs / "SIM_001", runs / "TS_1")


def a_copy(folder: Path) -> None:
    spacing = folder / "project/ExperimentRuns/SIM_001/VoxelSpacing10.000"
    shutil.copytree(spacing / "wbp.zarr", spacing / "kept.zarr")


def thresholds(folder: Path) -> None:
    file = folder / "config.json"
    content = json.loads(file.read_text())
    content["pickable_objects"][0]["metadata"]["score_threshold"] = 0.5
    file.write_text(json.dumps(content))


def link(folder: Path) -> None:
    (folder.parent / "elsewhere").mkdir()
    (folder.parent / "elsewhere" / "thesis.txt").write_text("years of work")
    (folder / "project/ExperimentRuns/SIM_001/VoxelSpacing10.000/raw.zarr").symlink_to(
        folder.parent / "elsewhere"
    )


@pytest.mark.parametrize(
    ("change", "name", "number"),
    [
        (users_picks, "Picks/anna_1_ball.json", 1),
        (users_segmentation, "10.000_picker_1_inner-multilabel.zarr", 1),
        (edited_picks, "Picks/simulation_1_ball.json", 2),
        (edited_volume, "truth-multilabel.zarr", 1),
        (notes_in_an_array, "wbp.zarr", 1),
        (notes_below_numbers, "wbp.zarr", 1),
        (a_folder_with_a_name_of_copicks, ".meta/", 1),
        (notes, "notes.txt", 1),
        (notes_in_a_store, "wbp.zarr", 1),
        (notes_in_a_run, "Meshes/me_1_ball.glb", 1),
        (another_run, "TS_1/InstanceSegmentations/10.000_simulation_1_ball.zarr", 6),
        (a_copy, "kept.zarr", 1),
        (thresholds, "config.json", 1),
        (link, "raw.zarr", 1),
    ],
)
def test_a_simulation_that_somebody_worked_with_stays(made, tmp_path, change, name, number):
    change(made)
    before = state(tmp_path)
    file = scene_file(tmp_path, seed=6)

    result = invoke("simulate", file, "-o", made, "--threads", 1, "--overwrite")

    assert result.exit_code == 2, result.output
    assert f"{made} contains other things (" in result.output
    assert name in result.output
    assert f"): {number} not made by simulate, or changed since" in result.output
    file.unlink()
    assert state(tmp_path) == before


def test_a_simulation_begun_anew_keeps_the_old_until_it_stands(made, tmp_path):
    (made / "project/ExperimentRuns/SIM_001/.DS_Store").write_text("of a system")
    before = state(made)
    file = scene_file(tmp_path, seed=6)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("copick_picker.workflows.simulate.run.build_specimen", _stopped)
        stopped = invoke("simulate", file, "-o", made, "--threads", 1, "--overwrite")
    assert stopped.exit_code == 130
    aside = state(aside_of(made))
    assert aside.pop(".copick-picker-replaced") == b""  # who put it there
    assert aside == before

    other = scene_file(tmp_path, seed=7)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("copick_picker.workflows.simulate.run.build_specimen", _stopped)
        stopped = invoke("simulate", other, "-o", made, "--threads", 1, "--overwrite")
    assert stopped.exit_code == 130
    assert {path: data for path, data in state(aside_of(made)).items() if path in before} == before

    done = invoke("simulate", other, "-o", made, "--threads", 1)
    assert done.exit_code == 0, done.output
    assert not aside_of(made).exists()
    assert "seed: 7" in (made / "manifest.yaml").read_text()


def _stopped(*_: object) -> None:
    raise KeyboardInterrupt


def test_what_a_user_put_aside_is_not_removed(made, tmp_path):
    aside_of(made).mkdir()
    (aside_of(made) / "thesis.txt").write_text("years of work")
    file = scene_file(tmp_path, seed=6)
    before = state(tmp_path)

    refused = invoke("simulate", file, "-o", made, "--threads", 1, "--overwrite")
    assert refused.exit_code == 2, refused.output
    assert state(tmp_path) == before

    resumed = invoke("simulate", scene_file(tmp_path), "-o", made, "--threads", 1)
    assert resumed.exit_code == 0, resumed.output
    assert (aside_of(made) / "thesis.txt").is_file()


def test_a_link_to_a_project_is_begun_anew_without_its_target(made, tmp_path):
    place = tmp_path / "place"
    place.symlink_to(made)
    before = state(made)

    line = ("simulate", scene_file(tmp_path, seed=6), "-o", place, "--threads", 1, "--overwrite")
    result = invoke(*line)

    assert result.exit_code == 2, result.output
    assert state(made) == before
    assert place.is_symlink()


def test_a_folder_that_is_called_as_ours_is_not_removed(made, tmp_path):
    other = aside_of(made)
    done = invoke("simulate", scene_file(tmp_path), "-o", other, "--threads", 1)
    assert done.exit_code == 0, done.output
    before = state(other)
    assert invoke("simulate", scene_file(tmp_path), "-o", made, "--threads", 1).exit_code == 0
    assert state(other) == before
    again = invoke(
        *("simulate", scene_file(tmp_path, seed=6), "-o", made, "--threads", 1, "--overwrite")
    )
    assert again.exit_code == 2
    assert "is in the way" in again.output
    assert state(other) == before


def test_an_edited_manifest_stays(made, tmp_path):
    manifest = made / "manifest.yaml"
    manifest.write_text(manifest.read_text() + "# my remark\nnote: mine\n")
    text = manifest.read_text()
    assert invoke("simulate", scene_file(tmp_path), "-o", made, "--threads", 1).exit_code == 0
    assert manifest.read_text() == text
    more = invoke("simulate", scene_file(tmp_path, runs=2), "-o", made, "--threads", 1)
    assert more.exit_code == 2
    assert "manifest.yaml was edited" in more.output
    assert manifest.read_text() == text


def test_a_copied_project_writes_nothing_into_the_original(simulated, tmp_path):
    before = state(simulated)
    shutil.copytree(simulated, tmp_path / "copy")
    copied = state(tmp_path / "copy")
    file = scene_file(tmp_path, runs=2)

    result = invoke("simulate", file, "-o", tmp_path / "copy", "--threads", 1)

    assert result.exit_code == 2, result.output
    assert "if the project was moved or copied" in result.output
    assert state(simulated) == before
    assert state(tmp_path / "copy") == copied


def test_a_run_of_another_simulation_is_not_complete(made, tmp_path):
    file = made / "manifest" / "SIM_001.yaml"
    content = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump({**content, "project": "0123456789abcdef"}))

    result = invoke("simulate", scene_file(tmp_path), "-o", made, "--threads", 1)

    assert result.exit_code == 1, result.output
    assert "SIM_001 failed: run SIM_001 is of another simulation" in result.output


@pytest.fixture(scope="module")
def benchmarked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a benchmark that was made and scored."""
    folder = tmp_path_factory.mktemp("benchmarked")
    (folder / "suite.yaml").write_text(yaml.safe_dump(SUITE))
    line = ("benchmark", "run", folder / "suite.yaml", "-o", folder / "out")
    assert invoke(*line).exit_code == 2  # nobody has picked yet
    config = folder / "out/project/config.json"
    picks = PickSet("ribosome", SPOTS, np.ones(2))
    add_picks(config, "SIM_1", PicksKey("ribosome", "anna", "1"), picks)
    done = invoke(*line)
    assert done.exit_code == 0, done.output
    return folder


def test_a_benchmark_with_picks_of_a_user_stays(benchmarked, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(benchmarked / "out", out)
    suite = tmp_path / "suite.yaml"
    suite.write_text(yaml.safe_dump({**SUITE, "title": "Another"}))
    before = state(out)

    result = invoke("benchmark", "run", suite, "-o", out, "--overwrite")

    assert result.exit_code == 2, result.output
    assert "Picks/anna_1_ribosome.json): 1 not made by benchmark" in result.output
    assert state(out) == before

    (out / "project/project/ExperimentRuns/SIM_1/Picks/anna_1_ribosome.json").unlink()
    (out / "anna" / "report.html").write_text("mine")
    result = invoke("benchmark", "run", suite, "-o", out, "--overwrite")
    assert "anna/report.html): 1 not made" in result.output
    assert (out / "anna" / "report.html").read_text() == "mine"

    (out / "anna" / "report.html").unlink()
    result = invoke("benchmark", "run", suite, "-o", out, "--overwrite")
    assert "simulating 1 tomograms" in result.output  # begun anew, and nobody has picked in it
    assert (aside_of(out) / "suite.yaml").is_file()


def test_a_folder_of_a_user_is_no_candidates(benchmarked, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(benchmarked / "out", out)
    (out / "mine" / "scores").mkdir(parents=True)
    (out / "mine" / "scores" / "scores.csv").write_text("my,own,table")
    before = state(out)

    line = ("benchmark", "run", benchmarked / "suite.yaml", "-o", out, "--also", "mine=*:anna/1")
    result = invoke(*line)

    assert result.exit_code == 2, result.output
    assert "mine contains other things (scores/)" in result.output
    assert state(out) == before


def test_a_suite_written_by_hand_makes_no_benchmark_of_its_folder(tmp_path):
    folder = tmp_path / "bm"
    folder.mkdir()
    (folder / "suite.yaml").write_text("# mine\n" + yaml.safe_dump(SUITE))
    before = state(folder)

    for more in ((), ("--overwrite",)):
        result = invoke("benchmark", "run", folder / "suite.yaml", "-o", folder, *more)
        assert result.exit_code == 2, result.output
        assert "exists and contains no benchmark" in result.output
        assert state(folder) == before


def test_a_changed_project_of_a_benchmark_stays(benchmarked, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(benchmarked / "out", out)
    config = out / "project/config.json"
    content = json.loads(config.read_text())
    content["pickable_objects"][0]["radius"] = 1.0
    config.write_text(json.dumps(content))
    suite = tmp_path / "suite.yaml"
    suite.write_text(yaml.safe_dump({**SUITE, "title": "Another"}))

    result = invoke("benchmark", "run", suite, "-o", out, "--overwrite")

    assert result.exit_code == 2, result.output
    assert "project/config.json" in result.output
    assert json.loads(config.read_text()) == content


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    """Return the folder of a demo that was stopped after its first project was made."""
    folder = tmp_path / "demo"
    make_real_project(folder / "real")
    (folder / MARK).write_text("")
    return folder


def test_a_demo_knows_what_it_made(demo):
    assert foreign_of_demo(demo) == []
    picks = PickSet("virus-like-particle", SPOTS, np.ones(2))
    config = demo / "real" / "config.json"
    add_picks(config, "hiv", PicksKey("virus-like-particle", "anna", "1"), picks)
    (demo / "simulated").symlink_to(demo / "real")
    (demo / "real" / "scores").mkdir()
    (demo / "real" / "scores" / "thesis.txt").write_text("years of work")
    assert sorted(foreign_of_demo(demo)) == [
        "real/project/ExperimentRuns/hiv/Picks/anna_1_virus-like-particle.json",
        "real/scores/thesis.txt",
        "simulated",
    ]
    before = state(demo)

    result = invoke("demo", "--output", demo, "--overwrite")

    assert result.exit_code == 2, result.output
    assert "): 3 not made by demo, or changed since" in result.output
    assert state(demo) == before


@pytest.mark.parametrize("command", ["simulate", "demo", "benchmark"])
def test_whatever_is_no_folder_of_the_command_is_refused(tmp_path, command):
    file = scene_file(tmp_path)
    suite = tmp_path / "suite.yaml"
    suite.write_text(yaml.safe_dump(SUITE))
    lines = {
        "simulate": ("simulate", file, "-o"),
        "demo": ("demo", "--output"),
        "benchmark": ("benchmark", "run", suite, "-o"),
    }
    for name, thing in FOLDERS.items():
        place = tmp_path / name
        thing.make(place)
        before = state(tmp_path)
        if name == "empty-folder":  # there is nothing in it to lose
            continue
        for more in ((), ("--overwrite",)):
            result = invoke(*lines[command], place, *more)
            assert result.exit_code == 2, result.output
            assert state(tmp_path) == before
