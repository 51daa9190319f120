"""Provenance records: what made an output, and whether it is the same as what is asked for now."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, TypeVar

from copick_picker._version import __version__
from copick_picker.errors import ConflictError
from copick_picker.project.standing import MayReplace, Standing
from copick_picker.project.store import OutputKey, ProjectStore

Key = TypeVar("Key", bound=OutputKey)

PRODUCER = "copick-picker"
MEANWHILE = "was finished by another process in the meantime"
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
    """Return a short hash of a record, so that an output knows which version of its input it saw.

    Parameters
    ----------
    record : mapping or None
        A provenance record; None where the input has none.
    """
    if record is None:
        return None
    text = json.dumps(record, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def same_job(recorded: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """Return the first difference between two records in words, empty where there is none.

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
    """Return what tells whether a stored record is of the same job.

    Parameters
    ----------
    record : mapping
        Record that the output would get now.
    """
    return lambda stored: not same_job(stored, record)


def stands_already(
    run_name: str,
    what: object,
    found: Standing | None,
    record: Mapping[str, Any],
    *,
    overwrite: bool,
    advice: str = "another session in the output",
) -> bool:
    """Return whether an output of the same job stands; it is then skipped.

    The one rule of every command that writes into a project, asked before a run is computed.

    Parameters
    ----------
    run_name : str
        The run.
    what : object
        Key of the output.
    found : Standing or None
        What stands in its place.
    record : mapping
        Record that the output would get now.
    overwrite : bool
        Whether it is to be replaced.
    advice : str
        Another choice of the user's.

    Raises
    ------
    ConflictError
        If anything else stands there; with ``overwrite`` only where that is no output of its kind.
    """
    if found is None:
        return False
    difference = same_job(found.record or {}, record)
    if not overwrite and not difference:
        return True
    where = f"run {run_name}: {what}"
    found.check_replaceable(where, advice=advice)
    if overwrite:
        return False
    if found.record is not None:
        msg = f"{where} exists and was made otherwise ({difference}); use --overwrite or {advice}"
    else:
        msg = (
            f"{where} exists and was not made by this tool; use --overwrite or {advice} "
            f"(found: {found.words})"
        )
    raise ConflictError(msg)


def standing_keys(
    store: ProjectStore,
    run_name: str,
    records: Mapping[Key, Mapping[str, Any]],
    *,
    overwrite: bool,
) -> set[Key]:
    """Return those outputs of a run that the same job has made; see ``stands_already``.

    Parameters
    ----------
    store : ProjectStore
        The project.
    run_name : str
        The run.
    records : mapping
        Key of each output -> record that it would get now.
    overwrite : bool
        Whether what stands is to be replaced.

    Raises
    ------
    ConflictError
        If anything else stands in one of the places.
    """
    found = store.standing(run_name, list(records))
    return {
        key
        for key, record in records.items()
        if stands_already(run_name, key, found.get(key), record, overwrite=overwrite)
    }


def _difference(name: str, old: object, new: object) -> str:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            difference = _difference(f"{name}.{key}", old.get(key), new.get(key))
            if difference:
                return difference
        return ""
    return "" if old == new else f"{name}: {old!r} there, {new!r} now"
