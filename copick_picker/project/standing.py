"""What stands in the place of an output, and what ``--overwrite`` may replace: one rule for all.

Anything in the place counts: a store of any format, a broken one, an empty folder, a file, a link
(also one that points nowhere), a name that differs in case where the file system folds case. Only
``--overwrite`` replaces it, and only what is an output of the same kind, an empty folder, or a link
(the link itself, never what it points to). Everything else has to be moved away by its owner.
"""

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from copick_picker.errors import ConflictError, SameOutputError, choices_text
from copick_picker.project.files import Permit, restore
from copick_picker.project.guards import broken, guarded
from copick_picker.project.local_places import is_local

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

METADATA = (".zgroup", ".zattrs", ".zarray", ".zmetadata", "zarr.json", ".meta")
"""Files of a zarr store that hold no array data; ``.meta`` is copick's."""
LITTER = re.compile(r"\.DS_Store|\._.*|Thumbs\.db|desktop\.ini|\.nfs[0-9a-f]+")
"""Files that operating systems leave in folders: nobody's work."""
_CHUNK = re.compile(r"c|\d+([./]\d+)*")
_LEVELS_DEEP = 4
_NAMED = 5


@dataclass(frozen=True)
class Standing:
    """What stands in the place of an output.

    Attributes
    ----------
    words : str
        What was found, for messages: ``a zarr v3 group with array 0``.
    is_replaceable : bool
        Whether it is something that ``--overwrite`` replaces.
    is_read_only : bool
        Whether it stands in the part of a project that is never written to.
    record : mapping or None
        Our provenance record of it, where it is a finished output of ours.
    """

    words: str
    is_replaceable: bool
    is_read_only: bool = False
    record: Mapping[str, Any] | None = None

    def check_replaceable(self, what: str, *, advice: str) -> None:
        """Raise where not even ``--overwrite`` replaces it.

        Parameters
        ----------
        what : str
            The output: its path, or its URI and run.
        advice : str
            Another choice: ``another session in the output``.

        Raises
        ------
        ConflictError
            With what was found.
        """
        if self.is_read_only:
            msg = f"{what} stands in the read-only part of the project; choose {advice}"
            raise ConflictError(msg)
        if not self.is_replaceable:
            msg = (
                f"{what} exists and was not made by this tool: it is {self.words}; --overwrite "
                f"does not replace such a thing, move it away or choose {advice}"
            )
            raise ConflictError(msg)


Kind: TypeAlias = "Callable[[AbstractFileSystem, str], tuple[str, bool]]"
"""Names a file or folder, and tells whether it is an output of one kind."""


def standing_at(place: Path, kind: Kind) -> Standing | None:
    """Return what stands at a path of this machine; None where nothing does.

    Parameters
    ----------
    place : pathlib.Path
        Where an output is to go.
    kind : callable
        What an output of this kind looks like.

    Raises
    ------
    ProjectError
        If the place cannot be looked at.
    """
    with guarded(f"cannot look at {place}"):
        restore(place)
        if not os.path.lexists(place):
            return None
        other = _folded_name(place)
        if other:
            words = f"{other}, which this file system does not tell from {place.name}"
            return Standing(words, is_replaceable=False)
        if place.is_symlink():
            target = place.readlink()
            missing = "" if place.exists() else ", which does not exist"
            return Standing(f"a link to {target}{missing}", is_replaceable=True)
        words, is_own = kind(local_files(), str(place))
    return Standing(words, is_own)


def standing_in(filesystem: "AbstractFileSystem", path: str, kind: Kind) -> Standing | None:
    """Return what stands at a path of any file system; None where nothing does.

    Parameters
    ----------
    filesystem : fsspec.AbstractFileSystem
        Where.
    path : str
        Where an output is to go.
    kind : callable
        What an output of this kind looks like.

    Raises
    ------
    ProjectError
        If the place cannot be looked at.
    """
    if is_local(filesystem):
        return standing_at(Path(path), kind)
    with guarded(f"cannot look at {path}"):
        filesystem.invalidate_cache()
        if not filesystem.exists(path):
            return None
        words, is_own = kind(filesystem, path)
    return Standing(words, is_own)


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
        return Survey(_file_words(filesystem, path))
    entries = _entries(filesystem, path)
    if not entries:
        return Survey("an empty folder", is_empty=True)
    if ".zgroup" not in entries and "zarr.json" not in entries:
        return Survey(f"a folder that is no zarr group, with {_named(entries)}")
    version = 2 if ".zgroup" in entries else 3
    if version == 3 and _node_type(filesystem, path) == "array":
        return Survey("a zarr v3 array, no group")
    contents = list(_contents(filesystem, path, entries))
    arrays = tuple(sorted(name for name, is_array in contents if is_array))
    foreign = tuple(sorted(name for name, is_array in contents if not is_array))
    words = f"a zarr v{version} group without an array"
    if arrays:
        plural = "" if len(arrays) == 1 else "s"
        words = f"a zarr v{version} group with array{plural} {choices_text(arrays[:_NAMED])}"
    if foreign:
        things = "thing" if len(foreign) == 1 else "things"
        words += f" and {len(foreign)} other {things} ({choices_text(foreign[:_NAMED])})"
    return Survey(words, version, arrays, foreign)


def regular_file(filesystem: "AbstractFileSystem", path: str) -> tuple[str, bool]:
    """Name a file that copick lists by its name alone: a pick set, whoever made it.

    Parameters
    ----------
    filesystem : fsspec.AbstractFileSystem
        Where.
    path : str
        Something that exists.
    """
    if filesystem.isdir(path):
        return _folder_words(filesystem, path)
    return _file_words(filesystem, path), True


def own_file(is_own: Callable[[Path], bool]) -> Kind:
    """Return the kind of files that we know by their content, or by what lies beside them.

    Parameters
    ----------
    is_own : callable
        Whether a file was made by the command that would replace it; what it raises for a broken
        file means no.
    """

    def kind(filesystem: "AbstractFileSystem", path: str) -> tuple[str, bool]:
        if filesystem.isdir(path):
            return _folder_words(filesystem, path)
        if not Path(path).is_file():
            return "no regular file", False
        try:
            is_ours = is_own(Path(path))
        except broken():
            is_ours = False
        return _file_words(filesystem, path), is_ours

    return kind


def own_folder(foreign: Callable[[Path], Sequence[str]]) -> Kind:
    """Return the kind of folders that hold nothing but what a command puts there.

    Parameters
    ----------
    foreign : callable
        Names, below the folder, of all that the command did not make.
    """

    def kind(filesystem: "AbstractFileSystem", path: str) -> tuple[str, bool]:
        if not filesystem.isdir(path):
            return _file_words(filesystem, path), False
        if not _entries(filesystem, path):
            return "an empty folder", True
        others = foreign(Path(path))
        if not others:
            return "a folder of earlier results", True
        number = f"{len(others)} other thing{'' if len(others) == 1 else 's'}"
        return f"{number}: {choices_text(others[:_NAMED])}", False

    return kind


MayReplace = Callable[[Mapping[str, Any]], bool]
"""Whether an output of ours with some record may be replaced without ``--overwrite``."""


@dataclass(frozen=True)
class Claim:
    """What a write into a project may replace.

    Attributes
    ----------
    where : str
        URI and run, for messages.
    record : mapping
        Record of the new output.
    overwrite : bool
        Whether anything of the kind may go.
    replaces : callable or None
        Whether an output of ours with some other record may go, too.
    """

    where: str
    record: Mapping[str, Any]
    overwrite: bool
    replaces: MayReplace | None = None

    def permit(self, look: Callable[[], Standing | None]) -> Permit:
        """Return what is asked before a write begins and when the new output is ready.

        It raises ``SameOutputError`` where the same output stands by then, and ``ConflictError``
        where anything else stands that has to stay.

        Parameters
        ----------
        look : callable
            Returns what stands in the place at that moment.
        """

        def ask() -> None:
            found = look()
            if found is None:
                return
            if not self.overwrite and found.record is not None:
                if found.record == self.record:
                    msg = f"{self.where} was finished by another process in the meantime"
                    raise SameOutputError(msg)
                if found.is_replaceable and self.replaces and self.replaces(found.record):
                    return
            found.check_replaceable(self.where, advice="another session")
            if not self.overwrite:
                msg = (
                    f"{self.where} exists; overwrite it or choose another session "
                    f"(found: {found.words})"
                )
                raise ConflictError(msg)

        return ask


@dataclass(frozen=True)
class Output:
    """A file or folder that a user names, and that is replaced only where the rule allows it.

    Attributes
    ----------
    path : pathlib.Path
        The file or folder.
    kind : callable
        What an earlier one looks like.
    overwrite : bool
        Whether an earlier one may be replaced.
    advice : str
        Another choice, for messages: ``another --output``.
    renews : bool
        Whether an earlier file of ours is replaced without being asked: for the files that every
        call writes anew, such as that of ``--json``.
    """

    path: Path
    kind: Kind
    overwrite: bool
    advice: str
    renews: bool = False

    def check(self) -> None:
        """Raise where something stands that must stay; to be asked before and after the work.

        Raises
        ------
        ConflictError
            With what was found and what to do.
        """
        found = standing_at(self.path, self.kind)
        if found is None:
            return
        if not self.renews:
            found.check_replaceable(str(self.path), advice=self.advice)
        elif found.is_replaceable and self.path.is_file() and not self.path.is_symlink():
            return
        if not self.overwrite:
            use = "choose" if self.renews else "use --overwrite or"
            msg = f"{self.path} exists; {use} {self.advice} (found: {found.words})"
            raise ConflictError(msg)


def with_record(found: Standing, record: Mapping[str, Any] | None) -> Standing:
    """Return what stands, with our record of it.

    Parameters
    ----------
    found : Standing
        What stands.
    record : mapping or None
        The record.
    """
    return replace(found, record=record)


def local_files() -> "AbstractFileSystem":
    """Return this machine's own file system."""
    from fsspec.implementations.local import LocalFileSystem

    return LocalFileSystem()


def _folded_name(place: Path) -> str:
    """Return the true name of what stands where it differs in case; empty where it does not."""
    if not place.name or not os.path.lexists(place.with_name(place.name.swapcase())):
        return ""
    names = [path.name for path in place.parent.iterdir()]
    if place.name in names:
        return ""
    folded = [name for name in names if name.casefold() == place.name.casefold()]
    return folded[0] if folded else "another name"


def _entries(filesystem: "AbstractFileSystem", path: str) -> dict[str, bool]:
    """Return name -> whether it is a folder, of all that a person may have put there."""
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
        below = _entries(filesystem, f"{path}/{name}")
        if ".zarray" in below or _node_type(filesystem, f"{path}/{name}", below) == "array":
            yield name, True
        elif (".zgroup" in below or "zarr.json" in below) and depth < _LEVELS_DEEP:
            for inner, is_array in _contents(filesystem, f"{path}/{name}", below, depth + 1):
                yield f"{name}/{inner}", is_array
        elif not all(_CHUNK.fullmatch(each) for each in below):  # chunks of an array cut off
            yield name, False


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


def _folder_words(filesystem: "AbstractFileSystem", path: str) -> tuple[str, bool]:
    entries = _entries(filesystem, path)
    return (f"a folder with {_named(entries)}", False) if entries else ("an empty folder", True)


def _file_words(filesystem: "AbstractFileSystem", path: str) -> str:
    size = int(filesystem.info(path).get("size") or 0)
    return f"a file of {size:,} byte{'' if size == 1 else 's'}"


def _named(entries: Mapping[str, bool]) -> str:
    more = len(entries) - _NAMED
    return choices_text(sorted(entries)[:_NAMED]) + (f" and {more} more" if more > 0 else "")
