"""What the sides of a network's window must be multiples of."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

_SWIN_MULTIPLE = 32
_STRIDED = ("AttentionUnet", "DynUNet", "Unet")
_UNKNOWN = 8


def window_multiple(architecture: str, parameters: Mapping[str, Any], network: nn.Module) -> int:
    """Return what each side of a window must be a multiple of.

    Parameters
    ----------
    architecture : str
        Name in :data:`copick_picker.core.models.registry.NETWORKS`.
    parameters : mapping
        Settings of the network, as its builder takes them.
    network : torch.nn.Module
        The network; one that knows its ``window_multiple`` is believed.

    Examples
    --------
    >>> window_multiple("Unet", {"strides": [2, 2, 1]}, nn.Identity())
    4
    """
    own = getattr(network, "window_multiple", None)
    if isinstance(own, int):
        return own
    if architecture in _STRIDED:
        return math.prod(_largest(stride) for stride in parameters["strides"])
    if architecture == "SegResNet":
        return int(2 ** (len(parameters["blocks_down"]) - 1))
    return _SWIN_MULTIPLE if architecture == "SwinUNETR" else _UNKNOWN


def _largest(stride: int | Sequence[int]) -> int:
    return stride if isinstance(stride, int) else max(stride)
