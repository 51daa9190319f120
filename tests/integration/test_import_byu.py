"""Folders of JPG slices and a table of motors into a project, through the real command line."""

import json
import re
from pathlib import Path

import copick
import numpy as np
import pytest
import zarr
from click.testing import CliRunner
from PIL import Image

from copick_picker.cli.main import console
from copick_picker.project.copick.making import create_project
from copick_picker.project.copick.store import open_project
from copick_picker.project.formats.byu_tables import labels_csv, read_motor_labels, submission_csv
from copick_picker.records.keys import PicksKey, TomogramKey
from copick_picker.records.runs import ObjectSpec
from projects import run_folder, temporaries, tree

SHAPES = {"tomo_00e047": (5, 12, 18), "tomo_b": (12, 10, 8), "0012": (4, 9, 11)}
SPACINGS = {"tomo_00e047": 13.1, "tomo_b": 6.5, "0012": 19.7}
MOTORS = {"tomo_00e047": [[3, 10, 17]], "tomo_b": [], "0012": [[0.25, 1, 2], [3, 8, 10]]}
KEY = PicksKey("motor", "byu", "1")
HEADER = (
    "row_id,tomo_id,Motor axis 0,Motor axis 1,Motor axis 2,Array shape (axis 0),"
    "Array shape (axis 1),Array shape (axis 2),Voxel spacing,Number of motors"
)


def run(*arguments, code=0):
    result = CliRunner().invoke(console, ["import", "byu", *map(str, arguments)])
    assert result.exit_code == code or (code is None and result.exit_code), result.output
    assert "Traceback (most" not in result.output
    return " ".join(result.output.split())


def planes(name):
    rng = np.random.default_rng(len(name))
    return rng.integers(0, 256, SHAPES[name]).astype(np.uint8)


def write_slices(folder, volume, pattern="slice_{:04d}.jpg", first=0):
    folder.mkdir(parents=True)
    for number, plane in enumerate(volume, first):
        Image.fromarray(plane).save(folder / pattern.format(number), quality=90)


def decoded(folder):
    """Return the slices as Pillow decodes them, in numerical order."""
    files = sorted(folder.glob("*.jp*g"), key=lambda path: int(re.findall(r"\d+", path.stem)[-1]))
    return np.stack([np.asarray(Image.open(file)) for file in files])


def labels_text(motors=None):
    lines = [HEADER]
    for name, points in (motors or MOTORS).items():
        for point in points or [[-1, -1, -1]]:
            cells = (len(lines) - 1, name, *point, *SHAPES[name], SPACINGS[name], len(points))
            lines.append(",".join(map(str, cells)))
    return "\n".join(lines) + "\n"


@pytest.fixture(autouse=True)
def slices(tmp_path, monkeypatch):
    """Return a folder of three tomograms: names with and without zeros, from 0 and from 1."""
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "slices"
    write_slices(place / "tomo_00e047", planes("tomo_00e047"))
    write_slices(place / "tomo_b", planes("tomo_b"), "{}.JPG".lower(), first=1)
    write_slices(place / "0012", planes("0012"), "z{:d}.jpeg")
    (place / "notes.txt").write_text("not a tomogram")
    (place / "empty").mkdir()
    Path("train_labels.csv").write_text(labels_text())
    return place


def imported(*extra):
    return run("slices", "--labels", "train_labels.csv", "-c", "byu/config.json", *extra)


def level(config, run_name, number):
    spacing = copick.from_file(str(config)).get_run(run_name).get_voxel_spacing(SPACINGS[run_name])
    return zarr.open_group(spacing.get_tomograms("byu")[0].zarr(), mode="r")[str(number)]


def test_slices_and_labels_become_a_project(slices):
    output = imported("--json", "summary.json")
    assert "3 runs: 3 done" in output
    store = open_project("byu/config.json")
    assert store.run_names() == ["0012", "tomo_00e047", "tomo_b"]
    assert store.objects()[0].radius_angstrom == 500.0
    for name, shape in SHAPES.items():
        key = TomogramKey("byu", SPACINGS[name])
        assert store.tomograms(name) == [key]
        volume = store.open_tomogram(name, key)
        assert (volume.shape, volume.dtype) == (shape, np.uint8)
        assert np.array_equal(volume.read(), decoded(slices / name))
        expected = np.array(MOTORS[name], dtype=float).reshape(-1, 3)[:, ::-1] * SPACINGS[name]
        assert store.read_picks(name, KEY).points_xyz.tolist() == expected.tolist()
    assert not Path("byu/folds.csv").exists()
    details = json.loads(Path("summary.json").read_text())["runs"]
    assert {entry["run"]: entry["picks"] for entry in details} == {
        "0012": 2,
        "tomo_00e047": 1,
        "tomo_b": 0,
    }
    assert not temporaries(Path("byu"))


def test_lower_levels_are_rounded_means_of_8_bits():
    imported()
    full, half = (level("byu/config.json", "tomo_b", number) for number in (0, 1))
    assert half.dtype == np.uint8
    assert half.shape == (6, 5, 4)
    mean = np.asarray(full).reshape(6, 2, 5, 2, 4, 2).mean(axis=(1, 3, 5))
    assert np.array_equal(np.asarray(half), np.rint(mean))


def test_again_skips_and_a_rest_is_made():
    imported()
    before = tree(Path("byu"))
    assert "3 skipped" in imported()
    assert tree(Path("byu")) == before
    picks = next((run_folder(Path("byu/config.json"), "0012") / "Picks").glob("*.json"))
    for file in picks.parent.iterdir():
        file.unlink()
    assert "1 done" in imported()
    assert tree(Path("byu")) == before
    Path("train_labels.csv").write_text(labels_text(MOTORS | {"tomo_b": [[1, 2, 3]]}))
    assert "exists and was made otherwise" in run(
        *("slices", "--labels", "train_labels.csv", "-c", "byu/config.json"), code=1
    )
    imported("--overwrite")
    assert len(open_project("byu/config.json").read_picks("tomo_b", KEY)) == 1


def test_other_slices_in_the_place_are_not_skipped(slices):
    imported()
    Image.fromarray(planes("0012")[0] // 2).save(slices / "0012" / "z0.jpeg")
    output = run("slices", "--labels", "train_labels.csv", "-c", "byu/config.json", code=1)
    assert "byu@19.7 exists and was made otherwise" in output


def test_without_labels_no_picks_are_stored():
    output = run("slices", "-c", "byu/config.json", code=2)
    assert "JPG files store no voxel spacing: use --spacing A or --labels CSV" in output
    assert not Path("byu").exists()
    run("slices", "-c", "byu/config.json", "--spacing", "10", "--type", "raw")
    store = open_project("byu/config.json")
    assert store.tomograms("0012") == [TomogramKey("raw", 10.0)]
    assert store.picks("0012") == []


def test_relabelled_tables_with_points_and_folds():
    Path("train_labels.csv").write_text(
        "tomo_id,z,y,x,voxel_spacing,coordinates,fold\n"
        'tomo_00e047,3,10,17,13.1,"[[3.0, 10.0, 17.0], [1, 2.5, 4]]",0\n'
        "tomo_b,-1,-1,-1,6.5,[],-1\n"
        'tomo_b,-1,-1,-1,6.5,"",-1\n'
        "0012,0.25,1,2,19.7,,3.0\n"
        "0012,3,8,10,19.7,,3\n"
    )
    output = imported()
    assert "The folds of 3 runs are in byu/folds.csv" in output
    assert Path("byu/folds.csv").read_text() == "run,fold\n0012,3\ntomo_00e047,0\ntomo_b,-1\n"
    store = open_project("byu/config.json")
    found = store.read_picks("tomo_00e047", KEY).points_xyz / 13.1
    assert np.allclose(found, [[17, 10, 3], [4, 2.5, 1]])
    assert [len(store.read_picks(name, KEY)) for name in ("0012", "tomo_b")] == [2, 0]
    before = tree(Path("byu"))
    assert "3 skipped" in imported()
    assert tree(Path("byu")) == before
    Path("train_labels.csv").write_text("tomo_id,z,y,x,voxel_spacing,fold\n0012,1,1,1,19.7,4\n")
    output = run("slices", "--labels", "train_labels.csv", "-c", "byu/config.json", code=2)
    assert "folds.csv exists; use --overwrite" in output
    assert tree(Path("byu")) == before


def test_folds_of_another_hand_are_kept():
    Path("byu").mkdir()
    Path("byu/folds.csv").write_text("name,part\na,1\n")
    Path("train_labels.csv").write_text("tomo_id,z,y,x,voxel_spacing,fold\n0012,1,1,1,19.7,4\n")
    output = run("slices", "--labels", "train_labels.csv", "-c", "byu/config.json", code=2)
    assert "folds.csv exists and was not made by this tool" in output
    assert list(tree(Path("byu"))) == ["folds.csv"]


def test_an_existing_project_needs_the_object(tmp_path):
    create_project(tmp_path / "p", [ObjectSpec("rotor", 1, 400.0)], name="p")
    arguments = ("slices", "--labels", "train_labels.csv", "-c", "p/config.json")
    assert "--new-object: no object 'motor'" in run(*arguments, code=2)
    run(*arguments, "--new-object", "rotor=300", "-r", "0012")
    store = open_project("p/config.json")
    assert len(store.read_picks("0012", PicksKey("rotor", "byu", "1"))) == 2
    assert store.run_names() == ["0012"]


def test_a_dry_run_writes_nothing():
    before = tree(Path())
    assert "3 planned" in imported("--dry-run")
    assert tree(Path()) == before


def test_tomograms_that_one_side_lacks_are_listed():
    text = labels_text({"0012": MOTORS["0012"]})
    Path("train_labels.csv").write_text(text + "9,tomo_far,1,1,1,4,9,11,10,1\n")
    output = run("slices", "--labels", "train_labels.csv", "-c", "byu/config.json", code=1)
    assert "lists 1 tomograms that slices lacks: tomo_far" in output
    assert "does not list 2 tomograms, so they get no picks: tomo_00e047, tomo_b" in output
    assert "tomo_b failed: train_labels.csv has no voxel spacing for it; use --spacing A" in output
    imported("--spacing", "10", "--overwrite")
    assert len(open_project("byu/config.json").picks("tomo_b")) == 0


def spoil(slices, how):
    folder = slices / "tomo_00e047"
    if how == "gap":
        (folder / "slice_0002.jpg").unlink()
        (folder / "slice_0003.jpg").unlink()
    elif how == "late start":
        (folder / "slice_0000.jpg").unlink()
        (folder / "slice_0001.jpg").unlink()
    elif how == "size":
        Image.fromarray(planes("0012")[0]).save(folder / "slice_0003.jpg")
    elif how == "colour":
        Image.fromarray(planes("0012")[0]).convert("RGB").save(folder / "slice_0001.jpg")
    elif how == "twice":
        (folder / "2.jpg").write_bytes((folder / "slice_0002.jpg").read_bytes())
    elif how == "unnumbered":
        (folder / "cover.jpg").write_bytes((folder / "slice_0002.jpg").read_bytes())
    elif how == "cut":
        data = (folder / "slice_0003.jpg").read_bytes()
        (folder / "slice_0003.jpg").write_bytes(data[:-40])
    elif how == "png":
        Image.fromarray(planes("0012")[0]).save(folder / "slice_0004.jpg", format="PNG")
    elif how == "text":
        (folder / "slice_0004.jpg").write_text("hello")


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("gap", "tomo_00e047 lacks 2 of the slices up to 4: 2, 3"),
        ("late start", "tomo_00e047 lacks 1 of the slices up to 4: 1"),
        ("size", "slice_0003.jpg has 11 x 9 pixels; expected 18 x 12, as in slice_0000.jpg"),
        ("colour", "slice_0001.jpg is a colour JPG (RGB); expected grey slices of 8 bits"),
        ("twice", "and slice_0002.jpg are both slice 2"),
        ("unnumbered", "cover.jpg has no number in its name"),
        ("cut", "slice_0003.jpg is a damaged JPG"),
        ("png", "slice_0004.jpg is not a readable JPG"),
        ("text", "slice_0004.jpg is not a readable JPG"),
    ],
)
def test_a_spoiled_folder_is_one_line_and_the_others_come_in(slices, how, text):
    spoil(slices, how)
    output = run("slices", "--labels", "train_labels.csv", "-c", "byu/config.json", code=1)
    assert text in output
    assert "2 done, 1 failed" in output
    assert not run_folder(Path("byu/config.json"), "tomo_00e047").exists()
    assert not temporaries(Path("byu"))


BAD_TABLES = {
    "NaN": ("tomo_id,z,y,x\n0012,1,nan,2\n", "row 1 (0012): y is 'nan'; expected a number"),
    "empty": ("tomo_id,z,y,x\n0012,1,,2\n", "row 1 (0012): y is ''; expected a number, or -1"),
    "text": ("tomo_id,z,y,x\n0012,1,2,3\n0012,1,a,2\n", "row 2 (0012): y is 'a'"),
    "columns": ("run,z,y,x\n0012,1,2,3\n", "columns are run, z, y, x; expected tomo_id"),
    "no rows": ("tomo_id,z,y,x\n", "contains no rows"),
    "both": ("tomo_id,z,y,x\n0012,1,2,3\n0012,-1,-1,-1\n", "says there is no motor"),
    "spacings": (
        "tomo_id,z,y,x,Voxel spacing\n0012,1,2,3,10\n0012,2,2,3,11\n",
        "0012: its rows give different values for voxel_spacing: 10.0, 11.0",
    ),
    "points": ('tomo_id,coordinates\n0012,"[[1, 2]]"\n', "coordinates is '[[1, 2]]'; expected"),
    "NaN point": ('tomo_id,coordinates\n0012,"[[1, 2, nan]]"\n', "expected points [[z, y, x]"),
    "spacing": ("tomo_id,z,y,x,Voxel spacing\n0012,1,2,3,0\n", "expected a positive number"),
    "none there": ("tomo_id,z,y,x\nother,1,2,3\n", "lists no tomogram of slices: it lists other"),
}


@pytest.mark.parametrize("name", BAD_TABLES)
def test_a_wrong_table_is_one_line_and_nothing_is_written(name):
    content, text = BAD_TABLES[name]
    Path("train_labels.csv").write_text(content)
    before = tree(Path())
    output = run("slices", "--labels", "train_labels.csv", "-c", "byu/config.json", code=None)
    assert text in output
    assert tree(Path()) == before


@pytest.mark.parametrize(
    ("motors", "text"),
    [
        ([[3, 10, 18]], "a motor at (z, y, x) = (3, 10, 18) lies outside slices/tomo_00e047"),
        ([[-1, 10, 7]], "a motor at (z, y, x) = (-1, 10, 7) lies outside"),
    ],
)
def test_a_motor_outside_fails_its_run_alone(motors, text):
    Path("train_labels.csv").write_text(labels_text(MOTORS | {"tomo_00e047": motors}))
    output = run("slices", "--labels", "train_labels.csv", "-c", "byu/config.json", code=1)
    assert text in output
    assert "2 done, 1 failed" in output
    assert not run_folder(Path("byu/config.json"), "tomo_00e047").exists()


def test_a_table_of_another_shape_fails_its_run():
    Path("train_labels.csv").write_text(labels_text().replace(",5,12,18,", ",5,18,12,"))
    output = run("slices", "--labels", "train_labels.csv", "-c", "byu/config.json", code=1)
    assert "holds 5 x 12 x 18 voxels (z, y, x); the table says 5 x 18 x 12" in output


@pytest.mark.parametrize(
    ("folder", "text"),
    [
        ("nowhere", "there is no folder nowhere"),
        ("slices/empty", "contains no folders of JPG slices"),
        ("slices/tomo_b", "it contains slices itself; did you mean the folder above"),
    ],
)
def test_folders_that_hold_no_tomograms(folder, text):
    assert text in run(folder, "-c", "byu/config.json", "--spacing", "10", code=2)
    assert not Path("byu").exists()


def test_the_table_that_is_written_is_read_back(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text(labels_text())
    labels = read_motor_labels(path)
    assert labels["0012"].points_zyx.tolist() == MOTORS["0012"]
    assert (labels["tomo_b"].shape_zyx, labels["tomo_b"].voxel_spacing) == ((12, 10, 8), 6.5)
    written = labels_csv(labels)
    assert written.splitlines()[0] == HEADER
    assert written.splitlines()[2] == "1,tomo_b,-1.0,-1.0,-1.0,12,10,8,6.5,0"
    path.write_text(written)
    again = read_motor_labels(path)
    for name, entry in labels.items():
        assert again[name].points_zyx.tolist() == entry.points_zyx.tolist()
    text = submission_csv({"tomo_00e047": (3.0, 10.25, 17.0), "0012": None})
    assert text.splitlines() == [
        "tomo_id,Motor axis 0,Motor axis 1,Motor axis 2",
        "tomo_00e047,3.0,10.25,17.0",
        "0012,-1,-1,-1",
    ]


def test_a_table_from_excel_is_read(tmp_path):
    path = tmp_path / "labels.csv"
    head = ["tomo_id", *(f"Motor axis {axis}" for axis in range(3)), "Voxel spacing"]
    rows = [head, ["007", "3,5", "5", "11", "13,1"], ["1.10", "-1", "-1", "-1", "6"]]
    path.write_bytes("\r\n".join("; ".join(row) for row in rows).encode("utf-16"))
    found = read_motor_labels(path)
    assert list(found) == ["007", "1.10"]
    assert found["007"].points_zyx.tolist() == [[3.5, 5.0, 11.0]]
    assert found["007"].voxel_spacing == 13.1
    assert found["1.10"].points_zyx.shape == (0, 3)
