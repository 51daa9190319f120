"""The card of a model, ours and octopi's."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from copick_picker.core.models.registry import build_network
from copick_picker.errors import CheckpointError
from copick_picker.settings.model import model_card
from copick_picker.settings.octopi_model import octopi_card

NEEDS_NO_ROW = ("format_version", "name", "objects", "normalization")
OCTOPI = Path(__file__).parents[1] / "fixtures" / "octopi"
RAW: dict[str, Any] = {
    "name": "thin",
    "architecture": "Unet",
    "parameters": {"channels": [4, 8]},
    "window_voxels": [16, 24, 32],
    "objects": [
        {"name": "ribosome", "channel": 2, "radius_angstrom": 150},
        {"name": "apo-ferritin", "channel": 1, "target_fraction": 0.8, "score_threshold": 0.3},
    ],
    "voxel_spacing_angstrom": 10,
}


def octopi_raw(name: str) -> dict[str, Any]:
    raw: dict[str, Any] = yaml.safe_load((OCTOPI / name / "model_config.yaml").read_text())
    return raw


def read_octopi(raw: dict[str, Any]) -> Any:
    return octopi_card(raw, name="m", source="config.yaml", weights_file="best_model.pth")


def test_the_card_in_the_docs_is_valid() -> None:
    page = (Path(__file__).parents[2] / "docs" / "commands" / "model.md").read_text("utf-8")
    example = yaml.safe_load(page.split("```yaml\n")[1].split("```")[0])
    card = model_card(example | {"weights_sha256": 64 * "0"}, "docs")
    build_network(card.architecture, card.parameters, card.channel_count)
    assert all(f"`{key}`" in page for key in type(card).model_fields if key not in NEEDS_NO_ROW)


def test_card_survives_its_file() -> None:
    card = model_card(RAW, "here")
    again = model_card(yaml.safe_load(yaml.safe_dump(card.to_mapping())), "there")
    assert again == card
    assert card.channel_names == {"apo-ferritin": 1, "ribosome": 2}
    assert card.channel_count == 3
    assert card.window_voxels == (16, 24, 32)


def test_unknown_spacing_survives_too() -> None:
    card = model_card(RAW | {"voxel_spacing_angstrom": None}, "here")
    assert model_card(card.to_mapping(), "there") == card


def test_stated_channels_may_outnumber_the_objects() -> None:
    assert model_card(RAW | {"n_channels": 5}, "here").channel_count == 5


def test_digest_ignores_remarks_alone() -> None:
    digest = model_card(RAW, "here").digest()
    remarked = RAW | {"name": "other", "provenance": {"seed": 3}, "fingerprint": [1.0]}
    assert model_card(remarked, "here").digest() == digest
    assert model_card(RAW | {"contrast": "bright"}, "here").digest() != digest


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"windw_voxels": 3}, "unknown key 'windw_voxels'; did you mean 'window_voxels'?"),
        ({"objects": [{"name": "a", "chanel": 1}]}, "did you mean 'channel'?"),
        ({"objects": [{"name": "a", "channel": 0}]}, "objects.0.channel"),
        ({"objects": []}, "'objects'"),
        ({"n_channels": 2}, "an object has channel 2, but the network has 2 channels"),
        ({"window_voxels": [8, 8]}, "window_voxels"),
        ({"window_voxels": [8, 0, 8]}, "window_voxels.1"),
        ({"voxel_spacing_angstrom": -1.0}, "voxel_spacing_angstrom"),
        ({"voxel_spacing_angstrom": float("nan")}, "voxel_spacing_angstrom"),
        ({"contrast": "grey"}, "'dark' or 'bright'"),
        ({"weights_file": "../up.safetensors"}, "weights_file"),
        ({"weights_sha256": "abc"}, "weights_sha256"),
        ({"format_version": 2}, "format_version"),
    ],
)
def test_wrong_card_is_one_line(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(CheckpointError) as error:
        model_card(RAW | change, "model.yaml")
    assert reason in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("double", ["name", "channel"])
def test_two_objects_must_differ(double: str) -> None:
    raw = deepcopy(RAW)
    raw["objects"][0][double] = raw["objects"][1][double]
    with pytest.raises(CheckpointError, match="twice|share a channel"):
        model_card(raw, "model.yaml")


def test_missing_key_is_named() -> None:
    raw = {key: value for key, value in RAW.items() if key != "architecture"}
    with pytest.raises(CheckpointError, match="'architecture' is missing"):
        model_card(raw, "model.yaml")


def test_octopi_card_has_its_window_labels_and_spacing() -> None:
    card = read_octopi(octopi_raw("SegResNet"))
    assert card.architecture == "SegResNet"
    assert card.window_voxels == (32, 32, 32)
    assert card.channel_names == {"apo-ferritin": 1, "ribosome": 2, "virus-like-particle": 3}
    assert card.channel_count == 4
    assert card.voxel_spacing_angstrom == 10.0
    assert card.home == "octopi"
    assert (card.augmentation_set, card.augmentation_count) == ("octopi", 4)
    assert (card.overlap, card.blending) == (0.5, "constant")


def test_octopi_spacing_from_the_tomogram_uri_or_unknown() -> None:
    raw = octopi_raw("Unet")
    del raw["dataloader"]["voxel_size"]
    assert read_octopi(raw).voxel_spacing_angstrom == 10.0
    raw["dataloader"]["tomo_uris"] = ["wbp"]
    assert read_octopi(raw).voxel_spacing_angstrom is None
    del raw["dataloader"]
    assert read_octopi(raw).voxel_spacing_angstrom is None


def test_octopi_defaults_fill_a_short_unet() -> None:
    raw = octopi_raw("Unet")
    raw["model"] = {"architecture": "Unet", "num_classes": 4, "dim_in": 96}
    assert read_octopi(raw).parameters["channels"] == [48, 64, 80, 80]


def test_octopi_labels_may_leave_channels_unnamed() -> None:
    raw = octopi_raw("Unet")
    raw["labels"] = {"ribosome": 2}
    card = read_octopi(raw)
    assert card.channel_names == {"ribosome": 2}
    assert card.channel_count == 4


def test_octopi_file_without_settings_is_refused_clearly() -> None:
    raw = octopi_raw("Unet") | {"model": None}
    with pytest.raises(CheckpointError, match="AttentionUnet") as error:
        read_octopi(raw)
    assert "model: None" in str(error.value)


@pytest.mark.parametrize("key", ["architecture", "num_classes", "dim_in"])
def test_octopi_file_without_a_needed_key_names_it(key: str) -> None:
    raw = octopi_raw("Unet")
    del raw["model"][key]
    with pytest.raises(CheckpointError, match=f"'model' has no {key}"):
        read_octopi(raw)


def test_octopi_file_without_labels_is_refused() -> None:
    with pytest.raises(CheckpointError, match="labels"):
        read_octopi(octopi_raw("Unet") | {"labels": None})


def test_a_head_says_itself_which_channels_it_has() -> None:
    page = (Path(__file__).parents[2] / "docs" / "commands" / "model.md").read_text("utf-8")
    raw = yaml.safe_load(page.split("```yaml\n")[1].split("```")[0]) | {"weights_sha256": 64 * "0"}
    raw["objects"], raw["n_channels"] = raw["objects"][:1], 1
    raw["objects"][0]["channel"] = 1
    with pytest.raises(CheckpointError, match="channel 1, but the network has 1 channels"):
        model_card(raw, "docs")
    assert model_card(raw | {"head": "points"}, "docs").channel_count == 1
