"""Which tomogram of a run picks belong to, where a run has several."""

from collections.abc import Mapping
from typing import Any

from copick_picker.errors import CopickPickerError, SettingsError, choices_text
from copick_picker.project.store import ProjectStore
from copick_picker.project.uris import picks_query, segmentation_query, tomogram_query
from copick_picker.records.keys import PicksKey, TomogramKey

_MOST_STEPS = 5
"""Records that are followed: picks of filtered picks of a segmentation of a tomogram."""


def tomogram_of_picks(
    store: ProjectStore, run_name: str, uri: str, *picks_uris: str | None
) -> TomogramKey:
    """Return the one tomogram that a URI means; of several, that which the picks were found in.

    Parameters
    ----------
    store : ProjectStore
        The project.
    run_name : str
        The run.
    uri : str
        Tomogram URI; ``*`` means any.
    *picks_uris : str or None
        URIs of picks that belong to the tomogram; those without a record say nothing.

    Raises
    ------
    UnknownNameError
        If the run has no such tomogram.
    SettingsError
        If it has several, and the picks do not say which.
    """
    query = tomogram_query(uri)
    found = store.tomograms(run_name)
    matching = query.matching(found)
    if len(matching) <= 1:
        return query.match_one(found, run_name=run_name)
    stored = store.picks(run_name)
    keys = {key for each in picks_uris if each for key in picks_query(each).matching(stored)}
    origins = {_origin(store, run_name, key) for key in sorted(keys)} - {None}
    named = [key for key in matching if key in origins]
    if len(named) == 1:
        return named[0]
    why = "the picks come from several of them" if named else "no record of picks names one"
    msg = (
        f"run {run_name} has {len(matching)} tomograms '{uri}': {choices_text(matching)}; {why}: "
        "choose with --tomogram"
    )
    raise SettingsError(msg)


def _origin(store: ProjectStore, run_name: str, key: PicksKey) -> TomogramKey | None:
    """Return the tomogram in which picks were found, by their records; None where none says so."""
    try:
        record: Mapping[str, Any] | None = store.picks_provenance(run_name, key)
        for _ in range(_MOST_STEPS):
            if record is None:
                return None
            source = record.get("input")
            if isinstance(source, Mapping):
                source = source.get("segmentation") or source.get("picks") or source.get("tomogram")
            if isinstance(source, list) and source:
                source = source[0]
            if not isinstance(source, str):
                return None
            tomograms = [k for k in store.tomograms(run_name) if str(k) == source]
            if tomograms:
                return tomograms[0]
            record = _record_of(store, run_name, source)
    except CopickPickerError:
        return None
    return None


def _record_of(store: ProjectStore, run_name: str, uri: str) -> Mapping[str, Any] | None:
    """Return the record of what a URI names exactly: a segmentation, or picks."""
    if "@" in uri:
        labels = segmentation_query(uri).matching(store.segmentations(run_name))
        return store.segmentation_provenance(run_name, labels[0]) if len(labels) == 1 else None
    picks = picks_query(uri).matching(store.picks(run_name))
    return store.picks_provenance(run_name, picks[0]) if len(picks) == 1 else None
