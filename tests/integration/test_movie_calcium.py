"""Two channels from simulation to events: the command line, its files, and what it refuses."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml
from click.testing import CliRunner

from copick_picker.cli.main import console
from copick_picker.project.formats.movie_files import channels_of, open_pair

ROOT = Path(__file__).parents[2]
SMALL = ("--size", "64,80", "--frames", "12", "--tracks", "5", "--event-rate", "4")
TINY = ("--base-channels", "8", "--patch", "32", "--validation-movies", "2", "--threads", "1")
SHORT = ("--steps", 60, "--validate-every", 30, *TINY)
PAIR = Path("pairs/sample_000/movie.tif")
TRUTH = Path("pairs/sample_000/ground_truth_tracks.csv")


def run(*arguments, code=0):
    result = CliRunner().invoke(console, ["movie", *map(str, arguments)])
    assert result.exit_code == code, result.output
    assert "Traceback (most" not in result.output
    return " ".join(result.output.split())


def rows(path):
    with Path(path).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a folder with pairs of channels and a hybrid."""
    folder = tmp_path_factory.mktemp("calcium")
    run(
        "simulate",
        "--preset",
        "hybrid-test",
        "--movies",
        6,
        "--seed",
        1,
        *SMALL,
        "-o",
        folder / "pairs",
    )
    words = ("--loss-weighting", "kendall", *SHORT)
    run("train", "hybrid", "--data", folder / "pairs", *words, "-o", folder / "hybrid")
    return folder


@pytest.fixture
def here(made, tmp_path, monkeypatch):
    """Work in a copy of that folder."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("here")
def test_a_sample_has_both_channels_and_their_truth():
    assert {path.name for path in PAIR.parent.iterdir()} == {
        *("movie.tif", "metadata.json", "ground_truth_tracks.csv"),
        *("ground_truth_events.csv", "ground_truth_traces.csv"),
    }
    assert tifffile.imread(PAIR).shape == (12, 2, 64, 80)
    assert channels_of(PAIR) == 2
    table = rows("pairs/sample_000/ground_truth_events.csv")
    assert list(table[0])[:5] == (
        ["track_id", "onset_frame", "peak_frame", "end_frame", "amplitude"]
    )
    assert len(rows("pairs/sample_000/ground_truth_traces.csv")) == len(rows(TRUTH))
    text = run("simulate", "--preset", "guide", "--waves", 2, "-o", "x", code=2)
    assert "--waves: the preset guide has one channel; use hybrid-test or hybrid" in text
    assert not Path("x").exists()


def test_the_card_and_the_curve_say_what_was_learned(here):
    card = yaml.safe_load((here / "hybrid" / "hybrid.yaml").read_text())
    assert set(card["parameters"]) == {"encoder", "localization", "calcium"}
    assert card["class_balance"]["active"] > 0
    assert card["calcium_validation"]["states"] > 0
    curve = rows("hybrid/curve.csv")[-1]
    for name in ("localization", "calcium"):
        assert np.isfinite(float(curve[f"log sigma {name}"]))
        assert float(curve[f"gradient {name}"]) > 0
    assert float(curve["log sigma calcium"]) != pytest.approx(-0.5 * np.log(2.0))
    result = CliRunner().invoke(console, ["model", "show", "hybrid"])
    assert result.exit_code == 0
    assert "parameters calcium" in result.output


@pytest.mark.usefixtures("here")
def test_from_a_pair_to_scores_and_figures():
    run("run", PAIR, "-m", "hybrid", "--fill-gaps", "--min-length", 3, "-o", "pair")
    names = {path.name for path in Path("pair").iterdir()}
    assert {"detections.csv", "tracks.csv", "traces.csv", "events.csv", "traces.png"} <= names
    assert list(rows("pair/traces.csv")[0]) == ["track_id", "frame", "dff"]
    header = Path("pair/events.csv").read_text().splitlines()[0]
    assert header == "track_id,onset_frame,peak_frame,amplitude,probability"
    probabilities = [float(row["probability"]) for row in rows("pair/trace_details.csv")]
    assert 0.0 <= min(probabilities) < max(probabilities) <= 1.0
    words = ("--tracks", "pair/tracks.csv", "--events", "pair/events.csv", "--truth", TRUTH)
    text = run("evaluate", *words, "--pixel-size-nm", 130, "-o", "scores")
    assert "Grades of the guide" in text
    content = json.loads(Path("scores/evaluation_summary.json").read_text())["calcium"]
    assert 0.0 <= content["specificity"] <= 1.0
    assert 0.0 < content["completeness"] <= 1.0
    run("analyze", "--tracks", "pair/tracks.csv", "--events", "pair/events.csv", "-o", "figures")
    assert Path("figures/trajectories.svg").is_file()


@pytest.mark.usefixtures("here")
def test_traces_of_true_tracks_follow_the_truth_in_one_file_and_in_two():
    run("traces", PAIR, "--tracks", TRUTH, "--channel", 1, "-o", "out")
    known = {
        (r["track_id"], r["frame"]): float(r["dff"])
        for r in rows("pairs/sample_000/ground_truth_traces.csv")
    }
    found = [(known[r["track_id"], r["frame"]], float(r["dff"])) for r in rows("out/traces.csv")]
    assert np.corrcoef(np.array(found).T)[0, 1] > 0.8
    movie = tifffile.imread(PAIR)
    tifffile.imwrite("puncta.tif", movie[:, 0])
    tifffile.imwrite("calcium.tif", movie[:, 1])
    words = ("--tracks", TRUTH, "--baseline", 150)
    text = run("traces", "puncta.tif", "--second", "calcium.tif", *words, "-o", "two")
    assert "measures channel 1 of 2" in text
    again = [float(row["dff"]) for row in rows("two/traces.csv")]
    assert again == pytest.approx([value for _, value in found], abs=1e-4)
    run("traces", "calcium.tif", *words, "-o", "alone")
    assert [float(row["dff"]) for row in rows("alone/traces.csv")] == again
    text = run("traces", "calcium.tif", *words, "-o", "alone")
    assert "is complete" in text


@pytest.mark.usefixtures("here")
def test_learned_events_and_members_of_an_ensemble():
    run("traces", PAIR, "--tracks", TRUTH, "-m", "hybrid", "-o", "learned")
    assert any(row["probability"] for row in rows("learned/trace_details.csv"))
    assert not any(row["fitted_dff"] for row in rows("learned/trace_details.csv"))
    shutil.copytree("hybrid", "other")
    shutil.copytree("hybrid", "third")
    run("detect", PAIR, "-m", "hybrid", "-o", "one")
    run("detect", PAIR, "-m", "hybrid", "--members", "other,third", "-o", "three")
    text = run("detect", PAIR, "-m", "hybrid", "--members", "hybrid", "-o", "twice", code=2)
    assert "a model is listed twice" in text
    assert rows("one/detections.csv") == rows("three/detections.csv")


@pytest.mark.usefixtures("here")
def test_events_of_another_programs_traces():
    rng = np.random.default_rng(0)
    trace = 20.0 + rng.standard_normal(400)
    trace[120:180] += 30.0 * np.exp(-np.arange(60) / 15.0)
    lines = ["track_id,frame,signal", *(f"3,{k},{value:.3f}" for k, value in enumerate(trace))]
    Path("traces.csv").write_text("\n".join(lines) + "\n")
    run("traces", "traces.csv", "-o", "out")
    (event,) = rows("out/events.csv")
    assert abs(int(event["onset_frame"]) - 120) <= 1
    assert float(event["amplitude"]) == pytest.approx(1.5, abs=0.3)
    fitted = np.array([float(row["fitted_dff"]) for row in rows("out/trace_details.csv")])
    true = np.zeros(400)
    true[120:180] = 1.5 * np.exp(-np.arange(60) / 15.0)
    assert np.abs(fitted - true).max() < 0.15
    assert np.abs(fitted[:118]).max() == 0.0
    assert not rows("out/event_details.csv")[0]["x"]
    text = run("evaluate", "--events", "out", "--truth", TRUTH, "-o", "no", code=2)
    assert "use --tracks" in text or "beyond the movie" in text
    Path("traces.csv").write_text("\n".join(lines[:50] + lines[60:]) + "\n")
    text = run("traces", "traces.csv", "-o", "gap", code=2)
    assert "track 3 goes from frame 48 to 59; expected every frame once" in text


def test_a_stopped_stage_begins_with_a_detector_and_freezes_parts(here):
    scene = ("--preset", "hybrid-test", *SMALL)
    run("train", "detector", *scene, *SHORT, "-o", "detector")
    words = ("--start", "detector", "--freeze", "encoder,localization", "--tasks", "calcium")
    run("train", "hybrid", "--data", "pairs", *words, *SHORT, "--average-decay", 0, "-o", "frozen")
    from safetensors.numpy import load_file

    before, after = (load_file(here / n / "weights.safetensors") for n in ("detector", "frozen"))
    assert np.array_equal(before["head.weight"], after["head.weight"])
    assert np.array_equal(before["encoder.0.first.weight"], after["encoder.0.first.weight"])
    assert np.array_equal(
        before["encoder.0.first_norm.running_mean"], after["encoder.0.first_norm.running_mean"]
    )
    stages = ("--stage", "4-joint", "--start", "frozen", "--data", "pairs")
    text = run("train", "hybrid", *stages, *SHORT, "-o", "joint")
    assert "60 steps" in text
    assert yaml.safe_load(Path("joint/hybrid.yaml").read_text())["training"]["steps"] == 60


@pytest.mark.usefixtures("here")
def test_simulated_on_the_fly_with_a_curriculum_and_real_movies_with_pseudo_labels():
    run("detect", "pairs", "--method", "log", "-o", "pseudo")
    words = ("--preset", "hybrid-test", *SMALL, "--curriculum", "shipped")
    labels = ("--real", "pairs", "--labels", "pseudo", "--label-share", 0.5)
    text = run("train", "hybrid", *words, *labels, *SHORT, "-o", "mixed")
    assert "states of puncta in" in text
    text = run("train", "hybrid", *words, "--real", "pairs", *SHORT, "-o", "half", code=2)
    assert "--real needs its partner: give --real MOVIES and --labels TABLES together" in text
    Path("stages.yaml").write_text("- {until: 10, tracks: 3}\n")
    text = run("train", "hybrid", "--curriculum", "stages.yaml", *SHORT, "-o", "bad", code=2)
    assert "expected a list of stages with until, tracks and photons" in text


@pytest.mark.usefixtures("here")
def test_labels_of_others_become_a_training():
    mask = np.zeros((12, 64, 80), dtype=np.uint8)
    truth = rows(TRUTH)
    x, y = float(truth[0]["x"]), float(truth[0]["y"])
    mask[int(truth[0]["frame"]), round(y), round(x)] = 1
    tifffile.imwrite("mask.tif", mask, imagej=True, metadata={"axes": "TYX"})
    text = run("import-labels", "mask.tif", "--movie", PAIR, "--puncta", TRUTH, "-o", "labels")
    assert "kept 1 of 1 labels (none left out); calcium raised in 1 of" in text
    assert sum(int(row["active"]) for row in rows("labels/ground_truth_traces.csv")) == 1
    mask[0, 0, 0] = 9
    tifffile.imwrite("mask.tif", mask, imagej=True, metadata={"axes": "TYX"})
    words = ("--movie", PAIR, "--puncta", TRUTH)
    text = run("import-labels", "mask.tif", *words, "-o", "bad", code=2)
    assert "more than two values (0, 1, 9)" in text
    Path("events.csv").write_text("onset_frame,end_frame,x,y,kind\n3,15,10,10,punctum\n")
    text = run("import-labels", "events.csv", *words, "-o", "bad", code=2)
    assert "lasts from frame 3 to 15, but the movie has 12 frames" in text
    Path("events.csv").write_text(
        f"onset_frame,end_frame,x,y,kind\n0,3,{x},{y},wave\n1,4,{x},{y},a\n"
    )
    text = run("import-labels", "events.csv", *words, "--ignore_waves", "-o", "events")
    assert "kept 1 of 2 labels (1 waves)" in text
    Path("events.csv").write_text("track_id,onset_frame,end_frame\n1,3,5\n77,3,5\n")
    text = run("import-labels", "events.csv", *words, "-o", "bad", code=2)
    assert "the event in row 2 belongs to track 77, which pairs/sample_000/ground_truth" in text
    assert not Path("bad").exists()


@pytest.mark.usefixtures("here")
def test_settings_files_of_the_guide_are_read_as_they_are():
    Path("loc.yaml").write_text(
        yaml.safe_dump(
            {
                "model": {
                    "in_channels": 2,
                    "base_channels": 8,
                    "pretrained_encoder": None,
                    "freeze_encoder": False,
                },
                "data": {
                    "synthetic_dir": "pairs",
                    "thunderstorm_dir": None,
                    "train_split": 0.9,
                    "batch_size": 2,
                    "num_workers": 0,
                },
                "training": {
                    "num_iterations": 20,
                    "learning_rate": 1e-3,
                    "scheduler": "cosine",
                    "val_frequency": 10,
                    "save_frequency": 10,
                },
                "loss": {"detection_weight": 1.0, "offset_weight": 1.0, "photon_weight": 0.1},
            }
        )
    )
    text = run("train", "hybrid", "--config", "loc.yaml", "--patch", 32, "-o", "loc")
    assert "no effect here: data.train_split" in text
    assert yaml.safe_load(Path("loc/hybrid.yaml").read_text())["training"]["steps"] == 20
    Path("hyb.yaml").write_text(
        yaml.safe_dump(
            {
                "model": {
                    "in_channels": 2,
                    "base_channels": 8,
                    "pretrained_encoder": "",
                    "pretrained_localization": "loc",
                    "freeze_encoder": False,
                },
                "data": {"paired_data": "pairs", "batch_size": 2},
                "training": {"num_iterations": 20, "learning_rate": 1e-4},
                "loss": {
                    "use_uncertainty_weighting": True,
                    "localization_weight": 1.0,
                    "calcium_weight": 1.0,
                },
            }
        )
    )
    run(
        "train",
        "hybrid",
        "--config",
        "hyb.yaml",
        "--patch",
        32,
        "--validate-every",
        10,
        "-o",
        "hyb",
    )
    Path("hyb.yaml").write_text("model: {in_chanels: 2}\n")
    text = run("train", "hybrid", "--config", "hyb.yaml", "-o", "x", code=2)
    assert "unknown key 'model.in_chanels'" in text


@pytest.mark.usefixtures("here")
def test_bad_input_is_one_line_and_writes_nothing():
    movie = tifffile.imread(PAIR)
    tifffile.imwrite("one.tif", movie[:, 0])
    tifffile.imwrite("short.tif", movie[:5, 1])
    words = ("--tracks", TRUTH, "-o", "bad")
    text = run("run", "one.tif", "-m", "hybrid", "-o", "bad", code=2)
    assert "one.tif has one channel; expected two, or --second FILE for the other" in text
    text = run("traces", "one.tif", "--channel", 1, *words, code=2)
    assert "--channel 1: one.tif has one channel, 0" in text
    text = run("traces", "one.tif", "--second", "short.tif", *words, code=2)
    assert "12 x 64 x 80 (frames, y, x), but short.tif is 5 x 64 x 80" in text
    text = run("traces", "one.tif", "-o", "bad", code=2)
    assert "--tracks is missing" in text
    text = run("traces", "short.tif", *words, code=2)
    assert "goes to frame 11, but short.tif has 5 frames" in text
    text = run("traces", "one.tif", *words, "--min-trace", 50, code=2)
    assert "--min-trace is 50" in text
    text = run("traces", "one.tif", *words, "--events", "learned", code=2)
    assert "--events learned needs -m" in text
    text = run("train", "hybrid", "--preset", "guide", *SHORT, "-o", "bad", code=2)
    assert "the preset guide has one channel" in text
    text = run(
        "train", "hybrid", "--data", "pairs", *SHORT, "--start", "pairs", "-o", "bad", code=2
    )
    assert "contains no detector or hybrid: there is no detector.yaml or hybrid.yaml" in text
    white = movie.copy()
    white[:, 1] = 65535
    white[0, 1] = 100
    tifffile.imwrite("white.tif", white, imagej=True, metadata={"axes": "TCYX"})
    text = run("traces", "white.tif", "--tracks", TRUTH, "-o", "white")
    assert "positions have saturated pixels" in text
    assert "tracks shorter than the baseline's window of 500 frames: one baseline for each" in text
    assert not Path("bad").exists()


@pytest.mark.usefixtures("here")
def test_a_four_dimensional_tiff_without_names_of_axes_is_a_pair():
    movie = tifffile.imread(PAIR)
    tifffile.imwrite("plain.tif", movie)
    first, second = open_pair(Path("plain.tif"))
    assert np.array_equal(second.frames[3], movie[3, 1])
    assert first.frames.shape == (12, 64, 80)


def test_calcium_that_is_never_up_is_refused_before_training(here):
    for path in Path("pairs").glob("*/ground_truth_traces.csv"):
        lines = path.read_text().splitlines()
        path.write_text(
            "\n".join([lines[0], *(line[: line.rindex(",")] + ",0" for line in lines[1:])]) + "\n"
        )
    text = run("train", "hybrid", "--data", "pairs", *SHORT, "-o", "never", code=2)
    assert "calcium is never raised" in text
    assert not (here / "never.training").exists()


def test_shipped_files_are_those_of_the_repository():
    for path in (ROOT / "configs" / "movies").glob("*.yaml"):
        assert path.read_text() == (ROOT / "copick_picker/configs/movies" / path.name).read_text()


@pytest.mark.usefixtures("here")
def test_overwrite_replaces_no_truth_and_no_table_of_others():
    sample = PAIR.parent
    before = {path.name: path.read_bytes() for path in sample.iterdir()}
    labels = ("import-labels", "events.csv", "--movie", PAIR, "--puncta", TRUTH)
    Path("events.csv").write_text("track_id,onset_frame,end_frame\n1,2,4\n")
    text = run(*labels, "-o", sample, "--overwrite", code=2)
    assert (
        "a table not recorded in any summary next to it, which --overwrite never replaces" in text
    )
    assert {path.name: path.read_bytes() for path in sample.iterdir()} == before
    run(*labels, "-o", "labels")
    run(*labels, "-o", "labels", "--distance", 2, "--overwrite")
    edited = Path("labels/ground_truth_traces.csv")
    edited.write_text(edited.read_text().replace(",0\n", ",1\n"))
    text = run(*labels, "-o", "labels", "--overwrite", code=2)
    assert "labels/ground_truth_traces.csv exists and was not made by this tool" in text
    Path("others").mkdir()
    shutil.copy(TRUTH, "others/detections.csv")
    text = run("detect", PAIR, "--method", "log", "-o", "others", "--overwrite", code=2)
    assert "a table not recorded in any summary next to it" in text
    text = run("convert", TRUTH, "--to", "csv", "-o", TRUTH, "--overwrite", code=2)
    assert "which --overwrite never replaces" in text
    shutil.copytree(sample, "real/sample_000")
    Path("real/sample_000/metadata.json").unlink()
    words = ("--preset", "hybrid-test", *SMALL)
    text = run("simulate", *words, "--movies", 1, "-o", "real", "--overwrite", code=2)
    assert "which --overwrite never replaces" in text
    assert Path("real/sample_000/movie.tif").is_file()
    text = run("train", "linker", "--data", "pairs", "-o", "hybrid", "--overwrite", code=2)
    assert "which --overwrite never replaces" in text
    assert Path("hybrid/weights.safetensors").is_file()


def event_scores(*words, out):
    run("evaluate", *words, "--truth", TRUTH, "-o", out)
    return json.loads(Path(out, "evaluation_summary.json").read_text())["calcium"]


@pytest.mark.usefixtures("here")
def test_events_are_scored_at_their_places_and_not_by_their_numbers():
    words = ("--events", "pairs/sample_000/ground_truth_events.csv")
    assert event_scores(*words, out="itself")["event_recall"] == 1.0
    table = rows(TRUTH)
    numbers = sorted({int(row["track_id"]) for row in table})
    other = dict(zip(map(str, numbers), numbers[1:] + numbers[:1], strict=True))
    lines = [f"{row['frame']},{row['x']},{row['y']},{other[row['track_id']]}" for row in table]
    Path("tracks.csv").write_text("\n".join(["frame,x,y,track_id", *lines]) + "\n")
    run("traces", PAIR, "--tracks", "tracks.csv", "--channel", 1, "--min-trace", 2, "-o", "out")
    words = ("--events", "out/events.csv")
    known = event_scores(*words, "--tracks", "tracks.csv", out="with")
    assert known["event_hits"] > 0
    assert known["correlation"] > 0.8
    found = event_scores(*words, out="without")
    assert found == known | {"completeness": None}
    Path("out/trace_details.csv").unlink()
    alone = event_scores(*words, out="places")
    assert alone["event_f1"] == known["event_f1"]
    assert alone["correlation"] is None
    Path("out/event_details.csv").unlink()
    text = run("evaluate", *words, "--truth", TRUTH, "-o", "no", code=2)
    assert "has no positions of events" in text
    assert "use --tracks" in text
    Path("late.csv").write_text("onset_frame,end_frame,x,y\n3,4,10,10\n11,12,10,10\n")
    text = run("evaluate", "--events", "late.csv", "--truth", TRUTH, "-o", "no", code=2)
    assert "such as one in frame 12; pairs/sample_000/movie.tif has 12 frames, 0 to 11" in text
    Path("late.csv").write_text("frame,x,y,track_id\n3,4,4,1\n12,4,4,1\n")
    for option in ("--tracks", "--detections"):
        text = run("evaluate", option, "late.csv", "--truth", TRUTH, "-o", "no", code=2)
        assert "1 of 2" in text
        assert "lie beyond the movie" in text
    assert not Path("no").exists()
