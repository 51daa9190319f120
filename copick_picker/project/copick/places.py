"""Where copick keeps things, and how a new one takes the place of an old one.

On a local file system a copick object is written at a temporary path beside its own and moved into
place. On others (S3, SSH) nothing can be renamed at once: a new object carries no record until it
is whole; one that replaces another is written beside it first, and the other goes when it is whole.
"""

import contextlib
import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from fsspec import AbstractFileSystem

from copick_picker.errors import ProjectError
from copick_picker.project.copick.api import (
    CopickFeatures,
    CopickFilaments,
    CopickPicks,
    CopickSegmentation,
)
from copick_picker.project.files import Permit, replacing
from copick_picker.project.guards import broken, reason
from copick_picker.project.local_places import is_local

_PROBE = ".copick-picker-probe-"

Written = TypeVar("Written", CopickSegmentation, CopickFeatures, CopickPicks, CopickFilaments)


@contextmanager
def replacing_volume(item: Written, *, permit: Permit, stands: bool) -> Iterator[Written]:
    """Yield a copick object to write to; at the end of the block it stands at the item's place.

    Parameters
    ----------
    item : copick segmentation or feature volume
        Object of copick, stored or not.
    permit : callable
        Asked when the new object is whole; raises where it may not take the item's place.
    stands : bool
        Whether something is replaced; what a write of ours left half-written does not count.

    Yields
    ------
    copick object
        The same object, kept at a temporary path.

    Raises
    ------
    ProjectError
        If it cannot be written.
    """
    if is_local(item.fs):
        with replacing(Path(item.path), permit=permit) as temporary:
            yield kept_at(item, str(temporary))
        return
    if not stands:
        _remove(item.fs, item.path)
        yield item
        return
    stem, _, suffix = str(item.path).rpartition(".")
    beside = f"{stem}.{os.getpid()}.{suffix}.tmp"
    try:
        yield kept_at(item, beside)
        permit()
    except BaseException:
        _remove(item.fs, beside)
        raise
    _move(item.fs, beside, str(item.path))


def kept_at(item: Written, path: str, **properties: Any) -> Written:
    """Return the same copick object, kept at another path: copick asks its ``path`` for all IO.

    Parameters
    ----------
    item : copick object
        Which is left as it is.
    path : str
        Where its copy is kept.
    **properties
        Other properties of copick's class: ``fs``, ``directory``.
    """
    kind = type(item)
    fixed: type[Written] = type(kind.__name__, (kind,), {"path": path, **properties})
    moved = object.__new__(fixed)
    vars(moved).update(vars(item))
    return moved


def probe(filesystem: AbstractFileSystem, folder: str) -> None:
    """Write a file and remove it, under a name of its own that no listing shows.

    Parameters
    ----------
    filesystem : fsspec.AbstractFileSystem
        Where.
    folder : str
        An existing folder.

    Raises
    ------
    OSError
        If the folder cannot be written to.
    """
    if is_local(filesystem):
        here = str(filesystem._strip_protocol(folder))
        with tempfile.TemporaryFile(prefix=_PROBE, suffix=".tmp", dir=here) as file:
            file.write(b"probe")
        return
    path = f"{folder}/{_PROBE}{uuid.uuid4().hex}.tmp"
    try:
        filesystem.pipe_file(path, b"probe")
    finally:
        with contextlib.suppress(*broken()):
            filesystem.rm_file(path)


def _remove(filesystem: AbstractFileSystem, path: str) -> None:
    if filesystem.exists(path):
        filesystem.rm(path, recursive=True)


def _move(filesystem: AbstractFileSystem, source: str, target: str) -> None:
    """Move a whole store where nothing can be renamed; its record, in the metadata, comes last."""
    root = str(filesystem._strip_protocol(source)).rstrip("/")
    place = str(filesystem._strip_protocol(target)).rstrip("/")
    try:
        _remove(filesystem, target)
        metadata_last = sorted(
            filesystem.find(root), key=lambda path: "/" not in path[len(root) + 1 :]
        )
        for path in metadata_last:
            content = filesystem.cat_file(path)  # copick's file systems cannot copy
            filesystem.pipe_file(place + path[len(root) :], content)
    except broken() as error:
        msg = f"cannot write {target}: {reason(error)}; the new one is complete at {source}"
        raise ProjectError(msg) from error
    _remove(filesystem, source)
