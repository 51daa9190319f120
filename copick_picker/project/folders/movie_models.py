"""Folders of the models of movies: a card in YAML, and weights beside it."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from copick_picker.errors import CheckpointError
from copick_picker.project.files import Permit, replacing
from copick_picker.project.folders.model_places import CURVE_FILE
from copick_picker.project.guards import guarded
from copick_picker.records.plain_text import load_yaml

DETECTOR_CARD, HYBRID_CARD, LINKER_CARD = "detector.yaml", "hybrid.yaml", "linker.yaml"
DETECTOR_WEIGHTS, LINKER_WEIGHTS = "weights.safetensors", "linker.pt"
_OTHERS = {
    DETECTOR_CARD: "a detector; give it with -m",
    HYBRID_CARD: "a hybrid; give it with -m",
    LINKER_CARD: "a linker; give it with -l",
    "model.yaml": "a model for tomograms",
}
OWN_FILES = (DETECTOR_CARD, HYBRID_CARD, LINKER_CARD, DETECTOR_WEIGHTS, LINKER_WEIGHTS, CURVE_FILE)


def read_movie_card(folder: Path, file: str) -> dict[str, Any]:
    """Return the card of a model folder.

    Parameters
    ----------
    folder : pathlib.Path
        The folder.
    file : str
        ``detector.yaml``, ``hybrid.yaml`` or ``linker.yaml``.

    Raises
    ------
    CheckpointError
        If there is none, or the folder holds another kind of model.
    """
    path = folder / file
    wanted = "detector or hybrid" if file == DETECTOR_CARD else Path(file).stem
    if not path.is_file():
        files = f"{file} or {HYBRID_CARD}" if file == DETECTOR_CARD else file
        found = next((words for name, words in _OTHERS.items() if (folder / name).is_file()), None)
        if found is not None:
            msg = f"{folder} holds {found}; expected a {wanted}"
        elif folder.is_dir():
            msg = f"{folder} contains no {wanted}: there is no {files}"
        else:
            msg = f"there is no {wanted} {folder}"
        raise CheckpointError(msg)
    with guarded(f"cannot read {path}"):
        try:
            content = load_yaml(path.read_text(encoding="utf-8"))
        except yaml.YAMLError as error:
            msg = f"{path} is not a YAML file: {' '.join(str(error).split())}"
            raise CheckpointError(msg) from error
    if not isinstance(content, dict):
        msg = f"{path} is not a card of a {wanted}"
        raise CheckpointError(msg)
    return content


def any_movie_card(folder: Path) -> dict[str, Any] | None:
    """Return the card of a folder that holds a model of movies; None where it holds none.

    Parameters
    ----------
    folder : pathlib.Path
        The folder.

    Raises
    ------
    CheckpointError
        If the card cannot be read.
    """
    for file in (DETECTOR_CARD, HYBRID_CARD, LINKER_CARD):
        if (folder / file).is_file():
            return read_movie_card(folder, file)
    return None


def card_rows(card: Mapping[str, Any], before: str = "") -> list[tuple[str, str]]:
    """Return a card as names and values; what is nested has the names above it in front.

    Parameters
    ----------
    card : mapping
        The card.
    before : str
        Names above it.
    """
    rows: list[tuple[str, str]] = []
    for key, value in card.items():
        name = f"{before}{key}"
        if isinstance(value, Mapping):
            rows += card_rows(value, f"{name} ")
        elif isinstance(value, float):
            rows.append((name, f"{value:.5g}"))
        else:
            rows.append((name, f"{value:,}" if type(value) is int else str(value)))
    return rows


def check_weights(path: Path, sha256: str) -> None:
    """Raise where a file of weights is not the one that its card names.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    sha256 : str
        As the card has it.

    Raises
    ------
    CheckpointError
        If it is missing or another.
    """
    if not path.is_file():
        msg = f"{path} is missing"
        raise CheckpointError(msg)
    if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        msg = f"{path} is damaged, or not the file described in the card next to it"
        raise CheckpointError(msg)


def write_movie_model(
    folder: Path,
    card: Mapping[str, Any],
    weights: Path,
    curve: Path | None,
    *,
    files: tuple[str, str],
    permit: Permit,
) -> None:
    """Write a model folder, whole.

    Parameters
    ----------
    folder : pathlib.Path
        Folder to make or to replace.
    card : mapping
        The card without ``sha256``, which is filled in.
    weights : pathlib.Path
        File of the weights.
    curve : pathlib.Path or None
        File of the training's curve.
    files : tuple of str
        Names of the card and of the weights in the folder.
    permit : callable
        See ``files.replacing``.
    """
    data = weights.read_bytes()
    told = {**card, "sha256": hashlib.sha256(data).hexdigest()}
    with replacing(folder, permit=permit) as temporary:
        temporary.mkdir()
        (temporary / files[1]).write_bytes(data)
        text = yaml.safe_dump(told, sort_keys=False, allow_unicode=True)
        (temporary / files[0]).write_text(text, encoding="utf-8")
        if curve is not None and curve.is_file():
            (temporary / CURVE_FILE).write_bytes(curve.read_bytes())
