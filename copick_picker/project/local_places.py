"""Which roots and file systems lie on this machine; imports nothing of copick."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem


def is_local(filesystem: "AbstractFileSystem") -> bool:
    """Return whether an fsspec file system is the machine's own.

    Parameters
    ----------
    filesystem : fsspec.AbstractFileSystem
        File system of a copick object.
    """
    protocol = filesystem.protocol
    names = {protocol} if isinstance(protocol, str) else set(protocol)
    return bool(names & {"file", "local"})


def local_path(place: object) -> Path | None:
    """Return the path of a root on this machine; None where it is elsewhere, or not given.

    Parameters
    ----------
    place : object
        What the configuration says: a path, or a URL such as ``s3://bucket/project``.
    """
    bare = str(place or "")
    for prefix in ("file://", "local://"):
        bare = bare.removeprefix(prefix)
    return None if not bare or "://" in bare else Path(bare).expanduser()
