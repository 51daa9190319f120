"""What the parts of ``movie analyze`` share."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from copick_picker.project.formats.calcium_tables import table_csv
from copick_picker.workflows.movie.places import COLUMNS


@dataclass(frozen=True)
class Findings:
    """What a part of the analysis found.

    Attributes
    ----------
    files : dict
        Content of each file, by name.
    content : dict
        Values for the summary.
    notes : list of str
        Lines for the terminal.
    """

    files: dict[str, str | bytes] = field(default_factory=dict)
    content: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, other: "Findings") -> None:
        """Take in what another part found.

        Parameters
        ----------
        other : Findings
            The other part.
        """
        self.files.update(other.files)
        self.content.update(other.content)
        self.notes.extend(other.notes)


def rows_csv(name: str, rows: Sequence[Sequence[Any]]) -> str:
    """Return rows as the text of one of our CSV files; None becomes an empty field.

    Parameters
    ----------
    name : str
        The file, whose columns are known.
    rows : sequence of sequence
        Values in the order of the columns.
    """
    columns: list[tuple[Any, ...]] = list(zip(*rows, strict=True)) or [()] * len(COLUMNS[name])
    return table_csv(dict(zip(COLUMNS[name], columns, strict=True)))


def share_words(share: dict[str, float | None]) -> str:
    """Return a share and its interval in words.

    Parameters
    ----------
    share : dict
        ``share``, ``low`` and ``high``.
    """
    if share["share"] is None:
        return "none"
    middle, low, high = (100.0 * (share[name] or 0.0) for name in ("share", "low", "high"))
    return f"{middle:.0f} %, 95 % interval {low:.0f} to {high:.0f} %"
