"""``targets`` through the real command line: what it writes is what training patches show."""

import json
import shutil
from pathlib import Path

import copick
import numpy as np
import pytest
from click.testing import CliRunner

from copick_picker.cli.console import Console
from copick_picker.cli.main import console
from copick_picker.core.heads.head import build_head
from copick_picker.core.train.sampling import SamplingRules, batch_at
from copick_picker.core.train.sources import ArraySource, PlaneCache
from copick_picker.jobs.job import Job
from copick_picker.project.copick.store import open_project
from copick_picker.records.keys import PicksKey, SegmentationKey
from copick_picker.records.runs import ObjectSpec
from copick_picker.settings.files import join_settings
from copick_picker.settings.train import TrainSettings
from copick_picker.workflows.inputs.annotated_runs import sampled_run
from copick_picker.workflows.train import targets as workflow
from copick_picker.workflows.train.data import training_data
from copick_picker.workflows.train.training import head_rules
from projects import copied_project, noise, project_of, run_folder, temporaries, tree

SHAPE_ZYX = (21, 30, 40)
WINDOW = (7, 10, 12)
OBJECTS = (
    ObjectSpec("ribosome", 300, 70.0),
    ObjectSpec("apo-ferritin", 2, 40.0),
    ObjectSpec("membrane", 7, is_particle=False),
)
RIBOSOMES = np.array([[103.0, 92.0, 61.0], [388.0, 4.0, 151.0], [251.0, 187.0, 118.0]])
FERRITINS = np.array([[131.0, 92.0, 66.0], [305.0, 102.0, 180.0]])
PICKS = "*:curator/1"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return the folder of a project: the second run has no apo-ferritin, the third no picks."""
    folder = tmp_path_factory.mktemp("targets")
    tomograms = {f"TS_{number}": noise(SHAPE_ZYX, seed=number) for number in (1, 2, 3)}
    picks = {
        ("TS_1", PicksKey("ribosome", "curator", "1")): RIBOSOMES,
        ("TS_1", PicksKey("apo-ferritin", "curator", "1")): FERRITINS,
        ("TS_2", PicksKey("ribosome", "curator", "1")): RIBOSOMES[:, [0, 1, 2]] * 0.9 + 7,
    }
    project_of(folder, tomograms, picks, objects=OBJECTS)
    return folder


@pytest.fixture
def place(made, tmp_path, monkeypatch):
    """Go to a copy of the project; slabs are four planes."""
    folder = copied_project(made, tmp_path / "place").parent
    monkeypatch.chdir(folder)
    monkeypatch.setattr(workflow, "SLAB_BYTES", 4 * 5 * SHAPE_ZYX[1] * SHAPE_ZYX[2])
    return folder


def targets(*arguments, code=0, picks=PICKS):
    words = ["targets", "-c", "config.json", "-p", picks, *map(str, arguments)]
    result = CliRunner().invoke(console, words)
    assert result.exit_code == code, result.output
    assert "Traceback (most" not in result.output
    return " ".join(result.output.split())


def stored(run_name, session="1", name="targets", user="picker"):
    run = copick.from_file("config.json").get_run(run_name)
    (found,) = run.get_segmentations(name=name, user_id=user, session_id=session)
    assert found.is_multilabel
    assert found.voxel_size == 10.0
    return found.numpy()


def record(run_name, session="1"):
    key = SegmentationKey("targets", "picker", session, 10.0)
    return open_project("config.json").segmentation_provenance(run_name, key)


def change_config(**changes):
    path = Path("config.json")
    config = json.loads(path.read_text())
    for entry in config["pickable_objects"]:
        entry.update(changes.get(entry["name"].replace("-", "_"), {}))
    path.write_text(json.dumps(config))


def batch_of_training(**flags):
    """Return patches of a training without augmentation; their values are the voxels' numbers."""
    given = {"config": "config.json", "picks": PICKS, "output": "unused", **flags}
    settings = join_settings(TrainSettings, flags=given)
    job = Job.open("train", settings, reporter=Console())
    store, data = job.store, training_data(job)
    numbers = ArraySource(np.arange(np.prod(SHAPE_ZYX), dtype=np.float32).reshape(SHAPE_ZYX))
    runs = [
        sampled_run(store, run, data.objects, source=numbers, cache=PlaneCache(2**20))
        for run in data.runs
    ]
    head = build_head("softmax", head_rules(settings, data, 1))
    rules = SamplingRules(WINDOW, 12, particle_share=0.8, hard_negative_share=0.0)
    return batch_at(0, runs=runs, rules=rules, head=head, augmentations={}, seed=3)


def labels_of_batch(targets, kind):
    """Return the project's labels of the channels that the network is to answer."""
    if kind == "gaussian":
        channels = np.where(targets[:, 1:].max(axis=1) >= 0.5, targets[:, 1:].argmax(axis=1) + 1, 0)
    else:
        channels = targets
    return np.array([0, 2, 300])[channels]  # in the order of the labels


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("kind", ["spheres", "points", "gaussian", "masks"])
def test_every_voxel_is_that_of_a_training_patch(kind):
    masks = {}
    if kind == "masks":
        targets("-o", "targets:picker/wide", "--target-fraction", 1)
        masks = {"masks": "targets:picker/wide"}
    options = [word for name, value in masks.items() for word in ("--" + name, value)]
    targets("--target", kind, "--target-fraction", 0.7, "--radius", "ribosome=80", *options)
    flags = {"target": kind, "target_fraction": 0.7, "radius": ["ribosome=80"], **masks}
    batch = batch_of_training(**flags)
    painted = {name: stored(name) for name in ("TS_1", "TS_2")}
    assert {*batch.run_names} == {*painted}
    corners = set()
    for patch, expected, name in zip(
        batch.patches, labels_of_batch(batch.targets, kind), batch.run_names, strict=True
    ):
        corner = np.unravel_index(int(patch[0, 0, 0, 0]), SHAPE_ZYX)
        corners.add(corner)
        box = tuple(slice(a, a + side) for a, side in zip(corner, WINDOW, strict=True))
        assert np.array_equal(painted[name][box], expected)
    assert len(corners) > 6
    assert {*np.unique(painted["TS_1"])} == {0, 2, 300}
    assert {*np.unique(painted["TS_2"])} == {0, 300}


def test_labels_are_the_projects_and_the_record_says_what_was_painted(place):
    output = targets("--json", "summary.json")
    assert "ribosome 3" in output
    assert "apo-ferritin without a reference set" in output
    assert "TS_3 absent: no reference picks '*:curator/1'" in output
    summary = json.loads((place / "summary.json").read_text())
    assert summary["counts"] == {"done": 2, "absent": 1}
    first = summary["runs"][0]
    painted = stored("TS_1")
    assert painted.shape == SHAPE_ZYX
    assert first["objects"]["apo-ferritin"] == {"picks": 2, "voxels": int((painted == 2).sum())}
    assert first["objects"]["ribosome"]["voxels"] == int((painted == 300).sum()) > 300
    known = record("TS_1")
    assert known["labels"] == {"apo-ferritin": 2, "ribosome": 300}
    assert known["settings"] == {
        "target": "spheres",
        "target_fraction": 0.5,
        "radius": {"apo-ferritin": 40.0, "ribosome": 70.0},
    }
    assert known["input"]["picks"]["ribosome"]["count"] == 3
    assert known["objects"]["ribosome"]["target_fraction"] == 0.5


@pytest.mark.usefixtures("place")
def test_localize_gives_the_picks_back():
    targets("--target-fraction", 0.6, "-r", "TS_2")
    words = ("localize", "-c", "config.json", "-i", "targets:picker/1", "-r", "TS_2")
    result = CliRunner().invoke(console, [*words, "-o", "*:back/1"])
    assert result.exit_code == 0, result.output
    found = open_project("config.json").read_picks("TS_2", PicksKey("ribosome", "back", "1"))
    inner = RIBOSOMES[[0, 2]] * 0.9 + 7
    distance = np.linalg.norm(inner[:, None] - found.points_xyz[None], axis=2).min(axis=1)
    assert len(found) == 3
    assert distance.max() < 5.0


@pytest.mark.usefixtures("place")
def test_an_object_alone_and_one_that_hides_between_voxels():
    targets("--objects", "apo-ferritin", "-o", "targets:picker/2")
    assert {*np.unique(stored("TS_1", "2"))} == {0, 2}
    output = targets("--target-fraction", 0.002, "-o", "targets:picker/3")
    assert "no voxels for the 2 picks of apo-ferritin" in output
    assert not stored("TS_1", "3").any()


def test_no_tomogram_is_read(place):
    folder = run_folder(place / "config.json", "TS_1") / "VoxelSpacing10.000" / "wbp.zarr" / "0"
    chunks = [path for path in folder.rglob("*") if path.is_file() and path.name[0] != "."]
    assert chunks
    for path in chunks:
        path.write_bytes(b"damaged")
    targets("-r", "TS_1")
    assert stored("TS_1").any()


def test_what_is_complete_stays_and_the_rest_is_made(place):
    targets("-r", "TS_1")
    before = tree(place / "project")
    output = targets("--dry-run")
    assert "TS_1 skipped" in output
    assert "TS_2 planned" in output
    assert tree(place / "project") == before
    targets()
    assert before.items() <= tree(place / "project").items()
    before = tree(place / "project")
    output = targets("--target-fraction", 0.6, code=1)
    assert "settings.target_fraction: 0.5 there, 0.6 now" in output
    assert tree(place / "project") == before
    targets("--target-fraction", 0.6, "--overwrite")
    assert record("TS_1")["settings"]["target_fraction"] == 0.6
    assert not temporaries(place)
    targets("--overwrite")
    assert tree(place / "project") == before


def test_other_picks_and_radii_are_another_job(place):
    targets("-r", "TS_1")
    path = run_folder(place / "config.json", "TS_1") / "Picks" / "curator_1_ribosome.json"
    content = json.loads(path.read_text())
    content["points"][0]["location"]["x"] += 1.0
    path.write_text(json.dumps(content))
    assert "input.picks.ribosome.sha256" in targets("-r", "TS_1", code=1)
    change_config(ribosome={"radius": 65.0})
    output = targets("-r", "TS_1", code=1)
    assert "was made otherwise" in output


@pytest.mark.usefixtures("place")
def test_what_others_made_is_kept():
    run = copick.from_file("config.json").get_run("TS_1")
    item = run.new_segmentation(10.0, "targets", "1", True, user_id="picker")
    item.from_numpy(np.full(SHAPE_ZYX, 9, dtype=np.uint8))
    output = targets(code=1)
    assert "TS_1 failed: targets:picker/1@10.0?multilabel=true exists and was not made by" in output
    assert "TS_2 done" in output
    assert (stored("TS_1") == 9).all()


def test_a_run_that_fails_does_not_stop_the_others(place):
    picks = run_folder(place / "config.json", "TS_1") / "Picks"
    shutil.copy(picks / "curator_1_ribosome.json", picks / "other_1_ribosome.json")
    output = targets(code=1, picks="*:*/1")
    assert "TS_1 failed: '*:*/1' matches 2 sets of ribosome" in output
    assert stored("TS_2").any()
    (picks / "other_1_ribosome.json").unlink()
    (picks / "curator_1_ribosome.json").write_text("{broken")
    output = targets("-o", "targets:picker/2", code=1)
    assert "TS_1 failed" in output
    assert stored("TS_2", "2").any()
    output = targets("-r", "TS_2,TS_3", "-o", "targets:picker/3", code=1)
    assert "TS_3 failed: no reference picks '*:curator/1'" in output
    assert stored("TS_2", "3").any()


@pytest.mark.usefixtures("place")
def test_masks_that_do_not_fit_fail_their_run():
    targets("--objects", "ribosome", "-o", "targets:picker/wide")
    masks = ("--target", "masks", "--masks", "targets:picker/wide")
    output = targets(*masks, code=1)
    assert "contains no apo-ferritin; it has: ribosome" in output
    targets(*masks, "--objects", "ribosome")
    assert np.array_equal(stored("TS_1"), stored("TS_1", "wide"))
    output = targets(*masks, "--objects", "ribosome", "-o", "targets:picker/wide", code=1)
    assert "is both masks and output" in output
    output = targets("--target", "masks", "--masks", "none:me/1", "-o", "a:b/c", code=1)
    assert "run TS_1" in output or "TS_1 failed" in output
    assert "no segmentation 'none:me/1'" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--objects", "ribosom"), "did you mean 'ribosome'?"),
        (("--radius", "ribosom=80"), "did you mean 'ribosome'?"),
        (("--radius", "ribosome"), "expected name=value"),
        (("--objects", "membrane"), "has a reference pick set of membrane '*:curator/1'"),
        (("--target", "ribosome"), "--target: got 'ribosome'"),
        (("--target-fraction", 0), "--target-fraction: got 0.0"),
        (("--target", "masks"), "masks and target: masks need each other"),
        (("--masks", "a:b/c"), "masks and target: masks need each other"),
        (("-i", "wbp@20"), "has a tomogram 'wbp@20'; they have: wbp@10.0"),
        (("-o", "targets:me_2/1"), "copick reserves '_'"),
        (("-r", "TS_9"), "no run 'TS_9'"),
        (("-p", "*:nobody/1"), "has a reference pick set '*:nobody/1'"),
        (("--radius-scale", 0.7, "--target-fraction", 0.7), "cannot be combined; use one"),
    ],
)
def test_wrong_input_is_one_clear_line(place, arguments, message):
    before = tree(place)
    assert message in targets(*arguments, code=2)
    assert tree(place) == before


def test_objects_that_cannot_be_painted_are_named(place):
    change_config(apo_ferritin={"radius": None})
    output = targets(code=2)
    assert "object 'apo-ferritin' has no radius in the project: give --radius" in output
    targets("--radius", "apo-ferritin=40", "--dry-run")
    change_config(apo_ferritin={"radius": 40.0, "label": 300})
    assert "both have label 300" in targets(code=2)
    change_config(apo_ferritin={"label": 2})
    path = run_folder(place / "config.json", "TS_1") / "Picks" / "curator_1_apo-ferritin.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "points": []}))
    assert "object 'apo-ferritin' has no picks '*:curator/1' in any of the 2" in targets(code=2)


@pytest.mark.usefixtures("place")
def test_the_spacing_of_the_output_is_the_tomograms():
    output = targets("-o", "targets:picker/1@20", code=1)
    assert "the output's spacing is 20, but the tomogram's is 10; omit it" in output
    targets("-o", "targets:picker/1@10.0")


@pytest.mark.usefixtures("place")
def test_the_words_of_octopi_mean_the_same():
    targets("--target-fraction", 0.7)
    words = ("targets", "--config", "config.json", "-uri", "wbp@10.0", "-rs", "0.7", "-puid")
    octopi = [*words, "curator", "-psid", "1", "-turi", "targets:octopi/1", "-runs", "TS_1,TS_2"]
    result = CliRunner().invoke(console, octopi)
    assert result.exit_code == 0, result.output
    for name in ("TS_1", "TS_2"):
        assert np.array_equal(stored(name, user="octopi"), stored(name))
