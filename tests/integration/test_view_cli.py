"""``view``: pictures and pages of real projects, what is wrong with the input, neuroglancer."""

import base64
import io
import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import requests
from click.testing import CliRunner
from PIL import Image

from copick_picker.cli.main import console
from copick_picker.project.copick.making import add_tomogram
from copick_picker.project.copick.store import open_project
from copick_picker.records.keys import PicksKey, SegmentationKey, TomogramKey
from copick_picker.records.points import PickSet
from copick_picker.records.runs import ObjectSpec
from patience import HANG_SECONDS
from projects import OBJECTS, SHAPE_ZYX, TOMOGRAM, noise, project_of, slabs_of

REFERENCE = PicksKey("ribosome", "curator", "1")
POINTS = np.array([[100.0, 150, 50], [300, 150, 60], [200, 220, 140]])
FOUND = np.array([[105.0, 152, 51], [110, 150, 50], [300, 40, 100]])
OTHER = np.array([[50.0, 60, 70]])


@pytest.fixture
def config(tmp_path):
    """Return a project with references, scored candidates, and candidates without a reference."""
    path = project_of(tmp_path, {"TS_1": noise(SHAPE_ZYX, seed=0)}, {("TS_1", REFERENCE): POINTS})
    store = open_project(path)
    for name, points, scores in (
        ("ribosome", FOUND, [0.9, 0.5, 0.4]),
        ("apo-ferritin", OTHER, [0.7]),
    ):
        store.write_picks(
            "TS_1",
            PicksKey(name, "picker", "1"),
            PickSet(name, points, np.array(scores)),
            provenance={"a": 1},
            overwrite=False,
        )
    return path


def view(config, *arguments):
    return CliRunner().invoke(console, ["view", "-c", str(config), *arguments])


def marks_of(config, *arguments):
    """Return the number of marks by status, as ``--json`` has it."""
    target = config.parent / "summary.json"
    result = view(config, *arguments, "--json", str(target))
    assert result.exit_code == 0, result.output
    return json.loads(target.read_text())["runs"][0]["marks"]


def data_of(page):
    return json.loads(re.search(r'id="data">(.*?)</script>', page.read_text()).group(1))


def test_a_picture_is_a_png_that_is_kept(config, tmp_path):
    target = tmp_path / "TS_1.png"
    result = view(config, "TS_1", "-o", str(target), "--reference", "*:curator/1")
    assert result.exit_code == 0, result.output
    picture = Image.open(io.BytesIO(target.read_bytes()))
    assert picture.width > 700
    assert "matcher one-to-one" in picture.text["Description"]
    assert np.asarray(picture.convert("RGB")).std() > 20

    before = target.read_bytes()
    again = view(config, "TS_1", "-o", str(target))
    assert again.exit_code == 1
    assert "exists; use --overwrite" in again.output
    assert target.read_bytes() == before
    assert view(config, "TS_1", "-o", str(target), "--overwrite").exit_code == 0
    assert target.read_bytes() != before


def test_the_same_input_gives_the_same_page(config, tmp_path):
    for name in ("a.html", "b.html"):
        assert view(config, "TS_1", "-o", str(tmp_path / name)).exit_code == 0
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_picks_are_marked_by_what_became_of_them(config, tmp_path):
    page = tmp_path / "TS_1.html"
    counts = marks_of(config, "TS_1", "-o", str(page), "--reference", "*:curator/1")
    assert counts == {"found": 1, "missed": 2, "hit": 1, "false": 2, "candidate": 1}
    data = data_of(page)
    shown = {(data["objects"][pick["o"]]["name"], pick["s"], pick["r"]) for pick in data["picks"]}
    assert ("ribosome", "false", "duplicate") in shown
    assert ("apo-ferritin", "candidate", "") in shown
    hits = [pick for pick in data["picks"] if pick["s"] == "hit"]
    assert [(pick["p"], pick["c"]) for pick in hits] == [([105.0, 152.0, 51.0], 0.9)]
    assert {entry["name"]: entry["radius"] for entry in data["objects"]} == {
        "ribosome": 120.0,
        "apo-ferritin": 60.0,
    }


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--candidate", "*:picker/1"], {"candidate": 4}),
        (["--candidate", "*:curator/1"], {"candidate": 3}),
        (["--candidate", "*:nobody/1"], {}),
        (["--candidate", "*:nobody/1", "--reference", "*:curator/1"], {"reference": 3}),
        (["--min-score", "ribosome=0.6"], {"candidate": 2}),
        (["--objects", "apo-ferritin"], {"candidate": 1}),
        (
            ["--reference", "*:curator/1", "--tolerance", "2A"],
            {"missed": 3, "false": 3, "candidate": 1},
        ),
        (
            ["--reference", "*:curator/1", "--matcher", "octopi"],
            {"found": 1, "missed": 2, "hit": 2, "false": 1, "candidate": 1},
        ),
        (
            ["--reference", "*:curator/1", "--matcher", "byu"],
            {"found": 1, "reference": 2, "hit": 1, "candidate": 3},
        ),
    ],
)
def test_which_picks_are_shown(config, tmp_path, arguments, expected):
    assert marks_of(config, "TS_1", "-o", str(tmp_path / "a.html"), *arguments) == expected


def test_a_set_without_scores_shows_none(config, tmp_path):
    page = tmp_path / "a.html"
    assert view(config, "TS_1", "-o", str(page), "--candidate", "*:curator/1").exit_code == 0
    assert {pick["c"] for pick in data_of(page)["picks"]} == {None}
    assert 'id="least"' not in page.read_text()


def test_several_runs_make_a_file_each(config, tmp_path):
    add_tomogram(config, "TS_2", TOMOGRAM, noise(SHAPE_ZYX, seed=1))
    result = view(config, "TS_*", "-o", str(tmp_path / "{run}.png"))
    assert result.exit_code == 0, result.output
    assert (tmp_path / "TS_1.png").is_file()
    assert (tmp_path / "TS_2.png").is_file()
    assert "no picks '*:picker/1'" in result.output
    one = view(config, "TS_*", "-o", str(tmp_path / "one.png"))
    assert one.exit_code == 2
    assert "put {run} in" in one.output


def test_a_dry_run_writes_nothing(config, tmp_path):
    result = view(config, "TS_1", "-o", str(tmp_path / "a.png"), "--dry-run")
    assert result.exit_code == 0
    assert "4 candidates" in result.output
    assert not (tmp_path / "a.png").exists()


def test_a_large_tomogram_is_binned_and_bright_protein_drawn_dark(tmp_path):
    volume = np.zeros((10, 70, 50), dtype=np.float32) + noise((10, 70, 50), seed=0) / 50
    volume[3:7, 30:38, 20:28] += 1.0
    point = np.array([[235.0, 335, 45]])
    config = project_of(tmp_path, {"TS_1": volume}, {("TS_1", REFERENCE): point})
    page = tmp_path / "a.html"
    result = view(config, "TS_1", "-o", str(page), "--candidate", "*:curator/1", "--pixels", "35")
    assert result.exit_code == 0, result.output
    assert "protein bright" in page.read_text()
    data = data_of(page)
    xy = data["views"][0]
    assert (xy["columns"], xy["rows"], xy["width"]) == (25, 35, 500.0)
    assert data["low"] == -5.0
    middle = xy["images"][1].split(",")[1]
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(middle))))
    row, column = round((350 - 335) / 20 + 17), round((235 + 5) / 20)
    assert shown[row - 1 : row + 1, column - 1 : column + 1].mean() < shown.mean() - 60


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "no run given"),
        (["TS_9"], 2, "no run 'TS_9'; did you mean 'TS_1'?"),
        (["TS_1", "-o", "a.jpg"], 2, "ends in .png or .html"),
        (["TS_1", "--at", "1,2"], 2, "expected X,Y,Z in Angstrom"),
        (["TS_1", "--at", "1,2,9999"], 1, "--at: z is 9999; the tomogram ends at 195 Angstrom"),
        (["TS_1", "--tomogram", "denoised@10"], 1, "has no tomogram 'denoised@10'"),
        (["TS_1", "--radius", "ribosom=3"], 2, "did you mean 'ribosome'?"),
        (["TS_1", "--tolerance", "3"], 2, "positive multiple of the radius"),
        (["TS_1", "--candidate", "*:*/*"], 1, "choose one user and session"),
        (["TS_1", "--neuroglancer", "--port", "99999"], 2, "expected at most 65535"),
    ],
)
def test_wrong_input_is_one_line(config, tmp_path, monkeypatch, arguments, code, words):
    monkeypatch.chdir(tmp_path)
    result = view(config, *arguments)
    assert result.exit_code == code, result.output
    assert words in result.output
    assert "Traceback (most" not in result.output
    assert not list(tmp_path.glob("*.png"))


def test_two_tomograms_need_a_choice(config, tmp_path):
    add_tomogram(config, "TS_1", TomogramKey("denoised", 10.0), noise(SHAPE_ZYX, seed=1))
    result = view(config, "TS_1", "-o", str(tmp_path / "a.png"))
    assert result.exit_code == 1
    assert "has 2 tomograms '*': denoised@10.0, wbp@10.0" in result.output
    chosen = view(config, "TS_1", "-o", str(tmp_path / "a.png"), "--tomogram", "denoised")
    assert chosen.exit_code == 0, chosen.output


def test_an_object_without_a_radius_is_drawn_and_said(tmp_path):
    objects = (*OBJECTS, ObjectSpec("tube", label=7))
    key = PicksKey("tube", "picker", "1")
    config = project_of(
        tmp_path, {"TS_1": noise(SHAPE_ZYX, seed=0)}, {("TS_1", key): OTHER}, objects=objects
    )
    result = view(config, "TS_1", "-o", str(tmp_path / "a.png"))
    assert result.exit_code == 0
    assert "tube has no radius; its marks have 50 Angstrom" in result.output


@pytest.mark.parametrize("shape", [(1, 40, 30), (2, 3, 50), (1, 1, 1)])
def test_odd_volumes_are_drawn(tmp_path, shape):
    config = project_of(tmp_path, {"TS_1": noise(shape, seed=0)}, {})
    for name in ("a.png", "a.html"):
        result = view(config, "TS_1", "-o", str(tmp_path / name))
        assert result.exit_code == 0, result.output


def test_the_page_scrolls_filters_and_jumps(config, tmp_path, browser):
    page = tmp_path / "a.html"
    assert view(config, "TS_1", "-o", str(page), "--reference", "*:curator/1").exit_code == 0
    browser.show(page)
    assert browser.run("document.querySelectorAll('.stage img').length") == 3
    assert browser.run("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    caption = "document.querySelectorAll('figcaption')[0].textContent"
    browser.run(
        "(() => { const s = document.getElementById('slider-xy'); s.value = s.max; "
        "s.dispatchEvent(new Event('input')); })()"
    )
    assert "xy slice at z = 18.5 nm, 2.0 nm thick" in browser.run(caption)
    browser.click("button[data-pick]")  # the best score: a hit at z = 51 A
    assert browser.run(caption) == "xy slice at z = 2.5 nm, 6.0 nm thick, 7 marks"
    browser.run("document.querySelector('input[data-status=missed]').click()")
    assert browser.run(caption).endswith("5 marks")
    browser.run("document.querySelector('input[data-object=\"1\"]').click()")
    assert browser.run(caption).endswith("4 marks")
    browser.run(
        "(() => { const s = document.getElementById('least'); s.value = 0.8; "
        "s.dispatchEvent(new Event('input')); })()"
    )
    assert browser.run(caption).endswith("2 marks")
    assert (
        browser.run("document.querySelector('.stage text:not(.bar-words)').textContent") == "0.90"
    )
    before = browser.run("document.querySelectorAll('figcaption')[2].textContent")
    browser.click(".stage")
    assert browser.run("document.querySelectorAll('figcaption')[2].textContent") != before
    assert browser.complaints == []
    assert browser.requests == []


@pytest.mark.parametrize("dark", [False, True])
def test_the_page_fits_a_phone(config, tmp_path, browser, dark):
    page = tmp_path / "a.html"
    assert view(config, "TS_1", "-o", str(page), "--reference", "*:curator/1").exit_code == 0
    browser.show(page, width=390, height=844, phone=True, dark=dark)
    assert browser.run("document.documentElement.scrollWidth") <= 390
    widths = browser.run("[...document.querySelectorAll('.stage')].map(s => s.clientWidth)")
    assert min(widths) > 340
    assert browser.complaints == []


def test_neuroglancer_serves_tomogram_segmentation_and_picks(config):
    labels = np.zeros(SHAPE_ZYX, dtype=np.uint8)
    labels[3:9, 4:20, 5:30] = 3
    open_project(config).write_segmentation(
        "TS_1",
        SegmentationKey("predict", "picker", "1", 10.0),
        slabs_of(labels, 8),
        shape_zyx=SHAPE_ZYX,
        provenance={"a": 1},
        overwrite=False,
    )
    program = Path(sys.executable).parent / "copick-picker"
    command = [program, "view", "TS_1", "-c", config, "--neuroglancer"]
    command += ["--reference", "*:curator/1", "--segmentation", "predict:picker/1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        said = []
        for line in process.stdout:
            said.append(line)
            if "Ctrl-C" in line:
                break
        text = "".join(said)
        assert "1 references found, 2 references missed, 1 hits, 2 false candidates" in text
        (address,) = re.findall(r"http://127\.0\.0\.1:\d+/v/\w+/", text)
        assert "neuroglancer" in requests.get(address, timeout=HANG_SECONDS).text
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=HANG_SECONDS) == 0
