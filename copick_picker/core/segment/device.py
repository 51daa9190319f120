"""Which device computes, and with which arithmetic."""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch

from copick_picker.core.models.small_convolutions import SmallConvolutionsInFloat32
from copick_picker.errors import SettingsError, choices_text

PRECISIONS = ("float32", "bf16", "fp16")
"""``float32``: every product in float32. ``bf16`` and ``fp16``: autocast."""

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 2**29
_AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


def available_devices() -> list[str]:
    """Return the kinds of device of this machine, the fastest first.

    Examples
    --------
    >>> "cpu" in available_devices()
    True
    """
    found = ["cuda"] if torch.cuda.is_available() else []
    found += ["mps"] if torch.backends.mps.is_available() else []
    return [*found, "cpu"]


def resolve_device(name: str) -> torch.device:
    """Return the device of a name.

    Parameters
    ----------
    name : str
        ``auto`` (the fastest there is), ``cpu``, ``cuda``, ``cuda:1``, ``mps``.

    Raises
    ------
    SettingsError
        If there is no such device here; the message lists those there are.

    Examples
    --------
    >>> resolve_device("cpu")
    device(type='cpu')
    """
    known = available_devices()
    if name == "auto":
        return torch.device(known[0])
    kind, _, number = name.partition(":")
    wrong_number = number and (
        kind != "cuda" or not number.isdigit() or int(number) >= torch.cuda.device_count()
    )
    if kind not in known or wrong_number:
        msg = f"no device '{name}' on this machine; available: auto, {choices_text(known)}"
        raise SettingsError(msg)
    return torch.device(name)


def cuda_devices() -> list[str]:
    """Return the names of all CUDA devices of this machine."""
    return [f"cuda:{number}" for number in range(torch.cuda.device_count())]


def thread_count() -> int:
    """Return the number of CPU threads of one operation."""
    return torch.get_num_threads()


def use_threads(n_threads: int | None) -> None:
    """Set the number of CPU threads of one operation; None leaves torch's choice.

    Parameters
    ----------
    n_threads : int or None
        Number of threads, 1 or more.
    """
    if n_threads is not None:
        torch.set_num_threads(n_threads)


def keep_freed_memory() -> bool:
    """Let the C library keep freed blocks of this process for the next ones.

    Otherwise each large tensor is mapped anew and every page of it faults: a tenth of the time of
    a forward pass on a CPU. Only the GNU C library on Linux is known to take the hint.

    Returns
    -------
    bool
        Whether it did.
    """
    if not sys.platform.startswith("linux"):
        return False
    adjust = getattr(ctypes.CDLL(None), "mallopt", None)
    if adjust is None:
        return False
    return bool(adjust(_TRIM_THRESHOLD, _KEPT_BYTES) and adjust(_MMAP_THRESHOLD, _KEPT_BYTES))


def fast_precision(device: torch.device) -> str:
    """Return the arithmetic that the device computes faster than float32, else ``float32``.

    Parameters
    ----------
    device : torch.device
        Where the network runs.

    Returns
    -------
    str
        ``bf16`` where the hardware multiplies it (CUDA from Ampere on, CPUs with AMX or AVX-512
        bf16), ``fp16`` on older CUDA devices and MPS, else ``float32``.
    """
    if device.type == "cuda":
        return "bf16" if torch.cuda.get_device_capability(device) >= (8, 0) else "fp16"
    if device.type == "mps":
        return "fp16"
    ask = getattr(torch.cpu, "get_capabilities", None)
    known = ask() if ask is not None else {}
    return "bf16" if known.get("amx_bf16") or known.get("avx512_bf16") else "float32"


def prefers_channels_last(device: torch.device) -> bool:
    """Return whether 3D convolutions run faster with the channels as the innermost axis.

    Parameters
    ----------
    device : torch.device
        Where the network runs.

    Returns
    -------
    bool
        True on CUDA and on CPUs; MPS does not know it.
    """
    return device.type in ("cpu", "cuda")


def check_precision(precision: str) -> None:
    """Refuse a precision that does not exist.

    Parameters
    ----------
    precision : str
        One of :data:`PRECISIONS`.

    Raises
    ------
    SettingsError
        If there is no such precision.
    """
    if precision not in PRECISIONS:
        msg = f"no precision '{precision}'; known: {choices_text(PRECISIONS)}"
        raise SettingsError(msg)


@contextmanager
def arithmetic(device: torch.device, precision: str) -> Iterator[None]:
    """Compute with a precision: autocast, or true float32 without TF32.

    Parameters
    ----------
    device : torch.device
        Where the network runs.
    precision : str
        One of :data:`PRECISIONS`.

    Raises
    ------
    SettingsError
        If there is no such precision.
    """
    check_precision(precision)
    if precision != "float32":
        small = SmallConvolutionsInFloat32() if device.type == "cpu" else nullcontext()
        with torch.autocast(device.type, dtype=_AUTOCAST[precision]), small:
            yield
    elif device.type == "cuda":
        with _without_tf32():
            yield
    else:
        yield


@contextmanager
def _without_tf32() -> Iterator[None]:
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32, cudnn.allow_tf32 = False, False
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before
