"""Standard streams that are closed, full or of another encoding; a working folder that is gone."""

import errno
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

_UNWRITABLE = {errno.ENOSPC, errno.EIO, errno.EBADF, errno.EDQUOT, errno.EFBIG}
_SIGNS_OF_LITTLE_MEMORY = (
    "can't start new thread",
    "failed to map segment",
    "annot allocate memory",
    "bad_alloc",
    "error return without exception set",
)
"""What threads, the system's linker and C++ say."""
_LEAST_BYTES = 1_250_000_000
"""Address space that PyTorch, SciPy and a small network take."""
_ROOMY_BYTES = 16_000_000_000
_STREAMS = ("stdin", "stdout", "stderr")


def prepare_streams() -> None:
    """Open what is closed, so that no file takes its place, and let every path be printed."""
    for number, name in enumerate(_STREAMS):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
        if getattr(sys, name) is None:
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        _let_paths_pass(stream)


def check_working_folder(arguments: Sequence[str]) -> None:
    """Exit with one line where the working folder was deleted: libraries end the process there.

    Parameters
    ----------
    arguments : sequence of str
        The command line; help needs no folder.
    """
    if {"-h", "--help", "--version"} & set(arguments):
        return
    try:
        os.getcwd()  # noqa: PTH109 (Path.cwd is the same call)
    except OSError:
        sys.stderr.write("Error: the working folder was deleted: change to another one\n")
        raise SystemExit(2) from None


def check_address_space(arguments: Sequence[str]) -> None:
    """Exit with one line where less memory may be had than the libraries take to start.

    OpenBLAS, which NumPy and SciPy bring, waits for ever where it gets no memory; with one thread
    it takes least.

    Parameters
    ----------
    arguments : sequence of str
        The command line; help and listings need little.
    """
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY or limit > _ROOMY_BYTES:
        return
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    is_small = {"-h", "--help", "--version"} & set(arguments) or arguments[:1] == ["browse"]
    if limit < _LEAST_BYTES and arguments and not is_small:
        sys.stderr.write(
            f"Error: too little memory: this process may have {limit / 1e9:.2f} GB (ulimit -v); "
            f"expected at least {_LEAST_BYTES / 1e9:g} GB\n"
        )
        raise SystemExit(1)


@contextmanager
def little_memory_told() -> Iterator[None]:
    """Turn what Python and its packages raise where memory ends into one line and exit code 1."""
    try:
        yield
    except (MemoryError, RuntimeError, ImportError, SystemError, OSError) as error:
        if not _lacks_memory(error):
            raise
        sys.stderr.write(f"Error: too little memory for this command ({_short(error)})\n")
        raise SystemExit(1) from None


def _lacks_memory(error: BaseException | None) -> bool:
    """Return whether an error, or one that led to it, says that memory is at its end."""
    while error is not None:
        words = str(error)
        if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
            return True
        if any(sign in words for sign in _SIGNS_OF_LITTLE_MEMORY):
            return True
        error = error.__cause__ or error.__context__
    return False


def _short(error: BaseException) -> str:
    words = " ".join(str(error).split())[:200]
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


@contextmanager
def full_output_told() -> Iterator[None]:
    """Turn a standard output that cannot be written to into one line and exit code 1."""
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        if error.errno not in _UNWRITABLE or error.filename is not None:
            raise
        told = f"Error: cannot write to standard output: {os.strerror(error.errno or 0)}\n"
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 (to the end)
        try:
            sys.stderr.write(told)
            sys.stderr.flush()
        except OSError:
            sys.stderr = sys.stdout
        raise SystemExit(1) from None


def _let_paths_pass(stream: Any) -> None:  # noqa: ANN401 (a text stream of any kind)
    if not hasattr(stream, "reconfigure"):
        return
    encoding = str(stream.encoding or "ascii").lower()
    if encoding in ("ascii", "us-ascii", "ansi_x3.4-1968"):
        stream.reconfigure(encoding="utf-8", errors="surrogateescape")
    else:
        is_utf8 = encoding.replace("-", "") == "utf8"
        stream.reconfigure(errors="surrogateescape" if is_utf8 else "backslashreplace")
