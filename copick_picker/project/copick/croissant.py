"""Croissant manifests: their names, their splits, and where their outputs go."""

from typing import Any

from copick_picker.errors import ProjectError, UnknownNameError, choices_text, nearest_name
from copick_picker.project.copick.api import CopickRoot
from copick_picker.project.formats.tables import table_of
from copick_picker.project.formats.text import decoded
from copick_picker.project.guards import guarded

_TEXT = "sc:Text"


def names_as_text(root: CopickRoot, location: str) -> None:
    """Put the names of a manifest's tables in the place of the numbers that pandas made of them.

    copick reads a manifest with the package mlcroissant, to which the runs 1.1 and 1.10 are one,
    and a run NA is none. The tables beside the manifest are read once more, as text, now and
    whenever copick reads them again.

    Parameters
    ----------
    root : copick root
        An open project; one that is no manifest is left as it is.
    location : str
        Where the project was opened from, for messages.

    Raises
    ------
    ProjectError
        If a table cannot be read.
    """
    index = getattr(root, "index", None)
    if index is None or not hasattr(index, "croissant_fs"):
        return
    load = index._load_records

    def load_as_text() -> None:
        load()
        _read_names(index, location)

    index._load_records = load_as_text
    _read_names(index, location)


def _read_names(index: Any, location: str) -> None:  # noqa: ANN401 (copick's index of a manifest)
    from copick.impl.mlcroissant import CSV_SCHEMA

    for name, schema in CSV_SCHEMA.items():
        path = f"{index.croissant_dir}/{schema['csv_name']}"
        with guarded(f"cannot read {path} of {location}"):
            if name == "copick/objects" or not index.croissant_fs.exists(path):
                continue
            table = table_of(decoded(index.croissant_fs.cat_file(path), path), path)
        cells = [dict(zip(table.columns, row, strict=False)) for row in table.rows]
        _replace_names(index, name, schema, cells)


def _replace_names(
    index: Any,  # noqa: ANN401 (copick's index of a manifest)
    name: str,
    schema: dict[str, Any],
    cells: list[dict[str, str]],
) -> None:
    """Replace the text columns of one table, where copick has a row for every line, or add runs."""
    text = [column for column, kind in schema["types"].items() if kind == _TEXT]
    given = [{column: row.get(column) or None for column in text} for row in cells]
    if name == "copick/runs":
        index.runs_by_name.clear()
        index.runs_by_name.update({row["name"]: row for row in given if row["name"]})
        return
    stored = getattr(index, name.removeprefix("copick/"))
    if len(stored) == len(given):
        for row, names in zip(stored, given, strict=True):
            row.update(names)


def runs_of_split(root: CopickRoot, split: str, location: str) -> frozenset[str]:
    """Return the names of the runs in a split.

    Parameters
    ----------
    root : copick root
        An open project.
    split : str
        Name of a split, such as ``test``.
    location : str
        Where the project was opened from, for messages.

    Raises
    ------
    UnknownNameError
        If the project has no splits, or none of this name; the message lists those that it has.
    """
    if not hasattr(root, "splits"):
        msg = f"--split {split}: {location} is not a Croissant manifest and has no splits"
        raise UnknownNameError(msg)
    with guarded(f"cannot read the splits of {location}"):
        splits = {str(name): [str(run) for run in runs] for name, runs in root.splits.items()}
    if split not in splits:
        near = nearest_name(split, splits)
        msg = f"--split: no '{split}'{near} in {location}; splits: {choices_text(splits)}"
        raise UnknownNameError(msg)
    return frozenset(splits[split])


def overlay_path(root: CopickRoot, location: str) -> str:
    """Return the folder that a project's outputs go to.

    Parameters
    ----------
    root : copick root
        An open project.
    location : str
        Where the project was opened from, for messages.

    Raises
    ------
    ProjectError
        If a Croissant manifest is read without an overlay of its own: its tree is not written to.
    """
    if hasattr(root, "root_overlay"):
        return str(root.root_overlay)
    base = getattr(root, "overlay_base_url", None)
    if base is None:
        msg = f"{location} has no overlay_root: set a folder for outputs in the configuration"
        raise ProjectError(msg)
    return str(base)
