"""``browse project``: two ways of listing that agree, health, tables, files, broken projects."""

import csv
import json
import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from copick_picker.cli.main import console
from copick_picker.project.copick.store import open_project
from copick_picker.project.inventory.local import LocalInventory
from copick_picker.project.inventory.opening import open_inventory
from copick_picker.project.inventory.store import StoreInventory
from copick_picker.project.provenance import ATTRIBUTE, UNFINISHED
from copick_picker.records.keys import FeatureKey, PicksKey, SegmentationKey
from copick_picker.records.points import PickSet
from patience import HANG_SECONDS
from projects import SHAPE_ZYX, run_folder, slabs_of, small_project

LABELS = SegmentationKey("predict", "picker", "1", 10.0)
BINARY = SegmentationKey("membrane", "picker", "1", 10.0, is_multilabel=False)
FEATURE = FeatureKey("wbp", 10.0, "predict-picker-1-probabilities")
SCORED = PicksKey("ribosome", "picker", "1")
UNSCORED = PicksKey("apo-ferritin", "curator", "2")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Return a project with one of everything in run TS_1 and a tomogram alone in TS_2."""
    path = small_project(tmp_path)
    store = open_project(path)
    volume = np.zeros(SHAPE_ZYX, dtype=np.uint8)
    for key in (LABELS, BINARY):
        blocks = slabs_of(volume, 8)
        store.write_segmentation(
            "TS_1", key, blocks, shape_zyx=SHAPE_ZYX, provenance={"a": 1}, overwrite=False
        )
    channels = np.zeros((3, *SHAPE_ZYX), dtype=np.float16)
    store.write_feature(
        "TS_1",
        FEATURE,
        slabs_of(channels, 8),
        shape_czyx=channels.shape,
        provenance={"a": 1},
        overwrite=False,
    )
    points = np.arange(12.0).reshape(4, 3)
    for key, scores in ((SCORED, [0.25, 0.5, 0.75, 1.0]), (UNSCORED, [1.0] * 4)):
        picks = PickSet(key.object_name, points, np.array(scores))
        store.write_picks("TS_1", key, picks, provenance={"a": 1}, overwrite=False)
    return path


def listed(config, *arguments):
    """Return what ``browse project`` writes as JSON, by run, and its output."""
    target = config.parent / "listing.json"
    command = ["browse", "project", "-c", str(config), "--json", str(target), *arguments]
    result = CliRunner().invoke(console, command)
    assert result.exit_code == 0, result.output
    content = json.loads(target.read_text())
    return content, {run["run"]: run for run in content["runs"]}, result.output


def items(run):
    return {item["uri"]: item for item in run["items"]}


@pytest.mark.parametrize("details", [False, True])
def test_a_local_listing_is_what_copick_lists(config, details):
    from_folders = open_inventory(str(config))
    from_copick = StoreInventory.opened(str(config))

    assert isinstance(from_folders, LocalInventory)
    assert from_folders.run_names() == from_copick.run_names() == ["TS_1", "TS_2"]
    ours = {(spec.name, spec.label, spec.radius_angstrom) for spec in from_folders.objects()}
    assert ours == {(spec.name, spec.label, spec.radius_angstrom) for spec in from_copick.objects()}
    for run_name in ("TS_1", "TS_2"):
        found = [
            from_.run(run_name, details=details).items for from_ in (from_folders, from_copick)
        ]
        first, second = ({(item.kind, item.uri): item for item in side} for side in found)
        assert list(first) == list(second)
        for key, item in second.items():
            same = first[key]
            assert (item.name, item.user_id, item.session_id, item.voxel_spacing) == (
                same.name,
                same.user_id,
                same.session_id,
                same.voxel_spacing,
            )
            assert item.scores == same.scores
            assert item.n_picks == (same.n_picks if details else None)
            if item.kind == "picks":  # counted in small files even without details
                assert same.n_picks == len(
                    open_project(config).read_picks(
                        run_name, PicksKey(item.name, item.user_id, item.session_id)
                    )
                )
            assert item.shape in (None, same.shape)
            assert (item.shape is not None) is (details and item.kind != "picks")


def test_the_listing_tells_shapes_numbers_scores_and_who(config):
    _, runs, output = listed(config, "--details")

    stored = items(runs["TS_1"])
    assert stored["wbp@10.0"]["shape"] == list(SHAPE_ZYX)
    assert stored[str(FEATURE)]["shape"] == [3, *SHAPE_ZYX]
    assert stored[str(LABELS)]["bytes"] > 0
    assert (stored[str(SCORED)]["picks"], stored[str(SCORED)]["scores"]) == (4, "0.25 to 1")
    assert (stored[str(UNSCORED)]["picks"], stored[str(UNSCORED)]["scores"]) == (4, "none")
    assert (stored[str(UNSCORED)]["user"], stored[str(UNSCORED)]["session"]) == ("curator", "2")
    assert list(items(runs["TS_2"])) == ["wbp@10.0"]
    assert "in 1 of 1" in output


def test_without_details_no_large_pick_file_is_read(config):
    path = run_folder(config, "TS_1") / "Picks" / "picker_1_ribosome.json"
    path.write_text("not JSON" * 200_000)

    _, runs, output = listed(config)
    assert items(runs["TS_1"])[str(SCORED)]["trouble"] == ""
    assert "Health: no problems found" in output

    _, runs, output = listed(config, "--details")
    assert "not valid JSON" in items(runs["TS_1"])[str(SCORED)]["trouble"]
    assert "Health" in output


def test_runs_and_objects_can_be_chosen(config):
    _, runs, _ = listed(config, "-r", "TS_1", "--objects", "ribosome")
    assert list(runs) == ["TS_1"]
    assert [item["uri"] for item in runs["TS_1"]["items"] if item["kind"] == "picks"] == [
        str(SCORED)
    ]

    result = CliRunner().invoke(
        console, ["browse", "project", "-c", str(config), "--objects", "ribosom"]
    )
    assert result.exit_code == 2
    assert "did you mean 'ribosome'?" in result.output


def test_csv_has_a_line_for_each_thing(config):
    target = config.parent / "listing.csv"
    listed(config, "--csv", str(target), "--details")
    rows = list(csv.DictReader(target.read_text().splitlines()))
    assert len(rows) == 7
    by_uri = {(row["run"], row["uri"]): row for row in rows}
    assert by_uri["TS_1", "wbp@10.0"]["shape"] == "20 30 40"
    assert by_uri["TS_1", str(SCORED)]["picks"] == "4"
    assert by_uri["TS_2", "wbp@10.0"]["user"] == ""


def test_health_finds_what_is_half_written_misnamed_or_left_over(config):
    run = run_folder(config, "TS_1")
    shutil.rmtree(run / "Segmentations" / "10.000_picker_1_membrane.zarr" / "0")
    attributes = run / "Segmentations" / "10.000_picker_1_predict-multilabel.zarr" / ".zattrs"
    attributes.write_text(json.dumps({ATTRIBUTE: UNFINISHED}))
    metadata = run / "VoxelSpacing10.000" / f"wbp_{FEATURE.feature_type}_features.zarr" / "0"
    (metadata / ".zarray").write_text("{")
    (run / "Picks" / "short_name.json").write_text("{}")
    (run / "Picks" / "picker_1_ribosome.host-1.json.tmp").write_text("{}")
    (run / "Picks" / "picker_2_ribosome.json").write_text("")
    (run / "Picks" / "picker_2_unicorn.json").write_text('{"points": []}')
    (run / "VoxelSpacingten").mkdir()
    (run / "Segmentations" / "mask.zarr").mkdir()
    for chunk in (run_folder(config, "TS_2") / "VoxelSpacing10.000" / "wbp.zarr" / "0").iterdir():
        if not chunk.name.startswith("."):
            shutil.rmtree(chunk)

    _, runs, output = listed(config, "--details")

    stored = items(runs["TS_1"])
    assert stored[str(BINARY)]["trouble"] == "half-written: it contains no array"
    assert "half-written: its writer was stopped" in stored[str(LABELS)]["trouble"]
    assert "metadata cannot be read" in stored[str(FEATURE)]["trouble"]
    assert stored["ribosome:picker/2"]["trouble"] == "the file is empty"
    assert stored["unicorn:picker/2"]["trouble"] == "unicorn is not an object of the project"
    assert sorted(runs["TS_1"]["troubles"]) == [
        "copick cannot read the name VoxelSpacingten",
        "copick cannot read the name short_name.json; expected USER_SESSION_OBJECT.json, such as "
        "me_1_name.json",
        "copick does not list mask.zarr: its name is not a URI",
        "picker_1_ribosome.host-1.json.tmp was left by a write that was stopped",
    ]
    assert items(runs["TS_2"])["wbp@10.0"]["trouble"] == "no data: none of its 1 chunks is stored"
    assert "VoxelSpacingten" in output


def test_health_finds_radii_labels_and_names_that_clash(config):
    content = json.loads(config.read_text())
    content["pickable_objects"] += [
        {"name": "Ribosome", "is_particle": True, "label": 1},
    ]
    config.write_text(json.dumps(content))
    found, _, _ = listed(config)
    assert found["troubles"] == [
        "object Ribosome has no radius: localize and evaluate need one",
        "objects Ribosome and ribosome share label 1",
        "objects Ribosome and ribosome have names that differ only in case",
    ]


def test_of_two_things_with_one_name_the_overlay_counts(config, tmp_path):
    content = json.loads(config.read_text())
    content["static_root"] = content["overlay_root"]
    content["overlay_root"] = str(tmp_path / "overlay")
    config.write_text(json.dumps(content))
    picks = tmp_path / "overlay" / "ExperimentRuns" / "TS_1" / "Picks"
    picks.mkdir(parents=True)
    (picks / "picker_1_ribosome.json").write_text('{"points": []}')

    _, runs, _ = listed(config, "--details")

    assert items(runs["TS_1"])[str(SCORED)]["picks"] == 0
    assert "is also in the static part" in runs["TS_1"]["troubles"][0]
    assert len(runs["TS_1"]["items"]) == 6


def test_an_empty_project_is_listed(tmp_path):
    config = small_project(tmp_path, ())
    content, runs, output = listed(config)
    assert runs == {}
    assert [entry["name"] for entry in content["objects"]] == [
        "ribosome",
        "apo-ferritin",
        "membrane",
    ]
    assert "browse: 0 runs" in output


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "not valid JSON"),
        ('{"config_type": "filesystem", "pickable_objects": 3}', "cannot open the project"),
        ('{"config_type": "sftp"}', "cannot open the project"),
        ("[]", "expected a JSON object"),
    ],
)
def test_a_broken_configuration_is_one_line(tmp_path, content, words):
    config = tmp_path / "config.json"
    config.write_text(content)
    result = CliRunner().invoke(console, ["browse", "project", "-c", str(config)])
    assert result.exit_code == 2
    assert words in result.output
    assert "Traceback" not in result.output


def test_a_missing_configuration_is_one_line(tmp_path):
    result = CliRunner().invoke(console, ["browse", "project", "-c", str(tmp_path / "none.json")])
    assert result.exit_code == 2
    assert "cannot read the configuration" in result.output


def test_a_local_listing_does_not_import_copick(config):
    code = (
        "import sys\nfrom copick_picker.cli.main import console\n"
        f"try:\n    console(['browse', 'project', '-c', {str(config)!r}])\n"
        "except SystemExit as end:\n    assert end.code == 0\n"
        "print(sorted({name.split('.')[0] for name in sys.modules}))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = run.stdout.splitlines()[-1]
    assert not {"copick", "torch", "scipy", "matplotlib"} & set(modules.strip("[]'").split("', '"))


def test_the_tui_needs_a_terminal(config):
    result = CliRunner().invoke(console, ["browse", "--tui", "-c", str(config)])
    assert result.exit_code == 2
    assert "needs a terminal" in result.output


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_the_tui_is_copicks_own_browser(config):
    program = Path(sys.executable).parent / "copick-picker"
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [program, "browse", "--tui", "-c", str(config)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"},
    ) as process:
        os.close(theirs)
        shown, limit = b"", time.monotonic() + HANG_SECONDS
        while b"Copick Project" not in shown and time.monotonic() < limit:
            if select.select([ours], [], [], 1)[0]:
                shown += os.read(ours, 65536)
        os.write(ours, b"\x11")  # control-q, copick's way out
        try:
            process.wait(timeout=HANG_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
        os.close(ours)
    assert b"Copick Project" in shown


def test_the_group_alone_shows_help():
    result = CliRunner().invoke(console, ["browse"])
    assert result.exit_code == 0
    assert "browse project" in result.output
