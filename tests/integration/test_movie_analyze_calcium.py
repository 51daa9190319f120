"""``movie analyze`` with calcium: motion, events, correlation; its files, and what it refuses."""

import csv
import json
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from copick_picker.cli.main import console

FRAMES, TRACKS = 60, 12
LINE = ("--tracks", "out/tracks.csv", "--events", "out/events.csv")
SCALE = ("--pixel-size-nm", 130, "--frame-time-ms", 50)
MOTION = {
    *("motion.csv", "trajectories.png", "trajectories.svg"),
    *("precision_histogram.png", "precision_histogram.svg"),
}
TRACK_FILES = {
    *("analysis_summary.json", "track_length_analysis.png", "track_statistics.csv"),
    *MOTION,
}
EVENTS = {
    *("event_statistics.csv", "event_statistics.png", "event_statistics.svg"),
    *("co_occurrence.csv", "co_occurrence.png", "co_occurrence.svg"),
}
CORRELATION = {"correlation.csv", "correlation_map.png", "correlation_map.svg"}
ONSETS = (8, 29, 47)
"""Frames in which all active tracks have an event."""


def run(*arguments, code=0):
    result = CliRunner().invoke(console, ["movie", "analyze", *map(str, arguments)])
    assert result.exit_code == code, result.output
    assert "Traceback (most" not in result.output
    return " ".join(result.output.split())


def rows(path):
    with Path(path).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def summary(folder):
    return json.loads((Path(folder) / "analysis_summary.json").read_text())


def names(folder):
    return {path.name for path in Path(folder).iterdir()}


def write_movie(folder, seed, *, together=True):
    """Write the tables of a movie: every third punctum rests, every fourth is silent."""
    rng = np.random.default_rng(seed)
    tracks = ["frame,x,y,probability,photons,track_id,filled"]
    traces = ["track_id,frame,dff"]
    events = ["track_id,onset_frame,peak_frame,amplitude,probability"]
    for track in range(1, TRACKS + 1):
        start = np.array([25.0 * track, 180.0 - 11.0 * track])
        moves = rng.normal(0.0, 0.0 if track % 3 == 0 else 0.45, (FRAMES, 2))
        places = start + np.cumsum(moves, axis=0) + rng.normal(0.0, 0.1, (FRAMES, 2))
        onsets = ONSETS if together else sorted(rng.choice(FRAMES - 3, 3, replace=False))
        dff = np.zeros(FRAMES)
        for onset in () if track % 4 == 0 else onsets:
            dff[onset:] += 0.6 * np.exp(-np.arange(FRAMES - onset) / 4.0)
            events.append(f"{track},{onset},{onset + 1},0.6,0.9")
        photons = 1000.0 * (1.0 + 0.7 * dff) * rng.lognormal(0.0, 0.08, FRAMES)
        for frame in range(FRAMES):
            x, y = places[frame]
            filled = int(frame in (20, 21))
            value = photons[frame] * (1 - filled)
            tracks.append(f"{frame},{x:.4f},{y:.4f},0.9,{value:.2f},{track},{filled}")
            traces.append(f"{track},{frame},{dff[frame] + rng.normal(0, 0.04):.4f}")
    folder.mkdir(parents=True)
    for name, lines in (("tracks", tracks), ("traces", traces), ("events", events)):
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a folder with the results of a movie and their analysis, and those of three others."""
    folder = tmp_path_factory.mktemp("calcium")
    write_movie(folder / "out", 1)
    out, figures = folder / "out", folder / "figures"
    run("--tracks", out / "tracks.csv", "--events", out / "events.csv", "-o", figures)
    for number in range(3):
        write_movie(folder / "many" / f"sample_{number:03d}", 10 + number, together=number == 0)
    return folder


@pytest.fixture
def here(made, tmp_path, monkeypatch):
    """Work in a copy of that folder."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("here")
def test_from_events_to_figures():
    assert names("figures") == TRACK_FILES | EVENTS | CORRELATION
    found = {int(row["track_id"]): row for row in rows("figures/motion.csv")}
    assert {track: row["class"] == "immobile" for track, row in found.items()} == {
        track: track % 3 == 0 for track in range(1, TRACKS + 1)
    }
    for row in found.values():
        assert int(row["length"]) == FRAMES - 2
        assert float(row["low"]) <= float(row["diffusion_px2_frame"]) <= float(row["high"])
        assert row["diffusion_um2_s"] == ""
    content = summary("figures")
    assert content["motion"]["mobile"] == 8
    assert content["motion"]["mobile_share"]["share"] == pytest.approx(8 / 12)
    assert content["motion"]["median_diffusion_of_mobile_px2_frame"] == pytest.approx(0.1, rel=0.4)
    assert content["events"]["active_tracks"] == 9
    assert content["events"]["mean_events_per_minute"] is None
    assert content["events"]["mean_events_per_1000_frames"] == pytest.approx(27 / 12 / 60 * 1000)
    together = content["co_occurrence"]
    assert together["observed"] == 3 * 9 * 8 // 2
    assert together["p"] == pytest.approx(1 / 1001)
    assert together["observed"] > together["control_high"]
    assert together["ratio"] == pytest.approx(together["observed"] / together["control_mean"])
    assert content["correlation"]["tracks"] == TRACKS
    assert content["correlation"]["significant"] == 9


@pytest.mark.usefixtures("here")
def test_tables_have_a_row_for_each_track():
    text = run(*LINE, *SCALE, "--exposure-share", 0, "--coincidence-frames", 0, "-o", "scaled")
    assert "pairs of events with onsets within 0 frames: 108" in text
    assert "mobile: 8 of 12" in text
    statistics = rows("scaled/event_statistics.csv")
    assert [int(row["track_id"]) for row in statistics] == list(range(1, TRACKS + 1))
    assert [row["events"] for row in statistics[:4]] == ["3", "3", "3", "0"]
    assert float(statistics[0]["events_per_minute"]) == pytest.approx(60.0)
    assert float(statistics[0]["mean_amplitude"]) == pytest.approx(0.6)
    assert statistics[3]["mean_amplitude"] == ""
    factor = 0.13**2 / 0.05
    for row in rows("scaled/motion.csv"):
        in_px = float(row["diffusion_px2_frame"])
        assert float(row["diffusion_um2_s"]) == pytest.approx(factor * in_px, rel=1e-4)
    for row in rows("scaled/correlation.csv"):
        lit = int(row["track_id"]) % 4 != 0
        assert (float(row["correlation"]) > 0.5) == lit
        assert row["significant"] == str(int(lit))
        assert row["frames"] == str(FRAMES - 2)
        assert float(row["mean_x"]) == pytest.approx(25 * int(row["track_id"]), abs=8)
    assert summary("scaled")["motion"]["median_error_nm"] == pytest.approx(13.0, rel=0.4)


@pytest.mark.usefixtures("here")
def test_pictures_are_drawn_and_vector_files_are_whole():
    for path in Path("figures").iterdir():
        if path.suffix == ".svg":
            assert ET.parse(path).getroot().tag.endswith("svg")  # noqa: S314 (our own file)
            assert b"<dc:title>copick-picker " in path.read_bytes()
            assert b"dc:date" not in path.read_bytes()
        if path.suffix == ".png":
            with Image.open(path) as picture:
                assert len(picture.convert("RGB").getcolors(1 << 24)) > 20


@pytest.mark.usefixtures("here")
def test_a_folder_of_movies_is_analysed_together():
    run("--tracks", "many", "--events", "many", *SCALE, "-o", "all")
    together = {row["movie"]: row for row in rows("all/co_occurrence.csv")}
    assert list(together) == ["sample_000", "sample_001", "sample_002", "all"]
    for name in ("observed", "events", "tracks"):
        parts = [int(row[name]) for movie, row in together.items() if movie != "all"]
        assert int(together["all"][name]) == sum(parts)
    assert float(together["sample_000"]["p"]) < 0.01
    assert float(together["sample_001"]["p"]) > 0.01
    movies = [row["movie"] for row in rows("all/motion.csv")]
    assert movies == [f"sample_00{k}" for k in range(3) for _ in range(TRACKS)]
    Path("many/sample_002/traces.csv").unlink()
    text = run("--tracks", "many", "--events", "many", "-o", "fewer")
    assert "1 of 3 movies have no traces or no photons" in text
    assert len(rows("fewer/correlation.csv")) == 2 * TRACKS
    Path("many/sample_001/events.csv").unlink()
    text = run("--tracks", "many", "--events", "many", "-o", "none", code=2)
    assert "no events for 1 of 3 movies with tracks: sample_001" in text
    assert not Path("none").exists()


@pytest.mark.usefixtures("here")
def test_traces_alone_give_the_correlation():
    run("--tracks", "out/tracks.csv", "--traces", "out/traces.csv", "-o", "traced")
    assert names("traced") == TRACK_FILES | CORRELATION
    assert "co_occurrence" not in summary("traced")
    for name in ("correlation.csv", "motion.csv", "trajectories.svg"):
        assert (Path("traced") / name).read_bytes() == (Path("figures") / name).read_bytes()


@pytest.mark.usefixtures("here")
def test_correlation_is_left_out_where_it_cannot_be():
    shutil.move("out/traces.csv", "elsewhere.csv")
    text = run(*LINE, "-o", "untraced")
    assert "no traces (--traces), so photons are not compared with calcium" in text
    assert names("untraced") == TRACK_FILES | EVENTS
    assert "correlation" not in summary("untraced")
    lines = [line.split(",") for line in Path("out/tracks.csv").read_text().splitlines()]
    dark = "\n".join(",".join(line[:4] + line[5:]) for line in lines) + "\n"
    Path("dark.csv").write_text(dark)
    words = ("--tracks", "dark.csv", "--traces", "elsewhere.csv", "--min-length", 59)
    text = run(*words, "-o", "dark")
    assert "the tracks have no photons, so photons are not compared with calcium" in text
    assert names("dark") == TRACK_FILES
    assert rows("dark/motion.csv") == []
    assert "mobile" not in text


@pytest.mark.usefixtures("here")
def test_no_events_at_tracks_are_a_result():
    head = "track_id,onset_frame,peak_frame,amplitude,probability\n"
    Path("out/events.csv").write_text(f"{head}-1,12,14,0.4,0.8\n-1,30,31,0.4,0.8\n")
    text = run(*LINE, "-o", "silent")
    assert "2 events belong to no track and are left out" in text
    assert "0 events; active: 0 of 12 tracks (0 %" in text
    assert "events of fewer than two tracks" in text
    assert names("silent") == TRACK_FILES | EVENTS | CORRELATION
    assert rows("silent/co_occurrence.csv")[0]["p"] == ""
    assert len(rows("silent/event_statistics.csv")) == TRACKS
    assert summary("silent")["co_occurrence"]["p"] is None


@pytest.mark.usefixtures("here")
def test_results_are_kept_unless_overwritten():
    before = {path.name: path.read_bytes() for path in Path("figures").iterdir()}
    text = run(*LINE, "--seed", 9, "-o", "figures", code=2)
    assert "exists; use --overwrite or another --output" in text
    assert before == {path.name: path.read_bytes() for path in Path("figures").iterdir()}
    run(*LINE, "-o", "figures", "--overwrite")
    assert before == {path.name: path.read_bytes() for path in Path("figures").iterdir()}
    foreign = '<svg xmlns="http://www.w3.org/2000/svg"><title>copick-picker</title></svg>\n'
    Path("figures/trajectories.svg").write_text(foreign)
    text = run(*LINE, "--seed", 9, "-o", "figures", "--overwrite", code=2)
    assert "figures/trajectories.svg exists and was not made by this tool" in text
    assert Path("figures/trajectories.svg").read_text() == foreign
    Path("figures/trajectories.svg").unlink()
    Path("figures/co_occurrence.csv").write_text("my own notes\n")
    text = run(*LINE, "-o", "figures", "--overwrite", code=2)
    assert "figures/co_occurrence.csv exists and was not made by this tool" in text
    assert not Path("figures/trajectories.svg").exists()


def without_tracks(numbers):
    """Return a change of the table of tracks: some of them are gone."""
    lines = Path("out/tracks.csv").read_text().splitlines()
    kept = [line for line in lines if line.split(",")[5] not in numbers]
    Path("out/tracks.csv").write_text("\n".join(kept) + "\n")


def added(line, file="out/events.csv"):
    with Path(file).open("a") as table:
        table.write(line + "\n")


BAD = {
    "unknown tracks": (
        lambda: (added("77,5,6,0.5,0.9"), added("78,5,6,0.5,0.9")),
        "out/events.csv: 2 of 29 events belong to tracks that out/tracks.csv does not hold; the "
        "first is track 77",
    ),
    "traces of unknown tracks": (
        lambda: added("99,5,0.25", "out/traces.csv"),
        "out/traces.csv: 1 of 721 rows belong to tracks that out/tracks.csv does not hold; the "
        "first is track 99",
    ),
    "stale events": (
        lambda: without_tracks({"2", "5"}),
        "out/traces.csv: 120 of 720 rows belong to tracks",
    ),
    "late events": (
        lambda: added("1,60,64,0.5,0.9"),
        "out/events.csv: 1 of 28 events begin or peak after frame 59, the last of the tracks and "
        "traces; the first begins in frame 60 and peaks in 64",
    ),
    "late peaks": (lambda: added("1,58,60,0.5,0.9"), "1 of 28 events begin or peak after frame 59"),
    "no onset": (
        lambda: Path("out/events.csv").write_text("track_id,amplitude\n1,0.5\n"),
        "out/events.csv has no column onset_frame",
    ),
    "words": (lambda: added("1,soon,9,0.5,0.9"), "'onset_frame' is 'soon' in row 28"),
    "no table": (lambda: Path("out/events.csv").unlink(), "there is no table out/events.csv"),
    "no traces": (
        lambda: Path("out/traces.csv").write_text("track_id,frame\n1,2\n"),
        "out/traces.csv has no column dff",
    ),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.usefixtures("here")
def test_bad_input_is_one_line_and_nothing_is_written(kind):
    spoil, words = BAD[kind]
    spoil()
    text = run(*LINE, "-o", "new", code=2)
    assert words in text
    assert text.count("Error:") == 1
    assert not Path("new").exists()
