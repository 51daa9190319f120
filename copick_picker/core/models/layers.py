"""Layers that several networks share: norms, pre-activation blocks, resizing, the last layer."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from copick_picker.errors import CheckpointError, choices_text

_GROUPS = 8
_BACKGROUND_BIAS = 3.0
OUTPUT_STRIDES = (1, 2, 4, 8, 16)
"""Voxels of the window per voxel of the outputs, along each axis, that a network may have."""


class GroupNorm(nn.GroupNorm):
    """Group norm that is exact in either memory layout.

    Wu and He 2018, https://arxiv.org/abs/1803.08494. Torch's kernel for channels that lie innermost
    sums squares on a CPU with errors of 1e-3, so that features are laid out anew there.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (torch's name)
        """Return normalised features (b, c, z, y, x)."""
        return super().forward(input.contiguous() if input.device.type == "cpu" else input)


def _group_norm(channels: int) -> nn.Module:
    groups = max(n for n in range(1, _GROUPS + 1) if channels % n == 0)
    return GroupNorm(groups, channels)


def _instance_norm(channels: int) -> nn.Module:
    return GroupNorm(channels, channels)  # every channel a group of its own


NORMS: dict[str, Callable[[int], nn.Module]] = {
    "batch": nn.BatchNorm3d,
    "group": _group_norm,
    "instance": _instance_norm,
}
"""Name -> norm for a number of channels. Only ``batch`` has fixed statistics in inference; with the
others the output of a voxel depends on all voxels of its window."""


def norm_layer(norm: str, channels: int) -> nn.Module:
    """Return a norm by name.

    Parameters
    ----------
    norm : str
        Name in :data:`NORMS`.
    channels : int
        Channels of the features.

    Raises
    ------
    CheckpointError
        If there is no such norm.

    Examples
    --------
    >>> norm_layer("group", 12).num_groups
    6
    """
    if norm not in NORMS:
        msg = f"no norm '{norm}'; known: {choices_text(NORMS)}"
        raise CheckpointError(msg)
    return NORMS[norm](channels)


def check_settings(architecture: str, settings: dict[str, Any]) -> None:
    """Raise if a value that these networks share makes no sense.

    Parameters
    ----------
    architecture : str
        Name of the network, for messages.
    settings : dict
        ``norm``, ``dropout`` and ``output_stride``.

    Raises
    ------
    CheckpointError
        With the value and the choices.
    """
    if settings["norm"] not in NORMS:
        msg = f"{architecture}: no norm '{settings['norm']}'; known: {choices_text(NORMS)}"
        raise CheckpointError(msg)
    stride = settings["output_stride"]
    if isinstance(stride, bool) or stride not in OUTPUT_STRIDES:
        msg = f"{architecture}: output_stride is {stride}; expected {choices_text(OUTPUT_STRIDES)}"
        raise CheckpointError(msg)
    dropout = settings["dropout"]
    if not isinstance(dropout, int | float) or not 0 <= dropout < 1:
        msg = f"{architecture}: dropout is {dropout}; expected at least 0 and below 1"
        raise CheckpointError(msg)


class PreActivationBlock(nn.Module):
    """Norm, SiLU and convolution, twice, with a shortcut.

    He et al. 2016, https://arxiv.org/abs/1603.05027, figure 4e, with the SiLU of Elfwing et al.
    2017, https://arxiv.org/abs/1702.03118. Where the shape changes, the shortcut averages blocks of
    voxels, convolves with 1 x 1 x 1 and normalises.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels before and after.
    stride : int
        Step of the first convolution.
    norm : str
        Name in :data:`NORMS`.
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int, norm: str) -> None:
        super().__init__()
        # no norm is named after the convolution that it precedes: see ``segment.prepared``
        self.before_first = norm_layer(norm, in_channels)
        self.first = nn.Conv3d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)
        self.before_second = norm_layer(norm, out_channels)
        self.second = nn.Conv3d(out_channels, out_channels, 3, padding=1)
        self.activation = nn.SiLU()
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.AvgPool3d(stride) if stride != 1 else nn.Identity(),
                nn.Conv3d(in_channels, out_channels, 1, bias=False),
                norm_layer(norm, out_channels),
            )

    def forward(self, features: Tensor) -> Tensor:
        """Return features (b, c, z, y, x)."""
        inner = self.first(self.activation(self.before_first(features)))
        inner = self.second(self.activation(self.before_second(inner)))
        result: Tensor = inner + self.shortcut(features)
        return result


def enlarged(features: Tensor, factor: int) -> Tensor:
    """Return features (b, c, z, y, x) at a finer resolution, by trilinear interpolation.

    A coarse voxel stands at the centre of the block that it came from: no half-voxel shift.

    Parameters
    ----------
    features : torch.Tensor, shape (b, c, z, y, x)
        Features.
    factor : int
        Fine voxels per coarse voxel, along each axis.

    Examples
    --------
    >>> import torch
    >>> enlarged(torch.tensor([0.0, 4.0]).reshape(1, 1, 1, 1, 2), 2)[0, 0, 0, 0].tolist()
    [0.0, 1.0, 3.0, 4.0]
    """
    if factor == 1:
        return features
    return nn.functional.interpolate(
        features, scale_factor=factor, mode="trilinear", align_corners=False
    )


def resized(features: Tensor, stride: int, target_stride: int) -> Tensor:
    """Return features on another grid, by trilinear interpolation.

    A coarser grid is reached by halving again and again: then interpolation between the voxels is
    their mean, and none is left out.

    Parameters
    ----------
    features : torch.Tensor, shape (b, c, z, y, x)
        Features.
    stride, target_stride : int
        Voxels of the window per voxel of the features, now and afterwards.

    Examples
    --------
    >>> import torch
    >>> resized(torch.arange(8.0).reshape(1, 1, 2, 2, 2), 2, 4).item()
    3.5
    """
    if target_stride <= stride:
        return enlarged(features, stride // target_stride)
    return nn.functional.avg_pool3d(features, target_stride // stride)


def last_layer(in_channels: int, out_channels: int) -> nn.Conv3d:
    """Return the 1 x 1 x 1 convolution that gives the outputs; it starts at "mostly background".

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of features and outputs.
    """
    layer = nn.Conv3d(in_channels, out_channels, 1)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
        nn.init.constant_(layer.bias[:1], _BACKGROUND_BIAS)
    return layer
