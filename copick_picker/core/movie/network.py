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
CALCIUM_BIAS = -4.0
"""Logit at which the calcium decoder begins: mostly at rest."""


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
    n_channels : int
        Channels of the movie; puncta are localized in the first.

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

    def __init__(
        self, context: int, out_channels: int, base_channels: int, n_channels: int = 1
    ) -> None:
        super().__init__()
        self.context, self.n_channels = context, n_channels
        self.widths = [base_channels, base_channels * 3 // 2, base_channels * 2]
        widths = self.widths
        fine = max(8, base_channels // 2)
        self.stem = nn.Conv2d(n_channels * context * FOLD**2, widths[0], 3, padding=1, bias=False)
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
        """Return outputs (b, c, y, x) of frames (b, n_channels x context, y, x)."""
        return self.localized(self.encoded(frames), frames)

    def encoded(self, frames: Tensor) -> list[Tensor]:
        """Return features at half, a quarter and an eighth of the resolution."""
        features = nn.functional.pixel_unshuffle(frames, FOLD)
        features = torch.relu(self.stem_norm(self.stem(features)))
        levels = []
        for block in self.encoder:
            features = block(features)
            levels.append(features)
        return levels

    def localized(self, levels: list[Tensor], frames: Tensor) -> Tensor:
        """Return where puncta are (b, c, y, x), from features and the frames themselves."""
        skips = list(levels)
        features = skips.pop()
        for reducer, block in zip(self.reducers, self.decoder, strict=True):
            features = block(torch.cat([_doubled(reducer(features)), skips.pop()], dim=1))
        fine = nn.functional.pixel_shuffle(self.widen(features), FOLD)
        fine = torch.cat([fine, frames[:, : self.context]], dim=1)
        fine = torch.relu(self.fine_norm(self.fine(fine)))
        fine = torch.relu(self.finer_norm(self.finer(fine)))
        outputs: Tensor = self.head(fine)
        return outputs

    def parts(self) -> dict[str, list[str]]:
        """Return the names of the modules of each part: encoder and decoders."""
        return {
            "encoder": ["stem", "stem_norm", "encoder"],
            "localization": [
                *("reducers", "decoder", "widen", "fine", "fine_norm", "finer", "finer_norm"),
                "head",
            ],
        }


class HybridNetwork(FrameNetwork):
    """A network with one encoder and two decoders: where puncta are, and whether calcium is up.

    Parameters
    ----------
    context, out_channels, base_channels, n_channels : int
        As of :class:`FrameNetwork`; of two channels the first shows the puncta.

    Notes
    -----
    The calcium decoder goes up to a quarter of the resolution, as lit spots are wider than puncta;
    its logit is the last channel of the outputs, at full resolution.

    Examples
    --------
    >>> network = HybridNetwork(context=5, out_channels=7, base_channels=8, n_channels=2)
    >>> network(torch.zeros(2, 10, 16, 24)).shape
    torch.Size([2, 8, 16, 24])
    """

    def __init__(
        self, context: int, out_channels: int, base_channels: int, n_channels: int = 2
    ) -> None:
        super().__init__(context, out_channels, base_channels, n_channels)
        _, narrow, wide = self.widths
        self.calcium_reducer = nn.Conv2d(wide, narrow, 1, bias=False)
        self.calcium_block = _Block(2 * narrow, narrow, 1)
        self.calcium_head = nn.Conv2d(narrow, 1, 1)
        nn.init.constant_(self.calcium_head.bias, CALCIUM_BIAS)  # type: ignore[arg-type]

    def forward(self, frames: Tensor) -> Tensor:
        """Return outputs (b, c + 1, y, x) of frames (b, n_channels x context, y, x)."""
        levels = self.encoded(frames)
        upper = _doubled(self.calcium_reducer(levels[2]))
        features = self.calcium_block(torch.cat([upper, levels[1]], dim=1))
        calcium = nn.functional.interpolate(
            self.calcium_head(features), size=frames.shape[2:], mode="bilinear", align_corners=False
        )
        return torch.cat([self.localized(levels, frames), calcium], dim=1)

    def parts(self) -> dict[str, list[str]]:
        """Return the names of the modules of each part: encoder and decoders."""
        calcium = ["calcium_reducer", "calcium_block", "calcium_head"]
        return super().parts() | {"calcium": calcium}


def _doubled(features: Tensor) -> Tensor:
    return nn.functional.interpolate(
        features, scale_factor=2.0, mode="bilinear", align_corners=False
    )


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
    for block in [each for each in network.modules() if isinstance(each, _Block)]:
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
