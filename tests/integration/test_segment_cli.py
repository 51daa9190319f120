"""``segment`` through the real command line, on real copick projects on disk."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import copick
import numpy as np
import pytest
import yaml
import zarr
from click.testing import CliRunner

from benchmarks import memory
from copick_picker.cli.main import console
from copick_picker.project.copick.store import open_project
from copick_picker.records.keys import TomogramKey
from copick_picker.records.runs import ObjectSpec
from patience import HANG_SECONDS
from projects import project_of, run_folder, temporaries, tree

FIXTURES = Path(__file__).parents[1] / "fixtures" / "octopi"
UNET = FIXTURES / "Unet"
OBJECTS = (
    ObjectSpec("ribosome", 2, 150.0),
    ObjectSpec("apo-ferritin", 7, 60.0),
    ObjectSpec("virus-like-particle", 9, 135.0),
)
TOMOGRAM = TomogramKey("wbp", 10.0)
FAST = ["--tta", "1", "--overlap", "0"]


def run(*arguments, code=0):
    """Run the console script and return its output, all in one line."""
    result = CliRunner().invoke(console, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


def volume():
    with np.load(FIXTURES / "input.npz") as stored:
        return stored["volume"]


@pytest.fixture
def crop():
    return volume()[:20, :44, :60]


@pytest.fixture
def config(tmp_path, crop):
    tomograms = {name: crop + number for number, name in enumerate(["TS_1", "TS_2", "TS_3"])}
    return project_of(tmp_path / "p", tomograms, {}, objects=OBJECTS, tomogram=TOMOGRAM)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "unet"
    pair = ["-mc", UNET / "model_config.yaml", "-mw", UNET / "best_model.pth"]
    run("model", "convert", *pair, "-o", folder)
    return folder


def segmentation(config, run_name, name="predict", user="picker", session="1"):
    found = (
        copick.from_file(str(config))
        .get_run(run_name)
        .get_segmentations(name=name, user_id=user, session_id=session)
    )
    assert len(found) == 1
    return found[0]


def test_labels_are_the_projects_and_equal_octopis(tmp_path):
    """Labels on disk are octopi's labels, renamed to those of the project."""
    config = project_of(tmp_path, {"a": volume()}, {}, objects=OBJECTS, tomogram=TOMOGRAM)
    pair = ["-mc", UNET / "model_config.yaml", "-mw", UNET / "best_model.pth"]
    run("segment", "-c", config, *pair, "--mode", "exact")
    with np.load(UNET / "expected.npz") as expected:
        labels = expected["labels_ntta4"]
        tie = np.unpackbits(expected["near_tie_ntta4"])[: labels.size].reshape(labels.shape)
    stored = segmentation(config, "a")
    assert stored.is_multilabel
    renamed = np.array([0, 7, 2, 9], dtype=np.uint8)[labels]
    assert np.array_equal(stored.numpy()[tie == 0], renamed[tie == 0])


def test_a_second_time_everything_is_skipped_and_no_byte_changes(config, model):
    run("segment", "-c", config, "-m", model, *FAST, "--probabilities")
    before = tree(config.parent)
    output = run("segment", "-c", config, "-m", model, *FAST, "--probabilities")
    assert "3 skipped" in output
    assert tree(config.parent) == before


def test_other_settings_are_refused_with_the_difference_and_overwrite_replaces(config, model):
    run("segment", "-c", config, "-m", model, *FAST)
    before = tree(config.parent)
    output = run("segment", "-c", config, "-m", model, "--tta", "2", "--overlap", "0", code=1)
    assert "settings.tta: stored 1, requested 2" in output
    assert "--overwrite" in output
    assert tree(config.parent) == before
    run("segment", "-c", config, "-m", model, "--tta", "2", "--overlap", "0", "--overwrite")
    assert "3 skipped" in run("segment", "-c", config, "-m", model, "--tta", "2", "--overlap", "0")


def test_segmentations_of_others_are_kept(config, model, crop):
    root = copick.from_file(str(config))
    other = root.get_run("TS_2").new_segmentation(10.0, "predict", "1", True, user_id="picker")
    other.from_numpy(np.ones(crop.shape, np.uint8))
    output = run("segment", "-c", config, "-m", model, *FAST, code=1)
    assert "2 done, 1 failed" in output
    assert "not made by this tool" in output
    assert (segmentation(config, "TS_2").numpy() == 1).all()


def test_probabilities_are_a_feature_with_the_right_spacing(config, model, crop):
    run("segment", "-c", config, "-m", model, *FAST, "--probabilities", "-r", "TS_1")
    tomogram = copick.from_file(str(config)).get_run("TS_1").get_voxel_spacing(10.0).tomograms[0]
    feature = tomogram.get_features("predict-picker-1-probabilities")
    values = feature.numpy()
    assert values.shape == (4, *crop.shape)
    assert values.dtype == np.float16
    np.testing.assert_allclose(values.astype(np.float32).sum(0), 1, atol=2e-3)
    channels = np.array([0, 7, 2, 9])
    labels = segmentation(config, "TS_1").numpy()
    agree = channels[values.argmax(0)] == labels
    assert agree.mean() > 0.99


def test_objects_and_object_map(config, model):
    run("segment", "-c", config, "-m", model, *FAST, "-r", "TS_1", "--objects", "ribosome")
    assert set(np.unique(segmentation(config, "TS_1").numpy())) == {0, 2}
    swap = ["--object-map", "ribosome=apo-ferritin", "--object-map", "apo-ferritin=ribosome"]
    run("segment", "-c", config, "-m", model, *FAST, "-r", "TS_1", "-o", "swap:me/2", *swap)
    straight = run("segment", "-c", config, "-m", model, *FAST, "-r", "TS_1", "-o", "all:me/2")
    assert straight
    swapped = segmentation(config, "TS_1", "swap", "me", "2").numpy()
    labels = segmentation(config, "TS_1", "all", "me", "2").numpy()
    assert np.array_equal(swapped == 7, labels == 2)
    assert np.array_equal(swapped == 2, labels == 7)


def test_of_20_runs_with_3_broken_17_are_finished_and_3_named(tmp_path, crop, model):
    """The broken ones: a NaN voxel, a constant volume, a store without its array."""
    tomograms = {f"TS_{number:02d}": crop + number for number in range(1, 21)}
    tomograms["TS_04"] = crop.copy()
    tomograms["TS_04"][3, 4, 5] = np.nan
    tomograms["TS_11"] = np.full_like(crop, 2)
    config = project_of(tmp_path, tomograms, {}, objects=OBJECTS, tomogram=TOMOGRAM)
    shutil.rmtree(run_folder(config, "TS_17") / "VoxelSpacing10.000" / "wbp.zarr" / "0")
    summary = tmp_path / "summary.json"
    output = run("segment", "-c", config, "-m", model, *FAST, "--json", summary, code=1)
    assert "20 runs: 17 done, 3 failed (failed: TS_04, TS_11, TS_17)" in output
    content = json.loads(summary.read_text())
    assert content["counts"] == {"done": 17, "failed": 3}
    messages = {entry["run"]: entry["message"] for entry in content["runs"]}
    assert "1 voxels that are NaN" in messages["TS_04"]
    assert "constant" in messages["TS_11"]
    assert "wbp@10.0" in messages["TS_17"]
    done = [name for name in tomograms if name not in ("TS_04", "TS_11", "TS_17")]
    assert all(segmentation(config, name).numpy().shape == crop.shape for name in done)
    root = copick.from_file(str(config))
    assert not root.get_run("TS_04").segmentations
    output = run("localize", "-c", config, "--json", summary)
    assert "17 done, 3 absent" in output.replace("3 absent, 17 done", "17 done, 3 absent")


def test_runs_without_the_tomogram_are_absent_unless_named(config, model, crop):
    copick.from_file(str(config)).new_run("TS_4")
    assert "1 absent, 3 done" in run("segment", "-c", config, "-m", model, *FAST)
    output = run("segment", "-c", config, "-m", model, *FAST, "-r", "TS_4", code=1)
    assert "run TS_4 has no tomogram" in output or "has no tomogram '*'; it has: none" in output
    assert crop.ndim == 3


def test_picks_come_at_once_when_asked_for(config, model, tmp_path):
    """The same picks as localize makes of the same segmentation; a second time all is skipped."""
    summary = tmp_path / "summary.json"
    both = ("segment", "-c", config, "-m", model, *FAST, "--picks", "*:picker/1")
    output = run(*both, "--json", summary)
    assert "segment: 3 runs: 3 done" in output
    run("localize", "-c", config, "-o", "*:again/1")
    root = copick.from_file(str(config))
    for name in ("TS_1", "TS_2", "TS_3"):
        for spec in OBJECTS:
            item = root.get_run(name)
            at_once = item.get_picks(spec.name, user_id="picker")[0].full_positions()
            again = item.get_picks(spec.name, user_id="again")[0].full_positions()
            assert np.array_equal(at_once, again)
    assert set(json.loads(summary.read_text())["picks"]) == {spec.name for spec in OBJECTS}
    assert "3 skipped" in run(*both)


def test_a_run_whose_picks_fail_has_failed(config, model):
    other = run_folder(config, "TS_2") / "Picks" / "picker_1_ribosome.json"
    run("segment", "-c", config, "-m", model, *FAST)
    run("localize", "-c", config, "-o", "*:other/1", "-r", "TS_2")
    shutil.copy(other.parent / "other_1_ribosome.json", other)
    output = run("segment", "-c", config, "-m", model, *FAST, "--picks", "*:picker/1", code=1)
    assert "failed: TS_2" in output


def test_dry_run_writes_nothing(config, model):
    before = tree(config.parent)
    output = run("segment", "-c", config, "-m", model, "--dry-run")
    assert "3 planned" in output
    assert tree(config.parent) == before


def test_contrast_is_flipped_when_it_is_said(tmp_path, model, crop):
    tomograms = {"dark": crop, "bright": -crop}
    config = project_of(tmp_path, tomograms, {}, objects=OBJECTS, tomogram=TOMOGRAM)
    run("segment", "-c", config, "-m", model, *FAST, "-r", "dark")
    output = run("segment", "-c", config, "-m", model, *FAST, "-r", "bright", "--dry-run")
    assert "try --contrast bright" in output
    run("segment", "-c", config, "-m", model, *FAST, "-r", "bright", "--contrast", "bright")
    dark, bright = (segmentation(config, name).numpy() for name in ("dark", "bright"))
    assert (dark != bright).mean() < 1e-4
    group = zarr.open(segmentation(config, "bright").zarr(), mode="r")
    assert '"flipped": true' in json.dumps(dict(group.attrs))


def test_another_spacing_stops_the_run_and_rescale_acts_on_it(tmp_path, model, crop):
    config = project_of(
        tmp_path, {"a": crop}, {}, objects=OBJECTS, tomogram=TomogramKey("wbp", 13.0)
    )
    output = run("segment", "-c", config, "-m", model, *FAST, code=1)
    assert "spacing is 13 A, the model's 10 A" in output
    run("segment", "-c", config, "-m", model, *FAST, "--rescale")
    assert segmentation(config, "a").numpy().shape == crop.shape


def test_a_volume_smaller_than_the_window_is_no_error(tmp_path, model, crop):
    config = project_of(tmp_path, {"a": crop[:7, :9, :11]}, {}, objects=OBJECTS, tomogram=TOMOGRAM)
    run("segment", "-c", config, "-m", model, *FAST)
    assert segmentation(config, "a").numpy().shape == (7, 9, 11)


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        (["-i", "wbp@10.012"], ["none of the 3 runs has a tomogram 'wbp@10.012'", "wbp@10.0"]),
        (["-i", "denoised"], ["'denoised'", "wbp@10.0"]),
        (["-i", "wbp@ten"], ["spacing is 'ten'"]),
        (["-o", "a:b:c"], ["expected name:user/session"]),
        (["-o", "0.5"], ["use --overlap"]),
        (["-o", "predict:my_user/1"], ["user is 'my_user'"]),
        (["-r", "TS_9"], ["no run 'TS_9'", "TS_1, TS_2, TS_3"]),
        (
            ["--objects", "ribosom"],
            ["no object 'ribosom'; did you mean 'ribosome'", "apo-ferritin"],
        ),
        (["--object-map", "x=ribosome"], ["finds no 'x'", "ribosome"]),
        (["--object-map", "ribosome=apo-ferritin"], ["two objects of the model map to"]),
        (["--overlap", "0.95"], ["--overlap: got 0.95"]),
        (["--tta", "9"], ["--tta: got 9"]),
        (["--mode", "quick"], ["--mode: got 'quick'"]),
        (["--device", "cuda:77"], ["cuda:77"]),
        (["--settings", "none.yaml"], ["none.yaml"]),
    ],
)
def test_a_wrong_option_is_one_line_and_writes_nothing(config, model, arguments, texts):
    before = tree(config.parent)
    output = run("segment", "-c", config, "-m", model, *arguments, code=2)
    for text in texts:
        assert text in output
    assert "Traceback" not in output
    assert tree(config.parent) == before


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["segment", "-c", "none.json", "-m", "x"], "none.json"),
        (["segment", "-m", "x"], "'--config' is missing"),
        (["segmnt"], "did you mean 'segment'"),
    ],
)
def test_without_a_project(arguments, text, monkeypatch, tmp_path):
    monkeypatch.delenv("COPICK_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    assert text in run(*arguments, code=2)


def test_names_that_the_project_lacks_list_both_sides(tmp_path, model, crop):
    config = project_of(tmp_path, {"a": crop}, {}, objects=OBJECTS[:2], tomogram=TOMOGRAM)
    output = run("segment", "-c", config, "-m", model, code=2)
    assert "no object 'virus-like-particle' in the project" in output
    assert "the model finds: apo-ferritin, ribosome, virus-like-particle" in output
    assert "the project has: ribosome, apo-ferritin" in output


def test_two_tomograms_where_one_is_meant_lists_both(config, model, crop):
    spacing = copick.from_file(str(config)).get_run("TS_1").get_voxel_spacing(10.0)
    spacing.new_tomogram("denoised").from_numpy(crop)
    output = run("segment", "-c", config, "-m", model, *FAST, code=1)
    assert "matches 2 items, but exactly one tomogram is needed: denoised@10.0, wbp@10.0" in output
    assert "2 done, 1 failed" in output


def test_an_interrupt_leaves_whole_results_and_the_rest_is_done_later(config, model):
    arguments = ["segment", "-c", str(config), "-m", str(model), "--tta", "8"]
    program = [sys.executable, "-m", "copick_picker", *arguments]
    process = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    while "TS_1" not in (line := process.stdout.readline()) or "done" not in line:
        assert process.poll() is None, process.stderr.read()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=HANG_SECONDS)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert "run the same command again" in errors
    assert not temporaries(config.parent)
    output = run(*arguments)
    assert "skipped" in output
    assert "failed" not in output
    for name in ("TS_1", "TS_2", "TS_3"):
        assert segmentation(config, name).numpy().any()


def test_the_same_job_gives_the_same_bytes(config, model):
    job = ["segment", "-c", config, "-m", model, *FAST, "--probabilities", "-r", "TS_1"]
    run(*job)
    before = tree(config.parent)
    run(*job, "--overwrite")
    assert tree(config.parent) == before


def test_runs_that_fail_while_others_are_read_and_written_leave_nothing(config, model, tmp_path):
    """The second run's store cannot be written: its neighbours are whole."""
    folder = run_folder(config, "TS_2") / "Segmentations"
    folder.write_text("a file where a folder is needed")
    summary = tmp_path / "summary.json"
    output = run("segment", "-c", config, "-m", model, *FAST, "--json", summary, code=1)
    assert "3 runs: 2 done, 1 failed (failed: TS_2)" in output
    assert not temporaries(config.parent)
    folder.unlink()
    assert "1 done, 2 skipped" in run("segment", "-c", config, "-m", model, *FAST)


def test_windows_outside_the_mask_and_constant_ones_are_counted(tmp_path, crop, model):
    filled = np.tile(crop, (3, 2, 1))[:48, :48, :48]
    volume = np.concatenate([filled, np.zeros((48, 48, 144), np.float32)], axis=2)
    config = project_of(tmp_path / "p", {"a": volume}, {}, objects=OBJECTS, tomogram=TOMOGRAM)
    summary = tmp_path / "summary.json"
    options = ["--mode", "exact", *FAST, "--json", summary]
    output = run("segment", "-c", config, "-m", model, *options)
    windows = json.loads(summary.read_text())["runs"][0]["windows"]
    assert (windows["all"], windows["constant"], windows["skipped"]) == (4, 2, 2)
    assert f"{windows['skipped']} of {windows['all']} windows skipped" in output


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak memory from /proc")
def test_the_peak_memory_of_the_command_does_not_grow_with_depth(tmp_path):
    """40 classes: the logits of the planes that are added would be 360 MiB."""
    peaks = []
    for depth in (64, 208):
        folder = tmp_path / str(depth)
        project = memory.memory_project(folder / "p", (depth, 128, 128), objects=39)
        thin = memory.thin_model(folder / "m", network="unet", classes=40, window=32)
        options = ["--mode", "exact", "--tta", "1", "--overlap", "0"]
        peaks.append(memory.peak_of_segment(project, thin, *options)["peak_mib"])
    logits = 40 * 4 * (208 - 64) * 128 * 128 / 2**20
    assert peaks[1] - peaks[0] < 0.25 * logits


def test_nan_is_filled_on_demand_and_said(tmp_path, crop, model):
    broken = crop.copy()
    broken[3, 4, 5], broken[7, 8, 9] = np.nan, np.inf
    config = project_of(tmp_path, {"TS_1": broken}, {}, objects=OBJECTS, tomogram=TOMOGRAM)
    summary = tmp_path / "summary.json"
    words = ("segment", "-c", config, "-m", model, *FAST, "--json", summary)
    output = run(*words, "--fill-nan")
    said = "run TS_1: 2 NaN or infinite voxels are replaced with the median"
    assert " ".join(output.split()).count(said) == 1
    (entry,) = json.loads(summary.read_text())["runs"]
    assert "2 NaN or infinite voxels" in entry["cleaning"][0]
    assert "2 voxels that are NaN or infinite" in run(*words, code=1)
    plain = project_of(tmp_path / "b", {"TS_1": crop}, {}, objects=OBJECTS, tomogram=TOMOGRAM)
    run("segment", "-c", plain, "-m", model, *FAST)
    same = segmentation(config, "TS_1").numpy() == segmentation(plain, "TS_1").numpy()
    assert same.mean() > 0.99


@pytest.mark.parametrize(
    ("where", "what"),
    [(np.s_[:], "whole planes across z"), (np.s_[:, 4:7], "3 whole planes across y")],
)
def test_whole_planes_of_nan_are_not_filled(tmp_path, crop, model, where, what):
    broken = crop.copy()
    broken[where] = np.nan
    config = project_of(tmp_path, {"TS_1": broken}, {}, objects=OBJECTS, tomogram=TOMOGRAM)
    output = run("segment", "-c", config, "-m", model, *FAST, "--fill-nan", code=1)
    assert what in output
    assert "--fill-nan only fills single voxels" in output


def test_a_hot_voxel_changes_hardly_a_label(tmp_path, crop, model):
    """Octopi's model sees every voxel unless told otherwise; our own draws outliers in."""
    hot = crop.copy()
    hot[9, 20, 30] = crop.mean() + 5000.0 * crop.std()
    tomograms = {"cold": crop, "hot": hot}
    config = project_of(tmp_path, tomograms, {}, objects=OBJECTS, tomogram=TOMOGRAM)

    def shares(output, *words):
        text = run("segment", "-c", config, *FAST, "-o", output, *words)
        name, rest = output.split(":")
        cold, hot = (segmentation(config, r, name, *rest.split("/")).numpy() for r in tomograms)
        return (cold == hot).mean(), text

    agree, text = shares("plain:a/1", "-m", model)
    assert agree < 0.8
    assert "1 voxels lie more than 20 standard deviations out (gold, a detector fault): try" in text
    agree, text = shares("clipped:a/1", "-m", model, "--clip", "20")
    assert agree > 0.95
    assert "20 standard deviations (gold, a detector fault) are clipped" in text
    names = "ribosome,apo-ferritin"
    agree, text = shares("own:a/1", "-m", "simulated-10a", "--objects", names)
    assert agree > 0.99
    said = "run hot: 1 voxels beyond 20 standard deviations (gold, a detector fault) are clipped"
    assert " ".join(text.split()).count(said) == 1


def test_thresholds_that_are_not_applied_are_said(config, model, tmp_path):
    """Without stored scores they are fills, of which a model's thresholds say nothing."""
    card = tmp_path / "learned"
    shutil.copytree(model, card)
    text = (card / "model.yaml").read_text()
    content = yaml.safe_load(text)
    for entry in content["objects"]:
        entry["score_threshold"] = 0.625
    (card / "model.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    ways = (("none", ("--no-scores",), True), ("shares", ("--probabilities",), False))
    for name, words, is_said in (*ways, ("plain", (), False)):
        labels = f"{name}:me/1"
        run("segment", "-c", config, "-m", card, *FAST, "-r", "TS_1", "-o", labels, *words)
        summary = tmp_path / f"{name}.json"
        line = ("localize", "-c", config, "-i", labels, "-r", "TS_1", "-o", f"*:{name}/1")
        output = run(*line, "--objects", "ribosome", "--radius", "ribosome=60", "--json", summary)
        kind = "fill" if is_said else "probability"
        assert json.loads(summary.read_text())["objects"]["ribosome"]["score_kinds"] == [kind]
        assert ("the model's thresholds (ribosome 0.625) are not applied" in output) == is_said
        assert kind in output
        sidecar = run_folder(config, "TS_1") / "Picks" / f"{name}_1_ribosome.provenance.yaml"
        assert bool(yaml.safe_load(sidecar.read_text()).get("remarks")) == is_said


@pytest.mark.parametrize("words", [(), ("--rescale",), ("--mask", "cut:me/1")])
def test_picks_have_the_scores_of_all_class_probabilities(config, model, words):
    """The score volume of every segmentation gives the picks of --probabilities, bit for bit."""
    if "--mask" in words:
        run(
            "mask", "exclude-edges", "-c", config, "-r", "TS_1", "-o", "cut:me/1", "--margin-xy", 60
        )
    lines = []
    for name, more in (("shares", ("--probabilities",)), ("plain", ()), ("once", ("--picks",))):
        labels, picks = f"{name}:me/1", f"*:{name}/1"
        more = (*more, picks) if more == ("--picks",) else more
        run("segment", "-c", config, "-m", model, *FAST, "-r", "TS_1", "-o", labels, *words, *more)
        if name != "once":
            run("localize", "-c", config, "-i", labels, "-r", "TS_1", "-o", picks)
        store = open_project(config)
        found = [
            store.read_picks("TS_1", key) for key in store.picks("TS_1") if key.user_id == name
        ]
        lines.append([(each.points_xyz.tobytes(), each.scores.tobytes()) for each in found])
    assert lines[0] == lines[1] == lines[2]
    features = {key.feature_type for key in open_project(config).features("TS_1")}
    assert {"plain-me-1-scores", "shares-me-1-probabilities", "once-me-1-scores"} == features


def test_scores_that_lost_a_chunk_or_are_of_another_job_fail_the_run(config, model):
    """What is lost reads as zeros, and would drop picks without a word."""
    line = ("-c", config, "-r", "TS_1")
    localize = ("localize", *line, "-i", "predict", "-o", "*:picker/1")
    run("segment", *line, "-m", model, *FAST)
    scores = next(run_folder(config, "TS_1").rglob("*scores_features.zarr"))
    kept = scores.with_name("kept")
    shutil.copytree(scores, kept)
    chunk = next(path for path in scores.rglob("0/*") if path.is_file() and path.name[0] != ".")
    chunk.unlink()
    output = run(*localize, code=1)
    assert "is incomplete: some voxels have no value" in output
    assert "-r TS_1 --overwrite" in output
    run("segment", *line, "-m", model, *FAST, "--mode", "exact", "--overwrite")
    shutil.rmtree(scores)
    kept.rename(scores)
    assert "was not made together with predict:picker/1" in run(*localize, code=1)
    assert not list(run_folder(config, "TS_1").rglob("picker_1_*.json"))


def test_a_lost_score_volume_fails_the_run(config, model):
    line = ("-c", config, "-r", "TS_1")
    run("segment", *line, "-m", model, *FAST)
    shutil.rmtree(next(run_folder(config, "TS_1").rglob("*scores_features.zarr")))
    output = run("localize", *line, "-i", "predict", "-o", "*:picker/1", code=1)
    assert "missing or unfinished; run segment again, which makes what is missing" in output
    assert "1 done" in run("segment", *line, "-m", model, *FAST)
    assert "1 done" in run("localize", *line, "-i", "predict", "-o", "*:picker/1")
