"""Tables for terminals of any width: no name and no number is ever split."""

import shutil
import sys
import textwrap
from collections.abc import Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

_BETWEEN = 3
"""Characters between two columns, of rich's box."""
_LEAST = 40
_NOTHING = ("-", "n/a", "none")
SECONDARY = (
    *("dup", "interval", "runs", "ap", "suggested", "cand", "type", "seconds", "error a"),
    *("fn", "fp", "tp"),
)
"""Ends of the names of columns that follow from others, or are looked up elsewhere; the first are
missed least."""


def table_text(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    width: int | None,
) -> str:
    """Return a table as text.

    Where it is too wide, text wraps between words; where that is not enough, columns are left out
    and named below: those of :data:`SECONDARY` first, then the last ones of numbers. What is left
    is wider than the line rather than split.

    Parameters
    ----------
    title : str
        Its title.
    columns : sequence of str
        Names of the columns.
    rows : sequence of sequence of str
        The cells.
    width : int or None
        Characters of a line; None: as many as the table needs.
    """
    cells = [[column, *(row[number] for row in rows)] for number, column in enumerate(columns)]
    shown = list(range(len(columns)))
    left_out: list[int] = []
    while width is not None and len(shown) > 1 and _least(cells, shown) > width:
        number = _first_to_go(columns, cells, shown[1:])
        if number is None:
            break
        shown.remove(number)
        left_out.append(number)
    whole = sum(_longest(cells[k]) + _BETWEEN for k in shown) + 1
    room = whole if width is None else min(max(width, _least(cells, shown)), whole)
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for number in shown:
        table.add_column(
            columns[number],
            justify="right" if number and _is_numbers(cells[number]) else "left",
            no_wrap=_longest_word(cells[number]) == _longest(cells[number]),
            min_width=_longest_word(cells[number]),
            overflow="fold",
        )
    for row in rows:
        table.add_row(*(row[number] for number in shown))
    console = Console(width=max(room, cell_len(title), _LEAST), highlight=False, markup=False)
    with console.capture() as capture:
        console.print(table)
    lines = [line.rstrip() for line in capture.get().splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    if left_out:
        names = ", ".join(columns[number] for number in sorted(left_out))
        told = f"Hidden at this width: {names} (--wide shows all)"
        lines += textwrap.wrap(told, width or len(told), break_long_words=False)
    return "\n".join(lines) + "\n"


def line_width() -> int | None:
    """Return the characters of a line of the terminal; None where output is no terminal."""
    if not sys.stdout.isatty():
        return None
    return max(shutil.get_terminal_size().columns, _LEAST)  # COLUMNS, where it is set


def _first_to_go(
    columns: Sequence[str], cells: Sequence[Sequence[str]], shown: Sequence[int]
) -> int | None:
    """Return the column that is missed least; None where only names and words are left."""
    for ending in SECONDARY:
        for k in shown:
            if columns[k].lower().split(" ", 1)[-1] == ending or columns[k].lower() == ending:
                return k
    numbers = [k for k in shown if _is_numbers(cells[k])]
    return next(iter(numbers[-1:]), None)


def _longest(cells: Sequence[str]) -> int:
    return max(cell_len(line) for cell in cells for line in (cell.splitlines() or [""]))


def _longest_word(cells: Sequence[str]) -> int:
    return max((cell_len(word) for cell in cells for word in cell.split()), default=1)


def _least(cells: Sequence[Sequence[str]], shown: Sequence[int]) -> int:
    return sum(_longest_word(cells[k]) + _BETWEEN for k in shown) + 1


def _is_numbers(cells: Sequence[str]) -> bool:
    return all(not cell or cell in _NOTHING or cell[0] in "+-.0123456789" for cell in cells[1:])
