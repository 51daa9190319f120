"""Files of other programs through ``import picks``: classes, encodings, bad rows, formats."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.spatial.transform import Rotation

from copick_picker.cli.main import console
from copick_picker.project.copick.making import add_picks
from copick_picker.project.copick.store import open_project
from copick_picker.records.keys import PicksKey
from copick_picker.records.points import PickSet
from peer_files import AXES, EXPECTED, IN_FIVE, dynamo, em, imod, in_imod, star
from projects import run_folder, small_project, tree

BACK = PicksKey("ribosome", "back", "1")


def run(*arguments, code=0):
    result = CliRunner().invoke(console, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    assert "Traceback (most" not in result.output
    return " ".join(result.output.split())


@pytest.fixture
def config(tmp_path):
    return small_project(tmp_path / "p")


def load(config, file, *options, output="ribosome:back/1", code=0):
    return run("import", "picks", file, "-c", config, "-o", output, *options, code=code)


def found(config, run_name="TS_1", key=BACK):
    return open_project(config).read_picks(run_name, key)


def points(config, run_name="TS_1", key=BACK):
    return found(config, run_name, key).points_xyz


def refused(config, file, *options, output="ribosome:back/1"):
    """Return the one line with which a file is refused; nothing is written."""
    before = tree(config.parent)
    result = CliRunner().invoke(
        console,
        [str(each) for each in ("import", "picks", file, "-c", config, "-o", output, *options)],
    )
    assert result.exit_code in (1, 2), result.output
    assert "Traceback (most" not in result.output
    assert tree(config.parent) == before
    return " ".join(result.output.split())


def two_classes(folder, kind):
    """Return a file of two classes, of the first and the second expected particle."""
    (x1, y1, z1), (x2, y2, z2) = EXPECTED
    if kind == "czii":
        text = (
            f"id,experiment,particle_type,x,y,z\n0,TS_1,a,{x1},{y1},{z1}\n1,TS_1,b,{x2},{y2},{z2}\n"
        )
    elif kind == "object":
        text = f"run_name,object,x,y,z\nTS_1,a,{x1},{y1},{z1}\nTS_1,b,{x2},{y2},{z2}\n"
    elif kind == "class":
        text = f"run_name;class;x;y;z\nTS_1;a;{x1};{y1};{z1}\nTS_1;b;{x2};{y2};{z2}\n"
    if kind in ("czii", "object", "class"):
        (folder / "a.csv").write_text(text)
        return folder / "a.csv"
    if kind == "star":
        rows = [["TS_1", *IN_FIVE[0], 5, 1], ["TS_1", *IN_FIVE[1], 5, 2]]
        columns = ["rlnTomoName", *AXES, "rlnPixelSize", "rlnClassNumber"]
        return star(folder / "a.star", columns, rows)
    if kind == "dynamo":
        (folder / "a.doc").write_text("1 TS_1\n")
        return dynamo(folder / "a.tbl", IN_FIVE, apix=5, classes=(1, 2))
    if kind == "imod":
        one, two = in_imod(5.0)
        return imod(folder / "TS_1.mod", [("a", [[one]]), ("b", [[two]])], pixel=(0.5, -9))
    if kind == "eman2":
        boxes = [[*(EXPECTED[0] / 10), "manual", 1.0, 0], [*(EXPECTED[1] / 10), "manual", 1.0, 3]]
        classes = {"0": {"name": "a"}, "3": {"name": "b"}}
        file = folder / "TS_1_info.json"
        file.write_text(json.dumps({"boxes_3d": boxes, "class_list": classes}))
        return file
    rows = np.zeros((2, 20), "<f4")
    rows[:, 4], rows[:, 7:10], rows[:, 19] = 0, EXPECTED / 10 + 1, (1, 2)
    return em(folder / "TS_1.em", rows)


KINDS = ["czii", "object", "class", "star", "dynamo", "imod", "eman2", "em"]


@pytest.mark.parametrize("kind", KINDS)
def test_several_classes_never_become_one_object_unasked(config, tmp_path, kind):
    file = two_classes(tmp_path, kind)
    first, second = ("1", "2") if kind in ("star", "dynamo", "em") else ("a", "b")
    output = refused(config, file)
    assert f"are {first}, {second}; choose with --classes" in output
    assert "--classes '*'" in output
    load(config, file, "--classes", second)
    assert np.abs(points(config) - EXPECTED[1:]).max() < 1e-3
    load(config, file, "--classes", "*", output="ribosome:all/1")
    assert len(found(config, key=PicksKey("ribosome", "all", "1"))) == 2
    output = refused(config, file, "--classes", "c", output="ribosome:c/1")
    assert "has no class 'c'" in output


def test_a_table_of_several_objects_is_split(config, tmp_path):
    file = tmp_path / "czii.csv"
    file.write_text(
        "experiment,particle_type,x,y,z\nTS_1,ribosome,10,20,30\nTS_2,apo-ferritin,40,50,60\n"
        "TS_1,apo-ferritin,70,80,90\nTS_1,thyroglobulin,1,2,3\n"
    )
    output = load(config, file)
    assert "Using the 1 particles with particle_type ribosome; leaving out: apo-" in output
    assert points(config).tolist() == [[10.0, 20.0, 30.0]]
    output = load(config, file, output="*:czii/1")
    assert "objects that the project does not have are left out: thyroglobulin (1)" in output
    ferritin = PicksKey("apo-ferritin", "czii", "1")
    assert points(config, "TS_1", ferritin).tolist() == [[70.0, 80.0, 90.0]]
    assert points(config, "TS_2", ferritin).tolist() == [[40.0, 50.0, 60.0]]
    assert points(config, "TS_1", PicksKey("ribosome", "czii", "1")).tolist() == [[10, 20, 30]]
    assert "2 skipped" in load(config, file, output="*:czii/1")
    assert "name the object" in refused(config, star_of_one(tmp_path), output="*:x/1")


def star_of_one(folder):
    return star(folder / "o.star", ["rlnTomoName", *AXES, "rlnPixelSize"], [["TS_1", 1, 2, 3, 5]])


@pytest.mark.parametrize("spacing", [True, False])
def test_a_byu_table_counts_voxels_z_y_x(config, tmp_path, spacing):
    file = tmp_path / "byu.csv"
    column, value = (",Voxel spacing", ",5") if spacing else ("", "")
    axes = "Motor axis 0,Motor axis 1,Motor axis 2"
    file.write_text(
        f"row_id,tomo_id,{axes}{column}\n0,TS_1,3,5,11{value}\n1,TS_2,-1,-1,-1{value}\n"
    )
    assert "BYU 2025" in load(config, file)
    factor = 5.0 if spacing else 10.0
    assert points(config).tolist() == [[11 * factor, 5 * factor, 3 * factor]]
    assert points(config, "TS_2").shape == (0, 3)
    file.write_text(f"tomo_id,{axes}\nTS_1,3,5,11\nTS_1,-1,-1,-1\n")
    assert "one row says there is no motor" in refused(config, file, output="ribosome:x/1")


def test_particles_of_several_tomograms_do_not_become_one_run(config, tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("run_name,x,y,z\nTS_1,1,2,3\nTS_2,4,5,6\n")
    load(config, file, "--run", "TS_2")
    assert points(config, "TS_2").tolist() == [[4, 5, 6]]
    file.write_text("run_name,x,y,z\nA,1,2,3\nB,4,5,6\n")
    assert "has particles of 2 tomograms, A, B, and none" in refused(config, file, "--run", "TS_1")


BLOCKS = "data_{}\n\nloop_\n_rlnTomoName\n_rlnCoordinateX\n_rlnCoordinateY\n_rlnCoordinateZ\n"
BLOCKS += "TS_1 1 2 3\n\n"


def test_several_tables_of_one_star_file_are_refused(config, tmp_path):
    file = tmp_path / "a.star"
    file.write_text(BLOCKS.format("a") + BLOCKS.format("b"))
    assert "several tables with coordinates: data_a, data_b" in refused(config, file)


EXCEL = {
    "bom": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "utf-16": lambda text: text.encode("utf-16"),
    "utf-16-be": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    "crlf": lambda text: text.replace("\n", "\r\n").encode(),
    "cr": lambda text: text.replace("\n", "\r").encode(),
    "no end": lambda text: text.rstrip("\n").encode(),
}
TEXTS = {
    "comma.csv": "run_name,x,y,z\nTS_1,123,56,78\nTS_1,200,150.5,101\n",
    "blanks.csv": "run_name, x, y, z\nTS_1, 123, 56, 78\nTS_1, 200, 150.5, 101\n",
    "quotes.csv": '"run_name","x","y","z"\n"TS_1","123","56","78"\n"TS_1","200","150.5","101"\n',
    "semicolon.csv": "run_name;x;y;z\nTS_1;123;56;78\nTS_1;200;150,5;101\n",
    "sep.csv": "sep=;\nrun_name;x;y;z\nTS_1;123,0;56;78\nTS_1;200;150,5;101\n",
    "tab.tsv": "run_name\tx\ty\tz\nTS_1\t123\t56\t78\nTS_1\t200\t150.5\t101\n",
    "tab.txt": "run_name\tX\tY\tZ\nTS_1\t123\t56\t78\nTS_1\t200\t150.5\t101\n",
    "blank.txt": "run_name x y z\nTS_1 123 56 78\nTS_1 200 150.5 101\n",
    "columns.csv": "run_name,x,,y,z,,\nTS_1,123,,56,78,,\nTS_1,200,,150.5,101,,\n",
    "empty.csv": "run_name,x,y,z,\nTS_1,123,56,78,\n,,,,\nTS_1,200,150.5,101,\n\n",
    "TS_1.coords": "12.3 5.6 7.8\n20 15.05 10.1\n",
    "TS_1.xyz": "# x y z\n12.3\t5.6\t7.8\n20,15.05,10.1\n",
    "a.star": (
        "data_\n\nloop_\n_rlnTomoName\n_rlnCoordinateX\n_rlnCoordinateY\n_rlnCoordinateZ\n"
        "_rlnPixelSize\nTS_1 24.6 11.2 15.6 5\n'TS_1' 40 30.1 20.2 5\n"
    ),
    "TS_1.cbox": (
        "data_global\n\n_cbox_format_version 1.0\n\ndata_cryolo\n\nloop_\n_CoordinateX #1\n"
        "_CoordinateY #2\n_CoordinateZ #3\n_Width #4\n_Height #5\n_Depth #6\n_Confidence #7\n"
        "10.3 4.6 7.8 4 2 4 0.5\n18 14.05 10.1 4 2 4 0.25\n\n"
        "data_cryolo_include\n\nloop_\n_slice_index #1\n7\n10\n"
    ),
    "TS_1.ndjson": (
        '{"type": "point", "location": {"x": 12.3, "y": 5.6, "z": 7.8}}\n'
        '{"type": "point", "location": {"x": 20, "y": 15.05, "z": 10.1}}\n'
    ),
    "TS_1_info.json": '{"boxes_3d": [[12.3, 5.6, 7.8], [20, 15.05, 10.1]]}',
}


@pytest.mark.parametrize("how", EXCEL)
@pytest.mark.parametrize("name", TEXTS)
def test_files_from_windows_and_excel_are_read(config, tmp_path, name, how):
    file = tmp_path / name
    file.write_bytes(EXCEL[how](TEXTS[name]))
    load(config, file)
    assert np.abs(points(config) - EXPECTED).max() < 1e-9


def test_a_dynamo_table_from_windows_is_read(config, tmp_path):
    file = dynamo(tmp_path / "a.tbl", IN_FIVE, apix=5)
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    (tmp_path / "a.doc").write_bytes("1 TS_1.mrc\r\n".encode("utf-16"))
    load(config, file)
    assert np.abs(points(config) - EXPECTED).max() < 1e-9


@pytest.mark.parametrize("name", ["a.csv", "a.star", "a.tbl", "a.json", "a.ndjson", "a.coords"])
@pytest.mark.parametrize("data", [b"run_name,x\xff\xfe", b"a\0b\0", b"", b"\xff\xfe\x00"])
def test_text_that_is_none_is_one_line(config, tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    refused(config, tmp_path / name)


BAD = {
    "a.csv": ("run_name,x,y,z\nTS_1,{},2,3\nTS_1,4,5,6\n", "x is '{}', not a finite number"),
    "b.csv": ("run_name,x,y,z,score\nTS_1,1,2,3,{}\nTS_1,4,5,6,1\n", "score is '{}', not"),
    "c.csv": ("run_name,x,y,z,rot,tilt,psi\nTS_1,1,2,3,0,{},0\nTS_1,4,5,6,1,2,3\n", "tilt is '{}'"),
    "d.csv": ("run_name,x,y,z,instance_id\nTS_1,1,2,3,{}\nTS_1,4,5,6,1\n", "instance_id is '{}'"),
    "a.star": (
        "data_\n\nloop_\n_rlnTomoName\n_rlnCenteredCoordinateXAngst\n_rlnCenteredCoordinateYAngst\n"
        "_rlnCenteredCoordinateZAngst\n_rlnAngleRot\n_rlnAngleTilt\n_rlnAnglePsi\n"
        "TS_1 1 2 3 {} 0 0\nTS_1 4 5 6 0 0 0\n",
        "rlnAngleRot is '{}', not a finite number",
    ),
    "b.star": (
        "data_\n\nloop_\n_rlnTomoName\n_rlnCenteredCoordinateXAngst\n_rlnCenteredCoordinateYAngst\n"
        "_rlnCenteredCoordinateZAngst\n_rlnOriginXAngst\n_rlnOriginYAngst\n_rlnOriginZAngst\n"
        "TS_1 1 2 3 0 0 {}\nTS_1 4 5 6 0 0 0\n",
        "rlnOriginZAngst is '{}'",
    ),
    "TS_1.coords": ("1 {} 3\n4 5 6\n", "y is '{}', not a finite number"),
}


@pytest.mark.parametrize(
    "value", ["nan", "inf", "-Infinity", "1e999", "abc", "1_0", "<NA>", "0x10"]
)
@pytest.mark.parametrize("name", BAD)
def test_one_rule_for_numbers_at_every_door(config, tmp_path, name, value):
    text, expected = BAD[name]
    file = tmp_path / name
    file.write_text(text.replace("{}", value))
    output = refused(config, file)
    assert "1 of 2 rows cannot be used: row 1 (" in output
    assert expected.replace("{}", value) in output
    output = load(config, file, "--skip-bad-rows")
    assert "1 of 2 rows cannot be used and are skipped: row 1 (" in output
    assert len(found(config)) == 1


def test_rows_of_another_length_are_bad_rows(config, tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("run_name,x,y,z\nTS_1,1,2\nTS_1,4,5,6\nTS,1,7,8,9\n")
    output = refused(config, file)
    assert "row 1 has 3 values, 4 expected; row 3 has 5 values, 4 expected" in output
    load(config, file, "--skip-bad-rows")
    assert points(config).tolist() == [[4, 5, 6]]


def test_rows_left_out_are_all_listed(config, tmp_path):
    file = tmp_path / "a.csv"
    rows = "".join(f"TS_1,{'nan' if number % 3 else number},2,3\n" for number in range(1, 13))
    file.write_text(f"run_name,x,y,z\n{rows}")
    output = load(config, file, "--skip-bad-rows")
    assert "8 of 12 rows cannot be used and are skipped" in output
    assert "Rows left out: 1, 2, 4, 5, 7, 8, 10, 11" in output
    assert len(found(config)) == 4
    file.write_text("run_name,x,y,z\nTS_1,nan,2,3\n")
    assert "contains no particles" in refused(
        config, file, "--skip-bad-rows", output="ribosome:x/1"
    )


@pytest.mark.parametrize("bad", ["NaN", "Infinity", "null", '"1"', "true", "[1]"])
def test_numbers_in_json_are_numbers(config, tmp_path, bad):
    eman, copick = tmp_path / "TS_1_info.json", tmp_path / "a.json"
    eman.write_text(f'{{"boxes_3d": [[1, 2, {bad}], [4, 5, 6]]}}')
    places = (f'{{"x": 1, "y": {bad}, "z": 3}}', '{"x": 4, "y": 5, "z": 6}')
    points_of = ", ".join(f'{{"location": {place}}}' for place in places)
    copick.write_text(
        f'{{"pickable_object_name": "ribosome", "run_name": "TS_1", "points": [{points_of}]}}'
    )
    if bad != '"1"':
        assert "1 of 2 rows" in refused(config, eman)
        assert "1 of 2 rows" in refused(config, copick)
        load(config, copick, "--skip-bad-rows")
        assert points(config).tolist() == [[4, 5, 6]]


def test_copicks_own_picks_and_null_points_are_read(config, tmp_path):
    picks = PickSet("ribosome", EXPECTED, np.array([0.5, 0.25]))
    add_picks(config, "TS_1", PicksKey("ribosome", "picker", "1"), picks)
    stored = run_folder(config, "TS_1") / "Picks" / "picker_1_ribosome.json"
    load(config, stored)
    assert np.abs(points(config) - EXPECTED).max() < 1e-9
    assert found(config).scores.tolist() == [0.5, 0.25]
    content = json.loads(stored.read_text())
    for number, empty in enumerate((None, [])):
        stored.write_text(json.dumps({**content, "points": empty}))
        load(config, stored, output=f"ribosome:empty/{number}")
        assert len(found(config, key=PicksKey("ribosome", "empty", str(number)))) == 0
        assert len(found(config, key=PicksKey("ribosome", "picker", "1"))) == 0
    out = ("export", "picks", "-c", config, "-i", "ribosome:picker/1", "--to", "csv")
    assert "no picks are left to export" in run(*out, "-o", tmp_path / "o", code=2)


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_motive_list_is_read(config, tmp_path, order):
    rows = np.zeros((2, 20))
    rows[:, 0], rows[:, 3], rows[:, 4] = (0.5, 0.25), (1, 2), 7
    rows[:, 7:10], rows[:, 10:13] = EXPECTED / 10 + 1 - [1, 2, 3], [1, 2, 3]
    rows[:, 16], rows[:, 17], rows[:, 18], rows[:, 19] = 10, 20, 30, 1  # phi, psi, theta
    file = em(tmp_path / "a.em", rows, order)
    assert "no run is called 7" in refused(config, file)
    output = load(config, file, "--run", "TS_1")
    assert "read as motive list, voxels from 1" in output
    assert "scores from row 1" in output
    assert np.abs(points(config) - EXPECTED).max() < 1e-4
    assert found(config).scores.tolist() == [0.5, 0.25]
    turned = Rotation.from_euler("Z", 20, degrees=True) * Rotation.from_euler("X", 30, degrees=True)
    turned = (turned * Rotation.from_euler("Z", 10, degrees=True)).as_matrix()
    assert np.abs(found(config).rotations - turned).max() < 1e-6
    rows[0, 17] = np.nan
    em(file, rows, order)
    assert "row 1 holds a number that is NaN or infinite" in refused(config, file, "--run", "TS_2")
    file.write_bytes(file.read_bytes()[:600])
    assert "is truncated" in refused(config, file, "--run", "TS_2")
    file.write_bytes(b"no")
    assert "is not an EM file" in refused(config, file, "--run", "TS_2")


def test_oriented_points_of_the_portal_are_read(config, tmp_path):
    matrix = Rotation.from_euler("ZYZ", [10, 20, 30], degrees=True).as_matrix()
    place = {"x": 12.3, "y": 5.6, "z": 7.8}
    line = {"type": "orientedPoint", "location": place, "xyz_rotation_matrix": matrix.tolist()}
    file = tmp_path / "100-ribosome-1.0_orientedpoint.ndjson"
    file.write_text(json.dumps(line) + "\n")
    assert "no run is called 100-ribosome" in refused(config, file)
    load(config, file, "--run", "TS_1")
    assert np.abs(points(config) - EXPECTED[:1]).max() < 1e-9
    assert np.abs(found(config).rotations[0] - matrix).max() < 1e-9
    line["xyz_rotation_matrix"][0][0] = float("nan")
    file.write_text(json.dumps(line) + "\n")
    assert "row 1 is not a point" in refused(config, file, "--run", "TS_2")


def test_crylos_scores_and_topaz_columns_are_read(config, tmp_path):
    file = tmp_path / "TS_1.cbox"
    file.write_text(TEXTS["TS_1.cbox"])
    assert "scores from Confidence" in load(config, file)
    assert found(config).scores.tolist() == [0.5, 0.25]
    file = tmp_path / "topaz.txt"
    head = "image_name\tx_coord\ty_coord\tz_coord\tscore\n"
    file.write_text(f"{head}TS_1\t12.3\t5.6\t7.8\t-1.5\nTS_1\t20\t15.05\t10.1\t2\n")
    assert "read as Topaz, voxels" in load(config, file, "--overwrite")
    assert np.abs(points(config) - EXPECTED).max() < 1e-9
    assert found(config).scores.tolist() == [-1.5, 2.0]


@pytest.mark.parametrize("columns", ["1 2 3 4", "1 2"])
def test_text_of_another_width_is_refused(config, tmp_path, columns):
    file = tmp_path / "TS_1.txt"
    file.write_text(f"{columns}\n{columns}\n")
    assert f"has {len(columns.split())} numbers a line; expected x y z" in refused(config, file)


def test_lines_that_are_comments_are_counted(config, tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("# made by hand\nrun_name,x,y,z\n#TS_1,1,2,3\nTS_1,4,5,6\n")
    assert "1 lines that start with # are comments" in load(config, file)
    assert points(config).tolist() == [[4, 5, 6]]
