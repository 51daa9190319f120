"""Picks for ChimeraX: spheres, arrows, and scripts that open them."""

import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.spatial.transform import Rotation

from copick_picker.cli.main import console
from copick_picker.project.copick.store import open_project
from copick_picker.records.keys import PicksKey
from copick_picker.records.points import PickSet
from projects import small_project, tree

POINTS = np.array([[10.0, 200.5, 30.25], [40.0, 50.0, 60.0]])


def run(*arguments, code=0):
    result = CliRunner().invoke(console, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


@pytest.fixture
def config(tmp_path):
    """Return a project with ribosomes that have orientations, and proteins that have none."""
    config = small_project(tmp_path / "p")
    turned = Rotation.from_euler("y", [[90], [0]], degrees=True).as_matrix()
    ribosomes = PickSet("ribosome", POINTS, np.ones(2), rotations=turned)
    plain = PickSet("apo-ferritin", POINTS[:1], np.ones(1))
    store = open_project(config)
    for name, picks in (("TS_1", ribosomes), ("TS_2", ribosomes), ("TS_1", plain)):
        key = PicksKey(picks.object_name, "me", "1")
        store.write_picks(name, key, picks, provenance={"command": "x"}, overwrite=False)
    return config


def lines_of(path: Path, kind: str) -> np.ndarray:
    found = re.findall(rf"^\.{kind} (.*)$", path.read_text(), re.MULTILINE)
    return np.array([[float(value) for value in line.split()] for line in found])


def export(config, out, *words, code=0):
    line = ("export", "picks", "-c", config, "-i", "*:me/1", "--to", "chimerax", "-o", out)
    return run(*line, *words, code=code)


def test_spheres_and_arrows_stand_where_the_picks_are(config, tmp_path):
    out = tmp_path / "out"
    assert "spheres, and arrows along each particle's z axis" in export(config, out)
    spheres = lines_of(out / "ribosome" / "TS_1.bild", "sphere")
    np.testing.assert_allclose(spheres[:, :3], POINTS)
    radius = spheres[0, 3]
    arrows = lines_of(out / "ribosome" / "TS_1.bild", "arrow")
    np.testing.assert_allclose(arrows[:, :3], POINTS)
    ways = (arrows[:, 3:6] - POINTS) / (1.8 * radius)
    np.testing.assert_allclose(ways, [[1, 0, 0], [0, 0, 1]], atol=1e-4)  # z turned about y is x
    assert lines_of(out / "apo-ferritin" / "TS_1.bild", "arrow").size == 0


def test_a_script_opens_every_object_of_a_run_and_its_tomogram(config, tmp_path):
    out = tmp_path / "out"
    export(config, out, "--mrc", "maps/{run}.mrc")
    script = (out / "TS_1.cxc").read_text()
    named = re.findall(r'^open "([^"]+)" id (\d)$', script, re.MULTILINE)
    assert [number for _, number in named] == ["1", "2", "3"]
    assert named[0][0].endswith("/maps/TS_1.mrc")
    assert all((out / name).is_file() for name, _ in named[1:])
    assert len(re.findall("^open", (out / "TS_2.cxc").read_text(), re.MULTILINE)) == 2
    before = tree(out)
    export(config, out, "--mrc", "maps/{run}.mrc")
    assert tree(out) == before


def test_files_of_others_are_kept_and_wrong_words_refused(config, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "TS_1.cxc").write_text("# mine\n")
    assert "TS_1.cxc" in export(config, out, "--overwrite", code=2)
    assert tree(out) == {"TS_1.cxc": b"# mine\n"}
    assert "--random-subset does not apply" in export(config, out, "--random-subset", code=2)
    words = ("export", "picks", "-c", config, "-i", "*:me/1", "--to", "csv", "-o", out)
    assert "--mrc only works with --to chimerax" in run(*words, "--mrc", "{run}.mrc", code=2)
