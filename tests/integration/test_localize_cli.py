"""``localize`` through the real command line, on real copick projects on disk."""

import json

import copick
import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from copick_picker.cli.main import console
from copick_picker.core.labels import paint_spheres
from copick_picker.records.keys import TomogramKey
from copick_picker.records.runs import ObjectSpec
from projects import noise, project_of, run_folder, tree

SHAPE = (40, 56, 72)
OBJECTS = (ObjectSpec("ribosome", 4, 100.0), ObjectSpec("apo-ferritin", 2, 60.0))
CENTRES = {
    "ribosome": np.array([[130.0, 150.0, 140.0], [420.0, 390.0, 250.0]]),
    "apo-ferritin": np.array([[300.0, 120.0, 200.0], [610.0, 330.0, 110.0], [610.0, 480.0, 300.0]]),
}
RUNS = ("TS_1", "TS_2")


def run(*arguments, code=0):
    result = CliRunner().invoke(console, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


def painted(labels):
    radii = {
        labels[name]: 0.8 * radius for name, radius in (("ribosome", 100), ("apo-ferritin", 60))
    }
    points = {labels[name]: CENTRES[name] for name in CENTRES}
    return paint_spheres(SHAPE, points, radii, voxel_spacing=10.0)


def project(folder, labels, *, objects=OBJECTS, name="predict", user="octopi"):
    """Return a project whose segmentations another program wrote, with its labels."""
    tomograms = {run_name: noise((8, 9, 10), seed=3) for run_name in RUNS}
    config = project_of(folder, tomograms, {}, objects=objects, tomogram=TomogramKey("wbp", 10.0))
    root = copick.from_file(str(config))
    for run_name in RUNS:
        item = root.get_run(run_name).new_segmentation(10.0, name, "1", True, user_id=user)
        item.from_numpy(painted(labels))
    return config


@pytest.fixture
def config(tmp_path):
    return project(tmp_path / "p", {"ribosome": 4, "apo-ferritin": 2})


INPUT = ("-i", "predict:octopi/1@10.0")


def stored(config, object_name, run_name="TS_1", user="picker", session="1"):
    root = copick.from_file(str(config))
    found = root.get_run(run_name).get_picks(object_name, user_id=user, session_id=session)
    assert len(found) == 1
    return found[0]


def nearest(centres, points):
    return np.linalg.norm(centres[:, None] - points[None], axis=2).min(axis=1)


def test_every_centre_is_found_with_a_score(config):
    output = run("localize", "-c", config, *INPUT)
    assert "does not define its labels" in output
    for name, centres in CENTRES.items():
        picks = stored(config, name)
        points = picks.full_positions()
        assert len(points) == len(centres)
        assert nearest(centres, points).max() < 10.0
        assert all(0 < point.score <= 1 for point in picks.points)


@pytest.mark.parametrize("method", ["watershed", "components", "com"])
def test_methods_agree_on_separate_balls(config, method):
    run("localize", "-c", config, *INPUT, "--method", method)
    for name, centres in CENTRES.items():
        assert nearest(centres, stored(config, name).full_positions()).max() < 10.0


def test_labels_of_octopis_log_are_read(tmp_path):
    """octopi writes its model's own labels and says in a log which is which."""
    config = project(tmp_path / "p", {"ribosome": 1, "apo-ferritin": 2})
    log = tmp_path / "p" / "project" / "logs" / "segment-octopi_1_predict.yaml"
    log.parent.mkdir()
    log.write_text(yaml.safe_dump({"labels": {"ribosome": 1, "apo-ferritin": 2}}))
    output = run("localize", "-c", config, *INPUT)
    assert "does not say" not in output
    points = stored(config, "ribosome").full_positions()
    assert nearest(CENTRES["ribosome"], points).max() < 10.0


def test_a_second_time_everything_is_skipped(config):
    run("localize", "-c", config, *INPUT)
    before = tree(config.parent)
    assert "2 skipped" in run("localize", "-c", config, *INPUT)
    assert tree(config.parent) == before
    output = run("localize", "-c", config, *INPUT, "--method", "components", code=1)
    assert "settings.method: 'watershed' there, 'components' now" in output
    assert tree(config.parent) == before
    run("localize", "-c", config, *INPUT, "--method", "components", "--overwrite")


def test_an_object_without_voxels_gets_an_empty_set(tmp_path):
    objects = (*OBJECTS, ObjectSpec("nothing", 9, 80.0))
    config = project(tmp_path / "p", {"ribosome": 4, "apo-ferritin": 2}, objects=objects)
    run("localize", "-c", config, *INPUT)
    assert stored(config, "nothing").points == []
    sidecar = run_folder(config, "TS_1") / "Picks" / "picker_1_nothing.provenance.yaml"
    assert yaml.safe_load(sidecar.read_text())["command"] == "localize"


def test_objects_radius_threshold_and_margin(config, tmp_path):
    summary = tmp_path / "summary.json"
    run(
        *("localize", "-c", config, *INPUT, "--objects", "apo-ferritin"),
        *("--border-margin-angstrom", "105", "--json", summary),
    )
    assert len(stored(config, "apo-ferritin").points) == 1
    root = copick.from_file(str(config))
    assert not root.get_run("TS_1").get_picks("ribosome", user_id="picker")
    figures = json.loads(summary.read_text())["runs"][0]["objects"]["apo-ferritin"]
    assert figures["picks"] == 1
    assert sum(figures["dropped"].values()) == 2
    run("localize", "-c", config, *INPUT, "-o", "*:me/2", "--threshold", "ribosome=1.0")
    assert len(stored(config, "apo-ferritin", user="me", session="2").points) == 3
    run("localize", "-c", config, *INPUT, "-o", "*:me/4", "--threshold", "*=1.0")
    assert stored(config, "apo-ferritin", user="me", session="4").points == []
    run("localize", "-c", config, *INPUT, "-o", "*:me/5", "--threshold", "*=0")
    assert len(stored(config, "apo-ferritin", user="me", session="5").points) == 3
    text = run("localize", "-c", config, *INPUT, "--threshold", "ribosome=45", code=2)
    assert "ribosome=45: scores lie between 0 and 1" in text
    words = ("-o", "*:me/6", "--radius", "ribosome=8")
    text = run("localize", "-c", config, *INPUT, *words)
    assert (
        text.count("--radius ribosome=8 differs from the project's 100; lengths are in Angstrom")
        == 2
    )
    run("localize", "-c", config, *INPUT, "-o", "*:me/3", "--radius", "ribosome=300")
    assert stored(config, "ribosome", user="me", session="3").points == []


def test_runs_in_shards_give_the_same_as_all_at_once(config):
    run("localize", "-c", config, *INPUT, "-o", "*:all/1")
    for shard in ("1/2", "2/2"):
        run("localize", "-c", config, *INPUT, "-o", "*:part/1", "--shard", shard)
    for run_name in RUNS:
        whole = stored(config, "ribosome", run_name, "all").full_positions()
        assert np.array_equal(whole, stored(config, "ribosome", run_name, "part").full_positions())


def test_a_missing_radius_names_the_object(tmp_path):
    objects = (OBJECTS[0], ObjectSpec("apo-ferritin", 2, None))
    config = project(tmp_path / "p", {"ribosome": 4, "apo-ferritin": 2}, objects=objects)
    output = run("localize", "-c", config, *INPUT, code=1)
    assert "object 'apo-ferritin' has no radius" in output
    assert "--radius apo-ferritin=" in output
    run("localize", "-c", config, *INPUT, "--radius", "apo-ferritin=60")


@pytest.mark.parametrize(
    ("arguments", "code", "texts"),
    [
        (["-i", "predict:octopi/9"], 2, ["none of the 2 runs", "predict:octopi/1@10.0"]),
        (["-i", "predict:octopi/1@13.0"], 2, ["predict:octopi/1@10.0"]),
        ([*INPUT, "--method", "magic"], 2, ["--method: got 'magic'"]),
        ([*INPUT, "--method", "peaks"], 1, ["--probabilities"]),
        ([*INPUT, "--objects", "ribosom"], 2, ["did you mean 'ribosome'"]),
        ([*INPUT, "--radius", "ribosome=big"], 2, ["--radius"]),
        ([*INPUT, "--radius", "x=10"], 2, ["no object 'x'"]),
        ([*INPUT, "-o", "ribosome:me/1"], 1, ["use '*'"]),
        ([*INPUT, "-o", "*:a_b/1"], 2, ["user is 'a_b'"]),
        ([*INPUT, "--radius-min-scale", "2"], 2, ["radius_min_scale"]),
    ],
)
def test_a_wrong_option_is_one_line_and_writes_nothing(config, arguments, code, texts):
    before = tree(config.parent)
    output = run("localize", "-c", config, *arguments, code=code)
    for text in texts:
        assert text in output
    assert "Traceback (most" not in output
    assert tree(config.parent) == before


def test_objects_that_share_a_label_are_refused(tmp_path):
    objects = (OBJECTS[0], ObjectSpec("twin", 4, 80.0))
    config = project(tmp_path / "p", {"ribosome": 4, "apo-ferritin": 2}, objects=objects)
    output = run("localize", "-c", config, *INPUT, code=1)
    assert "objects 'ribosome' and 'twin' both have label 4" in output
