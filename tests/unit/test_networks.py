"""The registry of networks, loading weights by name, and fingerprints."""

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import nn

from copick_picker.core.models.fingerprint import fingerprint, same_fingerprint
from copick_picker.core.models.head_layers import head_parameters
from copick_picker.core.models.registry import NETWORKS, build_network, load_state
from copick_picker.errors import CheckpointError, DataError, UnknownNameError

OCTOPI = Path(__file__).parents[1] / "fixtures" / "octopi"
UNET: dict[str, Any] = {"channels": [4, 8], "strides": [2], "num_res_units": 1, "dropout": 0.1}

STRIDED: dict[str, Any] = {"output_stride": 2, "norm": "group", "dropout": 0.0}


def octopi_parameters(name: str) -> dict[str, Any]:
    model = yaml.safe_load((OCTOPI / name / "model_config.yaml").read_text())["model"]
    others = ("architecture", "num_classes", "dim_in")
    return {key: value for key, value in model.items() if key not in others}


@pytest.mark.parametrize("name", ["Unet", "DynUNet", "SegResNet"])
def test_octopi_networks_keep_the_shape_of_unequal_windows(name: str) -> None:
    network = build_network(name, octopi_parameters(name), 3).eval()
    with torch.inference_mode():
        assert network(torch.zeros(1, 1, 16, 24, 32)).shape == (1, 3, 16, 24, 32)


def test_attention_unet_is_built_where_its_settings_are_given() -> None:
    network = build_network("AttentionUnet", {"channels": [4, 8], "strides": [2]}, 2).eval()
    with torch.inference_mode():
        assert network(torch.zeros(1, 1, 8, 12, 16)).shape == (1, 2, 8, 12, 16)
    with pytest.raises(CheckpointError, match="needs the parameters channels, strides"):
        build_network("AttentionUnet", {}, 2)


@pytest.mark.parametrize(
    ("name", "parameters", "n_layers"),
    [
        ("Unet", None, 1),
        ("DynUNet", None, None),
        ("SegResNet", None, None),
        ("SwinUNETR", None, 1),
        ("AttentionUnet", {"channels": [4, 8], "strides": [2]}, 1),
        ("ResidualUNet", {"channels": [4, 8], "dropout": 0.0}, 1),
        ("ResNet", STRIDED | {"depth": 18, "width": 2}, 1),
        ("FeaturePyramid", STRIDED | {"channels": [4, 8]}, 1),
    ],
)
def test_the_head_is_what_gives_the_outputs(
    name: str, parameters: dict[str, Any] | None, n_layers: int | None
) -> None:
    given = octopi_parameters(name) if parameters is None else parameters
    three, five = build_network(name, given, 3), build_network(name, given, 5)
    sizes = {key: value.shape for key, value in five.named_parameters()}
    resized = {key for key, value in three.named_parameters() if value.shape != sizes[key]}
    head = head_parameters(three)
    assert head
    assert head <= resized  # MONAI's UNet has one more layer that depends on the outputs
    biases = [key for key in head if key.endswith("bias")]
    assert len(biases) == (n_layers or len(resized) // 2)


def test_unknown_architecture_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"did you mean 'Unet'\?.*SwinUNETR") as error:
        build_network("UNet", UNET, 2)
    assert all(name in str(error.value) for name in NETWORKS)


@pytest.mark.parametrize("name", ["DynUNet", "SegResNet", "SwinUNETR", "Unet"])
def test_unknown_and_missing_parameters_are_named(name: str) -> None:
    parameters = octopi_parameters(name)
    with pytest.raises(CheckpointError, match="has no parameter 'dropuot'"):
        build_network(name, parameters | {"dropuot": 0.1}, 2)
    gone, *_ = parameters
    with pytest.raises(CheckpointError, match=f"needs the parameters {gone}"):
        build_network(name, {key: parameters[key] for key in parameters if key != gone}, 2)


def test_parameters_that_do_not_fit_each_other_are_one_line() -> None:
    with pytest.raises(CheckpointError, match="Unet cannot be built") as error:
        build_network("Unet", UNET | {"strides": []}, 2)
    assert "\n" not in str(error.value)


def test_state_survives_and_faults_are_listed_by_kind() -> None:
    source, target = build_network("Unet", UNET, 3), build_network("Unet", UNET, 3)
    state = dict(source.state_dict())
    load_state(target, state)
    for name, tensor in target.state_dict().items():
        assert torch.equal(tensor, state[name])
    lost = next(iter(state))
    state["extra.weight"] = state.pop(lost)
    with pytest.raises(CheckpointError) as error:
        load_state(target, state)
    assert f"1 tensors missing in the file: {lost}" in str(error.value)
    assert "1 tensors unknown to the network: extra.weight" in str(error.value)


def test_wrong_channel_count_shows_both_shapes() -> None:
    state = build_network("Unet", UNET, 3).state_dict()
    with pytest.raises(CheckpointError) as error:
        load_state(build_network("Unet", UNET, 5), state)
    assert "file (3,), network (5,)" in str(error.value)
    assert "\n" not in str(error.value)


def test_weights_that_are_not_finite_are_refused() -> None:
    network = build_network("Unet", UNET, 3)
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    name = next(iter(state))
    state[name].view(-1)[0] = torch.nan
    with pytest.raises(CheckpointError, match=f"1 tensors not finite: {name}"):
        load_state(network, state)


def test_fingerprint_notices_a_changed_weight_and_a_changed_setting() -> None:
    torch.manual_seed(3)
    network = build_network("Unet", UNET, 3)
    before = fingerprint(network, (8, 12, 16))
    assert len(before) == 9
    assert same_fingerprint(before, fingerprint(network, (8, 12, 16)))
    other = build_network("Unet", UNET | {"num_res_units": 0}, 3)
    assert not same_fingerprint(before, fingerprint(other, (8, 12, 16)))
    with torch.no_grad():
        next(network.parameters())[0] += 0.5
    assert not same_fingerprint(before, fingerprint(network, (8, 12, 16)))
    assert not same_fingerprint(before, before[:3])


def test_fingerprint_refuses_a_window_that_does_not_fit() -> None:
    segresnet = build_network("SegResNet", octopi_parameters("SegResNet"), 2)
    with pytest.raises(DataError, match="window of"):
        fingerprint(segresnet, (7, 8, 8))
    with pytest.raises(DataError, match="returns shape"):
        fingerprint(nn.AvgPool3d(2), (8, 8, 8))
