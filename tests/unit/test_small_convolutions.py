"""Convolutions over fewer voxels than their kernel, under autocast to bfloat16."""

import pytest
import torch
from torch import nn

from copick_picker.core.models.small_convolutions import SmallConvolutionsInFloat32
from copick_picker.core.segment.device import arithmetic

SHAPES_ZYX = [(2, 2, 2), (2, 4, 3), (1, 5, 1), (4, 6, 5)]


def fill_freed_memory() -> None:
    """Leave NaN where memory is handed out next."""
    blocks = [torch.full((4**n,), float("nan")) for n in range(3, 11) for _ in range(4)]
    del blocks


@pytest.mark.parametrize("kind", [nn.Conv3d, nn.ConvTranspose3d])
@pytest.mark.parametrize("shape_zyx", SHAPES_ZYX)
def test_gradients_are_those_of_float32(shape_zyx: tuple[int, int, int], kind: type) -> None:
    torch.manual_seed(1)
    layer = kind(24, 12, 3, padding=1)
    features = torch.randn(2, 24, *shape_zyx)

    def gradient() -> torch.Tensor:
        layer.zero_grad()
        fill_freed_memory()
        layer(features).float().square().sum().backward()
        result: torch.Tensor = layer.weight.grad.clone()
        return result

    exact = gradient()
    with torch.autocast("cpu", torch.bfloat16), SmallConvolutionsInFloat32():
        found = [gradient() for _ in range(3)]
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])
    torch.testing.assert_close(found[0], exact, rtol=0.05, atol=0.05 * float(exact.abs().max()))


@pytest.mark.parametrize("shape_zyx", SHAPES_ZYX)
def test_results_are_those_of_float32_in_use(shape_zyx: tuple[int, int, int]) -> None:
    torch.manual_seed(1)
    layer = nn.Conv3d(24, 12, 3, padding=1)
    features = torch.randn(1, 24, *shape_zyx)
    with torch.inference_mode():
        exact = layer(features)
        for _ in range(3):
            fill_freed_memory()
            with arithmetic(torch.device("cpu"), "bf16"):
                found = layer(features).float()
            torch.testing.assert_close(
                found, exact, rtol=0.05, atol=0.02 * float(exact.abs().max())
            )


def test_without_autocast_nothing_changes() -> None:
    features, weights = torch.randn(1, 2, 2, 3, 4), torch.randn(3, 2, 3, 3, 3)
    plain = torch.conv3d(features, weights, padding=1)
    with SmallConvolutionsInFloat32():
        assert torch.equal(torch.conv3d(features, weights, padding=1), plain)
