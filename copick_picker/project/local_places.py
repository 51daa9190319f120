"""Which roots of a copick configuration lie on this machine; imports nothing of copick."""

from pathlib import Path


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
