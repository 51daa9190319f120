"""A folder that keeps objects read from a remote store: bounded, whole or absent, shared.

An object is one file, named by a digest of its address and of what its store says of its state, so
that a changed object is another one. Files appear by a rename and carry a checksum; a damaged one
counts as absent. Whoever writes first makes room, under a lock of the folder: several processes
together stay within the bound.
"""

import hashlib
import logging
import os
import re
import struct
import zlib
from pathlib import Path

from filelock import FileLock

logger = logging.getLogger(__name__)

_HEADER = struct.Struct("<8sIQ")
_MARK = b"cppcache"
_LOCK_SECONDS = 60
_OBJECT = re.compile(r"[0-9a-f]{64}\.object")
_LEFTOVER = re.compile(r"[0-9a-f]{64}\.object\.\d+\.tmp")


class ByteCache:
    """Objects by name on a local disk.

    Parameters
    ----------
    folder : pathlib.Path
        Where; made where it is missing.
    most_bytes : int
        Bound of all files together.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._is_usable = True
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self._give_up(error)

    def get(self, name: str) -> bytes | None:
        """Return an object, None where it is not kept or its file is damaged.

        Parameters
        ----------
        name : str
            Address and state of the object.
        """
        if not self._is_usable:
            return None
        path = self._path(name)
        try:
            content = path.read_bytes()
        except OSError:
            return None
        if len(content) >= _HEADER.size:
            mark, checksum, size = _HEADER.unpack_from(content)
            body = content[_HEADER.size :]
            if mark == _MARK and size == len(body) and checksum == zlib.crc32(body):
                self._touch(path)
                return body
        logger.warning("%s in the cache is damaged and will be read again", path)
        self._remove(path)
        return None

    def put(self, name: str, body: bytes) -> None:
        """Keep an object, the least recently used ones making room; a full disk is no failure.

        Parameters
        ----------
        name : str
            Address and state of the object.
        body : bytes
            Its content.
        """
        needed = _HEADER.size + len(body)
        if not self._is_usable or needed > self._most_bytes:
            return
        path = self._path(name)
        beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        try:
            with FileLock(self._folder / "lock", timeout=_LOCK_SECONDS):
                self._make_room(needed)
                header = _HEADER.pack(_MARK, zlib.crc32(body), len(body))
                with beside.open("wb") as file:
                    file.write(header)
                    file.write(body)
                beside.replace(path)
        except OSError as error:
            self._remove(beside)
            self._give_up(error)

    def _make_room(self, needed: int) -> None:
        """Remove the least recently used objects until so many bytes fit; leftovers go too.

        Only files with names of the cache's own are touched: the user chose the folder.
        """
        files = []
        for path in self._folder.iterdir():
            if _LEFTOVER.fullmatch(path.name):
                self._remove(path)  # of a process that was stopped: we hold the lock
            elif _OBJECT.fullmatch(path.name):
                state = path.stat()
                files.append((state.st_mtime_ns, state.st_size, path))
        total = sum(size for _, size, _ in files)
        for _, size, path in sorted(files):
            if total + needed <= self._most_bytes:
                break
            self._remove(path)
            total -= size

    def _path(self, name: str) -> Path:
        return self._folder / f"{hashlib.sha256(name.encode()).hexdigest()}.object"

    def _touch(self, path: Path) -> None:
        try:
            os.utime(path)
        except OSError:
            logger.debug("%s was removed by another process", path)

    def _remove(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError:
            logger.debug("cannot remove %s", path)

    def _give_up(self, error: OSError) -> None:
        why = error.strerror or str(error)
        logger.warning("the cache %s is unusable (%s); continuing without it", self._folder, why)
        self._is_usable = False
