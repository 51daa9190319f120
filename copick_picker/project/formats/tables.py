"""Tables in CSV files, of any program: with commas, semicolons or tabs, and names as text.

The form is that of RFC 4180. Excel's semicolons, its line ``sep=;``, decimal commas in tables with
semicolons, blanks after a comma, and byte order marks are understood too.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Literal

from copick_picker.errors import ProjectError
from copick_picker.project.formats.text import read_text

Comments = Literal["anywhere", "above"]
_DELIMITERS = (",", ";", "\t")
_QUOTE_IF = frozenset(',;\t"\r\n')


@dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes
    ----------
    columns : tuple of str
        Names of the columns.
    rows : list of tuple of str
        Cells as they stand in the file, without quotes; a row may have another number of them.
    delimiter : str
        What separates cells.
    n_comments : int
        Lines below the header that start with ``#`` and were left out.
    """

    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    delimiter: str
    n_comments: int = 0


def read_csv(path: Path, *, comments: Comments = "anywhere") -> list[dict[str, str]]:
    """Return the rows of a CSV file by column name; a cell that is missing is empty.

    Parameters
    ----------
    path : pathlib.Path
        The file; its first line that is no comment names the columns.
    comments : str
        Where lines that start with ``#`` are comments: ``anywhere``, or only ``above`` the header,
        in tables that we wrote.

    Raises
    ------
    ProjectError
        If the file cannot be read, or a row has more cells than there are columns.
    """
    table = read_cells(path, comments=comments)
    width = len(table.columns)
    for number, row in enumerate(table.rows, 1):
        if any(cell.strip() for cell in row[width:]):
            msg = (
                f"{path}, row {number} has {len(row)} cells; its header names {width}: is a "
                "name with a comma missing its quotes?"
            )
            raise ProjectError(msg)
    return [
        dict(zip(table.columns, [*row, *[""] * (width - len(row))], strict=False))
        for row in table.rows
    ]


def read_cells(path: Path, *, comments: Comments = "anywhere") -> Table:
    """Return a CSV file as text.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    comments : str
        See ``read_csv``.

    Raises
    ------
    ProjectError
        If the file cannot be read.
    """
    return table_of(read_text(path), str(path), comments=comments)


def table_of(text: str, where: str, *, comments: Comments = "anywhere") -> Table:
    """Return a CSV table as text.

    Parameters
    ----------
    text : str
        The file's content.
    where : str
        The file, for messages.
    comments : str
        See ``read_csv``.

    Raises
    ------
    ProjectError
        If it is no CSV.
    """
    lines = _Lines(text)
    head = lines.head()
    delimiter = _delimiter(head)
    if head.strip().lower().startswith("sep=") and len(head.strip()) == len("sep=") + 1:
        delimiter = head.strip()[-1]
    else:
        lines.put_back(head)
    try:
        records = list(_records(lines, delimiter, comments))
    except csv.Error as error:
        msg = f"cannot read {where}: line {lines.number} is not CSV: {error}"
        raise ProjectError(msg) from error
    columns = tuple(name.strip().strip('"').strip() for name in records[0]) if records else ()
    return Table(columns, records[1:], delimiter, lines.n_comments)


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Return rows as CSV; names that a reader could take for something else are in quotes.

    Parameters
    ----------
    rows : iterable of sequences
        Cells; the first row names the columns.

    Examples
    --------
    >>> print(csv_text([("run", "x"), ("#TS", 1.5), ("a,b", 2)]), end="")
    run,x
    "#TS",1.5
    "a,b",2
    """
    return "".join(",".join(map(_cell, row)) + "\n" for row in rows)


def _cell(value: object) -> str:
    text = str(value)
    if not _QUOTE_IF & set(text) and not text.startswith("#") and text == text.strip():
        return text
    return '"' + text.replace('"', '""') + '"'


class _Lines:
    """The lines of a text, with their ends, for ``csv.reader``: leaves comments out."""

    def __init__(self, text: str) -> None:
        self._lines = iter(StringIO(text, newline=""))
        self._held: list[str] = []
        self.number = 0
        self.n_comments = 0
        self.at_start = True
        """Whether the next line begins a record; a line within quotes is no comment."""
        self.drop_comments = True
        self.below_header = False

    def head(self) -> str:
        """Return the first line that is neither blank nor a comment; empty without one."""
        for line in self:
            if line.strip():
                return line
            self.at_start = True
        return ""

    def put_back(self, line: str) -> None:
        """Return a line once more."""
        if line:
            self._held.append(line)

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        while True:
            if self._held:
                line = self._held.pop()
            else:
                line = next(self._lines)
                self.number += 1
            if self.at_start and self.drop_comments and line.startswith("#"):
                self.n_comments += self.below_header
                continue
            self.at_start = False
            return line


def _records(lines: _Lines, delimiter: str, comments: Comments) -> Iterator[tuple[str, ...]]:
    """Yield the header and the rows that are not blank."""
    lines.at_start = True
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    for record in reader:
        if any(cell.strip() for cell in record):
            lines.below_header = True
            lines.drop_comments = comments == "anywhere"
            yield tuple(record)
        lines.at_start = True


def _delimiter(head: str) -> str:
    """Return what separates most cells of a line; a comma where nothing does."""
    numbers = {each: len(next(csv.reader([head], delimiter=each), [])) for each in _DELIMITERS}
    return max(_DELIMITERS, key=lambda each: numbers[each])
