"""``import segmentation``: labels of other programs, through the real command line."""

import mrcfile
import numpy as np
import pytest
import tifffile
from click.testing import CliRunner

from copick_picker.cli.main import console
from copick_picker.project.copick.store import open_project
from copick_picker.project.formats.mrc import write_mrc
from copick_picker.project.formats.tiff import write_tiff
from copick_picker.records.keys import PicksKey, SegmentationKey
from projects import SHAPE_ZYX, small_project

MADE = SegmentationKey("imported", "picker", "1", 10.0)


def run(*arguments, code=0):
    result = CliRunner().invoke(console, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    assert "Traceback (most" not in result.output
    return " ".join(result.output.split())


@pytest.fixture
def config(tmp_path):
    return small_project(tmp_path / "p")


def labels(*values):
    volume = np.zeros(SHAPE_ZYX, dtype=np.int16)
    for number, value in enumerate(values):
        volume[2 + 4 * number : 5 + 4 * number, 7:13, 20 + number : 31] = value
    return volume


def stored(config, run_name, key=MADE):
    return open_project(config).open_segmentation(run_name, key).read()


def bring(config, *arguments, code=0):
    return run("import", "segmentation", *arguments, "-c", config, code=code)


def test_a_folder_of_files_comes_in_with_the_projects_labels(config, tmp_path):
    folder = tmp_path / "seg"
    write_mrc(folder / "TS_1.mrc", labels(1, 3), 10.0)
    write_tiff(folder / "TS_2.tif", labels(5).astype(np.uint8), 10.0)
    (folder / "._TS_1.mrc").write_bytes(b"no volume")
    (folder / "notes.txt").write_text("mine")
    text = bring(config, folder)
    assert "2 done" in text
    assert np.array_equal(stored(config, "TS_1"), labels(1, 3))
    assert np.array_equal(stored(config, "TS_2"), labels(5))
    known = open_project(config).segmentation_labels("TS_1", MADE)
    assert known == {"ribosome": 1, "apo-ferritin": 3, "membrane": 5}
    assert "2 skipped" in bring(config, folder)
    write_mrc(folder / "TS_1.mrc", labels(3, 1), 10.0)
    assert "exists" in bring(config, folder, code=1)
    assert np.array_equal(stored(config, "TS_1"), labels(1, 3))
    bring(config, folder, "--overwrite")
    assert np.array_equal(stored(config, "TS_1"), labels(3, 1))


def test_what_export_writes_comes_back(config, tmp_path):
    write_mrc(tmp_path / "TS_2.mrc", labels(1, 3, 5), 10.0)
    bring(config, tmp_path / "TS_2.mrc")
    for kind in ("mrc", "tiff"):
        out = tmp_path / kind
        run(
            *("export", "segmentation", "-c", config, "-i", "imported:picker/1"),
            "--to",
            kind,
            "-o",
            out,
        )
        back = ("--name-pattern", "{run}_imported", "-o", f"back{kind}:me/1")
        bring(config, out, *back)
        key = SegmentationKey(f"back{kind}", "me", "1", 10.0)
        assert np.array_equal(stored(config, "TS_2", key), labels(1, 3, 5))


def test_values_mean_what_the_options_say(config, tmp_path):
    path = tmp_path / "mask.mrc"
    write_mrc(path, labels(255, 2).astype(np.float32), 10.0)
    here = (path, "--run", "TS_1")
    text = bring(config, *here, code=1)
    assert "values that stand for no object: 2 (180 voxels), 255 (198 voxels)" in text
    assert "known: 1 ribosome, 3 apo-ferritin, 5 membrane" in text
    bring(config, *here, "--object", "membrane")
    assert np.array_equal(stored(config, "TS_1"), 5 * (labels(255, 2) > 0))
    assert open_project(config).segmentation_labels("TS_1", MADE) == {"membrane": 5}
    mapped = ("--label", "255=apo-ferritin", "--label", "2=ribosome", "-o", "mapped:me/1")
    bring(config, *here, *mapped)
    key = SegmentationKey("mapped", "me", "1", 10.0)
    assert np.array_equal(stored(config, "TS_1", key), labels(3, 1))


def test_instances_are_kept_and_become_picks(config, tmp_path):
    path = tmp_path / "TS_1.mrc"
    touching = np.zeros(SHAPE_ZYX, dtype=np.int16)
    touching[4:14, 5:15, 4:14] = 7
    touching[4:14, 5:15, 14:24] = 9
    write_mrc(path, touching, 10.0)
    text = bring(config, path, "--instances", "ribosome", "-o", "ribosome:amira/1")
    assert "2 instances, 2,000 voxels" in text
    key = SegmentationKey("ribosome", "amira", "1", 10.0, is_multilabel=False)
    assert np.array_equal(stored(config, "TS_1", key), touching)
    run("localize", "-c", config, "-i", "ribosome:amira/1", "-r", "TS_1",
        "-o", "ribosome:each/1", "--radius", "ribosome=65")  # fmt: skip
    picks = open_project(config).read_picks("TS_1", PicksKey("ribosome", "each", "1"))
    found = picks.points_xyz[np.argsort(picks.points_xyz[:, 0])]
    assert found == pytest.approx(np.array([[85.0, 95.0, 85.0], [185.0, 95.0, 85.0]]), abs=3.0)
    text = bring(config, path, "--instances", "ribosome", "-o", "other:amira/1", code=2)
    assert "use -o ribosome:amira/1" in text


def test_the_grid_is_a_tomograms(config, tmp_path):
    path = tmp_path / "TS_1.mrc"
    write_mrc(path, labels(1)[:-1], 10.0)
    assert (
        "19 x 30 x 40 voxels (z, y, x), unlike any tomogram of run TS_1: wbp@10.0 20 x 30 x 40"
        in (bring(config, path, code=1))
    )
    write_mrc(path, labels(1), 7.5)
    assert "has voxels of 7.5 A, the tomogram of its size 10 A" in bring(config, path, code=1)
    text = bring(config, path, "--spacing", 20, code=1)
    assert "--spacing 20: run TS_1 has no tomogram of that spacing" in text
    text = bring(config, path, "--spacing", 10)
    assert "1 run: 1 done" in text
    assert "absent" not in text
    assert np.array_equal(stored(config, "TS_1"), labels(1))
    tifffile.imwrite(tmp_path / "TS_2.tif", labels(1).astype(np.uint8))
    text = bring(config, tmp_path / "TS_2.tif")
    assert "does not say its voxel spacing; taken as 10 A" in text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("fractions", "values that are not whole numbers"),
        ("negative", "has values from -1 to 1"),
        ("flat", "expected"),
        ("broken", "TS_1.mrc"),
        ("empty", "contains no volume of labels"),
        ("strange", "no run is called other"),
    ],
)
def test_bad_files_are_one_line_and_store_nothing(config, tmp_path, name, text):
    folder = tmp_path / "seg"
    folder.mkdir()
    path = folder / ("other.mrc" if name == "strange" else "TS_1.mrc")
    if name == "fractions":
        write_mrc(path, 0.5 * labels(1).astype(np.float32), 10.0)
    elif name == "broken":
        path.write_bytes(b"no MRC file")
    elif name == "flat":
        with mrcfile.new(path, np.ones((4, 5), np.int8)):
            pass
    elif name != "empty":
        write_mrc(path, labels(-1, 1), 10.0)
    assert text in bring(config, folder, code=2 if name in ("empty", "strange") else 1)
    assert open_project(config).segmentations("TS_1") == []


def test_unknown_objects_and_two_meanings_are_refused(config, tmp_path):
    write_mrc(tmp_path / "TS_1.mrc", labels(1), 10.0)
    here = tmp_path / "TS_1.mrc"
    assert "the project has no object ribosom" in bring(config, here, "--object", "ribosom", code=2)
    text = bring(config, here, "--object", "ribosome", "--instances", "ribosome", code=2)
    assert "--object and --instances: the values mean one thing" in text
    assert "expected a whole number above 0" in bring(config, here, "--label", "a=ribosome", code=2)
