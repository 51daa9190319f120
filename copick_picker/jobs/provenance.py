"""Provenance records: what made an output, and whether the same job would make it again now."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from copick_picker._version import __version__
from copick_picker.project.standing import MayReplace

PRODUCER = "copick-picker"
_COMPARED = ("command", "input", "settings", "models", "labels")


def new_record(command: str, **content: Any) -> dict[str, Any]:
    """Return a provenance record; no clock times, so that the same input gives the same bytes.

    Parameters
    ----------
    command : str
        Name of the command.
    **content
        JSON values: ``input``, ``settings``, ``models``, ``labels`` are compared on resume.
    """
    record = {"producer": PRODUCER, "version": __version__, "command": command, **content}
    checked: dict[str, Any] = json.loads(json.dumps(record))
    return checked


def digest(record: Mapping[str, Any] | None) -> str | None:
    """Return a short hash of a record; an output stores it to identify the version of its input.

    Parameters
    ----------
    record : mapping or None
        A provenance record; None if the input has none.
    """
    if record is None:
        return None
    text = json.dumps(record, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def same_job(recorded: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """Return the first difference between two records in words, empty if there is none.

    Parameters
    ----------
    recorded : mapping
        Record of the stored output.
    wanted : mapping
        Record that the output would get now.
    """
    for part in _COMPARED:
        difference = _difference(part, recorded.get(part), wanted.get(part))
        if difference:
            return difference
    return ""


def same_job_as(record: Mapping[str, Any]) -> MayReplace:
    """Return a function that checks whether a stored record comes from the same job.

    Parameters
    ----------
    record : mapping
        Record that the output would get now.
    """
    return lambda stored: not same_job(stored, record)


def _difference(name: str, old: object, new: object) -> str:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            difference = _difference(f"{name}.{key}", old.get(key), new.get(key))
            if difference:
                return difference
        return ""
    return "" if old == new else f"{name}: stored {old!r}, requested {new!r}"
