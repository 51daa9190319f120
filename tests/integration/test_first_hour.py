"""The page of a user's first hour: its commands and its Python run as they stand there."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from copick_picker.cli.main import console
from copick_picker.project.copick.store import open_project
from copick_picker.project.formats.mrc import write_mrc
from copick_picker.records.keys import TomogramKey
from copick_picker.workflows.benchmark.demo_projects import make_simulated_project

PAGE = Path(__file__).parents[2] / "docs" / "first-hour.md"
RUNS = ("SIM_1", "SIM_2")
LESS = {"segment": ["--tta", "1", "--mode", "fast", "--threads", "1"]}
"""Further options of a command; the last value of an option counts."""


def blocks(language):
    """Return the contents of the page's blocks of a language."""
    text = PAGE.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """Return a folder with MRC files of two tomograms, and a STAR file of their ribosomes."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    config = make_simulated_project(tmp_path / "given")
    store = open_project(config)
    for name in RUNS:
        volume = store.open_tomogram(name, TomogramKey("wbp", 10.0)).read()
        write_mrc(tmp_path / "tomograms" / f"{name}.mrc", volume.astype("float32"), 10.0)
    words = ["-c", str(config), "-i", "ribosome:curator/1", "--to", "warp", "-o", str(tmp_path)]
    words += [part for name in RUNS for part in ("-r", name)]
    invoked("export", "picks", *words)
    (tmp_path / "ribosome.star").rename(tmp_path / "particles.star")
    return tmp_path


def invoked(command, *arguments):
    line = [command, *arguments, *LESS.get(command, [])]
    result = CliRunner().invoke(console, line)
    assert result.exit_code == 0, f"{shlex.join(line)}\n{result.output}"
    return result.output


def test_the_commands_and_the_python_of_the_page_run(desk, capsys):
    said = []
    for line in "".join(blocks("bash")).splitlines():
        program, *arguments = shlex.split(line)
        assert program == "copick-picker"
        said.append(invoked(*arguments))
    text = "\n".join(said)
    assert "Made the project own/config.json" in text
    assert "read as Warp" in text
    assert re.search(r"^ ribosome +2 +\d+ +\d+ +\d+", text, re.MULTILINE)
    assert "napari is not installed here" in text
    for made in ("SIM_1.html", "scores.html", "relion/ribosome.star", "chimerax/SIM_1.cxc"):
        assert (desk / made).is_file(), made
    (code,) = blocks("python")
    exec(compile(code, PAGE, "exec"), {})  # noqa: S102 (the page's own example)
    printed = capsys.readouterr().out
    f1 = re.search(r"^F1 (\d\.\d\d)$", printed, re.MULTILINE)
    assert f1
    assert float(f1[1]) > 0.5
    assert re.search(r"^SIM_2 \{.*'ribosome': [1-9]", printed, re.MULTILINE)
