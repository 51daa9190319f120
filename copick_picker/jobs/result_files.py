"""Files that a command rewrites at every call: ``--json`` and ``--csv``."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from copick_picker.project.files import write_text
from copick_picker.project.own_files import MARK, RESULT_OF, has_columns, is_own_json
from copick_picker.project.standing import Output, own_file
from copick_picker.settings.browse import BrowsePortalSettings, BrowseProjectSettings


def result_json(path: Path) -> Output:
    """Return the output file of ``--json``, which replaces only what ``--json`` wrote.

    Parameters
    ----------
    path : pathlib.Path
        As the user named it.
    """
    kind, advice = own_file(is_own_json), "another file for --json"
    return Output(path, kind, overwrite=False, advice=advice, renews=True)


def result_csv(path: Path, columns: Sequence[str]) -> Output:
    """Return the output file of ``--csv``, which replaces only a table with the same columns.

    Parameters
    ----------
    path : pathlib.Path
        As the user named it.
    columns : sequence of str
        Columns of the table.
    """
    kind = own_file(lambda file: has_columns(file, columns))
    return Output(path, kind, overwrite=False, advice="another file for --csv", renews=True)


def check_listing_files(
    settings: BrowseProjectSettings | BrowsePortalSettings, columns: Sequence[str]
) -> None:
    """Raise if a listing could not be written at the end.

    Parameters
    ----------
    settings : BrowseProjectSettings or BrowsePortalSettings
        The output files, if any.
    columns : sequence of str
        Columns of the table.

    Raises
    ------
    ConflictError
        If a file exists and is not an earlier listing.
    """
    if settings.json_file is not None:
        result_json(settings.json_file).check()
    if settings.csv_file is not None:
        result_csv(settings.csv_file, columns).check()


def write_result_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a machine-readable result, with our mark.

    Parameters
    ----------
    path : pathlib.Path
        File to make, or an earlier result to replace.
    content : mapping
        JSON values.

    Raises
    ------
    ConflictError
        If the file exists and is anything else.
    """
    text = json.dumps({RESULT_OF: MARK, **content}, indent=2) + "\n"
    write_text(path, text, permit=result_json(path).check)
