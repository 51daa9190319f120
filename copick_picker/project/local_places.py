"""Which roots and file systems lie on this machine; imports nothing of copick."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

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


def with_whole_roots(config: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return a configuration whose relative roots count from its own folder.

    copick counts them from the working folder, so that a project is found from one place only;
    a root that exists there, and not beside the configuration, stays as it is.

    Parameters
    ----------
    config : mapping
        Content of copick's configuration.
    folder : pathlib.Path
        Where it lies.
    """
    whole = dict(config)
    for name in ("overlay_root", "static_root"):
        stated = config.get(name)
        place = local_path(stated) if isinstance(stated, str) else None
        if place is None or place.is_absolute():
            continue
        beside = folder.absolute() / place
        if beside.exists() or not place.exists():
            whole[name] = str(beside)
    return whole
