"""Files and folders that appear whole or not at all.

Everything is written under a temporary name beside its target, ``name.host-pid.suffix.tmp``, and
moved into place at the end. copick lists no name that ends in ``.tmp``. What a killed process left
behind is removed by the next write of the same target.

What stands in the target's place is replaced in one step where the file system can swap two names
(Linux, macOS); elsewhere it is moved aside first and goes when the new one stands. A process that
is killed in between leaves it aside, whole; the next command that looks at the place moves it back.
"""

import contextlib
import ctypes
import errno
import functools
import os
import platform
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from copick_picker.errors import ConflictError, CopickPickerError, ProjectError
from copick_picker.project.guards import reason

_FIRST_NAMESPACE = 0xEFFFFFFC
"""Number of the namespace of processes of the machine itself (``linux/proc_ns.h``)."""
_DAY_SECONDS = 86_400.0
_TRIES = 100
_NO_SWAP = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM}
"""What kernels and file systems answer that cannot swap two names."""
_TAKEN = {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EISDIR, errno.EACCES}

Permit = Callable[[], object]
"""Asked when a new file or folder is ready; raises where it may not take its target's place."""


@contextmanager
def replacing(target: Path, *, permit: Permit | None = None) -> Iterator[Path]:
    """Yield a temporary path; what the block leaves there takes the target's place.

    Parameters
    ----------
    target : pathlib.Path
        File or folder to make or to replace. Its folder is made where it is missing.
    permit : callable, optional
        Asked once the block is done, just before the move: it looks at what stands there by then
        and raises where that must stay. Without it a file replaces a file, or a link, and a folder
        a folder.

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
        if permit is None:
            _replace(temporary, target)
        else:
            _put(temporary, target, permit)
    except CopickPickerError:
        raise
    except OSError as error:
        msg = f"cannot write {target}: {reason(error)}"
        raise ProjectError(msg) from error
    finally:
        remove(temporary)


def write_bytes(target: Path, data: bytes, *, permit: Permit | None = None) -> None:
    """Write a whole file.

    Parameters
    ----------
    target : pathlib.Path
        File to make or to replace.
    data : bytes
        Its content.
    permit : callable, optional
        See ``replacing``.

    Raises
    ------
    ProjectError
        If it cannot be written; the old file then stays.
    """
    with replacing(target, permit=permit) as temporary:
        temporary.write_bytes(data)


def write_text(target: Path, text: str, *, permit: Permit | None = None) -> None:
    """Write a whole text file, UTF-8 with line feeds.

    Parameters
    ----------
    target : pathlib.Path
        File to make or to replace.
    text : str
        Its content.
    permit : callable, optional
        See ``replacing``.

    Raises
    ------
    ProjectError
        If it cannot be written; the old file then stays.
    """
    write_bytes(target, text.encode("utf-8", "surrogateescape"), permit=permit)


def write_folder(target: Path, files: Mapping[str, bytes], *, permit: Permit | None = None) -> None:
    """Write a folder of files, whole; an older folder of that name is replaced.

    Parameters
    ----------
    target : pathlib.Path
        Folder to make or to replace.
    files : mapping of str to bytes
        File name -> content.
    permit : callable, optional
        See ``replacing``.

    Raises
    ------
    ProjectError
        If it cannot be written; the old folder then stays.
    """
    with replacing(target, permit=permit) as temporary:
        temporary.mkdir()
        for name, content in files.items():
            (temporary / name).write_bytes(content)


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Let one process after the other work in a folder, for what takes more than one move.

    The lock is the system's, on the folder itself: it leaves no file, and goes with the process.
    File systems and systems without such locks (NFS, Windows) are worked on without.

    Parameters
    ----------
    folder : pathlib.Path
        The folder; made where it is missing.

    Raises
    ------
    ProjectError
        If the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"cannot write to {folder}: {reason(error)}"
        raise ProjectError(msg) from error
    handle = None
    with contextlib.suppress(ImportError, OSError):
        import fcntl

        handle = os.open(folder, os.O_RDONLY)
        fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


def remove(path: Path) -> None:
    """Remove a file or a folder as far as the file system lets us; missing is fine.

    Parameters
    ----------
    path : pathlib.Path
        What to remove.
    """
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def remove_at_once(path: Path) -> None:
    """Remove a file or a folder so that no part of it is ever seen; missing is fine.

    It is renamed first. Should the process be killed before all of it is gone, the next
    ``remove_stale`` removes the rest.

    Parameters
    ----------
    path : pathlib.Path
        What to remove.

    Raises
    ------
    ProjectError
        If it cannot be renamed.
    """
    remove_stale(path)
    temporary = _beside(path)
    try:
        path.rename(temporary)
    except FileNotFoundError:
        return
    except OSError as error:
        msg = f"cannot remove {path}: {reason(error)}"
        raise ProjectError(msg) from error
    remove(temporary)


def remove_stale(target: Path) -> None:
    """Remove what killed processes left of earlier writes of this target.

    Left alone: temporaries of a process that lives on this machine, and those of another machine
    that are younger than a day. What such a process had moved aside is moved back first, where the
    target is missing.

    Parameters
    ----------
    target : pathlib.Path
        File or folder that the temporaries were meant for.
    """
    restore(target)
    for path in _stale(target):
        remove(path)


def restore(target: Path) -> None:
    """Move back what a killed process had moved aside, where nothing took its place.

    Parameters
    ----------
    target : pathlib.Path
        File or folder that is missing, or not.
    """
    if os.path.lexists(target):
        return
    for path in _stale(target, mark=".old"):
        if _moved_to_free_place(path, target):
            return


def is_temporary(path: Path) -> bool:
    """Return whether a name is one that ``replacing`` gives to what is not finished.

    Parameters
    ----------
    path : pathlib.Path
        Any path.
    """
    return re.search(r"\.[A-Za-z0-9-]+-\d+(\.old)?(\.[^.]+)?\.tmp$", path.name) is not None


def _host() -> str:
    """Return a name of this machine, or of a container, whose processes we can see.

    Containers on one machine may share its name but not its processes.
    """
    name = re.sub(r"[^A-Za-z0-9]+", "-", platform.node()).strip("-") or "host"
    try:
        space = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return name
    return name if space == _FIRST_NAMESPACE else f"{name}-{space}"


def _stale(target: Path, mark: str | None = None) -> list[Path]:
    """Return the temporaries of a target that nobody writes any more."""
    marks = r"(\.old)?" if mark is None else re.escape(mark)
    name = re.compile(
        rf"{re.escape(target.stem)}\.(?P<host>[A-Za-z0-9-]+)-(?P<pid>\d+){marks}"
        rf"{re.escape(target.suffix)}\.tmp"
    )
    try:
        paths = list(target.parent.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    found = [(path, name.fullmatch(path.name)) for path in paths]
    return [
        path
        for path, match in found
        if match and not _may_be_in_use(path, match["host"], int(match["pid"]))
    ]


def _beside(target: Path, mark: str = "") -> Path:
    return target.with_name(f"{target.stem}.{_HOST}-{os.getpid()}{mark}{target.suffix}.tmp")


def _replace(temporary: Path, target: Path) -> None:
    """Replace a file by a file, or a folder by a folder."""
    is_folder = target.is_dir() and not target.is_symlink()
    if not (temporary.is_dir() and is_folder and _swapped(temporary, target)):
        temporary.replace(target)


def _put(temporary: Path, target: Path, permit: Permit) -> None:
    """Move into place, whatever is there by then, if it may go."""
    for _ in range(_TRIES):
        stands = os.path.lexists(target)  # what comes after the question is not replaced
        permit()
        if stands:
            if _swapped(temporary, target):
                return
        elif _moved_to_free_place(temporary, target):
            return
    msg = f"cannot write {target}: other processes keep replacing it"
    raise ConflictError(msg)


def _swapped(temporary: Path, target: Path) -> bool:
    """Put the new in the place of the old, which goes; False where there is no old one any more."""
    try:
        if _exchange(temporary, target):
            return True  # what is at the temporary path now is removed by ``replacing``
        old = _beside(target, ".old")
        target.rename(old)
    except FileNotFoundError:
        return False
    try:
        temporary.rename(target)
    except OSError:
        old.rename(target)
        raise
    remove(old)
    return True


def _moved_to_free_place(temporary: Path, target: Path) -> bool:
    """Move to a place where nothing stands; False where something does by now."""
    if temporary.is_dir() and not temporary.is_symlink():
        try:
            temporary.rename(target)
        except OSError as error:
            if error.errno in _TAKEN and os.path.lexists(target):
                return False
            raise
        return True
    try:
        os.link(temporary, target, follow_symlinks=False)
    except FileExistsError:
        return False
    except (OSError, NotImplementedError):  # a file system without hard links
        if os.path.lexists(target):
            return False
        temporary.rename(target)
        return True
    temporary.unlink()
    return True


def _exchange(first: Path, second: Path) -> bool:
    """Let two paths swap what they name, in one step; False where that cannot be done."""
    swap = _system_swap()
    if swap is None:
        return False
    if swap(os.fsencode(first), os.fsencode(second)) == 0:
        return True
    number = ctypes.get_errno()
    if number in _NO_SWAP:
        return False
    raise OSError(number, os.strerror(number), str(second))


@functools.cache
def _system_swap() -> Callable[[bytes, bytes], int] | None:
    """Return the system's call that swaps two names, see renameat2(2) and renamex_np(2)."""
    if sys.platform not in ("linux", "darwin"):
        return None
    library: Any = ctypes.CDLL(None, use_errno=True)
    if sys.platform == "darwin":
        call = getattr(library, "renamex_np", None)
        return None if call is None else lambda first, second: int(call(first, second, 2))
    call, here = getattr(library, "renameat2", None), -100
    if call is None:
        return None
    return lambda first, second: int(call(here, first, here, second, 2))


_HOST = _host()


def _may_be_in_use(path: Path, host: str, pid: int) -> bool:
    if host != _HOST or os.name != "posix":
        try:
            return time.time() - path.lstat().st_mtime < _DAY_SECONDS
        except FileNotFoundError:  # another process was faster
            return True
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
