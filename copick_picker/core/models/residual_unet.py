"""The package's own network: a small residual 3D U-Net that works at half resolution.

The volume is folded by two (each 2 x 2 x 2 block of voxels becomes eight channels), so that every
convolution runs on an eighth of the voxels; the logits are unfolded by trilinear interpolation.
Objects are detected with balls many voxels wide, which half resolution keeps. Normalisation is by
fixed statistics (batch norm), so that the output of a voxel does not depend on the window it was
seen in.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from copick_picker.core.models.layers import enlarged, last_layer
from copick_picker.core.models.parameters import checked_parameters
from copick_picker.errors import CheckpointError, choices_text

FOLD = 2


def build_residual_unet(parameters: Mapping[str, Any], n_channels: int) -> nn.Module:
    """Return a :class:`ResidualUNet` for tomograms.

    Parameters
    ----------
    parameters : mapping
        ``channels`` and ``dropout``, perhaps ``output_stride``.
    n_channels : int
        Channels of the output, background included.

    Raises
    ------
    CheckpointError
        If a parameter is missing, unknown or of no use.
    """
    settings = checked_parameters(
        "ResidualUNet",
        parameters,
        required=("channels", "dropout"),
        optional=("output_stride", "side_outputs", "side_channels"),
    )
    strides = (1, FOLD) if len(settings["channels"]) < 2 else (1, FOLD, 2 * FOLD)
    if settings.get("output_stride", 1) not in strides:
        msg = f"output_stride is {settings['output_stride']}; expected {choices_text(strides)}"
        raise CheckpointError(msg)
    return ResidualUNet(in_channels=1, out_channels=n_channels, **settings)


class ResidualBlock(nn.Module):
    """Two 3 x 3 x 3 convolutions with batch norm and a shortcut.

    He et al. 2016, https://arxiv.org/abs/1512.03385, figure 2.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels before and after.
    stride : int
        Step of the first convolution; 2 halves each axis.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv3d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)
        self.first_norm = nn.BatchNorm3d(out_channels)
        self.second = nn.Conv3d(out_channels, out_channels, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm3d(out_channels)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.AvgPool3d(stride) if stride != 1 else nn.Identity(),
                nn.Conv3d(in_channels, out_channels, 1, bias=False),
            )
        self.activation = nn.ReLU(inplace=True)

    def forward(self, features: Tensor) -> Tensor:
        """Return features (b, c, z, y, x)."""
        inner = self.activation(self.first_norm(self.first(features)))
        inner = self.second_norm(self.second(inner))
        result: Tensor = self.activation(inner + self.shortcut(features))
        return result


class ResidualUNet(nn.Module):
    """Residual U-Net at half resolution, volume in, logits of the same shape out.

    Parameters
    ----------
    in_channels : int
        Channels of the volume, 1 for a tomogram.
    out_channels : int
        Classes, background included.
    channels : sequence of int
        Widths, from half resolution downwards; each further level halves the resolution.
    dropout : float
        Share of the deepest channels that are dropped in training.
    output_stride : int
        1, or 2 where the loss compares logits at half resolution (:meth:`coarse`) with targets
        pooled to it. The weights are the same, and :meth:`forward` interpolates in both cases. With
        4 the decoder ends one level below, and the head reads the second width.
    side_outputs : int
        Last outputs that have two layers of their own behind the decoder, which learn without
        changing the rest of the network: positions beside probabilities.
    side_channels : int
        Width between these layers.

    Notes
    -----
    Every axis of the window must be a multiple of ``window_multiple``. The head's bias of the
    background class starts at 3, so that training begins from "mostly background".

    Examples
    --------
    >>> import torch
    >>> network = ResidualUNet(in_channels=1, out_channels=3, channels=(4, 8), dropout=0.0)
    >>> network(torch.zeros(1, 1, 8, 12, 16)).shape
    torch.Size([1, 3, 8, 12, 16])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        channels: Sequence[int],
        dropout: float,
        output_stride: int = 1,
        side_outputs: int = 0,
        side_channels: int = 24,
    ) -> None:
        super().__init__()
        self.output_stride = output_stride
        widths = list(channels)
        self.stem = nn.Conv3d(in_channels * FOLD**3, widths[0], 3, padding=1, bias=False)
        self.stem_norm = nn.BatchNorm3d(widths[0])
        self.encoder = nn.ModuleList([ResidualBlock(widths[0], widths[0], 1)])
        for narrow, wide in pairwise(widths):
            self.encoder.append(ResidualBlock(narrow, wide, 2))
        self.bottom = ResidualBlock(widths[-1], widths[-1], 1)
        self.dropout = nn.Dropout3d(dropout)
        self.reducers = nn.ModuleList()
        self.decoder = nn.ModuleList()
        self.shortened = int(output_stride > FOLD)
        for narrow, wide in reversed(list(pairwise(widths))[self.shortened :]):
            self.reducers.append(nn.Conv3d(wide, narrow, 1, bias=False))
            self.decoder.append(ResidualBlock(2 * narrow, narrow, 1))
        width = widths[self.shortened]
        self.head = last_layer(width, out_channels - side_outputs)
        self.side: nn.Module | None = None
        if side_outputs:
            self.side = SideBranch(width, side_channels, side_outputs)
        self.window_multiple = FOLD * 2 ** (len(widths) - 1)

    def forward(self, volumes: Tensor) -> Tensor:
        """Return logits (b, classes, z, y, x) of volumes (b, channels, z, y, x)."""
        return enlarged(self.coarse(volumes), FOLD * 2**self.shortened)

    def coarse(self, volumes: Tensor) -> Tensor:
        """Return logits (b, classes, z / 2, y / 2, x / 2), or a quarter at output stride 4.

        Parameters
        ----------
        volumes : torch.Tensor, shape (b, channels, z, y, x)
            Windows.
        """
        features = torch.relu(self.stem_norm(self.stem(folded(volumes, FOLD))))
        skips = []
        for block in self.encoder:
            features = block(features)
            skips.append(features)
        features = self.dropout(self.bottom(skips.pop()))
        for reducer, block in zip(self.reducers, self.decoder, strict=True):
            upper = enlarged(reducer(features), 2)
            features = block(torch.cat([upper, skips.pop()], dim=1))
        logits: Tensor = self.head(features)
        return logits if self.side is None else torch.cat([logits, self.side(features)], dim=1)


class SideBranch(nn.Module):
    """Outputs of their own from features that they do not change: no gradient flows back.

    Parameters
    ----------
    in_channels : int
        Channels of the features.
    channels : int
        Width in between.
    out_channels : int
        Outputs.
    """

    def __init__(self, in_channels: int, channels: int, out_channels: int) -> None:
        super().__init__()
        self.first = nn.Conv3d(in_channels, channels, 3, padding=1, bias=False)
        self.first_norm = nn.BatchNorm3d(channels)
        self.last = nn.Conv3d(channels, out_channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Return outputs (b, c, z, y, x) of features."""
        inner = torch.relu(self.first_norm(self.first(features.detach())))
        result: Tensor = self.last(inner)
        return result


def folded(volumes: Tensor, fold: int) -> Tensor:
    """Return each block of fold^3 voxels as channels: (b, c, z, y, x) to (b, c fold^3, ...).

    The three-dimensional form of ``torch.nn.functional.pixel_unshuffle``.
    """
    batch, channels, depth, height, width = volumes.shape
    blocks = volumes.reshape(
        batch, channels, depth // fold, fold, height // fold, fold, width // fold, fold
    )
    blocks = blocks.permute(0, 1, 3, 5, 7, 2, 4, 6)
    return blocks.reshape(batch, channels * fold**3, depth // fold, height // fold, width // fold)
