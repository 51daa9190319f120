"""What cannot be is refused at every door, before the work; a dry run refuses it too."""

import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner, Result

from copick_picker.cli.main import console
from copick_picker.project.copick.store import open_project
from copick_picker.records.keys import PicksKey, SegmentationKey
from patience import HANG_SECONDS
from projects import noise, project_of, tiny_octopi_model

SHAPE = (20, 24, 28)
POINTS = np.array([[60.0, 70.0, 80.0], [150.0, 120.0, 60.0]])


@pytest.fixture
def config(tmp_path: Path) -> Path:
    picks = {("TS_1", PicksKey("ribosome", "a", "1")): POINTS}
    config = project_of(tmp_path / "data", {"TS_1": noise(SHAPE, seed=1)}, picks)
    labels = np.zeros(SHAPE, np.uint8)
    labels[5:15, 5:15, 5:15] = 1
    open_project(config).write_segmentation(
        "TS_1",
        SegmentationKey("given", "me", "1", 10.0),
        [(0, labels)],
        shape_zyx=SHAPE,
        provenance={"command": "segment", "labels": {"ribosome": 1}},
        overwrite=False,
    )
    return config


def run(*words: object) -> Result:
    result = CliRunner().invoke(console, [str(word) for word in words])
    assert isinstance(result.exception, SystemExit | None), result.exc_info
    return result


def external_link(path: Path, other: Path) -> None:
    with h5py.File(path, "w") as file:
        file["labels"] = h5py.ExternalLink(str(other), "labels")


def link_of_a_group(path: Path, other: Path) -> None:
    with h5py.File(path, "w") as file:
        file["all"] = h5py.ExternalLink(str(other), "/")
        file["labels"] = h5py.SoftLink("/all/labels")


def virtual(path: Path, other: Path) -> None:
    layout = h5py.VirtualLayout(SHAPE, np.uint8)
    layout[...] = h5py.VirtualSource(str(other), "labels", SHAPE)
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("labels", layout)


def external_storage(path: Path, other: Path) -> None:
    with h5py.File(path, "w") as file:
        size = int(np.prod(SHAPE))
        file.create_dataset("labels", SHAPE, np.uint8, external=[(str(other), 0, size)])


def group(path: Path, other: Path) -> None:
    del other
    with h5py.File(path, "w") as file:
        file.create_group("labels")


@pytest.mark.parametrize("make", [external_link, link_of_a_group, virtual, external_storage, group])
def test_masks_follow_no_link_out_of_their_file(config: Path, tmp_path: Path, make) -> None:  # type: ignore[no-untyped-def]
    other, mask = tmp_path / "other.h5", tmp_path / "mask.h5"
    with h5py.File(other, "w") as file:
        file["labels"] = np.ones(SHAPE, np.uint8)
    make(mask, other)

    words = ("localize", "-c", config, "-i", "given:me/1", "--objects", "ribosome")
    result = run(*words, "--mask", mask)

    assert result.exit_code == 1, result.output
    (line,) = [line for line in result.output.splitlines() if " failed: " in line]
    assert "'labels' is" in line
    assert run(*words, "--mask", other, "-o", "*:b/1").exit_code == 0


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e999"])
@pytest.mark.parametrize(
    "words",
    [
        ("localize", "-i", "given:me/1", "--radius", "ribosome={value}"),
        ("localize", "-i", "given:me/1", "--threshold", "ribosome={value}"),
        ("localize", "-i", "given:me/1", "--border-margin-angstrom", "{value}"),
        ("filter", "-i", "ribosome:a/1", "--min-score", "ribosome={value}"),
        ("filter", "-i", "ribosome:a/1", "--min-distance-angstrom", "{value}"),
        (
            *("evaluate", "--reference", "ribosome:a/1", "--candidate", "ribosome:a/1"),
            *("--beta", "{value}"),
        ),
        ("mask", "exclude-edges", "-i", "wbp@10.0", "--margin-xy", "{value}"),
        ("mask", "gold", "-i", "wbp@{value}"),
    ],
)
def test_numbers_that_are_not_finite(config: Path, words: tuple[str, ...], value: str) -> None:
    line = [word.format(value=value) for word in words]
    result = run(*line, "-c", config)
    assert result.exit_code == 2, result.output
    assert result.output.count("Error: ") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space are Linux's")
@pytest.mark.parametrize("megabytes", [700, 1000, 1250])
def test_too_little_memory_ends_in_one_line(config: Path, megabytes: int) -> None:
    model_config, weights = tiny_octopi_model(config.parent / "model", {"ribosome": 1})
    words = (
        *(sys.executable, "-m", "copick_picker", "segment", "-c", config, "-mc", model_config),
        *("-mw", weights, "-i", "wbp@10.0", "--objects", "ribosome", "--threads", "1"),
        "--probabilities",
    )
    limit = megabytes * 1000
    result = subprocess.run(
        ["sh", "-c", f'ulimit -v {limit} && exec "$@"', "sh", *map(str, words)],
        check=False,
        timeout=HANG_SECONDS,
        capture_output=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    said = result.stderr.decode() + result.stdout.decode()
    if result.returncode == 0:
        pytest.skip("this machine's libraries need less")
    assert result.returncode == 1
    assert "too little memory" in said
    assert "Traceback (most recent" not in said


def test_a_dry_run_refuses_what_the_real_run_does(config: Path) -> None:
    edges = ("mask", "exclude-edges", "-c", config, "--margin-xy", 500, "-o", "edges:me/1")
    for extra in ((), ("--dry-run",)):
        result = run(*edges, *extra)
        assert result.exit_code == 1
        assert "the mask would be empty" in result.output
    content = json.loads(config.read_text())
    static = {key: value for key, value in content.items() if not key.startswith("overlay")}
    static |= {"static_root": content["overlay_root"], "static_fs_args": {}}
    config.write_text(json.dumps(static))
    real, dry = (run("localize", "-c", config, "-i", "given:me/1", *extra)
                 for extra in ((), ("--dry-run",)))  # fmt: skip
    assert real.exit_code == dry.exit_code != 0
    assert real.output.splitlines()[-1] == dry.output.splitlines()[-1]
