"""Folders of models: recognising them, and whether new ones may replace them."""

import hashlib
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from copick_picker.errors import CheckpointError, ConflictError, choices_text, nearest_name
from copick_picker.project.folders.project_folder import foreign_files
from copick_picker.project.standing import own_folder, standing_at
from copick_picker.records.plain_text import load_yaml

CARD_FILE = "model.yaml"
WEIGHTS_FILE = "weights.safetensors"
CROP_FILE = "crop.safetensors"
CURVE_FILE, README_FILE = "curve.csv", "README.md"
"""Files that ``train`` adds to a model."""
README_HASH = "readme_sha256"
"""Key in the provenance of its card. The curve contains times, so that its hash would differ
between trainings that give the same model."""


def is_model_folder(path: Path) -> bool:
    """Return whether a path looks like one of our model folders.

    Parameters
    ----------
    path : pathlib.Path
        Any path.
    """
    return path.is_dir() and (path / CARD_FILE).is_file()


def check_free_model(folder: Path, *, overwrite: bool) -> None:
    """Raise if writing a model folder would lose something.

    Parameters
    ----------
    folder : pathlib.Path
        Folder to make or to replace.
    overwrite : bool
        Whether to replace an existing model folder.

    Raises
    ------
    CheckpointError
        If anything is there that may not be replaced.
    """
    found = standing_at(folder, own_folder(foreign_in_model))
    if found is None or (overwrite and found.is_replaceable):
        return
    reason = f"it contains more than a model ({found.words})"
    if not is_model_folder(folder):
        reason = f"it is not a model ({found.words})"
    if found.is_replaceable:
        reason = f"use overwrite to replace it (found: {found.words})"
    msg = f"{folder} exists; {reason}"
    raise CheckpointError(msg)


def foreign_in_model(folder: Path) -> list[str]:
    """Return everything in a folder that is not part of a model.

    Parameters
    ----------
    folder : pathlib.Path
        A model folder, or any other.
    """
    if folder.is_symlink():
        return [folder.name]
    card = _card(folder / CARD_FILE)
    if "weights_sha256" not in card:
        return foreign_files(folder, ())
    own, readme = [CARD_FILE, WEIGHTS_FILE, CROP_FILE], folder / README_FILE
    known = (card.get("provenance") or {}).get(README_HASH)
    if known is not None:
        own.append(CURVE_FILE)
        is_own = readme.is_file() and hashlib.sha256(readme.read_bytes()).hexdigest() == known
        own += [README_FILE] if is_own else []
    return foreign_files(folder, own)


def _card(file: Path) -> dict[str, Any]:
    """Return a model's card, empty if the file is not one."""
    try:
        content = load_yaml(file.read_bytes())
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return dict(content) if isinstance(content, dict) else {}


def check_free_models(output: Path, *, overwrite: bool) -> None:
    """Raise if writing a model, or a folder of models, would lose something.

    Parameters
    ----------
    output : pathlib.Path
        Folder to make or to replace.
    overwrite : bool
        Whether to replace existing models.

    Raises
    ------
    ConflictError
        If anything is there that may not be replaced.
    """
    found = standing_at(output, own_folder(_foreign_in_models))
    if found is None or (overwrite and found.is_replaceable):
        return
    if overwrite:
        msg = f"{output} contains other things than models ({found.words}); choose another output"
    else:
        msg = (
            f"{output} exists and was not made by this training; use --overwrite or another output "
            f"(found: {found.words})"
        )
    raise ConflictError(msg)


def _foreign_in_models(folder: Path) -> list[str]:
    if is_model_folder(folder):
        return foreign_in_model(folder)
    found = []
    for name in foreign_files(folder, ()):
        inside = folder / name.rstrip("/")
        if inside.is_dir() and is_model_folder(inside) and not inside.is_symlink():
            found += [f"{name}{each}" for each in foreign_in_model(inside)]
        else:
            found.append(name)
    return found


def shipped_models() -> dict[str, Path]:
    """Return the models that ship with the package: name -> folder."""
    root = Path(str(resources.files("copick_picker"))) / "models"
    folders = sorted(root.iterdir()) if root.is_dir() else []
    return {folder.name: folder for folder in folders if is_model_folder(folder)}


def model_folders(name: str) -> list[Path]:
    """Return the folders of one model, or of all models in a folder of them, by name.

    Parameters
    ----------
    name : str
        Path of a model or of a folder of models, such as ``train --members`` makes; or the name of
        a shipped model.

    Raises
    ------
    CheckpointError
        If there is no such folder or model.
    """
    path = Path(name)
    if path.is_dir() and not is_model_folder(path):
        inner = [each for each in path.iterdir() if is_model_folder(each)]
        if inner:
            return sorted(inner, key=_number_last)
    return [find_folder(name)]


def _number_last(folder: Path) -> tuple[str, int]:
    """Return what sorts ``member_2`` before ``member_10``."""
    stem, _, number = folder.name.rpartition("_")
    return (stem, int(number)) if number.isdecimal() else (folder.name, 0)


def find_folder(name: str) -> Path:
    """Return the folder of a model: a path, or the name of a shipped model.

    Parameters
    ----------
    name : str
        Path or name.

    Raises
    ------
    CheckpointError
        If there is no such folder or model.
    """
    path = Path(name)
    if path.exists():
        if is_model_folder(path):
            return path
        msg = f"{path} is not a model folder (model.yaml and weights.safetensors)"
        raise CheckpointError(msg)
    shipped = shipped_models()
    if name in shipped:
        return shipped[name]
    near, known = nearest_name(name, shipped), choices_text(shipped)
    msg = f"no model folder '{name}'{near}; shipped models: {known}"
    raise CheckpointError(msg)
