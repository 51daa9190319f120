"""What is said in passing is said again at the end, in the record and in the summary."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from copick_picker.cli.main import console
from copick_picker.project.copick.store import open_project
from copick_picker.records.keys import SegmentationKey
from projects import noise, project_of, run_folder, tiny_octopi_model

SHAPE = (12, 270, 20)
LABELS = SegmentationKey("predict", "picker", "1", 10.0)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    volumes = {f"TS_{number}": noise(SHAPE, seed=number) for number in (1, 2)}
    config = project_of(tmp_path / "data", volumes, {})
    store = run_folder(config, "TS_2") / "VoxelSpacing10.000" / "wbp.zarr" / "0"
    chunks = [path for path in store.rglob("*") if path.is_file() and path.name[0] != "."]
    assert len(chunks) == 2
    chunks[0].unlink()
    return config


def run(*words: object) -> Result:
    return CliRunner().invoke(console, [str(word) for word in words])


def test_missing_chunks(config: Path) -> None:
    model_config, weights = tiny_octopi_model(config.parent / "model", {"ribosome": 1})
    summary = config.parent / "summary.json"

    result = run(
        *("segment", "-c", config, "-mc", model_config, "-mw", weights, "-i", "wbp@10.0"),
        *("--threads", "1", "--objects", "ribosome", "--tta", "1", "--json", summary),
    )

    text = "1 of 2 chunks are not stored; they are read as zeros"
    content = json.loads(summary.read_text())
    lines = result.output.splitlines()
    end = lines[lines.index("1 warning:") :]
    record = open_project(config).segmentation_provenance("TS_2", LABELS)
    first, second = content["runs"]
    assert result.exit_code == 0, result.output
    assert [line for line in lines if "TS_2 done" in line and f"warning: {text}" in line]
    assert len([line for line in end if text in line]) == 1
    assert end[-1].startswith("segment: 2 runs: 2 done")
    assert record is not None
    assert record["remarks"] == [text]
    assert (first["warnings"], second["warnings"]) == ([], [text])
    assert [each for each in content["warnings"] if text in each]


@pytest.mark.parametrize("command", ["gold", "exclude-edges"])
def test_every_command_says_it(config: Path, command: str) -> None:
    more = ("--margin-xy", "10") if command == "exclude-edges" else ()

    result = run("mask", command, "-c", config, "-i", "wbp@10.0", *more)

    lines = result.output.splitlines()
    assert result.exit_code == 0, result.output
    assert [
        line
        for line in lines[lines.index("1 warning:") :]
        if "wbp@10.0 of run TS_2: 1 of 2 chunks are not stored" in line
    ]


def test_the_same_warning_of_many_runs_is_one_line(tmp_path: Path) -> None:
    names = [f"TS_{number}" for number in range(5)]
    shape = (6, 8, 9)
    config = project_of(tmp_path / "data", {name: noise(shape, seed=1) for name in names}, {})
    for name in names:
        attributes = run_folder(config, name) / "VoxelSpacing10.000" / "wbp.zarr" / ".zattrs"
        attributes.write_text(attributes.read_text().replace("10.0", "5.0"))

    result = run("mask", "exclude-edges", "-c", config, "-i", "wbp@10.0", "--margin-xy", "10")

    end = result.output.partition("5 warnings:\n")[2].splitlines()
    assert result.exit_code == 0, result.output
    assert end[0].strip() == (
        "wbp@10.0 of run TS_0, TS_1, TS_2 and 2 more: its metadata state a voxel spacing of "
        "5 A, its folder 10 A"
    )
    assert end[1].startswith("mask exclude-edges: 5 runs")
