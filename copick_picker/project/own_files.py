"""How a file that this tool wrote is told from all others: by a mark in its content."""

import hashlib
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from copick_picker.records.plain_text import load_json

MARK = "copick-picker"
GENERATOR = f'<meta name="generator" content="{MARK}">'
"""Mark of an HTML page, in its head; ``signed_page`` adds a hash of the page."""
RESULT_OF = "result_of"
"""Key of the mark in a JSON file that ``--json`` writes, at its top."""
TABLES = "tables"
"""Key in such a file: the SHA-256 of every table that was written with it, by name."""
_SIGNED = re.compile(rb'<meta name="generator" content="' + MARK.encode() + rb' [0-9a-f]{64}">')
_HEAD_BYTES = 4096
_PNG = b"\x89PNG\r\n\x1a\n"
_SVG_CREATOR = b"<dc:title>" + MARK.encode() + b" "
"""In the metadata of an SVG file, as matplotlib writes its creator."""


def is_own_json(path: Path) -> bool:
    """Return whether a JSON file is a summary or listing of ours.

    Parameters
    ----------
    path : pathlib.Path
        A file.
    """
    content = load_json(path.read_bytes())
    return isinstance(content, dict) and content.get(RESULT_OF) == MARK


def signed_page(page: str) -> bytes:
    """Return an HTML page with a hash of itself in its mark, so that edits are noticed.

    Parameters
    ----------
    page : str
        The page, with ``GENERATOR`` in its head.
    """
    data = page.encode("utf-8")
    return data.replace(GENERATOR.encode(), _generator(data), 1)


def is_own_page(path: Path) -> bool:
    """Return whether an HTML page is ours, and as we wrote it.

    Parameters
    ----------
    path : pathlib.Path
        A file.
    """
    data = path.read_bytes()
    found = _SIGNED.search(data)
    if found is None:
        return False
    plain = data.replace(found[0], GENERATOR.encode(), 1)
    return found[0] == _generator(plain)


def is_own_picture(path: Path) -> bool:
    """Return whether a PNG picture is ours.

    Parameters
    ----------
    path : pathlib.Path
        A file.
    """
    head = _head(path)
    return head.startswith(_PNG) and b"tEXtSoftware\x00" + MARK.encode() in head


def is_own_drawing(path: Path) -> bool:
    """Return whether an SVG picture is ours.

    Parameters
    ----------
    path : pathlib.Path
        A file.
    """
    head = _head(path)
    return b"<svg" in head and _SVG_CREATOR in head


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


def file_hash(data: bytes) -> str:
    """Return the SHA-256 by which a table is known.

    Parameters
    ----------
    data : bytes
        Its content.
    """
    return hashlib.sha256(data).hexdigest()


def is_recorded_table(path: Path) -> bool:
    """Return whether a summary of ours beside a table says that it was written just so.

    Its columns do not tell: other programs, and other commands, use the same ones.

    Parameters
    ----------
    path : pathlib.Path
        A file.
    """
    known: set[str] = set()
    for beside in path.parent.glob("*.json"):
        with suppress(OSError, ValueError):  # one that cannot be read says nothing
            if is_own_json(beside):
                known.update(load_json(beside.read_bytes()).get(TABLES, {}).get(path.name, []))
    return file_hash(path.read_bytes()) in known


def _generator(page: bytes) -> bytes:
    digest = hashlib.sha256(page).hexdigest()
    return GENERATOR.replace(MARK, f"{MARK} {digest}").encode()


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEAD_BYTES)
