"""What already exists in the place of an output, and what ``--overwrite`` may replace.

One rule for every kind of output and every file system. Whatever is found in the place counts as
existing: a store of any format, a broken store, an empty folder, a file, a link (dangling or not),
a name that differs only in case on a file system that folds case. ``--overwrite`` replaces outputs
of the same kind, whoever made them, empty folders, and links (the link itself, never its target).
It refuses everything else: the owner has to move that away.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from copick_picker.errors import ConflictError, SameOutputError, choices_text
from copick_picker.project.files import Permit, restore
from copick_picker.project.guards import broken, guarded
from copick_picker.project.local_places import is_local
from copick_picker.project.zarr_survey import entries_of, file_words, folder_words

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_NAMED = 5


@dataclass(frozen=True)
class Standing:
    """What was found in the place of an output.

    Attributes
    ----------
    words : str
        What was found, for messages: ``a zarr v3 group with array 0``.
    is_replaceable : bool
        Whether it is something that ``--overwrite`` replaces.
    is_read_only : bool
        Whether it stands in the part of a project that is never written to.
    has_other_name : bool
        Whether it is an output of another name, which the file system does not distinguish.
    record : mapping or None
        Our provenance record of it, where it is a finished output of ours.
    """

    words: str
    is_replaceable: bool
    is_read_only: bool = False
    has_other_name: bool = False
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
            msg = f"{what} is in the read-only part of the project; choose {advice}"
            raise ConflictError(msg)
        if not self.is_replaceable:
            msg = (
                f"{what} exists and was not made by this tool: it is {self.words}, which "
                f"--overwrite never replaces; move it away or choose {advice}"
            )
            raise ConflictError(msg)


Kind: TypeAlias = "Callable[[AbstractFileSystem, str], tuple[str, bool]]"
"""Names a file or folder, and tells whether it is an output of one kind."""


def standing_at(place: Path, kind: Kind) -> Standing | None:
    """Return what exists at a path on this machine, or None.

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
        if place.name in ("", ".."):
            return Standing(f"the folder {place.resolve()}", is_replaceable=False)
        other = _folded_name(place)
        if other:
            words = f"{other}, which this file system does not distinguish from {place.name}"
            return Standing(words, is_replaceable=False, has_other_name=True)
        if place.is_symlink():
            target = place.readlink()
            missing = "" if place.exists() else ", which does not exist"
            return Standing(f"a link to {target}{missing}", is_replaceable=True)
        words, is_own = kind(local_files(), str(place))
    return Standing(words, is_own)


def standing_in(filesystem: "AbstractFileSystem", path: str, kind: Kind) -> Standing | None:
    """Return what exists at a path on any file system, or None.

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
        return folder_words(filesystem, path)
    return file_words(filesystem, path), True


def own_file(is_own: Callable[[Path], bool], foreign: str = "") -> Kind:
    """Return the kind of files that we know by their content, or by what lies beside them.

    Parameters
    ----------
    is_own : callable
        Whether a file was made by the command that would replace it; what it raises for a broken
        file means no.
    foreign : str
        What a file is called that was not; its size and kind where this is empty.
    """

    def kind(filesystem: "AbstractFileSystem", path: str) -> tuple[str, bool]:
        if filesystem.isdir(path):
            return folder_words(filesystem, path)
        if not Path(path).is_file():
            return "no regular file", False
        try:
            is_ours = is_own(Path(path))
        except broken():
            is_ours = False
        words = foreign if foreign and not is_ours else file_words(filesystem, path)
        return words, is_ours

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
            return file_words(filesystem, path), False
        if not entries_of(filesystem, path):
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

    def is_earlier(self) -> bool:
        """Return whether an earlier file of ours stands in the place."""
        found = standing_at(self.path, self.kind)
        return found is not None and self._is_earlier(found)

    def may_be_same(self) -> bool:
        """Return whether an earlier file of ours stands, which may be just what is to be written.

        A command that was interrupted is run again: files that it wrote before are then no
        obstacle. To be asked before the work; afterwards see ``holds``.

        Raises
        ------
        ConflictError
            If anything else stands that must stay.
        """
        if not self.overwrite and self.is_earlier():
            return True
        self.check()
        return False

    def holds(self, data: bytes) -> bool:
        """Return whether an earlier file holds just this.

        Parameters
        ----------
        data : bytes
            What is to be written.
        """
        is_file = self.path.is_file() and not self.path.is_symlink()
        return is_file and self.path.read_bytes() == data

    def _is_earlier(self, found: Standing) -> bool:
        return found.is_replaceable and self.path.is_file() and not self.path.is_symlink()

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
        elif self._is_earlier(found):
            return
        if not self.overwrite:
            use = "choose" if self.renews else "use --overwrite or"
            msg = f"{self.path} exists; {use} {self.advice} (found: {found.words})"
            raise ConflictError(msg)


def with_record(found: Standing, record: Mapping[str, Any] | None) -> Standing:
    """Return what was found, with our record of it unless it is an output of another name.

    Parameters
    ----------
    found : Standing
        What was found.
    record : mapping or None
        The record.
    """
    return found if found.has_other_name else replace(found, record=record)


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
