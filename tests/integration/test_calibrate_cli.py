"""``copick-picker calibrate`` on real copick projects."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from click.testing import CliRunner, Result

from copick_picker.cli.main import console
from copick_picker.core.labels import paint_spheres
from copick_picker.core.models.registry import build_network
from copick_picker.errors import ProjectError
from copick_picker.jobs.provenance import new_record
from copick_picker.project.copick.making import add_picks
from copick_picker.project.copick.store import open_project
from copick_picker.project.folders.checkpoints import read_model_folder
from copick_picker.project.folders.thresholds import store_thresholds, with_thresholds
from copick_picker.records.keys import PicksKey
from copick_picker.records.points import PickSet
from copick_picker.records.runs import ObjectSpec
from copick_picker.settings.model import ModelCard, ModelObject
from copick_picker.workflows.models.folder import write_model
from projects import (
    add_segmented,
    copied_project,
    noise,
    project_of,
    temporaries,
    tree,
    without_root_powers,
)

OBJECTS = (
    ObjectSpec("ribosome", 1, 120.0, score_threshold=0.95),
    ObjectSpec("apo-ferritin", 3, 60.0),
    ObjectSpec("thyroglobulin", 4, 130.0),
    ObjectSpec("membrane", 5, is_particle=False),
)
RIBOSOME = ObjectSpec("ribosome", 1, 100.0)
RUNS = ("TS_1", "TS_2")
FALSE_AT = np.array([40.0, 9_000.0, 700.0])


def line_of(number: int) -> np.ndarray:
    return np.stack(
        [400.0 * np.arange(number) + 30, np.full(number, 80.0), np.full(number, 5.0)], 1
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project: 8 ribosomes a run, and candidates; those of apo-ferritin score alike."""
    folder = tmp_path_factory.mktemp("made")
    truth = {
        (run, PicksKey(name, "curator", "1")): line_of(number)
        for run in RUNS
        for name, number in (("ribosome", 8), ("apo-ferritin", 6), ("thyroglobulin", 2))
    }
    config = project_of(folder, {}, truth, objects=OBJECTS)
    for number, run in enumerate(RUNS):
        false = FALSE_AT + line_of(6)
        found = {
            "ribosome": (
                np.concatenate([line_of(8) + 20.0, false]),
                np.array([0.9, 0.8, 0.7, 0.6, 0.6, 0.5, 0.45, 0.1, *np.linspace(0.35, 0.05, 6)])
                + 0.01 * number,
            ),
            "apo-ferritin": (line_of(5), np.ones(5)),
            "thyroglobulin": (line_of(2), np.array([0.9, 0.2])),
        }
        for name, (points, scores) in found.items():
            key = PicksKey(name, "picker", "all")
            add_picks(config, run, key, PickSet(name, points, scores))
    return folder


@pytest.fixture
def config(made: Path, tmp_path: Path) -> Path:
    return copied_project(made, tmp_path / "place")


def model(folder: Path, *names: str) -> Path:
    torch.manual_seed(0)
    card = ModelCard(
        name="small",
        architecture="Unet",
        parameters={"channels": [3, 4], "strides": [2], "num_res_units": 1, "dropout": 0.0},
        window_voxels=(8, 8, 8),
        objects=tuple(
            ModelObject(name=name, channel=index, score_threshold=0.2)
            for index, name in enumerate(names, 1)
        ),
        voxel_spacing_angstrom=10.0,
        provenance={"licence": "MIT"},
    )
    network = build_network(card.architecture, card.parameters, card.channel_count)
    write_model(folder, network, card, crop=None, overwrite=False)
    return folder


def run(config: Path, *arguments: object) -> Result:
    fixed = ["calibrate", "-c", config, "-i", "*:picker/all", "--reference", "*:curator/1"]
    return CliRunner().invoke(console, [str(word) for word in (*fixed, *arguments)])


def refused(result: Result) -> str:
    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit)
    return result.stderr.strip().splitlines()[-1]


def summary_of(config: Path, *arguments: object) -> dict[str, Any]:
    path = config.parent / "summary.json"
    result = run(config, "--json", path, *arguments)
    assert result.exit_code == 0, result.output
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def test_thresholds_are_shown_with_those_in_use_and_nothing_is_stored(config: Path) -> None:
    before = tree(config.parent)
    result = run(config, "--beta", "1")
    assert result.exit_code == 0, result.output
    assert tree(config.parent) == before
    (row,) = [line for line in result.stdout.splitlines() if line.split()[:1] == ["ribosome"]]
    assert row.split()[1:3] == ["0.405", "0.933"]
    assert row.split()[5:7] == ["0.95", "0.000"]
    assert "apo-ferritin: no threshold: all 10 candidate scores are 1" in result.stderr
    assert "thyroglobulin: no threshold: 4 reference picks; a threshold needs 10" in result.stderr


def test_beta_margin_and_fewest_references_change_the_choice(config: Path) -> None:
    figures = summary_of(config, "--beta", "1", "--fewest-references", "4")
    assert figures["thresholds"] == {"ribosome": 0.405, "thyroglobulin": 0.2}
    assert figures["command"] == "calibrate"
    told = run(config, "--fewest-references", "4").stderr
    assert "thyroglobulin: even the lowest score is worth keeping" in told
    loose = summary_of(config, "--beta", "1", "--margin", "0.5")
    assert loose["thresholds"]["ribosome"] < 0.36
    assert summary_of(config, "--beta", "10", "--margin", "0")["thresholds"] == {
        "ribosome": pytest.approx(0.08)
    }
    far = run(config, "--tolerance", "1A")
    assert "none of the 28 candidates hits a reference pick" in refused(far)


def test_localize_tells_from_which_score_on_it_kept_picks(tmp_path: Path) -> None:
    """Three balls of different probability, all true: the lowest score of all is the best."""
    shape, height = (40, 36, 48), {0.9: 1, 0.8: 2, 0.6: 3}
    centres = np.array([[110.0, 110.0, 140.0], [350.0, 190.0, 215.0], [110.0, 250.0, 280.0]])
    config = project_of(
        tmp_path / "p",
        {"TS_1": noise((8, 9, 10), seed=1)},
        {("TS_1", PicksKey("ribosome", "curator", "1")): centres},
        objects=(RIBOSOME,),
    )
    painted = [
        share
        * paint_spheres(shape, {1: centres[[place - 1]]}, {1: 80.0}, voxel_spacing=10.0).astype(
            np.float32
        )
        for share, place in height.items()
    ]
    found = np.sum(painted, axis=0)
    add_segmented(config, "TS_1", RIBOSOME, np.stack([1.0 - found, found]).astype(np.float16))
    ways = (
        ("all", ("--threshold", "ribosome=0"), 0.0),
        ("some", ("--threshold", "ribosome=0.3"), 0.3),
        ("peaks", ("--method", "peaks"), 0.2),
    )
    for session, options, floor in ways:
        words = [
            "localize",
            "-c",
            config,
            "-i",
            "predict:picker/1@10.0",
            "-o",
            f"*:picker/{session}",
        ]
        localized = CliRunner().invoke(console, [str(word) for word in (*words, *options)])
        assert localized.exit_code == 0, localized.output
        scores = (
            open_project(config).read_picks("TS_1", PicksKey("ribosome", "picker", session)).scores
        )
        summary = tmp_path / f"{session}.json"
        result = CliRunner().invoke(
            console,
            [str(word) for word in (
                "calibrate", "-c", config, "-i", f"*:picker/{session}", "--reference",
                "*:curator/1", "--fewest-references", "3", "--json", summary,
            )],
        )  # fmt: skip
        assert result.exit_code == 0, result.output
        assert len(scores) == 3
        threshold = json.loads(summary.read_text())["thresholds"]["ribosome"]
        assert threshold == pytest.approx((scores.min() + floor) / 2)
        assert ("--threshold ribosome=0 (with" in result.stderr) == (floor > 0)


def test_a_record_that_tells_no_score_is_as_none(config: Path) -> None:
    """The picks of CryoSiam's own way to localize have such records."""
    store, key = open_project(config), PicksKey("thyroglobulin", "picker", "all")
    record = new_record("localize", settings={"method": "eroded components", "label": 4})
    for run_name in RUNS:
        picks = store.read_picks(run_name, key)
        store.write_picks(run_name, key, picks, provenance=record, overwrite=True)
    figures = summary_of(config, "--fewest-references", "4")
    assert figures["thresholds"]["thyroglobulin"] == 0.2


def test_the_plot_is_drawn_and_kept(config: Path) -> None:
    plot = config.parent / "thresholds.png"
    assert run(config, "--plot", plot).exit_code == 0
    first = plot.read_bytes()
    assert first.startswith(b"\x89PNG")
    assert "use --overwrite" in refused(run(config, "--plot", plot, "--project"))
    assert open_project(config).objects() == open_project(config).objects()
    assert run(config, "--plot", plot, "--overwrite").exit_code == 0
    assert plot.read_bytes() == first
    assert "ends in .png" in refused(run(config, "--plot", "plot.pdf"))


def test_the_project_gets_the_threshold_and_localize_uses_it(config: Path) -> None:
    text = config.read_text()
    assert run(config, "--project", "--beta", "1").exit_code == 0
    specs = {spec.name: spec for spec in open_project(config).objects()}
    assert specs["ribosome"].score_threshold == 0.405
    assert specs["thyroglobulin"].score_threshold is None
    assert config.read_text() == text.replace("0.95", "0.405")
    assert temporaries(config.parent) == []


def test_the_model_gets_the_threshold_and_keeps_its_weights(config: Path) -> None:
    folder = model(config.parent / "model", "thyroglobulin", "ribosome")
    weights = (folder / "weights.safetensors").read_bytes()
    before = read_model_folder(folder)[1]
    result = run(config, "-m", folder, "--beta", "1")
    assert result.exit_code == 0, result.output
    after = read_model_folder(folder)[1]
    assert (folder / "weights.safetensors").read_bytes() == weights
    thresholds = {entry["name"]: entry["score_threshold"] for entry in after["objects"]}
    assert thresholds == {"thyroglobulin": 0.2, "ribosome": 0.405}
    record = after["provenance"].pop("calibration")
    assert record["objects"]["ribosome"]["threshold_before"] == 0.2
    assert after["provenance"] == before["provenance"]
    assert {**after, "objects": None} == {**before, "objects": None}
    assert CliRunner().invoke(console, ["model", "check", str(folder)]).exit_code == 0


def test_a_model_of_other_objects_or_of_the_package_stays_as_it_is(config: Path) -> None:
    folder = model(config.parent / "model", "proteasome")
    before = tree(folder)
    assert "finds proteasome, none of the objects" in refused(run(config, "-m", folder))
    assert tree(folder) == before
    assert "is not a model folder" in refused(run(config, "-m", config.parent))


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--objects", "apo-ferritin"), "no threshold for apo-ferritin: all 10 candidate scores"),
        (("--objects", "ribosome,thyroglobulin"), "thyroglobulin: 4 reference picks"),
        (("--objects", "ribosom"), "did you mean 'ribosome'"),
        (("--margin", "2"), "--margin"),
        (("--tolerance", "half"), "--tolerance"),
    ],
)
def test_bad_input_is_one_line(config: Path, arguments: tuple[str, str], reason: str) -> None:
    before = tree(config.parent)
    assert reason in refused(run(config, "--project", *arguments))
    assert tree(config.parent) == before


def test_an_object_without_reference_picks_gets_no_threshold(config: Path) -> None:
    result = CliRunner().invoke(
        console,
        ["calibrate", "-c", str(config), "-i", "*:picker/all", "--reference", "*:nobody/1"],
    )
    assert "reference pick set '*:nobody/1'" in refused(result)


def test_a_broken_pick_file_stores_nothing(config: Path) -> None:
    (picks,) = config.parent.rglob("TS_2/Picks/picker_all_ribosome.json")
    picks.write_text("{")
    before = tree(config.parent)
    result = run(config, "--project", "--fewest-references", "4")
    assert result.exit_code == 1
    assert "nothing was stored" in result.stderr
    assert tree(config.parent) == before


def test_a_read_only_configuration_is_refused_before_any_work(config: Path) -> None:
    config.chmod(0o444)
    text = config.read_text()
    assert "is read-only" in refused(run(config, "--project"))
    assert config.read_text() == text


def test_a_folder_that_cannot_be_written_keeps_the_configuration(config: Path) -> None:
    text = config.read_text()
    config.parent.chmod(0o555)
    try:
        with without_root_powers():
            done = run(config, "--project", "--log", "/dev/null")
    finally:
        config.parent.chmod(0o755)
    assert "cannot write" in refused(done)
    assert config.read_text() == text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{"name": "a"}', '{"name": "a", "metadata": {"score_threshold": 0.5}}'),
        (
            '{"metadata" : null,\n "name":"a" }',
            '{"metadata" : {"score_threshold": 0.5},\n "name":"a" }',
        ),
        ('{"name": "a", "metadata": { }}', '{"name": "a", "metadata": {"score_threshold": 0.5}}'),
        (
            '{"name": "a", "metadata": {"x": [1, {"y": "}"}] }}',
            '{"name": "a", "metadata": {"x": [1, {"y": "}"}], "score_threshold": 0.5 }}',
        ),
        (
            '{"name": "a", "metadata": {"score_threshold":  9e-1,"z":"\u00e9\\u00e9"}}',
            '{"name": "a", "metadata": {"score_threshold":  0.5,"z":"\u00e9\\u00e9"}}',
        ),
    ],
)
def test_every_other_character_of_the_configuration_stays(before: str, after: str) -> None:
    frame = '{{\n\t"pickable_objects": [{{"name": "other"}},\r\n {0} ],\n "z": 1.50}}\n'
    changed = with_thresholds(frame.format(before), {"a": 0.5}, source="x")
    assert changed == frame.format(after)
    json.loads(changed)


def test_a_link_and_file_rights_stay(tmp_path: Path) -> None:
    real = tmp_path / "real.json"
    real.write_text('{"pickable_objects": [{"name": "a"}]}')
    real.chmod(0o640)
    link = tmp_path / "config.json"
    link.symlink_to(real)
    store_thresholds(link, {"a": 0.25})
    assert link.is_symlink()
    assert json.loads(real.read_text())["pickable_objects"][0]["metadata"] == {
        "score_threshold": 0.25
    }
    assert real.stat().st_mode & 0o777 == 0o640


def test_a_configuration_without_the_object_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    for text, reason in (
        ('{"pickable_objects": [{"name": "b"}]}', "no object a; it has: b"),
        ('{"name": "croissant"}', "lists no pickable_objects"),
        ("[", "cannot read"),
    ):
        path.write_text(text)
        with pytest.raises(ProjectError, match=reason):
            store_thresholds(path, {"a": 0.25})
        assert path.read_text() == text


def test_settings_come_from_a_file_too(config: Path) -> None:
    path = config.parent / "settings.yaml"
    path.write_text(yaml.safe_dump({"beta": 1, "candidate": "ribosome:picker/all"}))
    fixed = ["calibrate", "-c", str(config), "--reference", "*:curator/1", "--settings", str(path)]
    result = CliRunner().invoke(console, fixed)
    assert result.exit_code == 0, result.output
    assert "0.933" in result.stdout
