"""What a folder or a zarr store holds, of any format, looked at from outside."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from copick_picker.errors import choices_text
from copick_picker.project.guards import broken

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

METADATA = (".zgroup", ".zattrs", ".zarray", ".zmetadata", "zarr.json", ".meta")
"""Files of a zarr store that hold no array data; ``.meta`` is copick's."""
LITTER = re.compile(r"\.DS_Store|\._.*|Thumbs\.db|desktop\.ini|\.nfs[0-9a-f]+")
"""Files that operating systems leave in folders: nobody's work."""
_CHUNK = re.compile(r"(c[./])?\d+([./]\d+)*|c")
_LEVELS_DEEP = 4
_NAMED = 5


def zarr_group(filesystem: "AbstractFileSystem", path: str) -> tuple[str, bool]:
    """Name a store of a volume, whoever made it: a zarr group of either version.

    Parameters
    ----------
    filesystem : fsspec.AbstractFileSystem
        Where.
    path : str
        Something that exists.
    """
    found = survey(filesystem, path)
    return found.words, found.is_group and not found.foreign


@dataclass(frozen=True)
class Survey:
    """What stands where a zarr group is expected.

    Attributes
    ----------
    words : str
        In words.
    version : int
        2 or 3; 0 where it is no zarr group.
    arrays, foreign : tuple of str
        Paths below it: of its arrays, and of all that zarr does not know.
    is_empty : bool
        Whether it is an empty folder.
    """

    words: str
    version: int = 0
    arrays: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    is_empty: bool = False

    @property
    def is_group(self) -> bool:
        """Whether a new group may take its place: it is one, or an empty folder."""
        return self.version > 0 or self.is_empty


def survey(filesystem: "AbstractFileSystem", path: str) -> Survey:
    """Return what stands where a zarr group is expected.

    Parameters
    ----------
    filesystem : fsspec.AbstractFileSystem
        Where.
    path : str
        Something that exists.
    """
    if not filesystem.isdir(path):
        return Survey(file_words(filesystem, path))
    entries = entries_of(filesystem, path)
    if not entries:
        return Survey("an empty folder", is_empty=True)
    if ".zgroup" not in entries and "zarr.json" not in entries:
        return Survey(f"a folder that is not a zarr group, containing {_named(entries)}")
    version = 2 if ".zgroup" in entries else 3
    if version == 3 and _node_type(filesystem, path) == "array":
        return Survey("a zarr v3 array, not a group")
    contents = list(_contents(filesystem, path, entries))
    arrays = tuple(sorted(name for name, is_array in contents if is_array))
    foreign = tuple(sorted(name for name, is_array in contents if not is_array))
    words = f"a zarr v{version} group without an array"
    if arrays:
        plural = "" if len(arrays) == 1 else "s"
        words = f"a zarr v{version} group with array{plural} {choices_text(arrays[:_NAMED])}"
    if foreign:
        things = "entry" if len(foreign) == 1 else "entries"
        words += f" and {len(foreign)} other {things} ({choices_text(foreign[:_NAMED])})"
    return Survey(words, version, arrays, foreign)


def entries_of(filesystem: "AbstractFileSystem", path: str) -> dict[str, bool]:
    """Return name -> whether it is a folder, of all that a person may have put there.

    Parameters
    ----------
    filesystem : fsspec.AbstractFileSystem
        Where.
    path : str
        A folder.
    """
    found = {}
    for entry in filesystem.ls(path, detail=True):
        name = str(entry["name"]).rstrip("/").rsplit("/", 1)[-1]
        is_itself = str(entry["name"]).rstrip("/") == str(filesystem._strip_protocol(path)).rstrip(
            "/"
        )
        if not is_itself and not LITTER.fullmatch(name):
            is_link = bool(entry.get("islink"))
            found[name] = entry["type"] == "directory" and not is_link
    return found


def _contents(
    filesystem: "AbstractFileSystem", path: str, entries: Mapping[str, bool], depth: int = 0
) -> Iterator[tuple[str, bool]]:
    """Yield (name, whether it is an array) of arrays, and of all that zarr does not know."""
    for name, is_folder in entries.items():
        if name in METADATA:
            continue
        if not is_folder:
            yield name, False
            continue
        below = entries_of(filesystem, f"{path}/{name}")
        if ".zarray" in below or _node_type(filesystem, f"{path}/{name}", below) == "array":
            yield name, True
            for inner in _no_chunks(filesystem, f"{path}/{name}"):
                yield f"{name}/{inner}", False
        elif (".zgroup" in below or "zarr.json" in below) and depth < _LEVELS_DEEP:
            for inner, is_array in _contents(filesystem, f"{path}/{name}", below, depth + 1):
                yield f"{name}/{inner}", is_array
        elif any(_no_chunks(filesystem, f"{path}/{name}")):  # else chunks of an array cut off
            yield name, False


def _no_chunks(filesystem: "AbstractFileSystem", path: str) -> Iterator[str]:
    """Yield the files below an array, as paths below it, that are no chunks of it."""
    root = str(filesystem._strip_protocol(path)).rstrip("/")
    for found in filesystem.find(root):
        name = str(found)[len(root) + 1 :]
        last = name.rsplit("/", 1)[-1]
        if name not in METADATA and not _CHUNK.fullmatch(name) and not LITTER.fullmatch(last):
            yield name


def _node_type(
    filesystem: "AbstractFileSystem", path: str, entries: Mapping[str, bool] | None = None
) -> str:
    if entries is not None and "zarr.json" not in entries:
        return ""
    try:
        content = json.loads(filesystem.cat_file(f"{path}/zarr.json"))
        return str(content["node_type"])
    except broken():
        return ""


def folder_words(filesystem: "AbstractFileSystem", path: str) -> tuple[str, bool]:
    """Name a folder, and tell whether it is empty.

    Parameters
    ----------
    filesystem : fsspec.AbstractFileSystem
        Where.
    path : str
        A folder.
    """
    entries = entries_of(filesystem, path)
    return (
        (f"a folder containing {_named(entries)}", False) if entries else ("an empty folder", True)
    )


def file_words(filesystem: "AbstractFileSystem", path: str) -> str:
    """Name a file.

    Parameters
    ----------
    filesystem : fsspec.AbstractFileSystem
        Where.
    path : str
        A file.
    """
    size = int(filesystem.info(path).get("size") or 0)
    return f"a file of {size:,} byte{'' if size == 1 else 's'}"


def _named(entries: Mapping[str, bool]) -> str:
    more = len(entries) - _NAMED
    return choices_text(sorted(entries)[:_NAMED]) + (f" and {more} more" if more > 0 else "")
