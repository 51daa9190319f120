"""A plain residual encoder with a head at its stride.

He et al. 2016, https://arxiv.org/abs/1512.03385, table 1, with convolutions in three dimensions.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from copick_picker.core.models.layers import check_settings, enlarged, last_layer, norm_layer
from copick_picker.core.models.parameters import checked_parameters
from copick_picker.errors import CheckpointError, choices_text

_BLOCKS: Mapping[int, tuple[int, int, int, int]] = MappingProxyType(
    {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}
)
"""Layers -> blocks of each stage."""
_BOTTLENECK_FROM, _EXPANSION = 50, 4
_NAME = "ResNet"


def build_resnet(parameters: Mapping[str, Any], n_channels: int) -> nn.Module:
    """Return a :class:`ResNet` for tomograms.

    Parameters
    ----------
    parameters : mapping
        ``depth``, ``width``, ``output_stride``, ``norm`` and ``dropout``.
    n_channels : int
        Channels of the output.

    Raises
    ------
    CheckpointError
        If a parameter is missing, unknown or of no use.
    """
    settings = checked_parameters(
        _NAME, parameters, required=("depth", "width", "output_stride", "norm", "dropout")
    )
    check_settings(_NAME, settings)
    if settings["depth"] not in _BLOCKS:
        msg = f"{_NAME}: depth is {settings['depth']}; expected {choices_text(_BLOCKS)}"
        raise CheckpointError(msg)
    if not isinstance(settings["width"], int) or settings["width"] < 1:
        msg = f"{_NAME}: width is {settings['width']}; expected a positive whole number"
        raise CheckpointError(msg)
    return ResNet(in_channels=1, out_channels=n_channels, **settings)


class _Block(nn.Module):
    """Two 3 x 3 x 3 convolutions, or a bottleneck of three, with a shortcut; figure 5."""

    def __init__(
        self, in_channels: int, width: int, *, stride: int, norm: str, bottleneck: bool
    ) -> None:
        super().__init__()
        out_channels = width * _EXPANSION if bottleneck else width
        self.first = nn.Conv3d(
            in_channels,
            width,
            1 if bottleneck else 3,
            stride=1 if bottleneck else stride,
            padding=0 if bottleneck else 1,
            bias=False,
        )
        self.first_norm = norm_layer(norm, width)
        self.second = nn.Conv3d(
            width, width, 3, stride=stride if bottleneck else 1, padding=1, bias=False
        )
        self.second_norm = norm_layer(norm, width)
        self.third: nn.Module = nn.Identity()
        self.third_norm: nn.Module = nn.Identity()
        if bottleneck:
            self.third = nn.Conv3d(width, out_channels, 1, bias=False)
            self.third_norm = norm_layer(norm, out_channels)
        self.is_bottleneck = bottleneck
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.AvgPool3d(stride) if stride != 1 else nn.Identity(),
                nn.Conv3d(in_channels, out_channels, 1, bias=False),
                norm_layer(norm, out_channels),
            )

    def forward(self, features: Tensor) -> Tensor:
        """Return features (b, c, z, y, x)."""
        inner = self.second_norm(self.second(torch.relu(self.first_norm(self.first(features)))))
        if self.is_bottleneck:
            inner = self.third_norm(self.third(torch.relu(inner)))
        result: Tensor = torch.relu(inner + self.shortcut(features))
        return result


class ResNet(nn.Module):
    """Residual encoder with a 1 x 1 x 1 head; volume in, outputs of the same shape out.

    Parameters
    ----------
    in_channels : int
        Channels of the volume, 1 for a tomogram.
    out_channels : int
        Channels of the outputs.
    depth : int
        Layers: 18, 34 or 50.
    width : int
        Channels of the first stage; each further one has twice as many. 64 in the paper.
    output_stride : int
        Voxels of the volume per voxel of :meth:`coarse`. The encoder halves the resolution until it
        is reached, and goes on without.
    norm : str
        ``group``, ``instance`` or ``batch``.
    dropout : float
        Share of the last channels that are dropped in training.

    Notes
    -----
    Every axis of the window must be a multiple of ``window_multiple``, the output stride. With
    ``group`` or ``instance`` norm an output depends on all of its window. The bias of channel 0
    starts at 3: "mostly background" for ``softmax``. Shortcuts average before they convolve, where
    the paper leaves voxels out.

    Examples
    --------
    >>> network = ResNet(1, 3, depth=18, width=4, output_stride=4, norm="batch", dropout=0.0)
    >>> volumes = torch.zeros(2, 1, 8, 12, 16)
    >>> network(volumes).shape, network.coarse(volumes).shape
    (torch.Size([2, 3, 8, 12, 16]), torch.Size([2, 3, 2, 3, 4]))
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        depth: int,
        width: int,
        output_stride: int,
        norm: str,
        dropout: float,
    ) -> None:
        super().__init__()
        self.output_stride = self.window_multiple = output_stride
        bottleneck = depth >= _BOTTLENECK_FROM
        steps = [2 if output_stride >= 2**n else 1 for n in range(1, 6)]
        self.stem = nn.Conv3d(in_channels, width, 7, stride=steps[0], padding=3, bias=False)
        self.stem_norm = norm_layer(norm, width)
        self.pool: nn.Module = nn.Identity()
        if steps[1] == 2:
            self.pool = nn.MaxPool3d(3, stride=2, padding=1)
        blocks: list[nn.Module] = []
        before = width
        for stage, number in enumerate(_BLOCKS[depth]):
            inner = width * 2**stage
            for block in range(number):
                stride = steps[stage + 1] if stage and not block else 1
                blocks.append(
                    _Block(before, inner, stride=stride, norm=norm, bottleneck=bottleneck)
                )
                before = inner * _EXPANSION if bottleneck else inner
        self.encoder = nn.Sequential(*blocks)
        self.dropout = nn.Dropout3d(dropout)
        self.head = last_layer(before, out_channels)

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
        features = self.pool(torch.relu(self.stem_norm(self.stem(volumes))))
        outputs: Tensor = self.head(self.dropout(self.encoder(features)))
        return outputs
