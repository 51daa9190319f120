"""Movies from simulation to tracks: the command line, its files, and what it refuses."""

import csv
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
import yaml
from click.testing import CliRunner

from copick_picker.cli.main import console
from copick_picker.project.formats.movie_files import open_movie
from copick_picker.project.formats.spot_tables import read_spots
from patience import HANG_SECONDS

SMALL = ("--size", "64,80", "--frames", "12", "--tracks", "6")
TINY = ("--base-channels", "8", "--patch", "32", "--validation-movies", "1", "--threads", "1")
MOVIE = Path("movies/sample_000/movie.tif")
TRUTH = Path("movies/sample_000/ground_truth_tracks.csv")


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
    """Return a folder with movies, a detector and a linker."""
    folder = tmp_path_factory.mktemp("movies")
    run("simulate", "--movies", 3, "--seed", 1, *SMALL, "-o", folder / "movies")
    words = ("--steps", 120, "--validate-every", 60, *SMALL, *TINY)
    run("train", "detector", *words, "-o", folder / "detector")
    words = ("--steps", 30, "--scenes", 5, "--threads", 1, *SMALL)
    run("train", "linker", *words, "-o", folder / "linker")
    return folder


@pytest.fixture
def here(made, tmp_path, monkeypatch):
    """Work in a copy of that folder."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("here")
def test_from_a_movie_to_scores():
    text = run("detect", MOVIE, "-m", "detector", "-o", "out")
    assert "12 frames of 64 x 80 pixels; pixel 130 nm; frame 50 ms" in text
    found = rows("out/detections.csv")
    assert list(found[0]) == ["frame", "x", "y", "probability", "photons", "sigma_x", "sigma_y"]
    assert len(found) > 30
    run("link", "out/detections.csv", "-l", "linker", "--fill-gaps", "-o", "out")
    tracks = rows("out/tracks.csv")
    assert list(tracks[0]) == ["frame", "x", "y", "probability", "photons", "track_id", "filled"]
    summary = rows("out/track_summary.csv")
    assert list(summary[0]) == (
        ["track_id", "length", "start_frame", "end_frame", "duration", "mean_x", "mean_y"]
    )
    by_track = {}
    for row in tracks:
        if row["filled"] == "0":
            by_track[row["track_id"]] = by_track.get(row["track_id"], 0) + 1
    assert {row["track_id"]: int(row["length"]) for row in summary} == by_track
    for row in summary:
        assert int(row["duration"]) == int(row["end_frame"]) - int(row["start_frame"]) + 1
    words = ("--detections", "out/detections.csv", "--tracks", "out/tracks.csv", "--truth", TRUTH)
    text = run("evaluate", *words, "-o", "scores")
    assert "along an axis; fragments" in text
    content = json.loads(Path("scores/evaluation_summary.json").read_text())
    assert content["detections"]["all"]["f1"] > 0.6
    assert content["detections"]["all"]["rmse_per_axis_px"] < 0.6
    assert "rmse_per_axis_nm" not in content["detections"]["all"]
    names = {path.name for path in Path("scores").iterdir()}
    assert names == {
        *("evaluation_summary.json", "detection_metrics.csv", "track_metrics.csv"),
        *("performance_plots.png", "example_detections.png"),
    }
    text = run("analyze", "--tracks", "out/tracks.csv", "--truth", TRUTH, "-o", "analysis")
    assert "per true track" in text
    assert {path.name for path in Path("analysis").iterdir()} == {
        *("analysis_summary.json", "track_length_analysis.png", "diagnostic_summary.png"),
        *("track_statistics.csv", "fragmentation.csv", "motion.csv"),
        *("trajectories.png", "trajectories.svg"),
        *("precision_histogram.png", "precision_histogram.svg"),
    }
    assert len(rows("analysis/fragmentation.csv")) == 6


@pytest.mark.usefixtures("here")
def test_run_does_it_all_for_a_movie_and_for_a_folder():
    scale = ("--pixel-size-nm", 130, "--frame-time-ms", 50)
    run("run", MOVIE, "-m", "detector", "-l", "linker", "--fill-gaps", *scale, "-o", "whole")
    assert {path.name for path in Path("whole").iterdir()} == {
        *("detections.csv", "tracks.csv", "track_summary.csv", "run_summary.json"),
        *("tracking_overlay.png", "track_statistics.png", "gap_filling_comparison.png"),
    }
    text = run("run", "movies", "--method", "log", "-o", "all")
    assert "3 runs: 3 done" in text
    words = ("--detections", "all", "--tracks", "all", "--truth", "movies")
    text = run("evaluate", *words, "--pixel-size-nm", 130, "-o", "scores")
    assert len(rows("scores/detection_metrics.csv")) == 3
    assert len(rows("scores/track_metrics.csv")) == 3
    content = json.loads(Path("scores/evaluation_summary.json").read_text())
    assert content["detections"]["all"]["f1"] > 0.95
    assert content["detections"]["all"]["rmse_per_axis_nm"] < 20.0
    run("analyze", "--tracks", "all", "--truth", "movies", "-o", "analysis")


@pytest.mark.usefixtures("here")
def test_a_broken_movie_does_not_stop_the_others():
    Path("movies/sample_001/movie.tif").write_bytes(b"no TIFF at all")
    text = run("run", "movies", "--method", "log", "-o", "all", code=1)
    assert "2 done, 1 failed (failed: sample_001)" in text
    assert not Path("all/sample_001/tracks.csv").exists()


@pytest.mark.usefixtures("here")
def test_results_are_kept_unless_overwritten():
    run("detect", MOVIE, "--method", "log", "-o", "out")
    before = Path("out/detections.csv").read_bytes()
    text = run("detect", MOVIE, "--method", "log", "-o", "out")
    assert "out is complete" in text
    other = ("detect", MOVIE, "--method", "log", "--detection-threshold", 0.4, "-o", "out")
    text = run(*other, code=2)
    assert "out/detections.csv exists; use --overwrite or another --output" in text
    assert Path("out/detections.csv").read_bytes() == before
    run("detect", MOVIE, "--method", "log", "-o", "out", "--overwrite")
    assert Path("out/detections.csv").read_bytes() == before
    Path("out/detections.csv").write_text("my own notes\n")
    text = run("detect", MOVIE, "--method", "log", "-o", "out", "--overwrite", code=2)
    assert "was not made by this tool" in text
    assert Path("out/detections.csv").read_text() == "my own notes\n"


@pytest.mark.usefixtures("here")
def test_a_folder_that_was_half_done_is_finished():
    words = ("run", "movies", "--method", "log", "-o", "all")
    run(*words)
    kept = Path("all/sample_000/tracks.csv").stat().st_mtime_ns
    shutil.rmtree("all/sample_001")
    text = run(*words)
    assert "3 runs: 1 done, 2 skipped" in text
    assert Path("all/sample_000/tracks.csv").stat().st_mtime_ns == kept
    assert Path("all/sample_001/run_summary.json").is_file()


def test_simulate_goes_on_and_refuses_another_movie(here):
    before = MOVIE.read_bytes()
    text = run("simulate", "--movies", 4, "--seed", 1, *SMALL, "-o", "movies")
    assert "4 runs: 1 done, 3 skipped" in text
    assert MOVIE.read_bytes() == before
    text = run("simulate", "--movies", 4, "--seed", 2, *SMALL, "-o", "movies", code=2)
    assert "holds another movie (other settings or seed)" in text
    assert MOVIE.read_bytes() == before
    (here / "movies/sample_000/notes.txt").write_text("mine")
    words = ("--movies", 1, "--seed", 2, *SMALL, "--overwrite", "-o", "movies")
    assert "notes.txt" in run("simulate", *words, code=2)
    movie = open_movie(MOVIE)
    assert (movie.pixel_size_nm, movie.frame_time_ms) == (pytest.approx(130.0), 50.0)
    content = json.loads(Path("movies/sample_000/metadata.json").read_text())
    assert content["scene"]["shape_yx"] == [64, 80]
    assert len(content["motions"]) == 6


@pytest.mark.usefixtures("here")
def test_names_of_the_guides_are_understood():
    words = ("--num_samples", 1, "--num_tracks", 3, "--num_frames", 5, "--image_size", 48)
    run("simulate", *words, "--photons", 900, "-o", "guide")
    assert open_movie(Path("guide/sample_000/movie.tif")).frames.shape == (5, 48, 48)
    words = ("--frames_per_sample", 4, "--num_puncta_mean", 3, "--psf_type", "airy")
    run("simulate", "--preset", "hybrid-test", *words, "--image_size", "32,48", "-o", "hybrid")
    run("detect", MOVIE, "-m", "detector", "--detection_threshold", 0.5, "-o", "out")
    words = ("--use_gap_filling", "--max_gap", 40, "--max_distance", 100, "--threshold", 0.3)
    run("link", "out/detections.csv", *words, "-o", "out")


@pytest.mark.usefixtures("here")
def test_settings_files_of_the_guide_are_read():
    guide = {
        "model": {"base_channels": 8},
        "training": {"learning_rate": 0.001, "batch_size": 4, "num_epochs": 1},
    }
    Path("decode_training.yaml").write_text(yaml.safe_dump(guide))
    words = ("--config", "decode_training.yaml", "--data", "movies", "--limit", 3)
    run("train", "detector", *words, "--patch", 32, "--threads", 1, "-o", "new")
    card = yaml.safe_load(Path("new/detector.yaml").read_text())
    assert card["base_channels"] == 8
    assert card["training"]["steps"] == 2 * 12 // 4
    guide["training"]["momentum"] = 0.9
    Path("decode_training.yaml").write_text(yaml.safe_dump(guide))
    text = run("train", "detector", *words, "--overwrite", "-o", "new", code=2)
    assert "unknown key 'training.momentum'" in text
    linker = {
        "model": {"node_features": 5, "edge_features": 4, "hidden_dim": 64, "num_layers": 3},
        "training": {"pos_weight": 2.0, "num_epochs": 30},
        "data": {"max_temporal_gap": 2, "max_spatial_distance": 30, "train_split": 0.8},
    }
    Path("magik_training.yaml").write_text(yaml.safe_dump(linker))
    words = ("--config", "magik_training.yaml", "--steps", 10, "--data", "movies", *SMALL)
    text = run("train", "linker", *words, "--detector", "detector", "-o", "own")
    assert "without effect here: data.train_split" in text
    card = yaml.safe_load(Path("own/linker.yaml").read_text())
    assert (card["gate"], card["direct_gap"]) == (30.0, 2)
    assert card["training"]["detections"] == "detector"


@pytest.mark.usefixtures("here")
def test_a_training_that_is_complete_is_left_alone():
    words = ("--validate-every", 20, "--save-every", 10, *SMALL, *TINY, "-o", "new")
    run("train", "detector", "--steps", 40, *words, "--overwrite")
    whole = Path("new/weights.safetensors").read_bytes()
    text = run("train", "detector", "--steps", 40, *words)
    assert "new is complete" in text
    text = run("train", "detector", "--steps", 41, *words, code=2)
    assert "new.training holds a training that was started with other settings" in text
    assert Path("new/weights.safetensors").read_bytes() == whole
    header = Path("new/curve.csv").read_text().splitlines()[0]
    assert header.startswith("step,loss,learning_rate,seconds,f1,precision,recall,error_px")


@pytest.mark.usefixtures("here")
def test_a_movie_without_scale_is_linked_in_pixels():
    frames = tifffile.imread(MOVIE)
    tifffile.imwrite("plain.tif", frames)
    text = run("run", "plain.tif", "--method", "log", "-o", "out")
    assert "no pixel size, so no results in nm; no frame time" in text
    assert "nm" not in json.loads(Path("out/run_summary.json").read_text())["linked"]
    run("analyze", "--tracks", "out/tracks.csv", "-o", "analysis")
    content = json.loads(Path("analysis/analysis_summary.json").read_text())
    assert not any(key.endswith("nm") for key in content["motion"])


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("kind", ["zyx", "ome", "big-endian", "compressed", "pages"])
@pytest.mark.usefixtures("here")
def test_stacks_of_all_kinds_give_the_same_frames(kind):
    frames = tifffile.imread(MOVIE)
    options = {
        "zyx": {"imagej": True, "metadata": {"axes": "ZYX"}},
        "ome": {
            "ome": True,
            "metadata": {
                "axes": "TYX",
                "PhysicalSizeX": 0.1,
                "PhysicalSizeXUnit": "µm",
                "TimeIncrement": 0.02,
                "TimeIncrementUnit": "s",
            },
        },
        "big-endian": {"byteorder": ">"},
        "compressed": {"compression": "zlib"},
        "pages": {},
    }[kind]
    name = "other.ome.tif" if kind == "ome" else "other.tif"
    if kind == "pages":
        with tifffile.TiffWriter(name) as file:
            for frame in frames:
                file.write(frame, contiguous=False)
    else:
        tifffile.imwrite(name, frames, **options)
    movie = open_movie(Path(name))
    assert movie.frames.shape == frames.shape
    assert np.array_equal(movie.frames[:], frames)
    assert np.array_equal(movie.frames[3, 5:9, 2:4], frames[3, 5:9, 2:4])
    if kind == "zyx":
        assert movie.notes == ("its axis Z of 12 is used as time",)
    if kind == "ome":
        assert movie.pixel_size_nm == pytest.approx(100.0)
        assert movie.frame_time_ms == pytest.approx(20.0)


@pytest.mark.usefixtures("here")
def test_one_of_two_channels_is_taken():
    frames = tifffile.imread(MOVIE)
    both = np.stack([frames, frames[::-1]], axis=1)
    tifffile.imwrite("two.tif", both, imagej=True, metadata={"axes": "TCYX"})
    assert np.array_equal(open_movie(Path("two.tif"), channel=1).frames[:], frames[::-1])
    run("detect", "two.tif", "--method", "log", "--channel", 1, "-o", "out")
    assert "has the channels 0 and 1" in run(
        "detect", "two.tif", "--method", "log", "--channel", 2, "-o", "out2", code=2
    )


BROKEN = {
    "colour": (lambda f: np.stack([f] * 3, axis=-1).astype(np.uint8), {"photometric": "rgb"}, "is a colour image"),  # noqa: E501
    "z and t": (lambda f: np.stack([f, f], axis=1), {"imagej": True, "metadata": {"axes": "TZYX"}}, "expected only time"),  # noqa: E501
    "channels": (lambda f: np.stack([f] * 3, axis=1), {"imagej": True, "metadata": {"axes": "TCYX"}}, "has 3 channels; expected one or two"),  # noqa: E501
    "one frame": (lambda f: f[0], {}, "has one frame; a movie has two or more"),
    "equal frames": (lambda f: np.repeat(f[:1], 12, axis=0), {}, "are all equal"),
    "flat": (lambda f: np.full_like(f, 3), {}, "have the value 3"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.usefixtures("here")
def test_movies_that_are_none_are_refused(kind):
    change, options, words = BROKEN[kind]
    tifffile.imwrite("bad.tif", change(tifffile.imread(MOVIE)), **options)
    assert words in run("detect", "bad.tif", "--method", "log", "-o", "out", code=2)
    assert not Path("out").exists()


@pytest.mark.usefixtures("here")
def test_a_cut_movie_and_dropped_frames_are_said():
    data = MOVIE.read_bytes()
    Path("cut.tif").write_bytes(data[: len(data) * 2 // 3])
    assert "cut.tif" in run("detect", "cut.tif", "--method", "log", "-o", "out", code=2)
    frames = tifffile.imread(MOVIE)
    frames[5] = frames[4]
    tifffile.imwrite("dropped.tif", frames)
    text = run("detect", "dropped.tif", "--method", "log", "-o", "out")
    assert "frames 5 repeat the previous one; were frames dropped?" in text


WRONG = {
    "no model": (("detect", MOVIE), "-m is missing"),
    "linker as detector": (("detect", MOVIE, "-m", "linker"), "linker holds a linker; give it with -l; expected a detector"),  # noqa: E501
    "detector as linker": (("link", "table.csv", "-l", "detector"), "detector holds a detector; give it with -m; expected a linker"),  # noqa: E501
    "no such movie": (("detect", "none.tif", "--method", "log"), "there is no movie none.tif"),
    "no movie": (("detect", "table.csv", "--method", "log"), "is not a movie: its name ends in '.csv'"),  # noqa: E501
    "two ways": (("detect", MOVIE, "--method", "log", "-m", "detector"), "--method log uses no model"),  # noqa: E501
    "nothing to score": (("evaluate", "--truth", TRUTH), "give --detections, --tracks or --events"),
    "empty table": (("link", "empty.csv"), "empty.csv contains no detections"),
    "no columns": (("link", "columns.csv"), "has no column x, y; it has frame, a, b"),
    "text": (("link", "text.csv"), "'x' is 'left' in row 1, not a number"),
    "other truth": (("evaluate", "--detections", "far.csv", "--truth", TRUTH), "another movie's truth, or other units?"),  # noqa: E501
    "frame time": (("link", "table.csv", "-l", "linker", "--frame-time-ms", 5000), "too different"),
    "nm": (("convert", "table.csv", "--to", "thunderstorm"), "needs the pixel size"),
    "no tracks": (("convert", "table.csv", "--to", "napari"), "has no tracks"),
    "even context": (("train", "detector", "--context", 4), "4 is even"),
    "epochs": (("train", "detector", "--epochs", 4), "--epochs counts the frames of --data"),
    "range": (("simulate", "--diffusion", "2,1"), "the first must be the smallest"),
    "motion": (("simulate", "--motion", "flying=1"), "expected shares of"),
    "no truth": (("train", "detector", "--data", "bare"), "has no truth beside it"),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.usefixtures("here")
def test_wrong_use_gets_one_line(kind):
    Path("table.csv").write_text("frame,x,y\n0,1.0,2.0\n1,1.0,2.0\n")
    Path("empty.csv").write_text("frame,x,y\n")
    Path("columns.csv").write_text("frame,a,b\n0,1,2\n")
    Path("text.csv").write_text("frame,x,y\n0,left,2\n")
    Path("far.csv").write_text("frame,x,y\n" + "0,9000.0,8000.0\n" * 9)
    Path("bare/a").mkdir(parents=True)
    shutil.copy(MOVIE, "bare/a/movie.tif")
    words, expected = WRONG[kind]
    output = "made.csv" if words[0] == "convert" else "made"
    text = run(*words, "-o", output, code=2)
    assert expected in text
    assert text.count("Error:") == 1
    assert not Path(output).exists()


@pytest.mark.usefixtures("here")
def test_a_linker_of_another_frame_time_is_rescaled():
    run("detect", MOVIE, "--method", "log", "-o", "out")
    text = run("link", "out/detections.csv", "-l", "linker", "--frame-time-ms", 100, "-o", "out")
    assert "the gate is rescaled" in text


@pytest.mark.usefixtures("here")
def test_a_movie_unlike_the_training_is_said():
    words = ("--movies", 1, "--psf-sigma-nm", 260, "--photons", 9000, *SMALL, "-o", "wide")
    run("simulate", *words)
    text = run("detect", "wide/sample_000/movie.tif", "-m", "detector", "-o", "out")
    assert "pixels wide, those of the training 1.10" in text


@pytest.mark.parametrize("form", ["csv", "trackmate", "napari", "geff", "picasso", "thunderstorm"])
@pytest.mark.usefixtures("here")
def test_tables_go_out_and_come_back(form):
    run("run", MOVIE, "--method", "log", "-o", "out")
    names = {"trackmate": "t.xml", "geff": "t.geff", "picasso": "t.hdf5"}
    target = names.get(form, "t.csv")
    run("convert", "out/tracks.csv", "--to", form, "--movie", MOVIE, "-o", target)
    first = read_spots(Path("out/tracks.csv"))
    again = read_spots(Path(target), pixel_size_nm=130.0)
    order = [np.lexsort((each.positions[:, 0], each.frames)) for each in (first, again)]
    assert np.array_equal(first.frames[order[0]], again.frames[order[1]])
    assert again.positions[order[1]] == pytest.approx(first.positions[order[0]], abs=0.01)
    if form != "thunderstorm":
        pairs = {
            (int(a), int(b))
            for a, b in zip(first.tracks[order[0]], again.tracks[order[1]], strict=True)
        }
        assert len(pairs) == len(np.unique(first.tracks))
    assert "exists" in run(
        "convert", "out/tracks.csv", "--to", form, "--movie", MOVIE, "-o", target, code=2
    )
    run("link", target, "--pixel-size-nm", 130, "-o", "again")
    assert len(rows("again/tracks.csv")) > 0.9 * len(first)


@pytest.mark.usefixtures("here")
def test_tables_of_others_are_linked_and_scored():
    with h5py.File("locs.hdf5", "w") as file:
        kinds = [("frame", "u4"), ("x", "f4"), ("y", "f4"), ("photons", "f4")]
        file["locs"] = np.array([(k, 5 + 0.1 * k, 7.5, 900) for k in range(9)], dtype=kinds)
    run("link", "locs.hdf5", "-o", "out")
    assert len(rows("out/tracks.csv")) == 9
    Path("truth").mkdir()
    truth = "frame,x,y\n" + "".join(f"{k},{5 + 0.1 * k},7.5\n" for k in range(9))
    Path("truth/ground_truth.csv").write_text(truth)
    text = run("evaluate", "--detections", "out/tracks.csv", "--truth", "truth", "-o", "scores")
    assert "F1 1.0000" in text
    text = run("evaluate", "--tracks", "out", "--truth", "truth", "-o", "s2", code=2)
    assert "the truth has no column track_id" in text
    lines = ['"id","frame","x [nm]","y [nm]","intensity [photon]"']
    lines += [f"{k},{k + 1},{(5.5 + 0.1 * k) * 100},{800.0},900" for k in range(9)]
    Path("storm.csv").write_text("\n".join(lines) + "\n")
    assert "give --pixel-size-nm" in run("link", "storm.csv", "-o", "storm", code=2)
    run("link", "storm.csv", "--pixel-size-nm", 100, "-o", "storm")
    found = rows("storm/tracks.csv")
    assert [float(found[0]["x"]), float(found[0]["y"])] == pytest.approx([5.0, 7.5])
    assert found[0]["frame"] == "0"


@pytest.mark.usefixtures("here")
def test_a_damaged_model_is_said():
    data = Path("detector/weights.safetensors").read_bytes()
    Path("detector/weights.safetensors").write_bytes(data[:-8] + b"\x00" * 8)
    text = run("detect", MOVIE, "-m", "detector", "-o", "out", code=2)
    assert "is damaged, or not the file described in the card next to it" in text


@pytest.mark.parametrize("kind", ["detector", "hybrid"])
@pytest.mark.usefixtures("here")
def test_an_interrupted_training_goes_on_where_it_was(kind):
    steps = 240 if kind == "detector" else 160
    words = ("train", kind, "--steps", steps, "--validate-every", steps // 2, "--save-every", 5)
    words = [*map(str, (*words, *SMALL, *TINY, "-o", "new"))]
    # on a busy machine it yields to this test, which has to catch it at work
    line = ["nice", "-n", "19", sys.executable, "-m", "copick_picker", "movie", *words]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        while not Path("new.training/last.ckpt").exists():
            assert process.poll() is None
            time.sleep(0.002)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=HANG_SECONDS)
    assert process.returncode == 130
    assert not Path("new").exists()
    assert "resuming from step" in run(*words)
    card = yaml.safe_load(Path(f"new/{kind}.yaml").read_text())
    assert card["training"]["steps"] == steps


@pytest.mark.usefixtures("here")
def test_converting_replaces_no_file_of_another_kind():
    run("run", MOVIE, "--method", "log", "-o", "out")
    words = ("convert", "out/tracks.csv", "--to", "picasso", "--movie", MOVIE, "-o", "locs.hdf5")
    Path("locs.yaml").write_text("mine: true\n")
    assert "locs.yaml exists and was not made by this tool" in run(*words, "--overwrite", code=2)
    assert Path("locs.yaml").read_text() == "mine: true\n"
    assert not Path("locs.hdf5").exists()
    Path("notes.csv").write_text("my own notes\n")
    words = ("convert", "out/tracks.csv", "--to", "csv", "-o", "notes.csv", "--overwrite")
    assert "was not made by this tool" in run(*words, code=2)
    assert Path("notes.csv").read_text() == "my own notes\n"
    run("convert", "out/tracks.csv", "--to", "csv", "-o", "copy.csv")
    run("convert", "out/tracks.csv", "--to", "csv", "-o", "copy.csv", "--overwrite")


@pytest.mark.usefixtures("here")
def test_the_unit_of_a_trackmate_table_counts():
    head = "LABEL,ID,TRACK_ID,POSITION_X,POSITION_Y,FRAME\nLabel,Spot ID,Track ID,X,Y,Frame\n"
    head += "Label,Spot ID,Track ID,X,Y,Frame\n,,,(micron),(micron),\n"
    body = "".join(f"ID{k},{k},0,1.3,2.6,{k}\n" for k in range(4))
    Path("spots.csv").write_text(head + body)
    assert "in micron; give --pixel-size-nm" in run("link", "spots.csv", "-o", "tm", code=2)
    found = read_spots(Path("spots.csv"), pixel_size_nm=130.0)
    assert found.positions[0] == pytest.approx([10.0, 20.0])
    Path("spots.csv").write_text(head.replace("micron", "pixel") + body)
    assert read_spots(Path("spots.csv")).positions[0] == pytest.approx([1.3, 2.6])
