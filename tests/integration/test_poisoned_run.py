"""One run of three is broken, in every way that we know: every command works on the others."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import poisons
from copick_picker.cli.main import console
from copick_picker.project.copick.store import open_project
from copick_picker.records.keys import PicksKey, SegmentationKey
from copick_picker.records.runs import ObjectSpec
from projects import copied_project, noise, project_of, run_folder, tiny_octopi_model

SHAPE = (20, 24, 28)
RUNS = ("TS_1", "TS_2", "TS_3")
BROKEN = "TS_2"
OBJECTS = (ObjectSpec("ribosome", 1, 30.0, is_filament=True), ObjectSpec("apo-ferritin", 3, 30.0))
POINTS = np.array([[60.0, 70.0, 80.0], [150.0, 120.0, 60.0]])
TOMOGRAM = "VoxelSpacing10.000/wbp.zarr"
SEGMENTATION = "Segmentations/10.000_me_1_given-multilabel.zarr"
PICKS = "Picks/curator_1_ribosome.json"
PYTHON = (
    *("object is not", "object has no", "out of bounds", "not enough values", "Error:", "NoneType"),
    *("no message", "positional argument", "codec can't", "must be a mapping", "Traceback"),
    *("ZeroDivision", "is missing (", "invalid literal", "not supported between"),
)
"""Python's own words, which say nothing to a user."""

SEGMENT = (
    *("segment", "-i", "wbp@10.0", "--mode", "exact", "--tta", "1", "--overlap", "0"),
    *("-mc", "{here}/model/model_config.yaml", "-mw", "{here}/model/best_model.pth"),
    *("--threads", "1"),
)
TRAIN = (
    *("train", "-i", "wbp@10.0", "--picks", "ribosome:curator/1", "--output", "{here}/trained"),
    *("--patch", "16", "--batch-size", "2", "--threads", "1", "--steps", "2"),
    *("--validate-every", "2"),
    *("--parameter", "channels=[4,8]", "--parameter", "dropout=0.1"),
)
OF_TOMOGRAMS = {
    "exclude-edges": ("mask", "exclude-edges", "-i", "wbp@10.0", "--margin-xy", "30"),
    "targets": ("targets", "-i", "wbp@10.0", "--picks", "ribosome:curator/1"),
    "gold": ("mask", "gold", "-i", "wbp@10.0", "-o", "mask:picker/gold"),
    "filter": ("filter", "-i", "ribosome:curator/1", "--top", "ribosome=1"),
}
OF_SEGMENTATIONS = {
    "localize": ("localize", "-i", "given:me/1@10.0", "--objects", "ribosome"),
    "from-labels": ("mask", "from-labels", "-i", "given:me/1@10.0", "-o", "labels:me/1"),
    "export": (
        *("export", "segmentation", "-i", "given:me/1@10.0", "--to", "mrc"),
        *("--output", "{here}/written"),
    ),
    "link": ("link", "-i", "given:me/1@10.0", "-o", "ribosome:linked/1"),
}
OF_PICKS = {
    "filter": OF_TOMOGRAMS["filter"],
    "link": ("link", "-i", "ribosome:curator/1"),
    "targets": OF_TOMOGRAMS["targets"],
    "export": (
        *("export", "picks", "-i", "ribosome:curator/1", "--to", "csv"),
        *("--output", "{here}/picks.csv"),
    ),
}
EVALUATE = (
    *("evaluate", "--reference", "ribosome:curator/1", "--candidate", "ribosome:cand/1"),
    *("--tomogram", "wbp@10.0", "--output", "{here}/scores"),
)
EVALUATE_CANDIDATES = (
    *("evaluate", "--reference", "ribosome:cand/1", "--candidate", "ribosome:curator/1"),
    *("--output", "{here}/scores"),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("poisoned") / "made"
    z, y, x = np.indices(SHAPE)
    users = ("curator", "cand")
    config = project_of(
        folder,
        {name: noise(SHAPE, seed=seed) for seed, name in enumerate(RUNS)},
        {(name, PicksKey("ribosome", user, "1")): POINTS for name in RUNS for user in users},
        objects=OBJECTS,
    )
    labels = ((z - 8) ** 2 + (y - 9) ** 2 + (x - 11) ** 2 <= 9).astype(np.uint8)
    store = open_project(config)
    for name in RUNS:
        store.write_segmentation(
            name,
            SegmentationKey("given", "me", "1", 10.0),
            [(0, labels)],
            shape_zyx=SHAPE,
            provenance={"command": "segment", "labels": {"ribosome": 1}},
            overwrite=False,
        )
    tiny_octopi_model(folder / "model", {"ribosome": 1, "apo-ferritin": 2})
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return copied_project(made, tmp_path / "project").parent


def run(folder: Path, words: Sequence[str], *more: str) -> Result:
    line = [word.format(here=folder) for word in words]
    result = CliRunner().invoke(console, [*line, "-c", str(folder / "config.json"), *more])
    assert isinstance(result.exception, SystemExit | None), result.exc_info
    return result


def check_others_went_on(result: Result, name: str) -> None:
    """The broken run may fail, in one line of our own words; the others may not."""
    assert result.exit_code in (0, 1), (name, result.output)
    lines = result.output.splitlines()
    failed = [line for line in lines if " failed: " in line]
    assert all(f"] {BROKEN} failed: " in line for line in failed), (name, failed)
    assert len(failed) == (result.exit_code == 1), (name, result.output)
    for words in PYTHON:
        assert not [line for line in failed if words in line.partition("failed: ")[2]], failed
    assert sum("] TS_1 done" in line or "] TS_3 done" in line for line in lines) == 2, result.output


def poisoned(folder: Path, place: str, kind: str) -> None:
    table = poisons.PICKS if place == PICKS else poisons.VOLUMES
    table[kind](run_folder(folder / "config.json", BROKEN) / place)


def check_health(folder: Path) -> None:
    """``browse`` and ``info`` go on, and name what is wrong."""
    listing = folder / "listing.json"
    for words in (("browse", "project"), ("browse", "project", "--details"), ("info",)):
        result = run(folder, words, "--json", str(listing))
        assert result.exit_code == 0, result.output
        for words in PYTHON:
            assert words not in result.output
    found = json.loads(listing.read_text())["project"]
    assert [line for line in found["health"] if BROKEN in line], found["health"]


SEEN_LATER = {"truncated", "random", "empty-chunks", "nan", "chunk-folder", "codec-unknown"}
"""What only those see who read the voxels."""


@pytest.mark.parametrize("kind", poisons.VOLUMES)
def test_a_broken_tomogram_stops_no_other_run(folder: Path, kind: str) -> None:
    poisoned(folder, TOMOGRAM, kind)
    for name, words in OF_TOMOGRAMS.items():
        check_others_went_on(run(folder, words), name)
    if kind not in SEEN_LATER or kind == "chunk-folder":
        check_health(folder)


@pytest.mark.parametrize("kind", poisons.VOLUMES)
def test_a_broken_segmentation_stops_no_other_run(folder: Path, kind: str) -> None:
    poisoned(folder, SEGMENTATION, kind)
    for name, words in OF_SEGMENTATIONS.items():
        check_others_went_on(run(folder, words), name)


@pytest.mark.parametrize("kind", poisons.PICKS)
def test_a_broken_pick_file_stops_no_other_run(folder: Path, kind: str) -> None:
    poisoned(folder, PICKS, kind)
    for name, words in OF_PICKS.items():
        check_others_went_on(run(folder, words), name)
    check_health(folder)


@pytest.mark.parametrize(
    ("place", "kind", "words"),
    [
        (TOMOGRAM, "huge", EVALUATE),
        (TOMOGRAM, "random", EVALUATE),
        (PICKS, "list", EVALUATE),
        (PICKS, "cut", EVALUATE_CANDIDATES),
        (PICKS, "nan", EVALUATE_CANDIDATES),
    ],
)
def test_evaluate_goes_on(folder: Path, place: str, kind: str, words: Sequence[str]) -> None:
    poisoned(folder, place, kind)
    check_others_went_on(run(folder, words), "evaluate")


@pytest.mark.parametrize("kind", ["chunk-0", "huge", "random", "type-complex", "file"])
def test_segment_goes_on(folder: Path, kind: str) -> None:
    poisoned(folder, TOMOGRAM, kind)
    check_others_went_on(run(folder, SEGMENT), "segment")


@pytest.mark.parametrize("kind", ["chunk-0", "huge", "random"])
def test_segment_goes_on_beside_a_broken_mask(folder: Path, kind: str) -> None:
    poisoned(folder, SEGMENTATION, kind)
    check_others_went_on(run(folder, (*SEGMENT, "--mask", "given:me/1")), "segment --mask")


@pytest.mark.parametrize(
    ("place", "kind"),
    [(TOMOGRAM, "chunk-0"), (TOMOGRAM, "huge"), (TOMOGRAM, "random"), (PICKS, "list")],
)
def test_train_goes_on(folder: Path, place: str, kind: str) -> None:
    poisoned(folder, place, kind)
    result = run(folder, TRAIN)
    assert result.exit_code == 1, result.output
    assert f"{BROKEN}" in result.output
    assert (folder / "trained" / "model.yaml").is_file(), result.output
