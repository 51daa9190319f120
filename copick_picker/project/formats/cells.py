"""Tables of particles as text, read column by column; what cannot be used is noted by row.

The names that other programs give to scores, pixel sizes, tomograms and classes stand here.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from copick_picker.errors import DataError
from copick_picker.project.formats.text import number_of, several, short

FloatArray = npt.NDArray[np.float64]
SCORES = (
    "rlnAutopickFigureOfMerit",  # RELION, Warp, copick-picker
    "rlnParticleFigureOfMerit",  # RELION 5
    "rlnLCCmax",  # pytom-match-pick
    r"wrpFom\w*",
    r"wrp\w*(FigureOfMerit|Score|Correlation)\w*",
    r"(rln|wrp)?\w*(FigureOfMerit|LCC_?max)",
    "score|scores|confidence|probability|prob|figure_of_merit|fom|metric_best",
    "lcc_?max|lcc|ccc?|cross_?correlation",
)
"""Columns of scores, the first that a file has counts; patterns, either case."""
_WHOLE = 2**53
_PLAIN = frozenset("0123456789.+-eE")


@dataclass(frozen=True)
class ReadOptions:
    """What the user says of a file of particles.

    Attributes
    ----------
    score_column : str or None
        Column of scores; None: the one that other programs call so.
    pixel_size : float or None
        Pixel size of the coordinates in Angstrom, over what the file states.
    skip_bad_rows : bool
        Leave out rows that cannot be used, instead of refusing the file.
    needs_names : bool
        Whether every particle has to name its tomogram.
    """

    score_column: str | None = None
    pixel_size: float | None = None
    skip_bad_rows: bool = False
    needs_names: bool = True


@dataclass
class Cells:
    """Rows of text by column.

    Attributes
    ----------
    where : str
        The file, for messages.
    columns : dict
        Name -> cells, as many in every column.
    n_rows : int
        Number of rows.
    decimal : str
        What stands before decimals.
    problems : dict
        Row, from 0 -> why it cannot be used; the first reason counts.
    read : set of str
        Columns that were asked for.
    """

    where: str
    columns: dict[str, list[str]]
    n_rows: int
    decimal: str = "."
    problems: dict[int, str] = field(default_factory=dict)
    read: set[str] = field(default_factory=set)

    @classmethod
    def of_rows(
        cls, where: str, names: Sequence[str], rows: Sequence[Sequence[str]], *, decimal: str = "."
    ) -> "Cells":
        """Return the cells of a table; a row of another length is a problem.

        Parameters
        ----------
        where : str
            The file.
        names : sequence of str
            Names of the columns.
        rows : sequence of sequences of str
            The table.
        decimal : str
            What stands before decimals.

        Raises
        ------
        DataError
            If two columns have one name.
        """
        names = [name or f"column {number}" for number, name in enumerate(names, 1)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            msg = f"{where} has two columns {several(twice)}"
            raise DataError(msg)
        width, problems = len(names), {}
        filled: list[Sequence[str]] = []
        for number, row in enumerate(rows):
            if len(row) != width:
                extra = [cell for cell in row[width:] if cell.strip()]
                if extra or len(row) < width:
                    problems[number] = f"has {len(row)} values, {width} expected"
                row = [*row[:width], *[""] * (width - len(row))]
            filled.append(row)
        columns = {name: [row[at] for row in filled] for at, name in enumerate(names)}
        return cls(where, columns, len(filled), decimal, problems)

    def __contains__(self, name: str) -> bool:
        """Return whether there is a column of a name."""
        return name in self.columns

    def has(self, names: Collection[str]) -> bool:
        """Return whether there are columns of all these names.

        Parameters
        ----------
        names : collection of str
            Names.
        """
        return set(names) <= self.columns.keys()

    def text(self, name: str) -> tuple[str, ...]:
        """Return the cells of a column.

        Parameters
        ----------
        name : str
            The column.
        """
        self.read.add(name)
        return tuple(self.columns[name])

    def numbers(self, name: str, *, blank: float = np.nan) -> FloatArray:
        """Return a column of numbers; NaN, with a note, where a cell holds none.

        Parameters
        ----------
        name : str
            The column.
        blank : float
            What an empty cell means; NaN: that it cannot be used.
        """
        self.read.add(name)
        found = self._at_once(name)
        if found is None:
            cells = self.columns[name]
            found = np.array([self._number(cell, blank) for cell in cells], np.float64)
        for row in np.flatnonzero(np.isnan(found)).tolist():
            self.note(row, f"{short(name)} is '{self._shown(name, row)}', not a finite number")
        return found

    def whole(self, name: str) -> npt.NDArray[np.int64]:
        """Return a column of whole numbers from 0; an empty cell is 0.

        Parameters
        ----------
        name : str
            The column.
        """
        found = self.numbers(name, blank=0.0)
        wrong = (found != np.floor(found)) | (found < 0) | (found > _WHOLE)
        for row in np.flatnonzero(wrong & np.isfinite(found)).tolist():
            self.note(row, f"{name} is '{self._shown(name, row)}', not a whole number from 0")
        return np.where(wrong | np.isnan(found), 0, found).astype(np.int64)

    def lengths(self, name: str) -> FloatArray:
        """Return a column of lengths; NaN, with a note, where one is not above 0.

        Parameters
        ----------
        name : str
            The column.
        """
        found = self.numbers(name)
        for row in np.flatnonzero(found <= 0).tolist():
            self.note(row, f"{name} is {self._shown(name, row)}; expected more than 0")
        return np.where(found > 0, found, np.nan)

    def points(self, names: Sequence[str]) -> FloatArray:
        """Return several columns of numbers side by side.

        Parameters
        ----------
        names : sequence of str
            The columns.

        Returns
        -------
        numpy.ndarray, shape (n, len(names)), float64
        """
        return np.stack([self.numbers(name) for name in names], axis=1).reshape(-1, len(names))

    def note(self, row: int, why: str) -> None:
        """Note why a row cannot be used.

        Parameters
        ----------
        row : int
            Row, from 0.
        why : str
            In words.
        """
        self.problems.setdefault(row, why)

    def first(self, patterns: Iterable[str]) -> str:
        """Return the first column whose name fits one of some patterns, in either case, or nothing.

        Parameters
        ----------
        patterns : iterable of str
            Regular expressions, by preference.
        """
        for pattern in patterns:
            for name in self.columns:
                if re.fullmatch(pattern, name, re.IGNORECASE):
                    return name
        return ""

    def scores(self, wanted: str | None) -> tuple[FloatArray | None, str]:
        """Return the scores and the column that they are from; None and nothing without.

        Parameters
        ----------
        wanted : str or None
            Column that the user names; None: the one that other programs call so.

        Raises
        ------
        DataError
            If there is no column of that name.
        """
        if wanted is None:
            name = self.first(SCORES)
        else:
            name = wanted if wanted in self.columns else self.first([re.escape(wanted)])
            if not name:
                msg = (
                    f"{self.where} has no column '{wanted}' (--score-column); it has: "
                    f"{several(self.columns)}"
                )
                raise DataError(msg)
        return (self.numbers(name), name) if name else (None, "")

    def unread(self, known: Collection[str] = ()) -> tuple[str, ...]:
        """Return the columns that were not asked for.

        Parameters
        ----------
        known : collection of str
            Columns that need not be named either.
        """
        return tuple(name for name in self.columns if name not in self.read and name not in known)

    def _shown(self, name: str, row: int) -> str:
        return short(self.columns[name][row])

    def _at_once(self, name: str) -> FloatArray | None:
        """Return a column of plain numbers; None where a cell needs a closer look."""
        cells = self.columns[name]
        if not set("".join(cells)) <= _PLAIN:
            return None
        try:
            found: FloatArray = np.array(cells, dtype=np.str_).astype(np.float64)
        except ValueError:
            return None
        return np.where(np.isfinite(found), found, np.nan)

    def _number(self, cell: str, blank: float) -> float:
        text = cell.strip()
        if not text:
            return blank
        if self.decimal != ".":
            text = text.replace(self.decimal, ".")
        return number_of(text)
