"""Objects of remote stores: read several at once, asked again in need, never silently missing.

copick's readers take any failure of an object for its absence, and zarr then fills with zeros. Here
an object that its store lists is read or the run fails, with the object's name and the state that
the store answered. What the store does not list is absent; ``RemoteStore`` says when that is
allowed.
"""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import aiohttp
import numpy as np
from botocore.exceptions import BotoCoreError, ClientError
from fsspec import AbstractFileSystem
from fsspec.asyn import AsyncFileSystem

from copick_picker.errors import ProjectError
from copick_picker.project.remote.byte_cache import ByteCache
from copick_picker.records.runs import Opening

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")
OPENING = Opening()
"""How a project is opened by default."""
FIRST_WAIT_SECONDS = 0.5
_OBJECT_STORES = {"s3", "s3a", "gs", "gcs", "abfs", "az", "memory"}
"""Protocols whose listings are complete."""
_FAULTS = (OSError, BotoCoreError, ClientError, aiohttp.ClientError, TimeoutError)


@dataclass(frozen=True)
class Listed:
    """What a store lists of an object.

    Attributes
    ----------
    size : int
        Bytes.
    state : str
        Changes with the content: the store's tag, else its date, else the size.
    """

    size: int
    state: str


class RemoteReader:
    """Reads objects for one project; several threads may use it.

    Parameters
    ----------
    opening : Opening
        How often, how long, how many at once, and what is kept.
    """

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._memory = _Memory(opening.memory_bytes)
        self._disk = None
        if opening.cache is not None:
            self._disk = ByteCache(opening.cache, opening.cache_bytes)

    def filesystem(self, given: AbstractFileSystem) -> AbstractFileSystem:
        """Return the file system with our own patience: one attempt, our time limit.

        Parameters
        ----------
        given : fsspec file system
            As copick made it.
        """
        if "s3" not in _protocols(given):
            return given
        options = dict(given.storage_options)
        limits = {
            "retries": {"total_max_attempts": 1},
            "connect_timeout": self._opening.timeout_seconds,
            "read_timeout": self._opening.timeout_seconds,
            "max_pool_connections": self._opening.connections,
        }
        options["config_kwargs"] = {**options.get("config_kwargs", {}), **limits}
        options["use_listings_cache"] = False
        options["max_concurrency"] = 1  # more: s3fs asks for the size of each object first
        own = type(given)(**options)
        own.retries = 1
        return own

    def listing(self, filesystem: AbstractFileSystem, root: str) -> dict[str, Listed] | None:
        """Return the objects below a path by their path from there; None where it does not list.

        Parameters
        ----------
        filesystem : fsspec file system
            Where.
        root : str
            Path of a store.

        Raises
        ------
        ProjectError
            If the listing keeps failing in another way than being forbidden.
        """
        if not _protocols(filesystem) & _OBJECT_STORES:
            return None
        base = filesystem._strip_protocol(root)

        def once() -> dict[str, Any]:
            return dict(filesystem.find(base, detail=True))

        found, fault = self._patiently(once, f"the listing of {root}")
        if found is None:
            if fault == "HTTP 403":
                logger.info("%s cannot be listed", root)
                return None
            msg = f"cannot list {root}: {fault} in {self._attempts_text()}"
            raise ProjectError(msg)
        return {
            path.removeprefix(base).lstrip("/"): Listed(int(info["size"] or 0), _state(info))
            for path, info in found.items()
        }

    def read(
        self,
        filesystem: AbstractFileSystem,
        paths: Sequence[str],
        states: Mapping[str, str] | None = None,
        *,
        may_miss: bool = False,
    ) -> dict[str, bytes]:
        """Return the content of objects by path; each is read once as long as it is kept.

        Parameters
        ----------
        filesystem : fsspec file system
            Where, as ``filesystem`` returned it.
        paths : sequence of str
            Objects.
        states : mapping of str to str, optional
            Path -> state of content; objects without one are not kept.
        may_miss : bool
            Leave out, at once, what the store says is not there.

        Raises
        ------
        ProjectError
            With the object's name and the state that the store answered last.
        """
        states = states or {}
        found = self._all_kept(paths, states)
        waiting = [path for path in paths if path not in found]
        faults: dict[str, str] = {}
        for attempt in range(self._opening.attempts):
            if not waiting:
                break
            if attempt:
                self._wait(attempt, f"{waiting[0]}: {faults[waiting[0]]}")
            again = []
            for path, answer in self._once(filesystem, waiting):
                if isinstance(answer, bytes):
                    found[path] = answer
                    self._keep(path, states, answer)
                elif not (may_miss and isinstance(answer, FileNotFoundError)):
                    faults[path] = fault_text(answer)
                    again.append(path)
            waiting = again
        if waiting:
            more = f" (and {len(waiting) - 1} more objects)" if len(waiting) > 1 else ""
            where = filesystem.unstrip_protocol(waiting[0])
            msg = f"cannot read {where}: {faults[waiting[0]]} in {self._attempts_text()}{more}"
            raise ProjectError(msg)
        return found

    def _once(
        self, filesystem: AbstractFileSystem, paths: Sequence[str]
    ) -> Iterator[tuple[str, Any]]:
        """Yield (path, content or exception), so many at once as are allowed."""
        limit = {"batch_size": self._opening.connections}
        extra = limit if isinstance(filesystem, AsyncFileSystem) else {}
        try:  # cat() would ask for the state of each object first
            answers = filesystem.cat_ranges(list(paths), None, None, on_error="return", **extra)
        except _FAULTS as error:
            answers = [error] * len(paths)
        yield from zip(paths, answers, strict=True)

    def _patiently(
        self, once: Callable[[], Answer], what: str
    ) -> tuple[Answer, str] | tuple[None, str]:
        fault = ""
        for attempt in range(self._opening.attempts):
            if attempt:
                self._wait(attempt, f"{what}: {fault}")
            try:
                return once(), ""
            except _FAULTS as error:
                fault = fault_text(error)
        return None, fault

    def _wait(self, attempt: int, why: str) -> None:
        """Wait twice as long each time, a little apart from other processes."""
        spread = float(np.random.default_rng().uniform(1.0, 1.25))
        seconds = FIRST_WAIT_SECONDS * 2 ** (attempt - 1) * spread
        logger.info("%s; retrying in %.1f s", why, seconds)
        time.sleep(seconds)

    def _attempts_text(self) -> str:
        number = self._opening.attempts
        return f"{number} attempt{'' if number == 1 else 's'}"

    def _all_kept(self, paths: Sequence[str], states: Mapping[str, str]) -> dict[str, bytes]:
        """Return those objects that are in memory or in the cache."""
        found = {}
        for path in paths:
            if path not in states:
                continue
            name = _name(path, states)
            content = self._memory.get(name)
            if content is None and self._disk is not None:
                content = self._disk.get(name)
                if content is not None:
                    self._memory.put(name, content)
            if content is not None:
                found[path] = content
        return found

    def _keep(self, path: str, states: Mapping[str, str], content: bytes) -> None:
        if path not in states:
            return
        self._memory.put(_name(path, states), content)
        if self._disk is not None:
            self._disk.put(_name(path, states), content)


def fault_text(error: BaseException) -> str:
    """Return what a store answered, in a few words: ``HTTP 503``, ``timed out``.

    Parameters
    ----------
    error : BaseException
        What its client raised.
    """
    seen: BaseException | None = error
    while seen is not None:
        response = getattr(seen, "response", None)
        if isinstance(response, dict):
            status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            if status:
                return f"HTTP {status}"
        if isinstance(getattr(seen, "status", None), int):
            return f"HTTP {getattr(seen, 'status', 0)}"
        if isinstance(seen, TimeoutError) or "Timeout" in type(seen).__name__:
            return "timed out"
        if "Connect" in type(seen).__name__:
            return "the connection failed"
        seen = seen.__cause__ or seen.__context__
    if isinstance(error, FileNotFoundError):
        return "HTTP 404"
    if isinstance(error, PermissionError):
        return "HTTP 403"
    return " ".join(str(error).split()) or type(error).__name__


class _Memory:
    """The objects read last, up to a number of bytes."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._objects: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: str) -> bytes | None:
        with self._lock:
            if name not in self._objects:
                return None
            self._objects.move_to_end(name)
            return self._objects[name]

    def put(self, name: str, content: bytes) -> None:
        with self._lock:
            if len(content) > self._most_bytes or name in self._objects:
                return
            self._objects[name] = content
            self._bytes += len(content)
            while self._bytes > self._most_bytes:
                _, dropped = self._objects.popitem(last=False)
                self._bytes -= len(dropped)


def _protocols(filesystem: AbstractFileSystem) -> set[str]:
    protocol = filesystem.protocol
    return {protocol} if isinstance(protocol, str) else set(protocol)


def _state(info: Mapping[str, Any]) -> str:
    tag = info.get("ETag") or info.get("LastModified") or info.get("mtime") or ""
    return f"{tag}:{info.get('size')}"


def _name(path: str, states: Mapping[str, str]) -> str:
    return f"{path}\n{states[path]}"
