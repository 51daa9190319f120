"""A remote zarr store, read-only, whose chunks are read or fail: never zeros in their place.

The store is listed once. A chunk that is listed must be readable. For a chunk that is not listed:

- a store that states no fill value cannot lack a chunk: the run fails;
- where the portal states the size of the store and fewer bytes are there, the chunk is lost: the
  run fails, with both sizes;
- else the writer left the chunk out because it holds the fill value: it is read so, and a warning
  says how many such chunks there are.

A store that may not be listed (HTTP 403, or plain web servers) cannot tell an absent chunk from a
lost one: a chunk that is not found fails the run.
"""

import json
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fsspec import AbstractFileSystem
from zarr.storage import Store

from copick_picker.errors import ProjectError
from copick_picker.project.remote.objects import Listed, RemoteReader

_METADATA = (".zarray", ".zgroup", ".zattrs", ".zmetadata", "zarr.json")
_CHUNK = re.compile(r"\d+([./]\d+)*")


class RemoteStore(Store):  # type: ignore[misc]
    """The objects of a zarr 2 store.

    Parameters
    ----------
    reader : RemoteReader
        Who reads.
    filesystem : fsspec file system
        Where.
    root : str
        Path of the store.
    stated_bytes : int or None
        Size of the whole store as the portal states it.
    """

    _writeable = False
    _erasable = False

    def __init__(
        self,
        reader: RemoteReader,
        filesystem: AbstractFileSystem,
        root: str,
        *,
        stated_bytes: int | None = None,
    ) -> None:
        self._reader = reader
        self._filesystem = reader.filesystem(filesystem)
        self._root = str(self._filesystem._strip_protocol(root)).rstrip("/")
        self._stated_bytes = stated_bytes
        self._lock = threading.Lock()
        self._listing: dict[str, Listed] | None = None
        self._is_listed = False
        self.separator = "/"
        """Between the numbers of a chunk, where the store may not be listed."""

    @property
    def is_listed(self) -> bool:
        """Whether the store says what it holds."""
        return self.listing() is not None

    def listing(self) -> dict[str, Listed] | None:
        """Return what the store lists, by key; None where it may not be listed."""
        with self._lock:
            if not self._is_listed:
                self._listing = self._reader.listing(self._filesystem, self._root)
                self._is_listed = True
                if self._listing is not None and not self._listing:
                    msg = f"there is nothing at {self._address('')}"
                    raise ProjectError(msg)
            return self._listing

    def __getitem__(self, key: str) -> bytes:
        found = self.getitems([key], contexts={})
        return found[key]

    def getitems(
        self,
        keys: Sequence[str],
        *,
        contexts: Mapping[str, Any],  # noqa: ARG002 - zarr's signature
    ) -> dict[str, bytes]:
        """Return the objects that there are, by key, read several at once.

        Raises
        ------
        ProjectError
            If an object that must be there cannot be read.
        """
        listing = self.listing()
        names: dict[str, str] = {}
        states: dict[str, str] = {}
        optional: list[str] = []
        for key in keys:
            name = self._stored_name(key)
            path = f"{self._root}/{name}"
            if listing is None:
                if _is_metadata(name):
                    optional.append(path)
            elif name not in listing:
                if not _is_metadata(name):
                    self._check_may_miss(name)
                continue
            else:
                states[path] = listing[name].state
            names[key] = path
        certain = [path for path in names.values() if path not in optional]
        found = self._reader.read(self._filesystem, certain, states)
        if optional:
            found |= self._reader.read(self._filesystem, optional, may_miss=True)
        return {key: found[path] for key, path in names.items() if path in found}

    def __contains__(self, key: object) -> bool:
        listing = self.listing()
        if listing is not None:
            return self._stored_name(str(key)) in listing
        return bool(self.getitems([str(key)], contexts={}))

    def __iter__(self) -> Iterator[str]:
        return iter(self.listing() or {})

    def __len__(self) -> int:
        return len(self.listing() or {})

    def __setitem__(self, key: str, value: bytes) -> None:
        self._refuse(key)

    def __delitem__(self, key: str) -> None:
        self._refuse(key)

    def listdir(self, path: str = "") -> list[str]:
        """Return the names below a path; the chunks of an array as ``z.y.x``.

        Raises
        ------
        ProjectError
            If the store may not be listed.
        """
        listing = self.listing()
        if listing is None:
            msg = f"{self._address(path)} cannot be listed"
            raise ProjectError(msg)
        start = f"{path.strip('/')}/" if path.strip("/") else ""
        below = [key.removeprefix(start) for key in listing if key.startswith(start)]
        if ".zarray" in below:
            return sorted(key.replace("/", ".") for key in below)
        return sorted({key.split("/", 1)[0] for key in below})

    def _stored_name(self, key: str) -> str:
        """Return the name of a key as stored: chunks with slashes where the store has those."""
        folder, _, last = key.rpartition("/")
        if _is_metadata(key) or not _CHUNK.fullmatch(last):
            return key
        nested = f"{folder}/{last.replace('.', '/')}".lstrip("/")
        listing = self.listing()
        if listing is None and self.separator == ".":
            return key
        return key if listing is not None and key in listing else nested

    def _check_may_miss(self, name: str) -> None:
        """Raise where a chunk that the store does not list must have been lost."""
        listing = self.listing() or {}
        array = name
        while "/" in array and f"{array}/.zarray" not in listing:
            array = array.rsplit("/", 1)[0]
        fill_value = self._fill_value(f"{array}/.zarray") if array != name else None
        where = self._address(name)
        if fill_value is None:
            msg = f"{where} is not in its store, which has no fill value: the chunk is lost"
            raise ProjectError(msg)
        there = sum(item.size for item in listing.values())
        if self._stated_bytes is not None and there < self._stated_bytes:
            msg = (
                f"{where} is not in its store: the chunk is lost (the portal states "
                f"{self._stated_bytes} bytes, but {there} are present)"
            )
            raise ProjectError(msg)

    def _fill_value(self, name: str) -> Any:  # noqa: ANN401 - what JSON holds
        listing = self.listing() or {}
        if name not in listing:
            return None
        path = f"{self._root}/{name}"
        text = self._reader.read(self._filesystem, [path], {path: listing[name].state})[path]
        return json.loads(text).get("fill_value")

    def _address(self, name: str) -> str:
        return str(self._filesystem.unstrip_protocol(f"{self._root}/{name}".rstrip("/")))

    def _refuse(self, key: str) -> None:
        msg = f"{self._address(key)} is read-only"
        raise ProjectError(msg)


def _is_metadata(key: str) -> bool:
    return key.rsplit("/", 1)[-1] in _METADATA
