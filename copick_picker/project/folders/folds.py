"""The table of folds beside a project: which run belongs to which part of a cross-validation."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from copick_picker.project.files import write_text
from copick_picker.project.formats.tables import csv_text, read_csv
from copick_picker.project.own_files import has_columns
from copick_picker.project.standing import Output, own_file

FOLDS_FILE = "folds.csv"
COLUMNS = ("run", "fold")


@dataclass(frozen=True)
class FoldsFile:
    """A table of folds to write.

    Attributes
    ----------
    path : pathlib.Path
        The file.
    folds : mapping of str to str
        Run -> fold; -1 leaves a run out. Runs of an earlier table stay in it.
    overwrite : bool
        Whether the fold of a run may change.
    """

    path: Path
    folds: Mapping[str, str]
    overwrite: bool

    @classmethod
    def beside(cls, config: Path, folds: Mapping[str, str], *, overwrite: bool) -> "FoldsFile":
        """Return the table in the folder of a project's configuration.

        Parameters
        ----------
        config : pathlib.Path
            The configuration.
        folds : mapping of str to str
            Run -> fold; empty: there is nothing to write.
        overwrite : bool
            Whether the fold of a run may change.
        """
        return cls(config.parent / FOLDS_FILE, folds, overwrite)

    def check(self) -> None:
        """Raise if the file cannot be written.

        Raises
        ------
        ConflictError
            If another file is in its place, or a run has another fold there.
        """
        if self.folds and self._text() is not None:
            self._place().check()

    def write(self) -> bool:
        """Write the table unless it holds all this already; return whether it was written.

        Raises
        ------
        ConflictError
            As ``check``.
        """
        text = self._text() if self.folds else None
        if text is None:
            return False
        write_text(self.path, text, permit=self._place().check)
        return True

    def _text(self) -> str | None:
        """Return the new content, None if the file has it."""
        before = self._before()
        together = {**before, **self.folds}
        if together == before:
            return None
        return csv_text([COLUMNS, *sorted(together.items())])

    def _before(self) -> dict[str, str]:
        kind = own_file(lambda file: has_columns(file, COLUMNS))
        if not Output(self.path, kind, False, "").is_earlier():  # noqa: FBT003 (a record)
            return {}
        return {row["run"]: row["fold"] for row in read_csv(self.path, comments="above")}

    def _place(self) -> Output:
        before = self._before()
        changes = any(before.get(run, fold) != fold for run, fold in self.folds.items())
        kind = own_file(lambda file: has_columns(file, COLUMNS))
        may_replace = self.overwrite or (bool(before) and not changes)
        return Output(self.path, kind, may_replace, "move it away")
