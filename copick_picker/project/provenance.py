"""Provenance records: group attributes of volumes, a YAML file beside picks, octopi's logs."""

import json
from collections.abc import Mapping
from typing import Any

import yaml

from copick_picker.errors import DataError, ProjectError

ATTRIBUTE = "copick_picker"
"""Key of our record among the attributes of a zarr group."""
LABELS = "labels"
"""Key inside a record: name -> label of a segmentation."""
SCHEMA_VERSION = 1
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's where it is built in: ten times faster, the same values."""
UNFINISHED: dict[str, Any] = {"state": "unfinished"}
"""What stands in the place of a record until the volume is whole."""


def to_stored(record: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return a record as plain JSON values, with the version of its schema.

    Parameters
    ----------
    record : mapping
        What the caller wants to be kept.
    where : str
        URI and run, for the message.

    Raises
    ------
    DataError
        If the record holds what JSON cannot (arrays, NaN, keys that are not text).
    """
    try:
        plain = json.loads(json.dumps(dict(record), allow_nan=False))
    except (TypeError, ValueError) as error:
        msg = f"the record of {where} cannot be stored: {error}"
        raise DataError(msg) from error
    return {"schema_version": SCHEMA_VERSION, **plain}


def from_stored(stored: object) -> dict[str, Any] | None:
    """Return a record as the caller gave it; None where it is not a finished record of ours.

    Parameters
    ----------
    stored : object
        What stands at the place of a record.
    """
    if not isinstance(stored, Mapping) or "schema_version" not in stored:
        return None
    return {key: value for key, value in stored.items() if key != "schema_version"}


def is_unfinished(stored: object) -> bool:
    """Return whether a write of ours was cut off.

    Parameters
    ----------
    stored : object
        What stands at the place of a record.
    """
    return isinstance(stored, Mapping) and dict(stored) == UNFINISHED


def to_yaml(stored: Mapping[str, Any]) -> bytes:
    """Return a stored record as YAML.

    Parameters
    ----------
    stored : mapping
        Result of ``to_stored``.
    """
    text: str = yaml.safe_dump(dict(stored), sort_keys=False, allow_unicode=True)
    return text.encode("utf-8")


def from_yaml(data: bytes, where: str) -> object:
    """Return the content of a YAML file.

    Parameters
    ----------
    data : bytes
        The file.
    where : str
        Its path, for the message.

    Raises
    ------
    ProjectError
        If it is not YAML.
    """
    try:
        return yaml.load(data.decode("utf-8"), Loader=_LOADER)  # noqa: S506 (a safe one)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        msg = f"{where} is not valid YAML: {' '.join(str(error).split())}"
        raise ProjectError(msg) from error


def labels_of(record: object) -> dict[str, int] | None:
    """Return name -> label from the key ``labels`` of a record or of octopi's log.

    Parameters
    ----------
    record : object
        Content of a record or log.
    """
    found = record.get(LABELS) if isinstance(record, Mapping) else None
    if not isinstance(found, Mapping) or any(type(label) is not int for label in found.values()):
        return None
    return {str(name): int(label) for name, label in found.items()}
