"""``extract``: subvolumes at picks, through the real command line."""

import json
from pathlib import Path

import copick
import mrcfile
import numpy as np
import pytest
import starfile
from click.testing import CliRunner
from scipy.spatial.transform import Rotation

from copick_picker.cli.main import console
from copick_picker.project.copick.store import open_project
from copick_picker.records.keys import PicksKey, TomogramKey
from copick_picker.records.points import PickSet
from projects import project_of, tree

KEY = PicksKey("apo-ferritin", "picker", "1")
SHAPE = (24, 30, 40)
POINTS = np.array([[120.0, 152.0, 96.0], [297.0, 133.0, 141.0], [12.0, 150.0, 100.0]])
SCORES = np.array([0.5, 0.9, 0.7])


def run(*arguments, code=0):
    result = CliRunner().invoke(console, ["extract", *map(str, arguments)])
    assert result.exit_code == code, result.output
    assert "Traceback (most" not in result.output
    return " ".join(result.output.split())


def ramp(factor=1.0):
    z, y, x = np.meshgrid(*map(np.arange, SHAPE), indexing="ij")
    return (factor * (10000.0 * z + 100.0 * y + x)).astype(np.float32)


@pytest.fixture
def config(tmp_path):
    path = project_of(tmp_path / "p", {"TS_1": ramp(), "0034": ramp(-1.0)}, {})
    turned = Rotation.from_euler("ZYZ", [[10, 20, 30], [40, 50, 60], [7, 8, 9]], degrees=True)
    store = open_project(path)
    for name, rows in (("TS_1", [0, 1, 2]), ("0034", [1])):
        picks = PickSet("apo-ferritin", POINTS[rows], SCORES[rows], turned.as_matrix()[rows])
        store.write_picks(name, KEY, picks, provenance={}, overwrite=False)
    return path


def words(config, out, *more):
    return ("-c", config, "-i", "apo-ferritin:picker/1", "-t", "wbp@10.0", "-o", out, *more)


def test_boxes_are_the_tomograms_voxels_around_the_picks(config, tmp_path):
    out = tmp_path / "out"
    text = run(*words(config, out, "--size", 8, "--normalisation", "none"))
    assert "1 left out: the box leaves the tomogram" in text
    with mrcfile.open(out / "apo-ferritin/TS_1/particle_000001.mrc") as file:
        assert float(file.voxel_size.x) == pytest.approx(10.0)
        box = file.data.copy()
    assert box.shape == (8, 8, 8)
    assert np.array_equal(
        box, ramp()[6:14, 11:19, 8:16]
    )  # z 9.6, y 15.2, x 12: voxel 4 is 10,15,12
    tables = starfile.read(out / "apo-ferritin/particles.star")
    particles, optics = tables["particles"], tables["optics"]
    assert len(particles) == 3
    first = particles[particles.rlnMicrographName.astype(str) == "TS_1"].iloc[0]
    assert first[["rlnCoordinateX", "rlnCoordinateY", "rlnCoordinateZ"]].tolist() == [12, 15, 10]
    origin = first[["rlnOriginXAngst", "rlnOriginYAngst", "rlnOriginZAngst"]].astype(float)
    assert origin.tolist() == pytest.approx([0.0, -2.0, 4.0])
    assert first.rlnAutopickFigureOfMerit == pytest.approx(0.5)
    row = optics if optics.__class__.__name__ == "dict" else optics.iloc[0]
    assert row["rlnImagePixelSize"] == 10.0
    assert (row["rlnImageSize"], row["rlnImageDimensionality"]) == (8, 3)
    assert Path(first.rlnImageName).is_file()


def test_binning_keeps_the_particle_in_the_middle(config, tmp_path):
    out = tmp_path / "out"
    run(*words(config, out, "--size", 4, "--binning", 2, "--normalisation", "none", "--invert"))
    with mrcfile.open(out / "apo-ferritin/TS_1/particle_000001.mrc") as file:
        assert float(file.voxel_size.x) == pytest.approx(20.0)
        middle = float(file.data[2, 2, 2])
    particles = starfile.read(out / "apo-ferritin/particles.star")["particles"]
    first = particles[particles.rlnMicrographName.astype(str) == "TS_1"].iloc[0]
    x, y, z = first[["rlnCoordinateX", "rlnCoordinateY", "rlnCoordinateZ"]].astype(float)
    assert -middle == pytest.approx(10000 * z + 100 * y + x, rel=1e-6)
    point = 10.0 * np.array([x, y, z]) - first[
        ["rlnOriginXAngst", "rlnOriginYAngst", "rlnOriginZAngst"]
    ].astype(float)
    assert point.tolist() == pytest.approx(POINTS[0].tolist(), abs=1e-3)


def test_dynamo_gets_a_list_of_files_and_a_table(config, tmp_path):
    out = tmp_path / "out"
    run(*words(config, out, "--size", 8))
    files = starfile.read(out / "apo-ferritin/dynamo.star")
    table = np.loadtxt(out / "apo-ferritin/dynamo.tbl")
    assert files.tag.tolist() == table[:, 0].tolist() == [1, 2, 3]
    assert all(Path(path).is_absolute() and Path(path).is_file() for path in files.particleFile)
    row = next(k for k, path in enumerate(files.particleFile) if "TS_1/particle_000001" in path)
    assert table[row, 23:26] + table[row, 3:6] == pytest.approx(POINTS[0] / 10.0, abs=1e-3)
    assert table[row, 35] == 10.0


def test_a_stack_of_volumes_holds_the_same_boxes(config, tmp_path):
    run(*words(config, tmp_path / "files", "--size", 8))
    run(*words(config, tmp_path / "stack", "--size", 8, "--layout", "stack"))
    with mrcfile.open(tmp_path / "stack/apo-ferritin/TS_1/particles.mrcs") as file:
        assert file.is_volume_stack()
        assert float(file.voxel_size.z) == pytest.approx(10.0)
        stack = file.data.copy()
    assert stack.shape == (2, 8, 8, 8)
    for number in (1, 2):
        path = tmp_path / f"files/apo-ferritin/TS_1/particle_{number:06d}.mrc"
        assert np.array_equal(mrcfile.read(path), stack[number - 1])
        assert float(stack[number - 1].mean()) == pytest.approx(0.0, abs=1e-5)
        assert float(stack[number - 1].std()) == pytest.approx(1.0, abs=1e-4)
    assert not (tmp_path / "stack/apo-ferritin/dynamo.star").exists()


def test_the_background_alone_may_be_normalised(config, tmp_path):
    out = tmp_path / "out"
    run(*words(config, out, "--normalisation", "background"))
    box = mrcfile.read(out / "apo-ferritin/TS_1/particle_000001.mrc")
    assert box.shape == (18, 18, 18)  # three radii of 60 A at 10 A
    z, y, x = np.meshgrid(*(np.arange(18) - 9,) * 3, indexing="ij")
    outside = box[z**2 + y**2 + x**2 > 36]
    assert float(outside.mean()) == pytest.approx(0.0, abs=1e-5)
    assert float(outside.std()) == pytest.approx(1.0, abs=1e-4)
    bad = words(config, tmp_path / "bad", "--normalisation", "background", "--size", 8)
    text = run(*bad, code=2)
    assert text.count("needs a radius within the box") == 1
    assert not (tmp_path / "bad").exists()


def test_again_skips_and_other_settings_are_refused(config, tmp_path):
    out = tmp_path / "out"
    run(*words(config, out, "--size", 8))
    before = tree(out)
    assert "2 skipped" in run(*words(config, out, "--size", 8))
    assert "was made with other settings (settings.size" in run(
        *words(config, out, "--size", 10), code=1
    )
    assert tree(out) == before
    run(*words(config, out, "--size", 10, "--overwrite"))
    assert mrcfile.read(out / "apo-ferritin/TS_1/particle_000001.mrc").shape == (10, 10, 10)
    (out / "apo-ferritin/TS_1/notes.txt").write_text("mine")
    text = run(*words(config, out, "--size", 8, "--overwrite"), code=1)
    assert "notes.txt" in text
    assert (out / "apo-ferritin/TS_1/notes.txt").read_text() == "mine"


def test_bad_input_is_one_line_and_writes_nothing(config, tmp_path):
    out = tmp_path / "out"
    assert "expected an even number" in run(*words(config, out, "--size", 7), code=2)
    assert "wbp@10.0" in run(*words(config, out)[:4], "-t", "wbp@5.0", "-o", out, code=2)
    text = run(*words(config, out, "--dry-run", "--size", 8))
    assert "2 subvolumes of 8 voxels' edge" in text
    assert not out.exists()
    root = copick.from_file(str(config))
    root.get_run("0034").get_voxel_spacing(10.0).get_tomograms("wbp")[0].from_numpy(
        np.full(SHAPE, np.nan, dtype=np.float32)
    )
    text = run(*words(config, out, "--size", 8), code=1)
    assert "run 0034" in text or "0034 failed" in text
    assert "is NaN or infinite in the box of pick 1" in text
    assert not (out / "apo-ferritin/0034").exists()
    assert len(starfile.read(out / "apo-ferritin/particles.star")["particles"]) == 2


def test_an_object_without_a_radius_needs_a_size(tmp_path):
    path = project_of(tmp_path / "p", {"TS_1": ramp()}, {("TS_1", KEY): POINTS})
    content = json.loads(path.read_text())
    for each in content["pickable_objects"]:
        each["radius"] = None
    path.write_text(json.dumps(content))
    text = run(*words(path, tmp_path / "out"), code=2)
    assert "the project has no radius for apo-ferritin: give --size VOXELS" in text
    run(*words(path, tmp_path / "out", "--size", 8))


def test_an_import_of_the_table_gives_the_picks_again(config, tmp_path):
    out = tmp_path / "out"
    run(*words(config, out, "--size", 8, "--binning", 2))
    line = ("import", "picks", out / "apo-ferritin/particles.star", "-c", config)
    result = CliRunner().invoke(console, [*map(str, line), "-o", "apo-ferritin:back/1"])
    assert result.exit_code == 0, result.output
    back = open_project(config).read_picks("TS_1", PicksKey("apo-ferritin", "back", "1"))
    assert back.points_xyz == pytest.approx(POINTS[:2], abs=1e-2)
    assert back.scores.tolist() == pytest.approx(SCORES[:2].tolist())
    assert TomogramKey("wbp", 10.0) in open_project(config).tomograms("TS_1")


def test_tables_of_others_stay_and_missing_files_are_cut_again(config, tmp_path):
    out = tmp_path / "out" / "apo-ferritin"
    out.mkdir(parents=True)
    (out / "particles.star").write_text("mine")
    assert "particles.star" in run(*words(config, tmp_path / "out", "--size", 8), code=2)
    assert (out / "particles.star").read_text() == "mine"
    (out / "particles.star").unlink()
    run(*words(config, tmp_path / "out", "--size", 8))
    before = tree(out)
    (out / "TS_1" / "particle_000002.mrc").write_bytes(b"")
    run(*words(config, tmp_path / "out", "--size", 8))
    assert tree(out) == before


def test_shards_fill_one_table_and_binned_dynamo_positions_are_exact(config, tmp_path):
    for part in ("1/2", "2/2"):
        run(*words(config, tmp_path / "out", "--size", 4, "--binning", 2, "--shard", part))
    out = tmp_path / "out" / "apo-ferritin"
    assert len(starfile.read(out / "particles.star")["particles"]) == 3
    table = np.loadtxt(out / "dynamo.tbl")
    found = (table[:, 23:26] + table[:, 3:6]) * table[:, 35:36]
    assert sorted(found[:, 0].round(3)) == sorted([*POINTS[:2, 0], POINTS[1, 0]])
