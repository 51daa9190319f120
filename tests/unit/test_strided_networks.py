"""FeaturePyramid, ResNet and ResidualUNet: outputs on a chosen grid, norms, wrong parameters."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from copick_picker.core.heads.head import build_head, outputs_of
from copick_picker.core.heads.rules import HeadRules
from copick_picker.core.models.layers import NORMS, GroupNorm, resized
from copick_picker.core.models.registry import build_network
from copick_picker.core.segment.device import arithmetic
from copick_picker.core.segment.prepared import prepared
from copick_picker.errors import CheckpointError, SettingsError

PYRAMID: dict[str, Any] = {
    "channels": [4, 6, 8, 10, 12],
    "output_stride": 4,
    "norm": "group",
    "dropout": 0.1,
}
FOLDED = PYRAMID | {"channels": [4, 6, 8, 10], "fold": 2}
RESNET: dict[str, Any] = {
    "depth": 18,
    "width": 4,
    "output_stride": 4,
    "norm": "batch",
    "dropout": 0.1,
}
WINDOW = (16, 32, 48)
CPU = torch.device("cpu")


def built(name: str, parameters: dict[str, Any], seed: int = 3) -> nn.Module:
    torch.manual_seed(seed)
    return build_network(name, parameters, 3)


def coarse_of(network: nn.Module, volumes: Tensor, stride: int) -> Tensor:
    return outputs_of(network, volumes, output_stride=stride)


NETWORKS = [
    *[("FeaturePyramid", PYRAMID | {"output_stride": stride}) for stride in (1, 4, 8, 16)],
    *[("FeaturePyramid", FOLDED | {"norm": norm}) for norm in NORMS],
    ("FeaturePyramid", FOLDED | {"output_stride": 2, "squeeze_excite": False}),
    *[("ResNet", RESNET | {"output_stride": stride, "width": 2}) for stride in (1, 2, 16)],
    *[("ResNet", RESNET | {"norm": norm, "output_stride": 8}) for norm in NORMS],
    ("ResNet", RESNET | {"depth": 34, "output_stride": 16}),
    ("ResNet", RESNET | {"depth": 50, "output_stride": 16}),
    ("ResidualUNet", {"channels": [4, 6, 8], "dropout": 0.1, "output_stride": 4}),
]


@pytest.mark.parametrize(("name", "parameters"), NETWORKS)
def test_outputs_lie_on_the_chosen_grid_and_on_the_windows(
    name: str, parameters: dict[str, Any]
) -> None:
    network, stride = built(name, parameters).eval(), parameters["output_stride"]
    volumes = torch.randn(2, 1, *WINDOW)
    with torch.inference_mode():
        coarse, fine = coarse_of(network, volumes, stride), network(volumes)
    assert coarse.shape == (2, 3, *(side // stride for side in WINDOW))
    assert fine.shape == (2, 3, *WINDOW)
    if stride == 1:
        assert torch.equal(fine, coarse)
    else:  # a block's mean is near its coarse voxel; interpolation adds no extremes
        assert fine.amax() <= coarse.amax() + 1e-5
        means = nn.functional.avg_pool3d(fine, stride)
        assert (means - coarse).abs().mean() < 0.5 * coarse.std()
    with torch.inference_mode():
        alone = network(volumes[1:])
        fast = prepared(network, CPU)(volumes)
    torch.testing.assert_close(alone, fine[1:], rtol=0, atol=1e-4)
    torch.testing.assert_close(fast, fine, rtol=0, atol=1e-4 * float(fine.abs().max()))


@pytest.mark.parametrize(("name", "parameters"), NETWORKS)
def test_every_network_learns_a_step_with_softmax(name: str, parameters: dict[str, Any]) -> None:
    network, stride = built(name, parameters).train(), parameters["output_stride"]
    rules = HeadRules(2, "spheres", 0.5, stride, "cross-entropy", {}, (1.0, 2.0, 2.0))
    loss = build_head("softmax", rules).loss()
    volumes, sides = torch.randn(2, 1, *WINDOW), [side // stride for side in WINDOW]
    targets = torch.randint(0, 3, (2, *sides))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05)
    losses = []
    for _ in range(3):
        optimizer.zero_grad()
        torch.manual_seed(0)
        value = loss(coarse_of(network, volumes, stride), targets)
        value.backward()
        optimizer.step()
        losses.append(float(value.detach()))
    assert losses[-1] < losses[0]
    missing = [key for key, value in network.named_parameters() if value.grad is None]
    assert missing == []


@pytest.mark.parametrize(
    ("name", "parameters", "expected"),
    [
        ("FeaturePyramid", PYRAMID, 16),
        ("FeaturePyramid", PYRAMID | {"fold": 2}, 32),
        ("ResNet", RESNET, 4),
        ("ResidualUNet", {"channels": [4, 6, 8], "dropout": 0.0, "output_stride": 4}, 8),
    ],
)
def test_windows_are_multiples_of_the_deepest_grid(
    name: str, parameters: dict[str, Any], expected: int
) -> None:
    network = built(name, parameters).eval()
    assert network.window_multiple == expected
    window = (expected, 3 * expected, 2 * expected)
    with torch.inference_mode():
        assert network(torch.zeros(1, 1, *window)).shape == (1, 3, *window)


@pytest.mark.parametrize(
    ("name", "parameters", "reach"),
    [
        ("FeaturePyramid", {**PYRAMID, "channels": [4, 4, 4], "squeeze_excite": False}, 44),
        ("ResNet", RESNET | {"output_stride": 2}, 44),
    ],
)
def test_with_fixed_statistics_only_the_surroundings_count(
    name: str, parameters: dict[str, Any], reach: int
) -> None:
    network = built(name, parameters | {"norm": "batch"}).eval()
    volume = torch.randn(1, 1, 16, 16, 144)
    other = volume.clone()
    other[..., 120:] += 5.0
    with torch.inference_mode():
        before, after = network(volume), network(other)
    assert torch.allclose(before[..., : 120 - reach], after[..., : 120 - reach], atol=1e-5)
    assert not torch.allclose(before[..., 124:], after[..., 124:], atol=1e-2)


@pytest.mark.parametrize("norm", NORMS)
def test_only_batch_norm_leaves_a_far_voxel_alone(norm: str) -> None:
    network = built("ResNet", RESNET | {"norm": norm, "output_stride": 2}).eval()
    volume = torch.randn(1, 1, 8, 8, 128)
    other = volume.clone()
    other[..., 120:] += 20.0
    with torch.inference_mode():
        same = torch.allclose(network(volume)[..., :16], network(other)[..., :16], atol=1e-6)
    assert same is (norm == "batch")


@pytest.mark.parametrize(("name", "parameters"), [("FeaturePyramid", PYRAMID), ("ResNet", RESNET)])
def test_an_untrained_network_says_background(name: str, parameters: dict[str, Any]) -> None:
    network = built(name, parameters | {"norm": "group"}).eval()
    assert isinstance(network.head, nn.Conv3d)
    assert network.head.bias is not None
    assert network.head.bias.tolist() == [3.0, 0.0, 0.0]
    with torch.inference_mode():
        labels = network(torch.randn(1, 1, *WINDOW)).argmax(dim=1)
    assert (labels == 0).float().mean() > 0.9


@pytest.mark.parametrize(("name", "parameters"), [("FeaturePyramid", PYRAMID), ("ResNet", RESNET)])
def test_bfloat16_and_channels_last_give_nearly_the_same(
    name: str, parameters: dict[str, Any]
) -> None:
    network = built(name, parameters).eval()
    volumes = torch.randn(1, 1, *WINDOW)
    with torch.inference_mode():
        expected = network(volumes)
        with arithmetic(CPU, "bf16"):
            half = network(volumes).float()
        nn.utils.convert_conv3d_weight_memory_format(network, torch.channels_last_3d)
        last = network(volumes.to(memory_format=torch.channels_last_3d))
    scale = float(expected.abs().max())
    torch.testing.assert_close(half, expected, rtol=0, atol=0.1 * scale)
    torch.testing.assert_close(last, expected, rtol=0, atol=1e-4 * scale)


def test_norms_of_either_layout_are_those_of_double_precision() -> None:
    features = torch.randn(1, 6, 30, 40, 50) * 3 + 20
    expected = nn.functional.group_norm(features.double(), 3)
    for layout in (torch.contiguous_format, torch.channels_last_3d):
        found = GroupNorm(3, 6)(features.to(memory_format=layout))
        torch.testing.assert_close(found.double(), expected, rtol=0, atol=2e-5)


def test_a_blob_stays_at_its_place_on_every_grid() -> None:
    grid = torch.stack(torch.meshgrid(*(torch.arange(32.0) for _ in range(3)), indexing="ij"))
    centre = torch.tensor([13.5, 17.5, 9.5])[:, None, None, None]
    blob = torch.exp(-((grid - centre) ** 2).sum(dim=0) / 18.0)[None, None]
    for stride, other in ((1, 2), (1, 4), (2, 1), (4, 1)):
        start = resized(blob, 1, stride)
        found = resized(resized(start, stride, other), other, 1)[0, 0]
        middle = (grid * found).sum(dim=(1, 2, 3)) / found.sum()
        torch.testing.assert_close(middle, centre.flatten(), rtol=0, atol=0.02)


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("FeaturePyramid", PYRAMID | {"norm": "layer"}, "no norm 'layer'; known: batch, group"),
        ("FeaturePyramid", PYRAMID | {"output_stride": 3}, "output_stride is 3; expected 1, 2, 4"),
        ("FeaturePyramid", PYRAMID | {"channels": [4, 8], "output_stride": 8}, "strides 1, 2"),
        ("FeaturePyramid", PYRAMID | {"fold": 2, "output_stride": 1}, "strides 2, 4, 8, 16, 32"),
        ("FeaturePyramid", PYRAMID | {"fold": 3}, "fold is 3; expected 1, 2, 4"),
        ("FeaturePyramid", PYRAMID | {"channels": [8]}, "two or more widths"),
        ("FeaturePyramid", PYRAMID | {"dropout": 1.0}, "dropout is 1.0"),
        ("FeaturePyramid", PYRAMID | {"widths": [4]}, "has no parameter 'widths'"),
        ("ResNet", RESNET | {"depth": 20}, "depth is 20; expected 18, 34, 50"),
        ("ResNet", RESNET | {"width": 0}, "width is 0"),
        ("ResNet", RESNET | {"norm": "Group"}, "no norm 'Group'"),
        ("ResNet", {"depth": 18}, "needs the parameters width, output_stride"),
        ("ResidualUNet", {"channels": [4], "dropout": 0.0, "output_stride": 4}, "expected 1, 2"),
    ],
)
def test_wrong_parameters_are_one_line(name: str, parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError, match=message) as error:
        build_network(name, parameters, 2)
    assert "\n" not in str(error.value)


def test_another_stride_than_the_networks_is_refused() -> None:
    with pytest.raises(SettingsError, match="stride 2; use ResidualUNet, FeaturePyramid"):
        outputs_of(built("ResNet", RESNET), torch.zeros(1, 1, *WINDOW), output_stride=2)
