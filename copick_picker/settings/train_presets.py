"""Defaults of ``train`` that go together: those of a head, and ready recipes by name."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from copick_picker.errors import SettingsError, choices_text, nearest_name
from copick_picker.settings.job import split_pairs

HEAD_DEFAULTS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {"centres": {"loss": "tversky"}, "heatmap": {"loss": "bce"}}
)
"""What a head takes where the user says nothing."""
MOTOR_KINDS = {"single": 0.4, "multi": 0.05, "hard-negative": 0.25, "negative": 0.3}
PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "motor": {
            "head": "heatmap",
            "voxel_spacing": 10.0,
            "architecture": "FeaturePyramid",
            "parameters": {
                "channels": [8, 20, 48, 100, 224, 496],
                "output_stride": 16,
                "norm": "group",
                "dropout": 0.2,
            },
            "patch": (160, 288, 288),
            "batch_size": 1,
            "accumulate": 4,
            "patch_kinds": MOTOR_KINDS,
            "loss_parameters": {"positive_weight": 420.0},
            "learning_rate": 1e-3,
            "backbone_rate": 0.1,
            "warmup_share": 0.1,
            "hard_negatives": 4,
            "beta": 2.0,
        },
        "motor-small": {
            "head": "heatmap",
            "voxel_spacing": 30.0,
            "architecture": "FeaturePyramid",
            "parameters": {
                "channels": [12, 24, 48, 64],
                "output_stride": 4,
                "norm": "batch",
                "dropout": 0.1,
                "fold": 2,
                "squeeze_excite": False,
            },
            "patch": (32, 64, 64),
            "batch_size": 4,
            "patch_kinds": MOTOR_KINDS,
            "loss_parameters": {"positive_weight": 10.0},
            "warmup_share": 0.1,
            "validate_every": 250,
            "hard_negatives": 4,
            "beta": 2.0,
        },
    }
)
"""Recipe -> what it sets; what the user gives wins. Both bring every tomogram to their own voxel
spacing. ``motor`` follows the published detector of flagellar motors and wants a GPU;
``motor-small`` trains in minutes on two cores."""


def with_preset(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with the defaults of their preset and of their head filled in.

    Parameters
    ----------
    given : mapping
        What the user gave; ``preset`` and ``head`` among it.

    Raises
    ------
    SettingsError
        If there is no such preset.

    Examples
    --------
    >>> with_preset({"head": "centres", "loss": "focal"})
    {'loss': 'focal', 'head': 'centres'}
    """
    name = given.get("preset")
    if name is not None and name not in PRESETS:
        near = nearest_name(str(name), PRESETS)
        msg = f"no preset '{name}'{near}; known: {choices_text(PRESETS)}"
        raise SettingsError(msg)
    preset = PRESETS[str(name)] if name is not None else {}
    head = str(given.get("head") or preset.get("head"))
    known = {**HEAD_DEFAULTS.get(head, {}), **preset, **given}
    own = split_pairs(given.get("loss_parameters"))
    if "loss_parameters" in preset and isinstance(own, Mapping):
        known["loss_parameters"] = {**preset["loss_parameters"], **own}
    return known
