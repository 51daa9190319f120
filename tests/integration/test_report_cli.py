"""``report`` on real projects through the real command line, its page in a real browser."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from copick_picker.cli.main import console
from copick_picker.project.copick.making import add_picks
from copick_picker.records.keys import PicksKey
from copick_picker.records.points import PickSet
from copick_picker.records.runs import ObjectSpec
from projects import copied_project, noise, project_of, run_folder, small_project, temporaries

OBJECTS = (
    ObjectSpec("ribosome", 1, 60.0, score_weight=2.0, colour=(250, 240, 20)),
    ObjectSpec("apo-ferritin", 2, 30.0, colour=(10, 20, 60)),
)
SHAPE_ZYX = (24, 40, 52)
TRUTH = {
    "ribosome": np.array([[100.0, 100, 60], [300, 200, 120], [420, 330, 200], [60, 350, 40]]),
    "apo-ferritin": np.array([[200.0, 60, 100], [250, 350, 150]]),
}
FOUND = {
    "ribosome": (TRUTH["ribosome"][:3] + 5.0, [0.9, 0.8, 0.4]),
    "apo-ferritin": (np.array([[202.0, 61, 101], [480, 30, 200]]), [0.7, 0.6]),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Return a folder with a project of five runs, its scores and a report."""
    folder = tmp_path_factory.mktemp("report")
    tomogram = noise(SHAPE_ZYX, seed=1)
    z, y, x = np.ogrid[: SHAPE_ZYX[0], : SHAPE_ZYX[1], : SHAPE_ZYX[2]]
    for points in TRUTH.values():
        for px, py, pz in points / 10:
            tomogram[(x - px) ** 2 + (y - py) ** 2 + (z - pz) ** 2 < 9] -= 6.0
    config = project_of(folder, {"TS_1": tomogram}, {}, objects=OBJECTS)
    for name, points in TRUTH.items():
        put(config, "TS_1", name, "curator", points)
        put(config, "TS_1", name, "picker", *FOUND[name])
    for number in range(2, 6):
        shutil.copytree(run_folder(config, "TS_1"), run_folder(config, f"TS_{number}"))
    well("evaluate", "-c", config, "--reference", "*:curator/1", "-o", folder / "scores")
    well("report", folder / "scores", "-o", folder / "report.html")
    return folder


def put(config, run_name, name, user, points, scores=None):
    given = np.ones(len(points)) if scores is None else np.array(scores)
    add_picks(config, run_name, PicksKey(name, user, "1"), PickSet(name, points, given))


def run(*arguments):
    return CliRunner().invoke(console, [str(part) for part in arguments])


def well(*arguments):
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result


def refused(*arguments):
    """Return the one line of an error."""
    result = run("report", *arguments)
    assert result.exit_code == 2, result.output
    lines = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(lines) == 1
    return lines[0]


def column(browser, table, number):
    script = f"[...document.querySelectorAll('#{table} tbody tr')].map(r => r.cells[{number}]"
    return browser.run(f"{script}.firstChild.textContent.trim())")


def test_the_page_needs_nothing_else_and_complains_of_nothing(browser, place):
    browser.show(place / "report.html")
    assert browser.complaints == []
    assert browser.requests == []
    images = browser.run("[...document.images].map(i => [i.naturalWidth, i.alt.length])")
    # of each object: missed, false and best picks, three slices each
    assert len(images) == 3 * (4 + 4 + 4 + 4 + 4)
    assert all(width > 0 and words > 10 for width, words in images)
    charts = browser.run("[...document.querySelectorAll('svg.chart')].map(c => c.ariaLabel)")
    assert len(charts) == 7
    assert all(charts)


def test_tables_sort_by_numbers_and_names(browser, place):
    browser.show(place / "report.html")
    recall = browser.run(
        "[...document.querySelectorAll('#objects thead th')].findIndex("
        "h => h.textContent === 'recall')"
    )
    assert column(browser, "objects", 0) == ["ribosome", "apo-ferritin"]
    head = f"#objects thead th:nth-child({recall + 1})"
    browser.click(f"{head} button")
    assert column(browser, "objects", recall) == ["0.750", "0.500"]
    assert browser.run(f"document.querySelector('{head}').ariaSort") == "descending"
    browser.click(f"{head} button")
    assert column(browser, "objects", recall) == ["0.500", "0.750"]
    browser.click("#objects thead th:nth-child(1) button")
    assert column(browser, "objects", 0) == ["apo-ferritin", "ribosome"]
    browser.click("#run-totals thead th:nth-child(1) button")
    assert column(browser, "run-totals", 0) == [f"TS_{n}" for n in range(1, 6)]


def test_names_and_numbers_sort_also_where_some_are_missing(browser, place):
    browser.show(place / "report.html")
    head = "#confusion thead th:nth-child({}) button"
    browser.click(head.format(4))  # missed: one object of each run, and two; of none: empty
    first = column(browser, "confusion", 0)
    assert first == ["ribosome", "apo-ferritin", "no reference"]
    browser.click(head.format(4))
    again = browser.run(
        "[...document.querySelectorAll('#confusion tbody tr')].map(r => r.cells[3].textContent)"
    )
    assert again == [*sorted(again[:-1], key=int), ""]


@pytest.mark.parametrize("width", [1280, 1100])
def test_tables_of_objects_fit_a_window(browser, place, width):
    browser.show(place / "report.html", width=width)
    boxes = browser.run(
        "[...document.querySelectorAll('.scroll')].map(b => [b.scrollWidth, b.clientWidth])"
    )
    assert len(boxes) > 5
    assert all(inner <= outer for inner, outer in boxes)


def test_objects_have_the_projects_colours_legible_on_either_page(browser, place):
    text = (place / "report.html").read_text()
    assert "--mark:#faf014;--rim:#000000" in text
    assert "--mark:#0a143c;--rim:#ffffff" in text
    stroke = "getComputedStyle(document.querySelector(\"svg.chart path[style*='{}']\")).stroke"
    found = {}
    for dark in (False, True):
        browser.show(place / "report.html", dark=dark)
        found[dark] = [
            sum(map(int, re.findall(r"\d+", browser.run(stroke.format(name)))))
            for name in ("own-faf014", "own-0a143c")
        ]
    (yellow, blue), (yellow_at_night, blue_at_night) = found[False], found[True]
    assert yellow < yellow_at_night == 250 + 240 + 20
    assert blue_at_night > blue == 10 + 20 + 60


def test_the_page_shows_the_scores_of_the_json(browser, place):
    values = json.loads((place / "scores" / "scores.json").read_text())
    browser.show(place / "report.html")
    cells = browser.run(
        "[...document.querySelectorAll('#totals tbody tr')].map("
        "r => [...r.cells].map(c => c.textContent))"
    )
    micro = values["totals"]["micro"]
    low, high = micro["intervals"]["recall"]
    assert cells[0][2] == f"{micro['recall']:.3f} {low:.3f}–{high:.3f}"
    assert f"{values['totals']['macro']['f_beta']:.3f}" in cells[1][4]
    text = browser.run("document.body.innerText")
    for words in ("one-to-one, tolerance 0.5r", "*:curator/1", "may be incomplete", "copick 1."):
        assert words in text


@pytest.mark.parametrize("dark", [False, True])
def test_the_page_fits_a_phone(browser, place, dark):
    browser.show(place / "report.html", width=390, height=844, phone=True, dark=dark)
    assert browser.run("document.documentElement.scrollWidth") <= 390
    smallest = browser.run(
        "Math.min(...[...document.querySelectorAll('svg.chart text')].map("
        "t => t.getBoundingClientRect().height))"
    )
    assert smallest > 8
    colour = browser.run("getComputedStyle(document.body).backgroundColor")
    assert colour == ("rgb(20, 23, 27)" if dark else "rgb(255, 255, 255)")


def test_the_page_prints(browser, place):
    browser.show(place / "report.html", dark=True)
    assert browser.pdf().startswith(b"%PDF")


def test_the_report_of_twenty_runs_is_small(tmp_path):
    names = [f"object-{number}" for number in range(6)]
    objects = tuple(ObjectSpec(name, n, 100.0) for n, name in enumerate(names, 1))
    config = small_project(tmp_path / "many", ("TS_1",), objects=objects, shape_zyx=(40, 60, 80))
    rng = np.random.default_rng(0)
    for name in names:
        points = rng.uniform((0, 0, 0), (790, 590, 390), (20, 3))
        put(config, "TS_1", name, "curator", points)
        found = points[:15] + rng.normal(scale=25.0, size=(15, 3))
        put(config, "TS_1", name, "picker", found, rng.uniform(size=15))
    for number in range(2, 21):
        shutil.copytree(run_folder(config, "TS_1"), run_folder(config, f"TS_{number}"))
    scores = tmp_path / "scores"
    well("evaluate", "-c", config, "--reference", "*:curator/1", "-o", scores)
    well("report", scores, "-o", tmp_path / "report.html")
    content = (tmp_path / "report.html").read_text()
    assert len(content.encode()) <= 5e6
    assert content.count("<img") == 3 * 3 * 4 * 6


def test_other_scores_stand_beside_the_first(browser, place, tmp_path):
    common = ("-c", place / "config.json", "--reference", "*:curator/1")
    well("evaluate", *common, "--min-score", "ribosome=0.5", "-o", tmp_path / "strict")
    page = tmp_path / "both.html"
    well("report", place / "scores", tmp_path / "strict", "-o", page, "--gallery", 0)
    browser.show(page)
    assert len(column(browser, "compared", 0)) == 2
    assert column(browser, "compared", 1) == ["20", "15"]
    assert browser.run("document.images.length") == 0


def test_times_and_hardware_are_shown(browser, place, tmp_path):
    times = tmp_path / "localize.json"
    content = {
        "command": "localize",
        "seconds": 8.0,
        "counts": {"done": 4},
        "machine": {"processor": "Z80", "cores": 2, "threads": 1, "peak_memory_bytes": 2**28},
    }
    times.write_text(json.dumps(content))
    page = tmp_path / "timed.html"
    well("report", place / "scores", "-o", page, "--gallery", 0, "--times", times)
    browser.show(page)
    row = browser.run("[...document.querySelector('#times tbody tr').cells].map(c=>c.textContent)")
    assert row == ["localize", "4", "8.0", "2.00", "Z80, 2 cores, 1 threads, no GPU", "256 MiB"]


def test_what_a_command_writes_with_json_names_the_hardware(place, tmp_path):
    common = ("-c", place / "config.json", "--reference", "*:curator/1")
    summary = tmp_path / "evaluate.json"
    well("evaluate", *common, "-o", tmp_path / "again", "--json", summary)
    machine = json.loads(summary.read_text())["machine"]
    assert machine["cores"] >= 1
    assert machine["peak_memory_bytes"] > 2**20
    assert machine["processor"]


def test_a_title_is_text(place, tmp_path):
    well("report", place / "scores", "-o", tmp_path / "t.html", "--title", "<b>&", "--gallery", 0)
    assert "<h1>&lt;b&gt;&amp;</h1>" in (tmp_path / "t.html").read_text()


def test_the_same_scores_give_the_same_bytes(place, tmp_path):
    well("report", place / "scores", "-o", tmp_path / "again.html")
    assert (tmp_path / "again.html").read_bytes() == (place / "report.html").read_bytes()


def test_an_existing_file_needs_overwrite(place, tmp_path):
    page = tmp_path / "mine.html"
    page.write_text("mine")
    for more in ((), ("--overwrite",)):  # no report of ours: it is never replaced
        line = refused(place / "scores", "-o", page, *more)
        assert "mine.html exists and was not made by this tool" in line
        assert page.read_text() == "mine"
    page.unlink()
    well("report", place / "scores", "-o", page, "--gallery", 0)
    assert "mine.html exists; use --overwrite" in refused(place / "scores", "-o", page)
    well("report", place / "scores", "-o", page, "--gallery", 0, "--overwrite")
    assert "is a folder" in refused(place / "scores", "-o", tmp_path)
    assert not temporaries(tmp_path)


@pytest.fixture
def scores(place, tmp_path):
    """Return a copy of the scores to break."""
    return shutil.copytree(place / "scores", tmp_path / "scores")


def test_broken_scores_are_one_line(scores, tmp_path):
    out = ("-o", tmp_path / "report.html")
    assert "'--scores' is missing" in refused(*out)
    assert f"cannot read {tmp_path / 'no' / 'scores.json'}" in refused(tmp_path / "no", *out)
    whole = (scores / "scores.json").read_text()
    (scores / "scores.json").write_text(whole[: len(whole) // 2])
    assert "scores.json is broken: " in refused(scores, *out)
    (scores / "scores.json").write_text("[1]")
    assert "holds a list; expected a JSON object" in refused(scores, *out)
    (scores / "scores.json").write_text('{"matcher": "czii"}')
    assert "is not an output of evaluate, or from an old version: it has no beta" in refused(
        scores, *out
    )
    (scores / "scores.json").write_text(whole)
    table = (scores / "matches.csv").read_text()
    (scores / "matches.csv").write_text(table[: len(table) // 2].rsplit(",", 8)[0])
    assert "matches.csv lists fewer picks than scores.json counts: is it truncated?" in refused(
        scores, *out
    )
    (scores / "matches.csv").write_text("")
    assert "lists fewer picks than scores.json counts" in refused(scores, *out)
    (scores / "matches.csv").unlink()
    assert "cannot read" in refused(scores, *out)
    assert not (tmp_path / "report.html").exists()


def test_scores_by_other_rules_are_refused(place, tmp_path):
    common = ("-c", place / "config.json", "--reference", "*:curator/1")
    well("evaluate", *common, "--tolerance", "0.8r", "-o", tmp_path / "wide")
    line = refused(place / "scores", tmp_path / "wide", "-o", tmp_path / "report.html")
    assert "cannot be compared side by side: tolerance: 0.5r there, 0.8r here" in line


def test_without_the_project_there_is_a_report_without_gallery(scores, tmp_path):
    values = json.loads((scores / "scores.json").read_text())
    values["input"]["project"] = str(tmp_path / "gone.json")
    (scores / "scores.json").write_text(json.dumps(values))
    page = tmp_path / "report.html"
    result = well("report", scores, "-o", page)
    assert "No gallery, and no word of models: cannot read the configuration" in result.output
    assert "<img" not in page.read_text()
    assert "gone.json" in refused(scores, "-o", tmp_path / "b.html", "-c", tmp_path / "gone.json")


def test_a_run_whose_tomogram_is_broken_does_not_stop_the_others(place, tmp_path):
    config = copied_project(place, tmp_path / "copy")
    folder = config.parent
    next(run_folder(config, "TS_2").rglob("0/.zarray")).write_text("{")
    shutil.rmtree(next(run_folder(config, "TS_3").glob("VoxelSpacing*")))
    page = tmp_path / "report.html"
    result = run("report", folder / "scores", "-c", config, "-o", page)
    assert result.exit_code == 1, result.output
    text = page.read_text()
    assert "No slices of TS_2: " in text
    assert "No slices of TS_3: no tomogram" in text
    assert "<img" in text
    assert "some slices are missing" in result.output
    assert "Traceback (most" not in result.output


def test_wrong_settings_are_one_line(place, tmp_path):
    out = ("-o", tmp_path / "report.html")
    assert "--contrast: got 'light'" in refused(place / "scores", *out, "--contrast", "light")
    assert "expected a number of Angstrom (type@spacing)" in refused(
        place / "scores", *out, "--tomogram", "a:b/c@d"
    )
    result = run("report", place / "scores", *out, "--tomogram", "wbp@99")
    assert result.exit_code == 1
    assert "it has: wbp@10.0" in Path(tmp_path, "report.html").read_text()
