"""Folds of runs from a table: a list of folds, or labels with a column for them."""

from pathlib import Path

from copick_picker.errors import DataError, choices_text
from copick_picker.project.formats.tables import read_csv

RUN_COLUMNS = ("run", "tomo_id")
FOLD_COLUMN = "fold"
LEFT_OUT = -1
"""Fold of the runs that are neither trained on nor judged by."""


def read_folds(path: Path) -> dict[str, int]:
    """Return the fold of every run of a table; a run may stand in several rows, as in labels.

    Parameters
    ----------
    path : pathlib.Path
        CSV file with a column ``run`` or ``tomo_id``, whose names are taken as text, and ``fold``.

    Raises
    ------
    ProjectError
        If the file cannot be read.
    DataError
        If a column is missing, a fold is not a whole number from -1, or a run has two.
    """
    rows = read_csv(path)
    columns = list(rows[0]) if rows else []
    named = next((name for name in RUN_COLUMNS if name in columns), None)
    if named is None or FOLD_COLUMN not in columns:
        wanted = FOLD_COLUMN if named is not None else " or ".join(RUN_COLUMNS)
        has = choices_text(columns) if columns else "no rows"
        msg = f"{path} has no column {wanted}; it has: {has}"
        raise DataError(msg)
    folds: dict[str, int] = {}
    for number, row in enumerate(rows, start=1):
        run, fold = (row[named] or "").strip(), _fold(row[FOLD_COLUMN], f"{path}, row {number}")
        if not run:
            msg = f"{path}, row {number}: no name in column {named}"
            raise DataError(msg)
        if folds.setdefault(run, fold) != fold:
            msg = f"{path}, row {number}: run {run} is in fold {fold}, and above in {folds[run]}"
            raise DataError(msg)
    return folds


def _fold(text: str | None, where: str) -> int:
    try:
        fold = int(text or "")
    except ValueError:
        fold = LEFT_OUT - 1
    if fold < LEFT_OUT:
        msg = f"{where}: fold is '{text or ''}'; expected a whole number, {LEFT_OUT} to leave out"
        raise DataError(msg)
    return fold
