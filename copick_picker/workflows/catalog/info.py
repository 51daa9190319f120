"""What a bug report needs: versions, devices, and the problems of a project."""

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from copick_picker._version import __version__
from copick_picker.errors import CopickPickerError
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.result_files import result_json, write_result_json
from copick_picker.project.copick.store import open_project
from copick_picker.project.store import ProjectStore

_PACKAGES = ("copick", "torch", "monai", "numpy", "scipy", "scikit-image", "zarr", "ome-zarr")


def info(config: str | None, json_file: str | None, *, reporter: Reporter) -> None:
    """Show versions, devices and the health of a project; optionally write them as JSON.

    Parameters
    ----------
    config : str or None
        Path of a copick configuration file; None for no project.
    json_file : str or None
        JSON file to write, if any.
    reporter : Reporter
        Receives the tables.

    Raises
    ------
    CopickPickerError
        If the project cannot be opened.
    """
    if json_file is not None:
        result_json(Path(json_file)).check()
    system = _system()
    reporter.table(
        "System", ("what", "value"), [(name, str(value)) for name, value in system.items()]
    )
    content: dict[str, Any] = {"system": system}
    if config is not None:
        store = open_project(config)
        health = _health(store)
        content["project"] = health
        reporter.table(
            f"Project {store.location}",
            ("what", "value"),
            [(name, _text(value)) for name, value in health.items()],
        )
    if json_file is not None:
        write_result_json(Path(json_file), content)


def _system() -> dict[str, Any]:
    if torch.cuda.is_available():
        devices = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    else:
        devices = ["mps"] if torch.backends.mps.is_available() else []
    return {
        "copick-picker": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        **{name: metadata.version(name) for name in _PACKAGES},
        "accelerators": ", ".join(devices) or "none",
        "processor cores": os.cpu_count(),
        "torch threads": torch.get_num_threads(),
    }


def _health(store: ProjectStore) -> dict[str, Any]:
    objects = store.objects()
    counts = {"tomograms": 0, "segmentations": 0, "pick sets": 0}
    broken: list[str] = []
    unfinished: list[str] = []
    runs = store.run_names()
    for run_name in runs:
        try:
            counts["tomograms"] += len(store.tomograms(run_name))
            counts["pick sets"] += len(store.picks(run_name))
            keys = store.segmentations(run_name)
        except CopickPickerError as error:
            broken.append(str(error))
            continue
        counts["segmentations"] += len(keys)
        for key in keys:
            try:
                store.open_segmentation(run_name, key)
            except CopickPickerError as error:
                unfinished.append(str(error))
    return {
        "runs": len(runs),
        **counts,
        "objects": [spec.name for spec in objects],
        "objects without radius": [
            spec.name for spec in objects if spec.is_particle and spec.radius_angstrom is None
        ],
        "broken runs": broken,
        "unreadable segmentations": unfinished,
    }


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(str(part) for part in value) or "none"
    return str(value)
