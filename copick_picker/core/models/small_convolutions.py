"""Convolutions over fewer voxels than their kernel, in a precision that computes them rightly."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_CONVOLUTIONS: tuple[Any, ...] = (
    torch.conv2d,
    torch.conv3d,
    torch.conv_transpose2d,
    torch.conv_transpose3d,
)


class SmallConvolutionsInFloat32(TorchFunctionMode):
    """While active, a small convolution on a CPU is computed in float32 under autocast to bfloat16.

    If an axis has fewer voxels than the kernel, oneDNN's convolution in bfloat16 (PyTorch 2.13 on
    processors with AVX-512 BF16) reads uninitialised memory: the result, and the gradient of the
    weights, differ from call to call and may be NaN. This happens at the bottom of a network on
    small windows. Larger volumes are not affected.

    Examples
    --------
    >>> weights = torch.ones(1, 1, 3, 3, 3)
    >>> with torch.autocast("cpu", torch.bfloat16), SmallConvolutionsInFloat32():
    ...     small = torch.conv3d(torch.ones(1, 1, 2, 4, 4), weights, padding=1)
    ...     large = torch.conv3d(torch.ones(1, 1, 4, 4, 4), weights, padding=1)
    >>> small.dtype, large.dtype
    (torch.float32, torch.bfloat16)
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 (the result of any function)
        """Return the result of a torch function."""
        if func in _CONVOLUTIONS and torch.is_autocast_enabled("cpu"):
            features, weights, *rest = args
            small = any(n < k for n, k in zip(features.shape[2:], weights.shape[2:], strict=False))
            if small and features.device.type == "cpu":
                with torch.autocast("cpu", enabled=False):
                    return func(features.float(), weights.float(), *rest, **(kwargs or {}))
        return func(*args, **(kwargs or {}))
