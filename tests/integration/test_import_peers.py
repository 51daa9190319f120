"""Files of other programs through ``import picks``: their scale and scores."""

import struct

import numpy as np
import pytest
from click.testing import CliRunner

from copick_picker.cli.main import console
from copick_picker.project.copick.making import add_picks
from copick_picker.project.copick.store import open_project
from copick_picker.records.keys import PicksKey
from copick_picker.records.points import PickSet
from peer_files import AXES, EXPECTED, IN_FIVE, dynamo, image, imod, in_imod, optics, star
from projects import small_project, tree

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


@pytest.mark.parametrize("tomogram", ["TS_1", "TS_1.tomostar"])
@pytest.mark.parametrize(
    ("columns", "values", "shown"),
    [
        (["rlnDetectorPixelSize"], [5.0], "rlnDetectorPixelSize"),
        (["rlnPixelSize"], [5.0], "rlnPixelSize"),
        (["rlnMicrographPixelSize"], [5.0], "rlnMicrographPixelSize"),
        (["rlnImagePixelSize"], [5.0], "rlnImagePixelSize"),
        (["rlnTomoTiltSeriesPixelSize"], [5.0], "rlnTomoTiltSeriesPixelSize"),
        (["wrpPixelSize"], ["5.00000"], "wrpPixelSize"),
        (
            ["rlnMagnification", "rlnDetectorPixelSize"],
            [20000.0, 10.0],
            "rlnDetectorPixelSize and rlnMagnification",
        ),
        (["rlnPixelSize", "rlnDetectorPixelSize"], [5.0, 5.0], "rlnPixelSize"),
    ],
)
def test_the_pixel_size_that_a_star_file_states_is_taken(
    config, tmp_path, columns, values, shown, tomogram
):
    rows = [[tomogram, *row, *values] for row in IN_FIVE]
    file = star(tmp_path / "a.star", ["rlnMicrographName", *AXES, *columns], rows)
    output = load(config, file)
    assert f"pixels of 5 A ({shown})" in output
    if tomogram.endswith("tomostar"):
        assert "(from pixels of 5 A; wbp@10.0 has 10 A)" in output
    assert np.abs(points(config) - EXPECTED).max() < 1e-9


def test_pixel_sizes_differ_row_by_row(config, tmp_path):
    rows = [["TS_1", *(EXPECTED[0] / 5.0), 5.0], ["TS_1", *(EXPECTED[1] / 2.5), 2.5]]
    file = star(tmp_path / "a.star", ["rlnTomoName", *AXES, "rlnPixelSize"], rows)
    assert "pixels of 2.5 to 5 A (rlnPixelSize)" in load(config, file)
    assert np.abs(points(config) - EXPECTED).max() < 1e-9


@pytest.mark.parametrize(
    ("columns", "values", "text"),
    [
        (["rlnPixelSize", "rlnDetectorPixelSize"], [5.0, 4.0], "states two pixel sizes"),
        (["rlnPixelSize"], [0], "rlnPixelSize is 0; expected more than 0"),
        (["rlnPixelSize"], [-5], "rlnPixelSize is -5; expected more than 0"),
        (["rlnPixelSize"], ["nan"], "rlnPixelSize is 'nan', not a finite number"),
        (["rlnPixelSize"], ["inf"], "rlnPixelSize is 'inf', not a finite number"),
    ],
)
def test_a_pixel_size_that_makes_no_sense_is_refused_unless_given(
    config, tmp_path, columns, values, text
):
    rows = [["TS_1", *row, *values] for row in IN_FIVE]
    file = star(tmp_path / "a.star", ["rlnTomoName", *AXES, *columns], rows)
    assert text in refused(config, file)
    load(config, file, "--pixel-size", "5")
    assert np.abs(points(config) - EXPECTED).max() < 1e-9


@pytest.mark.parametrize("column", ["rlnTomoTiltSeriesPixelSize", "rlnImagePixelSize"])
def test_optics_groups_state_the_pixel_size(config, tmp_path, column):
    rows = [["TS_1", *(EXPECTED[0] / 2.0), 2], ["TS_1", *(EXPECTED[1] / 5.0), 1]]
    columns = ["rlnTomoName", *AXES, "rlnOpticsGroup"]
    load(config, star(tmp_path / "a.star", columns, rows, optics(5, 2, column=column)))
    assert np.abs(points(config) - EXPECTED).max() < 1e-9


@pytest.mark.parametrize("sizes", [(0,), (5, 0), (5, "nan"), (5, -1), ("", 5)])
def test_an_optics_group_of_no_size_is_refused(config, tmp_path, sizes):
    rows = [["TS_1", *row, 1] for row in IN_FIVE]
    columns = ["rlnTomoName", *AXES, "rlnOpticsGroup"]
    file = star(tmp_path / "a.star", columns, rows, optics(*sizes))
    assert "of the optics table" in refused(config, file)


def test_a_size_over_what_the_file_states_is_said(config, tmp_path):
    rows = [["TS_1", *row, 4.0] for row in IN_FIVE]
    file = star(tmp_path / "a.star", ["rlnTomoName", *AXES, "rlnPixelSize"], rows)
    output = load(config, file, "--pixel-size", "5")
    assert "pixels of 5 A (--pixel-size), not 4 A (rlnPixelSize)" in output
    centred = [f"rlnCenteredCoordinate{axis}Angst" for axis in "XYZ"]
    file = star(tmp_path / "b.star", ["rlnTomoName", *centred], [["TS_1", 1, 2, 3]])
    assert "--pixel-size does not apply" in refused(config, file, "--pixel-size", "5")


@pytest.mark.parametrize(
    "column",
    ["rlnLCCmax", "rlnAutopickFigureOfMerit", "wrpFomScore", "wrpFom1", "rlnParticleFigureOfMerit"],
)
def test_scores_are_found_in_peers_columns(config, tmp_path, column):
    rows = [["TS_1", *row, 5, score] for row, score in zip(IN_FIVE, (0.43, 0.33), strict=True)]
    file = star(tmp_path / "a.star", ["rlnTomoName", *AXES, "rlnPixelSize", column], rows)
    assert f"scores from {column}" in load(config, file)
    assert found(config).scores.tolist() == [0.43, 0.33]


def test_a_score_column_is_named(config, tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("run_name,x,y,z,score,Mine\nTS_1,1,2,3,0.5,0.25\n")
    assert "scores from score" in load(config, file)
    assert "scores from Mine" in load(config, file, "--score-column", "mine", "--overwrite")
    assert found(config).scores.tolist() == [0.25]
    output = refused(config, file, "--score-column", "other", output="ribosome:x/1")
    assert (
        "has no column 'other' (--score-column); it has: run_name, x, y, z, score, Mine" in output
    )
    file.write_text("run_name,x,y,z\nTS_1,1,2,3\n")
    assert "no scores, so 1 for all" in load(config, file, output="ribosome:none/1")


@pytest.mark.parametrize("doc", ["a.doc", "indices_column20.doc"])
def test_dynamos_apix_and_volumes_are_taken(config, tmp_path, doc):
    file = dynamo(tmp_path / "a.tbl", IN_FIVE, apix=5, numbers=(1, 12))
    (tmp_path / doc).write_text("1 /data/TS_1.rec\r\n\r\n12 D:\\data x\\TS_2_10.00Apx.mrc\r\n")
    output = load(config, file)
    assert "pixels of 5 A (column 36 (apix)); scores from column 10" in output
    assert np.abs(points(config) - EXPECTED[:1]).max() < 1e-9
    assert np.abs(points(config, "TS_2") - EXPECTED[1:]).max() < 1e-9
    load(config, file, "--score-column", "11", "--overwrite")
    assert found(config, "TS_2").scores.tolist() == [0.75]
    load(config, file, "--score-column", "cc2", output="ribosome:cc/1")


@pytest.mark.parametrize("apix", [0, 1])
def test_an_apix_that_says_nothing_means_the_tomograms_voxels(config, tmp_path, apix):
    file = dynamo(tmp_path / "a.tbl", EXPECTED / 10.0, apix=apix)
    output = load(config, file, "--run", "TS_1")
    assert f"Column 36 (apix) is {apix}, so it gives no voxel size" in output
    assert np.abs(points(config) - EXPECTED).max() < 1e-9


def test_a_dynamo_table_that_contradicts_itself_is_refused(config, tmp_path):
    file = dynamo(tmp_path / "a.tbl", IN_FIVE, apix=5, numbers=(1, 3))
    doc = tmp_path / "a.doc"
    doc.write_text("1 TS_1\n")
    assert "row 2 (its tomogram, 3 in column 20, is not in a.doc)" in refused(config, file)
    doc.write_text("1 TS_1\n1 TS_2\n")
    assert "names two volumes 1: TS_1, TS_2" in refused(config, file)
    doc.write_text("TS_1\n")
    assert "is not a line of a number and the name of a volume" in refused(config, file)
    file.write_text(file.read_text().replace(" 5 ", " nan ", 1))
    doc.unlink()
    assert "not a finite number" in refused(config, file, "--run", "TS_1")
    file.write_text("1 2 3\n")
    assert "is not a table of Dynamo: it has 3 columns" in refused(config, file)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"pixel": (0.5, -9)}, "pixels of 5 A (the model's header)"),
        ({"pixel": (5.0, -10)}, "pixels of 5 A (the model's header)"),
        ({"pixel": (0.0005, -6)}, "pixels of 5 A (the model's header)"),
        ({"minx": image(5.0)}, "pixels of 5 A (the model's chunk MINX)"),
        ({"pixel": (0.5, -9), "minx": image(5.0)}, "pixels of 5 A (the model's chunk MINX)"),
        ({"pixel": (0.5, -9), "minx": image(1.0)}, "pixels of 5 A (the model's header)"),
    ],
)
def test_imods_header_and_minx_state_the_pixel_size(config, tmp_path, given, shown):
    file = imod(tmp_path / "TS_1.mod", [("", [in_imod(5.0)])], **given)
    assert shown in load(config, file)
    assert np.abs(points(config) - EXPECTED).max() < 1e-3


def test_an_imod_model_of_a_part_of_the_volume_is_moved(config, tmp_path):
    part = [in_imod(5.0) - [10, 4, 2]]
    minx = image(5.0, old=(0, 0, 0), now=(-50, -20, -10))
    file = imod(tmp_path / "TS_1.mod", [("", part)], minx=minx, flags=1 << 14)
    load(config, file)
    assert np.abs(points(config) - EXPECTED).max() < 1e-3


def test_imods_two_sizes_are_refused_unless_one_is_given(config, tmp_path):
    file = imod(tmp_path / "TS_1.mod", [("", [in_imod(5.0)])], pixel=(0.4, -9), minx=image(5.0))
    assert "states two pixel sizes" in refused(config, file)
    load(config, file, "--pixel-size", "5")
    assert np.abs(points(config) - EXPECTED).max() < 1e-3


def test_imod_models_come_back_at_their_scale(config, tmp_path):
    picks = PickSet("ribosome", EXPECTED, np.ones(2))
    add_picks(config, "TS_1", PicksKey("ribosome", "picker", "1"), picks)
    out = ("export", "picks", "-c", config, "-i", "ribosome:picker/1", "--to", "imod")
    assert "pixels of 2.5 A; scores are left out" in run(
        *out, "-o", tmp_path / "o", "--pixel-size", "2.5"
    )
    file = tmp_path / "o" / "ribosome" / "TS_1.mod"
    data = file.read_bytes()
    assert data[:8] == b"IMODV1.2"
    assert data[-4:] == b"IEOF"
    assert struct.unpack(">3i", data[136:148]) == (81, 61, 41)
    assert struct.unpack(">fi", data[216:224]) == (0.25, -9)
    assert data[240:256] == b"OBJTribosome".ljust(16, b"\0")
    assert np.allclose(struct.unpack(">2f", data[440:448]), (123.0 / 2.5 + 0.5, 56.0 / 2.5 + 0.5))
    assert "pixels of 2.5 A (the model's header)" in load(config, file)
    assert np.abs(points(config) - EXPECTED).max() < 1e-3
