"""Kill -9 at random moments: the same command again gives what an undisturbed one gives."""

import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from copick_picker.project.copick.store import open_project
from copick_picker.records.keys import PicksKey, SegmentationKey
from killed import killed_when, server, start
from projects import small_project, temporaries, tiny_octopi_model, tree

RUNS = tuple(f"TS_{number}" for number in range(10))
SHAPE = (20, 44, 40)
LABELS = {"ribosome": 1, "apo-ferritin": 2}
SEGMENTATION = SegmentationKey("predict", "picker", "1", 10.0)
PICKS = [PicksKey(name, "picker", "1") for name in LABELS]
KILLS = 3
FINISHED = {"segment": "*/VoxelSpacing10.000/*predict*.zarr", "localize": "*/Picks/*.yaml"}
"""A file or folder that comes once a result is written."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a project that is never written to and a model."""
    base = tmp_path_factory.mktemp("killed")
    small_project(base / "input", RUNS, shape_zyx=SHAPE)
    tiny_octopi_model(base / "model", LABELS)
    return base


def segment(folder: Path, config: Path) -> list[str]:
    model = [folder / "model" / name for name in ("model_config.yaml", "best_model.pth")]
    line = ["segment", "-c", config, "-i", "wbp@10.0", "-mc", model[0], "-mw", model[1]]
    line += ["--mode", "exact", "--tta", "1", "--probabilities", "--threads", "1"]
    return [str(each) for each in (*line, "--log", folder / "log.txt")]


def localize(folder: Path, config: Path) -> list[str]:
    line = ["localize", "-c", config, "-i", "predict:picker/1@10.0", "--method", "components"]
    line += ["--radius-min-scale", "0"]
    return [str(each) for each in (*line, "--log", folder / "log.txt")]


def project(folder: Path, name: str) -> Path:
    """Return the configuration of a copy of the project, at the same place for each test."""
    shutil.copytree(folder / "input", folder / name)
    config = folder / name / "config.json"
    text = config.read_text().replace(str(folder / "input"), str(folder / name))
    config.write_text(text)
    return config


def outputs(config: Path) -> dict[str, bytes]:
    return {name: data for name, data in tree(config.parent).items() if name != "config.json"}


def standing(config: Path, command: str) -> dict[str, dict[str, int]]:
    """Return the runs whose results are complete, and when each of their files was written."""
    store, found = open_project(config), {}
    for name in RUNS:
        if command == "segment":
            whole = store.segmentation_provenance(name, SEGMENTATION) is not None
            pattern = "VoxelSpacing10.000/*predict*"
        else:
            whole = all(store.picks_provenance(name, key) is not None for key in PICKS)
            pattern = "Picks/*"
        if whole:
            run = config.parent / "project" / "ExperimentRuns" / name
            paths = [path for top in run.glob(pattern) for path in (top, *top.rglob("*"))]
            found[name] = {str(path): path.stat().st_mtime_ns for path in paths if path.is_file()}
    return found


def count(config: Path, command: str) -> int:
    runs = config.parent / "project" / "ExperimentRuns"
    return len(list(runs.glob(FINISHED[command])))


def enough(config: Path, command: str, wanted: int) -> bool:
    return count(config, command) >= wanted


def to_its_end(context, arguments, folder: Path) -> str:
    """Run a command to its end and return what it printed."""
    process = start(context, arguments, folder / "output.txt")
    process.join()
    text = (folder / "output.txt").read_text()
    assert process.exitcode == 0, text
    return text


def test_a_killed_command_run_again_gives_the_same_bytes_and_repeats_nothing(folder):
    context, rng = server(), np.random.default_rng(20)
    plain, disturbed = project(folder, "plain"), project(folder, "disturbed")
    for command in (segment, localize):
        name, kills = command.__name__, 0
        to_its_end(context, command(folder, plain), folder)

        for _ in range(KILLS):
            before = standing(disturbed, name)
            wanted = count(disturbed, name) + rng.integers(0, 4)
            process = start(context, command(folder, disturbed), folder / "output.txt")
            moment = rng.uniform(0, 0.1)
            ready = partial(enough, disturbed, name, wanted)
            kills += killed_when(process, ready, moment)
            after = standing(disturbed, name)
            assert {run: after.get(run) for run in before} == before
        before = standing(disturbed, name)
        text = to_its_end(context, command(folder, disturbed), folder)
        assert kills >= 1
        assert {run: standing(disturbed, name).get(run) for run in before} == before
        assert f"{len(before)} skipped" in text or not before, text
        assert temporaries(disturbed.parent) == []
        assert outputs(disturbed) == outputs(plain)
