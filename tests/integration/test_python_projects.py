"""The main job on projects from Python: configuration files, copick roots, copick runs."""

import copick
import numpy as np
import pytest

import copick_picker
from copick_picker.errors import DataError, RunsFailedError, SettingsError, UnknownNameError
from copick_picker.project.copick.store import open_project
from copick_picker.records.keys import PicksKey
from copick_picker.records.points import PickSet
from projects import run_folder, small_project, tiny_octopi_model

NETWORK = {"tta": 1, "threads": 1, "device": "cpu"}


@pytest.fixture
def given(tmp_path, monkeypatch):
    """Return a project with reference picks, and octopi's files of a model."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    model = tiny_octopi_model(tmp_path / "model", {"ribosome": 1, "apo-ferritin": 2})
    config = small_project(tmp_path / "p", ("TS_1", "TS_2"))
    store = open_project(config)
    for run_name in ("TS_1", "TS_2"):
        points = np.array([[60.0, 80.0, 50.0], [120.0, 90.0, 70.0]])
        picks = PickSet("ribosome", points, np.ones(2))
        store.write_picks(
            run_name,
            PicksKey("ribosome", "curator", "1"),
            picks,
            provenance={"command": "x"},
            overwrite=False,
        )
    files = {"model_config_file": str(model[0]), "model_weights": str(model[1])}
    return config, files


@pytest.mark.parametrize("kind", ["path", "root", "run"])
def test_three_lines_segment_localize_and_evaluate(given, kind):
    config, model = given
    root = copick.from_file(str(config))
    run = root.runs[0]
    assert run.name == "TS_1"
    assert len(run.get_picks("ribosome")) == 1  # copick has listed the picks before
    project = {"path": config, "root": root, "run": run}[kind]
    segmented = copick_picker.segment_project(project, **model, **NETWORK)
    names = [each.run_name for each in segmented.outcomes]
    assert names == (["TS_1"] if kind == "run" else ["TS_1", "TS_2"])
    localized = copick_picker.localize_project(project, radius={"ribosome": 100.0})
    assert {each.status for each in localized.outcomes} == {"done"}
    scores = copick_picker.evaluate_project(project, "*:curator/1", bootstrap=0)
    assert scores.run_names == tuple(names)
    picks = copick_picker.read_picks(project, "ribosome:picker/1")
    assert list(picks) == names
    assert picks["TS_1"]["ribosome"].points_xyz.shape[1] == 3
    if kind != "path":
        own = [each for each in run.get_picks("ribosome") if each.user_id == "picker"]
        assert len(own) == 1  # copick lists what was written since
    again = copick_picker.segment_project(project, **model, **NETWORK)
    assert {each.status for each in again.outcomes} == {"skipped"}


def test_evaluate_writes_a_folder_only_where_one_is_named(given, tmp_path, monkeypatch):
    config, _ = given
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.iterdir())
    store = open_project(config)
    key, same = PicksKey("ribosome", "me", "1"), PicksKey("ribosome", "curator", "1")
    for name in ("TS_1", "TS_2"):
        picks = store.read_picks(name, same)
        store.write_picks(name, key, picks, provenance={"command": "x"}, overwrite=False)
    scores = copick_picker.evaluate_project(config, "*:curator/1", "*:me/1", runs=["TS_2"])
    assert scores.micro.score.f1 == 1.0
    assert set(tmp_path.iterdir()) == before
    copick_picker.evaluate_project(config, "*:curator/1", "*:me/1", output=tmp_path / "s")
    assert (tmp_path / "s" / "scores.json").is_file()


def test_wrong_words_are_named_before_any_run_is_touched(given):
    config, model = given
    with pytest.raises(TypeError, match="segment_project.. has no setting 'overlp'; did you mean"):
        copick_picker.segment_project(config, **model, overlp=0.5)
    with pytest.raises(SettingsError, match="^overlap: got 2"):
        copick_picker.segment_project(config, **model, overlap=2)
    with pytest.raises(UnknownNameError, match="no run 'TS_3'"):
        copick_picker.segment_project(config, **model, runs="TS_3")
    with pytest.raises(SettingsError, match="got a int; expected the path of a copick config"):
        copick_picker.localize_project(3)
    empty = PickSet("ribosome", np.zeros((0, 3)), np.zeros(0))
    key = PicksKey("ribosome", "me", "1")
    open_project(config).write_picks(
        "TS_1", key, empty, provenance={"command": "x"}, overwrite=False
    )
    with pytest.raises(DataError, match="matches several sets of ribosome"):
        copick_picker.read_picks(config, "ribosome")


def test_failed_runs_raise_after_the_others_are_done(given):
    config, model = given
    copick_picker.segment_project(config, **model, **NETWORK)
    labels = next(run_folder(config, "TS_1").rglob("*predict-multilabel.zarr"))
    for chunk in labels.rglob("0/*"):
        if chunk.is_file() and not chunk.name.startswith((".z", "zarr")):
            chunk.write_bytes(b"broken")
    with pytest.raises(RunsFailedError, match="localize: 1 of 2 runs failed: TS_1: ") as caught:
        copick_picker.localize_project(config)
    assert set(caught.value.failed) == {"TS_1"}
    assert "ribosome" in copick_picker.read_picks(config, "*:picker/1")["TS_2"]


def test_filters_that_match_nothing_are_not_every_run(given):
    config, model = given
    with pytest.raises(SettingsError, match="runs: got an empty list"):
        copick_picker.segment_project(config, **model, runs=[])
    with pytest.raises(SettingsError, match="objects: got an empty list"):
        copick_picker.segment_project(config, **model, objects=[])
    run = copick.from_file(str(config)).get_run("TS_1")
    with pytest.raises(TypeError, match="runs: got 'TS_2' beside the copick run TS_1"):
        copick_picker.localize_project(run, runs="TS_2")
    with pytest.raises(TypeError, match="runs: got 3; expected a name"):
        copick_picker.read_picks(config, runs=3)
    with pytest.raises(TypeError, match="model: got None"):
        copick_picker.segment_project(config, None)
    with pytest.raises(TypeError, match=r"uri: got \['a'\]; expected one URI"):
        copick_picker.read_picks(config, ["a"])
    with pytest.raises(UnknownNameError, match="none of the 2 runs has a pick set"):
        copick_picker.read_picks(config, "*:nobody/1")
