"""Values in a segmentation: any value above 0 is a mask's object, and none is skipped unsaid."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import zarr
from click.testing import CliRunner, Result

from copick_picker.cli.main import console
from copick_picker.project.copick.store import open_project
from copick_picker.records.keys import PicksKey, SegmentationKey
from copick_picker.records.runs import ObjectSpec
from projects import noise, project_of, run_folder, tree

SHAPE = (24, 34, 44)
OBJECTS = (
    ObjectSpec("ribosome", 1, 60.0),
    ObjectSpec("apo-ferritin", 3, 50.0),
    ObjectSpec("membrane", 5, is_particle=False),
)
CENTRES_ZYX = ((11, 10, 12), (12, 22, 30))
PICKS = PicksKey("ribosome", "found", "1")
BALL = 515
"""Voxels whose index lies at most 5 voxels from the centre."""


def balls(values: tuple[int, ...], dtype: str) -> npt.NDArray[Any]:
    """Return a volume of balls of 50 A, one of each value."""
    grid = np.indices(SHAPE)
    volume = np.zeros(SHAPE, dtype=dtype)
    for value, centre in zip(values, CENTRES_ZYX, strict=False):
        offset = grid - np.reshape(centre, (3, 1, 1, 1))
        volume[(offset**2).sum(axis=0) <= 25] = value
    return volume


def add_segmentation(config: Path, name: str, values: npt.NDArray[Any]) -> None:
    """Write a segmentation as another program would: no record, any type."""
    path = run_folder(config, "TS_1") / "Segmentations" / f"10.000_other_1_{name}.zarr"
    group = zarr.open_group(str(path), mode="w")
    group.create_dataset("0", data=values, chunks=(8, 34, 44), dimension_separator="/")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    points = np.array([centre[::-1] for centre in CENTRES_ZYX]) * 10.0
    picks = {("TS_1", PicksKey("ribosome", "curator", "1")): points}
    volumes = {"TS_1": noise(SHAPE, seed=1)}
    return project_of(tmp_path / "data", volumes, picks, objects=OBJECTS)


def run(*words: object) -> Result:
    return CliRunner().invoke(console, [str(word) for word in words])


def localize(config: Path, uri: str, *more: object) -> Result:
    return run("localize", "-c", config, "-i", uri, "-o", "*:found/1", *more)


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ((255, 255), "uint8"),
        ((127, 127), "int8"),
        ((1, 1), "bool"),
        ((1, 1), "float32"),
        ((1, 2), "uint16"),
        ((70_000, 4_000_000), "uint32"),
        ((9, 2**40), "int64"),
    ],
)
def test_every_value_above_0_is_the_object(
    config: Path, values: tuple[int, int], dtype: str
) -> None:
    add_segmentation(config, "ribosome", balls(values, dtype))

    result = localize(config, "ribosome:other/1")

    found = open_project(config).read_picks("TS_1", PICKS).points_xyz
    expected = np.array([centre[::-1] for centre in CENTRES_ZYX]) * 10.0
    assert result.exit_code == 0, result.output
    assert np.allclose(np.sort(found, axis=0), expected, atol=1.0)
    assert "warning" not in result.output


@pytest.mark.parametrize("method", ["watershed", "components"])
def test_instances_that_touch_are_told_apart(config: Path, method: str) -> None:
    values = np.zeros(SHAPE, np.uint16)
    values[6:16, 8:18, 8:17] = 12
    values[6:16, 8:18, 17:26] = 13
    add_segmentation(config, "ribosome", values)

    result = localize(config, "ribosome:other/1", "--method", method)

    found = open_project(config).read_picks("TS_1", PICKS).points_xyz
    assert result.exit_code == 0, result.output
    assert np.allclose(found[found[:, 0].argsort(), 0], [120.0, 210.0], atol=5.0)


def test_unknown_values_are_named_and_no_empty_set_is_written(config: Path, tmp_path: Path) -> None:
    add_segmentation(config, "predict-multilabel", balls((9, 9), "uint8"))
    summary = tmp_path / "summary.json"

    result = localize(config, "predict:other/1", "--json", summary)

    text = f"value 9 ({2 * BALL:,} voxels) is not an object of the project"
    (outcome,) = json.loads(summary.read_text())["runs"]
    line, *_ = [line for line in result.output.splitlines() if line.startswith("[1/1]")]
    assert result.exit_code == 0, result.output
    assert text in line
    assert text in result.output.split("warnings:")[1]
    assert [each for each in json.loads(summary.read_text())["warnings"] if text in each]
    assert text in outcome["warnings"][0]
    assert outcome["unread_values"] == {"9": 2 * BALL}
    assert not list(run_folder(config, "TS_1").glob("Picks/found*"))


def test_what_was_found_beside_unknown_values_is_written(config: Path) -> None:
    add_segmentation(config, "predict-multilabel", balls((1, 9), "uint8"))

    result = localize(config, "predict:other/1")

    store = open_project(config)
    record = store.picks_provenance("TS_1", PICKS)
    assert result.exit_code == 0, result.output
    assert f"value 9 ({BALL} voxels) is not an object of the project" in result.output
    assert len(store.read_picks("TS_1", PICKS)) == 1
    assert record is not None
    assert record["unread_values"] == {"9": BALL}
    assert [key for key in store.picks("TS_1") if key.user_id == "found"] == [PICKS]


def test_known_values_leave_empty_sets(config: Path) -> None:
    add_segmentation(config, "predict-multilabel", balls((1, 5), "uint8"))  # 5 is the membrane

    result = localize(config, "predict:other/1")

    store = open_project(config)
    assert result.exit_code == 0, result.output
    assert "voxels)" not in result.output
    assert len(store.read_picks("TS_1", PicksKey("apo-ferritin", "found", "1"))) == 0


def test_a_value_that_the_user_names_is_the_only_one_read(config: Path) -> None:
    add_segmentation(config, "ribosome", balls((3, 4), "uint8"))

    result = localize(config, "ribosome:other/1", "--label", "4", "--objects", "ribosome")

    found = open_project(config).read_picks("TS_1", PICKS).points_xyz
    assert result.exit_code == 0, result.output
    assert np.allclose(found, [[300.0, 220.0, 120.0]], atol=1.0)


@pytest.mark.parametrize("bad", [0.5, float("nan"), float("inf")])
def test_labels_that_are_no_whole_numbers_are_refused(config: Path, bad: float) -> None:
    values = balls((1, 1), "float32")
    values[3, 4, 5] = bad
    add_segmentation(config, "ribosome", values)

    result = localize(config, "ribosome:other/1")

    assert result.exit_code == 1
    assert f"labels have the value {bad:g}; expected whole numbers" in result.output


@pytest.mark.parametrize(("values", "dtype"), [((255, 255), "uint8"), ((1, 2), "uint16")])
def test_training_masks_are_read_the_same(
    config: Path, values: tuple[int, int], dtype: str
) -> None:
    add_segmentation(config, "ribosome", balls(values, dtype))

    result = run(
        *("targets", "-c", config, "-i", "wbp@10.0", "--picks", "ribosome:curator/1"),
        *("--masks", "ribosome:other/1", "--target", "masks", "-o", "targets:me/1"),
    )

    store = open_project(config)
    labels = store.open_segmentation("TS_1", SegmentationKey("targets", "me", "1", 10.0)).read()
    assert result.exit_code == 0, result.output
    assert np.array_equal(labels, balls((1, 1), "uint8"))


def test_training_masks_name_unknown_values(config: Path) -> None:
    add_segmentation(config, "predict-multilabel", balls((1, 9), "uint8"))

    result = run(
        *("targets", "-c", config, "-i", "wbp@10.0", "--picks", "ribosome:curator/1"),
        *("--masks", "predict:other/1", "--target", "masks", "-o", "targets:me/1"),
    )

    assert result.exit_code == 0, result.output
    assert f"value 9 ({BALL} voxels) is not an object of the project" in result.output


def test_filaments_of_unknown_values_are_not_written_as_none(config: Path) -> None:
    objects = json.loads(config.read_text())
    objects["pickable_objects"][1]["metadata"] = {"copick": {"filament": {"polar": False}}}
    config.write_text(json.dumps(objects))
    add_segmentation(config, "predict-multilabel", balls((9, 9), "uint8"))
    before = tree(config.parent)

    result = run("link", "-c", config, "-i", "predict:other/1@10.0", "-o", "apo-ferritin:me/1")

    assert f"value 9 ({2 * BALL:,} voxels) is not an object of the project" in result.output
    assert tree(config.parent) == before
