"""Architecture names to networks: a plain table of builders, and loading weights by name."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from copick_picker.core.models.cryosiam import build_cryosiam
from copick_picker.core.models.feature_pyramid import build_feature_pyramid
from copick_picker.core.models.monai_networks import (
    build_attention_unet,
    build_dynunet,
    build_segresnet,
    build_swin_unetr,
    build_unet,
)
from copick_picker.core.models.residual_unet import build_residual_unet
from copick_picker.core.models.resnet import build_resnet
from copick_picker.errors import CheckpointError, UnknownNameError, choices_text, nearest_name

Builder = Callable[[Mapping[str, Any], int], nn.Module]

NETWORKS: dict[str, Builder] = {
    "AttentionUnet": build_attention_unet,
    "CryoSiam": build_cryosiam,
    "DynUNet": build_dynunet,
    "FeaturePyramid": build_feature_pyramid,
    "ResNet": build_resnet,
    "ResidualUNet": build_residual_unet,
    "SegResNet": build_segresnet,
    "SwinUNETR": build_swin_unetr,
    "Unet": build_unet,
}
"""Name -> builder(parameters, n_channels). A new network is one file and one line here."""

_LISTED = 4


def build_network(architecture: str, parameters: Mapping[str, Any], n_channels: int) -> nn.Module:
    """Return a network: volumes (b, 1, z, y, x) in, logits (b, n_channels, z, y, x) out.

    Parameters
    ----------
    architecture : str
        Name in :data:`NETWORKS`.
    parameters : mapping
        Settings of the network.
    n_channels : int
        Channels of the output, background included.

    Raises
    ------
    UnknownNameError
        If there is no such architecture.
    CheckpointError
        If the parameters do not fit the architecture.

    Examples
    --------
    >>> settings = {"channels": [4, 8], "strides": [2], "num_res_units": 1, "dropout": 0.0}
    >>> network = build_network("Unet", settings, n_channels=3)
    >>> network(torch.zeros(1, 1, 8, 12, 16)).shape
    torch.Size([1, 3, 8, 12, 16])
    """
    builder = NETWORKS.get(architecture)
    if builder is None:
        msg = (
            f"no architecture '{architecture}'{nearest_name(architecture, NETWORKS)}; "
            f"known: {choices_text(NETWORKS)}"
        )
        raise UnknownNameError(msg)
    try:
        return builder(parameters, n_channels)
    except CheckpointError:
        raise
    except (TypeError, ValueError, LookupError, RuntimeError, AttributeError) as error:
        reason = " ".join(str(error).split())
        msg = f"{architecture} cannot be built from its parameters: {reason}"
        raise CheckpointError(msg) from error


def load_state(network: nn.Module, state_dict: Mapping[str, torch.Tensor]) -> None:
    """Load weights into a network, by name, all of them.

    Parameters
    ----------
    network : torch.nn.Module
        As :func:`build_network` returns it; changed in place.
    state_dict : mapping
        Name -> tensor.

    Raises
    ------
    CheckpointError
        In one line, if a tensor is missing, unexpected or of another shape, or not finite.
    """
    own = network.state_dict()
    faults = [
        _fault("missing in the file", [name for name in own if name not in state_dict]),
        _fault("unknown to the network", [name for name in state_dict if name not in own]),
        _fault("of another shape", _misfits(own, state_dict)),
        _fault("not finite", [name for name, value in state_dict.items() if not _finite(value)]),
    ]
    found = [fault for fault in faults if fault]
    if found:
        msg = f"the weights do not fit the network: {'; '.join(found)}"
        raise CheckpointError(msg)
    network.load_state_dict(dict(state_dict))


def _misfits(own: Mapping[str, torch.Tensor], given: Mapping[str, torch.Tensor]) -> list[str]:
    return [
        f"{name} (file {tuple(given[name].shape)}, network {tuple(value.shape)})"
        for name, value in own.items()
        if name in given and given[name].shape != value.shape
    ]


def _fault(kind: str, names: list[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"{len(names)} tensors {kind}: {choices_text(names[:_LISTED])}{more}"


def _finite(tensor: torch.Tensor) -> bool:
    return not tensor.is_floating_point() or bool(torch.isfinite(tensor).all())
