"""Reading CSV tables: columns of numbers, and one clear line where a value is none."""

from io import StringIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from copick_picker.errors import DataError, SettingsError
from copick_picker.project.formats.tables import csv_text, read_cells
from copick_picker.project.guards import guarded


def read_table(path: Path, what: str) -> pd.DataFrame:
    """Return a CSV table; names of columns in lower case, without quotes.

    Parameters
    ----------
    path : pathlib.Path
        The file; lines that begin with # are comments.
    what : str
        What it holds, for messages.

    Raises
    ------
    SettingsError
        If there is no such file.
    DataError
        If it is empty or no CSV table.
    ProjectError
        If it cannot be read.
    """
    if not path.is_file():
        msg = f"there is no table {path}"
        raise SettingsError(msg)
    with guarded(f"cannot read {path}"):
        try:
            cells = read_cells(path)
            width = max([len(cells.columns), *map(len, cells.rows)], default=0)
            plain = csv_text([cells.columns, *cells.rows]) if width else ""
            decimal = "," if cells.delimiter == ";" else "."
            table = pd.read_csv(StringIO(plain), decimal=decimal)
        except pd.errors.EmptyDataError as error:
            msg = f"{path} is empty; expected a table of {what}"
            raise DataError(msg) from error
        except (pd.errors.ParserError, UnicodeDecodeError) as error:
            msg = f"{path} is not a CSV table: {error}"
            raise DataError(msg) from error
    table.columns = [str(name).strip().strip('"').lower() for name in table.columns]
    return table


def numbers_of(path: Path, table: pd.DataFrame, name: str) -> npt.NDArray[np.float64]:
    """Return a column of numbers.

    Parameters
    ----------
    path : pathlib.Path
        The file, for messages.
    table : pandas.DataFrame
        The table.
    name : str
        The column.

    Raises
    ------
    DataError
        If a value is not a finite number.
    """
    values = pd.to_numeric(table[name], errors="coerce").to_numpy(dtype=np.float64)
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        found = table[name].iloc[int(bad[0])]
        msg = f"{path}: '{name}' is '{found}' in row {int(bad[0]) + 1}, not a number"
        raise DataError(msg)
    return values
