"""Training on small projects through the real command line: results, stops, wrong input."""

import csv
import json
import sys

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from safetensors.numpy import load_file

from copick_picker.cli.main import console
from copick_picker.records.keys import PicksKey
from copick_picker.records.runs import ObjectSpec
from killed import killed_when, server, start
from projects import copied_project, project_of

SHAPE_ZYX = (32, 40, 48)
OBJECTS = (ObjectSpec("ribosome", 1, 80.0), ObjectSpec("apo-ferritin", 3, 50.0))
DEPTH = {"ribosome": 2.5, "apo-ferritin": 3.5}
PICKS = "*:curator/1"
SMALL = (
    *("--patch", "24", "--batch-size", "4", "--threads", "1"),
    *("--parameter", "channels=[4,8]", "--parameter", "dropout=0.1"),
)

N_BACKBONE, REST = 9272, "0.003 for the other 15"


def scene(seed):
    """Return noise with dark balls in it, and their centres (x, y, z) in Angstrom by object."""
    rng = np.random.default_rng(seed)
    volume = 0.5 * rng.normal(size=SHAPE_ZYX)
    grid = np.moveaxis(np.indices(SHAPE_ZYX), 0, -1)
    points = {spec.name: [] for spec in OBJECTS}
    taken = []
    for spec in OBJECTS:
        radius = spec.radius_angstrom / 10
        while len(points[spec.name]) < 3:
            centre = rng.uniform(0.6 * radius, np.array(SHAPE_ZYX) - 1 - 0.6 * radius)
            if all(np.linalg.norm(centre - other) > radius + r for other, r in taken):
                taken.append((centre, radius))
                points[spec.name].append(10 * centre[::-1])
                inside = np.linalg.norm(grid - centre, axis=-1) < 0.8 * radius
                volume[inside] -= DEPTH[spec.name]
    return volume.astype(np.float32), {name: np.array(found) for name, found in points.items()}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return the folder of a project of four runs."""
    folder = tmp_path_factory.mktemp("training")
    tomograms, picks = {}, {}
    for seed in range(4):
        volume, points = scene(seed)
        tomograms[f"TS_{seed}"] = volume
        for name, centres in points.items():
            picks[f"TS_{seed}", PicksKey(name, "curator", "1")] = centres
    project_of(folder, tomograms, picks, objects=OBJECTS)
    return folder


@pytest.fixture
def place(made, tmp_path, monkeypatch):
    """Go to a copy of the project."""
    folder = copied_project(made, tmp_path / "place").parent
    monkeypatch.chdir(folder)
    return folder


def run(*arguments):
    return CliRunner().invoke(console, [str(part) for part in arguments])


def train(*arguments, output="model", picks=PICKS):
    return run("train", "-c", "config.json", "-p", picks, "-o", output, *SMALL, *arguments)


def change_config(place, **changes):
    path = place / "config.json"
    config = json.loads(path.read_text())
    for entry in config["pickable_objects"]:
        entry.update(changes.get(entry["name"].replace("-", "_"), {}))
    path.write_text(json.dumps(config))


def curve(folder):
    rows = list(csv.DictReader((folder / "curve.csv").read_text().splitlines()))
    return [{name: row[name] for name in row if name != "seconds"} for row in rows]


def test_a_trained_model_segments_localizes_and_evaluates(place):
    steps = ("--steps", 60, "--validate-every", 30, "--validation-runs", "TS_2,TS_3")
    result = train(*steps, "--licence", "CC0-1.0", "--json", "train.json")
    assert result.exit_code == 0, result.output
    assert "step 60 of 60" in result.output
    assert run("model", "check", "model").exit_code == 0
    card = yaml.safe_load((place / "model" / "model.yaml").read_text())
    assert [entry["name"] for entry in card["objects"]] == ["ribosome", "apo-ferritin"]
    assert card["voxel_spacing_angstrom"] == 10.0
    assert card["contrast"] == "dark"
    known = card["provenance"]
    assert known["licence"] == "CC0-1.0"
    assert list(known["data"]["validation"]["runs"]) == ["TS_2", "TS_3"]
    assert known["data"]["training"]["picks"] == {"ribosome": 6, "apo-ferritin": 6}
    assert str(place) not in json.dumps(card)
    told = json.loads((place / "train.json").read_text())["scores"]["apo-ferritin"]
    threshold = card["objects"][1]["score_threshold"]
    assert told["threshold"] == pytest.approx(threshold, abs=1e-4)
    for command in (
        ("segment", "-c", "config.json", "-m", "model", "-r", "TS_2,TS_3", "--probabilities"),
        ("localize", "-c", "config.json", "-r", "TS_2,TS_3"),
        ("evaluate", "-c", "config.json", "-r", "TS_2,TS_3", "--reference", PICKS, "--beta", 1),
    ):
        result = run(*command)
        assert result.exit_code == 0, result.output
    scores = json.loads((place / "scores" / "scores.json").read_text())
    found = {entry["object"]: entry for entry in scores["objects"]}["apo-ferritin"]
    assert found["f1"] == pytest.approx(told["f1"], abs=1e-3)
    assert found["f1"] >= 0.8


def test_a_killed_training_goes_on_to_the_same_curve_and_weights(place, tmp_path):
    steps = ["--steps", "14", "--validate-every", "7", "--save-every", "3", "--hard-negatives", "4"]
    arguments = ["train", "-c", "config.json", "-p", PICKS, *SMALL, *steps]
    assert run(*arguments, "-o", "whole").exit_code == 0
    state = place / "stopped.training" / "last.ckpt"
    process = start(server(), [*arguments, "-o", "stopped"], tmp_path / "output")
    assert killed_when(process, state.exists, 0.3), (tmp_path / "output").read_text()
    assert not (place / "stopped").exists()
    n_done = len(curve(place / "stopped.training"))
    assert 3 <= n_done < 14
    result = run(*arguments, "-o", "stopped")
    assert result.exit_code == 0, result.output
    assert "resuming from step" in result.output
    assert curve(place / "stopped") == curve(place / "whole")
    whole = (place / "whole" / "weights.safetensors").read_bytes()
    assert (place / "stopped" / "weights.safetensors").read_bytes() == whole
    assert "is complete" in run(*arguments, "-o", "stopped").output
    again = run(*arguments, "-o", "stopped", "--seed", "5")
    assert again.exit_code == 2
    assert "settings.seed: 0 there, 5 now" in again.output


def test_loader_processes_and_accumulation_change_no_result(place):
    steps = ("--steps", 3, "--validate-every", 3)
    assert train(*steps, output="none").exit_code == 0
    result = train(*steps, "--loaders", 1, output="one")
    assert result.exit_code == 0, result.output
    assert curve(place / "one") == curve(place / "none")


def test_folds_give_a_model_each_and_pooled_thresholds(place):
    result = train("--folds", 2, "--steps", 3, "--validate-every", 3, output="cv")
    assert result.exit_code == 0, result.output
    cards = [
        yaml.safe_load((place / "cv" / name / "model.yaml").read_text())
        for name in ("fold_1", "fold_2")
    ]
    held = [list(card["provenance"]["data"]["validation"]["runs"]) for card in cards]
    assert sorted(held[0] + held[1]) == ["TS_0", "TS_1", "TS_2", "TS_3"]
    assert cards[0]["provenance"]["scores"] == cards[1]["provenance"]["scores"]
    total = cards[0]["provenance"]["scores"]["objects"]["ribosome"]["reference"]
    assert total == 12
    both = ("-m", "cv/fold_1", "-m", "cv/fold_2", "--tta", 1)
    segmented = run("segment", "-c", "config.json", *both, "-r", "TS_3")
    assert segmented.exit_code == 0, segmented.output


def folds_table(place, text):
    (place / "folds.csv").write_text(text)
    return "--folds-file", "folds.csv"


def test_folds_of_a_file_leave_out_what_it_says(place):
    rows = ("tomo_id,z,fold", "TS_0,1,0", "TS_0,5,0", "TS_1,2,3", "TS_2,2,-1", "TS_3,1,3")
    table = folds_table(place, "\n".join(rows))
    result = train(*table, "--steps", 2, "--validate-every", 2, output="cv")
    assert result.exit_code == 0, result.output
    assert "1 of 4 runs left out" in result.output
    data = {}
    for name in ("fold_0", "fold_3"):
        card = yaml.safe_load((place / "cv" / name / "model.yaml").read_text())
        known = card["provenance"]["data"]
        data[name] = [list(known[side]["runs"]) for side in ("training", "validation")]
    assert data == {
        "fold_0": [["TS_1", "TS_3"], ["TS_0"]],
        "fold_3": [["TS_0"], ["TS_1", "TS_3"]],
    }
    one = train(*table, "--fold", 0, "--steps", 2, "--validate-every", 2, output="one")
    assert one.exit_code == 0, one.output
    assert curve(place / "one") == curve(place / "cv" / "fold_0")


@pytest.mark.parametrize(
    ("text", "more", "message"),
    [
        ("run,fold\nTS_0,0\nTS_1,1\n", (), "no fold for run TS_2, TS_3: add it (-1 leaves it out)"),
        ("run,fold\nTS_0,0\nTS_1,1\nTS_9,1\n", (), "no run TS_9 in the project"),
        ("run,fold\nTS_0,one\n", (), "folds.csv, row 1: fold is 'one'; expected a whole number"),
        ("run,fold\nTS_0,1.0\n", (), "row 1: fold is '1.0'"),
        ("run,fold\nTS_0,-2\n", (), "row 1: fold is '-2'"),
        ("run,fold\nTS_0\n", (), "row 1: fold is ''"),
        ("run,fold\nTS_0,0\nTS_0,1\n", (), "row 2: run TS_0 is in fold 1, and above in 0"),
        ("run,part\nTS_0,0\n", (), "has no column fold; it has: run, part"),
        ("name,fold\nTS_0,0\n", (), "has no column run or tomo_id"),
        ("", (), "it has: no rows"),
        ("run,fold\nTS_0,0\nTS_1,0\nTS_2,0\nTS_3,0\n", (), "all 4 runs are in fold 0"),
        (None, ("--fold", 2), "fold is 2; folds.csv has the folds 0, 1"),
        (None, ("--folds", 2), "folds and folds_file cannot be combined; use one"),
    ],
)
def test_a_wrong_table_of_folds_is_one_clear_line(place, text, more, message):
    if text is None:
        text = "run,fold\nTS_0,0\nTS_1,0\nTS_2,1\nTS_3,1\n"
    result = train(*folds_table(place, text), *more, "--dry-run")
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
    assert "Traceback" not in result.output


def test_a_fold_without_a_positive_is_named(place):
    empty_sets(place, "TS_0", "TS_1")
    table = folds_table(place, "run,fold\nTS_0,0\nTS_1,0\nTS_2,1\nTS_3,1\n")
    result = train(*table, "--dry-run")
    assert result.exit_code == 2
    assert "fold 0 has no 'apo-ferritin' in its validation runs (TS_0, TS_1)" in result.output


def test_a_patch_cache_changes_no_result_and_is_used_again(place):
    steps = ("--steps", 3, "--validate-every", 3, "--hard-negatives", 3)
    cache = ("--patch-cache", "fast", "--cache-readers", 2)
    dry = train(*steps, *cache, "--dry-run", output="dry")
    assert "fast: 0 of 4 tomograms exist already" in dry.output
    assert not (place / "fast").exists()
    assert train(*steps, output="plain").exit_code == 0
    result = train(*steps, *cache, output="cached")
    assert result.exit_code == 0, result.output
    assert "TS_3 done: wbp@10.0 copied to fast" in result.output
    assert curve(place / "cached") == curve(place / "plain")
    weights = [(place / name / "weights.safetensors").read_bytes() for name in ("plain", "cached")]
    assert weights[0] == weights[1]
    stored = {path: path.stat().st_mtime_ns for path in (place / "fast").rglob("*")}
    assert len([path for path in stored if path.name == "volume.npy"]) == 4
    again = train(*steps, *cache, "--loaders", 1, output="again")
    assert again.exit_code == 0, again.output
    assert "fast: 4 of 4 tomograms exist already" in again.output
    assert curve(place / "again") == curve(place / "plain")
    assert stored == {path: path.stat().st_mtime_ns for path in (place / "fast").rglob("*")}


def test_masks_are_cached_too(place):
    assert run("targets", "-c", "config.json", "-p", PICKS, "-o", "truth:curator/1").exit_code == 0
    masks = ("--target", "masks", "--masks", "truth:curator/1@10.0", "--steps", 2)
    assert train(*masks, "--validate-every", 2, output="plain").exit_code == 0
    result = train(*masks, "--validate-every", 2, "--patch-cache", "fast", output="cached")
    assert result.exit_code == 0, result.output
    assert "fast: 0 of 4 masks exist already" in result.output
    assert curve(place / "cached") == curve(place / "plain")


def test_a_patch_cache_that_cannot_be_used_is_one_clear_line(place):
    (place / "fast").write_text("a file")
    result = train("--steps", 1, "--patch-cache", "fast")
    assert result.exit_code == 2
    assert "--patch-cache: run TS_0: cannot write fast/" in result.output
    assert (place / "fast").read_text() == "a file"
    assert not (place / "model.training").exists()


SCENE = """
shape: [32, 40, 48]
voxel_spacing: 12
objects:
  apo-ferritin: {molecule: "blob:400", count: [2, 4], radius_angstrom: 60, allow_fewer: true}
  ribosome: {molecule: "blob:2000", count: [1, 3], radius_angstrom: 90, allow_fewer: true}
imaging: {path: quick}
"""
STAGES = """
stages:
- steps: 3
  sources: [{scene: scene.yaml, share: 1}]
- steps: 3
  sources:
  - {scene: scene.yaml, share: 0.3}
  - {project: config.json, share: 0.4}
  - {project: other/config.json, share: 0.3}
- sources: [{project: config.json, share: 1}]
"""


def curriculum(place, text=STAGES, scene=SCENE):
    """Write a curriculum of a scene, the project and a copy of it."""
    (place / "scene.yaml").write_text(scene)
    (place / "stages.yaml").write_text(text)
    copied_project(place, place / "other")
    return "--curriculum", "stages.yaml"


def test_a_curriculum_goes_from_simulated_to_real_and_can_be_resumed(place, tmp_path):
    steps = ("--steps", 8, "--validate-every", 8, "--save-every", 2)
    stages = curriculum(place)
    whole = train(*steps, *stages, output="whole")  # in a loader process
    assert whole.exit_code == 0, whole.output
    assert "scene scene.yaml 0.3, project config.json 0.4, project other/config.json 0.3" in (
        " ".join(whole.output.split())
    )
    card = yaml.safe_load((place / "whole" / "model.yaml").read_text())
    told = card["provenance"]["data"]["curriculum"]
    assert [stage["first_step"] for stage in told] == [0, 3, 6]
    assert told[2]["shares"] == {"project config.json": 1.0}
    arguments = ["train", "-c", "config.json", "-p", PICKS, *SMALL, *map(str, (*steps, *stages))]
    arguments += ["--loaders", "0"]
    state = place / "stopped.training" / "last.ckpt"
    process = start(server(), [*arguments, "-o", "stopped"], tmp_path / "output")
    assert killed_when(process, state.exists, 0.0), (tmp_path / "output").read_text()
    result = run(*arguments, "-o", "stopped")
    assert result.exit_code == 0, result.output
    assert curve(place / "stopped") == curve(place / "whole")
    (place / "scene.yaml").write_text(SCENE.replace("[1, 3]", "[2, 3]"))
    again = run(*arguments, "-o", "stopped")
    assert again.exit_code == 2
    assert "objects.ribosome.count: [1.0, 3.0] there, [2.0, 3.0] now" in again.output


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (STAGES.replace("share: 0.4", "shares: 0.4"), "unknown key 'shares'; did you mean 'share'"),
        (STAGES.replace("share: 0.4", "share: 0.5"), "the shares of the sources sum to 1.1"),
        (STAGES.replace("other/config", "none/config"), "project none/config.json: "),
        (STAGES.replace("scene.yaml", "no.yaml"), "scene no.yaml: cannot read no.yaml"),
        ("stages: [{sources: [{preset: tinny, share: 1}]}]", "no preset 'tinny'"),
        (
            "stages: [{sources: [{preset: shrec-like, share: 1}]}]",
            "preset shrec-like has no ribosome, apo-ferritin; its objects: ",
        ),
        ("stages: 3", "stages.yaml: stages: got 3"),
    ],
)
def test_a_wrong_curriculum_is_one_clear_line(place, text, message):
    result = train(*curriculum(place, text), "--dry-run")
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
    assert "Traceback" not in result.output


def test_a_curriculums_project_without_an_object_is_named(place):
    stages = curriculum(place)
    runs = place / "other" / "project" / "ExperimentRuns"
    for path in runs.glob("*/Picks/curator_1_ribosome.json"):
        path.unlink()
    result = train(*stages, "--dry-run")
    assert result.exit_code == 2
    assert "project other/config.json: object 'ribosome' has no picks" in result.output


def test_a_stage_after_the_end_is_said(place):
    result = train(*curriculum(place), "--steps", 5, "--dry-run")
    assert result.exit_code == 0, result.output
    assert "stage 3 of stages.yaml begins at step 6, and --steps 5 ends the training" in (
        " ".join(result.output.split())
    )


def test_weights_of_another_model_are_taken_over_and_can_be_held_still(place):
    assert train("--steps", 2, "--validate-every", 2, output="first").exit_code == 0
    frozen = ("--start", "first", "--backbone-rate", 0, "--objects", "ribosome")
    result = run(
        *("train", "-c", "config.json", "-p", PICKS, "-o", "second", "--threads", 1),
        *("--steps", 2, "--batch-size", 2, "--validate-every", 2, "--hard-negatives", 5, *frozen),
    )
    assert result.exit_code == 0, result.output
    assert "tensors loaded; 2 of another shape (head.weight" in result.output
    first = load_file(place / "first" / "weights.safetensors")
    second = load_file(place / "second" / "weights.safetensors")
    assert np.array_equal(first["stem.weight"], second["stem.weight"])
    assert len(second["head.bias"]) == 2
    card = yaml.safe_load((place / "second" / "model.yaml").read_text())
    assert card["window_voxels"] == [24, 24, 24]
    assert card["provenance"]["started_from"] == "first"


def test_a_backbone_without_a_start_learns_at_its_own_rate(place):
    steps = ("--steps", 3, "--validate-every", 3, "--warmup-share", 0, "--average-decay", 0)
    initial = train(*steps, "--backbone-rate", 0, output="held")
    assert initial.exit_code == 0, initial.output
    told = next(line for line in initial.output.splitlines() if "learning rate" in line)
    assert told.strip() == f"learning rate 0 for {N_BACKBONE:,} weights of the backbone, {REST}"
    slow = train(*steps, "--backbone-rate", 0.1, output="slow")
    assert f"learning rate 0.0003 for {N_BACKBONE:,} weights of the" in slow.output
    same = train(*steps, output="same")
    assert "learning rate" not in same.output
    held, slow, same = (
        load_file(place / name / "weights.safetensors") for name in ("held", "slow", "same")
    )
    moved = [np.abs(state["stem.weight"] - held["stem.weight"]).max() for state in (slow, same)]
    assert 0 < 4 * moved[0] < moved[1]
    heads = [np.abs(state["head.bias"] - [3, 0, 0]).max() for state in (held, slow, same)]
    assert min(heads) > 1e-3


def empty_sets(place, *names):
    """Say of runs that nothing is in them: their sets are there, without a pick."""
    for name in names:
        for spec in OBJECTS:
            path = place / "project" / "ExperimentRuns" / name / "Picks"
            path /= f"curator_1_{spec.name}.json"
            path.write_text(json.dumps(json.loads(path.read_text()) | {"points": []}))


def test_patches_by_kind_tell_their_losses_and_runs_without_a_pick_are_used(place):
    empty_sets(place, "TS_0", "TS_1")
    kinds = ("--patch-kinds", "single=3,hard-negative=1,negative=2", "--patch", 16)
    steps = ("--steps", 8, "--validate-every", 4, "--folds", 2, "--fold", 1)
    result = train(*kinds, *steps)
    assert result.exit_code == 0, result.output
    rows = curve(place / "model")
    columns = ["loss single", "loss hard-negative", "loss negative"]
    assert list(rows[0])[3:6] == columns
    assert all(any(row[name] for row in rows) for name in columns)
    for row in rows:  # the mean of the patches of a batch lies between the kinds' means
        values = [float(row[name]) for name in columns if row[name]]
        assert min(values) <= float(row["loss"]) * 1.2
    data = yaml.safe_load((place / "model" / "model.yaml").read_text())["provenance"]["data"]
    for side in ("training", "validation"):  # an empty run on each side, evenly
        names = set(data[side]["runs"])
        assert len(names) == 2
        assert len(names & {"TS_0", "TS_1"}) == 1


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("FeaturePyramid", "channels=[4,8,8] output_stride=4 norm=group dropout=0.1"),
        ("ResNet", "depth=18 width=4 output_stride=8 norm=instance dropout=0"),
    ],
)
def test_networks_with_a_stride_train_and_segment(name, parameters):
    given = [word for each in parameters.split() for word in ("--parameter", each)]
    result = run(
        *("train", "-c", "config.json", "-p", PICKS, "-o", "model", "--threads", 1),
        *("--patch", 24, "--batch-size", 2, "--steps", 2, "--validate-every", 2),
        *("--architecture", name, *given),
    )
    assert result.exit_code == 0, result.output
    assert run("model", "check", "model").exit_code == 0
    shown = run("model", "show", "model")
    assert name in shown.output
    result = run("segment", "-c", "config.json", "-m", "model", "-r", "TS_3", "--tta", 1)
    assert result.exit_code == 0, result.output
    wrong = run(
        *("train", "-c", "config.json", "-p", PICKS, "-o", "other", "--dry-run", "--patch", 22),
        *("--architecture", name, *given),
    )
    assert wrong.exit_code == 2
    assert "needs sides that are multiples of" in wrong.output


@pytest.mark.parametrize("kind", ["points", "gaussian"])
def test_targets_without_a_size_are_picked_by_peaks(place, kind):
    result = train("--target", kind, "--steps", 2, "--validate-every", 2)
    assert result.exit_code == 0, result.output
    assert "localize -c config.json --method peaks" in (place / "model" / "README.md").read_text()


def test_half_precision_trains_weights_of_full_precision(place):
    result = train("--precision", "bf16", "--steps", 2, "--validate-every", 2)
    assert result.exit_code == 0, result.output
    state = load_file(place / "model" / "weights.safetensors")
    assert {value.dtype.name for value in state.values() if value.dtype.kind == "f"} == {"float32"}


def test_a_loss_that_is_no_number_stops_with_the_runs_of_the_batch(place):
    result = train(
        "--steps", 40, "--validate-every", 20, "--save-every", 1, "--learning-rate", 1e30
    )
    assert result.exit_code == 1
    assert "the loss became nan at step" in result.output
    assert "of runs TS_" in result.output
    assert (place / "model.training" / "last.ckpt").exists()
    assert not (place / "model").exists()


def test_nothing_is_written_on_a_dry_run(place):
    before = sorted(place.iterdir())
    result = train("--dry-run")
    assert result.exit_code == 0, result.output
    assert sorted(place.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-r", "TS_1"), "there is only one run (TS_1)"),
        (("--validation-runs", "TS_9"), "no run 'TS_9'"),
        (("--folds", 9), "9 folds of 4 runs"),
        (("--folds", 2, "--fold", 3), "fold is 3; expected 1 to the number of folds (2)"),
        (("--patch", 96), "run TS_"),
        (("--patch", 25), "needs sides that are multiples of 4"),
        (("--objects", "ribosom"), "did you mean 'ribosome'?"),
        (("--patch-kinds", "singel=1"), "no kind of patch 'singel'; did you mean 'single'?"),
        (("--patch-kinds", "single"), "got 'single'; expected name=value"),
        (("--loss", "tverski"), "did you mean 'tversky'?"),
        (("--augmentations", "flip"), "no augmentation 'flip'"),
        (("--architecture", "Unit"), "no architecture 'Unit'"),
        (("--start", "nowhere"), "no model folder 'nowhere'"),
        (("--start", "best_model.pth"), "need --start-config"),
        (("--start", "simulated-10a"), "the weights belong to another architecture"),
        (("--target", "masks"), "masks and target: masks need each other"),
        (("--validation-split", "val"), "validation_split needs split"),
        (("--precision", "fp16", "--device", "cpu"), "a CPU trains in float32 or bf16"),
    ],
)
def test_wrong_input_is_one_clear_line(place, arguments, message):
    result = train(*arguments, "--dry-run")
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output
    assert not (place / "model.training").exists()


def test_an_object_without_picks_or_radius_is_named(place):
    result = train("--dry-run", picks="*:nobody/1")
    assert result.exit_code == 2
    assert "'*:nobody/1'" in result.output
    change_config(place, apo_ferritin={"radius": None})
    result = train("--dry-run")
    assert "object 'apo-ferritin' has no radius in the project" in result.output
    assert train("--dry-run", "--radius", "apo-ferritin=50").exit_code == 0
    change_config(place, apo_ferritin={"radius": 50.0, "label": 1})
    result = train("--dry-run")
    assert result.exit_code == 2
    assert "label" in result.output


def test_an_object_that_only_one_side_of_a_split_has_is_named(place):
    runs = place / "project" / "ExperimentRuns"
    for name in ("TS_1", "TS_2", "TS_3"):
        (runs / name / "Picks" / "curator_1_apo-ferritin.json").unlink()
    result = train("--folds", 2, "--dry-run")
    assert result.exit_code == 2
    assert "has no 'apo-ferritin' in its" in result.output
    assert "only in TS_0" in result.output


def test_an_existing_folder_is_kept(place):
    (place / "model").mkdir()
    (place / "model" / "notes.txt").write_text("mine")
    assert "was not made by this training" in train("--steps", 1).output
    result = train("--steps", 1, "--overwrite")
    assert "contains other things than models" in result.output
    assert (place / "model" / "notes.txt").read_text() == "mine"


@pytest.mark.usefixtures("place")
def test_without_the_extra_the_command_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "lightning", None)
    result = train("--dry-run")
    assert result.exit_code == 2
    assert "pip install 'copick-picker[train]'" in result.output
