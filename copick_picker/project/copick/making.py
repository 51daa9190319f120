"""Make copick projects on disk: the demo's and the tests'."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from copick_picker.errors import ConflictError, DataError, ProjectError
from copick_picker.project.copick.api import CopickRoot, from_string, sanitize_name
from copick_picker.project.copick.listing import spacing_of
from copick_picker.project.copick.pick_files import check_finite
from copick_picker.project.copick.volume_writing import same_bytes
from copick_picker.project.files import write_text
from copick_picker.project.guards import guarded
from copick_picker.project.local_places import local_path, with_whole_roots
from copick_picker.records.keys import PicksKey, TomogramKey
from copick_picker.records.points import PickSet
from copick_picker.records.runs import ObjectSpec

CONFIG_FILE = "config.json"
COLOURS = (
    (230, 159, 0, 255),
    (86, 180, 233, 255),
    (0, 158, 115, 255),
    (240, 228, 66, 255),
    (0, 114, 178, 255),
    (213, 94, 0, 255),
    (204, 121, 167, 255),
)
"""Red, green, blue and opacity of objects, by label: told apart by all eyes."""


def create_project(
    folder: Path,
    objects: Sequence[ObjectSpec],
    *,
    name: str,
    details: Mapping[str, Mapping[str, Any]] | None = None,
) -> Path:
    """Make a copick project without runs and return the path of its configuration.

    Parameters
    ----------
    folder : pathlib.Path
        Folder to make; ``config.json`` and the overlay ``project/`` come into it.
    objects : sequence of ObjectSpec
        What can be picked.
    name : str
        Name of the project.
    details : mapping, optional
        Object name -> further keys of copick, such as ``pdb_id`` and ``color``; its ``metadata``
        is added to ours.

    Returns
    -------
    pathlib.Path
        Path of ``config.json``.

    Raises
    ------
    ProjectError
        If there is another project already, or the folder cannot be written.
    """
    config_path = folder / CONFIG_FILE
    config = project_config(folder, objects, name=name, details=details)
    if os.path.lexists(config_path):
        if is_config(config_path, config_hash(config)):  # made by a process that began with us
            return config_path
        msg = f"{config_path} exists; choose another folder"
        raise ProjectError(msg)
    overlay = Path(config["overlay_root"])
    with guarded(f"cannot make a project in {folder}"):
        overlay.mkdir(parents=True, exist_ok=True)
        from_string(json.dumps(config))
        write_text(config_path, json.dumps(config, indent=2) + "\n")
    return config_path


def project_config(
    folder: Path,
    objects: Sequence[ObjectSpec],
    *,
    name: str,
    details: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Return the configuration that ``create_project`` writes; for its parameters see there."""
    more = details or {}
    return {
        "config_type": "filesystem",
        "name": name,
        "description": "Made by copick-picker",
        "version": "1.31.0",
        "pickable_objects": [
            _object_entry(spec, at, more.get(spec.name, {})) for at, spec in enumerate(objects)
        ],
        "overlay_root": str((folder / "project").absolute()),
        "overlay_fs_args": {"auto_mkdir": True},
    }


def config_hash(content: Mapping[str, Any]) -> str:
    """Return a hash of a configuration, wherever its project lies.

    Parameters
    ----------
    content : mapping
        The JSON object.
    """
    told = {key: value for key, value in content.items() if key != "overlay_root"}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def is_config(path: Path, known_hash: object) -> bool:
    """Return whether a configuration is as it was made.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    known_hash : object
        What ``config_hash`` said of it when it was made; None where that is not known.
    """
    if path.is_symlink() or not path.is_file():
        return False
    try:
        content = json.loads(path.read_bytes())
    except ValueError:
        return False
    return known_hash is None or config_hash(content) == known_hash


def check_root(config_path: Path) -> None:
    """Raise where a project lies no longer where its configuration says.

    Parameters
    ----------
    config_path : pathlib.Path
        Configuration that ``create_project`` wrote, in the folder of the project.

    Raises
    ------
    ConflictError
        If outputs would go into another folder, as after the project was moved or copied.
    """
    with guarded(f"cannot read the configuration {config_path}"):
        config = with_whole_roots(json.loads(config_path.read_bytes()), config_path.parent)
    root = config.get("overlay_root")
    place = local_path(root)
    if place is None or place.resolve() != (config_path.parent / "project").resolve():
        msg = (
            f"{config_path} leads to {root}, not into this folder: if the project was moved "
            "or copied, correct its overlay_root first"
        )
        raise ConflictError(msg)


def add_tomogram(
    config_path: Path, run_name: str, key: TomogramKey, volume: npt.NDArray[np.number]
) -> None:
    """Add a tomogram to a project; the run and the voxel spacing are made where needed.

    Parameters
    ----------
    config_path : pathlib.Path
        The project's configuration.
    run_name : str
        Name of the run.
    key : TomogramKey
        Type and voxel spacing in Angstrom.
    volume : numpy.ndarray
        Tomogram (z, y, x), any real type; stored as float32 with copick's pyramid of three levels.

    Raises
    ------
    DataError
        If the volume does not have three axes.
    ProjectError
        If the run holds this tomogram already or the project cannot be written.
    """
    if volume.ndim != 3:
        msg = f"run {run_name}: {key} has shape {volume.shape}; expected (z, y, x)"
        raise DataError(msg)
    with guarded(f"cannot add {key} to run {run_name}"), same_bytes():
        run = _root(config_path).new_run(run_name, exist_ok=True)
        spacing = run.new_voxel_spacing(spacing_of(key.voxel_spacing), exist_ok=True)
        spacing.new_tomogram(key.tomogram_type).from_numpy(volume)


def add_picks(config_path: Path, run_name: str, key: PicksKey, picks: PickSet) -> None:
    """Add a pick set to a project, as another program would: without a record of ours.

    Parameters
    ----------
    config_path : pathlib.Path
        The project's configuration.
    run_name : str
        Name of the run; made where needed.
    key : PicksKey
        Object, user and session.
    picks : PickSet
        Centres (x, y, z) in Angstrom and scores.

    Raises
    ------
    DataError
        If a position or a score is not finite.
    ProjectError
        If the run holds these picks already or the project cannot be written.
    """
    check_finite(picks, f"{key} of run {run_name}")
    with guarded(f"cannot add {key} to run {run_name}"):
        run = _root(config_path).new_run(run_name, exist_ok=True)
        item = run.new_picks(key.object_name, key.session_id, user_id=key.user_id)
        item.from_numpy(picks.points_xyz, scores=picks.scores)


def _root(config_path: Path) -> CopickRoot:
    return from_string(config_path.read_text(encoding="utf-8"))


def _object_entry(spec: ObjectSpec, position: int, details: Mapping[str, Any]) -> dict[str, object]:
    with guarded(f"'{spec.name}' cannot be an object of copick"):
        allowed = sanitize_name(spec.name, suppress_warnings=True)
    if spec.name != allowed:
        msg = f"'{spec.name}' is not a valid object name in copick; use '{allowed}'"
        raise DataError(msg)
    metadata: dict[str, Any] = {"score_weight": spec.score_weight}
    if spec.is_filament:
        polar = {} if spec.has_polarity is None else {"polar": spec.has_polarity}
        metadata["copick"] = {"filament": polar}
    metadata |= details.get("metadata", {})
    if spec.score_threshold is not None:
        metadata["score_threshold"] = spec.score_threshold
    return {
        "name": spec.name,
        "is_particle": spec.is_particle,
        "label": spec.label,
        "color": (*spec.colour, 255) if spec.colour else COLOURS[position % len(COLOURS)],
        "radius": spec.radius_angstrom,
        **details,
        "metadata": metadata,
    }
