"""How values of ``train`` are written: augmentations, settings of the network, sizes of patches."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import yaml

from copick_picker.errors import SettingsError
from copick_picker.records.plain_text import load_yaml
from copick_picker.settings.job import split_names

AUGMENTATION_PARAMETERS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "flips": {},
        "quarter-turns": {},
        "tilts": {"share": 0.3, "max_degrees": 15.0},
        "scale": {"share": 0.3, "max_change": 0.05},
        "wedge": {"share": 0.2, "min_degrees": 40.0, "max_degrees": 60.0},
        "contrast": {"scale_sigma": 0.2, "shift_sigma": 0.1},
        "noise": {"share": 0.3, "max_sigma": 0.3},
        "mixup": {"share": 0.5, "alpha": 1.0},
    }
)
"""Parameters of the augmentations, by name."""


def augmentation_plan(value: object) -> object:
    """Return name -> parameters of ``flips,scale``, of a list of names, or of a mapping.

    Parameters
    ----------
    value : object
        What a flag or a YAML file gave. Parameters that are not given are the default ones.
    """
    if isinstance(value, Mapping):
        return {
            str(name): dict(AUGMENTATION_PARAMETERS.get(str(name), {})) | dict(given or {})
            for name, given in value.items()
        }
    names = split_names(value)
    if isinstance(names, tuple):
        return {
            str(name): dict(AUGMENTATION_PARAMETERS.get(str(name), {}))
            for name in names
            if name != "none"
        }
    return value


def split_values(value: object) -> object:
    """Return a dict from ``name=value`` texts, the values read as YAML, or the value itself.

    Parameters
    ----------
    value : object
        What a flag or a YAML file gave.

    Raises
    ------
    SettingsError
        If a text has no ``=``.
    """
    if not isinstance(value, tuple | list):
        return value
    pairs: dict[str, Any] = {}
    for text in value:
        name, equals, content = str(text).partition("=")
        if not equals:
            msg = f"got '{text}'; expected name=value"
            raise SettingsError(msg)
        try:
            pairs[name.strip()] = load_yaml(content)
        except yaml.YAMLError as error:
            msg = f"got '{text[:80]}'; the value is not valid YAML: {' '.join(str(error).split())}"
            raise SettingsError(msg) from error
    return pairs


def split_numbers(value: object) -> object:
    """Return a tuple of integers from ``12,24``, or one number three times, or the value itself.

    Parameters
    ----------
    value : object
        What a flag or a YAML file gave.

    Examples
    --------
    >>> split_numbers("48"), split_numbers("32,64,64")
    (('48', '48', '48'), ('32', '64', '64'))
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return (value, value, value)
    parts = split_names(value) if isinstance(value, str) else value
    if isinstance(parts, tuple) and len(parts) == 1:
        return parts * 3
    return parts
