"""``browse portal``: listings, files, nearest names and faults, against the tests' own portal."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from copick_picker.cli.main import console
from portal_servers.names import AWKWARD, DATASET, EMPTY, MANY, TRUTH, WINNER


@pytest.fixture
def browse(portal, monkeypatch, tmp_path):
    """Return what runs ``browse portal`` in this process."""
    portal.enter(monkeypatch, tmp_path)
    monkeypatch.setattr("copick_picker.project.portal.client.FIRST_WAIT_SECONDS", 0.01)

    def run(*arguments):
        return CliRunner().invoke(console, ["browse", "portal", *arguments])

    return run


def test_a_listing_shows_datasets_and_takes_two_queries(browse, portal, tmp_path):
    result = browse("--json", str(tmp_path / "all.json"), "--csv", str(tmp_path / "all.csv"))

    assert result.exit_code == 0, result.output
    assert len(portal.queries()) == 2
    assert "CZII ML challenge training data" in result.output
    assert "Wanda Winner" in result.output
    assert "browse: 4 datasets" in result.output
    content = json.loads((tmp_path / "all.json").read_text())
    found = [entry["dataset_id"] for entry in content["datasets"]]
    assert found == [DATASET, AWKWARD, EMPTY, MANY]
    assert content["queries"] == 2
    rows = list(csv.DictReader((tmp_path / "all.csv").read_text().splitlines()))
    winner = [row for row in rows if row["deposition"] == str(WINNER)]
    assert {row["depositors"] for row in winner} == {"Wanda Winner"}
    assert {row["truth"] for row in winner} == {"no"}
    assert {row["truth"] for row in rows if row["deposition"] == str(TRUTH)} >= {"yes"}
    assert [row["object"] for row in rows if row["dataset"] == str(EMPTY)] == [""]


def test_a_dataset_comes_with_its_runs_in_three_queries(browse, portal, tmp_path):
    result = browse("--dataset", str(AWKWARD), "--json", str(tmp_path / "one.json"))

    assert result.exit_code == 0, result.output
    assert len(portal.queries()) == 3
    runs = json.loads((tmp_path / "one.json").read_text())["runs"]
    troubles = {run["name"]: run["troubles"] for run in runs}
    assert troubles["no_tomogram"] == ["no tomogram"]
    assert "has no files" in troubles["tomogram_without_files"][0]
    assert troubles["two_of_one_type"][0].startswith("2 tomograms ")
    assert "from another alignment" in troubles["other_alignment"][0]
    assert troubles["good"] == []
    assert "no tomogram" in result.output


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (
            ["--query", "ribosome", "--has-truth", "--organism", "lysate"],
            "browse: 1 dataset with 3",
        ),
        (["--organism", "chlamy"], "1 dataset with 10"),
        (["--dataset", f"{DATASET},{EMPTY}"], "2 datasets with 3"),
    ],
)
def test_filters_choose_datasets(browse, arguments, shown):
    result = browse(*arguments)
    assert result.exit_code == 0, result.output
    assert shown in result.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--query", "ribosme"], "--query 'ribosme'; did you mean 'ribosome'?"),
        (["--query", "thyroglobuline"], "did you mean 'thyroglobulin'?"),
        (["--organism", "Chlamydomona reinhardti"], "did you mean 'Chlamydomonas reinhardtii'?"),
        (["--dataset", "10441"], "has no dataset 10441; did you mean '10440'?"),
        (["--dataset", str(EMPTY), "--has-truth"], f"fits --has-truth and --dataset {EMPTY}"),
        (["--dataset", "ribosome"], "expected a whole number"),
    ],
)
def test_what_is_not_there_is_named_with_the_nearest(browse, portal, arguments, words):
    result = browse(*arguments)
    assert result.exit_code == 2
    assert words in result.output
    assert len(portal.queries()) <= 3


@pytest.mark.parametrize("fault", [{"status": 503}, {"status": 500}, {"body": "<html>no</html>"}])
def test_a_portal_that_is_down_is_one_line(browse, portal, fault):
    portal.fault("query", times=100, **fault)
    result = browse()
    assert result.exit_code == 2
    assert "the CryoET Data Portal did not answer" in result.output
    assert "Traceback" not in result.output


def test_a_portal_that_stumbles_is_asked_again(browse, portal):
    portal.fault("query", status=503, times=1)
    assert browse().exit_code == 0


def test_the_command_itself_lists_the_portal(portal, tmp_path):
    program = Path(sys.executable).parent / "copick-picker"
    run = subprocess.run(
        [program, "browse", "portal", "--query", "thyroglobulin"],
        capture_output=True,
        text=True,
        env=portal.environment(tmp_path),
    )
    assert run.returncode == 0, run.stderr
    assert str(DATASET) in run.stdout


def test_a_project_on_the_portal_is_listed_through_copick(portal, monkeypatch, tmp_path):
    portal.enter(monkeypatch, tmp_path)
    config = portal.config(tmp_path)
    result = CliRunner().invoke(
        console,
        ["browse", "project", "-c", str(config), "-r", "16463", "--json", str(tmp_path / "p.json")],
    )
    assert result.exit_code == 0, result.output
    (run,) = json.loads((tmp_path / "p.json").read_text())["runs"]
    kinds = [item["kind"] for item in run["items"]]
    assert kinds.count("tomogram") == 1
    assert {item["user"] for item in run["items"] if item["kind"] == "picks"} == {"data-portal"}
