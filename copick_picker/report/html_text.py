"""Pieces of HTML text: numbers, tables that sort, figures with captions."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

NOT_AVAILABLE = "n/a"
_LAST = -1e300


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes
    ----------
    text : str
        What is shown.
    key : float or None
        What the column is sorted by; None sorts by the text, and numbers stand on the right.
    small : str
        Shown smaller behind the text.
    shade : float or None
        Share of colour behind the cell, 0 to 1.
    """

    text: str
    key: float | None = None
    small: str = ""
    shade: float | None = None


def number(value: float | None, digits: int = 3) -> Cell:
    """Return a cell with a number; ``n/a`` where there is none.

    Parameters
    ----------
    value : float or None
        The number.
    digits : int
        Digits behind the point.
    """
    if value is None:
        return Cell(NOT_AVAILABLE, _LAST)
    return Cell(f"{value:.{digits}f}", float(value))


def rate(value: float | None, interval: Sequence[float] | None) -> Cell:
    """Return a cell with a rate and its interval.

    Parameters
    ----------
    value : float or None
        The rate.
    interval : sequence of two floats, or None
        Low and high end.
    """
    cell = number(value)
    if value is None or interval is None:
        return cell
    return Cell(cell.text, cell.key, f"{interval[0]:.3f}–{interval[1]:.3f}")


def table(
    columns: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    *,
    caption: str,
    sorts: bool = False,
    name: str = "",
) -> str:
    """Return a table that scrolls sideways where the screen is narrow.

    Parameters
    ----------
    columns : sequence of str
        Names of the columns.
    rows : sequence of sequences of Cell
        One a row; the first cell is the row's name.
    caption : str
        What the table shows.
    sorts : bool
        Whether a click on a column's name sorts the rows.
    name : str
        The table's id.
    """
    numeric = [
        all(row[at].key is not None for row in rows) if rows else False
        for at in range(len(columns))
    ]
    head = "".join(
        f'<th scope="col"{_side(is_number)}>{_column(column, sorts=sorts)}</th>'
        for column, is_number in zip(columns, numeric, strict=True)
    )
    body = "".join(f"<tr>{_row(row, numeric)}</tr>" for row in rows)
    identity = f' id="{escape(name)}"' if name else ""
    marked = ' class="sorts"' if sorts else ""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}">'
        f"<table{identity}{marked}><caption>{escape(caption)}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def figure(content: str, caption: str) -> str:
    """Return a chart or a picture with its caption.

    Parameters
    ----------
    content : str
        HTML.
    caption : str
        Plain text.
    """
    return f"<figure>{content}<figcaption>{escape(caption)}</figcaption></figure>"


def section(name: str, title: str, *content: str) -> str:
    """Return a section with a heading; an empty one is left out.

    Parameters
    ----------
    name : str
        The section's id.
    title : str
        Its heading.
    *content : str
        HTML.
    """
    inner = "".join(content)
    if not inner:
        return ""
    return f'<section id="{name}"><h2>{escape(title)}</h2>{inner}</section>'


def paragraph(text: str, kind: str = "") -> str:
    """Return a paragraph of plain text.

    Parameters
    ----------
    text : str
        Plain text.
    kind : str
        Its class in the style sheet.
    """
    marked = f' class="{kind}"' if kind else ""
    return f"<p{marked}>{escape(text)}</p>"


def bullets(lines: Sequence[str]) -> str:
    """Return a list of plain lines, nothing where there are none.

    Parameters
    ----------
    lines : sequence of str
        Plain text.
    """
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else ""


def _column(column: str, *, sorts: bool) -> str:
    text = escape(column)
    return f'<button type="button">{text}</button>' if sorts else text


def _row(row: Sequence[Cell], numeric: Sequence[bool]) -> str:
    first, *rest = row
    cells = [f'<th scope="row"{_key(first)}>{_shown(first)}</th>']
    for cell, is_number in zip(rest, numeric[1:], strict=True):
        shade = "" if cell.shade is None else f' style="--shade:{cell.shade:.2f}"'
        marked = ' class="shaded"' if cell.shade is not None else _side(is_number)
        cells.append(f"<td{marked}{shade}{_key(cell)}>{_shown(cell)}</td>")
    return "".join(cells)


def _shown(cell: Cell) -> str:
    small = f" <small>{escape(cell.small)}</small>" if cell.small else ""
    return escape(cell.text) + small


def _side(is_number: bool) -> str:  # noqa: FBT001 (a private function)
    return ' class="number"' if is_number else ""


def _key(cell: Cell) -> str:
    return "" if cell.key is None else f' data-key="{cell.key:g}"'
