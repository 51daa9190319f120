"""Masks through the real command line, on real copick projects on disk."""

import csv
import json

import copick
import h5py
import numpy as np
import pytest
import yaml
from click.testing import CliRunner

import copick_picker
from copick_picker.cli.main import console
from copick_picker.core.labels import paint_spheres
from copick_picker.errors import DataError
from copick_picker.project.formats.mrc import write_mrc
from copick_picker.records.keys import PicksKey, TomogramKey
from copick_picker.records.runs import ObjectSpec
from projects import noise, project_of, run_folder, tiny_octopi_model, tree

SHAPE = (24, 44, 60)
OBJECTS = (ObjectSpec("apo-ferritin", 2, 60.0),)
CENTRES = np.array([[150.0, 120.0, 110.0], [300.0, 330.0, 120.0], [480.0, 200.0, 130.0]])
INPUT = ("-i", "predict:octopi/1@10.0")
RUNS = ("TS_1", "TS_2")


def run(*arguments, code=0):
    result = CliRunner().invoke(console, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


def put_segmentation(config, run_name, name, values, *, spacing=10.0):
    root = copick.from_file(str(config))
    item = root.get_run(run_name).new_segmentation(spacing, name, "1", True, user_id="me")
    item.from_numpy(values.astype(np.uint8))


@pytest.fixture(scope="module")
def slab():
    """Return a mask that holds x from 250 A on: voxels 25 to 59."""
    mask = np.zeros(SHAPE, dtype=np.uint8)
    mask[:, :, 25:] = 1
    return mask


@pytest.fixture
def config(tmp_path, slab):
    tomograms = {name: noise(SHAPE, seed=3) for name in RUNS}
    picks = {(name, PicksKey("apo-ferritin", "curator", "1")): CENTRES for name in RUNS}
    config = project_of(
        tmp_path / "p", tomograms, picks, objects=OBJECTS, tomogram=TomogramKey("wbp", 10.0)
    )
    root = copick.from_file(str(config))
    painted = paint_spheres(SHAPE, {2: CENTRES}, {2: 48.0}, voxel_spacing=10.0)
    for name in RUNS:
        item = root.get_run(name).new_segmentation(10.0, "predict", "1", True, user_id="octopi")
        item.from_numpy(painted)
        put_segmentation(config, name, "lamella", slab)
    return config


def stored(config, user="picker", session="1"):
    found = (
        copick.from_file(str(config))
        .get_run("TS_1")
        .get_picks("apo-ferritin", user_id=user, session_id=session)
    )
    return found[0].full_positions()


def sidecar(config, run_name="TS_1"):
    path = run_folder(config, run_name) / "Picks" / "picker_1_apo-ferritin.provenance.yaml"
    return yaml.safe_load(path.read_text())


def test_picks_outside_are_dropped_and_distances_recorded(config, tmp_path):
    summary = tmp_path / "summary.json"
    run("localize", "-c", config, *INPUT, "--mask", "lamella:me/1", "--json", summary)
    points = stored(config)
    assert sorted(points[:, 0].round(-1)) == [300, 480]
    record = sidecar(config)
    assert record["input"]["mask"]["uri"] == "lamella:me/1@10.0?multilabel=true"
    assert record["mask_distances_angstrom"] == pytest.approx(points[:, 0] - 245.0, abs=0.02)
    figures = json.loads(summary.read_text())["objects"]["apo-ferritin"]
    assert figures["dropped"]["outside mask"] == 2
    table = run_folder(config, "TS_1") / "Picks" / "picker_1_apo-ferritin.mask-distances.csv"
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["x"]) for row in rows] == points[:, 0].tolist()
    assert [float(row["mask_distance_angstrom"]) for row in rows] == pytest.approx(
        points[:, 0] - 245.0, abs=0.02
    )
    run("localize", "-c", config, *INPUT, "--overwrite")
    assert not table.exists()
    assert len(stored(config)) == 3


@pytest.mark.parametrize(("margin", "number"), [(-110, 3), (-80, 2), (40, 2), (80, 1), (300, 0)])
def test_a_margin_moves_the_surface(config, margin, number):
    run("localize", "-c", config, *INPUT, "--mask", "lamella:me/1", "--mask-margin", margin)
    assert len(stored(config).reshape(-1, 3)) == number


def test_evaluate_says_how_far_candidates_lie_from_the_surface(config, tmp_path):
    run("localize", "-c", config, *INPUT, "--mask", "lamella:me/1", "--mask-margin", "-500")
    scores = tmp_path / "scores"
    sets = ("--reference", "*:curator/1", "--candidate", "*:picker/1")
    run("evaluate", "-c", config, *sets, "-o", scores)
    text = (scores / "matches.csv").read_text().splitlines()
    rows = list(csv.DictReader(line for line in text if not line.startswith("#")))
    candidates = [row for row in rows if row["kind"] == "candidate"]
    assert len(candidates) == 6
    for row in candidates:
        expected = float(row["x_angstrom"]) - 245.0
        assert float(row["mask_distance_angstrom"]) == pytest.approx(expected, abs=0.02)
    assert all(not row["mask_distance_angstrom"] for row in rows if row["kind"] == "reference")


def test_masks_of_another_spacing_and_from_files_give_the_same(config, tmp_path, slab):
    run("localize", "-c", config, *INPUT, "--mask", "lamella:me/1")
    expected = stored(config)
    for name in RUNS:
        put_segmentation(config, name, "binned", slab[::2, ::2, ::2], spacing=20.0)
        write_mrc(tmp_path / f"{name}_mask.mrc", slab.astype(np.int8), 10.0)
    output = run("localize", "-c", config, *INPUT, "-o", "*:binned/1", "--mask", "binned:me/1")
    assert "has another grid and was resampled" in output
    pattern = tmp_path / "{run}_mask.mrc"
    run("localize", "-c", config, *INPUT, "-o", "*:file/1", "--mask", pattern)
    assert np.array_equal(stored(config, "binned"), expected)
    assert np.array_equal(stored(config, "file"), expected)


def test_a_cryosiam_prediction_is_a_mask(config, tmp_path, slab):
    run("localize", "-c", config, *INPUT, "--mask", "lamella:me/1")
    for name in RUNS:
        with h5py.File(tmp_path / f"{name}_preds.h5", "w") as file:
            file["labels"] = slab
    run("localize", "-c", config, *INPUT, "-o", "*:h5/1", "--mask", tmp_path / "{run}_preds.h5")
    assert np.array_equal(stored(config, "h5"), stored(config))
    with h5py.File(tmp_path / "TS_1_preds.h5", "w") as file:
        file["probs"] = slab
    with h5py.File(tmp_path / "TS_2_preds.h5", "w") as file:
        file["labels"] = slab[:, :, ::2]
    broken = ("-o", "*:h5/2", "--mask", tmp_path / "{run}_preds.h5")
    output = run("localize", "-c", config, *INPUT, *broken, code=1)
    assert "TS_1_preds.h5 has no dataset 'labels'; it has: probs" in output
    assert "TS_2_preds.h5 covers another box: 24 x 44 x 30 voxels" in output


def test_another_mask_is_another_job(config):
    run("localize", "-c", config, *INPUT, "--mask", "lamella:me/1")
    assert "2 skipped" in run("localize", "-c", config, *INPUT, "--mask", "lamella:me/1")
    output = run("localize", "-c", config, *INPUT, code=1)
    assert "input.mask" in output
    margin = ("--mask", "lamella:me/1", "--mask-margin", "5")
    assert "margin_angstrom: 0.0 there, 5.0 now" in run(
        "localize", "-c", config, *INPUT, *margin, code=1
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_octopi_model(tmp_path_factory.mktemp("model"), {"apo-ferritin": 1})


def segment(config, model, *arguments, code=0):
    pair = ("-mc", model[0], "-mw", model[1])
    fast = ("--tta", "1", "--overlap", "0.25", "-i", "wbp@10.0")
    return run("segment", "-c", config, *pair, *fast, *arguments, code=code)


def labels_of(config, session):
    found = (
        copick.from_file(str(config))
        .get_run("TS_1")
        .get_segmentations(name="predict", user_id="picker", session_id=session)
    )
    return found[0].numpy()


def test_segment_skips_windows_outside(config, model, slab, tmp_path):
    segment(config, model, "-o", "predict:picker/whole")
    summary = tmp_path / "summary.json"
    mask = ("--mask", "lamella:me/1", "--json", summary)
    output = segment(config, model, "-o", "predict:picker/masked", *mask)
    assert "windows skipped" in output
    windows = json.loads(summary.read_text())["runs"][0]["windows"]
    assert 0 < windows["skipped"] < windows["all"]
    whole, masked = labels_of(config, "whole"), labels_of(config, "masked")
    inside = slab.astype(bool)
    assert whole[~inside].any()
    assert not masked[~inside].any()
    assert (whole[inside] == masked[inside]).mean() > 0.999
    again = segment(config, model, "-o", "predict:picker/masked", "--mask", "lamella:me/1")
    assert "2 skipped" in again
    other = segment(config, model, "-o", "predict:picker/masked", code=1)
    assert "settings.mask" in other


def test_a_rescaled_tomogram_is_masked_on_its_own_grid(config, model, slab, tmp_path):
    folder = tmp_path / "model_12A"
    run("model", "convert", "-mc", model[0], "-mw", model[1], "-o", folder)
    card = yaml.safe_load((folder / "model.yaml").read_text())
    (folder / "model.yaml").write_text(yaml.safe_dump({**card, "voxel_spacing_angstrom": 12.5}))
    common = ("segment", "-c", config, "-m", folder, "--rescale", "--tta", "1", "-r", "TS_1")
    run(*common, "-o", "predict:picker/whole")
    run(*common, "-o", "predict:picker/masked", "--mask", "lamella:me/1")
    whole, masked = labels_of(config, "whole"), labels_of(config, "masked")
    inside = slab.astype(bool)
    assert not masked[~inside].any()
    assert (whole[inside] == masked[inside]).mean() > 0.999


def test_the_python_function_takes_a_mask(model, slab, tmp_path):
    folder = tmp_path / "model"
    run("model", "convert", "-mc", model[0], "-mw", model[1], "-o", folder)
    volume = noise(SHAPE, seed=3)
    whole = copick_picker.segment(volume, folder, tta=1)
    masked = copick_picker.segment(volume, folder, mask=slab, tta=1)
    assert not masked.labels[slab == 0].any()
    assert (whole.labels[slab > 0] == masked.labels[slab > 0]).mean() > 0.999
    with pytest.raises(DataError, match="the mask is empty"):
        copick_picker.segment(volume, folder, mask=0 * slab)


@pytest.mark.parametrize(
    ("mask", "code", "texts"),
    [
        ("lamela:me/1", 1, ["no segmentation 'lamela:me/1'", "lamella:me/1@10.0"]),
        ("wide:me/1", 1, ["another box", "24 x 44 x 60", "24 x 44 x 90", "240 x 440 x 900 A"]),
        ("empty:me/1", 1, ["is empty"]),
        ("nowhere.mrc", 2, ["--mask: no file 'nowhere.mrc'"]),
        ("{run}.mrc", 1, ["no mask file 'TS_1.mrc'"]),
        ("lamella:me/1@ten", 2, ["spacing is 'ten'"]),
    ],
)
def test_a_mask_that_cannot_be_used_is_one_line_and_writes_nothing(
    config, model, mask, code, texts
):
    for name in RUNS:
        put_segmentation(config, name, "wide", np.ones((24, 44, 90)))
        put_segmentation(config, name, "empty", np.zeros(SHAPE))
    before = tree(config.parent)
    for output in (
        run("localize", "-c", config, *INPUT, "--mask", mask, code=code),
        segment(config, model, "--mask", mask, code=code),
    ):
        assert all(text in output for text in texts), output
        assert "Traceback (most" not in output
    assert tree(config.parent) == before


def test_a_margin_without_a_mask_is_refused(config):
    output = run("localize", "-c", config, *INPUT, "--mask-margin", "5", code=2)
    assert "needs a mask: add --mask" in output
