"""Particles read from other programs' files, by suffix.

Each reader says which convention it took, where tomograms, pixel sizes and scores are from, and
which rows cannot be used; here it is decided what becomes of those. Nothing is converted to
Angstrom here: that needs the tomogram.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from copick_picker.errors import DataError, SettingsError, choices_text
from copick_picker.project.formats.cells import ReadOptions
from copick_picker.project.formats.coordinate_files import read_motive_list, read_ndjson, read_plain
from copick_picker.project.formats.csv_particles import read_particles_csv
from copick_picker.project.formats.dynamo_tables import read_dynamo
from copick_picker.project.formats.imod_models import read_imod
from copick_picker.project.formats.json_particles import read_json
from copick_picker.project.formats.star_particles import read_star
from copick_picker.project.guards import guarded, root_logging_kept
from copick_picker.records.points import ParticleTable

_LISTED = 3
_LINE = 120
_READERS: dict[str, Callable[[Path, ReadOptions], ParticleTable]] = {
    ".star": read_star,
    ".cbox": read_star,
    ".csv": read_particles_csv,
    ".tsv": read_particles_csv,
    ".txt": read_plain,
    ".coords": read_plain,
    ".xyz": read_plain,
    ".tbl": read_dynamo,
    ".json": read_json,
    ".ndjson": read_ndjson,
    ".mod": read_imod,
    ".em": read_motive_list,
}


def read_particles(path: Path, options: ReadOptions) -> ParticleTable:
    """Return the particles of a file, with the convention that was recognised.

    Parameters
    ----------
    path : pathlib.Path
        The file; its suffix names the format.
    options : ReadOptions
        What the user says of it.

    Raises
    ------
    SettingsError
        If the suffix is unknown.
    ProjectError
        If the file cannot be read.
    DataError
        If it holds no particles that can be understood, or rows that cannot be used and are not to
        be left out.
    """
    kind = path.suffix.lower()
    if kind not in _READERS:
        msg = f"{path}: no format has the suffix '{kind}'; formats: {choices_text(_READERS)}"
        raise SettingsError(msg)
    with guarded(f"cannot read {path}"), root_logging_kept():
        table = _READERS[kind](path, options)
    table = _usable(table, path, options)
    if len(table) == 0 and not table.looked_at:
        msg = f"{path} contains no particles ({table.convention})"
        raise DataError(msg)
    return table


def _usable(table: ParticleTable, path: Path, options: ReadOptions) -> ParticleTable:
    """Return the particles that can be used; raise if others are not to be left out."""
    problems = _problems(table, options)
    if not problems:
        return replace(table, problems={})
    rows = sorted(problems)
    listed = "; ".join(f"row {table.row(row)} {problems[row]}" for row in rows[:_LISTED])
    numbers = ", ".join(str(table.row(row)) for row in rows)
    more = f"; ... (rows {_cut(numbers)})" if len(rows) > _LISTED else ""
    text = f"{len(rows)} of {len(table)} rows"
    if not options.skip_bad_rows:
        msg = (
            f"{path}: {text} cannot be used: {listed}{more} (use --skip-bad-rows to skip such rows)"
        )
        raise DataError(msg)
    kept = table.chosen(np.array([r for r in range(len(table)) if r not in problems], dtype=int))
    note = f"{text} cannot be used and are skipped: {listed}{more}"
    notes = (*table.notes, note, *([f"Rows left out: {numbers}"] if more else []))
    return replace(kept, problems={}, notes=notes)


def _problems(table: ParticleTable, options: ReadOptions) -> dict[int, str]:
    """Return why rows cannot be used: a number that is not finite, or no name."""
    found = {row: _worded(why) for row, why in table.problems.items()}
    arrays = {
        "position": table.coordinates,
        "shift": table.offsets_xyz,
        "score": table.scores,
        "rotation": table.rotations,
        "pixel size": table.pixel_size if options.pixel_size is None else None,
    }
    for what, values in arrays.items():
        if values is not None and len(table):
            finite = np.isfinite(values.reshape(len(table), -1)).all(axis=1)
            for row in np.flatnonzero(~finite).tolist():
                found.setdefault(row, f"has a {what} that is NaN or infinite")
    if options.needs_names:
        for row, name in enumerate(table.names):
            if not name.strip():
                found.setdefault(row, f"has no tomogram: {table.name_from} is blank")
    return found


def _cut(numbers: str) -> str:
    """Return a list of rows that fits a line."""
    return numbers if len(numbers) <= _LINE else numbers[:_LINE].rpartition(",")[0] + ", ..."


def _worded(why: str) -> str:
    """Return a reason as it follows the number of a row."""
    return why if why.startswith(("has ", "holds ", "is ", "names ")) else f"({why})"
