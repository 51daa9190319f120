"""Two tomograms in a run, as every simulated project has: picks know which one they are of."""

import json

import mrcfile
import numpy as np
import pytest
from click.testing import CliRunner

from copick_picker.cli.main import console
from copick_picker.project.copick.making import add_tomogram
from copick_picker.project.copick.store import open_project
from copick_picker.records.keys import PicksKey, SegmentationKey, TomogramKey
from copick_picker.records.points import PickSet
from projects import SHAPE_ZYX, noise, small_project

POINTS = np.array([[200.0, 150.0, 100.0], [120.0, 130.0, 90.0]])
LABELS = SegmentationKey("predict", "picker", "1", 10.0)
FOUND, FILTERED, DRAWN = (PicksKey("ribosome", "picker", s) for s in ("1", "filtered", "hand"))
REFERENCE = PicksKey("ribosome", "curator", "1")


def run(*arguments, code=0):
    result = CliRunner().invoke(console, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    assert "Traceback (most" not in result.output
    return " ".join(result.output.split())


@pytest.fixture
def config(tmp_path):
    """Picks found in ``wbp``; ``denoised`` comes first by name."""
    path = small_project(tmp_path / "p", ("TS_1",))
    add_tomogram(path, "TS_1", TomogramKey("denoised", 10.0), noise(SHAPE_ZYX, seed=9) + 50)
    store = open_project(path)
    store.write_segmentation(
        "TS_1",
        LABELS,
        [(0, np.zeros(SHAPE_ZYX, np.uint8))],
        shape_zyx=SHAPE_ZYX,
        provenance={"command": "segment", "input": "wbp@10.0", "labels": {"ribosome": 1}},
        overwrite=False,
    )
    picks = PickSet("ribosome", POINTS, np.array([0.9, 0.4]))
    records = {
        FOUND: {"command": "localize", "input": {"segmentation": str(LABELS)}},
        FILTERED: {"command": "filter", "input": {"picks": [str(FOUND)]}},
        DRAWN: {},
        REFERENCE: {},
    }
    for key, record in records.items():
        store.write_picks("TS_1", key, picks, provenance=record, overwrite=False)
    return path


@pytest.mark.parametrize("session", ["1", "filtered"])
def test_view_takes_the_tomogram_of_the_picks(config, tmp_path, session):
    words = ("--candidate", f"ribosome:picker/{session}", "-o", tmp_path / "{run}.html")
    run("view", "TS_1", "-c", config, *words)
    page = (tmp_path / "TS_1.html").read_text()
    assert "TS_1 wbp@10.0" in page
    assert "denoised" not in page


def test_evaluate_and_report_take_it_too(config, tmp_path):
    scores = tmp_path / "scores"
    words = ("--reference", "ribosome:curator/1", "--candidate", "ribosome:picker/1")
    text = run("evaluate", "-c", config, *words, "--slices", 1, "-o", scores)
    assert (scores / "slices_TS_1.png").is_file(), text
    text = run("report", scores, "-c", config, "-o", tmp_path / "report.html")
    assert "from wbp@10.0" in text


def test_extract_cuts_from_it(config, tmp_path):
    run("extract", "-c", config, "-i", "ribosome:picker/1", "--size", 8, "-o", tmp_path / "out",
        "--normalisation", "none")  # fmt: skip
    box = mrcfile.read(tmp_path / "out/ribosome/TS_1/particle_000001.mrc")
    assert np.array_equal(box, noise(SHAPE_ZYX, seed=0)[6:14, 11:19, 16:24])


def test_where_no_record_says_it_the_choices_are_named(config, tmp_path):
    words = ("--candidate", "ribosome:picker/hand", "-o", tmp_path / "{run}.html")
    text = run("view", "TS_1", "-c", config, *words, code=1)
    assert "run TS_1 has 2 tomograms '*': denoised@10.0, wbp@10.0" in text
    assert "no record of picks names one: choose with --tomogram" in text
    run("view", "TS_1", "-c", config, *words, "--tomogram", "denoised")
    summary = tmp_path / "s.json"
    words = ("-c", config, "-i", "ribosome:picker/hand", "--size", 8, "-o", tmp_path / "out")
    run("extract", *words, "--json", summary, code=1)
    assert json.loads(summary.read_text())["counts"] == {"failed": 1}
    assert not (tmp_path / "out").exists()
