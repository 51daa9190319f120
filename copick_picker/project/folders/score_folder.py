"""Reading the folder that ``evaluate`` writes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from copick_picker.errors import DataError, ProjectError
from copick_picker.project.folders.score_models import check_scores
from copick_picker.project.formats.tables import read_csv
from copick_picker.records.plain_text import load_json
from copick_picker.records.scores import PickTable

SCORES_FILE, MATCHES_FILE = "scores.json", "matches.csv"
_NEEDED = ("matcher", "beta", "tolerance", "totals", "objects", "runs", "confusion", "input")


@dataclass(frozen=True, eq=False)
class ScoreFolder:
    """Results of ``evaluate``.

    Attributes
    ----------
    path : pathlib.Path
        The folder.
    values : mapping
        Content of ``scores.json``.
    picks : PickTable
        Content of ``matches.csv``.
    """

    path: Path
    values: Mapping[str, Any]
    picks: PickTable


def read_score_folder(path: Path) -> ScoreFolder:
    """Return the results that ``evaluate`` wrote into a folder.

    Parameters
    ----------
    path : pathlib.Path
        The folder.

    Raises
    ------
    ProjectError
        If the folder or one of its files is missing or cannot be read.
    DataError
        If a file is truncated or contains something else.
    """
    values, picks = read_scores(path), _picks(path / MATCHES_FILE)
    for kind in ("reference", "candidate"):
        counted = sum(int(entry["counts"][f"n_{kind}"]) for entry in values["runs"])
        if len(picks.rows(kind)) < counted:
            msg = (
                f"{path / MATCHES_FILE} lists fewer picks than {SCORES_FILE} counts: is it "
                "truncated?"
            )
            raise DataError(msg)
    return ScoreFolder(path, values, picks)


def read_scores(path: Path) -> dict[str, Any]:
    """Return the content of the ``scores.json`` of a folder.

    Parameters
    ----------
    path : pathlib.Path
        The folder.

    Raises
    ------
    ProjectError
        If it is missing or cannot be read.
    DataError
        If it is not an output of ``evaluate``.
    """
    file = path / SCORES_FILE
    values = read_json(file)
    missing = [name for name in _NEEDED if name not in values]
    if missing:
        msg = (
            f"{file} is not an output of evaluate, or from an old version: it has no "
            f"{', '.join(missing)}"
        )
        raise DataError(msg)
    check_scores(values, file)
    return values


def read_json(file: Path) -> dict[str, Any]:
    """Return the object in a JSON file.

    Parameters
    ----------
    file : pathlib.Path
        The file.

    Raises
    ------
    ProjectError
        If it is missing or cannot be read.
    DataError
        If it contains something else.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"cannot read {file}: {getattr(error, 'strerror', None) or error}"
        raise ProjectError(msg) from error
    try:
        values = load_json(text)
    except ValueError as error:
        msg = f"{file} is broken: {error}"
        raise DataError(msg) from error
    if not isinstance(values, dict):
        msg = f"{file} holds a {type(values).__name__}; expected a JSON object"
        raise DataError(msg)
    return values


def _picks(file: Path) -> PickTable:
    rows = read_csv(file, comments="above")
    try:
        return PickTable(
            run_name=_texts(rows, "run"),
            object_name=_texts(rows, "object"),
            kind=_texts(rows, "kind"),
            status=_texts(rows, "status"),
            confused_with=_texts(rows, "confused_with"),
            points_xyz=np.column_stack([_numbers(rows, f"{axis}_angstrom") for axis in "xyz"]),
            score=_numbers(rows, "score"),
            distance_angstrom=_numbers(rows, "distance_angstrom"),
        )
    except (KeyError, TypeError, ValueError) as error:
        msg = f"{file} is not a table of picks, or was truncated: {type(error).__name__} {error}"
        raise DataError(msg) from error


def _texts(rows: Sequence[Mapping[str, str]], name: str) -> np.ndarray[Any, np.dtype[np.str_]]:
    values = [row[name] for row in rows]
    if any(value is None for value in values):  # csv gives None if a line is too short
        msg = f"column {name}"
        raise ValueError(msg)
    return np.array(values, dtype=np.str_)


def _numbers(rows: Sequence[Mapping[str, str]], name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([float(row[name] or "nan") for row in rows], dtype=np.float64)
