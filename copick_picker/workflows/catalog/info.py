"""What a bug report needs: versions, devices, and the problems of a project."""

import os
import platform
from collections import Counter
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from copick_picker._version import __version__
from copick_picker.jobs.execution import guarded
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.result_files import result_json, write_result_json
from copick_picker.project.inventory.opening import Inventory, open_inventory
from copick_picker.records.runs import RunOutcome
from copick_picker.report.inventory_tables import checks_of, health_lines, object_troubles
from copick_picker.workflows.catalog.project import with_checked_picks

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
        inventory = open_inventory(config)
        health = _health(inventory)
        content["project"] = health
        shown = {name: value for name, value in health.items() if name not in ("checks", "health")}
        reporter.table(
            f"Project {inventory.location}",
            ("what", "value"),
            [(name, _text(value)) for name, value in shown.items()],
        )
        for line in health["health"] or ["no problems found"]:
            reporter.note(f"Health: {line}")
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


def _health(inventory: Inventory) -> dict[str, Any]:
    """Return what a project holds, and what every check found."""
    objects, names = inventory.objects(), inventory.run_names()
    runs, broken = [], []
    for run_name in names:
        found = guarded(run_name, partial(inventory.run, details=True))
        if isinstance(found, RunOutcome):
            broken.append(f"run {run_name}: {found.message}")
        else:
            runs.append(with_checked_picks(found, objects))
    kinds = Counter(item.kind for run in runs for item in run.items)
    checks = checks_of(runs, object_troubles(objects), details=True)
    return {
        "runs": len(names),
        "tomograms": kinds["tomogram"],
        "segmentations": kinds["segmentation"],
        "pick sets": kinds["picks"],
        "objects": [spec.name for spec in objects],
        "objects without radius": [
            spec.name for spec in objects if spec.is_particle and spec.radius_angstrom is None
        ],
        "broken runs": broken,
        "unreadable segmentations": [
            f"{item.uri} of run {run.run_name}: {item.trouble}"
            for run in runs
            for item in run.items
            if item.kind == "segmentation" and item.troubles
        ],
        "health": health_lines(runs, object_troubles(objects)),
        "checks": checks,
    }


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(str(part) for part in value) or "none"
    return str(value)
