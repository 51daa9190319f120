"""What goes wrong below (copick, zarr, files) becomes one line that names the run and the URI."""

import json
import logging
import lzma
import struct
import sys
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from copick_picker.errors import CopickPickerError, ProjectError

_BROKEN = (
    OSError,
    LookupError,
    ValueError,
    TypeError,
    RuntimeError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    MemoryError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    struct.error,
)


_ELSEWHERE = {
    "zarr.errors": ("MetadataError",),  # gone in zarr 3
    "aiohttp": ("ClientError",),
    "botocore.exceptions": ("BotoCoreError", "ClientError"),
}
"""Errors of packages that derive from nothing better than Exception."""


def broken() -> tuple[type[Exception], ...]:
    """Return what copick, zarr, the codecs and fsspec raise on missing or malformed data.

    Packages are asked where something has imported them: a listing of folders goes without.
    """
    found = [
        getattr(module, name)
        for place, names in _ELSEWHERE.items()
        if (module := sys.modules.get(place)) is not None
        for name in names
        if hasattr(module, name)
    ]
    return (*_BROKEN, *found)


@contextmanager
def guarded(action: str) -> Iterator[None]:
    """Turn what copick, zarr and files raise inside the block into a ``ProjectError``.

    Parameters
    ----------
    action : str
        What failed, for the message: ``cannot read wbp@10.000 of run TS_1``.

    Raises
    ------
    ProjectError
        With the action and the reason in one line. Our own errors pass unchanged.
    """
    try:
        yield
    except CopickPickerError:
        raise
    except broken() as error:
        msg = f"{action}: {reason(error, known=action)}"
        raise ProjectError(msg) from error


def reason(error: BaseException, *, known: str = "") -> str:
    """Return why, in one line: the system's words, or the error's own.

    Parameters
    ----------
    error : BaseException
        What was raised.
    known : str
        What the message says already; a file that it names is not named again.
    """
    if isinstance(error, OSError) and error.strerror:
        named = error.filename is None or str(error.filename) in known
        where = "" if named else f" ({error.filename})"
        return f"{error.strerror}{where}"
    if isinstance(error, json.JSONDecodeError):
        return f"not valid JSON (line {error.lineno}, column {error.colno}: {error.msg})"
    if isinstance(error, KeyError):
        return f"{error.args[0] if error.args else 'something'} is missing"
    status = getattr(error, "status", None)
    if isinstance(status, int) and status >= 400:
        return f"HTTP {status}" + (f" ({url})" if (url := _url_of(error)) else "")
    faults = getattr(error, "errors", None)
    if type(error).__name__ == "ValidationError" and callable(faults):  # pydantic's
        return "; ".join(map(_fault_text, faults()))
    words = " ".join(str(error).split())
    meant = _meaning(error, words)
    return meant or words or type(error).__name__


def _url_of(error: BaseException) -> str:
    return str(getattr(getattr(error, "request_info", None), "real_url", "") or "")


def _fault_text(fault: Mapping[str, Any]) -> str:
    """Return what pydantic found: the place, what was expected, what was got."""
    place = ".".join(str(part) for part in fault["loc"])
    words = str(fault["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if fault["type"] == "missing":
        return f"{place}: {words}"
    got = repr(fault.get("input"))
    got = got if len(got) <= 60 else f"{got[:57]}..."
    return f"{place}: {words} (got {got})" if place else f"{words} (got {got})"


def _meaning(error: BaseException, words: str) -> str:
    """Return what an error of Python's own means to a user; empty where it says so itself."""
    if isinstance(error, MemoryError):
        return "too little memory" + (f": {words}" if words else "")
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return f"it is not UTF-8 text (byte {error.start})"
    if isinstance(error, zlib.error | lzma.LZMAError | EOFError | struct.error):
        return f"its data are damaged or truncated ({words or type(error).__name__})"
    if isinstance(error, OverflowError):
        return f"a number is infinite or too large ({words})"
    if isinstance(error, ArithmeticError):
        return f"a number is 0 or not finite ({words})"
    if "integer string conversion" in words:
        return "a whole number has more than 4300 digits"
    return ""


@contextmanager
def root_logging_kept() -> Iterator[None]:
    """Undo what copick does to the root logger when its modules are imported."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        for handler in list(root.handlers):
            if handler not in handlers:
                root.removeHandler(handler)
        for handler in handlers:
            if handler not in root.handlers:
                root.addHandler(handler)
        root.setLevel(level)
