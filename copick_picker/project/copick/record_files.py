"""JSON files of copick - picks, filaments - with our record beside them.

copick writes its JSON in place and drops keys that it does not know, so the JSON is written beside
and moved, and the record is a YAML file in the same folder, which copick's listing ignores.
"""

import hashlib
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import fsspec
from fsspec import AbstractFileSystem

from copick_picker.errors import ProjectError
from copick_picker.project.copick.api import CopickFilaments, CopickPicks
from copick_picker.project.copick.places import kept_at
from copick_picker.project.files import Permit, one_at_a_time, remove, replacing
from copick_picker.project.guards import guarded
from copick_picker.project.local_places import is_local
from copick_picker.project.provenance import from_stored, from_yaml, is_unfinished, to_yaml
from copick_picker.project.standing import Standing, regular_file, standing_in, with_record

Item = TypeVar("Item", CopickPicks, CopickFilaments)

_HASH = "picks_sha256"
"""Key in the stored record: of the file that copick lists, whatever it holds."""
_FOREIGN = object()
"""Content of a file that we did not write."""


def write(
    item: Item,
    store: Callable[[Item], None],
    stored: dict[str, Any],
    where: str,
    *,
    permit: Permit,
    table: tuple[str, bytes | None] | None = None,
) -> None:
    """Write a file of copick and its record, which holds a hash of the file: it is of it alone.

    The record comes first, then the file: whoever is stopped in between leaves the old file, or
    none, with a record that does not speak of it.

    Parameters
    ----------
    item : copick object
        Where.
    store : callable
        Lets copick write to a given place.
    stored : dict
        Record as ``provenance.to_stored`` returns it.
    where : str
        URI and run, for messages.
    permit : callable
        Asked when all is ready; raises where the file may not take its place.
    table : tuple of str and bytes, optional
        Path and content of a further file beside; a content of None: it is removed.

    Raises
    ------
    ProjectError
        If the store cannot be written.
    """
    if is_local(item.fs):
        _write_local(item, store, stored, table, where, permit)
        return
    with guarded(f"cannot write {where}"):
        data = _json_bytes(item, store)
        permit()
        if table is not None and table[1] is not None:
            item.fs.pipe_file(*table)
        item.fs.pipe_file(record_path(str(item.path)), to_yaml(_signed(stored, data)))
        item.fs.pipe_file(item.path, data)
        if table is not None and table[1] is None and item.fs.exists(table[0]):
            item.fs.rm_file(table[0])


def finished_record(item: Item) -> dict[str, Any] | None:
    """Return our record of a file; None where it has none, or was changed since.

    Parameters
    ----------
    item : copick object
        Where to look.
    """
    if getattr(item, "read_only", False):
        return None
    return record_of_file(item.fs, str(item.path))


def record_of_file(filesystem: AbstractFileSystem, path: str) -> dict[str, Any] | None:
    """Return our record of a file of copick; None where it has none, or was changed since.

    Parameters
    ----------
    filesystem : fsspec.AbstractFileSystem
        Where.
    path : str
        The JSON file that copick lists.
    """
    beside = record_path(path)
    if not filesystem.exists(beside):
        return None
    return _fitting(from_yaml(filesystem.cat_file(beside), beside), filesystem, path)


def standing(
    item: Item, words: str, *, beside: Mapping[str, Callable[[bytes], bool]]
) -> Standing | None:
    """Return what stands in the place of a file and of what lies beside it; None where nothing.

    Parameters
    ----------
    item : copick object
        Stored or not.
    words : str
        What it is, where it cannot be written to.
    beside : mapping
        Path of a further file -> whether a content of it is ours.

    Raises
    ------
    ProjectError
        If the place cannot be looked at.
    """
    if getattr(item, "read_only", False):
        return Standing(words, is_replaceable=False, is_read_only=True)
    path = str(item.path)
    found = standing_in(item.fs, path, regular_file)
    with guarded(f"cannot look at {path}"):
        stored = _content(item.fs, record_path(path), _parsed_record)
        contents = {record_path(path): stored}
        for place, is_ours in beside.items():
            contents[place] = _content(item.fs, place, _parsed_if(is_ours))
        for place, content in contents.items():
            if content is _FOREIGN:
                name = place.rsplit("/", 1)[-1]
                words = f"{name}, a file in the place of our record that we did not write"
                return Standing(words, is_replaceable=False)
        if found is None or is_unfinished(stored):
            return None
        return with_record(found, _fitting(stored, item.fs, path))


def _fitting(stored: object, filesystem: AbstractFileSystem, path: str) -> dict[str, Any] | None:
    """Return a stored record where it is ours and speaks of the file as it is."""
    record = from_stored(stored)
    if record is None or not filesystem.isfile(path):
        return None
    known = record.pop(_HASH, None)
    is_changed = known is not None and known != _digest(filesystem.cat_file(path))
    return None if is_changed else record


def _content(
    filesystem: AbstractFileSystem, path: str, parsed: Callable[[bytes], object]
) -> object:
    """Return the content of a file beside: None where there is none, or ``_FOREIGN``."""
    if not filesystem.exists(path):
        is_link = is_local(filesystem) and Path(path).is_symlink()
        return _FOREIGN if is_link else None
    return _FOREIGN if filesystem.isdir(path) else parsed(filesystem.cat_file(path))


def _parsed_record(data: bytes) -> object:
    try:
        content = from_yaml(data, "record")
    except ProjectError:
        return _FOREIGN
    is_ours = from_stored(content) is not None or is_unfinished(content)
    return content if is_ours else _FOREIGN


def _parsed_if(is_ours: Callable[[bytes], bool]) -> Callable[[bytes], object]:
    return lambda data: data if is_ours(data) else _FOREIGN


def record_path(path: str) -> str:
    """Return the path of the record beside a file.

    Parameters
    ----------
    path : str
        Of the JSON file that copick lists.
    """
    return f"{path.removesuffix('.json')}.provenance.yaml"


def _write_local(
    item: Item,
    store: Callable[[Item], None],
    stored: dict[str, Any],
    table: tuple[str, bytes | None] | None,
    where: str,
    permit: Permit,
) -> None:
    path, record_at = Path(item.path), Path(record_path(str(item.path)))
    with one_at_a_time(path.parent), replacing(path, permit=permit) as fresh:
        with guarded(f"cannot write {where}"):
            store(kept_at(item, str(fresh)))
            record = to_yaml(_signed(stored, fresh.read_bytes()))
        beside = [(record_at, record)]
        if table is not None and table[1] is not None:
            beside.insert(0, (Path(table[0]), table[1]))
        with ExitStack() as stack:
            for place, data in beside:
                with guarded(f"cannot write {where}"):
                    stack.enter_context(replacing(place)).write_bytes(data)
            permit()
    if table is not None and table[1] is None:
        remove(Path(table[0]))


def _json_bytes(item: Item, store: Callable[[Item], None]) -> bytes:
    """Return the file that copick writes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.json"
        here = fsspec.filesystem("file")
        store(kept_at(item, str(path), fs=here, directory=folder))
        return path.read_bytes()


def _signed(stored: Mapping[str, Any], json_bytes: bytes) -> dict[str, Any]:
    return {**stored, _HASH: _digest(json_bytes)}


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
