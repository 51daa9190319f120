"""Octopi's segmentation of a project's runs; runs under a Python that has octopi installed.

Usage: python octopi_segment.py CONFIG MODEL_CONFIG MODEL_WEIGHTS RESULT.json [NTTA [THREADS]]

Octopi asks for a GPU: its check is answered here, from outside and in memory alone, and its
predictor is told to compute on the CPU. All else is octopi's own, with its defaults: it loads the
runs, computes, and writes its segmentations into the project.
"""

import json
import resource
import sys
from importlib.metadata import version
from pathlib import Path

import torch


def cpu_seconds() -> float:
    usages = (
        resource.getrusage(resource.RUSAGE_SELF),
        resource.getrusage(resource.RUSAGE_CHILDREN),
    )
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def main(config: str, model_config: str, weights: str, result: str, *more: str) -> None:
    if len(more) > 1:
        torch.set_num_threads(int(more[1]))
    torch.cuda.device_count = lambda: 1
    from octopi.pytorch.inference import Predictor

    arguments = {"ntta": int(more[0])} if more else {}
    predictor = Predictor(config, model_config, weights, device=torch.device("cpu"), **arguments)
    started = cpu_seconds()
    predictor.batch_predict(voxel_spacing=10.0, tomo_algorithm="wbp")
    figures = {
        "version": version("octopi"),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "start_cpu_seconds": started,
        "segment_cpu_seconds": cpu_seconds() - started,
    }
    Path(result).write_text(json.dumps(figures), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
