"""``segment --picks-method peaks`` through the real command line, on real projects on disk."""

import json
import shutil

import copick
import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from copick_picker.cli.main import console
from copick_picker.project.copick.store import open_project
from copick_picker.records.keys import PicksKey
from copick_picker.records.points import PickSet
from copick_picker.records.runs import ObjectSpec
from projects import (
    SHAPE_ZYX,
    add_picks,
    run_folder,
    small_project,
    temporaries,
    tiny_octopi_model,
    tree,
)

OBJECTS = (
    ObjectSpec("ribosome", 2, 40.0, score_threshold=0.3),
    ObjectSpec("apo-ferritin", 7, 30.0, score_threshold=0.3),
    ObjectSpec("virus-like-particle", 9, 135.0, score_threshold=0.9999),
)
CHANNELS = {"ribosome": 1, "apo-ferritin": 2, "virus-like-particle": 3}
RUNS = ("TS_1", "TS_2")
PEAKS = ["--picks", "*:peaks/1", "--picks-method", "peaks"]


def run(*arguments, code=0):
    """Run the console script and return its output, all in one line."""
    result = CliRunner().invoke(console, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    config, weights = tiny_octopi_model(tmp_path_factory.mktemp("model"), CHANNELS)
    return ("-mc", config, "-mw", weights)


@pytest.fixture
def config(tmp_path):
    return small_project(tmp_path / "p", RUNS, objects=OBJECTS)


@pytest.fixture
def segment(config, model):
    return ("segment", "-c", config, *model, "--tta", "1", "--overlap", "0", "--threads", "1")


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


def test_picks_are_those_of_two_steps_with_a_mask_and_at_another_spacing(config, segment, tmp_path):
    for name in RUNS:
        half = np.zeros(SHAPE_ZYX, dtype=np.uint8)
        half[:, :, 7:23] = 1
        copick.from_file(str(config)).get_run(name).new_segmentation(
            10.0, "half", "1", is_multilabel=True, user_id="me"
        ).from_numpy(half)
    folder = tmp_path / "model_12A"
    run("model", "convert", *segment[3:7], "-o", folder)
    card = yaml.safe_load((folder / "model.yaml").read_text())
    (folder / "model.yaml").write_text(yaml.safe_dump({**card, "voxel_spacing_angstrom": 12.5}))
    line = ("segment", "-c", config, "-m", folder, "--rescale", "--mask", "half:me/1")
    run(*line, *PEAKS)
    assert features(config) == []
    assert picks(config, "peaks") == in_two_steps(config, line)
    assert count(config, "peaks") > 0


def test_a_run_is_skipped_only_when_its_segmentation_and_its_picks_stand(config, segment):
    run(*segment)
    before = tree(config.parent)
    assert "2 done" in run(*segment, *PEAKS)
    first = tree(config.parent)
    assert {path: first[path] for path in before} == before
    assert "2 skipped" in run(*segment, *PEAKS)
    assert tree(config.parent) == first
    (run_folder(config, "TS_1") / "Picks" / "peaks_1_ribosome.json").unlink()
    shutil.rmtree(next(run_folder(config, "TS_2").rglob("*predict*.zarr")))
    assert "2 done" in run(*segment, *PEAKS)
    again = tree(config.parent)
    assert again == first


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
    assert len(open_project(config).read_picks("TS_2", key)) > 1


def test_picks_made_otherwise_are_refused(config, segment):
    run(*segment, "--no-scores")
    run("localize", "-c", config, "-i", "predict", "-o", "*:peaks/1", "--method", "components")
    before = tree(config.parent)
    output = run(*segment, *PEAKS, "--no-scores", code=1)
    assert "settings.method: stored 'components', requested 'peaks'" in output
    assert tree(config.parent) == before


def test_wrong_requests_are_told_before_any_run_is_touched(config, segment):
    before = tree(config.parent)
    output = run(*segment, "--picks-method", "peaks", code=2)
    assert "picks_method needs picks" in output
    one = ["--picks", "ribosome:peaks/1", "--picks-method", "peaks"]
    assert "choose with --objects" in run(*segment, *one, code=2)
    assert "2 planned" in run(*segment, *PEAKS, "--dry-run")
    assert tree(config.parent) == before


def test_only_the_objects_asked_for_get_picks(config, segment):
    run(*segment, *PEAKS, "--objects", "ribosome")
    assert [path.name for path in (run_folder(config, "TS_1") / "Picks").glob("*.json")] == [
        "peaks_1_ribosome.json"
    ]


@pytest.mark.parametrize("method", ["watershed", "peaks"])
def test_an_object_without_a_radius_is_told_before_the_work(tmp_path, model, method):
    objects = (ObjectSpec("ribosome", 2), *OBJECTS[1:])
    config = small_project(tmp_path / "p", RUNS, objects=objects)
    before = tree(config.parent)
    line = ("segment", "-c", config, *model, "--picks", "*:peaks/1", "--picks-method", method)
    output = run(*line, code=2)
    assert "object 'ribosome' has no radius in the project: set it in the project's" in output
    assert "then localize with --radius ribosome=ANGSTROM" in output
    assert tree(config.parent) == before
