"""Checks of a network's settings, shared by the builders."""

from collections.abc import Mapping, Sequence
from typing import Any

from copick_picker.errors import CheckpointError, choices_text, nearest_name


def checked_parameters(
    architecture: str,
    parameters: Mapping[str, Any],
    *,
    required: Sequence[str],
    optional: Sequence[str] = (),
) -> dict[str, Any]:
    """Return a copy of the parameters of a network, none missing and none unknown.

    Parameters
    ----------
    architecture : str
        Name of the network, for messages.
    parameters : mapping
        Settings of the network.
    required, optional : sequence of str
        Names that must, and that may be there.

    Raises
    ------
    CheckpointError
        If a name is missing or unknown.

    Examples
    --------
    >>> checked_parameters("Unet", {"channels": [8, 16]}, required=["channels"])
    {'channels': [8, 16]}
    """
    known = [*required, *optional]
    for name in parameters:
        if name not in known:
            msg = (
                f"{architecture} has no parameter '{name}'{nearest_name(name, known)}; "
                f"its parameters: {choices_text(known)}"
            )
            raise CheckpointError(msg)
    missing = [name for name in required if name not in parameters]
    if missing:
        msg = f"{architecture} needs the parameters {choices_text(missing)}, which are missing"
        raise CheckpointError(msg)
    return dict(parameters)


def name_with_options(value: object) -> object:
    """Return a layer's name, or the pair (name, options) of a two-element list.

    YAML has no tuples: ``[INSTANCE, {affine: true}]`` means ``("INSTANCE", {"affine": True})``.

    Parameters
    ----------
    value : str or sequence
        As read from YAML.

    Examples
    --------
    >>> name_with_options(["INSTANCE", {"affine": True}])
    ('INSTANCE', {'affine': True})
    >>> name_with_options(["leakyrelu"])
    'leakyrelu'
    """
    if isinstance(value, list | tuple):
        return value[0] if len(value) == 1 else (value[0], dict(value[1]))
    return value
