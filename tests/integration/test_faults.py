"""Faults of the machine, met through the real command line: only whole results are ever seen."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from copick_picker.cli.main import console
from copick_picker.project.copick.store import open_project
from copick_picker.records.keys import FeatureKey, PicksKey, SegmentationKey
from projects import (
    files_of_at_most,
    noise,
    project_of,
    read_only,
    run_folder,
    small_project,
    temporaries,
    tiny_octopi_model,
    tree,
    without_root_powers,
)

PROGRAM = Path(sys.executable).with_name("copick-picker")
RUNS = ("TS_1", "TS_2")
FERRITIN = PicksKey("apo-ferritin", "picker", "1")
LABELS = SegmentationKey("predict", "picker", "1", 10.0)
PROBABILITIES = FeatureKey("wbp", 10.0, "predict-picker-1-probabilities")


@dataclass(frozen=True)
class Job:
    """A project, a model and the command that segments the one with the other."""

    config_path: Path
    command: tuple[str, ...]

    def run(self, *options: str) -> Result:
        """Run the command in this process, where torch is imported already."""
        return CliRunner().invoke(console, [*self.command, *options])

    def run_as_anyone(self) -> Result:
        """Run the command in a thread for which permissions count, even if it is root's."""
        with without_root_powers():
            return self.run()

    def start(self, *options: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(PROGRAM), *self.command, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def outputs(self) -> dict[str, bytes]:
        """Return all that stands in the runs, tomograms left out."""
        everything = tree(self.config_path.parent / "project")
        return {name: data for name, data in everything.items() if "wbp.zarr" not in name}


def segmentation_job(
    folder: Path, *, shape_zyx: tuple[int, int, int], runs: Sequence[str] = RUNS
) -> Job:
    config_path = small_project(folder / "data", tuple(runs), shape_zyx=shape_zyx)
    labels = {"ribosome": 1, "apo-ferritin": 2}
    model_config, weights = tiny_octopi_model(folder / "model", labels, window_voxels=64)
    command = (
        *("segment", "-c", str(config_path), "-i", "wbp@10.0"),
        *("-mc", str(model_config), "-mw", str(weights), "--tta", "1", "--overlap", "0"),
        *("--threads", "1", "--log", str(folder / "log.txt")),
    )
    return Job(config_path, command)


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> bool:
    """Return whether the condition came true while the process ran."""
    while process.poll() is None:
        if condition():
            return True
        time.sleep(0.0005)
    return False


def is_writing(config_path: Path, run_name: str) -> bool:
    folder = run_folder(config_path, run_name)
    return any(folder.glob("VoxelSpacing10.000/*.zarr.tmp/0/0/*"))


@pytest.fixture
def big_job(tmp_path: Path) -> Job:
    """Return a job whose probability volumes take long enough to write to be caught at it."""
    return segmentation_job(tmp_path, shape_zyx=(64, 192, 192))


def test_a_killed_command_is_taken_up_again(big_job: Job) -> None:
    process = big_job.start("--probabilities")
    assert wait_for(lambda: is_writing(big_job.config_path, "TS_2"), process)
    process.kill()
    process.communicate()

    store = open_project(big_job.config_path)
    assert process.returncode == -signal.SIGKILL
    assert store.segmentation_provenance("TS_1", LABELS) is not None
    assert list(store.standing("TS_2", [LABELS, PROBABILITIES])) == []
    assert store.features("TS_2") == []
    half_written = temporaries(run_folder(big_job.config_path, "TS_2"))
    assert 1 <= len(half_written) <= len([LABELS, PROBABILITIES])
    assert all("predict" in name and name.endswith(".zarr.tmp") for name in half_written)

    again = big_job.run("--probabilities")

    assert again.exit_code == 0, again.output
    assert "TS_1 skipped" in again.stdout
    assert "TS_2 done" in again.stdout
    assert temporaries(big_job.config_path.parent) == []
    taken_up = big_job.outputs()
    assert big_job.run("--probabilities", "--overwrite").exit_code == 0
    assert big_job.outputs() == taken_up


def test_an_interrupted_command_leaves_whole_results_only(big_job: Job) -> None:
    process = big_job.start("--probabilities")
    assert wait_for(lambda: is_writing(big_job.config_path, "TS_2"), process)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate()

    store = open_project(big_job.config_path)
    assert process.returncode == 130
    assert "Traceback" not in output
    assert store.segmentation_provenance("TS_1", LABELS) is not None
    outputs = [LABELS, PROBABILITIES]
    for run_name in RUNS[1:]:  # what was computed already may still be written to its end
        whole = store.segmentation_provenance(run_name, LABELS) is not None
        assert list(store.standing(run_name, outputs)) == (outputs if whole else [])
    assert temporaries(big_job.config_path.parent) == []

    again = big_job.run("--probabilities")

    assert again.exit_code == 0, again.output
    assert "TS_1 skipped" in again.stdout
    taken_up = big_job.outputs()
    assert big_job.run("--probabilities", "--overwrite").exit_code == 0
    assert big_job.outputs() == taken_up


def test_a_full_disk_fails_the_runs_and_leaves_nothing(tmp_path: Path) -> None:
    job = segmentation_job(tmp_path, shape_zyx=(48, 80, 72))
    before = job.outputs()

    with files_of_at_most(40_000):
        full = job.run("--no-scores")

    assert full.exit_code == 1, full.output
    for run_name in RUNS:
        (line,) = [text for text in full.stderr.splitlines() if f"{run_name} failed" in text]
        assert "cannot write predict:picker/1@10.0" in line
        assert os.strerror(27) in line
    assert job.outputs() == before
    assert temporaries(job.config_path.parent) == []

    assert job.run().exit_code == 0


def test_a_read_only_project_is_refused_before_the_work(tmp_path: Path) -> None:
    job = segmentation_job(tmp_path, shape_zyx=(16, 20, 24), runs=RUNS[:1])
    before = job.outputs()

    with read_only(job.config_path.parent):
        refused = job.run_as_anyone()

    assert refused.exit_code == 2
    assert refused.stderr.splitlines()[-1].startswith("Error: cannot write to ")
    assert os.strerror(13) in refused.stderr
    assert "Traceback" not in refused.stderr
    assert job.outputs() == before


def test_a_read_only_run_fails_alone(tmp_path: Path) -> None:
    job = segmentation_job(tmp_path, shape_zyx=(16, 20, 24))

    with read_only(run_folder(job.config_path, "TS_2")):
        done = job.run_as_anyone()

    assert done.exit_code == 1
    assert "TS_1 done" in done.stdout
    assert "TS_2 failed" in done.stderr
    assert os.strerror(13) in done.stderr
    assert open_project(job.config_path).segmentations("TS_2") == []


def test_broken_runs_are_named_and_the_others_finish(tmp_path: Path) -> None:
    names = [f"run_{number:02d}" for number in range(20)]
    volumes = {name: noise((9, 12, 10), seed=seed) for seed, name in enumerate(names)}
    volumes["run_07"][4, 5, 6] = np.nan
    job = segmentation_job(tmp_path, shape_zyx=(9, 12, 10), runs=RUNS[:1])
    config_path = project_of(tmp_path / "twenty", volumes, {})
    tomogram = "VoxelSpacing10.000/wbp.zarr"
    chunk = run_folder(config_path, "run_03") / tomogram / "0/0/0/0"
    chunk.write_bytes(chunk.read_bytes()[:50])
    (run_folder(config_path, "run_15") / tomogram / "0/.zarray").unlink()
    job = Job(config_path, (*job.command, "-c", str(config_path)))

    done = job.run()

    assert done.exit_code == 1
    assert sum(" done: " in line for line in done.stdout.splitlines()) == 17
    failed = [line for line in done.stderr.splitlines() if " failed: " in line]
    assert len(failed) == 3
    for name in ("run_03", "run_07", "run_15"):
        assert any(name in line for line in failed)
    store = open_project(config_path)
    with_labels = [name for name in names if store.segmentations(name)]
    assert with_labels == [name for name in names if name not in ("run_03", "run_07", "run_15")]


def balls_job(folder: Path, runs: Sequence[str] = RUNS) -> Job:
    """Return a job that localizes 180 balls of one object in each run."""
    config_path = small_project(folder, tuple(runs), shape_zyx=(30, 50, 120))
    z, y, x = np.ogrid[:10, :10, :10]
    ball = (z - 5) ** 2 + (y - 5) ** 2 + (x - 5) ** 2 <= 16
    labels = np.tile(ball, (3, 5, 12)).astype(np.uint8) * 3
    store = open_project(config_path)
    for run_name in runs:
        store.write_segmentation(
            run_name,
            LABELS,
            [(0, labels)],
            shape_zyx=labels.shape,
            provenance={"command": "segment", "labels": {"apo-ferritin": 3}},
            overwrite=False,
        )
    command = ("localize", "-c", str(config_path), "-i", "predict:picker/1@10.0")
    return Job(config_path, (*command, "--log", str(folder / "log.txt")))


def n_picks(job: Job, run_name: str) -> int:
    return len(open_project(job.config_path).read_picks(run_name, FERRITIN))


def test_a_full_disk_keeps_the_old_picks(tmp_path: Path) -> None:
    job = balls_job(tmp_path)
    assert job.run().exit_code == 0
    assert n_picks(job, "TS_1") == 180
    before = job.outputs()

    with files_of_at_most(20_000):
        full = job.run("--overwrite", "--border-margin-angstrom", "25")

    assert full.exit_code == 1, full.output
    assert "cannot write apo-ferritin:picker/1 of run TS_1" in full.stderr
    assert os.strerror(27) in full.stderr
    assert job.outputs() == before


def test_a_foreign_file_among_the_picks_fails_that_run(tmp_path: Path) -> None:
    job = balls_job(tmp_path)
    folder = run_folder(job.config_path, "TS_1") / "Picks"
    folder.mkdir()
    (folder / "notes.json").write_text("{}")

    done = job.run()

    assert done.exit_code == 1
    assert "TS_2 done" in done.stdout
    assert "TS_1 failed" in done.stderr
    assert "Picks/notes.json" in done.stderr


def test_a_half_written_segmentation_is_no_input(tmp_path: Path) -> None:
    job = balls_job(tmp_path)
    store = run_folder(job.config_path, "TS_2") / "Segmentations"
    attributes = store / "10.000_picker_1_predict-multilabel.zarr" / ".zattrs"
    content = json.loads(attributes.read_text())
    attributes.write_text(json.dumps(content | {"copick_picker": {"state": "unfinished"}}))

    done = job.run()

    assert done.exit_code == 1
    assert "TS_1 done" in done.stdout
    (line,) = [text for text in done.stderr.splitlines() if "TS_2 failed" in text]
    assert "half-written" in line
    assert open_project(job.config_path).picks("TS_2") == []
