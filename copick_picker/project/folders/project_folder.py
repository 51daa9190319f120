"""Folders that a command makes with a whole project in them: ownership of files, and replacement.

A command that starts over replaces only what it made itself. The rest, such as picks that a user
added to the project since, is listed, so that the command can refuse. What is replaced is kept in
``FOLDER.replaced`` until the new project is complete.
"""

import glob
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from copick_picker.errors import ConflictError, choices_text
from copick_picker.project.files import is_temporary, remove_at_once, remove_stale
from copick_picker.project.guards import broken, guarded
from copick_picker.project.provenance import ATTRIBUTE, from_stored, from_yaml
from copick_picker.project.standing import local_files, own_folder, standing_at
from copick_picker.project.zarr_survey import LITTER, zarr_group

_RUNS = "ExperimentRuns"
_DEPTH = 4
"""Names in the path of a stored object: runs, run, kind or spacing, object."""
_COPICKS_OWN = ".meta"
_ASIDE_MARK = ".copick-picker-replaced"
"""File in a folder that was moved aside, removed once the new results are complete."""
_HASHES = "files_sha256"
"""Key in the index file of a folder of results: name -> hash of the other files."""
_PICKS = ("*.json", "*.provenance.yaml", "*.mask-distances.csv")
_NAMED = 5

Foreign = Callable[[Path], Sequence[str]]
"""Lists everything in a folder that a command did not make."""
IsOwn = Callable[[str, str, Mapping[str, Any]], bool]
"""Run, file name and our record of a stored object -> whether the command made it."""


def foreign_in_project(root: Path, is_own: IsOwn) -> list[str]:
    """Return everything that a command did not make in a project's root, as relative paths.

    Parameters
    ----------
    root : pathlib.Path
        Overlay of a project; it need not exist.
    is_own : callable
        Whether the command made such an object. Objects without a record of ours, and picks that
        were changed since, belong to the user.
    """
    found = []
    for path in _leaves(root):
        parts = path.relative_to(root).parts
        is_object = len(parts) == _DEPTH and parts[0] == _RUNS
        if not (is_object and _is_own_object(path, parts[1], is_own)):
            found.append("/".join(parts))
    return sorted(found)


def foreign_files(folder: Path, own_files: Sequence[str]) -> list[str]:
    """Return everything in a folder of results that its command does not write.

    Parameters
    ----------
    folder : pathlib.Path
        The folder.
    own_files : sequence of str
        Names, or globs, of the files of such a folder.
    """
    return sorted(
        path.name + ("/" if path.is_dir() else "")
        for path in _entries(folder)
        if path.is_symlink()
        or not path.is_file()
        or not any(fnmatch(path.name, own) for own in own_files)
    )


def files_below(folder: Path) -> list[str]:
    """Return all files, links and stores below a folder, as paths that begin with its name.

    Parameters
    ----------
    folder : pathlib.Path
        The folder.
    """
    return [str(path.relative_to(folder.parent)) for path in _leaves(folder)]


def signed(files: Mapping[str, bytes], index: str) -> dict[str, bytes]:
    """Return the files of a folder of results, with their hashes added to the index file.

    Parameters
    ----------
    files : mapping of str to bytes
        File name -> content.
    index : str
        Name of a JSON file among them.
    """
    hashes = {
        name: hashlib.sha256(data).hexdigest() for name, data in files.items() if name != index
    }
    content = {**json.loads(files[index]), _HASHES: hashes}
    return {**files, index: (json.dumps(content, indent=1) + "\n").encode()}


def foreign_results(folder: Path, index: str) -> list[str]:
    """Return everything in a folder of results that its command did not write or that was edited.

    Parameters
    ----------
    folder : pathlib.Path
        The folder; it need not exist.
    index : str
        The JSON file with the hashes of the others.
    """
    try:
        content = json.loads((folder / index).read_bytes())
        hashes = dict(content[_HASHES])
    except broken():
        return foreign_files(folder, ())
    foreign = foreign_files(folder, (index, *(glob.escape(name) for name in hashes)))
    changed = [
        name
        for name, digest in hashes.items()
        if (folder / name).is_file()
        and hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest
    ]
    return sorted({*foreign, *changed})


def refuse_foreign(folder: Path | str, command: str, foreign: Sequence[str]) -> None:
    """Raise if a folder to be replaced contains files that its command did not make.

    Parameters
    ----------
    folder : pathlib.Path or str
        The folder, for the message.
    command : str
        Name of the command.
    foreign : sequence of str
        Those files, as paths below the folder.

    Raises
    ------
    ConflictError
        With their number and the first few.
    """
    if not foreign:
        return
    more = f" and {len(foreign) - _NAMED} more" if len(foreign) > _NAMED else ""
    msg = (
        f"{folder} contains other things ({choices_text(foreign[:_NAMED])}{more}): "
        f"{len(foreign)} not made by {command}, or changed since; move them away or choose "
        "another folder"
    )
    raise ConflictError(msg)


def check_free_folder(target: Path, index: str, *, overwrite: bool) -> None:
    """Raise if writing a folder of results would lose something.

    Parameters
    ----------
    target : pathlib.Path
        Folder to make or to replace.
    index : str
        The JSON file in such a folder with the hashes of the others: nothing else is ever replaced.
    overwrite : bool
        Whether an older folder of results may be replaced.

    Raises
    ------
    ConflictError
        If anything is there that may not be replaced.
    """
    found = standing_at(target, own_folder(lambda folder: foreign_results(folder, index)))
    if found is None:
        return
    if not found.is_replaceable and not target.is_dir():
        msg = f"{target} is {found.words}; expected the name of a folder"
        raise ConflictError(msg)
    if not found.is_replaceable:
        refuse_foreign(f"the folder {target}", "the command", foreign_results(target, index))
        found.check_replaceable(str(target), advice="another folder")
    if not overwrite:
        msg = (
            f"the folder {target} exists; use --overwrite or choose another (found: {found.words})"
        )
        raise ConflictError(msg)


def begin_anew(folder: Path, command: str, foreign: Foreign) -> None:
    """Move earlier results aside, next to their folder, until new ones are complete.

    If results have been moved aside before, those are the last complete ones; the folder then
    contains an unfinished attempt, which is removed.

    Parameters
    ----------
    folder : pathlib.Path
        The folder.
    command : str
        Name of the command.
    foreign : callable
        Lists everything in a folder that the command did not make.

    Raises
    ------
    ConflictError
        If the folder, or what was moved aside, contains such files.
    ProjectError
        If the folder cannot be moved.
    """
    if folder.name in ("", ".."):
        msg = f"{command} --overwrite cannot replace the current folder; choose another folder"
        raise ConflictError(msg)
    aside = aside_of(folder)
    for place in (folder, aside):
        remove_stale(place)
        if os.path.lexists(place):
            refuse_foreign(place, command, foreign(place))
    if os.path.lexists(aside) and not _is_aside(aside):
        msg = f"{aside} is in the way and was not made by {command}; move it away"
        raise ConflictError(msg)
    if not os.path.lexists(folder):
        return
    if os.path.lexists(aside):
        remove_at_once(folder)
        return
    with guarded(f"cannot move {folder} aside"):
        (folder / _ASIDE_MARK).write_bytes(b"")
        folder.rename(aside)


def end_anew(folder: Path, foreign: Foreign) -> str:
    """Remove the old results once the new ones are complete; return why, if they are kept.

    Parameters
    ----------
    folder : pathlib.Path
        The folder of the new results.
    foreign : callable
        Lists everything in a folder that the command did not make.
    """
    if folder.name in ("", ".."):  # never replaced
        return ""
    aside = aside_of(folder)
    for place in (folder, aside):
        remove_stale(place)
    if not _is_aside(aside):
        return ""
    others = foreign(aside)
    if others:
        return f"kept {aside}: it contains {choices_text(others[:_NAMED])}"
    remove_at_once(aside)
    return ""


def _is_aside(aside: Path) -> bool:
    return not aside.is_symlink() and (aside / _ASIDE_MARK).is_file()


def aside_of(folder: Path) -> Path:
    """Return where the earlier results of a folder are moved aside.

    Parameters
    ----------
    folder : pathlib.Path
        The folder.
    """
    return folder.with_name(f"{folder.name}.replaced")


def _leaves(folder: Path) -> Iterator[Path]:
    """Yield files, links and stores below a folder, without temporary and system files."""
    for path in _entries(folder):
        if path.is_symlink() or not path.is_dir() or path.suffix == ".zarr":
            yield path
        else:
            yield from _leaves(path)


def _entries(folder: Path) -> list[Path]:
    """Return the entries of a folder without copick's marks, leftovers and system files."""
    if not folder.is_dir():
        return []
    return [
        path
        for path in sorted(folder.iterdir())
        if not (is_temporary(path) or (path.is_file() and _is_ignored(path.name)))
    ]


def _is_ignored(name: str) -> bool:
    return name in (_COPICKS_OWN, _ASIDE_MARK) or LITTER.fullmatch(name) is not None


def _is_own_object(path: Path, run_name: str, is_own: IsOwn) -> bool:
    if path.is_symlink():
        return False
    try:
        record = _volume_record(path) if path.suffix == ".zarr" else _picks_record(path)
    except broken():
        return False
    return record is not None and is_own(run_name, path.name, record)


def _volume_record(path: Path) -> dict[str, Any] | None:
    """Return our record of a store that contains only an unchanged volume.

    The record is written last: anything newer in the store was changed since.
    """
    if not zarr_group(local_files(), str(path))[1]:
        return None
    attributes = path / ".zattrs"
    told = attributes if attributes.is_file() else path / "zarr.json"
    written = told.stat().st_mtime_ns
    if any(each.stat().st_mtime_ns > written for each in path.rglob("*") if each.is_file()):
        return None
    if attributes.is_file():
        content = json.loads(attributes.read_bytes())
    else:
        content = json.loads((path / "zarr.json").read_bytes()).get("attributes", {})
    return from_stored(content.get(ATTRIBUTE))


def _picks_record(path: Path) -> dict[str, Any] | None:
    """Return our record of picks, also for their accompanying files."""
    from copick_picker.project.copick.record_files import record_of_file

    if path.parent.name != "Picks" or not any(fnmatch(path.name, each) for each in _PICKS):
        return None
    stem = path.name
    for ending in _PICKS:
        stem = stem.removesuffix(ending[1:])
    picks = path.with_name(f"{stem}.json")
    if not picks.exists():  # a write of ours that was interrupted after the record
        record = from_yaml(path.with_name(f"{stem}.provenance.yaml").read_bytes(), path.name)
        return from_stored(record)
    return record_of_file(local_files(), str(picks))
