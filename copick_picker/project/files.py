"""Files and folders that appear whole or not at all.

Everything is written under a temporary name beside its target, ``name.host-pid.suffix.tmp``, and
moved into place at the end. copick lists no name that ends in ``.tmp``. What a killed process left
behind is removed by the next write of the same target.
"""

import fnmatch
import os
import platform
import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from copick_picker.errors import ConflictError, CopickPickerError, ProjectError
from copick_picker.project.guards import reason

_HOST = re.sub(r"[^A-Za-z0-9]+", "-", platform.node()).strip("-") or "host"
_DAY_SECONDS = 86_400.0


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yield a temporary path; what the block leaves there takes the target's place.

    Parameters
    ----------
    target : pathlib.Path
        File or folder to make or to replace. Its folder is made where it is missing.

    Yields
    ------
    pathlib.Path
        Path beside the target. Nothing is there yet; the block makes a file or a folder.

    Raises
    ------
    ProjectError
        If the block, or the move, meets an error of the file system. The target is then as it was
        before, and the temporary file is gone where it can be removed.
    """
    temporary = _beside(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_stale(target)
        yield temporary
        _move(temporary, target)
    except CopickPickerError:
        raise
    except OSError as error:
        msg = f"cannot write {target}: {reason(error)}"
        raise ProjectError(msg) from error
    finally:
        remove(temporary)


def write_bytes(target: Path, data: bytes) -> None:
    """Write a whole file.

    Parameters
    ----------
    target : pathlib.Path
        File to make or to replace.
    data : bytes
        Its content.

    Raises
    ------
    ProjectError
        If it cannot be written; the old file then stays.
    """
    with replacing(target) as temporary:
        temporary.write_bytes(data)


def write_text(target: Path, text: str) -> None:
    """Write a whole text file, UTF-8 with line feeds.

    Parameters
    ----------
    target : pathlib.Path
        File to make or to replace.
    text : str
        Its content.

    Raises
    ------
    ProjectError
        If it cannot be written; the old file then stays.
    """
    write_bytes(target, text.encode("utf-8"))


def write_folder(target: Path, files: Mapping[str, bytes]) -> None:
    """Write a folder of files, whole; an older folder of that name is replaced.

    Parameters
    ----------
    target : pathlib.Path
        Folder to make or to replace.
    files : mapping of str to bytes
        File name -> content.

    Raises
    ------
    ProjectError
        If it cannot be written; the old folder then stays.
    """
    with replacing(target) as temporary:
        temporary.mkdir()
        for name, content in files.items():
            (temporary / name).write_bytes(content)


def check_free_folder(target: Path, own_files: Sequence[str], *, overwrite: bool) -> None:
    """Raise where a folder of results cannot be written without losing something.

    Parameters
    ----------
    target : pathlib.Path
        Folder that will be made or replaced.
    own_files : sequence of str
        Names, or globs, of files that such a folder holds: nothing else is ever replaced.
    overwrite : bool
        Whether an older folder of results may be replaced.

    Raises
    ------
    ConflictError
        If the folder exists and may not be replaced, or holds anything else, or is a file.
    """
    if not target.exists():
        return
    if not target.is_dir():
        msg = f"{target} is a file; expected the name of a folder"
        raise ConflictError(msg)
    foreign = sorted(
        path.name
        for path in target.iterdir()
        if path.is_dir() or not any(fnmatch.fnmatch(path.name, own) for own in own_files)
    )
    if foreign:
        msg = f"the folder {target} holds other things ({', '.join(foreign[:5])}); name another"
        raise ConflictError(msg)
    if not overwrite:
        msg = f"the folder {target} exists; use --overwrite or name another"
        raise ConflictError(msg)


def remove(path: Path) -> None:
    """Remove a file or a folder as far as the file system lets us; missing is fine.

    Parameters
    ----------
    path : pathlib.Path
        What to remove.
    """
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
        return
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return


def remove_stale(target: Path) -> None:
    """Remove what killed processes left of earlier writes of this target.

    Left alone: temporaries of a process that lives on this machine, and those of another machine
    that are younger than a day.

    Parameters
    ----------
    target : pathlib.Path
        File or folder that the temporaries were meant for.
    """
    if not target.parent.is_dir():
        return
    name = re.compile(
        rf"{re.escape(target.stem)}\.(?P<host>[A-Za-z0-9-]+)-(?P<pid>\d+)(\.old)?"
        rf"{re.escape(target.suffix)}\.tmp"
    )
    for path in target.parent.iterdir():
        found = name.fullmatch(path.name)
        if found and not _may_be_in_use(path, found["host"], int(found["pid"])):
            remove(path)


def _beside(target: Path, mark: str = "") -> Path:
    return target.with_name(f"{target.stem}.{_HOST}-{os.getpid()}{mark}{target.suffix}.tmp")


def _move(temporary: Path, target: Path) -> None:
    if not (temporary.is_dir() and target.is_dir()):
        temporary.replace(target)
        return
    old = _beside(target, ".old")
    target.replace(old)
    temporary.replace(target)
    remove(old)


def _may_be_in_use(path: Path, host: str, pid: int) -> bool:
    if host != _HOST or os.name != "posix":
        return time.time() - path.stat().st_mtime < _DAY_SECONDS
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
