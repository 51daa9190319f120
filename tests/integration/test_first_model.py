"""The commands of docs/first-model.md run as they stand there, with less to do in each."""

import json
import re
import shlex
from pathlib import Path

from click.testing import CliRunner

from copick_picker.cli.main import console

PAGE = Path(__file__).parents[2] / "docs" / "first-model.md"
LESS = {
    "simulate": ["--runs", "2", "--shape", "32,56,64"],
    "train": ["--patch", "16", "--steps", "4", "--batch-size", "2", "--threads", "1"],
    "segment": ["--tta", "1", "--mode", "fast", "--threads", "1"],
}
"""Further options of a command; the last value of an option counts."""


def lines():
    """Return the command lines of the page's first block."""
    text = PAGE.read_text(encoding="utf-8")
    block = re.findall(r"^```text\n(.*?)^```", text, re.DOTALL | re.MULTILINE)[0]
    return [shlex.split(line) for line in block.splitlines()]


def test_the_page_goes_from_nothing_to_scores(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = []
    for program, command, *arguments in lines():
        assert program == "copick-picker"
        result = CliRunner().invoke(console, [command, *arguments, *LESS.get(command, [])])
        assert result.exit_code == 0, f"{command} {arguments}\n{result.output}"
        done.append(command)
    chain = ["simulate", "simulate", "train", "model", "segment", "localize", "evaluate"]
    assert done == chain
    scores = json.loads((tmp_path / "exam_scores" / "scores.json").read_text(encoding="utf-8"))
    assert (tmp_path / "exam_scores" / "slices_SIM_001.png").is_file()
    objects = {entry["object"]: entry for entry in scores["objects"]}
    assert set(objects) == {"ribosome", "proteasome", "apo-ferritin"}
    assert objects["apo-ferritin"]["counts"]["n_reference"] > 0
