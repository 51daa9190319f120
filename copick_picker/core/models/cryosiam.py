"""The network of CryoSiam's fine-tuned models, built from the hyper-parameters of a checkpoint.

A residual encoder without max pooling (strides 1, 2, 4, 8), a feature pyramid that ends at full
resolution (Lin et al. 2017, https://arxiv.org/abs/1612.03144), a projector of 1 x 1 x 1
convolutions and a small semantic head. Only what a
prediction needs is built.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from monai.networks.nets import ResNet
from torch import Tensor, nn

from copick_picker.core.models.parameters import checked_parameters
from copick_picker.errors import CheckpointError

_REQUIRED = (
    "num_layers",
    "num_filters",
    "fpn_channels",
    "dense_dim",
    "filters",
    "kernel_size",
    "padding",
    "out_channels",
)
_OPTIONAL = ("block_type", "decoder_type", "add_fpn_later_conv")
_PREFIXES = ("_model_backbone.", "_model.")
_UNUSED = (
    "encoder.fc.",
    "predictor.",
    "global_projector.",
    "global_predictor.",
    "level_projector_",
    "level_predictor_",
    "distance_head.",
    "decoder.later_conv1.",
    "decoder.later_conv2.",
    "decoder.later_conv3.",
)
"""Parts of a checkpoint that served the training only, or that no prediction reads."""


def build_cryosiam(parameters: Mapping[str, Any], n_channels: int) -> nn.Module:
    """Return a :class:`CryosiamNetwork`.

    Parameters
    ----------
    parameters : mapping
        ``num_layers``, ``num_filters``, ``fpn_channels``, ``dense_dim``, ``filters``,
        ``kernel_size``, ``padding``, ``out_channels``; optional are ``block_type`` (``basic``),
        ``decoder_type`` (``fpn``) and ``add_fpn_later_conv`` (false).
    n_channels : int
        Channels of the output, background included: ``out_channels``, and 2 where that is 1.

    Raises
    ------
    CheckpointError
        If a parameter is missing or unknown, the decoder is no FPN, or the channels do not fit.
    """
    settings = checked_parameters("CryoSiam", parameters, required=_REQUIRED, optional=_OPTIONAL)
    decoder = settings.pop("decoder_type", "fpn")
    if decoder != "fpn":
        msg = f"the decoder is '{decoder}' (BiFPN); only CryoSiam's FPN decoder is known here"
        raise CheckpointError(msg)
    if n_channels != max(settings["out_channels"], 2):
        msg = (
            f"a head of {settings['out_channels']} channels gives "
            f"{max(settings['out_channels'], 2)} with the background, not {n_channels}"
        )
        raise CheckpointError(msg)
    return CryosiamNetwork(**settings)


def prediction_state(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint that a prediction needs, under this network's names.

    Parameters
    ----------
    state_dict : mapping
        ``state_dict`` of CryoSiam's checkpoint. Names that are not CryoSiam's are kept, so that
        loading them lists what is unknown.

    Examples
    --------
    >>> one = torch.ones(1)
    >>> state = {"_model.semantic_head.0.bias": one, "_model.distance_head.0.bias": one}
    >>> list(prediction_state(state))
    ['semantic_head.0.bias']
    """
    kept = {}
    for name, tensor in state_dict.items():
        prefix = next((prefix for prefix in _PREFIXES if name.startswith(prefix)), "")
        own = name.removeprefix(prefix)
        if not own.startswith(_UNUSED):
            kept[own] = tensor
    return kept


class FeaturePyramid(nn.Module):
    """Levels of an encoder, coarse to fine, added up at full resolution.

    Parameters
    ----------
    level_channels : sequence of int
        Channels of the four levels, fine to coarse.
    out_channels : int
        Channels of the result.
    later_conv : bool
        Whether a 3 x 3 x 3 convolution follows the last sum.
    """

    def __init__(
        self, level_channels: Sequence[int], out_channels: int, *, later_conv: bool
    ) -> None:
        super().__init__()
        for number, channels in enumerate(reversed(level_channels), 1):
            self.add_module(f"layer{number}", nn.Conv3d(channels, out_channels, 1))
        self.later_conv4 = (
            nn.Conv3d(out_channels, out_channels, 3, padding=1) if later_conv else None
        )

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        """Return features (b, c, z, y, x) at the resolution of the first level."""
        coarse_to_fine = list(reversed(levels))
        total: Tensor = self.get_submodule("layer1")(coarse_to_fine[0])
        for number, level in enumerate(coarse_to_fine[1:], 2):
            lateral = self.get_submodule(f"layer{number}")(level)
            larger = nn.functional.interpolate(
                total, size=lateral.shape[2:], mode="trilinear", align_corners=False
            )
            total = lateral + larger
        return total if self.later_conv4 is None else self.later_conv4(total)


class CryosiamNetwork(nn.Module):
    """CryoSiam's encoder, FPN decoder, projector and semantic head.

    Parameters
    ----------
    num_layers, num_filters : sequence of int
        Blocks and channels of the encoder's four levels.
    fpn_channels : int
        Channels of the feature pyramid.
    dense_dim : int
        Channels of the projector's output.
    filters : sequence of int
        Channels of the head's hidden layers.
    kernel_size, padding : int
        Of the head's convolutions.
    out_channels : int
        Channels of the head. With a single one, which CryoSiam reads through a sigmoid, the output
        is (0, that logit): its softmax is the same sigmoid.
    block_type : str
        Residual block of the encoder, ``basic`` or ``bottleneck``.
    add_fpn_later_conv : bool
        Whether a 3 x 3 x 3 convolution ends the pyramid.

    Notes
    -----
    The distance head of the checkpoint is not built: labels do not depend on it.

    Examples
    --------
    >>> network = CryosiamNetwork(
    ...     num_layers=[1, 1, 1, 1], num_filters=[2, 3, 4, 5], fpn_channels=4, dense_dim=3,
    ...     filters=[3, 4], kernel_size=3, padding=1, out_channels=1,
    ... )
    >>> network(torch.zeros(1, 1, 8, 12, 16)).shape
    torch.Size([1, 2, 8, 12, 16])
    """

    def __init__(  # noqa: PLR0913 (the hyper-parameters of the checkpoint)
        self,
        *,
        num_layers: Sequence[int],
        num_filters: Sequence[int],
        fpn_channels: int,
        dense_dim: int,
        filters: Sequence[int],
        kernel_size: int,
        padding: int,
        out_channels: int,
        block_type: str = "basic",
        add_fpn_later_conv: bool = False,
    ) -> None:
        super().__init__()
        self.encoder = ResNet(
            block_type,
            list(num_layers),
            list(num_filters),
            spatial_dims=3,
            n_input_channels=1,
            no_max_pool=True,
            conv1_t_size=7,
            conv1_t_stride=1,
            feed_forward=False,
            act=("relu", {"inplace": False}),
        )
        expansion = 4 if block_type == "bottleneck" else 1
        self.decoder = FeaturePyramid(
            [width * expansion for width in num_filters],
            fpn_channels,
            later_conv=add_fpn_later_conv,
        )
        self.projector = _projector(fpn_channels, dense_dim)
        self.semantic_head = _head([dense_dim, *filters], out_channels, kernel_size, padding)
        self.is_binary = out_channels == 1

    def forward(self, volumes: Tensor) -> Tensor:
        """Return logits (b, classes, z, y, x) of volumes (b, 1, z, y, x)."""
        encoder = self.encoder
        features = encoder.act(encoder.bn1(encoder.conv1(volumes)))
        levels = []
        for layer in (encoder.layer1, encoder.layer2, encoder.layer3, encoder.layer4):
            features = layer(features)
            levels.append(features)
        logits: Tensor = self.semantic_head(self.projector(self.decoder(levels)))
        return torch.cat([torch.zeros_like(logits), logits], dim=1) if self.is_binary else logits


def _projector(channels: int, dense_dim: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for _ in range(2):
        convolution = nn.Conv3d(channels, channels, 1, bias=False)
        layers += [convolution, nn.BatchNorm3d(channels), nn.ReLU()]
    last = [nn.Conv3d(channels, dense_dim, 1), nn.BatchNorm3d(dense_dim, affine=False)]
    return nn.Sequential(*layers, *last)


def _head(widths: Sequence[int], out_channels: int, kernel: int, padding: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for narrow, wide in pairwise(widths):
        convolution = nn.Conv3d(narrow, wide, kernel, padding=padding)
        layers += [convolution, nn.BatchNorm3d(wide), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv3d(widths[-1], out_channels, kernel, padding=padding))
