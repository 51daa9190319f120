"""Where copick keeps things, and how a new one takes the place of an old one.

On a local file system a copick object is written at a temporary path beside its own and moved into
place. On others (S3, SSH) nothing can be renamed at once: the old object is removed first, and
what is being written carries no record until it is whole.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from fsspec import AbstractFileSystem

from copick_picker.project.copick_api import CopickFeatures, CopickPicks, CopickSegmentation
from copick_picker.project.files import replacing

Written = TypeVar("Written", CopickSegmentation, CopickFeatures, CopickPicks)


def is_local(filesystem: AbstractFileSystem) -> bool:
    """Return whether an fsspec file system is the machine's own.

    Parameters
    ----------
    filesystem : fsspec.AbstractFileSystem
        File system of a copick object.
    """
    protocol = filesystem.protocol
    names = {protocol} if isinstance(protocol, str) else set(protocol)
    return bool(names & {"file", "local"})


@contextmanager
def replacing_item(item: Written) -> Iterator[Written]:
    """Yield a copick object to write to; at the end of the block it stands at the item's place.

    Parameters
    ----------
    item : copick segmentation, feature volume or picks
        Object of copick, stored or not.

    Yields
    ------
    copick object
        The same object, kept at a temporary path on a local file system.
    """
    if not is_local(item.fs):
        if item.fs.exists(item.path):
            item.fs.rm(item.path, recursive=True)
        yield item
        return
    with replacing(Path(item.path)) as temporary:
        yield _kept_at(item, str(temporary))


def _kept_at(item: Written, path: str) -> Written:
    """Return the same copick object, kept at another path: copick asks its ``path`` for all IO."""
    kind = type(item)
    moved = copy.copy(item)
    moved.__class__ = type(kind.__name__, (kind,), {"path": path})
    return moved
