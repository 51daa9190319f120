"""Model files: our folder, octopi's pair of files, CryoSiam's checkpoint.

Readers return a state dict (name -> tensor) and the raw mapping of the YAML; workflows turn the
mapping into settings and the state into a network. Nothing is unpickled unless the caller passes
``trust=True``: safetensors files contain only numbers, and ``torch.load`` runs with
``weights_only=True``.
"""

import hashlib
import pickle
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import yaml
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors

from copick_picker.errors import CheckpointError
from copick_picker.project.files import write_folder, write_text
from copick_picker.project.folders.model_places import (
    CARD_FILE,
    CROP_FILE,
    README_FILE,
    README_HASH,
    WEIGHTS_FILE,
    check_free_model,
)
from copick_picker.records.plain_text import load_yaml

StateDict = dict[str, torch.Tensor]
_BROKEN = (
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    AssertionError,
)
"""Errors of the restricted unpickler and the archive reader on damaged bytes."""


def read_model_folder(folder: Path) -> tuple[StateDict, dict[str, Any]]:
    """Return the weights and the raw card of a model folder.

    Parameters
    ----------
    folder : pathlib.Path
        Folder with ``model.yaml`` and the weights file that it names.

    Returns
    -------
    tuple
        State dict (name -> tensor on the CPU) and the mapping of ``model.yaml``.

    Raises
    ------
    CheckpointError
        In one line, if a file is missing or broken, or the checksum differs from the card's.
    """
    if not folder.is_dir():
        msg = f"model folder {folder} does not exist"
        raise CheckpointError(msg)
    raw = read_mapping(folder / CARD_FILE)
    weights_path = folder / Path(str(raw.get("weights_file", WEIGHTS_FILE))).name
    data = _read_bytes(weights_path)
    found, expected = hashlib.sha256(data).hexdigest(), raw.get("weights_sha256")
    if found != expected:
        msg = (
            f"weights {weights_path} have SHA-256 {found[:12]}..., but {CARD_FILE} says "
            f"{str(expected)[:12]}...: the file was changed or truncated"
        )
        raise CheckpointError(msg)
    try:
        return load_safetensors(data), raw
    except (SafetensorError, ValueError, RuntimeError, KeyError) as error:
        msg = f"weights {weights_path} are not a complete safetensors file: {_one_line(error)}"
        raise CheckpointError(msg) from None


def write_model_folder(
    folder: Path,
    state_dict: Mapping[str, torch.Tensor],
    raw: Mapping[str, Any],
    *,
    crop: npt.NDArray[np.float16] | None = None,
    beside: Callable[[Mapping[str, Any]], Mapping[str, str]] | None = None,
    overwrite: bool = False,
) -> None:
    """Write a model folder, completely or not at all.

    Parameters
    ----------
    folder : pathlib.Path
        Folder to make.
    state_dict : mapping
        Name -> tensor; stored contiguously, tensors that share memory as copies.
    raw : mapping
        The card; ``weights_file``, ``weights_sha256``, and file and SHA-256 of ``crop`` are filled
        in here.
    crop : numpy.ndarray, shape (z, y, x), float16, optional
        Crop of a tomogram, normalised, described by ``crop`` in the card.
    beside : callable, optional
        Card as written -> further texts for the folder, by file name.
    overwrite : bool
        Whether an existing model folder is replaced.

    Raises
    ------
    CheckpointError
        If the folder exists (or is not a model), or cannot be written.
    """
    check_free_model(folder, overwrite=overwrite)
    tensors = {name: tensor.detach().cpu().clone() for name, tensor in state_dict.items()}
    data = save_safetensors({name: tensor.contiguous() for name, tensor in tensors.items()})
    checksum = hashlib.sha256(data).hexdigest()
    card = dict(raw) | {"weights_file": WEIGHTS_FILE, "weights_sha256": checksum}
    files = {WEIGHTS_FILE: data}
    if crop is not None:
        files[CROP_FILE] = save_safetensors({"crop": torch.from_numpy(crop.copy())})
        checksum = hashlib.sha256(files[CROP_FILE]).hexdigest()
        card["crop"] = dict(card["crop"]) | {"file": CROP_FILE, "sha256": checksum}
    if beside is not None:
        texts = {name: text.encode() for name, text in beside(card).items()}
        if README_FILE in texts:
            digest = hashlib.sha256(texts[README_FILE]).hexdigest()
            card["provenance"] = {**(card.get("provenance") or {}), README_HASH: digest}
        files |= texts
    files[CARD_FILE] = card_text(card).encode()
    try:
        permit = partial(check_free_model, folder, overwrite=overwrite)
        write_folder(folder, files, permit=permit)
    except OSError as error:
        msg = f"model folder {folder} cannot be written: {_one_line(error)}"
        raise CheckpointError(msg) from error


def card_text(raw: Mapping[str, Any]) -> str:
    """Return a card as the text of ``model.yaml``.

    Parameters
    ----------
    raw : mapping
        The card.
    """
    return yaml.safe_dump(dict(raw), sort_keys=False, allow_unicode=True)


def replace_card(folder: Path, raw: Mapping[str, Any]) -> None:
    """Replace the card of a model folder, safely; weights and everything else are kept.

    Parameters
    ----------
    folder : pathlib.Path
        Model folder.
    raw : mapping
        The complete card.

    Raises
    ------
    ProjectError
        If it cannot be written; the old card is then kept.
    """
    write_text(folder / CARD_FILE, card_text(raw))


def read_crop(folder: Path, entry: Mapping[str, Any]) -> npt.NDArray[np.float16]:
    """Return the crop of a tomogram in a model folder.

    Parameters
    ----------
    folder : pathlib.Path
        Model folder.
    entry : mapping
        ``crop`` of its card: ``file`` and ``sha256``.

    Returns
    -------
    numpy.ndarray, shape (z, y, x), float16
        Normalised.

    Raises
    ------
    CheckpointError
        If the file is missing, broken, or differs from the card's.
    """
    path = folder / Path(str(entry["file"])).name
    data = _read_bytes(path)
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        msg = f"{path} is not the file described in {CARD_FILE}: it was changed or truncated"
        raise CheckpointError(msg)
    try:
        crop = load_safetensors(data)["crop"]
    except (SafetensorError, ValueError, RuntimeError, KeyError) as error:
        msg = f"{path} contains no array 'crop': {_one_line(error)}"
        raise CheckpointError(msg) from None
    if crop.ndim != 3 or crop.dtype != torch.float16:
        msg = f"{path} holds {crop.dtype} of shape {tuple(crop.shape)}; expected float16 (z, y, x)"
        raise CheckpointError(msg)
    values: npt.NDArray[np.float16] = crop.numpy()
    return values


def read_octopi_pair(
    config_path: Path, weights_path: Path, *, trust: bool = False
) -> tuple[StateDict, dict[str, Any]]:
    """Return the weights and the raw YAML of a model that octopi trained.

    Parameters
    ----------
    config_path : pathlib.Path
        ``model_config.yaml`` as octopi writes it.
    weights_path : pathlib.Path
        ``best_model.pth``: a plain state dict.
    trust : bool
        Whether to unpickle a file that contains more than numbers. Unpickling runs code from the
        file.

    Returns
    -------
    tuple
        State dict (name -> tensor on the CPU) and the mapping of the YAML.

    Raises
    ------
    CheckpointError
        In one line, if a file is missing, broken or unsafe.
    """
    return read_torch_weights(weights_path, trust=trust), read_mapping(config_path)


def read_torch_weights(path: Path, *, trust: bool = False) -> StateDict:
    """Return the state dict of a file written by ``torch.save``.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    trust : bool
        Whether to unpickle a file that contains more than numbers.

    Raises
    ------
    CheckpointError
        In one line, if the file is missing, broken, unsafe or not a state dict.
    """
    state = _load(path, trust=trust)
    if not isinstance(state, Mapping) or not state:
        msg = f"weights {path} hold a {type(state).__name__}, not a state dict (name -> tensor)"
        raise CheckpointError(msg)
    wrong = [str(name) for name, value in state.items() if not isinstance(value, torch.Tensor)]
    if wrong:
        msg = (
            f"weights {path} are not a plain state dict: these are not tensors: "
            f"{', '.join(wrong[:5])}"
        )
        raise CheckpointError(msg)
    return {str(name): tensor for name, tensor in state.items()}


def read_cryosiam_checkpoint(
    path: Path, *, trust: bool = False
) -> tuple[StateDict, dict[str, Any]]:
    """Return the weights and the hyper-parameters of a checkpoint from CryoSiam.

    Parameters
    ----------
    path : pathlib.Path
        ``.ckpt`` as Lightning writes it, with ``state_dict`` and ``hyper_parameters``.
    trust : bool
        Whether to unpickle a file that contains more than numbers and settings.

    Returns
    -------
    tuple
        State dict under CryoSiam's names, and ``hyper_parameters``.

    Raises
    ------
    CheckpointError
        In one line, if the file is missing, broken, unsafe or not such a checkpoint.
    """
    content = _load(path, trust=trust)
    if not isinstance(content, Mapping):
        msg = f"checkpoint {path} holds a {type(content).__name__}, not a checkpoint of CryoSiam"
        raise CheckpointError(msg)
    parts = ("state_dict", "hyper_parameters")
    missing = [part for part in parts if not isinstance(content.get(part), Mapping)]
    if missing:
        msg = (
            f"checkpoint {path} is not from CryoSiam: it has no {' and no '.join(missing)} "
            f"(it has: {', '.join(str(key) for key in list(content)[:10])})"
        )
        raise CheckpointError(msg)
    state = {str(name): value for name, value in content["state_dict"].items()}
    wrong = [name for name, value in state.items() if not isinstance(value, torch.Tensor)]
    if wrong:
        msg = f"checkpoint {path}: these are not tensors: {', '.join(wrong[:5])}"
        raise CheckpointError(msg)
    return state, {str(key): value for key, value in content["hyper_parameters"].items()}


def read_mapping(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Raises
    ------
    CheckpointError
        In one line, if the file is missing or not a YAML mapping.
    """
    text = _read_bytes(path)
    try:
        content = load_yaml(text)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        msg = f"{path} is not valid YAML: {_one_line(error)}"
        raise CheckpointError(msg) from None
    if not isinstance(content, dict):
        msg = f"{path} holds {type(content).__name__}, expected a mapping of settings"
        raise CheckpointError(msg)
    return {str(key): value for key, value in content.items()}


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, for records.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Raises
    ------
    CheckpointError
        If the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        msg = f"{path} cannot be read: {_one_line(error)}"
        raise CheckpointError(msg) from None


def _load(path: Path, *, trust: bool) -> object:
    if not path.is_file():
        msg = f"weights {path} do not exist"
        raise CheckpointError(msg)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            return torch.load(path, map_location="cpu", weights_only=not trust)
    except pickle.UnpicklingError as error:
        msg = _unpickling_message(path, str(error))
        raise CheckpointError(msg) from None
    except _BROKEN as error:
        msg = f"weights {path} are broken or truncated: {_one_line(error)}"
        raise CheckpointError(msg) from None


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        msg = f"{path} does not exist"
        raise CheckpointError(msg) from None
    except OSError as error:
        msg = f"{path} cannot be read: {_one_line(error)}"
        raise CheckpointError(msg) from None


def _unpickling_message(path: Path, reason: str) -> str:
    if "weights_only" in reason or "Unsupported" in reason:
        return (
            f"weights {path} contain more than numbers and were not opened, because that "
            "could run code; use --trust-checkpoint only if you trust the file"
        )
    return f"weights {path} are broken or truncated"


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text[:200] if text else type(error).__name__
