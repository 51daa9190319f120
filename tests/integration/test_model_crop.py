"""A model folder that keeps a piece of a real tomogram, and ``copick-picker model check`` on it."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from click.testing import CliRunner, Result

from copick_picker.cli.main import console
from copick_picker.core.models.registry import build_network
from copick_picker.errors import CheckpointError
from copick_picker.project.folders.checkpoints import (
    read_crop,
    read_model_folder,
    write_model_folder,
)
from copick_picker.settings.model import ModelCard, ModelObject
from copick_picker.workflows.models.folder import TomogramCrop, write_model
from projects import tree

CARD = ModelCard(
    name="small",
    architecture="Unet",
    parameters={"channels": [3, 4], "strides": [2], "num_res_units": 1, "dropout": 0.0},
    window_voxels=(8, 12, 16),
    objects=(ModelObject(name="ribosome", channel=1, radius_angstrom=120.0),),
    voxel_spacing_angstrom=10.0,
)
CROP_ZYX = np.random.default_rng(3).normal(size=(6, 10, 14)).astype(np.float32)


def written(folder: Path, *, crop: np.ndarray | None = CROP_ZYX) -> ModelCard:
    torch.manual_seed(5)
    network = build_network(CARD.architecture, CARD.parameters, CARD.channel_count)
    kept = None if crop is None else TomogramCrop(crop, "TS_2", "wbp@10.0", (4, 0, 9))
    return write_model(folder, network, CARD, crop=kept, overwrite=False)


def check(folder: Path) -> Result:
    return CliRunner().invoke(console, ["model", "check", str(folder)])


def refused(folder: Path) -> str:
    result = check(folder)
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.strip().splitlines()
    return line


def test_check_reproduces_the_output_on_the_stored_crop(tmp_path: Path) -> None:
    card = written(tmp_path / "model")
    assert card.crop is not None
    assert (card.crop.run_name, card.crop.corner_zyx) == ("TS_2", (4, 0, 9))
    stored = read_crop(tmp_path / "model", card.crop.model_dump())
    np.testing.assert_array_equal(stored, CROP_ZYX.astype(np.float16))
    result = check(tmp_path / "model")
    assert result.exit_code == 0, result.output
    assert "its output matches the card's fingerprint" in result.output
    assert "the stored crop of TS_2 wbp@10.0 runs; its output matches the card" in result.output


def test_the_same_model_gives_the_same_bytes_and_a_crop_changes_no_prediction(
    tmp_path: Path,
) -> None:
    first, second = written(tmp_path / "one"), written(tmp_path / "two")
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    without = written(tmp_path / "three", crop=None)
    assert first.digest() == second.digest() == without.digest()
    assert sorted(tree(tmp_path / "three")) == ["model.yaml", "weights.safetensors"]
    assert check(tmp_path / "three").exit_code == 0


def test_other_weights_are_noticed_on_the_crop(tmp_path: Path) -> None:
    card = written(tmp_path / "model")
    assert card.crop is not None
    other = card.crop.model_copy(
        update={"fingerprint": tuple(2 * v for v in card.crop.fingerprint)}
    )
    raw = yaml.safe_load((tmp_path / "model" / "model.yaml").read_text())
    raw["crop"] = other.model_dump(mode="json")
    (tmp_path / "model" / "model.yaml").write_text(yaml.safe_dump(raw))
    assert "the stored crop of TS_2 wbp@10.0 gives" in refused(tmp_path / "model")


@pytest.mark.parametrize("damage", ["missing", "cut", "changed", "other array"])
def test_a_damaged_crop_is_one_line(damage: str, tmp_path: Path) -> None:
    written(tmp_path / "model")
    path = tmp_path / "model" / "crop.safetensors"
    data = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "other array":
        state, raw = read_model_folder(tmp_path / "model")
        write_model_folder(
            tmp_path / "model", state, raw, crop=np.zeros((4, 5), np.float16), overwrite=True
        )
    else:
        path.write_bytes(data[:-7] if damage == "cut" else data[:-1] + b"\0")
    text = refused(tmp_path / "model")
    assert "crop.safetensors" in text


@pytest.mark.parametrize(
    ("crop", "reason"),
    [
        (np.zeros((66, 8, 8), np.float32), "sides up to 64"),
        (np.zeros((8, 8), np.float32), "sides up to 64"),
        (np.full((8, 8, 8), 1e6, np.float32), "too large for float16"),
        (np.zeros((7, 8, 8), np.float32), "for a window"),
    ],
    ids=["too long", "flat", "too bright", "odd"],
)
def test_a_crop_that_cannot_be_kept_leaves_no_folder(
    crop: np.ndarray, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match=reason):
        written(tmp_path / "model", crop=crop)
    assert list(tmp_path.iterdir()) == []
