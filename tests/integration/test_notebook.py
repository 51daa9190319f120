"""The notebook of the main job: its cells run, and its page says what it says."""

import contextlib
import importlib.util
import io
import json
import re
from pathlib import Path

import matplotlib as mpl
import pytest

from copick_picker.workflows.benchmark.demo_projects import make_real_project

ROOT = Path(__file__).parents[2]
NOTEBOOK = json.loads((ROOT / "examples" / "main_job.ipynb").read_text(encoding="utf-8"))


def test_the_page_of_the_notebook_is_made_from_it():
    place = ROOT / "scripts" / "notebook_page.py"
    spec = importlib.util.spec_from_file_location("notebook_page", place)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    text, pictures = script.page_of(NOTEBOOK, "notebook")
    assert script.PAGE.read_text(encoding="utf-8") == text
    assert len(pictures) == 1
    for name, content in pictures.items():
        assert (ROOT / "docs" / "images" / name).read_bytes() == content


def test_the_cells_of_the_notebook_run_and_print_what_it_shows(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    mpl.use("agg")
    make_real_project(tmp_path / "demo" / "real")
    names = {}
    for cell in NOTEBOOK["cells"]:
        if cell["cell_type"] != "code":
            continue
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile("".join(cell["source"]), "cell", "exec"), names)  # noqa: S102
        shown = "".join("".join(output.get("text", "")) for output in cell["outputs"])
        # figures may differ with the processor, words may not
        assert re.sub(r"[\d.]+", "0", printed.getvalue()) == re.sub(r"[\d.]+", "0", shown)
    assert len(names["found"].picks) == pytest.approx(10, abs=1)
