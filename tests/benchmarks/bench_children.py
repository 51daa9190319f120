"""Measures of the benchmark that run in a process of their own: roofline, MONAI's windows.

Usage: python bench_children.py NAME RESULT.json THREADS WINDOW
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from bench_project import OBJECTS, SEED, UNET, specimen
from monai.inferers.utils import sliding_window_inference
from torch.utils.flop_counter import FlopCounterMode

from copick_picker.core.augmentations import augmentation_set
from copick_picker.core.models.registry import build_network
from copick_picker.core.segment.device import fast_precision, keep_freed_memory
from copick_picker.core.segment.engine import segment_volume
from copick_picker.core.segment.plan import EngineOptions, Member
from copick_picker.core.segment.prepared import prepared

SIDE = 1536
REPEATS = 3
CPU = torch.device("cpu")


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def seconds_of(call: Callable[[], object]) -> float:
    """Return CPU-seconds of a call, the least of some, after one that is not counted."""
    call()
    times = []
    for _ in range(REPEATS):
        began = cpu_seconds()
        call()
        times.append(cpu_seconds() - began)
    return min(times)


def unet() -> torch.nn.Module:
    torch.manual_seed(SEED)
    return build_network("Unet", UNET, len(OBJECTS) + 1).eval()


@torch.inference_mode()
def roofline(window: int) -> dict[str, Any]:
    """Return what a forward pass reaches, beside matrix products of the same precision."""
    peaks = {}
    for name, dtype, side in (("float32", torch.float32, SIDE), ("bfloat16", torch.bfloat16, 512)):
        left, right = torch.randn(2, side, side).to(dtype)
        peaks[name] = 2e-9 * side**3 / seconds_of(lambda a=left, b=right: a @ b)
    network, crop = unet(), torch.randn(1, 1, window, window, window)
    with FlopCounterMode(display=False) as counter:
        network(crop)
    work = counter.get_total_flops() / 1e9
    plain = seconds_of(lambda: network(crop))
    half = None
    if fast_precision(CPU) == "bf16":
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half = seconds_of(lambda: network(crop))
    keep_freed_memory()
    ready = prepared(network, CPU)
    fast = seconds_of(lambda: ready(crop))
    difference = float((ready(crop) - network(crop)).abs().max())
    return {
        "matrix_gflop_per_cpu_second": peaks,
        "forward_gflop": work,
        "forward_cpu_seconds": {"torch": plain, "prepared": fast, "torch_bfloat16": half},
        "share_of_float32_peak": {
            "torch": work / plain / peaks["float32"],
            "prepared": work / fast / peaks["float32"],
        },
        "least_at_peak_cpu_seconds": work / peaks["float32"],
        "largest_difference_of_logits": difference,
    }


@torch.inference_mode()
def monai(window: int) -> dict[str, Any]:
    """Return CPU-seconds of one pass at overlap 0.5: MONAI's inferer, and this engine."""
    shape = (window, 2 * window, 2 * window)
    volume = specimen(shape, seed=SEED)
    volume = (volume - volume.mean()) / volume.std()
    network = unet()
    inputs = torch.from_numpy(volume)[None, None]
    began, started = cpu_seconds(), time.perf_counter()
    logits = sliding_window_inference(inputs, (window,) * 3, 4, network, overlap=0.5)
    theirs, their_wall = cpu_seconds() - began, time.perf_counter() - started
    labels = torch.softmax(logits[0], dim=0).argmax(dim=0).numpy()
    keep_freed_memory()
    options = EngineOptions(
        augmentations=augmentation_set("octopi", 1),
        overlap=0.5,
        blending="constant",
        layout="aligned",
        precision="float32",
        device="cpu",
        window_batch=1,
        inverted=False,
    )
    member = Member(prepared(network, CPU), (window,) * 3, len(OBJECTS) + 1, "zero")
    began, started = cpu_seconds(), time.perf_counter()
    result = segment_volume(volume, [member], options, probabilities=False)
    return {
        "shape_zyx": shape,
        "monai_cpu_seconds": theirs,
        "monai_wall_seconds": their_wall,
        "ours_cpu_seconds": cpu_seconds() - began,
        "ours_wall_seconds": time.perf_counter() - started,
        "labels_equal": float((result.labels == labels).mean()),
    }


def main(name: str, result: str, threads: str, window: str) -> None:
    torch.set_num_threads(int(threads))
    measure = {"roofline": roofline, "monai": monai}[name]
    Path(result).write_text(json.dumps(measure(int(window))), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
