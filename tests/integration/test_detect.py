"""``train --head`` and ``detect``: particles found by heads of points, and by one of regions."""

import csv
import json

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from copick_picker.cli.main import console
from copick_picker.project.copick.store import open_project
from copick_picker.records.keys import PicksKey, SegmentationKey, TomogramKey
from copick_picker.records.runs import ObjectSpec
from projects import project_of

SHAPE_ZYX = (20, 26, 34)
RADIUS = 40.0
OBJECTS = (ObjectSpec("ribosome", 1, RADIUS), ObjectSpec("proteasome", 2, RADIUS))


def scene(seed, spacing=10.0, shape=SHAPE_ZYX, n=6):
    """Return dark balls and darker shells in noise, and the centres (x, y, z) of both."""
    rng = np.random.default_rng(seed)
    volume = 0.3 * rng.normal(size=shape)
    grid = np.moveaxis(np.indices(shape), 0, -1).astype(float)
    centres = []
    while len(centres) < n:
        centre = rng.uniform(4.0, np.array(shape) - 5.0)
        if all(np.linalg.norm(centre - other) > 90 / spacing for other in centres):
            distance = np.linalg.norm(grid - centre, axis=-1) * spacing
            is_ball = len(centres) < n // 2
            depth = np.exp(
                -0.5 * ((distance - (0 if is_ball else 25)) / (18 if is_ball else 8)) ** 2
            )
            volume -= 3.0 * depth
            centres.append(centre)
    points = spacing * np.array(centres)[:, ::-1]
    return volume.astype(np.float32), {"ribosome": points[: n // 2], "proteasome": points[n // 2 :]}


def make_project(folder, scenes):
    project_of(
        folder,
        {name: volume for name, (volume, _) in scenes.items()},
        {
            (name, PicksKey(obj, "curator", "1")): points
            for name, (_, found) in scenes.items()
            for obj, points in found.items()
        },
        objects=OBJECTS,
    )


def run(*arguments, code=0):
    result = CliRunner().invoke(console, [str(part) for part in arguments])
    assert result.exit_code == code, result.output
    return result.output


TRAIN = (
    *("train", "-c", "config.json", "-p", "*:curator/1", "--validation-runs", "TS_4"),
    *("--validation-runs", "TS_5", "--patch", 16, "--threads", 1, "--learning-rate", 0.01),
    *("--parameter", "channels=[8,16]", "--parameter", "dropout=0"),
    *("--parameter", "output_stride=2", "--batch-size", 4),
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return a project with models of three heads."""
    folder = tmp_path_factory.mktemp("points")
    make_project(folder, {f"TS_{seed}": scene(seed) for seed in range(6)})
    patch = pytest.MonkeyPatch()
    patch.chdir(folder)
    steps = ("--steps", 120, "--validate-every", 120)
    run(*TRAIN, "-o", "centres", "--head", "centres", *steps)
    run(*TRAIN, "-o", "heatmap", "--head", "heatmap", *steps)
    run(*TRAIN, "-o", "regions", "--steps", 150, "--validate-every", 150)
    patch.undo()
    return folder


@pytest.fixture(autouse=True)
def project(trained, monkeypatch):
    monkeypatch.chdir(trained)
    return trained


def found(name, session, run_name="TS_5", config="config.json"):
    return open_project(config).read_picks(run_name, PicksKey(name, "picker", session))


def errors_of(picks, truth):
    return np.linalg.norm(picks.points_xyz[:, None] - truth, axis=-1).min(axis=0)


@pytest.mark.parametrize("model", ["centres", "heatmap"])
def test_particles_are_found_where_they_are(model):
    output = run("detect", "-c", "config.json", "-m", model, "-o", f"*:picker/{model}")
    assert "6 runs: 6 done" in output
    truth = scene(5)[1]
    for name, points in truth.items():
        picks = found(name, model)
        assert len(picks) >= 3
        assert errors_of(picks, points).max() < 15.0
        assert ((picks.scores >= 0) & (picks.scores <= 1)).all()
        assert (np.diff(picks.scores) <= 0).all()
    assert "6 skipped" in run("detect", "-c", "config.json", "-m", model, "-o", f"*:picker/{model}")


def test_of_a_model_of_regions_the_maxima_are_taken():
    run("detect", "-c", "config.json", "-m", "regions", "-o", "*:picker/regions", "-r", "TS_5")
    run(
        *("segment", "-c", "config.json", "-m", "regions", "-o", "regions:picker/1"),
        *("--picks", "*:picker/peaks", "--picks-method", "peaks", "-r", "TS_5"),
    )
    for name in ("ribosome", "proteasome"):
        detected, peaks = found(name, "regions"), found(name, "peaks")
        assert len(detected) > 0
        np.testing.assert_allclose(detected.points_xyz, peaks.points_xyz)
        np.testing.assert_allclose(detected.scores, peaks.scores)


def test_a_card_says_its_head_and_what_was_calibrated(project):
    card = yaml.safe_load((project / "centres" / "model.yaml").read_text())
    assert card["head"] == "centres"
    assert card["n_channels"] == 15
    assert np.shape(card["head_settings"]["probability"]) == (2, 2)
    assert np.shape(card["head_settings"]["sigma_scale"]) == (2, 3)
    assert all(0 <= entry["score_threshold"] <= 1 for entry in card["objects"])
    card = yaml.safe_load((project / "heatmap" / "model.yaml").read_text())
    assert card["n_channels"] == 2
    assert "sigma_scale" not in card["head_settings"]
    with (project / "heatmap" / "curve.csv").open() as file:
        last = list(csv.DictReader(file))[-1]
    assert {"soft_dice", "heat_score", "top_1", "top_5"} <= last.keys()
    assert float(last["heat_score"]) > 0.3
    assert "weights: ok" in run("model", "check", "centres")


def test_standard_deviations_go_to_the_record_the_table_and_matches(project):
    run("detect", "-c", "config.json", "-m", "centres", "-o", "*:picker/csv", "--csv", "sigma.csv")
    with (project / "sigma.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert ",".join(rows[0]) == "run,object,x,y,z,score,sigma_x,sigma_y,sigma_z"
    here = [row for row in rows if (row["run"], row["object"]) == ("TS_5", "ribosome")]
    picks = found("ribosome", "csv")
    assert len(here) == len(picks)
    points = [[float(row[axis]) for axis in "xyz"] for row in here]
    np.testing.assert_allclose(points, picks.points_xyz)
    assert all(0.1 < float(row[f"sigma_{axis}"]) < 60 for row in here for axis in "xyz")
    run(
        *("evaluate", "-c", "config.json", "--reference", "*:curator/1", "-o", "scores"),
        *("--candidate", "*:picker/csv"),
    )
    with (project / "scores" / "matches.csv").open() as file:
        matches = list(csv.DictReader(line for line in file if not line.startswith("#")))
    candidates = [row for row in matches if row["score"]]
    assert candidates
    assert all(float(row["sigma_x_angstrom"]) > 0 for row in candidates)
    # they stay with the picks that a filter keeps
    run(
        *("filter", "-c", "config.json", "-i", "ribosome:picker/csv", "-o", "ribosome:picker/two"),
        *("--top", "*=2"),
    )
    key = PicksKey("ribosome", "picker", "two")
    sigmas = open_project("config.json").picks_provenance("TS_5", key)["sigmas_angstrom"]
    kept = found("ribosome", "two")
    assert len(sigmas) == len(kept) == 2
    for point, own in zip(kept.points_xyz, sigmas, strict=True):
        row = here[int(np.argmin(np.linalg.norm(np.array(points) - point, axis=1)))]
        np.testing.assert_allclose(own, [float(row[f"sigma_{axis}"]) for axis in "xyz"], atol=1e-3)
    # a second call with the same table renews it; another file is kept
    run("detect", "-c", "config.json", "-m", "centres", "-o", "*:picker/csv", "--csv", "sigma.csv")
    (project / "mine.csv").write_text("a,b\n1,2\n")
    output = run(
        *("detect", "-c", "config.json", "-m", "centres", "-o", "*:picker/csv2"),
        *("--csv", "mine.csv"),
        code=2,
    )
    assert "mine.csv" in output
    assert (project / "mine.csv").read_text() == "a,b\n1,2\n"


def test_only_the_best_and_only_what_passes_a_threshold_over_all_runs():
    run("detect", "-c", "config.json", "-m", "centres", "-o", "*:picker/top", "--top", "*=1")
    assert len(found("ribosome", "top")) == 1
    everything = found("ribosome", "centres").scores.max()
    assert found("ribosome", "top").scores[0] == everything
    run(
        *("detect", "-c", "config.json", "-m", "centres", "-o", "*:picker/half"),
        *("--top", "*=1", "--quantile", "*=0.5"),
    )
    counts = [len(found("ribosome", "half", f"TS_{number}")) for number in range(6)]
    assert sum(counts) == 3


def test_workers_give_the_same_picks():
    run(
        *("detect", "-c", "config.json", "-m", "centres", "-o", "*:picker/workers"),
        *("--workers", 2, "-r", "TS_4", "-r", "TS_5"),
    )
    run("detect", "-c", "config.json", "-m", "centres", "-o", "*:picker/centres", "-r", "TS_5")
    one, two = found("ribosome", "workers"), found("ribosome", "centres")
    np.testing.assert_allclose(one.points_xyz, two.points_xyz, atol=0.1)


def test_a_tomogram_of_another_spacing_is_brought_to_the_model_s(tmp_path):
    volume, truth = scene(11, spacing=7.0, shape=(30, 38, 46))
    project_of(
        tmp_path,
        {"TS_9": volume},
        {},
        tomogram=TomogramKey("wbp", 7.0),
        objects=OBJECTS,
    )
    config = tmp_path / "config.json"
    run("detect", "-c", config, "-m", "centres", "-o", "*:picker/1")
    for name, points in truth.items():
        picks = found(name, "1", "TS_9", config)
        assert errors_of(picks, points).max() < 20.0
        assert (picks.points_xyz <= np.array([45, 37, 29]) * 7.0 + 1e-6).all()


def test_outside_a_mask_nothing_is_found():
    inside = np.zeros(SHAPE_ZYX, np.uint8)
    inside[:, :, : SHAPE_ZYX[2] // 2] = 1
    open_project("config.json").write_segmentation(
        "TS_5",
        SegmentationKey("half", "curator", "1", 10.0),
        [(0, inside)],
        shape_zyx=SHAPE_ZYX,
        provenance={"producer": "test"},
        overwrite=True,
    )
    run(
        *("detect", "-c", "config.json", "-m", "centres", "-o", "*:picker/masked", "-r", "TS_5"),
        *("--mask", "half:curator/1"),
    )
    everything = found("ribosome", "centres").points_xyz
    picks = found("ribosome", "masked")
    assert (picks.points_xyz[:, 0] <= 10 * SHAPE_ZYX[2] / 2).all()
    assert len(picks) == (everything[:, 0] < 10 * (SHAPE_ZYX[2] // 2 - 0.5)).sum()


def test_members_are_trained_and_used_together(project):
    run(
        *TRAIN,
        *("-o", "members", "--head", "centres", "--members", 2, "--steps", 40),
        *("--validate-every", 40),
    )
    cards = [
        yaml.safe_load((project / "members" / f"member_{n}" / "model.yaml").read_text())
        for n in (1, 2)
    ]
    assert cards[0]["ensemble"] == cards[1]["ensemble"]
    assert cards[0]["ensemble"]["members"] == 2
    assert cards[0]["weights_sha256"] != cards[1]["weights_sha256"]
    run("detect", "-c", "config.json", "-m", "members", "-o", "*:members/1", "-r", "TS_5")
    record = open_project("config.json").picks_provenance(
        "TS_5", PicksKey("ribosome", "members", "1")
    )
    assert len(record["models"]) == 2
    thresholds = cards[0]["ensemble"]["thresholds"]
    assert record["settings"]["score_threshold"] == pytest.approx(thresholds["ribosome"])


def test_wrong_inputs_are_said_in_one_line(project):
    output = run("segment", "-c", "config.json", "-m", "centres", code=2)
    assert "head 'centres', which finds points, not regions: use copick-picker detect" in output
    output = run("detect", "-c", "config.json", "-m", "nothing", code=2)
    assert "no model folder 'nothing'" in output
    output = run(*TRAIN, "-o", "x", "--head", "center", code=2)
    assert "no head 'center'" in output
    assert "centres, heatmap, softmax" in output
    output = run(*TRAIN, "-o", "x", "--head", "heatmap", "--heatmap-sigma", "ribosome=5", code=2)
    assert "ribosome" in output
    assert "output voxel" in output
    output = run(*TRAIN, "-o", "x", "--head", "heatmap", "--loss", "dice-ce", code=2)
    assert "known: bce, focal, top-k" in output
    card = yaml.safe_load((project / "centres" / "model.yaml").read_text())
    broken = project / "broken"
    broken.mkdir(exist_ok=True)
    for file in (project / "centres").iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    card["n_channels"] = 13
    (broken / "model.yaml").write_text(yaml.safe_dump(card))
    output = run("detect", "-c", "config.json", "-m", "broken", code=2)
    assert "the head .centres. of 2 objects has 15 channels; the card says 13" in output.replace(
        "'", "."
    )
    assert "head 'centres'" in output


def test_the_summary_counts_what_was_found(project):
    run(
        *("detect", "-c", "config.json", "-m", "regions", "-o", "*:picker/json"),
        *("--json", "out.json"),
    )
    content = json.loads((project / "out.json").read_text())
    assert content["counts"] == {"done": 6}
    assert content["objects"]["ribosome"]["picks"] >= 6
