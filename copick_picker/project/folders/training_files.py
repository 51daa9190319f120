"""Files of an unfinished training: its job, its curve, its best weights."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors

from copick_picker.errors import CheckpointError, DataError, ProjectError
from copick_picker.project.files import write_bytes, write_text
from copick_picker.project.folders.model_places import CURVE_FILE
from copick_picker.project.folders.project_folder import foreign_files
from copick_picker.records.plain_text import load_json

JOB_FILE = "job.json"
STATE_FILE = "last.ckpt"
BEST_FILE = "best.safetensors"
DONE_FILE = "done.json"
_OF_COURSE = (CURVE_FILE, STATE_FILE, BEST_FILE, DONE_FILE)
_EVENTS = "tensorboard"


def foreign_in_training(folder: Path) -> list[str]:
    """Return everything in the folder of a training that no training puts there.

    Parameters
    ----------
    folder : pathlib.Path
        The folder, or any other.
    """
    if folder.is_symlink() or not folder.is_dir():
        return [folder.name]
    found = []
    for name in foreign_files(folder, (JOB_FILE, *_OF_COURSE)):
        if name.startswith("fold_") and name.endswith("/"):
            inside = foreign_files(folder / name.rstrip("/"), _OF_COURSE)
            found += [f"{name}{each}" for each in inside if each != f"{_EVENTS}/"]
        elif name != f"{_EVENTS}/":
            found.append(name)
    return found


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the content of a JSON file of a training; None if there is no such file.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Raises
    ------
    ProjectError
        If it is broken.
    """
    try:
        content = load_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        msg = f"cannot read {path}: {error}"
        raise ProjectError(msg) from error
    return dict(content)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file of a training atomically.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    content : mapping
        JSON values.
    """
    write_text(path, json.dumps(content, indent=2) + "\n")


def read_curve(path: Path) -> list[dict[str, str]]:
    """Return the rows of a training curve, as texts by column; empty if there is no file.

    Parameters
    ----------
    path : pathlib.Path
        The CSV file.
    """
    if not path.is_file():
        return []
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def write_curve(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> None:
    """Write a training curve atomically.

    Parameters
    ----------
    path : pathlib.Path
        The CSV file.
    columns : sequence of str
        Columns in their order.
    rows : sequence of mapping
        Texts by column; a missing one is empty.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def write_weights(path: Path, state: Mapping[str, torch.Tensor]) -> None:
    """Write weights atomically.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    state : mapping
        Name -> tensor.
    """
    tensors = {name: value.detach().cpu().clone() for name, value in state.items()}
    write_bytes(path, save_safetensors({n: t.contiguous() for n, t in tensors.items()}))


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Return weights on the CPU.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Raises
    ------
    CheckpointError
        If it is missing or broken.
    """
    try:
        return load_safetensors(path.read_bytes())
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        msg = f"cannot read the weights {path}: {error}"
        raise CheckpointError(msg) from error


def finished(folder: Path) -> dict[str, Any]:
    """Return the content of a finished training's ``done.json``.

    Parameters
    ----------
    folder : pathlib.Path
        Its folder.

    Raises
    ------
    DataError
        If it is not finished.
    """
    done = read_json(folder / DONE_FILE)
    if done is None:
        msg = f"the training in {folder} did not finish"
        raise DataError(msg)
    return done
