"""Outputs of a run in a project, and the one rule of resuming: skip, refuse or replace."""

from collections.abc import Mapping
from typing import TypeVar

from copick_picker.errors import ConflictError
from copick_picker.jobs.provenance import same_job
from copick_picker.project.standing import Standing
from copick_picker.project.store import OutputKey, ProjectStore, Provenance

Key = TypeVar("Key", bound=OutputKey)

MEANWHILE = "was finished by another process in the meantime"


def stands_already(
    run_name: str,
    what: object,
    found: Standing | None,
    record: Provenance,
    *,
    overwrite: bool,
    advice: str = "another session in the output",
) -> bool:
    """Return whether the same job made the output already, so that it is skipped.

    Every command that writes into a project applies this rule before it computes a run.

    Parameters
    ----------
    run_name : str
        The run.
    what : object
        Key of the output.
    found : Standing or None
        What is in its place.
    record : mapping
        The record that the output would get now.
    overwrite : bool
        Whether existing outputs are replaced.
    advice : str
        What the user may do instead.

    Raises
    ------
    ConflictError
        If anything else is in its place; with ``overwrite``, only if that is not an output of the
        same kind.
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
        msg = (
            f"{where} exists and was made with other settings ({difference}); use --overwrite or "
            f"{advice}"
        )
    else:
        msg = (
            f"{where} exists and was not made by this tool; use --overwrite or {advice} "
            f"(found: {found.words})"
        )
    raise ConflictError(msg)


def standing_keys(
    store: ProjectStore,
    run_name: str,
    records: Mapping[Key, Provenance],
    *,
    overwrite: bool,
) -> set[Key]:
    """Return the outputs of a run that the same job made already; see ``stands_already``.

    Parameters
    ----------
    store : ProjectStore
        The project.
    run_name : str
        The run.
    records : mapping
        Key of each output -> the record that it would get now.
    overwrite : bool
        Whether existing outputs are replaced.

    Raises
    ------
    ConflictError
        If anything else is in one of the places.
    """
    found = store.standing(run_name, list(records))
    return {
        key
        for key, record in records.items()
        if stands_already(run_name, key, found.get(key), record, overwrite=overwrite)
    }
