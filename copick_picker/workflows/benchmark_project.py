"""The project of a benchmark: made, opened, or configured from a manifest or the portal."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from copick_picker.errors import CopickPickerError, choices_text
from copick_picker.project.files import remove, write_text
from copick_picker.project.score_folder import read_json
from copick_picker.settings.benchmark import SimulatedProject, Suite
from copick_picker.workflows.demo_projects import make_simulated_project
from copick_picker.workflows.runs import Reporter

PROJECT = "project"
"""Folder of the project that a benchmark makes."""
_MADE = "made.json"


def prepare_project(suite: Suite, folder: Path, *, reporter: Reporter) -> str:
    """Return the configuration of a suite's project, made where it is not there yet.

    Parameters
    ----------
    suite : Suite
        The suite.
    folder : pathlib.Path
        Folder of the benchmark.
    reporter : Reporter
        Where it is said what is made.

    Raises
    ------
    CopickPickerError
        If the project cannot be made.
    """
    if suite.config is not None:
        return suite.config
    place = folder / PROJECT
    if suite.simulated is not None:
        return _simulated(suite.simulated, place, reporter)
    overlay = (place / "overlay").absolute()
    content: dict[str, Any] = {
        "name": suite.title,
        "version": "1.31.0",
        "overlay_root": f"local://{overlay}",
        "overlay_fs_args": {"auto_mkdir": True},
    }
    if suite.dataset:
        content |= _of_portal(suite)
        source = f"datasets {choices_text(suite.dataset)} of the CryoET Data Portal"
    else:
        content |= _of_manifest(str(suite.manifest))
        source = f"the manifest {suite.manifest}"
    overlay.mkdir(parents=True, exist_ok=True)
    config = place / "config.json"
    write_text(config, json.dumps(content, indent=2) + "\n")
    reporter.note(f"project: {config}: {source}")
    return str(config)


def _of_portal(suite: Suite) -> dict[str, Any]:
    """Return what a copick configuration says of the portal: stable labels, true radii."""
    return {
        "config_type": "cryoet_data_portal",
        "dataset_ids": list(suite.dataset),
        "pickable_objects": [
            {
                "name": name,
                "is_particle": True,
                "label": entry.label,
                "identifier": entry.identifier,
                "radius": entry.radius_angstrom,
            }
            for name, entry in suite.objects.items()
        ],
    }


def _of_manifest(manifest: str) -> dict[str, Any]:
    """Return what a copick configuration says of a Croissant manifest, which is only read."""
    return {
        "config_type": "mlcroissant",
        "pickable_objects": [],  # copick takes those of the manifest
        "croissant_url": manifest if "://" in manifest else str(Path(manifest).absolute()),
    }


def _simulated(wanted: SimulatedProject, place: Path, reporter: Reporter) -> str:
    """Return the configuration of a simulated project; one that was cut off is made anew."""
    config, made = place / "config.json", place / _MADE
    asked = wanted.model_dump(mode="json")
    if _recorded(made) == asked:
        reporter.note(f"project: {config}, {len(wanted.seeds)} runs stand already")
        return str(config)
    remove(place)
    reporter.note(f"project: simulating {len(wanted.seeds)} tomograms")
    make_simulated_project(place, seeds=wanted.seeds, shape_zyx=wanted.shape_zyx)
    write_text(made, json.dumps(asked) + "\n")
    return str(config)


def _recorded(file: Path) -> Mapping[str, Any] | None:
    try:
        return read_json(file)
    except CopickPickerError:
        return None
