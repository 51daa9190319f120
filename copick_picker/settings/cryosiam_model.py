"""The hyper-parameters of CryoSiam's checkpoint, read as a model card."""

from collections.abc import Mapping
from typing import Any

from copick_picker.errors import CheckpointError, choices_text
from copick_picker.settings.model import ModelCard, model_card

_BACKBONE_DEFAULTS: dict[str, Any] = {
    "block_type": "basic",
    "decoder_type": "fpn",
    "add_fpn_later_conv": False,
}
_BACKBONE_NEEDED = ("num_layers", "num_filters", "fpn_channels")
_HEAD_DEFAULTS: dict[str, Any] = {"filters": [32, 64], "kernel_size": 3, "padding": 1}
"""What CryoSiam's own prediction builds, for checkpoints that do not say."""
_HEAD_NEEDED = ("out_channels", "dense_dim")
_SCALING = {"min": "minimum", "max": "maximum", "mean": "mean", "std": "standard_deviation"}


def cryosiam_card(
    raw: Mapping[str, Any], *, objects: Mapping[str, int] | None, name: str, source: str
) -> ModelCard:
    """Return the card of a model that CryoSiam trained.

    Window, channels and scaling are those of the training's configuration. CryoSiam records
    neither class names nor the voxel spacing; its tomograms show protein bright.

    Parameters
    ----------
    raw : mapping
        ``hyper_parameters`` of the checkpoint.
    objects : mapping or None
        Object name -> channel, from 1; None names them ``class_1``, ``class_2`` and so on.
    name : str
        Name for the model.
    source : str
        Path of the file, for messages.

    Raises
    ------
    CheckpointError
        In one line, if a block is missing, the decoder is no FPN, or an object's channel is not
        one of the network's.
    """
    network = _block(raw, source, "config", "parameters", "network")
    data = _block(raw, source, "config", "parameters", "data")
    backbone = _block(raw, source, "backbone_config", "parameters", "network")
    _check_volumes(network, backbone, source)
    settings = _taken(backbone, _BACKBONE_NEEDED, _BACKBONE_DEFAULTS, source)
    settings |= _taken(network, _HEAD_NEEDED, _HEAD_DEFAULTS, source)
    n_channels = max(int(settings["out_channels"]), 2)
    if objects is None:
        objects = {f"class_{channel}": channel for channel in range(1, n_channels)}
    card = {
        "name": name,
        "architecture": "CryoSiam",
        "parameters": settings,
        "window_voxels": data.get("patch_size"),
        "objects": [{"name": key, "channel": channel} for key, channel in objects.items()],
        "n_channels": n_channels,
        "voxel_spacing_angstrom": None,
        "contrast": "bright",
        "normalization": "scaled",
        "scaling": {ours: data[key] for key, ours in _SCALING.items() if key in data},
        "home": "cryosiam",
        "augmentation_count": 1,
        "provenance": {
            "trained_with": "CryoSiam",
            "contrast": "not recorded by CryoSiam; assuming bright protein",
        },
    }
    return model_card(card, source)


def _check_volumes(network: Mapping[str, Any], backbone: Mapping[str, Any], source: str) -> None:
    """Refuse what is not a network for single-channel volumes with an FPN."""
    expected = {"spatial_dims": 3, "in_channels": 1, "no_max_pool": True, "decoder_type": "fpn"}
    for key, wanted in expected.items():
        for block in (network, backbone):
            got = block.get(key, wanted)
            if got != wanted:
                note = " (BiFPN decoders are not known here)" if key == "decoder_type" else ""
                msg = f"{source}: {key} is {got!r}; expected {wanted!r}{note}"
                raise CheckpointError(msg)


def _taken(
    block: Mapping[str, Any], needed: tuple[str, ...], defaults: Mapping[str, Any], source: str
) -> dict[str, Any]:
    missing = [key for key in needed if block.get(key) is None]
    if missing:
        msg = f"{source}: its hyper-parameters have no {choices_text(missing)}"
        raise CheckpointError(msg)
    given = {key: block[key] for key in needed}
    return given | {key: block.get(key, default) for key, default in defaults.items()}


def _block(raw: Mapping[str, Any], source: str, *path: str) -> Mapping[str, Any]:
    block: Any = raw
    for key in path:
        block = block.get(key) if isinstance(block, Mapping) else None
    if not isinstance(block, Mapping):
        msg = (
            f"{source} is not a fine-tuned model of CryoSiam: its hyper-parameters have no "
            f"{'.'.join(path)}"
        )
        raise CheckpointError(msg)
    return block
