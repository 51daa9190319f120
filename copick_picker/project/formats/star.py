"""STAR files as RELION, Warp, pytom-match-pick and crYOLO write them; all values are text.

A block ``data_name`` holds one table (``loop_``, the names of its columns, a row a line) or pairs
of name and value. A value is in quotes, ' or ", where it is empty, holds blanks, or would be taken
for something else; a quotation mark ends it only before a blank; # begins a comment only where a
value could begin (S. R. Hall 1991, J. Chem. Inf. Comput. Sci. 31, 326; S. R. Hall and N.
Spadaccini 1994, ibid. 34, 505). Rows over several lines and text between semicolons, which RELION
does not read, are not read here either.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from copick_picker._version import __version__
from copick_picker.project.formats.text import lines_of

_TOKEN = re.compile(r"""'(?:[^']|'(?=\S))*'(?=\s|$)|"(?:[^"]|"(?=\S))*"(?=\s|$)|\#.*|\S+""")
_RESERVED = re.compile(r"(data_|loop_|save_|stop_|global_)", re.IGNORECASE)
_MARKS = ("_", "#", ";", "$", "[", "]", "'", '"')
FLOAT_FORMAT = "%.6f"


@dataclass
class StarBlock:
    """A block.

    Attributes
    ----------
    name : str
        Its name, without ``data_``.
    columns : list of str
        Names of the columns, without ``_``.
    rows : list of list of str
        Values; a row may have another number of them than there are columns.
    is_loop : bool
        Whether it is a table; else it has one row.
    """

    name: str
    columns: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    is_loop: bool = False


def parse_star(text: str) -> list[StarBlock]:
    r"""Return the blocks of a STAR file.

    Parameters
    ----------
    text : str
        The file's content.

    Examples
    --------
    >>> block = parse_star("data_a\n\nloop_\n_name #1\n_x #2\n'a b' 1\nTS#1 2 # two\n")[0]
    >>> block.columns, block.rows
    (['name', 'x'], [['a b', '1'], ['TS#1', '2']])
    """
    blocks: list[StarBlock] = []
    for line in lines_of(text):
        tokens = _tokens(line)
        if not tokens:
            continue
        block = blocks[-1] if blocks else None
        if _begins_block(line.lstrip(), tokens, block):
            blocks.append(StarBlock(tokens[0][len("data_") :]))
        elif block is None:
            continue
        elif line.strip().lower() == "loop_" and not block.rows:
            block.is_loop = True
        else:
            _add(block, line.lstrip(), tokens)
    return blocks


def star_text(tables: Mapping[str, tuple[Sequence[str], Sequence[Sequence[object]]]]) -> str:
    """Return a STAR file of tables.

    Parameters
    ----------
    tables : mapping
        Name of the block -> names of its columns, without ``_``, and its rows.

    Raises
    ------
    ValueError
        If a value cannot stand in a STAR file.
    """
    lines = [f"# copick-picker {__version__}", "", ""]
    for name, (columns, rows) in tables.items():
        lines += [f"data_{name}", "", "loop_"]
        lines += [f"_{column} #{number}" for number, column in enumerate(columns, 1)]
        lines += ["\t".join(map(star_value, row)) for row in rows]
        lines += ["", ""]
    return "\n".join(lines) + "\n"


def star_value(value: object) -> str:
    """Return a value as it stands in a STAR file: in quotes where it has to be.

    Parameters
    ----------
    value : object
        A text or a number.

    Raises
    ------
    ValueError
        If no quotes can hold it.

    Examples
    --------
    >>> [star_value(value) for value in ("007", "a b", "#TS", "TS#1", "a'b", 0.5)]
    ['007', '"a b"', '"#TS"', 'TS#1', "a'b", '0.500000']
    """
    if isinstance(value, float):
        return FLOAT_FORMAT % value
    text = str(value)
    if _is_plain(text):
        return text
    if any(ord(mark) < 32 or ord(mark) == 127 for mark in text):
        msg = "a tab, line end or other control character"
        raise ValueError(msg)
    for quote in ('"', "'"):
        if not re.search(f"{quote}(\\s|$)", text):
            return f"{quote}{text}{quote}"
    msg = "both kinds of quotation marks, each before a space"
    raise ValueError(msg)


def _is_plain(text: str) -> bool:
    return (
        bool(text)
        and re.search(r"\s", text) is None
        and not any(ord(mark) < 32 or ord(mark) == 127 for mark in text)
        and not text.startswith(_MARKS)
        and _RESERVED.match(text) is None
    )


def _tokens(line: str) -> list[str]:
    """Return the values of a line, without quotes and comment."""
    if not {"'", '"', "#"} & set(line):
        return line.split()
    tokens = []
    for found in _TOKEN.finditer(line):
        token = found[0]
        if token.startswith("#"):
            break
        is_quoted = len(token) > 1 and token[0] in "'\"" and token[0] == token[-1]
        tokens.append(token[1:-1] if is_quoted else token)
    return tokens


def _begins_block(line: str, tokens: list[str], block: StarBlock | None) -> bool:
    """Return whether a line begins a block; a row of a table may begin with a name like that."""
    if not line.lower().startswith("data_"):
        return False
    return len(tokens) == 1 and not (
        block is not None and block.is_loop and len(block.columns) == 1 and bool(block.rows)
    )


def _add(block: StarBlock, line: str, tokens: list[str]) -> None:
    """Add a line to a block: the name of a column, a pair, or a row."""
    if line.startswith("_") and not (block.is_loop and block.rows):
        block.columns.append(tokens[0][1:])
        if not block.is_loop:
            block.rows = [[*(block.rows[0] if block.rows else []), " ".join(tokens[1:])]]
    elif block.is_loop:
        block.rows.append(tokens)
