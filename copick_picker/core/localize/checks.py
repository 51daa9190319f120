"""Checks of what localization is given, before any work starts."""

from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt

from copick_picker.errors import (
    DataError,
    SettingsError,
    UnknownNameError,
    choices_text,
    nearest_name,
)
from copick_picker.records.points import LocalizeTarget

IntVolume = npt.NDArray[np.integer]
FloatVolume = npt.NDArray[np.floating]


def check_method(method: str, methods: Collection[str]) -> None:
    """Raise UnknownNameError unless the method is one of those that exist.

    Parameters
    ----------
    method : str
        What was asked for.
    methods : collection of str
        What exists.
    """
    if method not in methods:
        msg = (
            f"unknown localization method '{method}'{nearest_name(method, methods)}; "
            f"choices: {choices_text(methods)}"
        )
        raise UnknownNameError(msg)


def check_targets(targets: Sequence[LocalizeTarget]) -> None:
    """Raise SettingsError unless every target has its own name and label and a radius.

    Parameters
    ----------
    targets : sequence of LocalizeTarget
        What to look for.
    """
    for what in ("object_name", "label"):
        values = [getattr(target, what) for target in targets]
        twice = sorted({value for value in values if values.count(value) > 1})
        if twice:
            msg = f"{what.replace('_', ' ')} {choices_text(twice)} is used for two targets"
            raise SettingsError(msg)
    if len(targets) > 1 and any(target.any_value for target in targets):
        msg = f"every value is '{targets[0].object_name}', but {len(targets)} objects are requested"
        raise SettingsError(msg)
    for target in targets:
        name, radius = target.object_name, target.radius_angstrom
        if radius is None:
            msg = f"object '{name}' has no radius; set it in the project or with --radius"
            raise SettingsError(msg)
        _check_positive(name, "radius in Angstrom", radius)
        if target.target_fraction is not None:
            _check_positive(name, "target fraction", target.target_fraction)
        if target.label < 1:
            msg = f"object '{name}' has label {target.label}; expected 1 or more"
            raise SettingsError(msg)


def check_labels(labels: IntVolume) -> None:
    """Raise DataError unless labels are a volume of integers.

    Parameters
    ----------
    labels : numpy.ndarray, shape (z, y, x), integer
        Segmentation.
    """
    if labels.ndim != 3 or not np.issubdtype(labels.dtype, np.integer):
        msg = (
            f"segmentation has shape {labels.shape} and type {labels.dtype}; "
            "expected (z, y, x) integers"
        )
        raise DataError(msg)


def check_channels(probabilities: FloatVolume, targets: Sequence[LocalizeTarget]) -> None:
    """Raise DataError or SettingsError unless every target has a probability volume.

    Parameters
    ----------
    probabilities : numpy.ndarray, shape (c, z, y, x), floating
        Class probabilities.
    targets : sequence of LocalizeTarget
        What to look for.
    """
    if probabilities.ndim != 4 or not np.issubdtype(probabilities.dtype, np.floating):
        msg = (
            f"probabilities have shape {probabilities.shape} and type {probabilities.dtype}; "
            "expected (c, z, y, x) floating"
        )
        raise DataError(msg)
    count = len(probabilities)
    for target in targets:
        if target.channel is None or not 0 <= target.channel < count:
            msg = (
                f"object '{target.object_name}' has channel {target.channel}; "
                f"expected 0 to {count - 1}"
            )
            raise SettingsError(msg)


def check_values(probability: FloatVolume, object_name: str) -> None:
    """Raise DataError unless all values lie in [0, 1].

    Parameters
    ----------
    probability : numpy.ndarray, shape (z, y, x), floating
        Probability of one target.
    object_name : str
        Its object, for the message.
    """
    for plane in probability:
        low, high = plane.min(initial=0.0), plane.max(initial=0.0)
        if not (low >= 0.0 and high <= 1.0):  # a comparison with NaN is false
            msg = f"probabilities of '{object_name}' range from {low} to {high}; expected 0 to 1"
            raise DataError(msg)


def _check_positive(name: str, what: str, value: float) -> None:
    if not (np.isfinite(value) and value > 0):
        msg = f"object '{name}' has {what} {value}; expected a positive number"
        raise SettingsError(msg)
