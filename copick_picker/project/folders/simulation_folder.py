"""The folder of a simulated project: its manifest, and the outputs of ``simulate``."""

import os
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml

from copick_picker.project.copick.making import CONFIG_FILE, is_config
from copick_picker.project.folders.project_folder import foreign_files, foreign_in_project
from copick_picker.project.own_files import MARK
from copick_picker.project.provenance import from_yaml

COMMAND = "simulate"
MANIFEST = "manifest.yaml"
"""File that records what a folder was made from, and allows replacing it."""
CONFIG_HASH = "config_sha256"
"""Key in it: hash of the project's original configuration."""
MANIFEST_FOLDER = "manifest"
"""Folder with one file per run, written last."""
USER, SESSION = "simulation", "1"
"""User and session of the ground truth."""


def manifest_text(content: Mapping[str, Any]) -> str:
    """Return the text of a manifest.

    Parameters
    ----------
    content : mapping
        Scene and inputs of the folder.
    """
    return yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True)


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Return the manifest of a folder; None if it has none of ours.

    Parameters
    ----------
    folder : pathlib.Path
        Folder of an earlier simulation, or any other.
    """
    manifest = folder / MANIFEST
    if not manifest.is_file():
        return None
    content = from_yaml(manifest.read_bytes(), str(manifest))
    is_ours = isinstance(content, dict) and content.get("producer") == MARK
    return content if isinstance(content, dict) and is_ours else None


def foreign_of_simulation(folder: Path) -> list[str]:
    """Return everything in a folder that ``simulate`` did not make.

    Parameters
    ----------
    folder : pathlib.Path
        Folder of an earlier simulation, or any other.
    """
    stored = None if folder.is_symlink() else read_manifest(folder)
    if stored is None:
        return [folder.name]
    config = folder / CONFIG_FILE
    own = (MANIFEST, CONFIG_FILE)
    found = [
        name
        for name in foreign_files(folder, own)
        if name not in ("project/", f"{MANIFEST_FOLDER}/")
    ]
    if os.path.lexists(config) and not is_config(config, stored.get(CONFIG_HASH)):
        found.append(CONFIG_FILE)
    inside = foreign_files(folder / MANIFEST_FOLDER, ["SIM_[0-9]*[0-9].yaml"])
    found += [f"{MANIFEST_FOLDER}/{name}" for name in inside]
    names = _names_made(stored)

    def is_own(run_name: str, name: str, record: Mapping[str, Any]) -> bool:
        is_ours = record.get("command") == COMMAND and fnmatch(run_name, "SIM_*")
        return is_ours and any(fnmatch(name, pattern) for pattern in names)

    objects = foreign_in_project(folder / "project", is_own)
    return [*found, *(f"project/{name}" for name in objects)]


def _names_made(stored: Mapping[str, Any]) -> list[str]:
    """Return patterns of the names of the objects in a run of an earlier simulation."""
    imaging = stored.get("settings", {}).get("imaging", {})
    kinds = [imaging.get(part) for part in ("tomogram_type", "denoised_type")]
    truth = (f"*_{USER}_{SESSION}_*.zarr", f"{USER}_{SESSION}_*")
    return [*(f"{kind}.zarr" for kind in kinds if kind), *truth]
