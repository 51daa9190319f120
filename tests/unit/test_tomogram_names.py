"""Other programs' names of tomograms, in both directions."""

import pytest

from copick_picker.errors import SettingsError, UnknownNameError
from copick_picker.project.formats.tomogram_names import TomogramNames, read_names

RUNS = ["TS_1", "TS_10", "lamella-3"]


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("{run}", "TS_1", "TS_1"),
        ("{run}", "TS_10.tomostar", "TS_10"),
        ("{run}", "tomograms/TS_1.mrc", "TS_1"),
        ("{run}", "TS_1.mrc.gz", "TS_1"),
        ("{run}", "TS_1_10.00Apx.mrc", "TS_1"),
        ("{run}", "TS_2", None),
        ("tomo_{run}_x", "tomo_lamella-3_x", "lamella-3"),
        ("tomo_{run}_x", "a/tomo_lamella-3_x.rec", "lamella-3"),
        ("{run}_10.00Apx", "TS_1_10.00Apx", "TS_1"),
    ],
)
def test_a_name_leads_to_its_run(pattern, name, expected):
    assert TomogramNames(pattern).run_of(name, RUNS) == expected


@pytest.mark.parametrize("pattern", ["{run}", "{run}.tomostar", "position {run}", "a{run}a"])
def test_names_are_reversible(pattern):
    names = TomogramNames(pattern, {"TS_1": "session/7"})
    for run_name in RUNS:
        assert names.run_of(names.of_run(run_name), RUNS) == run_name


def test_a_table_wins(tmp_path):
    path = tmp_path / "names.csv"
    path.write_text("run_name,tomogram_name\nTS_1,TS_10\n")
    names = read_names(str(path), "{run}", RUNS)
    assert names.of_run("TS_1") == "TS_10"
    assert names.of_run("lamella-3") == "lamella-3"
    assert names.run_of("TS_10", RUNS) == "TS_1"


@pytest.mark.parametrize(
    ("content", "error", "text"),
    [
        ("run,name\nTS_1,a\n", SettingsError, "expected run_name and tomogram_name"),
        ("run_name,tomogram_name\nTS_1,a\nTS_10,a\n", SettingsError, "is listed twice"),
        ("run_name,tomogram_name\nTS_11,a\n", UnknownNameError, "did you mean"),
    ],
)
def test_a_wrong_table_is_named(tmp_path, content, error, text):
    path = tmp_path / "names.csv"
    path.write_text(content)
    with pytest.raises(error, match=text):
        read_names(str(path), "{run}", RUNS)
