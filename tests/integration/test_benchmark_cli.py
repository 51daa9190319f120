"""``benchmark`` through the real command line: suites, resuming, comparing."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner

from copick_picker.cli.main import console
from copick_picker.project.copick.making import add_picks, create_project
from copick_picker.records.keys import PicksKey
from copick_picker.records.points import PickSet
from copick_picker.settings.benchmark import load_suite, suite_names
from killed import finished, killed_when, server, start
from projects import OBJECTS, small_project, temporaries, tree

ROOT = Path(__file__).parents[2]
TINY = {
    "title": "Two tiny tomograms",
    "simulated": {"seeds": [9001, 9002], "shape_zyx": [40, 56, 64]},
    "tomogram": "wbp@10.0",
    "reference": "*:curator/1",
    "models": {"ours": "simulated-10a"},
    "segment": {"tta": 1, "contrast": "dark", "overlap": 0.0},
    "report": {"gallery": 1, "contrast": "dark"},
}
SPOTS = np.array([[100.0, 100, 50], [200, 250, 80], [300, 100, 120], [350, 250, 60]])


def run(*arguments):
    return CliRunner().invoke(console, ["benchmark", *map(str, arguments)])


def well(*arguments):
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result


def refused(*arguments):
    """Return the one line of an error."""
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    lines = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(lines) == 1
    return lines[0]


def suite_file(folder, **changes):
    """Write a suite; a value of None leaves a setting out."""
    content = {name: value for name, value in {**TINY, **changes}.items() if value is not None}
    file = folder / "suite.yaml"
    file.write_text(yaml.safe_dump(content))
    return file


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Return a folder with a suite and its finished benchmark in ``out``."""
    folder = tmp_path_factory.mktemp("benchmark")
    well("run", suite_file(folder), "-o", folder / "out", "--threads", 1)
    return folder


def test_a_suite_runs_from_its_data_to_its_report(done):
    out = done / "out"
    scores = json.loads((out / "ours" / "scores" / "scores.json").read_text())
    assert scores["input"]["candidate"] == "*:picker/ours"
    assert scores["n_runs"] == 2
    assert scores["totals"]["micro"]["recall"] > 0.4
    page = (out / "ours" / "report.html").read_text()
    assert "<h1>Two tiny tomograms</h1>" in page
    assert "<img" in page
    for name in ("segment", "localize"):
        times = json.loads((out / "ours" / f"{name}.json").read_text())
        assert [entry["run"] for entry in times["runs"]] == ["SIM_1", "SIM_2"]
        assert times["machine"]["cores"] >= 1
        assert f"{name}</th>" in page
    assert not temporaries(out)


def test_a_second_call_does_nothing_again(done):
    before = tree(done / "out")
    stamps = {path: path.stat().st_mtime_ns for path in (done / "out").rglob("*.html")}
    result = well("run", done / "suite.yaml", "-o", done / "out", "--threads", 1)
    assert "2 runs exist already" in result.output
    assert result.output.count("2 runs: 2 skipped") == 2
    assert "the scores exist already" in result.output
    assert tree(done / "out") == before
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps


def test_other_candidates_are_scored_by_the_same_rules(done):
    config = done / "out" / "project" / "config.json"
    for name in ("ribosome", "apo-ferritin"):
        spots = PickSet(name, SPOTS, np.ones(len(SPOTS)))
        add_picks(config, "SIM_1", PicksKey(name, "anna", "1"), spots)
    result = well("run", done / "suite.yaml", "-o", done / "out", "--also", "anna=*:anna/1")
    assert result.output.count("the scores exist already") == 1
    page = (done / "out" / "anna" / "report.html").read_text()
    assert 'id="compared"' in page
    assert "*:picker/ours" in page
    scores = [
        json.loads((done / "out" / label / "scores" / "scores.json").read_text())
        for label in ("ours", "anna")
    ]
    assert scores[0]["settings"] == scores[1]["settings"]
    assert scores[1]["totals"]["micro"]["counts"]["n_candidate"] == 8
    # the picks change: these scores are made anew, the others stay
    extra = PickSet("proteasome", SPOTS[:1], np.ones(1))
    add_picks(config, "SIM_1", PicksKey("proteasome", "anna", "1"), extra)
    result = well("run", done / "suite.yaml", "-o", done / "out", "--also", "anna=*:anna/1")
    assert result.output.count("the scores exist already") == 1
    scores = json.loads((done / "out" / "anna" / "scores" / "scores.json").read_text())
    assert scores["totals"]["micro"]["counts"]["n_candidate"] == 9


def test_a_killed_benchmark_goes_on_to_the_same_scores(done, tmp_path):
    out = tmp_path / "out"
    line = ["benchmark", "run", str(done / "suite.yaml"), "-o", str(out), "--threads", "1"]
    process = start(server(), line, tmp_path / "output.txt")
    made = out / "project" / "made.json"
    assert killed_when(process, made.exists, 0), (tmp_path / "output.txt").read_text()
    assert made.exists()
    assert not (out / "ours" / "report.html").exists()
    well("run", done / "suite.yaml", "-o", out, "--threads", 1)
    [first, second] = [
        (folder / "ours" / "scores" / "matches.csv").read_text().splitlines()[4:]
        for folder in (done / "out", out)
    ]
    assert first == second


def test_a_project_that_was_cut_off_is_made_anew(done, tmp_path):
    out = tmp_path / "out"
    file = suite_file(tmp_path, models=None, also={"nobody": "*:nobody/1"})
    (out / "project" / "project").mkdir(parents=True)
    (out / "suite.yaml").write_text((done / "out" / "suite.yaml").read_text())
    (out / "project" / "config.json").write_text("{")
    result = run("run", file, "-o", out)
    assert "simulating 2 tomograms" in result.output
    assert result.exit_code == 2  # nobody picked
    assert "none of the 2 runs has a candidate pick set '*:nobody/1'" in result.stderr


def test_a_folder_of_another_benchmark_is_kept(done, tmp_path):
    before = tree(done / "out")
    other = suite_file(tmp_path, title="Another")
    line = refused("run", other, "-o", done / "out")
    assert "holds another benchmark (title differ); use --overwrite" in line
    assert tree(done / "out") == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    line = refused("run", other, "-o", tmp_path / "mine", "--overwrite")
    assert "mine exists and contains no benchmark" in line
    out = tmp_path / "out"
    (out / "ours").mkdir(parents=True)
    (out / "suite.yaml").write_text("title: old\n")
    (out / "ours" / "notes.txt").write_text("mine")
    line = refused("run", other, "-o", out, "--overwrite")
    assert "out contains other things (ours/notes.txt)" in line
    (out / "ours" / "notes.txt").unlink()
    nobody = suite_file(tmp_path, models=None, also={"nobody": "*:nobody/1"})
    assert "nobody" in refused("run", nobody, "-o", out, "--overwrite")
    assert "Two tiny tomograms" in (out / "suite.yaml").read_text()
    assert not (out / "ours").exists()


def test_wrong_suites_are_one_line(tmp_path):
    out = ("-o", tmp_path / "out")
    line = refused("run", "smok", *out)
    assert "no suite 'smok'; did you mean 'smoke'?; suites: " in line
    assert "cannot read" in refused("run", tmp_path / "no.yaml", *out)
    cases = [
        ({"models": None}, "has no model: give one with --model LABEL=MODEL"),
        ({"config": "config.json"}, "config and simulated given; expected one source of data"),
        ({"simulated": None}, "has no data: give --manifest"),
        ({"segment": {"ttta": 1}}, "segment: no setting 'ttta'; did you mean 'tta'?"),
        ({"localize": {"method": "guess"}}, "guess"),
        ({"evaluate": {"output": "x"}}, "evaluate.output is set by the benchmark"),
        ({"models": {"a_b": "m"}}, "label 'a_b': expected letters, digits"),
        ({"models": {"a": "m"}, "also": {"a": "*:b/1"}}, "'a' is the label of a model and"),
        ({"dataste": 1}, "unknown setting 'dataste'"),
        ({"simulated": None, "dataset": [1]}, "dataset given without objects"),
    ]
    for changes, words in cases:
        assert words in refused("run", suite_file(tmp_path, **changes), *out), changes
    assert "name=value" in refused("run", suite_file(tmp_path), *out, "--model", "simulated-10a")
    assert not (tmp_path / "out").exists()


def test_a_model_that_is_not_there_is_one_line(tmp_path):
    file = suite_file(
        tmp_path,
        simulated=None,
        config=str(small_project(tmp_path / "project", objects=OBJECTS)),
        models={"gone": str(tmp_path / "gone")},
    )
    assert "gone" in refused("run", file, "-o", tmp_path / "out")


def test_a_manifest_is_a_project_too(tmp_path):
    config = small_project(tmp_path / "project")
    for user, shift in (("curator", 0.0), ("anna", 5.0)):
        for run_name in ("TS_1", "TS_2"):
            picks = PickSet("ribosome", SPOTS + shift, np.ones(len(SPOTS)))
            add_picks(config, run_name, PicksKey("ribosome", user, "1"), picks)
    root = config.parent / "project"
    copick = Path(sys.executable).parent / "copick"
    base = ("--base-url", f"{root.as_uri()}/", "--dataset-name", "small", "--license", "CC0")
    subprocess.run(
        [copick, "config", "export-croissant", "--config", config, "--project-root", root, *base],
        check=True,
        capture_output=True,
    )
    file = suite_file(
        tmp_path,
        simulated=None,
        manifest=str(root / "Croissant" / "metadata.json"),
        models=None,
        also={"anna": "*:anna/1"},
    )
    before = tree(root)
    # the library of manifests warns, which counts as an error in the tests' own process
    arguments = ["benchmark", "run", str(file), "-o", str(tmp_path / "out")]
    done = finished(arguments, tmp_path, os.environ)
    assert done.returncode == 0, done.stderr
    scores = json.loads((tmp_path / "out" / "anna" / "scores" / "scores.json").read_text())
    assert scores["totals"]["micro"]["recall"] == 1.0
    assert tree(root) == before


def test_the_deposited_picks_of_a_portal_dataset_are_scored_side_by_side(portal, tmp_path):
    arguments = ["benchmark", "run", "czii-2024", "-o", str(tmp_path / "out")]
    arguments += ["--also", "first=deposition:10319", "--also", "second=deposition:10320"]
    done = finished(arguments, tmp_path, portal.environment(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    scores = {
        label: json.loads((tmp_path / "out" / label / "scores" / "scores.json").read_text())
        for label in ("first", "second")
    }
    for label, deposition in (("first", "10319"), ("second", "10320")):
        assert scores[label]["matcher"] == "czii"
        assert scores[label]["input"]["reference"] == "ground-truth"
        assert scores[label]["input"]["candidate"] == f"deposition:{deposition}"
        ribosome = next(e for e in scores[label]["objects"] if e["object"] == "ribosome")
        assert ribosome["tolerance_angstrom"] == 75.0
        assert ribosome["counts"]["n_reference"] > 0
        assert ribosome["counts"]["n_candidate"] > 0
        page = (tmp_path / "out" / label / "report.html").read_text()
        assert "deposition:10319" in page
        assert "deposition:10320" in page
        assert "datasets of the CryoET Data Portal" in page
        assert "run 16463: deposition 10310, ground truth, annotations " in page
        assert f"run 16463: deposition {deposition}, annotations " in page
        assert "<img" in page
    both = [entry["totals"]["micro"]["counts"] for entry in scores.values()]
    assert both[0]["n_reference"] == both[1]["n_reference"]


@pytest.mark.parametrize("name", suite_names())
def test_ready_suites_are_valid_and_shown_in_configs(name):
    assert load_suite(name).title
    shipped = ROOT / "copick_picker" / "configs" / "benchmarks" / f"{name}.yaml"
    assert (ROOT / "configs" / "benchmarks" / f"{name}.yaml").read_bytes() == shipped.read_bytes()


@pytest.fixture(scope="module")
def all_scores(tmp_path_factory):
    """Return a folder with scores ``A`` and ``B`` of six runs, and ones by other rules.

    In each run A finds the first two of four ribosomes and one stray; B finds the first, the third
    and, in the last three runs, the fourth; its stray lies elsewhere.
    """
    folder = tmp_path_factory.mktemp("compare")
    config = create_project(folder / "project", OBJECTS, name="picks")
    for number in range(6):
        run_name = f"TS_{number}"
        found_b = [0, 2, 3] if number > 2 else [0, 2]
        sets = {
            "curator": SPOTS,
            "a": np.concatenate([SPOTS[:2] + 10, [[10.0, 10, 10]]]),
            "b": np.concatenate([SPOTS[found_b] + 10, [[10.0, 390, 150]]]),
        }
        for user, points in sets.items():
            picks = PickSet("ribosome", points, np.linspace(0.9, 0.5, len(points)))
            add_picks(config, run_name, PicksKey("ribosome", user, "1"), picks)
    common = ["evaluate", "-c", str(config), "--reference", "*:curator/1", "--candidate"]
    for name, extra in {
        "A": ["*:a/1"],
        "B": ["*:b/1"],
        "octopi": ["*:a/1", "--matcher", "octopi"],
        "fewer": ["*:a/1", "-r", "!TS_0"],
    }.items():
        result = CliRunner().invoke(console, [*common, *extra, "-o", str(folder / name)])
        assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def evaluated(all_scores, tmp_path, monkeypatch):
    """Return a copy of the scores to work in and to break."""
    for name in ("A", "B", "octopi", "fewer"):
        shutil.copytree(all_scores / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("evaluated")
def test_differences_and_changed_picks_by_hand():
    result = well("compare", "A", "B", "-o", "changes")
    assert result.output.endswith("compare: 6 runs, 27 picks changed\nwritten to changes\n")
    found = json.loads(Path("changes", "compare.json").read_text())
    [recall] = [e for e in found["differences"]["ribosome"] if e["rate"] == "recall"]
    assert (recall["first"], recall["second"]) == (0.5, 15 / 24)
    assert recall["difference"] == pytest.approx(3 / 24)
    low, high = recall["interval"]
    assert 0.0 <= low < 3 / 24 < high <= 0.25
    assert found["changes"]["ribosome"] == {
        "found": 9,
        "lost": 6,
        "new false": 6,
        "gone false": 6,
    }
    rows = pd.read_csv(Path("changes", "changes.csv"), comment="#")
    assert len(rows) == 27
    last = rows[(rows.run == "TS_5") & (rows.change == "found")]
    columns = ["x_angstrom", "y_angstrom", "z_angstrom"]
    assert sorted(last[columns].to_numpy().tolist()) == sorted(SPOTS[2:].tolist())
    gone = rows[(rows.run == "TS_0") & (rows.change == "gone false")].iloc[0]
    assert gone[columns].tolist() == [10, 10, 10]
    assert gone.score == 0.5


@pytest.mark.usefixtures("evaluated")
def test_a_set_differs_from_itself_by_nothing():
    result = well("compare", "A", "A")
    assert "0 picks changed" in result.output
    assert "+0.000 to +0.000" in result.output


def test_what_cannot_be_compared_is_one_line(evaluated):
    assert "matcher: one-to-one there, octopi here" in refused("compare", "A", "octopi")
    assert "cannot be compared side by side: runs: " in refused("compare", "A", "fewer")
    assert "nowhere contains no scores.json" in refused("compare", "A", "nowhere")
    assert "holds several scores; name one of" in refused("compare", "A", nested(evaluated))
    table = Path("B", "matches.csv")
    table.write_text("\n".join(table.read_text().splitlines()[:-5]) + "\n")
    assert "matches.csv lists fewer picks than scores.json counts" in refused("compare", "A", "B")


def nested(folder):
    """Return a folder that holds two scores, as the output of a benchmark does."""
    for label in ("x", "y"):
        place = folder / "nest" / label / "scores"
        place.mkdir(parents=True)
        (place / "scores.json").write_text("{}")
    return folder / "nest"


@pytest.mark.usefixtures("evaluated")
def test_the_folder_of_a_comparison_needs_overwrite():
    well("compare", "A", "B", "-o", "changes")
    assert "use --overwrite" in refused("compare", "B", "A", "-o", "changes")
    well("compare", "B", "A", "-o", "changes", "--overwrite")
    found = json.loads(Path("changes", "compare.json").read_text())
    assert found["changes"]["ribosome"]["lost"] == 9
    assert "contains other things" in refused("compare", "A", "B", "-o", "A", "--overwrite")
