"""Picks to other programs and back, through the real command line."""

import json
import struct
from pathlib import Path

import click
import copick
import mrcfile
import numpy as np
import pytest
import starfile
import tifffile
import yaml
from click.testing import CliRunner
from scipy.spatial.transform import Rotation

from copick_picker.cli.main import console
from copick_picker.project.copick.making import add_picks, add_tomogram
from copick_picker.project.copick.store import open_project
from copick_picker.project.formats.mrc import write_mrc
from copick_picker.records.keys import PicksKey, SegmentationKey, TomogramKey
from copick_picker.records.points import PickSet
from copick_picker.settings.export import ExportPicksSettings, ExportSegmentationSettings
from copick_picker.settings.filter import FilterSettings
from copick_picker.settings.import_ import ImportMrcSettings, ImportPicksSettings
from projects import noise, run_folder, small_project, tree

PARTICLES = Path(__file__).parents[1] / "fixtures" / "particles"
POINTS = {
    "TS_1": np.array([[10.0, 20.0, 30.0], [123.4567, 210.9, 155.5], [389.0, 289.5, 189.25]]),
    "TS_2": np.array([[0.0, 290.0, 7.5], [200.125, 100.0, 60.0]]),
}
SCORES = {"TS_1": np.array([0.5, 0.25, 0.875]), "TS_2": np.array([0.125, 0.75])}
MADE = PicksKey("ribosome", "picker", "1")


def run(*arguments, code=0):
    result = CliRunner().invoke(console, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    assert "Traceback (most" not in result.output
    return " ".join(result.output.split())


def rotations(n):
    return Rotation.from_euler("ZYZ", np.arange(3.0 * n).reshape(n, 3) * 11.0 + 5.0, degrees=True)


@pytest.fixture
def config(tmp_path):
    path = small_project(tmp_path / "p")
    for run_name, points in POINTS.items():
        add_picks(path, run_name, MADE, PickSet("ribosome", points, SCORES[run_name]))
    return path


@pytest.fixture
def oriented(tmp_path):
    path = small_project(tmp_path / "p")
    store = open_project(path)
    for run_name, points in POINTS.items():
        turned = rotations(len(points)).as_matrix()
        picks = PickSet("ribosome", points, SCORES[run_name], turned)
        store.write_picks(run_name, MADE, picks, provenance={}, overwrite=False)
    return path


def read(config, run_name, key):
    return open_project(config).read_picks(run_name, key)


def back(config, file, *extra, object_name="ribosome"):
    return run("import", "picks", file, "-c", config, "-o", f"{object_name}:back/1", *extra)


FORMATS = {
    "relion5": ("ribosome.star", [], []),
    "relion4": ("ribosome.star", ["--pixel-size", "2.5"], []),
    "relion4 binned": (
        "ribosome.star",
        ["--pixel-size", "2.5", "--binning", "4"],
        ["--pixel-size", "10"],
    ),
    "warp": ("ribosome.star", [], []),
    "warp pixels": ("ribosome.star", ["--pixel-size", "1.7"], []),
    "dynamo": ("ribosome.tbl", [], []),
    "csv": ("ribosome.csv", [], []),
    "copick-csv": ("ribosome.csv", [], []),
}


@pytest.mark.parametrize("turned", [False, True], ids=["points", "orientations"])
@pytest.mark.parametrize("name", FORMATS)
def test_a_round_trip_gives_the_same_picks(request, tmp_path, name, turned):
    config = request.getfixturevalue("oriented" if turned else "config")
    file, out_options, in_options = FORMATS[name]
    out = ("export", "picks", "-c", config, "-i", "ribosome:picker/1", "-o", tmp_path / "out")
    run(*out, "--to", name.split()[0], *out_options)
    back(config, tmp_path / "out" / file, *in_options)
    for run_name, points in POINTS.items():
        found = read(config, run_name, PicksKey("ribosome", "back", "1"))
        assert np.abs(found.points_xyz - points).max() < 1e-3
        assert np.abs(found.scores - SCORES[run_name]).max() < 1e-6
        if turned:
            difference = found.rotations - rotations(len(points)).as_matrix()
            assert np.abs(difference).max() < 1e-5
        else:
            assert found.rotations is None


def test_relion5_counts_from_the_middle_and_names_what_relion_reads(config, tmp_path):
    arguments = ("-c", config, "-i", "ribosome:picker/1", "--to", "relion5", "-o", tmp_path / "out")
    run("export", "picks", *arguments, "--random-subset")
    table = starfile.read(tmp_path / "out" / "ribosome.star")
    assert list(table.columns) == [
        "rlnTomoName",
        "rlnCenteredCoordinateXAngst",
        "rlnCenteredCoordinateYAngst",
        "rlnCenteredCoordinateZAngst",
        "rlnAutopickFigureOfMerit",
        "rlnRandomSubset",
    ]
    first = table.iloc[0]
    assert first["rlnCenteredCoordinateXAngst"] == 10.0 - 200.0
    assert first["rlnCenteredCoordinateYAngst"] == 20.0 - 150.0
    assert first["rlnCenteredCoordinateZAngst"] == 30.0 - 100.0
    assert sorted(table["rlnRandomSubset"]) == [1, 1, 1, 2, 2]
    record = yaml.safe_load((tmp_path / "out" / "ribosome.star.provenance.yaml").read_text())
    assert record["runs"] == {"TS_1": 3, "TS_2": 2}


def test_the_same_export_has_the_same_bytes(config, tmp_path):
    for name in ("a", "b"):
        run(
            *("export", "picks", "-c", config, "-i", "ribosome:picker/1", "--to", "relion5"),
            *("-o", tmp_path / name, "--random-subset", "--seed", "3"),
        )
    names = ["ribosome.star"]
    assert (tmp_path / "a" / names[0]).read_bytes() == (tmp_path / "b" / names[0]).read_bytes()


def test_relions_tomograms_give_centres_and_optics(config, tmp_path):
    tomograms = PARTICLES / "tomograms.star"
    run(
        *("export", "picks", "-c", config, "-i", "ribosome:picker/1", "--to", "relion5"),
        *("-o", tmp_path / "out", "--tomograms", tomograms, "--name-pattern", "tomo_{run}"),
    )
    blocks = starfile.read(tmp_path / "out" / "ribosome.star")
    assert list(blocks) == ["optics", "particles"]
    assert blocks["optics"]["rlnTomoTiltSeriesPixelSize"].tolist() == [2.5, 2.5]
    assert blocks["optics"]["rlnVoltage"].tolist() == [300.0, 300.0]
    first = blocks["particles"].iloc[0]
    assert first["rlnTomoName"] == "tomo_TS_1"
    assert first["rlnCenteredCoordinateXAngst"] == 10.0 - 0.5 * 162 * 2.5
    output = run(
        *("export", "picks", "-c", config, "-i", "ribosome:picker/1", "--to", "relion5"),
        *("-o", tmp_path / "two", "--tomograms", tomograms),
        code=2,
    )
    assert "--tomograms has no TS_1" in output
    assert not (tmp_path / "two").exists()


def test_warp_gets_tomostar_names_and_is_told_the_pixel_size(config, tmp_path):
    arguments = ("-c", config, "-i", "ribosome:picker/1", "--to", "warp", "-o", tmp_path / "out")
    assert "--coords_angpix 10" in run("export", "picks", *arguments)
    table = starfile.read(tmp_path / "out" / "ribosome.star")
    assert set(table["rlnMicrographName"]) == {"TS_1.tomostar", "TS_2.tomostar"}
    assert table["rlnCoordinateX"][1] == pytest.approx(12.34567)


def test_a_file_a_run_and_a_table_of_names(config, tmp_path):
    names = tmp_path / "names.csv"
    names.write_text("run_name,tomogram_name\nTS_1,position 7\n")
    run(
        *("export", "picks", "-c", config, "-i", "*:picker/1", "--to", "relion5", "--per-run"),
        *("-o", tmp_path / "out", "--names", names),
    )
    files = sorted(path.name for path in (tmp_path / "out").glob("*.star"))
    assert files == ["TS_1_ribosome.star", "TS_2_ribosome.star"]
    assert set(starfile.read(tmp_path / "out" / files[0])["rlnTomoName"]) == {"position 7"}
    back(config, tmp_path / "out" / files[0], "--names", names)
    found = read(config, "TS_1", PicksKey("ribosome", "back", "1"))
    assert np.abs(found.points_xyz - POINTS["TS_1"]).max() < 1e-3


def test_limits_act_at_export(config, tmp_path):
    output = run(
        *("export", "picks", "-c", config, "-i", "ribosome:picker/1", "--to", "csv"),
        *("-o", tmp_path / "out", "--min-score", "*=0.2", "--top", "ribosome=1"),
    )
    assert "ribosome 1 (dropped: 1 low score)" in output
    lines = (tmp_path / "out" / "ribosome.csv").read_text().splitlines()
    assert [line.split(",")[-1] for line in lines] == ["score", "0.875", "0.75"]


def test_a_file_that_stands_is_kept(config, tmp_path):
    arguments = ("export", "picks", "-c", config, "-i", "ribosome:picker/1", "--to", "csv")
    run(*arguments, "-o", tmp_path / "out")
    before = tree(tmp_path / "out")
    assert "use --overwrite" in run(*arguments, "-o", tmp_path / "out", "--top", "*=1", code=2)
    assert tree(tmp_path / "out") == before
    run(*arguments, "-o", tmp_path / "out", "--top", "*=1", "--overwrite")
    assert tree(tmp_path / "out") != before


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        (["--to", "relion6"], ["--to: got 'relion6'"]),
        (["--to", "relion4"], ["needs --pixel-size"]),
        (["--to", "relion5", "--pixel-size", "2"], ["writes Angstrom"]),
        (["--to", "warp", "--name-pattern", "TS"], ["{run}"]),
        (["--to", "csv", "--top", "ribosome=0.5"], ["whole number"]),
        (["--to", "csv", "--min-score", "ribosom=0.5"], ["did you mean 'ribosome'"]),
        (["--to", "csv", "--min-score", "*=2"], ["no picks are left"]),
        (["--to", "csv", "-i", "ribosome:me/1"], ["none of the 2 runs", "ribosome:picker/1"]),
        (["--to", "csv", "--names", "missing.csv"], ["cannot read missing.csv"]),
        (["--to", "csv", "--tomogram", "wbp@3"], ["has a tomogram 'wbp@3'", "they have"]),
    ],
)
def test_a_wrong_export_is_one_line_and_writes_nothing(config, tmp_path, arguments, texts):
    given = [] if "-i" in arguments else ["-i", "ribosome:picker/1"]
    out = tmp_path / "out"
    output = run("export", "picks", "-c", config, *given, *arguments, "-o", out, code=2)
    for text in texts:
        assert text in output
    assert not out.exists()


def test_where_a_run_fails_no_file_is_written(config, tmp_path):
    (run_folder(config, "TS_2") / "Picks" / "picker_1_ribosome.json").write_text("{")
    output = run(
        *("export", "picks", "-c", config, "-i", "ribosome:picker/1", "--to", "csv"),
        *("-o", tmp_path / "out"),
        code=1,
    )
    assert "no file was written" in output
    assert not (tmp_path / "out").exists()


def imod_model(path, points):
    """Write a model by IMOD's specification: a header, an object, a contour, the end."""
    contour = b"CONT" + struct.pack(">4i", len(points), 0, 0, 0)
    contour += np.asarray(points, ">f4").tobytes()
    mesh = b"MESH" + struct.pack(">3i2h", 1, 1, 0, 0, 0) + bytes(16)
    path.write_bytes(
        b"IMODV1.2"
        + bytes(232)
        + b"OBJT"
        + bytes(176)
        + contour
        + mesh
        + b"IMAT"
        + struct.pack(">i", 12)
        + bytes(12)
        + b"IEOF"
    )


# Every fixture holds the same two particles of TS_1: (123.4, 56, 78) and (200, 150, 100) Angstrom
# in a volume of 400 x 300 x 200 A, scores 0.9 and 0.4 where the format has scores.
FIXTURES = {
    "relion5.star": ("RELION 5", [], True),
    "relion4.star": ("RELION 4", [], True),
    "relion3.star": ("RELION 3", [], True),
    "relion31.star": ("RELION 3", ["--pixel-size", "5"], True),
    "warp.star": ("Warp, pixels", [], True),
    "warp_fractions.star": ("Warp, fractions", [], True),
    "m_species.star": ("M species", [], False),
    "particles.csv": ("CSV, Angstrom", [], True),
    "copick.csv": ("copick CSV", [], True),
    "dynamo.tbl": ("Dynamo", [], True),
    "TS_1_info.json": ("EMAN2", [], True),
}


@pytest.mark.parametrize("name", FIXTURES)
def test_a_file_written_from_the_specification_is_read(config, name):
    convention, options, has_scores = FIXTURES[name]
    assert f"read as {convention}" in back(config, PARTICLES / name, *options)
    found = read(config, "TS_1", PicksKey("ribosome", "back", "1"))
    expected = np.array([[123.4, 56.0, 78.0], [200.0, 150.0, 100.0]])
    assert np.abs(found.points_xyz - expected).max() < 1e-3
    assert found.scores.tolist() == ([0.9, 0.4] if has_scores else [1.0, 1.0])


def test_an_imod_model_is_read(config, tmp_path):
    imod_model(tmp_path / "TS_2.mod", [[12.5, 5.5, 7.0], [20.5, 15.5, 10.0]])
    assert "IMOD model" in back(config, tmp_path / "TS_2.mod")
    found = read(config, "TS_2", PicksKey("ribosome", "back", "1"))
    assert found.points_xyz.tolist() == [[120.0, 50.0, 70.0], [200.0, 150.0, 100.0]]


def test_points_outside_are_counted_listed_and_kept_only_on_demand(config, tmp_path):
    file = tmp_path / "points.csv"
    file.write_text("run_name,x,y,z,kind\nTS_1,10,10,10,a\nTS_1,10,10,205,b\nTS_1,-40,10,10,c\n")
    output = back(config, file)
    assert "2 of 3 points lie outside wbp@10.0 (400 x 300 x 200 A) and are left out" in output
    assert "(10.0, 10.0, 205.0); (-40.0, 10.0, 10.0)" in output
    assert "Columns not read: kind" in output
    assert len(read(config, "TS_1", PicksKey("ribosome", "back", "1"))) == 1
    output = back(config, file, "--keep-outside", "--overwrite")
    assert "are kept" in output
    assert len(read(config, "TS_1", PicksKey("ribosome", "back", "1"))) == 3


def test_an_import_is_skipped_the_second_time_and_never_replaces(config):
    back(config, PARTICLES / "particles.csv")
    before = tree(config.parent)
    assert "1 skipped" in back(config, PARTICLES / "particles.csv")
    output = run(
        *("import", "picks", PARTICLES / "dynamo.tbl", "-c", config, "-o", "ribosome:back/1"),
        code=1,
    )
    assert "was made otherwise" in output
    assert tree(config.parent) == before


def test_tomograms_that_are_no_run_are_named(config, tmp_path):
    file = tmp_path / "points.csv"
    file.write_text("run_name,x,y,z\nTS_1,10,10,10\nTS_9,10,10,20\n")
    assert "1 particles are in tomograms that match no run of the project" in back(config, file)
    file.write_text("run_name,x,y,z\nTS_9,10,10,20\n")
    output = run("import", "picks", file, "-c", config, "-o", "ribosome:b/1", code=2)
    assert "no run is called TS_9; the project has: TS_1, TS_2" in output
    run("import", "picks", file, "-c", config, "-o", "ribosome:b/1", "--run", "TS_2")


BAD_FILES = {
    "a.doc": ("x y z", ["no format has the suffix '.doc'"]),
    "a.txt": ("x y z", ["contains no particles"]),
    "a.csv": ("run_name,a,b\nTS_1,1,2\n", ["no columns x, y, z"]),
    "b.csv": ("run_name,x,y,z\n", ["contains no particles"]),
    "c.csv": (
        "run_name,x,y,z\nTS_1,1,nan,2\n",
        ["1 of 1 rows cannot be used: row 1 (y is 'nan', not a finite number)"],
    ),
    "d.csv": ("x,y,z\n1,2,3\n", ["use --run"]),
    "e.csv": ("run_name,x,y,z\nTS_1,9000,2,3\n", ["all 1 points lie outside"]),
    "a.json": ("{}", ["no key 'boxes_3d'"]),
    "b.json": ("{", ["not valid JSON"]),
    "a.mod": ("IMODV1.1", ["is not an IMOD model"]),
    "a.star": (
        "data_particles\n\nloop_\n_rlnTomoName #1\n_rlnClassNumber #2\nTS_1 1\n",
        ["has no coordinates"],
    ),
    "b.star": (
        "data_particles\n\nloop_\n_rlnTomoName #1\n_rlnCoordinateX #2\n_rlnCoordinateY #3\n"
        "_rlnCoordinateZ #4\nTS_1 1 2 3\nTS_1 2 3 4\n",
        ["without an optics table", "--pixel-size"],
    ),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_faulty_file_is_one_line_and_stores_nothing(config, tmp_path, name):
    content, texts = BAD_FILES[name]
    (tmp_path / name).write_text(content)
    before = tree(config.parent)
    result = CliRunner().invoke(
        console, ["import", "picks", str(tmp_path / name), "-c", str(config), "-o", "ribosome:b/1"]
    )
    assert result.exit_code in (1, 2), result.output
    for text in texts:
        assert text in " ".join(result.output.split())
    assert tree(config.parent) == before


def test_several_tomogram_sizes_must_be_told_apart(config, tmp_path):
    add_tomogram(config, "TS_1", TomogramKey("wbp", 20.0), noise((10, 15, 21), seed=1))
    arguments = ("export", "picks", "-c", config, "-i", "ribosome:picker/1", "--to", "relion5")
    output = run(*arguments, "-o", tmp_path / "out", code=1)
    assert "tomograms of several sizes: wbp@10.0, wbp@20.0" in output
    run(*arguments, "-o", tmp_path / "out", "--tomogram", "wbp@10.0")


def test_filter_takes_the_best_and_says_what_fell(config, tmp_path):
    summary = tmp_path / "summary.json"
    run(
        *("filter", "-c", config, "-i", "ribosome:picker/1", "--min-score", "ribosome=0.3"),
        *("--border-margin-angstrom", "5", "--json", summary),
    )
    found = read(config, "TS_1", PicksKey("ribosome", "picker", "filtered"))
    assert found.scores.tolist() == [0.5]
    dropped = json.loads(summary.read_text())["runs"][0]["objects"]["ribosome"]["dropped"]
    assert (dropped["low score"], dropped["near border"]) == (1, 1)
    assert "2 skipped" in run(
        *("filter", "-c", config, "-i", "ribosome:picker/1", "--min-score", "ribosome=0.3"),
        *("--border-margin-angstrom", "5"),
    )
    output = run("filter", "-c", config, "-i", "ribosome:picker/1", "--top", "*=1", code=1)
    assert "settings.border_margin_angstrom" in output


def test_two_sets_are_merged_and_the_better_score_wins(oriented):
    near = POINTS["TS_1"][:2] + np.array([[4.0, 0, 0], [300.0, 0, 0]])
    other = PickSet("ribosome", near, np.array([0.6, 0.05]))
    add_picks(oriented, "TS_1", PicksKey("ribosome", "other", "1"), other)
    merge = ("--merge", "ribosome:other/1", "--merge-distance-angstrom", "50")
    run("filter", "-c", oriented, "-i", "ribosome:picker/1", *merge, "-o", "*:both/1")
    found = read(oriented, "TS_1", PicksKey("ribosome", "both", "1"))
    assert found.scores.tolist() == [0.25, 0.875, 0.6, 0.05]
    assert np.array_equal(found.rotations[2], np.eye(3))
    assert not np.array_equal(found.rotations[0], np.eye(3))
    assert len(read(oriented, "TS_2", PicksKey("ribosome", "both", "1"))) == 2


def test_objects_stand_in_each_others_way(config):
    near = PickSet("apo-ferritin", POINTS["TS_1"] + 6.0, np.array([0.9, 0.1, 0.9]))
    add_picks(config, "TS_1", PicksKey("apo-ferritin", "picker", "1"), near)
    run("filter", "-c", config, "-i", "*:picker/1", "--between-distance-angstrom", "20")
    ribosomes = read(config, "TS_1", PicksKey("ribosome", "picker", "filtered"))
    ferritins = read(config, "TS_1", PicksKey("apo-ferritin", "picker", "filtered"))
    assert ribosomes.scores.tolist() == [0.25]
    assert ferritins.scores.tolist() == [0.9, 0.9]


def test_filter_never_writes_over_its_input_or_another_set(config):
    before = tree(config.parent)
    output = run("filter", "-c", config, "-i", "ribosome:picker/1", "-o", "*:picker/1", code=1)
    assert "is both input and output" in output
    add_picks(
        config,
        "TS_1",
        PicksKey("ribosome", "me", "1"),
        PickSet("ribosome", POINTS["TS_1"], SCORES["TS_1"]),
    )
    output = run(
        "filter", "-c", config, "-i", "ribosome:picker/1", "-o", "*:me/1", "-r", "TS_1", code=1
    )
    assert "was not made by this tool" in output
    assert {
        name: data for name, data in tree(config.parent).items() if "me_1" not in name
    } == before


def test_picks_outside_a_mask_fall_at_filter_and_export(config, tmp_path):
    mask = np.zeros((20, 30, 40), np.int8)
    mask[:, :, :20] = 1
    write_mrc(tmp_path / "TS_1.mrc", mask, 10.0)
    arguments = ("-c", config, "-i", "ribosome:picker/1", "-r", "TS_1")
    given = ("--mask", tmp_path / "{run}.mrc")
    assert "1 outside mask" in run("filter", *arguments, *given)
    found = read(config, "TS_1", PicksKey("ribosome", "picker", "filtered"))
    assert found.points_xyz.tolist() == POINTS["TS_1"][:2].tolist()
    assert "1 skipped" in run("filter", *arguments, *given)
    assert "settings.mask" in run("filter", *arguments, *given, "--mask-margin", "50", code=1)
    output = run("export", "picks", *arguments, *given, "--to", "csv", "-o", tmp_path / "out")
    assert "ribosome 2 (dropped: 1 outside mask)" in output
    write_mrc(tmp_path / "TS_1.mrc", mask[6:], 10.0)
    assert "covers another box" in run("filter", *arguments, *given, "--overwrite", code=1)


@pytest.fixture
def rare(tmp_path):
    """Five runs with best scores 0.9, 0.2, 0.6, none and 0.5; a sixth without a pick set."""
    path = small_project(tmp_path / "rare", tuple(f"TS_{n}" for n in range(1, 7)))
    scores = ([0.9, 0.3], [0.1, 0.2], [0.6], [], [0.5, 0.45, 0.4])
    for number, values in enumerate(scores, 1):
        points = np.arange(3.0 * len(values)).reshape(-1, 3) * 20.0
        add_picks(path, f"TS_{number}", MADE, PickSet("ribosome", points, np.array(values)))
    return path


def kept_scores(config, session="filtered"):
    key = PicksKey("ribosome", "picker", session)
    return [read(config, f"TS_{n}", key).scores.tolist() for n in range(1, 6)]


def test_a_quantile_keeps_picks_in_a_share_of_the_runs(rare):
    arguments = ("filter", "-c", rare, "-i", "ribosome:picker/1")
    output = run(*arguments, "--quantile", "ribosome=0.55")
    assert "ribosome: quantile 0.55 of 5 runs: score 0.5; 3 keep picks" in output
    assert kept_scores(rare) == [[0.9], [], [0.6], [], [0.5]]
    assert "5 skipped" in run(*arguments, "--quantile", "ribosome=0.55")
    output = run(*arguments, "--quantile", "ribosome=0.4", code=1)
    assert "settings.quantile" in output
    run(*arguments, "--quantile", "*=0.8", "--top", "*=1", "-o", "*:picker/four")
    assert kept_scores(rare, "four") == [[0.9], [0.2], [0.6], [], [0.5]]
    assert "no threshold; 4 keep picks" in run(
        *arguments, "--quantile", "*=1", "-o", "*:picker/all"
    )
    assert kept_scores(rare, "all")[1] == [0.1, 0.2]
    run(*arguments, "--quantile", "*=0.6", "--min-score", "*=0.55", "-o", "*:picker/both")
    assert kept_scores(rare, "both") == [[0.9], [], [0.6], [], []]


def test_a_quantile_counts_what_the_other_limits_leave(rare):
    # The best picks of TS_1 and TS_3 lie in the border, at (0, 0, 0).
    arguments = ("filter", "-c", rare, "-i", "ribosome:picker/1", "--quantile", "*=0.2")
    assert "score 0.45; 1 keep picks" in run(*arguments, "--border-margin-angstrom", "1")
    assert kept_scores(rare) == [[], [], [], [], [0.45]]


def test_export_takes_quantiles_too(rare, tmp_path):
    arguments = ("export", "picks", "-c", rare, "-i", "ribosome:picker/1", "--to", "csv")
    run(*arguments, "-o", tmp_path / "out", "--quantile", "*=0.4", "--top", "*=1")
    lines = (tmp_path / "out" / "ribosome.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == ["TS_1", "TS_3"]


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (["--quantile", "*=0"], "the share of * must be above 0 and at most 1"),
        (["--quantile", "*=1.2"], "the share of * must be above 0 and at most 1"),
        (["--quantile", "riboson=0.5"], "--quantile: no object 'riboson'"),
        (["--quantile", "*=0.5", "--shard", "1/2"], "cannot be combined with --shard"),
        (["--top", "*=1.5"], "the number of * must be a positive whole number"),
    ],
)
def test_wrong_quantiles_are_refused(rare, given, text):
    before = tree(rare.parent)
    assert text in run("filter", "-c", rare, "-i", "ribosome:picker/1", *given, code=2)
    assert tree(rare.parent) == before


def test_a_quantile_leaves_out_a_run_that_cannot_be_read(rare):
    path = next((run_folder(rare, "TS_1") / "Picks").glob("*.json"))
    path.write_text("{")
    arguments = ("filter", "-c", rare, "-i", "ribosome:picker/1", "--quantile", "*=0.5")
    output = run(*arguments, code=1)
    assert "--quantile: run TS_1 is left out" in output
    assert "quantile 0.5 of 4 runs: score 0.5; 2 keep picks" in output


def submission(folder):
    lines = (folder / "ribosome.csv").read_text().splitlines()
    assert lines[0] == "tomo_id,Motor axis 0,Motor axis 1,Motor axis 2"
    rows = [line.split(",") for line in lines[1:]]
    return {name: tuple(map(float, point)) for name, *point in rows}


def test_a_submission_has_one_row_a_tomogram(config, tmp_path):
    odd = PickSet("ribosome", np.array([[13.1, 26.2, 39.3]]), np.ones(1))
    add_tomogram(config, "001", TomogramKey("byu", 13.1), noise((6, 7, 8), seed=1))
    add_picks(config, "001", MADE, odd)
    add_tomogram(config, "none", TomogramKey("byu", 6.5), noise((6, 7, 8), seed=1))
    add_picks(config, "none", MADE, odd.chosen(np.zeros(0, dtype=int)))
    add_tomogram(config, "skipped", TomogramKey("byu", 6.5), noise((6, 7, 8), seed=1))
    arguments = ("export", "picks", "-c", config, "-i", "ribosome:picker/1", "--to", "byu")
    output = run(*arguments, "-o", tmp_path / "out")
    assert "ribosome: run skipped without a pick set, so with a row of -1" in output
    assert "3 of 5 rows place a motor" in output
    assert submission(tmp_path / "out") == {
        "001": (3.0, 2.0, 1.0),
        "TS_1": (18.925, 28.95, 38.9),
        "TS_2": (6.0, 10.0, 20.012),
        "none": (-1.0, -1.0, -1.0),
        "skipped": (-1.0, -1.0, -1.0),
    }
    before = tree(tmp_path / "out")
    run(*arguments, "-o", tmp_path / "out")  # the same again: nothing to write
    assert tree(tmp_path / "out") == before
    exists = run(*arguments, "-o", tmp_path / "out", "--min-score", "*=0.8", code=2)
    assert "ribosome.csv exists; use --overwrite" in exists
    run(*arguments, "-o", tmp_path / "out", "--min-score", "*=0.8", "--overwrite")
    assert submission(tmp_path / "out")["TS_2"] == (-1.0, -1.0, -1.0)
    run(*arguments, "-o", tmp_path / "two", "-r", "TS_1", "-r", "skipped")
    assert list(submission(tmp_path / "two")) == ["TS_1", "skipped"]


def test_a_submission_of_nothing_but_empty_sets(config, tmp_path):
    arguments = ("export", "picks", "-c", config, "-i", "ribosome:picker/1", "--to", "byu")
    run(*arguments, "-o", tmp_path / "out", "--min-score", "*=2")
    assert set(submission(tmp_path / "out").values()) == {(-1.0, -1.0, -1.0)}
    assert "none of the 2 runs has a pick set" in run(
        *arguments[:5], "ribosome:nobody/1", *arguments[6:], "-o", tmp_path / "no", code=2
    )
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize("option", ["--per-run", "--random-subset"])
def test_a_submission_is_one_table(config, tmp_path, option):
    arguments = ("export", "picks", "-c", config, "-i", "ribosome:picker/1", "--to", "byu")
    text = f"a row for every tomogram; {option} does not apply"
    assert text in run(*arguments, "-o", tmp_path / "out", option, code=2)


def test_a_submission_needs_every_run_to_be_read(config, tmp_path):
    path = next((run_folder(config, "TS_1") / "Picks").glob("*.json"))
    path.write_text("{")
    arguments = ("export", "picks", "-c", config, "-i", "ribosome:picker/1", "--to", "byu")
    assert "no file was written" in run(*arguments, "-o", tmp_path / "out", code=1)
    assert not (tmp_path / "out").exists()


def labels_project(tmp_path, largest):
    config = small_project(tmp_path / "p")
    labels = np.zeros((20, 30, 40), np.uint16)
    labels[3, 7, 11] = largest
    root = copick.from_file(str(config))
    for run_name in ("TS_1", "TS_2"):
        item = root.get_run(run_name).new_segmentation(10.0, "predict", "1", True, user_id="me")
        item.from_numpy(labels, dtype=np.uint16)
    return config, labels


@pytest.mark.parametrize(("largest", "mode"), [(9, 0), (300, 1), (40000, 6)])
def test_segmentations_go_to_mrc_with_right_headers(tmp_path, largest, mode):
    config, labels = labels_project(tmp_path, largest)
    run("export", "segmentation", "-c", config, "-i", "predict:me/1", "-o", tmp_path / "out")
    for run_name in ("TS_1", "TS_2"):
        with mrcfile.open(tmp_path / "out" / f"{run_name}_predict.mrc") as file:
            assert np.array_equal(file.data, labels)
            assert int(file.header.mode) == mode
            assert float(file.voxel_size.x) == 10.0
            assert file.header.origin.tolist() == (0.0, 0.0, 0.0)
            assert int(file.header.ispg) == 1
    again = ("export", "segmentation", "-c", config, "-i", "predict:me/1", "-o", tmp_path / "out")
    before = tree(tmp_path / "out")
    assert "2 skipped" in run(*again)
    store = open_project(config)
    for run_name in ("TS_1", "TS_2"):  # other labels of the same name
        store.write_segmentation(
            run_name,
            SegmentationKey("predict", "me", "1", 10.0),
            [(0, labels[::-1])],
            shape_zyx=labels.shape,
            provenance={},
            overwrite=True,
        )
    assert run(*again, code=1).count("exists; use --overwrite") == 2
    assert tree(tmp_path / "out") == before
    assert "2 done" in run(*again, "--overwrite")
    assert tree(tmp_path / "out") != before


def test_segmentations_go_to_tiff_with_their_spacing(tmp_path):
    config, labels = labels_project(tmp_path, 9)
    arguments = ("-i", "predict:me/1", "--to", "tiff", "-o", tmp_path / "out")
    run("export", "segmentation", "-c", config, *arguments)
    with tifffile.TiffFile(tmp_path / "out" / "TS_1_predict.tif") as file:
        assert np.array_equal(file.asarray(), labels)
        assert file.imagej_metadata["spacing"] == 10.0
        assert file.imagej_metadata["unit"] == "angstrom"


def test_a_segmentation_that_is_not_there_is_named(config, tmp_path):
    arguments = ("-c", config, "-i", "predict:me/1", "-o", tmp_path / "out")
    assert "they have: none" in run("export", "segmentation", *arguments, code=2)
    assert not (tmp_path / "out").exists()


PARTS = {
    ("export", "picks"): ExportPicksSettings,
    ("export", "segmentation"): ExportSegmentationSettings,
    ("import", "mrc"): ImportMrcSettings,
    ("import", "picks"): ImportPicksSettings,
    ("filter",): FilterSettings,
}


@pytest.mark.parametrize("names", PARTS, ids=" ".join)
def test_every_setting_is_an_option_with_the_default_that_help_shows(names):
    command = console
    for name in names:
        command = command.get_command(click.Context(command), name)
    fields = PARTS[names].model_fields
    assert set(fields) - {"json_file"} <= {option.name for option in command.params}
    for option in command.params:
        shown = getattr(option, "show_default", None)
        if isinstance(shown, str):
            assert shown == f"{fields[option.name].default}", option.name
