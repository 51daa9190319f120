"""Training that starts from a checkpoint of CryoSiam (tests/fixtures/cryosiam/README.md)."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from click.testing import CliRunner
from safetensors.numpy import load_file

from copick_picker.cli.main import console
from copick_picker.records.keys import PicksKey
from copick_picker.records.runs import ObjectSpec
from projects import project_of

CHECKPOINT = Path(__file__).parents[1] / "fixtures" / "cryosiam" / "multiclass" / "model.ckpt"
SHAPE_ZYX = (24, 32, 40)
OBJECTS = (ObjectSpec("ribosome", 2, 60.0), ObjectSpec("apo-ferritin", 5, 50.0))
BACKBONE = "_model_backbone."


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Return the folder of a project of three runs, protein dark."""
    folder = tmp_path_factory.mktemp("start")
    tomograms, picks = {}, {}
    for seed in range(3):
        rng = np.random.default_rng(seed)
        volume = rng.normal(size=SHAPE_ZYX).astype(np.float32)
        for spec, centre in zip(OBJECTS, ((9, 8, 11), (14, 22, 27)), strict=True):
            z, y, x = centre
            volume[z - 3 : z + 4, y - 3 : y + 4, x - 3 : x + 4] -= 3.0
            key = PicksKey(spec.name, "curator", "1")
            picks[f"TS_{seed}", key] = 10.0 * np.array([centre[::-1]], dtype=np.float64)
        tomograms[f"TS_{seed}"] = volume
    project_of(folder, tomograms, picks, objects=OBJECTS)
    return folder


def run(*arguments):
    return CliRunner().invoke(console, [str(part) for part in arguments])


def started(place, start, output, *further):
    return run(
        *("train", "-c", place / "config.json", "-p", "*:curator/1", "-o", place / output),
        *("--start", start, "--patch", 16, "--batch-size", 2, "--threads", 1),
        *("--steps", 2, "--validate-every", 2, *further),
    )


def changed(folder, change):
    """Return a copy of the checkpoint whose content was changed."""
    content = torch.load(CHECKPOINT, weights_only=True)
    change(content)
    torch.save(content, folder / "changed.ckpt")
    return folder / "changed.ckpt"


def test_the_backbone_is_taken_over_by_name_and_the_head_starts_anew(place):
    result = started(place, CHECKPOINT, "model", "--backbone-rate", 0)
    assert result.exit_code == 0, result.output
    assert "start from" in result.output
    assert "tensors loaded; 2 of another shape (semantic_head.6.weight" in result.output
    theirs = torch.load(CHECKPOINT, weights_only=True)["state_dict"]
    ours = load_file(place / "model" / "weights.safetensors")
    for name in ("encoder.conv1.weight", "encoder.layer4.0.conv2.weight", "decoder.layer1.bias"):
        assert np.array_equal(ours[name], theirs[BACKBONE + name].numpy())
    assert ours["semantic_head.6.weight"].shape[0] == len(OBJECTS) + 1
    card = yaml.safe_load((place / "model" / "model.yaml").read_text())
    assert card["architecture"] == "CryoSiam"
    assert card["contrast"] == "bright"  # as CryoSiam sees protein; the project's is turned round
    assert card["window_voxels"] == [16, 16, 16]
    assert card["provenance"]["started_from"] == "model"
    assert run("model", "check", place / "model").exit_code == 0
    segmented = run(
        *("segment", "-c", place / "config.json", "-m", place / "model", "-r", "TS_0"),
        *("-i", "wbp@10.0", "-o", "predict:picker/1"),
    )
    assert segmented.exit_code == 0, segmented.output


def test_a_binary_head_starts_from_four_classes(place):
    result = started(place, CHECKPOINT, "one", "--objects", "ribosome", "--dry-run")
    assert result.exit_code == 0, result.output


def test_a_checkpoint_of_another_kind_is_refused_in_one_line(place, tmp_path):
    def drop_head(content):
        del content["hyper_parameters"]["config"]

    def widen(content):
        network = content["hyper_parameters"]["backbone_config"]["parameters"]["network"]
        network["num_filters"] = [16, 32, 64, 128]

    for change, message in (
        (drop_head, "is not a fine-tuned model of CryoSiam"),
        (widen, "encoder.conv1.weight"),
    ):
        result = started(place, changed(tmp_path, change), "none", "--dry-run")
        assert result.exit_code == 2, result.output
        assert message in result.output
        assert "Traceback" not in result.output
        assert not (place / "none").exists()
