"""Handing a run over to napari: the lines that are printed are those that run.

napari is too large for the test environment; a stand-in of the few calls notes what it is given.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from copick_picker.cli.main import console
from copick_picker.project.copick.store import open_project
from copick_picker.records.keys import PicksKey
from copick_picker.records.points import PickSet
from projects import small_project, tiny_octopi_model

POINTS = np.array([[10.0, 90.5, 30.25], [40.0, 50.0, 60.0]])
STAND_IN = """
import json
import pathlib

__version__ = {version!r}
CALLS = []


class Viewer:
    def __init__(self, title):
        CALLS.append(["Viewer", title])
        self.dims = type("Dims", (), {{}})()

    def add(self, kind, data, settings):
        CALLS.append([kind, list(data.shape), settings, data.ravel()[:6].tolist()])

    def add_image(self, data, **settings):
        self.add("image", data, settings)

    def add_labels(self, data, **settings):
        self.add("labels", data, settings)

    def add_points(self, data, **settings):
        self.add("points", data, settings)


def run():
    pathlib.Path({file!r}).write_text(json.dumps(CALLS))
"""


def run(*arguments, code=0):
    result = CliRunner().invoke(console, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def config(tmp_path):
    """Return a project with a segmentation, reference picks and an empty candidate set."""
    model = tiny_octopi_model(tmp_path / "model", {"ribosome": 1, "apo-ferritin": 2})
    config = small_project(tmp_path / "p", ("TS_1", "TS_2"))
    run("segment", "-c", config, "-mc", model[0], "-mw", model[1], "--tta", 1, "--threads", 1)
    store = open_project(config)
    for user, points in (("curator", POINTS), ("picker", POINTS[:0]), ("other", POINTS[:1])):
        key, scores = PicksKey("ribosome", user, "1"), np.full(len(points), 0.5)
        picks = PickSet("ribosome", points, scores)
        store.write_picks("TS_1", key, picks, provenance={"command": "x"}, overwrite=False)
    return config


@pytest.mark.parametrize("version", ["0.5.6", "0.9.0"])
def test_the_printed_lines_show_tomogram_segmentation_and_picks(config, tmp_path, version):
    words = ("--reference", "*:curator/1", "--candidate", "*:other/1", "--segmentation", "predict")
    text = run("view", "TS_1", "-c", config, "--napari", *words)
    assert "napari is not installed here" in text
    (script,) = re.findall(r"^import copick\n.*?^napari\.run\(\)$", text, re.MULTILINE | re.DOTALL)
    noted, folder = tmp_path / "calls.json", tmp_path / "stand-in"
    folder.mkdir()
    (folder / "napari.py").write_text(STAND_IN.format(version=version, file=str(noted)))
    (tmp_path / "lines.py").write_text(script)
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    subprocess.run([sys.executable, tmp_path / "lines.py"], check=True, env=environment)
    layers = json.loads(noted.read_text())[1:]
    assert [layer[0] for layer in layers] == ["image", "labels", "points", "points"]
    image, labels, reference, other = layers
    shape = open_project(config).open_tomogram("TS_1", open_project(config).tomograms("TS_1")[0])
    assert image[1] == labels[1] == list(shape.shape)
    assert image[2]["scale"] == labels[2]["scale"] == [10.0, 10.0, 10.0]
    np.testing.assert_allclose(reference[3], POINTS[:, ::-1].ravel())  # z, y, x in Angstrom
    assert other[1] == [1, 3]
    assert other[2]["features"] == {"score": [0.5]}
    assert (reference[2]["border_color"], other[2]["border_color"] == "white") == ("white", False)
    assert ("out_of_slice_display" in other[2]) == (version < "0.9")


def test_one_run_alone_is_shown(config):
    assert "--napari shows one run; got 2" in run("view", "TS_*", "-c", config, "--napari", code=2)
    assert "no run 'TS_7'" in run("view", "TS_7", "-c", config, "--napari", code=2)
    text = run("view", "TS_2", "-c", config, "--napari")
    assert "run TS_2: no picks '*:picker/1'" in text
    assert "add_points" not in text


def test_where_napari_is_installed_it_opens(config, tmp_path):
    noted, folder = tmp_path / "calls.json", tmp_path / "stand-in"
    folder.mkdir()
    (folder / "napari.py").write_text(STAND_IN.format(version="0.9.0", file=str(noted)))
    launch = "from copick_picker.cli.main import console; console()"
    words = ["view", "TS_1", "-c", str(config), "--napari", "--candidate", "*:other/1"]
    here = Path(sys.modules["copick_picker"].__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{here}"}
    line = [sys.executable, "-c", launch, *words]
    done = subprocess.run(line, capture_output=True, text=True, check=True, env=environment)
    assert "opening wbp@10.0, ribosome:other/1 in napari" in done.stdout
    assert "1 done" in done.stdout
    assert [each[0] for each in json.loads(noted.read_text())] == ["Viewer", "image", "points"]
