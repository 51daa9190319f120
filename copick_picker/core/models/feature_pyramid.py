"""A feature pyramid: every level of a residual encoder, brought to one grid and read together.

Lin et al. 2017, https://arxiv.org/abs/1612.03144, for volumes and with one output grid: the levels
are resized to it, halved in width, refined and concatenated. Made for rare large objects, whose
heat map needs few voxels, but much of the tomogram around them.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from copick_picker.core.models.layers import (
    PreActivationBlock,
    check_settings,
    enlarged,
    last_layer,
    norm_layer,
    resized,
)
from copick_picker.core.models.parameters import checked_parameters
from copick_picker.core.models.residual_unet import folded
from copick_picker.errors import CheckpointError, choices_text

_FOLDS = (1, 2, 4)
_SQUEEZE = 4
_NAME = "FeaturePyramid"


def build_feature_pyramid(parameters: Mapping[str, Any], n_channels: int) -> nn.Module:
    """Return a :class:`FeaturePyramid` for tomograms.

    Parameters
    ----------
    parameters : mapping
        ``channels``, ``output_stride``, ``norm`` and ``dropout``; perhaps ``fold`` (1) and
        ``squeeze_excite`` (true).
    n_channels : int
        Channels of the output.

    Raises
    ------
    CheckpointError
        If a parameter is missing, unknown or of no use.
    """
    settings = checked_parameters(
        _NAME,
        parameters,
        required=("channels", "output_stride", "norm", "dropout"),
        optional=("fold", "squeeze_excite"),
    )
    check_settings(_NAME, settings)
    channels, fold = list(settings["channels"]), settings.get("fold", 1)
    if fold not in _FOLDS:
        msg = f"{_NAME}: fold is {fold}; expected {choices_text(_FOLDS)}"
        raise CheckpointError(msg)
    if len(channels) < 2 or min(channels) < 2:
        msg = f"{_NAME}: channels are {channels}; expected two or more widths of at least 2"
        raise CheckpointError(msg)
    strides = [fold * 2**level for level in range(len(channels))]
    if settings["output_stride"] not in strides:
        msg = (
            f"{_NAME}: output_stride is {settings['output_stride']}, but {len(channels)} channels "
            f"with fold {fold} have levels at strides {choices_text(strides)}"
        )
        raise CheckpointError(msg)
    return FeaturePyramid(in_channels=1, out_channels=n_channels, **settings)


class SqueezeExcite(nn.Module):
    """Channels weighted by what their means over the window say: Hu et al. 2018.

    https://arxiv.org/abs/1709.01507, equations 2 to 4.

    Parameters
    ----------
    channels : int
        Channels of the features; a quarter of them in between.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow = max(1, channels // _SQUEEZE)
        self.squeeze = nn.Conv3d(channels, narrow, 1)
        self.excite = nn.Conv3d(narrow, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Return features (b, c, z, y, x)."""
        means = features.mean((2, 3, 4), keepdim=True)
        result: Tensor = features * self.excite(torch.relu(self.squeeze(means))).sigmoid()
        return result


class FeaturePyramid(nn.Module):
    """Residual encoder whose levels meet on one grid; volume in, outputs of the same shape out.

    Parameters
    ----------
    in_channels : int
        Channels of the volume, 1 for a tomogram.
    out_channels : int
        Channels of the outputs.
    channels : sequence of int
        Widths: of the stem, then of each stage, which halves the resolution.
    output_stride : int
        Voxels of the volume per voxel of :meth:`coarse`: that of a level.
    norm : str
        ``group``, ``instance`` or ``batch``.
    dropout : float
        Share of the joined channels that are dropped in training.
    fold : int
        Blocks of fold^3 voxels become channels before the stem, which then costs so much less.
    squeeze_excite : bool
        Whether the joined channels are weighted by their means over the window.

    Notes
    -----
    Every axis of the window must be a multiple of ``window_multiple``, the stride of the deepest
    level. With ``group`` or ``instance`` norm, or with ``squeeze_excite``, an output depends on its
    whole window; with ``batch`` norm and no ``squeeze_excite``, only on the voxels around it. The
    bias of channel 0 starts at 3: "mostly background" for ``softmax``.

    Examples
    --------
    >>> network = FeaturePyramid(1, 3, (4, 6, 8), output_stride=4, norm="group", dropout=0.0)
    >>> volumes = torch.zeros(1, 1, 8, 12, 16)
    >>> network(volumes).shape, network.coarse(volumes).shape
    (torch.Size([1, 3, 8, 12, 16]), torch.Size([1, 3, 2, 3, 4]))
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        channels: Sequence[int],
        *,
        output_stride: int,
        norm: str,
        dropout: float,
        fold: int = 1,
        squeeze_excite: bool = True,
    ) -> None:
        super().__init__()
        widths = list(channels)
        self.output_stride = output_stride
        self.fold = fold
        self.stem = nn.Conv3d(in_channels * fold**3, widths[0], 5, padding=2)
        self.encoder = nn.ModuleList(
            nn.Sequential(
                PreActivationBlock(narrow, wide, stride=2, norm=norm),
                PreActivationBlock(wide, wide, stride=1, norm=norm),
            )
            for narrow, wide in pairwise(widths)
        )
        # the stem's level is read only where the outputs lie on its grid
        self.first_level = 0 if output_stride == fold else 1
        read = widths[self.first_level :]
        self.laterals = nn.ModuleList(nn.Conv3d(w, w // 2, 1, bias=False) for w in read)
        self.refiners = nn.ModuleList(
            PreActivationBlock(w // 2, w // 2, stride=1, norm=norm) for w in read
        )
        joined = sum(w // 2 for w in read)
        wide, narrow = _quarter(joined), _quarter(joined) // 2
        self.dropout = nn.Dropout3d(dropout)
        self.squeeze_excite = SqueezeExcite(joined) if squeeze_excite else nn.Identity()
        self.join = nn.Conv3d(joined, joined, 1, bias=False)
        self.decoder = nn.Sequential(
            PreActivationBlock(joined, wide, stride=1, norm=norm),
            PreActivationBlock(wide, narrow, stride=1, norm=norm),
        )
        self.before_head = norm_layer(norm, narrow)
        self.activation = nn.SiLU()
        self.head = last_layer(narrow, out_channels)
        self.window_multiple = fold * 2 ** (len(widths) - 1)

    def forward(self, volumes: Tensor) -> Tensor:
        """Return outputs (b, c, z, y, x) of volumes (b, channels, z, y, x)."""
        return enlarged(self.coarse(volumes), self.output_stride)

    def coarse(self, volumes: Tensor) -> Tensor:
        """Return outputs (b, c, z / s, y / s, x / s) at the output stride s.

        Parameters
        ----------
        volumes : torch.Tensor, shape (b, channels, z, y, x)
            Windows.
        """
        features = self.stem(folded(volumes, self.fold) if self.fold > 1 else volumes)
        levels, strides = [features], [self.fold]
        for stage in self.encoder:
            levels.append(stage(levels[-1]))
            strides.append(2 * strides[-1])
        parts = [
            refine(self._on_output_grid(level, stride, lateral))
            for level, stride, lateral, refine in zip(
                levels[self.first_level :],
                strides[self.first_level :],
                self.laterals,
                self.refiners,
                strict=True,
            )
        ]
        joined = self.activation(self.dropout(torch.cat(parts, dim=1)))
        features = self.decoder(self.join(self.squeeze_excite(joined)))
        outputs: Tensor = self.head(self.activation(self.before_head(features)))
        return outputs

    def _on_output_grid(self, level: Tensor, stride: int, lateral: nn.Module) -> Tensor:
        """Return a level halved in width, on the output's grid; the order changes only the cost."""
        if stride < self.output_stride:
            result: Tensor = lateral(resized(level, stride, self.output_stride))
            return result
        return resized(lateral(level), stride, self.output_stride)


def _quarter(channels: int) -> int:
    """Return about a quarter of a number of channels that groups of eight divide, as do halves."""
    return max(8, round(channels / 64) * 16)
