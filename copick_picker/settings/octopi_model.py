"""Octopi's ``model_config.yaml``, read as a model card."""

from collections.abc import Mapping
from typing import Any

from copick_picker.errors import CheckpointError, choices_text
from copick_picker.settings.model import ModelCard, model_card

_NOT_PARAMETERS = ("architecture", "num_classes", "dim_in")
_UNET_DEFAULTS: dict[str, Any] = {
    "channels": [48, 64, 80, 80],
    "strides": [2, 2, 1],
    "num_res_units": 1,
    "dropout": 0.1,
}
"""Octopi's own, for files that leave one out; dropout changes no prediction."""


def octopi_card(raw: Mapping[str, Any], *, name: str, source: str, weights_file: str) -> ModelCard:
    """Return the card of a model that octopi trained.

    The channels are octopi's labels, the window is the cube of ``dim_in`` voxels, the voxel
    spacing that of ``dataloader``. Octopi does not record the contrast of its training data: dark
    protein is taken, as its tutorials have it, and the card says so.

    Parameters
    ----------
    raw : mapping
        Content of ``model_config.yaml``.
    name : str
        Name for the model.
    source : str
        Path of the file, for messages.
    weights_file : str
        Name of the weights file.

    Raises
    ------
    CheckpointError
        In one line, if a block is missing or holds something else.
    """
    model = raw.get("model")
    if not isinstance(model, Mapping):
        msg = (
            f"{source} contains no settings of the network (model: {model}): octopi up to "
            "1.5 kept none for AttentionUnet; write its architecture, channels, strides, "
            "num_classes and dim_in under 'model' to use its weights"
        )
        raise CheckpointError(msg)
    missing = [key for key in _NOT_PARAMETERS if model.get(key) is None]
    if missing:
        msg = f"{source}: 'model' has no {choices_text(missing)}"
        raise CheckpointError(msg)
    side = model["dim_in"]
    card = {
        "name": name,
        "architecture": model["architecture"],
        "parameters": _parameters(model),
        "window_voxels": [side, side, side],
        "objects": _objects(raw.get("labels"), source),
        "n_channels": model["num_classes"],
        "voxel_spacing_angstrom": _voxel_spacing(raw.get("dataloader")),
        "home": "octopi",
        "weights_file": weights_file,
        "provenance": {
            "trained_with": "octopi",
            "contrast": "not recorded by octopi; assuming dark protein",
            "optimizer": raw.get("optimizer"),
            "dataloader": raw.get("dataloader"),
        },
    }
    return model_card(card, source)


def _parameters(model: Mapping[str, Any]) -> dict[str, Any]:
    given = {key: value for key, value in model.items() if key not in _NOT_PARAMETERS}
    return _UNET_DEFAULTS | given if model["architecture"] == "Unet" else given


def _objects(labels: object, source: str) -> list[dict[str, Any]]:
    if not isinstance(labels, Mapping) or not labels:
        msg = f"{source} contains no 'labels' (object name: label); got {labels!r}"
        raise CheckpointError(msg)
    return [{"name": str(name), "channel": channel} for name, channel in labels.items()]


def _voxel_spacing(dataloader: object) -> float | None:
    """Return ``voxel_size``, else the spacing of the first tomogram URI, else None."""
    if not isinstance(dataloader, Mapping):
        return None
    stated = dataloader.get("voxel_size")
    if isinstance(stated, int | float) and stated > 0:
        return float(stated)
    uris = dataloader.get("tomo_uris")
    first = str(uris[0]) if isinstance(uris, list) and uris else ""
    try:
        spacing = float(first.rpartition("@")[2])
    except ValueError:
        return None
    return spacing if spacing > 0 else None
