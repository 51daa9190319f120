"""The detector's network: a residual U-Net over frames, mostly at half resolution.

Frames before and after the one in question are further channels, as in DECODE (Speiser et al. 2021,
https://doi.org/10.1038/s41592-021-01236-x). Its two U-Nets at full resolution are one here at half,
where nearly all of the work is done; two convolutions at full resolution place the puncta.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils import convert_conv2d_weight_memory_format
from torch.nn.utils.fusion import fuse_conv_bn_eval

FOLD = 2


class _Block(nn.Module):
    """Two 3 x 3 convolutions with batch norm and a shortcut; He et al. 2016, figure 2."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(out_channels)
        self.second = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(out_channels)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(stride) if stride != 1 else nn.Identity(),
                nn.Conv2d(in_channels, out_channels, 1, bias=False),
            )

    def forward(self, features: Tensor) -> Tensor:
        """Return features (b, c, y, x)."""
        inner = torch.relu(self.first_norm(self.first(features)))
        inner = self.second_norm(self.second(inner))
        result: Tensor = torch.relu(inner + self.shortcut(features))
        return result


class FrameNetwork(nn.Module):
    """Outputs for the middle one of some frames, at full resolution.

    Parameters
    ----------
    context : int
        Frames of the input, an odd number.
    out_channels : int
        Channels of the outputs.
    base_channels : int
        Channels at half resolution; one and a half times as many at a quarter, twice at an eighth.

    Notes
    -----
    Sides must be multiples of ``window_multiple``. Batch norm has fixed statistics in use, so that
    the output of a pixel does not depend on the field.

    Examples
    --------
    >>> network = FrameNetwork(context=3, out_channels=7, base_channels=8)
    >>> network(torch.zeros(2, 3, 16, 24)).shape
    torch.Size([2, 7, 16, 24])
    """

    window_multiple = 8
    output_stride = 1

    def __init__(self, context: int, out_channels: int, base_channels: int) -> None:
        super().__init__()
        self.context = context
        widths = [base_channels, base_channels * 3 // 2, base_channels * 2]
        fine = max(8, base_channels // 2)
        self.stem = nn.Conv2d(context * FOLD**2, widths[0], 3, padding=1, bias=False)
        self.stem_norm = nn.BatchNorm2d(widths[0])
        self.encoder = nn.ModuleList([_Block(widths[0], widths[0], 1)])
        for narrow, wide in pairwise(widths):
            self.encoder.append(_Block(narrow, wide, 2))
        self.reducers = nn.ModuleList()
        self.decoder = nn.ModuleList()
        for narrow, wide in reversed(list(pairwise(widths))):
            self.reducers.append(nn.Conv2d(wide, narrow, 1, bias=False))
            self.decoder.append(_Block(2 * narrow, narrow, 1))
        self.widen = nn.Conv2d(widths[0], fine * FOLD**2, 1)
        self.fine = nn.Conv2d(fine + context, fine, 3, padding=1, bias=False)
        self.fine_norm = nn.BatchNorm2d(fine)
        self.finer = nn.Conv2d(fine, fine, 3, padding=1, bias=False)
        self.finer_norm = nn.BatchNorm2d(fine)
        self.head = nn.Conv2d(fine, out_channels, 1)

    def forward(self, frames: Tensor) -> Tensor:
        """Return outputs (b, c, y, x) of frames (b, context, y, x)."""
        features = nn.functional.pixel_unshuffle(frames, FOLD)
        features = torch.relu(self.stem_norm(self.stem(features)))
        skips = []
        for block in self.encoder:
            features = block(features)
            skips.append(features)
        features = skips.pop()
        for reducer, block in zip(self.reducers, self.decoder, strict=True):
            upper = nn.functional.interpolate(
                reducer(features), scale_factor=2.0, mode="bilinear", align_corners=False
            )
            features = block(torch.cat([upper, skips.pop()], dim=1))
        fine = nn.functional.pixel_shuffle(self.widen(features), FOLD)
        fine = torch.relu(self.fine_norm(self.fine(torch.cat([fine, frames], dim=1))))
        fine = torch.relu(self.finer_norm(self.finer(fine)))
        outputs: Tensor = self.head(fine)
        return outputs


def in_use(network: FrameNetwork, device: torch.device) -> FrameNetwork:
    """Return a network ready to detect: on a device, norms folded into the convolutions.

    Parameters
    ----------
    network : FrameNetwork
        The network, changed in place.
    device : torch.device
        Where it is to run.
    """
    network.eval()
    for block in (*network.encoder, *network.decoder):
        for name in ("first", "second"):
            _fold_norm(block, name)
    for name in ("stem", "fine", "finer"):
        _fold_norm(network, name)
    convert_conv2d_weight_memory_format(network, torch.channels_last)
    return network.to(device)


def _fold_norm(module: nn.Module, name: str) -> None:
    """Fold the batch norm behind a convolution into it."""
    convolution, norm = getattr(module, name), getattr(module, f"{name}_norm")
    if isinstance(norm, nn.BatchNorm2d):
        setattr(module, name, fuse_conv_bn_eval(convolution, norm))
        setattr(module, f"{name}_norm", nn.Identity())
