"""Batches of windows through a network, in less and less memory where the device asks for it."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from copick_picker.core.segment.device import arithmetic
from copick_picker.errors import DataError, DeviceMemoryError

_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


@torch.inference_mode()
def forward(
    network: nn.Module,
    crops: torch.Tensor,
    *,
    n_channels: int,
    precision: str,
    stride: int = 1,
) -> torch.Tensor:
    """Return logits (b, c, z, y, x) in float32 of crops (b, z, y, x).

    Parameters
    ----------
    network : torch.nn.Module
        In evaluation mode, on the device of the crops.
    crops : torch.Tensor, shape (b, z, y, x), float32
        Windows.
    n_channels : int
        Channels that the logits must have.
    precision : str
        ``float32``, ``bf16`` or ``fp16``.
    stride : int
        Voxels of a crop per voxel of the logits; above 1 the network's ``coarse`` outputs.

    Raises
    ------
    MemoryError
        If the device's memory is too small for this batch.
    DataError
        If the network fails, or returns another shape.
    """
    try:
        with arithmetic(crops.device, precision):
            logits = network(crops[:, None]) if stride == 1 else network.coarse(crops[:, None])  # type: ignore[operator]
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())
        if _is_memory(error):
            raise MemoryError(reason) from None
        msg = f"the network fails on a window of {tuple(crops.shape[1:])} voxels: {reason}"
        raise DataError(msg) from error
    expected = (len(crops), n_channels, *(side // stride for side in crops.shape[1:]))
    if not isinstance(logits, torch.Tensor) or tuple(logits.shape) != expected:
        got = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
        msg = f"the network returns {got} for {len(crops)} windows; expected {expected}"
        raise DataError(msg)
    return logits.float()


@contextmanager
def memory_guard(what: str) -> Iterator[None]:
    """Turn a device's lack of memory into one clear line.

    Parameters
    ----------
    what : str
        What the memory was for.

    Raises
    ------
    DeviceMemoryError
        If the memory did not suffice.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not _is_memory(error):
            raise
        msg = (
            f"too little memory for {what}: use a smaller window or batch, another --device, "
            f"or a machine with more memory ({' '.join(str(error).split())[:160]})"
        )
        raise DeviceMemoryError(msg) from error


def release_memory(device: torch.device) -> None:
    """Give cached memory back to the device, after a batch that did not fit.

    Parameters
    ----------
    device : torch.device
        Where the network runs.
    """
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def _is_memory(error: Exception) -> bool:
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(
        phrase in str(error) for phrase in _OUT_OF_MEMORY
    )
