"""The fast convolution computes what the direct one does."""

import numpy as np
import pytest
import torch
from torch import nn

from copick_picker.core.models.winograd import (
    WinogradConv3d,
    is_eligible,
    transform_matrices,
    transformed_kernel,
)


def convolution(c_in: int, c_out: int, *, bias: bool = True) -> nn.Conv3d:
    torch.manual_seed(7)
    return nn.Conv3d(c_in, c_out, 3, padding=1, bias=bias).eval()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_matrices_correlate_any_values_with_any_kernel(seed: int) -> None:
    input_matrix, kernel_matrix, output_matrix = transform_matrices()
    rng = np.random.default_rng(seed)
    values, kernel = rng.normal(size=6), rng.normal(size=3)
    found = output_matrix @ ((kernel_matrix @ kernel) * (input_matrix @ values))
    np.testing.assert_allclose(found, np.correlate(values, kernel), rtol=1e-12)


def test_a_transformed_kernel_has_one_matrix_for_each_place() -> None:
    weight = convolution(24, 32).weight.detach()
    places = transformed_kernel(weight)
    assert places.shape == (216, 24, 32)
    # The last point of each axis is infinity, where the transform is the last row of the kernel.
    torch.testing.assert_close(places[-1], weight[:, :, 2, 2, 2].T)


@pytest.mark.parametrize(
    ("shape_zyx", "batch", "bias"),
    [((8, 12, 16), 1, True), ((9, 14, 11), 2, False), ((17, 8, 13), 1, True)],
)
def test_results_are_those_of_the_direct_sum(
    shape_zyx: tuple[int, int, int], batch: int, *, bias: bool
) -> None:
    direct = convolution(24, 32, bias=bias)
    volume = torch.randn(batch, 24, *shape_zyx)
    with torch.inference_mode():
        found = WinogradConv3d(direct)(volume)
        expected = direct.double()(volume.double())
    assert found.shape == expected.shape
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=2e-5)


def test_short_axes_and_other_types_take_the_direct_way() -> None:
    direct = convolution(24, 24)
    fast = WinogradConv3d(direct)
    thin = torch.randn(1, 24, 3, 20, 20)
    with torch.inference_mode():
        assert torch.equal(fast(thin), direct(thin))
    assert direct.double()(thin.double()).dtype == torch.float64


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv3d(32, 32, 3, padding=1, stride=2),
        nn.Conv3d(32, 32, 3, padding=2, dilation=2),
        nn.Conv3d(32, 32, 3, padding=1, groups=2),
        nn.Conv3d(32, 32, 3, padding=1, padding_mode="reflect"),
        nn.Conv3d(32, 32, 3, padding="same"),
        nn.Conv3d(32, 32, (1, 3, 3), padding=(0, 1, 1)),
        nn.Conv3d(1, 48, 3, padding=1),
        nn.Conv3d(320, 320, 3, padding=1),
        nn.Conv3d(32, 32, 3, padding=1).double(),
        nn.ConvTranspose3d(32, 32, 3, padding=1),
        nn.Identity(),
    ],
)
def test_what_the_fast_way_does_not_compute_is_not_eligible(layer: nn.Module) -> None:
    assert not is_eligible(layer)


def test_plain_convolutions_are_eligible() -> None:
    assert is_eligible(convolution(24, 160))
