"""Text that other programs wrote: byte order marks, UTF-16, line ends, numbers in cells."""

import codecs
import math
import re
from collections.abc import Iterable
from pathlib import Path

from copick_picker.errors import ProjectError, choices_text
from copick_picker.project.guards import reason

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][-+]?\d+)?", re.ASCII)
_SHOWN, _LISTED = 40, 20
_LINE_END = re.compile(r"\r\n|\n|\r")


def read_text(path: Path) -> str:
    """Return a text file's content without its byte order mark; line ends stay as they are.

    UTF-8, and UTF-16 where a byte order mark says so, as Excel and Windows' editors write it.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Raises
    ------
    ProjectError
        If the file cannot be read, or is in another encoding.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        msg = f"cannot read {path}: {reason(error, known=str(path))}"
        raise ProjectError(msg) from error
    return decoded(data, str(path))


def decoded(data: bytes, where: str) -> str:
    """Return bytes as text, without a byte order mark.

    Parameters
    ----------
    data : bytes
        UTF-8, or UTF-16 with a byte order mark.
    where : str
        The file, for the message.

    Raises
    ------
    ProjectError
        If it is neither.

    Examples
    --------
    >>> decoded(codecs.BOM_UTF16_LE + "TS_1".encode("utf-16-le"), "a.csv")
    'TS_1'
    """
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        msg = (
            f"cannot read {where}: byte {error.start} is not {encoding.removesuffix('-sig')}; "
            "save the file as UTF-8"
        )
        raise ProjectError(msg) from error
    if "\0" in text:
        msg = f"cannot read {where}: it holds zero bytes, so it is not UTF-8 text"
        raise ProjectError(msg)
    return text


def lines_of(text: str) -> list[str]:
    r"""Return the lines of a text, whatever system ended them.

    Parameters
    ----------
    text : str
        The text. Other characters at which ``str.splitlines`` splits do not end a line.

    Examples
    --------
    >>> lines_of("a\r\nb\rc\x85d\n")
    ['a', 'b', 'c\x85d']
    """
    lines = _LINE_END.split(text)
    return lines[:-1] if lines[-1] == "" else lines


def short(text: str) -> str:
    r"""Return a text of a file for a message: in one line, of at most 40 characters.

    Parameters
    ----------
    text : str
        A name or a cell.

    Examples
    --------
    >>> short("a\n" + "b" * 99)
    'a bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb...'
    """
    line = " ".join(text[: 2 * _SHOWN].split())
    return line if len(line) <= _SHOWN else line[: _SHOWN - 3] + "..."


def several(names: Iterable[str]) -> str:
    """Return names of a file for a message, twenty at most.

    Parameters
    ----------
    names : iterable of str
        Names of columns, classes or tomograms.
    """
    known = list(names)
    return choices_text(map(short, known[:_LISTED])) + ", ..." * (len(known) > _LISTED)


def number_of(text: str) -> float:
    """Return the number that a cell holds; NaN where it holds none, or one that is not finite.

    Parameters
    ----------
    text : str
        Decimal digits, with a point and an exponent (``e``, or Fortran's ``d``) if need be.

    Examples
    --------
    >>> [number_of(text) for text in (" 1.5e2", "1D1", "1_0", "inf", "")]
    [150.0, 10.0, nan, nan, nan]
    """
    found = _NUMBER.fullmatch(text.strip())
    if found is None:
        return math.nan
    number = float(found[0].lower().replace("d", "e"))
    return number if math.isfinite(number) else math.nan
