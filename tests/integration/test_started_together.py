"""Commands that are started together over the same runs: a job array, or a user's second shell."""

import errno
import os
import threading
from pathlib import Path

import numpy as np
import pytest
import yaml

from copick_picker.errors import ProjectError
from copick_picker.project.copick.store import open_project
from copick_picker.records.keys import PicksKey, SegmentationKey
from killed import server, start
from projects import (
    files_of_at_most,
    read_only,
    run_folder,
    small_project,
    temporaries,
    tiny_octopi_model,
    tree,
    without_root_powers,
)

RUNS = ("TS_1", "TS_2", "TS_3")
SHAPE = (20, 44, 40)
LABELS = {"ribosome": 1, "apo-ferritin": 2}
GIVEN = SegmentationKey("given", "me", "1", 10.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a project of segmented runs and a model."""
    config = small_project(tmp_path, RUNS, shape_zyx=SHAPE)
    store = open_project(config)
    volume = np.zeros(SHAPE, np.uint8)
    volume[5:15, 10:20, 8:18] = 1
    volume[5:11, 30:36, 28:34] = 3
    for run_name in RUNS:
        store.write_segmentation(
            run_name,
            GIVEN,
            [(0, volume)],
            shape_zyx=SHAPE,
            provenance={"command": "segment", "labels": {"ribosome": 1, "apo-ferritin": 3}},
            overwrite=False,
        )
    tiny_octopi_model(tmp_path / "model", LABELS)
    return tmp_path


def localize(folder: Path) -> list[str]:
    return [
        *("localize", "-c", str(folder / "config.json"), "-i", "given:me/1@10.0"),
        *("--objects", "ribosome", "--radius-min-scale", "0", "--radius-max-scale", "9"),
    ]


def segment(folder: Path) -> list[str]:
    model = [str(folder / "model" / name) for name in ("model_config.yaml", "best_model.pth")]
    return [
        *("segment", "-c", str(folder / "config.json"), "-i", "wbp@10.0", "-mc", model[0]),
        *("-mw", model[1], "--mode", "exact", "--tta", "1", "--overlap", "0"),
        *("--threads", "1", "--probabilities"),
    ]


def together(folder: Path, arguments: list[str], number: int) -> list[str]:
    """Start a command so many times at once and return what each said, all with exit code 0."""
    context = server()
    outputs = [folder / f"output-{at}.txt" for at in range(number)]
    processes = [
        start(context, [*arguments, "--log", str(folder / f"log-{at}.txt")], output)
        for at, output in enumerate(outputs)
    ]
    for process in processes:
        process.join()
    said = [output.read_text() for output in outputs]
    assert [process.exitcode for process in processes] == [0] * number, "\n".join(said)
    return said


def test_eight_localize_of_one_project_all_end_well(folder: Path) -> None:
    said = together(folder, localize(folder), 8)

    done = sum(text.count(" done: ") for text in said)
    skipped = sum(text.count(" skipped: ") for text in said)
    assert done >= len(RUNS)
    assert done + skipped == 8 * len(RUNS)
    store = open_project(folder / "config.json")
    for run_name in RUNS:
        key = PicksKey("ribosome", "picker", "1")
        assert len(store.read_picks(run_name, key)) == 1
        assert store.picks_provenance(run_name, key) is not None
    assert temporaries(folder) == []
    assert not list(folder.rglob("*probe*"))


def test_of_several_localize_with_other_settings_one_wins_and_keeps_its_record(
    folder: Path,
) -> None:
    context = server()
    outputs = [folder / f"output-{number}.txt" for number in range(6)]
    processes = [
        start(
            context,
            [*localize(folder), "--border-margin-angstrom", str(number), "--log", f"{output}.log"],
            output,
        )
        for number, output in enumerate(outputs)
    ]
    for process in processes:
        process.join()

    said = "\n".join(output.read_text() for output in outputs)
    assert said.count(" done: ") == len(RUNS), said
    assert said.count("exists and was made with other settings") + said.count(
        "; overwrite it or"
    ) == (len(RUNS) * (len(processes) - 1)), said
    store = open_project(folder / "config.json")
    for run_name in RUNS:
        assert store.picks_provenance(run_name, PicksKey("ribosome", "picker", "1")) is not None
    assert temporaries(folder) == []


def test_two_simulations_that_begin_in_one_folder_do_not_mix(tmp_path: Path) -> None:
    scene = {
        "title": "Balls",
        "runs": 2,
        "shape": [20, 40, 44],
        "voxel_spacing": 10.0,
        "objects": {"ball": {"molecule": "blob:200", "count": 2, "radius_angstrom": 60}},
        "imaging": {"path": "quick"},
    }
    context, processes, lines = server(), [], []
    for seed in (1, 2):
        file = tmp_path / f"scene-{seed}.yaml"
        file.write_text(yaml.safe_dump({**scene, "seed": seed}))
        log = str(tmp_path / f"log-{seed}.txt")
        lines.append(["simulate", str(file), "-o", str(tmp_path / "made"), "--log", log])
        processes.append(start(context, lines[-1], tmp_path / f"output-{seed}.txt"))
    for process in processes:
        process.join()

    codes = [process.exitcode for process in processes]
    said = [(tmp_path / f"output-{seed}.txt").read_text() for seed in (1, 2)]
    assert sorted(codes) == [0, 2], said
    assert "with other settings" in said[codes.index(2)]
    again = start(context, lines[codes.index(0)], tmp_path / "again.txt")
    again.join()
    assert again.exitcode == 0
    assert "2 skipped" in (tmp_path / "again.txt").read_text()
    wanted = f"seed: {1 + codes.index(0)}"
    assert wanted in (tmp_path / "made" / "manifest.yaml").read_text()


def test_what_another_segment_finished_meanwhile_counts_as_skipped(folder: Path) -> None:
    alone = together(folder, [*segment(folder), "-o", "predict:picker/alone"], 1)
    assert alone[0].count(" done: ") == len(RUNS)

    said = together(folder, segment(folder), 2)

    counts = [[text.count(f" {status}: ") for text in said] for status in ("done", "skipped")]
    assert sum(counts[0]) == len(RUNS), said
    assert sum(counts[1]) == len(RUNS), said
    runs = folder / "project" / "ExperimentRuns"
    for run_name in RUNS:
        stores = runs / run_name / "Segmentations"
        one, other = (
            tree(stores / f"10.000_picker_{session}_predict-multilabel.zarr")
            for session in ("alone", "1")
        )
        assert {name: one[name] for name in one if name != ".zattrs"} == {
            name: other[name] for name in other if name != ".zattrs"
        }
    assert temporaries(folder) == []


def test_a_set_that_stands_is_not_written_again_for_the_sake_of_another(folder: Path) -> None:
    line = [*localize(folder), "-r", "TS_1"]
    at = line.index("--objects")
    both = [*line[:at], *line[at + 2 :]]
    together(folder, both, 1)
    picks = run_folder(folder / "config.json", "TS_1") / "Picks"
    before = {path.name: path.stat().st_mtime_ns for path in picks.iterdir()}
    for path in picks.glob("picker_1_apo-ferritin*"):
        path.unlink()

    said = together(folder, both, 1)

    assert said[0].count(" done: ") == 1
    after = {path.name: path.stat().st_mtime_ns for path in picks.iterdir()}
    assert set(after) == set(before)
    changed = {name for name in after if after[name] != before[name]}
    assert {name for name in changed if "ribosome" in name} == set()
    assert "picker_1_apo-ferritin.json" in changed


def test_picks_that_a_user_edited_are_not_taken_for_what_the_command_made(folder: Path) -> None:
    together(folder, localize(folder), 1)
    file = run_folder(folder / "config.json", "TS_1") / "Picks" / "picker_1_ribosome.json"
    edited = file.read_text().replace('"score"', '"score" ')
    file.write_text(edited)

    context = server()
    process = start(context, localize(folder), folder / "output.txt")
    process.join()

    said = (folder / "output.txt").read_text()
    assert process.exitcode == 1, said
    assert "TS_1 failed: ribosome:picker/1 exists and was not made by this tool" in said
    assert "2 skipped" in said
    assert file.read_text() == edited


class TestTheProbe:
    """Whether a project can be written is tried before the work, and leaves nothing."""

    def test_many_at_once(self, folder: Path) -> None:
        store, errors = open_project(folder / "config.json"), []

        def probe() -> None:
            try:
                for _ in range(40):
                    store.check_writable()
            except ProjectError as error:
                errors.append(error)

        threads = [threading.Thread(target=probe) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert errors == []

    def test_a_full_disk(self, folder: Path) -> None:
        store, before = open_project(folder / "config.json"), tree(folder)

        with files_of_at_most(0), pytest.raises(ProjectError) as caught:
            store.check_writable()

        assert os.strerror(errno.EFBIG) in str(caught.value)
        assert tree(folder) == before

    def test_a_folder_that_is_only_read(self, folder: Path) -> None:
        store, before = open_project(folder / "config.json"), tree(folder)

        with read_only(folder), without_root_powers(), pytest.raises(ProjectError) as caught:
            store.check_writable()

        assert f"cannot write to {folder / 'project'}" in str(caught.value)
        assert tree(folder) == before
