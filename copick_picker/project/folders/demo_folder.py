"""The folder of the demo: two projects, and the outputs of the demo's commands."""

import os
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from copick_picker.project.copick.making import CONFIG_FILE, is_config
from copick_picker.project.folders.project_folder import (
    foreign_files,
    foreign_in_project,
    foreign_results,
)
from copick_picker.project.folders.score_folder import SCORES_FILE, read_json
from copick_picker.project.own_files import is_own_page

MARK = ".copick-picker-demo"
"""File that marks a folder as made by the demo, which may then replace it."""
MADE_BY = "demo"
"""Command in the records of the projects' tomograms and reference picks."""
REFERENCE_USER, REFERENCE_SESSION = "curator", "1"
RUNS_MADE = ("hiv", "SIM_*")
"""Patterns of the names of the projects' runs."""
PARTS = ("real", "simulated")
"""Folders of the two projects."""
PAGE = "report.html"
"""The page of a project's scores."""
_OF_PART = (CONFIG_FILE, "project/", "scores/", PAGE)
_MADE = {
    MADE_BY: ("wbp.zarr", f"{REFERENCE_USER}_{REFERENCE_SESSION}_*"),
    "segment": (
        "*_picker_1_predict-multilabel.zarr",
        "wbp_predict-picker-1-scores_features.zarr",
        "wbp_predict-picker-1-probabilities_features.zarr",
    ),
    "localize": ("picker_1_*",),
}
"""Command -> names of its outputs in the demo."""


def foreign_of_demo(folder: Path) -> list[str]:
    """Return everything in a folder that the demo did not make.

    Parameters
    ----------
    folder : pathlib.Path
        Folder of an earlier demo, or any other.
    """
    if folder.is_symlink() or not (folder / MARK).is_file():
        return [folder.name]
    made = read_json(folder / MARK) if (folder / MARK).stat().st_size else {}
    found = [name for name in foreign_files(folder, [MARK]) if name.rstrip("/") not in PARTS]
    for name in PARTS:
        part = folder / name
        if not part.is_dir() or part.is_symlink():
            found += [name] if os.path.lexists(part) else []
            continue
        inside = [each for each in foreign_files(part, []) if each not in _OF_PART]
        config = part / CONFIG_FILE
        if os.path.lexists(config) and not is_config(config, made.get(name)):
            inside.append(CONFIG_FILE)
        page = part / PAGE
        if os.path.lexists(page) and not (page.is_file() and is_own_page(page)):
            inside.append(PAGE)
        inside += [f"project/{each}" for each in foreign_in_project(part / "project", _is_own)]
        inside += [f"scores/{each}" for each in foreign_results(part / "scores", SCORES_FILE)]
        found += [f"{name}/{each}" for each in inside]
    return found


def _is_own(run_name: str, name: str, record: Mapping[str, Any]) -> bool:
    """Return whether the demo's own commands write an object with this name."""
    if not any(fnmatch(run_name, pattern) for pattern in RUNS_MADE):
        return False
    command = str(record.get("command"))
    return any(fnmatch(name, pattern) for pattern in _MADE.get(command, ()))
