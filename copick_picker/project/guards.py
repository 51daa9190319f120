"""What goes wrong below (copick, zarr, files) becomes one line that names the run and the URI."""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from copick_picker.errors import CopickPickerError, ProjectError

_BROKEN = (
    OSError,
    LookupError,
    ValueError,
    TypeError,
    RuntimeError,
    AttributeError,
    AssertionError,
)


def broken() -> tuple[type[Exception], ...]:
    """Return what copick, zarr, the codecs and fsspec raise on missing or malformed data.

    zarr is asked where something has imported it: a listing of folders goes without.
    """
    errors = sys.modules.get("zarr.errors")
    return (*_BROKEN, getattr(errors, "MetadataError", ValueError))  # gone in zarr 3


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
    words = " ".join(str(error).split())
    return words or type(error).__name__


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
