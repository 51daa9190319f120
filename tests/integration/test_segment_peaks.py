"""``segment --picks-method peaks`` through the real command line, on real projects on disk."""

import json
import shutil
from pathlib import Path

import copick
import numpy as np
import pytest
from click.testing import CliRunner

from copick_picker.cli.main import console
from copick_picker.project.copick_store import open_project
from copick_picker.records import ObjectSpec, PickSet, PicksKey, TomogramKey
from projects import add_picks, project_of, run_folder, temporaries, tree

FIXTURES = Path(__file__).parents[1] / "fixtures" / "octopi"
UNET = FIXTURES / "Unet"
OBJECTS = (
    ObjectSpec("ribosome", 2, 40.0),
    ObjectSpec("apo-ferritin", 7, 30.0),
    ObjectSpec("virus-like-particle", 9, 135.0, score_threshold=0.9999),
)
RUNS = ("TS_1", "TS_2")
PEAKS = ["--picks", "*:peaks/1", "--picks-method", "peaks"]


def run(*arguments, code=0):
    """Run the console script and return its output, all in one line."""
    result = CliRunner().invoke(console, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "unet"
    pair = ["-mc", UNET / "model_config.yaml", "-mw", UNET / "best_model.pth"]
    run("model", "convert", *pair, "-o", folder)
    return folder


@pytest.fixture
def config(tmp_path):
    with np.load(FIXTURES / "input.npz") as stored:
        crop = stored["volume"][:20, :44, :60]
    tomograms = {name: crop[:, :, ::side] for name, side in zip(RUNS, (1, -1), strict=True)}
    tomogram = TomogramKey("wbp", 10.0)
    return project_of(tmp_path / "p", tomograms, {}, objects=OBJECTS, tomogram=tomogram)


@pytest.fixture
def segment(config, model):
    return ("segment", "-c", config, "-m", model, "--tta", "1", "--overlap", "0")


def picks(config, user):
    """Return run and object -> points and scores, as bytes."""
    store = open_project(config)
    found = {}
    for name in RUNS:
        for spec in OBJECTS:
            each = store.read_picks(name, PicksKey(spec.name, user, "1"))
            found[name, spec.name] = (each.points_xyz.tobytes(), each.scores.tobytes())
    return found


def count(config, user):
    return sum(len(points) for points, _ in picks(config, user).values()) // 24


def in_two_steps(config, segment, *options):
    """Return the picks of localize from stored probabilities."""
    run(*segment, *options, "--probabilities", "-o", "two:me/1")
    run("localize", "-c", config, "-i", "two:me/1", "-o", "*:two/1", "--method", "peaks")
    return picks(config, "two")


def features(config):
    return [str(path) for path in config.parent.rglob("*probabilities*")]


def test_picks_are_those_of_two_steps_and_no_probabilities_are_stored(config, segment, tmp_path):
    summary = tmp_path / "summary.json"
    output = run(*segment, *PEAKS, "--json", summary)
    assert "2 done" in output
    assert features(config) == []
    assert temporaries(config.parent) == []
    assert picks(config, "peaks") == in_two_steps(config, segment)
    totals = json.loads(summary.read_text())["picks"]
    assert set(totals) == {spec.name for spec in OBJECTS}
    assert sum(total["picks"] for total in totals.values()) == count(config, "peaks") >= 10
    assert totals["virus-like-particle"]["picks"] == 0  # and yet its sets stand
    labels = [
        copick.from_file(str(config)).get_run("TS_1").get_segmentations(name=name)[0].numpy()
        for name in ("predict", "two")
    ]
    assert np.array_equal(*labels)


def test_records_are_those_of_localize(config, segment):
    """With probabilities stored, localize finds its own work done; filter reads the picks."""
    run(*segment, *PEAKS, "--probabilities")
    again = ["-i", "predict:picker/1", "-o", "*:peaks/1", "--method", "peaks"]
    assert "2 skipped" in run("localize", "-c", config, *again)
    record = open_project(config).picks_provenance("TS_1", PicksKey("ribosome", "peaks", "1"))
    assert record["command"] == "localize"
    assert record["settings"]["method"] == "peaks"
    assert record["score_kind"] == "probability"
    run("filter", "-c", config, "-i", "*:peaks/1", "-o", "*:best/1", "--min-score", "ribosome=0.01")
    assert count(config, "best") == count(config, "peaks") > 0


@pytest.mark.parametrize("options", [["--workers", "2"], ["--mask", "half:me/1"], ["--rescale"]])
def test_picks_are_those_of_two_steps_with(config, segment, options):
    for name in RUNS:
        half = np.zeros((20, 44, 60), dtype=np.uint8)
        half[:, :, 7:33] = 1
        copick.from_file(str(config)).get_run(name).new_segmentation(
            10.0, "half", "1", is_multilabel=True, user_id="me"
        ).from_numpy(half)
    run(*segment, *PEAKS, *options)
    assert features(config) == []
    assert picks(config, "peaks") == in_two_steps(config, segment, *options)
    assert count(config, "peaks") > 0


def test_a_run_is_skipped_only_when_its_segmentation_and_its_picks_stand(config, segment):
    run(*segment)
    before = tree(config.parent)
    assert "2 done" in run(*segment, *PEAKS)
    first, found = tree(config.parent), picks(config, "peaks")
    assert {path: first[path] for path in before} == before
    assert "2 skipped" in run(*segment, *PEAKS)
    assert tree(config.parent) == first
    (run_folder(config, "TS_1") / "Picks" / "peaks_1_ribosome.json").unlink()
    shutil.rmtree(next(run_folder(config, "TS_2").rglob("*predict*.zarr")))
    assert "2 done" in run(*segment, *PEAKS)
    assert picks(config, "peaks") == found
    again = tree(config.parent)
    assert set(again) == set(first)
    assert {path: again[path] for path in before} == before
    assert "2 skipped" in run(*segment, *PEAKS)


def test_picks_of_others_are_kept_and_refused_before_the_work(config, segment):
    key = PicksKey("ribosome", "peaks", "1")
    theirs = PickSet("ribosome", np.array([[10.0, 20.0, 30.0]]), np.ones(1))
    add_picks(config, "TS_2", key, theirs)
    output = run(*segment, *PEAKS, code=1)
    assert "1 done, 1 failed" in output
    assert "not made by this tool" in output
    assert not list(run_folder(config, "TS_2").rglob("*predict*"))
    assert len(open_project(config).read_picks("TS_2", key)) == 1
    assert "2 done" in run(*segment, *PEAKS, "--overwrite")
    assert picks(config, "peaks") == in_two_steps(config, segment)


def test_picks_made_otherwise_are_refused(config, segment):
    run(*segment, "--picks", "*:peaks/1")
    before = tree(config.parent)
    assert "settings.method: 'watershed' there, 'peaks' now" in run(*segment, *PEAKS, code=1)
    assert tree(config.parent) == before


def test_wrong_requests_are_told_before_any_run_is_touched(config, segment):
    before = tree(config.parent)
    output = run(*segment, "--picks-method", "peaks", code=2)
    assert "picks_method is given without picks" in output
    one = ["--picks", "ribosome:peaks/1", "--picks-method", "peaks"]
    assert "choose with --objects" in run(*segment, *one, code=2)
    assert "2 planned" in run(*segment, *PEAKS, "--dry-run")
    assert tree(config.parent) == before


def test_only_the_objects_asked_for_get_picks(config, segment):
    run(*segment, *PEAKS, "--objects", "ribosome")
    assert [path.name for path in (run_folder(config, "TS_1") / "Picks").glob("*.json")] == [
        "peaks_1_ribosome.json"
    ]
