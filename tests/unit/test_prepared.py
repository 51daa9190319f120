"""Prepared networks compute what they computed before."""

from typing import Any

import pytest
import torch
from monai.networks.blocks.acti_norm import ADN
from torch import nn

from copick_picker.core.models.registry import build_network
from copick_picker.core.models.winograd import WinogradConv3d
from copick_picker.core.segment.prepared import InstanceNormPRelu, OneDnnConv3d, prepared

UNET = {"channels": [4, 6, 8, 8], "strides": [2, 2, 1], "num_res_units": 1, "dropout": 0.1}
STRIDED = {"output_stride": 4, "norm": "group", "dropout": 0.1}
NETWORKS: list[tuple[str, dict[str, Any]]] = [
    ("Unet", UNET),
    ("Unet", {**UNET, "num_res_units": 2}),
    ("Unet", {**UNET, "channels": [24, 32], "strides": [1]}),
    ("AttentionUnet", {"channels": [4, 6, 8], "strides": [2, 2], "dropout": 0.1}),
    ("ResidualUNet", {"channels": [4, 6, 8], "dropout": 0.1}),
    ("FeaturePyramid", STRIDED | {"channels": [4, 8, 24, 32]}),
    ("FeaturePyramid", STRIDED | {"channels": [4, 8, 24], "norm": "batch", "fold": 2}),
    ("ResNet", STRIDED | {"depth": 18, "width": 8, "norm": "batch"}),
    ("ResNet", STRIDED | {"depth": 50, "width": 4, "norm": "instance"}),
]
CPU = torch.device("cpu")


def with_random_state(network: nn.Module) -> nn.Module:
    """Give norms and slopes values of their own, so that a forgotten one shows."""
    torch.manual_seed(3)
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            value.add_(torch.rand_like(value) * 0.3)
        assert name
    return network.eval()


@pytest.mark.parametrize(("architecture", "parameters"), NETWORKS)
@pytest.mark.parametrize("threads", [1, 2])
def test_the_output_is_the_same(
    architecture: str, parameters: dict[str, Any], threads: int
) -> None:
    network = with_random_state(build_network(architecture, parameters, 3))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    windows = torch.randn(2, 1, 16, 24, 32)
    held = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.inference_mode():
            expected, found = network(windows), prepared(network, CPU)(windows)
    finally:
        torch.set_num_threads(held)
    scale = expected.abs().max()
    torch.testing.assert_close(found / scale, expected / scale, rtol=0, atol=1e-5)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_wide_convolutions_take_fewer_multiplications() -> None:
    settings = {**UNET, "channels": [24, 32], "strides": [1]}
    network = prepared(build_network("Unet", settings, 3), CPU)
    assert any(isinstance(module, WinogradConv3d) for module in network.modules())


def test_what_is_replaced() -> None:
    network = prepared(build_network("Unet", UNET, 3), CPU)
    kinds = [type(module) for module in network.modules()]
    assert OneDnnConv3d in kinds
    assert InstanceNormPRelu in kinds
    assert nn.Conv3d not in kinds
    assert {
        module.stride for module in network.modules() if isinstance(module, nn.ConvTranspose3d)
    } == {(2, 2, 2)}


@pytest.mark.parametrize(
    "layer",
    [
        nn.ConvTranspose3d(2, 3, 3, padding=2, bias=False),
        nn.ConvTranspose3d(2, 3, 3, padding=1, dilation=2),
        nn.ConvTranspose3d(2, 4, 2, groups=2),
        nn.ConvTranspose3d(2, 3, (1, 2, 3), padding=(0, 1, 1)),
        nn.Conv3d(2, 3, 3, padding="same"),
        nn.Conv3d(2, 3, 3, padding=1, padding_mode="reflect"),
        nn.Conv3d(2, 4, (1, 2, 3), stride=(2, 1, 1), dilation=(1, 2, 1), groups=2),
    ],
)
def test_layers_of_every_kind(layer: nn.Module) -> None:
    network = nn.Sequential(layer).eval()
    windows = torch.randn(1, 2, 5, 6, 7)
    with torch.inference_mode():
        torch.testing.assert_close(prepared(network, CPU)(windows), network(windows))


def test_autocast_computes_in_its_own_type() -> None:
    network = prepared(nn.Sequential(nn.Conv3d(1, 2, 3, padding=1)), CPU)
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        assert network(torch.zeros(1, 1, 4, 4, 4)).dtype == torch.bfloat16


def test_norms_of_either_layout_are_those_of_double_precision() -> None:
    block = ADN("NDA", in_channels=5, act="PRELU", norm="INSTANCE", norm_dim=3, dropout=0.1).eval()
    features = torch.randn(2, 5, 30, 40, 50) * 3 + 20
    with torch.inference_mode():
        expected = block.double()(features.double())
        layer = InstanceNormPRelu(block)
        for layout in (torch.contiguous_format, torch.channels_last_3d):
            found = layer(features.to(memory_format=layout))
            torch.testing.assert_close(found.double(), expected, rtol=0, atol=2e-5)
