"""Tables in CSV files."""

import csv
from pathlib import Path

from copick_picker.errors import ProjectError


def read_csv(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file by column name; lines that start with ``#`` are comments.

    Parameters
    ----------
    path : pathlib.Path
        The file; its first line that is no comment names the columns.

    Raises
    ------
    ProjectError
        If the file cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        msg = f"cannot read {path}: {error}"
        raise ProjectError(msg) from error
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))
