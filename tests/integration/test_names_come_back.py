"""Names are text: every run comes back from every format under its own name, or is refused."""

import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from copick_picker.cli.main import console
from copick_picker.project.copick.making import add_picks
from copick_picker.project.copick.store import open_project
from copick_picker.records.keys import PicksKey
from copick_picker.records.points import PickSet
from projects import run_folder, small_project, tree

NAMES = (
    *("007", "7", "0034", "1.1", "1.10", "1e5", "1E5", "TRUE", "true", "nan", "None", "NA", "null"),
    *("#TS", "TS#1", "a'b", 'a"b', "'q' r", "'", "data_x", "loop_", "_x", "$x", "a b", "a  b"),
    *("TS_1.mrc", "P_7.90Apx", "P.mrc_7.90Apx", "x,y", "x;y", "1,5", "-", "é", "sep="),
)
ODD = ("tab\tx", "line\nx", "return\rx", " lead", "trail ", "next\x85line", "vt\x0bx")
BACK = PicksKey("ribosome", "back", "1")
FORMATS = {
    "relion5": ("ribosome.star", []),
    "relion4": ("ribosome.star", ["--pixel-size", "2.5"]),
    "warp": ("ribosome.star", []),
    "dynamo": ("ribosome.tbl", []),
    "csv": ("ribosome.csv", []),
    "copick-csv": ("ribosome.csv", []),
    "byu": ("ribosome.csv", []),
}


def run(*arguments, code=0):
    result = CliRunner().invoke(console, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    assert "Traceback (most" not in result.output
    return " ".join(result.output.split())


def point_of(number):
    return np.array([[10.0 + 3 * number, 20.0 + 2 * number, 30.0 + number]])


def project(folder, names):
    """Return a project whose runs differ in the place of their one pick."""
    config = small_project(folder)
    for name in names:
        if name not in ("TS_1", "TS_2"):
            shutil.copytree(run_folder(config, "TS_1"), run_folder(config, name))
    for number, name in enumerate(names):
        picks = PickSet("ribosome", point_of(number), np.array([0.5]))
        add_picks(config, name, PicksKey("ribosome", "picker", "1"), picks)
    return config


def export(config, to, out, *options, code=0):
    return run(
        *("export", "picks", "-c", config, "-i", "ribosome:picker/1", "--to", to, "-o", out),
        *options,
        code=code,
    )


def check_all_back(config, names):
    store = open_project(config)
    for number, name in enumerate(names):
        assert BACK in store.picks(name), name
        assert np.abs(store.read_picks(name, BACK).points_xyz - point_of(number)).max() < 2e-2, name


@pytest.mark.parametrize("to", FORMATS)
def test_every_name_comes_back(tmp_path, to):
    names = ("TS_1", *NAMES, *(ODD if "csv" in to or to == "byu" else ()))
    config = project(tmp_path / "p", names)
    file, options = FORMATS[to]
    export(config, to, tmp_path / "out", *options)
    run("import", "picks", tmp_path / "out" / file, "-c", config, "-o", "ribosome:back/1")
    check_all_back(config, names)


def test_every_name_comes_back_from_imod(tmp_path):
    names = ("TS_1", "007", "TS_1.mrc", "#TS", "a b", "tab\tx")
    config = project(tmp_path / "p", names)
    export(config, "imod", tmp_path / "out")
    for name in names:
        file = tmp_path / "out" / "ribosome" / f"{name}.mod"
        run("import", "picks", file, "-c", config, "-o", "ribosome:back/1")
    check_all_back(config, names)


@pytest.mark.parametrize("name", ODD[:3])
@pytest.mark.parametrize("to", ["relion5", "relion4", "warp", "dynamo"])
def test_a_name_that_a_format_cannot_hold_is_refused_there(tmp_path, to, name):
    config = project(tmp_path / "p", ("TS_1", name))
    output = export(config, to, tmp_path / "out", *FORMATS[to][1], code=2)
    assert f"run {name!r}: a file of --to {to} cannot hold a name with a tab, line end" in output
    assert "--to csv" in output
    assert not (tmp_path / "out").exists()


def test_a_name_that_warp_would_take_for_another_runs_is_refused(tmp_path):
    config = project(tmp_path / "p", ("TS_1", "TS_1.tomostar"))
    output = export(config, "warp", tmp_path / "out", code=2)
    assert "run TS_1 would be Warp's TS_1.tomostar, which is read back as run TS_1.t" in output
    assert not (tmp_path / "out").exists()
    export(config, "warp", tmp_path / "out", "-r", "TS_1.tomostar")
    export(config, "dynamo", tmp_path / "two")


def test_blanks_at_the_ends_are_kept_by_star_and_refused_by_dynamo(tmp_path):
    names = ("TS_1", " lead", "trail ")
    config = project(tmp_path / "p", names)
    export(config, "relion5", tmp_path / "out")
    back = ("import", "picks", tmp_path / "out" / "ribosome.star", "-c", config)
    run(*back, "-o", "ribosome:back/1")
    check_all_back(config, names)
    output = export(config, "dynamo", tmp_path / "two", code=2)
    assert "a space at its start or end" in output


def test_objects_with_names_like_numbers_come_back(tmp_path):
    from copick_picker.records.runs import ObjectSpec

    specs = tuple(ObjectSpec(name, n, 90.0) for n, name in enumerate(("007", "7", "1e5", "NA"), 1))
    config = small_project(tmp_path / "p", objects=specs)
    for number, spec in enumerate(specs):
        picks = PickSet(spec.name, point_of(number), np.ones(1))
        add_picks(config, "TS_2", PicksKey(spec.name, "picker", "1"), picks)
    run(*("export", "picks", "-c", config, "-i", "*:picker/1", "--to", "csv", "-o", tmp_path / "o"))
    rows = [(tmp_path / "o" / f"{spec.name}.csv").read_text().splitlines() for spec in specs]
    together = tmp_path / "all.csv"
    together.write_text("\n".join([rows[0][0], *(each[1] for each in rows)]) + "\n")
    run("import", "picks", together, "-c", config, "-o", "*:back/1")
    for number, spec in enumerate(specs):
        found = open_project(config).read_picks("TS_2", PicksKey(spec.name, "back", "1"))
        assert np.abs(found.points_xyz - point_of(number)).max() < 1e-3


def test_runs_are_chosen_by_text(tmp_path):
    names = ("1.1", "1.10", "0034", "34", "#TS", "@x", "!x", "NA", "true")
    config = project(tmp_path / "p", names)
    listed = tmp_path / "runs.txt"
    listed.write_bytes(b"\xef\xbb\xbf0034\r\n# a comment\r\n#TS\r\nNA\r\n\r\n")
    for given, expected in (
        (["-r", "1.10"], ["1.10"]),
        (["-r", "0034"], ["0034"]),
        (["-r", "@x"], ["@x"]),
        (["-r", "!x"], ["!x"]),
        (["-r", f"@{listed}"], ["0034", "#TS", "NA"]),
    ):
        out = tmp_path / "-".join(expected)
        export(config, "csv", out, *given)
        lines = (out / "ribosome.csv").read_text().splitlines()[1:]
        assert {line.split(",")[0].strip('"') for line in lines} == set(expected)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_runs_in_a_settings_file_are_text(tmp_path, encoding):
    config = project(
        tmp_path / "p", ("1.1", "1.10", "0034", "1e5", "NA", "true", "null", "2020-13-45")
    )
    settings = tmp_path / "settings.yaml"
    text = f"config: {config}\ninput: ribosome:picker/1\nto: csv\noutput: {tmp_path / 'out'}\n"
    text += (
        "min_score: {ribosome: 0.25}\nrun_names: [1.10, 0034, 1e5, NA, true, null, 2020-13-45]\n"
    )
    settings.write_bytes(text.replace("\n", "\r\n").encode(encoding))
    run("export", "picks", "--settings", settings)
    lines = (tmp_path / "out" / "ribosome.csv").read_text().splitlines()[1:]
    assert [line.split(",")[0] for line in lines] == sorted(
        ["1.10", "0034", "1e5", "NA", "true", "null", "2020-13-45"]
    )


def test_a_table_of_names_from_excel_is_text(tmp_path):
    config = project(tmp_path / "p", ("007", "NA", "#TS"))
    names = tmp_path / "names.csv"
    names.write_bytes(
        'sep=;\r\nrun_name; tomogram_name\r\n007; 1.10\r\n"NA";"a;b"\r\n"#TS";#1\r\n'.encode(
            "utf-16"
        )
    )
    export(config, "relion5", tmp_path / "out", "--names", names)
    back = ("import", "picks", tmp_path / "out" / "ribosome.star", "-c", config)
    run(*back, "-o", "ribosome:back/1", "--names", names)
    check_all_back(config, ("007", "NA", "#TS"))


def test_a_blank_name_in_a_table_of_names_is_named(tmp_path):
    config = project(tmp_path / "p", ("007",))
    names = tmp_path / "names.csv"
    names.write_text("run_name,tomogram_name\n007,a\n,b\n")
    before = tree(config.parent)
    output = export(config, "csv", tmp_path / "out", "--names", names, code=2)
    assert "names.csv, row 2: run_name is blank" in output
    assert tree(config.parent) == before


@pytest.mark.parametrize("suffix", [".csv", ".star"])
def test_blank_names_are_one_line_with_the_rows(tmp_path, suffix):
    config = project(tmp_path / "p", ("NA",))
    file = tmp_path / f"blank{suffix}"
    if suffix == ".csv":
        file.write_text("run_name,x,y,z\n,1,2,3\nNA,10,20,30\n  ,1,2,3\n")
    else:
        rows = '"" 1 2 3\nNA 10 20 30\n" " 1 2 3\n'
        axes = "".join(f"_rlnCenteredCoordinate{axis}Angst\n" for axis in "XYZ")
        file.write_text(f"data_particles\n\nloop_\n_rlnTomoName\n{axes}{rows}")
    before = tree(config.parent)
    arguments = ("import", "picks", file, "-c", config, "-o", "ribosome:back/1")
    output = run(*arguments, code=2)
    assert "2 of 3 rows cannot be used: row 1 has no tomogram" in output
    assert "row 3 has no tomogram" in output
    assert tree(config.parent) == before
    output = run(*arguments, "--skip-bad-rows")
    assert "2 of 3 rows cannot be used and are skipped" in output
    assert len(open_project(config).read_picks("NA", BACK)) == 1
