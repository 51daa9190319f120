"""``evaluate`` on real copick projects through the real command line."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from matplotlib import image

import copick_picker
from copick_picker.cli.main import console
from copick_picker.errors import SettingsError
from copick_picker.project.copick.making import add_picks, create_project
from copick_picker.records.keys import PicksKey
from copick_picker.records.points import PickSet
from copick_picker.records.runs import ObjectSpec
from pick_sets import czii_score
from projects import (
    OBJECTS,
    SHAPE_ZYX,
    files_of_at_most,
    read_only,
    run_folder,
    small_project,
    temporaries,
    tree,
    without_root_powers,
)

SPOTS = np.array([[100.0, 900, 50], [700, 200, 80], [300, 300, 60], [800, 800, 20]])
STRAY = np.array([[10.0, 10, 10], [500, 20, 90]])
REFERENCE = ("--reference", "*:curator/1")


@pytest.fixture
def config(tmp_path, monkeypatch):
    """Return a project of two runs with reference and candidate picks, without tomograms.

    Ribosomes (weight 2): four of four found in TS_1, two of four in TS_2, one stray in each.
    Apo-ferritin (weight 1): annotated in TS_1 only, as empty; the picker found one there.
    """
    path = create_project(tmp_path / "project", OBJECTS, name="picks")
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.3])
    for run_name, n_found in (("TS_1", 4), ("TS_2", 2)):
        put(path, run_name, "ribosome:curator/1", SPOTS)
        found = np.concatenate([SPOTS[:n_found] + np.array([0.0, 6.0, 8.0]), STRAY[:1]])
        put(path, run_name, "ribosome:picker/1", found, scores[-len(found) :])
    put(path, "TS_1", "apo-ferritin:curator/1", SPOTS[:0])
    put(path, "TS_1", "apo-ferritin:picker/1", STRAY[1:], np.array([0.5]))
    monkeypatch.chdir(tmp_path)
    return path


def put(config, run_name, uri, points, scores=None):
    name, rest = uri.split(":")
    user, session = rest.split("/")
    scores = np.ones(len(points)) if scores is None else scores
    add_picks(config, run_name, PicksKey(name, user, session), PickSet(name, points, scores))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(console, ["evaluate", *map(str, arguments)])


def well(*arguments: object) -> Result:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result


def refused(*arguments: object) -> str:
    """Return the one line of an error that stops the command before anything is written."""
    before = tree(Path())
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert tree(Path()) == before
    lines = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(lines) == 1
    assert "Traceback" not in result.output
    return lines[0]


def scores(folder="scores"):
    return json.loads(Path(folder, "scores.json").read_text())


def table(name, folder="scores"):
    return pd.read_csv(Path(folder, name), comment="#")


def test_scores_by_hand(config):
    result = well("-c", config, *REFERENCE, "-o", "scores")
    found = scores()
    ribosome, apo = found["objects"][0], found["objects"][1]
    assert (ribosome["object"], apo["object"]) == ("ribosome", "apo-ferritin")
    assert ribosome["counts"] == {
        "n_reference": 8,
        "n_candidate": 8,
        "true_positives": 6,
        "false_positives": 2,
        "false_negatives": 2,
        "duplicates": 0,
    }
    assert ribosome["precision"] == ribosome["recall"] == 0.75
    assert ribosome["tolerance_angstrom"] == 60.0
    assert ribosome["localization"]["mean_angstrom"] == pytest.approx(10.0)
    assert ribosome["localization"]["mean_offset_xyz_angstrom"] == pytest.approx([0, 6, 8])
    assert apo["counts"]["false_positives"] == 1
    assert apo["precision"] == 0.0
    assert apo["n_runs"] == 1
    macro = found["totals"]["macro"]
    assert macro["f_beta"] == pytest.approx(2 / 3 * ribosome["f_beta"])
    assert found["totals"]["micro"]["precision"] == pytest.approx(6 / 9)
    assert macro["intervals"] is None
    assert "all (weighted macro)" in result.output
    assert result.output.endswith("evaluate: 2 runs: 2 done\n")


def test_every_pick_stands_in_matches_csv(config):
    well("-c", config, *REFERENCE, "-o", "scores")
    picks = table("matches.csv")
    ribosome = picks[picks.object == "ribosome"]
    assert len(ribosome[ribosome.kind == "reference"]) == 8
    second = ribosome[ribosome.run == "TS_2"]
    reference = second[second.kind == "reference"]
    assert reference.status.tolist() == ["matched", "matched", "missed", "missed"]
    assert reference.partner.dropna().tolist() == [0, 1]
    candidate = second[second.kind == "candidate"]
    assert candidate.matched.tolist() == [1, 1, 0]
    assert candidate.status.tolist() == ["matched", "matched", "false"]
    assert candidate.score.tolist() == [0.7, 0.6, 0.3]
    assert candidate.distance_angstrom.dropna().tolist() == [10.0, 10.0]
    assert candidate[["x_angstrom", "y_angstrom", "z_angstrom"]].iloc[0].tolist() == [100, 906, 58]


def test_every_file_says_how_it_was_made(config):
    well("-c", config, *REFERENCE, "-o", "scores", "--tolerance", "60A", "--beta", "2")
    found = scores()
    assert found["matcher"] == "one-to-one"
    assert found["settings"]["tolerance"] == "60A"
    assert found["input"]["reference"] == "*:curator/1"
    assert found["input"]["candidate"] == "*:picker/1"
    assert found["version"]
    assert found["sets"]["TS_2"]["candidate"] == {"ribosome:picker/1": None}
    for name in ("scores.csv", "matches.csv"):
        head = [line for line in Path("scores", name).read_text().splitlines() if line[0] == "#"]
        assert head[0].startswith(f"# copick-picker {found['version']} evaluate (copick ")
        assert head[1] == "# matcher: one-to-one; tolerance: 60A; beta: 2"
        assert "*:curator/1; candidate: *:picker/1" in head[2]
    content = Path("scores", "scores.png").read_bytes()
    assert b"matcher: one-to-one; tolerance: 60A; beta: 2; reference: *:curator/1" in content
    assert image.imread(Path("scores", "scores.png")).shape[2] == 4


def test_totals_objects_and_runs_stand_in_scores_csv(config):
    well("-c", config, *REFERENCE, "-o", "scores")
    rows = table("scores.csv")
    assert rows.level.value_counts().to_dict() == {
        "run": 3,
        "object": 2,
        "micro": 1,
        "macro": 1,
        "macro_of_objects_with_reference": 1,
    }
    ribosome = rows[(rows.level == "object") & (rows.object == "ribosome")].iloc[0]
    assert ribosome.recall == 0.75
    assert np.isnan(ribosome.suggested_threshold)  # fewer reference picks than calibrate needs


def test_the_same_input_gives_the_same_bytes(config):
    well("-c", config, *REFERENCE, "-o", "scores")
    before = tree(Path("scores"))
    well("-c", config, *REFERENCE, "-o", "scores", "--overwrite")
    assert tree(Path("scores")) == before


def test_an_existing_folder_needs_overwrite(config):
    well("-c", config, *REFERENCE, "-o", "scores")
    line = refused("-c", config, *REFERENCE, "-o", "scores", "--matcher", "octopi")
    assert "the folder scores exists; use --overwrite" in line
    well("-c", config, *REFERENCE, "-o", "scores", "--matcher", "octopi", "--overwrite")
    assert scores()["matcher"] == "octopi"
    assert not temporaries(Path())


def test_a_folder_that_holds_other_things_is_never_replaced(config):
    Path("mine").mkdir()
    Path("mine", "thesis.txt").write_text("years of work")
    line = refused("-c", config, *REFERENCE, "-o", "mine", "--overwrite")
    assert "the folder mine contains other things (thesis.txt)" in line


def test_a_place_that_cannot_be_written_is_one_line(config, tmp_path):
    place = tmp_path / "locked"
    place.mkdir()
    with read_only(place), without_root_powers():
        line = refused("-c", config, *REFERENCE, "-o", place / "scores")
    assert f"Error: cannot write {place / 'scores'}" in line
    assert not list(place.iterdir())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--objects", "ribosom"), ["--objects: no object 'ribosom'", "did you mean 'ribosome'?"]),
        (("--matcher", "octopus"), ["--matcher: no 'octopus'", "did you mean 'octopi'?", "czii"]),
        (("--tolerance", "60"), ["--tolerance: got '60'", "0.5r", "60A"]),
        (("--tolerance", "-1r"), ["--tolerance: got '-1r'"]),
        (("--tolerance", "0A"), ["--tolerance: got '0A'"]),
        (("--beta", "0"), ["--beta", "expected more than 0"]),
        (("--radius", "ribosome=-5"), ["--radius", "the radius of ribosome is not positive"]),
        (("--radius", "ribosome"), ["expected name=value"]),
        (("--weight", "virus=1"), ["--weight: no object 'virus'"]),
        (("--min-score", "ribosomes=1"), ["--min-score", "did you mean 'ribosome'?"]),
        (("--fail-under", "f2=0.5"), ["--fail-under: no score 'f2'", "f4"]),
        (("--fail-under", "ribosom.f4=0.5"), ["no 'ribosom'", "did you mean 'ribosome'?"]),
        (("-r", "TS_9"), ["no run 'TS_9'", "TS_1"]),
        (("--candidate", "*:nobody/7"), ["candidate pick set '*:nobody/7'", "ribosome:picker/1"]),
        (("--contrast", "pink"), ["--contrast"]),
    ],
)
def test_a_wrong_option_is_refused_in_one_line(config, arguments, words):
    line = refused("-c", config, *REFERENCE, "-o", "scores", *arguments)
    for word in words:
        assert word in line


def test_a_missing_reference_lists_what_there_is(config):
    line = refused("-c", config, "--reference", "*:expert/1", "-o", "scores")
    assert "none of the 2 runs has a reference pick set '*:expert/1'" in line
    assert "ribosome:curator/1" in line
    assert "'--reference' is missing" in refused("-c", config, "-o", "scores")


@pytest.mark.usefixtures("config")
def test_a_missing_project_is_one_line():
    assert "absent.json" in refused("-c", "absent.json", *REFERENCE)


def test_an_object_without_radius_is_refused_and_can_be_given_one(config):
    put(config, "TS_1", "membrane:curator/1", SPOTS)
    line = refused("-c", config, *REFERENCE, "-o", "scores")
    assert "object 'membrane' has no radius in the project: give --radius membrane=" in line
    well("-c", config, *REFERENCE, "-o", "scores", "--radius", "membrane=80")
    membrane = scores()["objects"][2]
    assert membrane["tolerance_angstrom"] == 40.0
    assert membrane["counts"]["false_negatives"] == 4
    well("-c", config, *REFERENCE, "-o", "scores", "--tolerance", "25A", "--overwrite")
    assert scores()["objects"][2]["radius_angstrom"] is None


def test_two_sets_of_one_object_fail_the_run_or_are_merged(config):
    put(config, "TS_2", "ribosome:picker/2", SPOTS[2:], np.array([0.4, 0.2]))
    result = run("-c", config, *REFERENCE, "--candidate", "*:picker/*", "-o", "scores")
    assert result.exit_code == 1
    assert "TS_2 failed: '*:picker/*' matches 2 candidate sets of ribosome: " in result.stderr
    assert "ribosome:picker/1, ribosome:picker/2" in result.stderr
    assert "--merge-sets" in result.stderr
    assert scores()["objects"][0]["counts"]["n_reference"] == 4
    well(
        "-c", config, *REFERENCE, "--candidate", "*:picker/*", "-o", "scores", "--overwrite",
        "--merge-sets",
    )  # fmt: skip
    assert scores()["objects"][0]["counts"]["true_positives"] == 8


def test_a_set_that_is_both_sides_at_once_fails(config):
    result = run("-c", config, "--reference", "*:curator/1", "--candidate", "*:*/1", "--merge-sets")
    assert result.exit_code == 1
    assert "ribosome:curator/1 is both reference and candidate" in result.stderr
    assert not Path("scores").exists()


def test_a_broken_run_is_named_and_the_others_are_scored(config):
    broken = next((run_folder(config, "TS_1") / "Picks").glob("curator_1_ribosome.json"))
    broken.write_text(broken.read_text()[:40])
    result = run("-c", config, *REFERENCE, "-o", "scores", "--json", "summary.json")
    assert result.exit_code == 1
    assert "evaluate: 2 runs: 1 done, 1 failed (failed: TS_1)" in result.output
    assert "Traceback (most recent call last)" not in result.output
    found = scores()
    assert [entry["run"] for entry in found["runs"]] == ["TS_2"]
    assert "runs that failed and are not in the scores: TS_1" in found["notes"]
    summary = json.loads(Path("summary.json").read_text())
    assert [entry["status"] for entry in summary["runs"]] == ["failed", "done"]
    assert summary["runs"][1]["objects"][0]["recall"] == 0.5
    assert summary["totals"] == found["totals"]


def test_runs_without_reference_are_shown_and_left_out(config):
    put(config, "TS_3", "ribosome:picker/1", SPOTS)
    result = well("-c", config, *REFERENCE, "-o", "scores")
    assert "TS_3 absent: no reference set, so not annotated; 0 reference picks, 4" in result.output
    assert scores()["objects"][0]["counts"]["n_candidate"] == 8
    assert any("(not annotated) in run TS_3" in note for note in scores()["notes"])


def test_runs_without_candidates_are_missed_and_shown(config):
    put(config, "TS_3", "ribosome:curator/1", SPOTS)
    result = well("-c", config, *REFERENCE, "-o", "scores")
    assert "ribosome: no candidate set in run TS_3; its 4 reference picks count as" in result.output
    assert scores()["objects"][0]["counts"]["false_negatives"] == 6


def test_chosen_runs_and_objects(config):
    well(
        "-c",
        config,
        *REFERENCE,
        "-o",
        "scores",
        "-r",
        "TS_*",
        "-r",
        "!TS_2",
        "--objects",
        "[ribosome]",
    )
    found = scores()
    assert [(entry["run"], entry["object"]) for entry in found["runs"]] == [("TS_1", "ribosome")]


def test_fail_under(config):
    limit = ("-c", config, *REFERENCE, "--overwrite", "--fail-under")
    well(*limit, "ribosome.f4=0.7,micro.recall=0.75,ribosome.ap=0.5")
    result = run(*limit, "f4=0.7", "--json", "summary.json")
    assert result.exit_code == 3
    assert "--fail-under missed: f4 is 0.5000, expected at least 0.7" in result.output
    assert "Tracebacks" not in result.stderr
    assert json.loads(Path("summary.json").read_text())["missed"] == [
        "f4 is 0.5000, expected at least 0.7"
    ]
    assert scores()["objects"][0]["recall"] == 0.75
    assert "ap is n/a" in run(*limit, "ap=0.1").stdout


def test_a_settings_file_and_flags(config):
    Path("settings.yaml").write_text(
        f"config: {config}\nreference: '*:curator/1'\ntolerance: 5A\noutput: from_file\n"
    )
    well("--settings", "settings.yaml")
    assert scores("from_file")["objects"][0]["recall"] == 0.0
    well("--settings", "settings.yaml", "--tolerance", "0.5r", "--overwrite")
    assert scores("from_file")["objects"][0]["recall"] == 0.75
    Path("settings.yaml").write_text("tolerence: 5A\n")
    line = refused("--settings", "settings.yaml")
    assert "unknown setting 'tolerence'; did you mean 'tolerance'?" in line


def test_dry_run_writes_nothing(config):
    before = tree(Path())
    result = well("-c", config, *REFERENCE, "--dry-run")
    assert tree(Path()) == before
    assert "TS_2 planned: ribosome:curator/1 against ribosome:picker/1" in result.output


def test_octopis_option_names(config):
    well(
        "--config", config, "--ground-truth-user-id", "curator", "--ground-truth-session-id", "1",
        "--predict-user-id", "picker", "--predict-session-id", "1", "--run-ids", "[TS_1,TS_2]",
        "--distance-threshold-scale", "0.8", "--object-names", "ribosome", "--save-path", "theirs",
    )  # fmt: skip
    found = scores("theirs")
    assert found["objects"][0]["tolerance_angstrom"] == 96.0
    assert found["settings"]["tolerance"] == "0.8r"
    assert found["matcher"] == "one-to-one"
    both = run("-c", config, *REFERENCE, "-gtuid", "curator")
    assert both.exit_code == 2
    assert "cannot be combined" in both.stderr


def test_lowest_score_of_a_candidate(config):
    well("-c", config, *REFERENCE, "-o", "scores", "--min-score", "ribosome=0.65")
    assert scores()["objects"][0]["counts"]["n_candidate"] == 4


def test_czii_takes_the_challenges_radii_and_weights(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    objects = (
        ObjectSpec("ribosome", 1, 100.0),
        ObjectSpec("thyroglobulin", 2, 100.0),
        ObjectSpec("beta-amylase", 3, 65.0, score_weight=0.0),
        ObjectSpec("apo-ferritin", 4, 60.0),
        ObjectSpec("nucleosome", 5, 70.0, score_weight=3.0),
    )
    config = create_project(tmp_path / "project", objects, name="challenge")
    rng = np.random.default_rng(4)
    radii = {"ribosome": 150.0, "thyroglobulin": 130.0, "beta-amylase": 65.0}
    radii |= {"apo-ferritin": 60.0, "nucleosome": 70.0}
    weights = {"ribosome": 1.0, "thyroglobulin": 2.0, "beta-amylase": 0.0, "apo-ferritin": 1.0}
    weights |= {"nucleosome": 3.0}
    reference, candidate = {}, {}
    for run_name in ("a", "b", "c"):
        reference[run_name], candidate[run_name] = {}, {}
        for name in ("ribosome", "thyroglobulin", "beta-amylase", "nucleosome"):
            points = rng.uniform(0, 900, (30, 3))
            reference[run_name][name] = points
            candidate[run_name][name] = points[:25] + rng.normal(0, 35, (25, 3))
        candidate[run_name]["apo-ferritin"] = rng.uniform(0, 900, (5, 3))
        for name, points in reference[run_name].items():
            put(config, run_name, f"{name}:curator/1", points)
        for name, points in candidate[run_name].items():
            put(config, run_name, f"{name}:picker/1", points)
    result = well("-c", config, *REFERENCE, "-o", "scores", "--matcher", "czii")
    found = scores()
    expected = czii_score(reference, candidate, radii, weights)
    assert found["totals"]["macro"]["f_beta"] == pytest.approx(expected, abs=1e-9)
    present = found["totals"]["macro_of_objects_with_reference"]["f_beta"]
    assert present == pytest.approx(expected * 7 / 6)
    assert (
        "radius 150 A and weight 1 are the challenge's (the project's: 100 A, 1)" in result.output
    )
    own = ("--radius", "ribosome=100,thyroglobulin=100", "--weight", "thyroglobulin=1")
    well("-c", config, *REFERENCE, "-o", "own", "--matcher", "czii", *own)
    expected = czii_score(
        reference,
        candidate,
        radii | {"ribosome": 100.0, "thyroglobulin": 100.0},
        weights | {"thyroglobulin": 1.0},
    )
    assert scores("own")["totals"]["macro"]["f_beta"] == pytest.approx(expected, abs=1e-9)


@pytest.fixture
def with_tomograms(tmp_path, monkeypatch):
    """Return a project of two runs with tomograms of 400 x 300 x 200 A (x, y, z)."""
    config = small_project(tmp_path / "project")
    n_z, n_y, n_x = SHAPE_ZYX
    assert (n_x, n_y, n_z) == (40, 30, 20)
    inner = np.array([[200.0, 150.0, 100.0]])
    for run_name in ("TS_1", "TS_2"):
        put(config, run_name, "apo-ferritin:curator/1", inner)
        border = np.array([[30.0, 150, 100], [200, 280, 100], [200, 150, 5]])
        found = np.concatenate([inner, border])
        put(config, run_name, "apo-ferritin:picker/1", found, np.array([0.9, 0.5, 0.4, 0.3]))
    monkeypatch.chdir(tmp_path)
    return config


def test_candidates_near_a_face_are_listed_not_counted(with_tomograms):
    margin = ("--border-margin-xy-angstrom", "30")
    well("-c", with_tomograms, *REFERENCE, "-o", "scores", *margin, "--tomogram", "wbp@10.0")
    assert scores()["objects"][0]["counts"]["false_positives"] == 2
    picks = table("matches.csv")
    first = picks[(picks.run == "TS_1") & (picks.kind == "candidate")]
    assert first.status.tolist() == ["matched", "border", "border", "false"]
    well(
        "-c", with_tomograms, *REFERENCE, "-o", "scores", *margin, "--overwrite",
        "--border-margin-z-angstrom", "10",
    )  # fmt: skip
    assert scores()["objects"][0]["counts"]["false_positives"] == 0
    result = run("-c", with_tomograms, *REFERENCE, "-o", "other", *margin, "--tomogram", "sirt@10")
    assert result.exit_code == 1
    assert "run TS_1 has no tomogram 'sirt@10'; it has: wbp@10.0" in result.stderr
    assert not Path("other").exists()


def test_slices_are_drawn_for_so_many_runs(with_tomograms):
    well("-c", with_tomograms, *REFERENCE, "-o", "scores", "--slices", "1", "--contrast", "bright")
    files = sorted(path.name for path in Path("scores").iterdir())
    assert files == ["matches.csv", "scores.csv", "scores.json", "scores.png", "slices_TS_1.png"]
    assert image.imread(Path("scores", "slices_TS_1.png")).std() > 0.1
    result = well(
        "-c", with_tomograms, *REFERENCE, "-o", "scores", "--slices", "2", "--overwrite",
        "--tomogram", "sirt",
    )  # fmt: skip
    assert "Warning: no slices: run TS_1 has no tomogram 'sirt'" in result.stderr


def test_the_command_inside_copick(config):
    copick = Path(sys.executable).parent / "copick"
    done = subprocess.run(
        [copick, "evaluation", "evaluate", "-c", config, *REFERENCE, "-o", "scores"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert scores()["objects"][0]["recall"] == 0.75


def test_a_full_disk_leaves_the_old_scores(config):
    well("-c", config, *REFERENCE, "-o", "scores")
    before = tree(Path("scores"))
    with files_of_at_most(5_000):
        result = run("-c", config, *REFERENCE, "-o", "scores", "--overwrite", "--beta", "2")
    assert result.exit_code == 2
    assert "Error: cannot write scores: " in result.stderr
    assert tree(Path("scores")) == before
    assert not temporaries(Path())


def test_the_python_function_gives_the_scores_of_the_command(config):
    well("-c", config, *REFERENCE, "-o", "scores", "--min-score", "ribosome=0.65", "--beta", "2")
    truth = {run_name: {"ribosome": PickSet("ribosome", SPOTS, np.ones(4))} for run_name in "ab"}
    truth["a"]["apo-ferritin"] = PickSet("apo-ferritin", SPOTS[:0], np.ones(0))
    values = np.array([0.9, 0.8, 0.7, 0.6])
    found = {
        run_name: {"ribosome": PickSet("ribosome", SPOTS[:n] + 2, values[-n:])}
        for run_name, n in (("a", 4), ("b", 2))
    }
    result = copick_picker.evaluate(
        truth, found, OBJECTS, min_score={"ribosome": 0.65}, beta=2.0, tolerance="0.5r"
    )
    ribosome = scores()["objects"][0]
    assert result.objects[0].score.recall == ribosome["recall"] == 0.5
    assert result.objects[0].tolerance_angstrom == ribosome["tolerance_angstrom"]
    with pytest.raises(SettingsError, match="tolerance: got '60'"):
        copick_picker.evaluate(truth, found, OBJECTS, tolerance="60")


@pytest.fixture
def motors(tmp_path, monkeypatch):
    """Return a project of five tomograms: three with a motor, two looked at and without."""
    path = create_project(
        tmp_path / "motors", (ObjectSpec("motor", label=1, radius_angstrom=500.0),), name="motors"
    )
    motor = np.array([[4000.0, 3000, 900]])
    for run_name, points in zip("abcde", (motor, motor, motor, motor[:0], motor[:0]), strict=True):
        put(path, run_name, "motor:byu/1", points)
    put(path, "a", "motor:picker/1", motor + np.array([600.0, 0, 700]), np.array([0.9]))
    put(path, "b", "motor:picker/1", motor + np.array([3000.0, 0, 0]), np.array([0.4]))
    put(path, "c", "motor:picker/1", motor[:0])
    put(path, "d", "motor:picker/1", np.repeat(motor, 3, axis=0), np.array([0.2, 0.5, 0.1]))
    monkeypatch.chdir(tmp_path)
    return path


def test_byu_counts_tomograms_and_says_how_well_presence_is_told(motors):
    result = well("-c", motors, "--reference", "*:byu/1", "--matcher", "byu", "-o", "scores")
    found = scores()
    entry = found["objects"][0]
    assert (found["matcher"], found["tolerance"], found["beta"]) == ("byu", "1000A", 2.0)
    counts = entry["counts"]
    assert (counts["n_reference"], counts["n_candidate"], entry["n_runs"]) == (3, 3, 5)
    assert (counts["true_positives"], counts["false_positives"]) == (1, 1)
    assert counts["false_negatives"] == 2
    assert entry["f_beta"] == pytest.approx(5 / (5 + 4 * 2 + 1))
    # Best scores with a motor: 0.9, 0.4, none; without: 0.5, none.
    assert entry["presence_auc"] == pytest.approx((2 + 1 + 0.5) / 6)
    assert "AUC of presence 0.583" in result.output
    rows = table("matches.csv")
    by_run = rows[rows.kind == "candidate"].groupby("run").status.apply(list).to_dict()
    assert by_run == {
        "a": ["matched"],
        "b": ["misplaced"],
        "d": ["uncounted", "false", "uncounted"],
    }
    totals = table("scores.csv")
    assert totals[totals.level == "object"].presence_auc.tolist() == [pytest.approx(0.583333)]


def test_byu_takes_other_tolerances_and_betas_but_no_border(motors):
    arguments = ("-c", motors, "--reference", "*:byu/1", "--matcher", "byu")
    well(*arguments, "--tolerance", "900A", "--beta", "1", "-o", "scores", "--fail-under", "f1=0")
    assert scores()["objects"][0]["counts"]["true_positives"] == 0
    assert scores()["beta"] == 1.0
    Path("byu.yaml").write_text("matcher: byu\nbeta: 3\n")
    well(*arguments[:4], "--settings", "byu.yaml", "-o", "from-file")
    assert (scores("from-file")["tolerance"], scores("from-file")["beta"]) == ("1000A", 3.0)
    line = refused(*arguments, "--border-margin-xy-angstrom", "50", "-o", "other")
    assert "matcher byu counts whole tomograms" in line


def test_two_evaluations_by_byu_are_compared(motors):
    arguments = ("-c", motors, "--reference", "*:byu/1", "--matcher", "byu")
    well(*arguments, "-o", "first")
    well(*arguments, "-o", "second", "--min-score", "motor=0.6")
    compare = CliRunner().invoke(console, ["benchmark", "compare", "first", "second"])
    assert compare.exit_code == 0, compare.output
    changed = CliRunner().invoke(console, ["report", "first", "-o", "page.html"])
    assert changed.exit_code == 0, changed.output
