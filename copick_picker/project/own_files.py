"""How a file that this tool wrote is told from all others: by a mark in its content."""

import json
from collections.abc import Sequence
from pathlib import Path

MARK = "copick-picker"
GENERATOR = f'<meta name="generator" content="{MARK}">'
"""Mark of an HTML page, in its head."""
PRODUCER = "producer"
"""Key of the mark in a JSON file, at its top."""
_HEAD_BYTES = 4096
_PNG = b"\x89PNG\r\n\x1a\n"


def is_own_json(path: Path) -> bool:
    """Return whether a JSON file is a summary or listing of ours.

    Parameters
    ----------
    path : pathlib.Path
        A file.
    """
    content = json.loads(path.read_bytes())
    return isinstance(content, dict) and content.get(PRODUCER) == MARK


def is_own_page(path: Path) -> bool:
    """Return whether an HTML page is ours.

    Parameters
    ----------
    path : pathlib.Path
        A file.
    """
    return GENERATOR.encode() in _head(path)


def is_own_picture(path: Path) -> bool:
    """Return whether a PNG picture is ours.

    Parameters
    ----------
    path : pathlib.Path
        A file.
    """
    head = _head(path)
    return head.startswith(_PNG) and b"tEXtSoftware\x00" + MARK.encode() in head


def has_columns(path: Path, columns: Sequence[str]) -> bool:
    """Return whether a CSV file begins with the columns that ours have.

    Parameters
    ----------
    path : pathlib.Path
        A file.
    columns : sequence of str
        In this order.
    """
    with path.open(encoding="utf-8") as file:
        return file.readline().rstrip("\r\n") == ",".join(columns)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEAD_BYTES)
