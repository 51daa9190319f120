"""Outputs of a run in a project: their default names, and the one rule of what may stand there."""

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
    records: Mapping[Key, Provenance],
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
