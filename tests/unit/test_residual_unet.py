"""The package's own network."""

import pytest
import torch

from copick_picker.core.models.layers import enlarged
from copick_picker.core.models.registry import build_network
from copick_picker.core.models.residual_unet import ResidualUNet, folded
from copick_picker.errors import CheckpointError


def small_network(seed: int = 1) -> ResidualUNet:
    torch.manual_seed(seed)
    return ResidualUNet(in_channels=1, out_channels=3, channels=(4, 8), dropout=0.1).eval()


def test_folding_keeps_every_voxel_in_its_block() -> None:
    volume = torch.arange(2 * 4 * 6 * 8, dtype=torch.float32).reshape(2, 1, 4, 6, 8)
    blocks = folded(volume, 2)
    assert blocks.shape == (2, 8, 2, 3, 4)
    expected = volume[1, 0, 2:4, 4:6, 6:8].flatten()
    assert torch.equal(blocks[1, :, 1, 2, 3], expected)


def test_unfolding_puts_a_coarse_voxel_at_the_centre_of_its_block() -> None:
    ramp = torch.arange(8, dtype=torch.float32).expand(1, 1, 4, 4, 8)
    fine = enlarged(ramp, 2)[0, 0, 4, 4]
    assert torch.allclose(fine[2:-2], (torch.arange(16.0) - 0.5)[2:-2] / 2)


def test_logits_have_the_shape_of_the_volume_on_unequal_axes() -> None:
    network = small_network()
    with torch.inference_mode():
        logits = network(torch.randn(2, 1, 8, 12, 20))
    assert logits.shape == (2, 3, 8, 12, 20)
    assert network.window_multiple == 4


def test_a_voxel_far_from_the_edge_does_not_depend_on_the_window() -> None:
    network = small_network()
    volume = torch.randn(1, 1, 64, 64, 64)
    with torch.inference_mode():
        whole = network(volume)
        part = network(volume[:, :, 8:56, 8:56, 8:56])
    inner = slice(20, 28)
    assert torch.allclose(
        whole[:, :, 28:36, 28:36, 28:36], part[:, :, inner, inner, inner], atol=1e-5
    )


def test_an_untrained_network_says_background() -> None:
    torch.manual_seed(3)
    network = ResidualUNet(in_channels=1, out_channels=6, channels=(4, 8), dropout=0.0).eval()
    with torch.inference_mode():
        assert (network(torch.randn(1, 1, 16, 16, 16)).argmax(dim=1) == 0).float().mean() > 0.95


def test_the_registry_builds_it_and_names_a_wrong_parameter() -> None:
    network = build_network("ResidualUNet", {"channels": [4, 8], "dropout": 0.0}, 2)
    assert isinstance(network, ResidualUNet)
    with pytest.raises(CheckpointError, match="channels"):
        build_network("ResidualUNet", {"chanels": [4, 8], "dropout": 0.0}, 2)
