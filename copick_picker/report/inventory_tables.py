"""The tables in which a project is shown, and its CSV."""

import csv
import io
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

from copick_picker.records.checks import CHECKS, MOST_LABEL, PARTLY, Trouble
from copick_picker.records.inventory import RunInventory, StoredItem
from copick_picker.records.runs import ObjectSpec

COLUMNS = (
    "run",
    "kind",
    "uri",
    "name",
    "user",
    "session",
    "voxel_spacing",
    "shape",
    "bytes",
    "picks",
    "scores",
    "trouble",
)
"""Columns of the CSV file, one line a stored thing."""
MOST_ROWS = 40
"""Rows of a table on a terminal; files hold all."""


@dataclass(frozen=True)
class Table:
    """One table on a terminal.

    Attributes
    ----------
    title : str
        Its headline.
    columns : tuple of str
        Names of the columns.
    rows : sequence of tuple of str
        Cells; without rows the table is not shown.
    notes : tuple of str
        Lines below it.
    """

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    notes: tuple[str, ...] = ()


def project_tables(
    objects: Sequence[ObjectSpec],
    runs: Sequence[RunInventory],
    troubles: Sequence[Trouble],
    *,
    details: bool,
) -> list[Table]:
    """Return the tables of a project: what is in it, by run, and what is wrong.

    Parameters
    ----------
    objects : sequence of ObjectSpec
        Objects by label.
    runs : sequence of RunInventory
        What the runs hold.
    troubles : sequence of Trouble
        What is wrong with the objects.
    details : bool
        Whether picks were read and sizes counted.
    """
    return [
        _object_table(objects),
        _volume_table("Tomograms", "tomogram", runs, details=details),
        _volume_table("Feature volumes", "feature", runs, details=details),
        _volume_table("Segmentations", "segmentation", runs, details=details),
        _picks_table(runs, details=details),
        _run_table(objects, runs),
        _health_table(runs, troubles, details=details),
    ]


def shape_text(shape: tuple[int, ...] | None) -> str:
    """Return a shape (z, y, x) in words, ``?`` where it is not known.

    Parameters
    ----------
    shape : tuple of int or None
        The shape.
    """
    return "?" if shape is None else " x ".join(str(size) for size in shape)


def bytes_text(n_bytes: int | None) -> str:
    """Return a size in words, ``?`` where it is not known.

    Parameters
    ----------
    n_bytes : int or None
        The size.

    Examples
    --------
    >>> bytes_text(1_234_567)
    '1.2 MB'
    """
    if n_bytes is None:
        return "?"
    size, units = float(n_bytes), ["B", "kB", "MB", "GB", "TB"]
    while size >= 1000 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{size:.0f} {units[0]}" if units[0] == "B" else f"{size:.1f} {units[0]}"


def _object_table(objects: Sequence[ObjectSpec]) -> Table:
    rows = [
        (
            spec.name,
            str(spec.label),
            "-" if spec.radius_angstrom is None else f"{spec.radius_angstrom:g}",
            "particle" if spec.is_particle else "extended",
        )
        for spec in objects
    ]
    return Table("Objects", ("object", "label", "radius (A)", "kind"), rows)


def _grouped(
    runs: Iterable[RunInventory], kind: str, key: Callable[[StoredItem], tuple[str, ...]]
) -> dict[tuple[str, ...], list[StoredItem]]:
    groups: dict[tuple[str, ...], list[StoredItem]] = {}
    for run in runs:
        for item in run.items:
            if item.kind == kind:
                groups.setdefault(key(item), []).append(item)
    return dict(sorted(groups.items()))


def _volume_table(title: str, kind: str, runs: Sequence[RunInventory], *, details: bool) -> Table:
    rows = []
    for (uri,), items in _grouped(runs, kind, lambda item: (item.uri,)).items():
        shapes = sorted({item.shape for item in items if item.shape is not None})
        shape = shape_text(shapes[0] if shapes else None)
        if len(shapes) > 1:
            shape += f" and {len(shapes) - 1} other shape{'s' * (len(shapes) > 2)}"
        broken = sum(bool(item.trouble) for item in items)
        row = [uri, str(len(items)), shape, str(broken) if broken else "-"]
        if details:
            row.insert(3, bytes_text(_total(item.n_bytes for item in items)))
        rows.append(tuple(row))
    columns = ["URI", "runs", "voxels (z, y, x)", "problems"]
    if details:
        columns.insert(3, "on disk")
    return cut(Table(title, tuple(columns), rows))


def _picks_table(runs: Sequence[RunInventory], *, details: bool) -> Table:
    rows = []
    groups = _grouped(runs, "picks", lambda item: (item.name, item.user_id, item.session_id))
    for (name, user_id, session_id), items in groups.items():
        numbers = [item.n_picks for item in items]
        known = [number for number in numbers if number is not None]
        row = [name, user_id, session_id, str(len(items))]
        row.append(str(sum(known)) if len(known) == len(numbers) else "?")
        if details:
            scored = [item.scores for item in items if item.scores not in ("", "none")]
            row += [
                f"in {len(scored)} of {len(items)}" if scored else "none",
                bytes_text(_total(item.n_bytes for item in items)),
            ]
        rows.append(tuple(row))
    columns = ["object", "user", "session", "runs", "picks"]
    if details:
        columns += ["scores", "size"]
    notes = () if details or not rows else ("For scores and unknown numbers (?), use --details",)
    return cut(Table("Picks", tuple(columns), rows, notes))


def _run_table(objects: Sequence[ObjectSpec], runs: Sequence[RunInventory]) -> Table:
    names = [
        spec.name
        for spec in objects
        if any(
            item.kind == "picks" and item.name == spec.name for run in runs for item in run.items
        )
    ]
    rows = []
    for run in runs[: MOST_ROWS + 1]:
        tomograms = [item for item in run.items if item.kind == "tomogram"]
        segmentations = [item for item in run.items if item.kind == "segmentation"]
        cells = [_picks_cell(run, name) for name in names]
        unwell = len(run.troubles) + sum(bool(item.trouble) for item in run.items)
        rows.append(
            (
                run.run_name,
                ", ".join(_tomogram_text(item) for item in tomograms) or "-",
                str(len(segmentations) or "-"),
                *cells,
                str(unwell or "-"),
            )
        )
    title = "Runs: picks of each set"
    columns = ("run", "tomograms", "segmentations", *names, "problems")
    return cut(Table(title, columns, rows), total=len(runs))


def _tomogram_text(item: StoredItem) -> str:
    return item.uri if item.shape is None else f"{item.uri} {shape_text(item.shape)}"


def _picks_cell(run: RunInventory, name: str) -> str:
    sets = [item for item in run.items if item.kind == "picks" and item.name == name]
    if not sets:
        return "-"
    return " + ".join("?" if item.n_picks is None else str(item.n_picks) for item in sets)


def _health_table(
    runs: Sequence[RunInventory], troubles: Sequence[Trouble], *, details: bool
) -> Table:
    """Return each trouble with its runs, the same trouble of many runs in one row."""
    where: dict[tuple[str, str], list[str]] = {(each.check, each.text): [] for each in troubles}
    for run in runs:
        for uri, trouble in _all_troubles(run):
            text = f"{uri}: {trouble.text}" if uri else trouble.text
            names = where.setdefault((trouble.check, text), [])
            if run.run_name not in names:
                names.append(run.run_name)
    rows = [(check, text, _names_text(names)) for (check, text), names in where.items()]
    notes = () if rows else ("Health: no problems found",)
    if not details:
        notes = (*notes, "Health: large pick files and chunks not checked; use --details")
    return cut(Table("Health", ("check", "what", "runs"), rows, notes))


def _all_troubles(run: RunInventory) -> Iterator[tuple[str, Trouble]]:
    """Yield the URI, empty for the run itself, and each trouble of a run."""
    yield from (("", trouble) for trouble in run.troubles)
    for item in run.items:
        yield from ((item.uri, trouble) for trouble in item.troubles)


def health_lines(runs: Sequence[RunInventory], troubles: Sequence[Trouble]) -> list[str]:
    """Return a line for each thing that a check found: the check, what is wrong, where.

    Parameters
    ----------
    runs : sequence of RunInventory
        What the runs hold.
    troubles : sequence of Trouble
        What is wrong with the project's objects.
    """
    table = _health_table(runs, troubles, details=True)
    return [
        f"{check}: {text}" + f" (run {runs})" * (runs != "-") for check, text, runs in table.rows
    ]


def checks_of(
    runs: Sequence[RunInventory], troubles: Sequence[Trouble], *, details: bool
) -> list[dict[str, object]]:
    """Return every check with its name, what it means, and how often it found something.

    Parameters
    ----------
    runs : sequence of RunInventory
        What the runs hold.
    troubles : sequence of Trouble
        What is wrong with the project's objects.
    details : bool
        Whether every chunk was counted and every pick file read.
    """
    counts = Counter(trouble.check for trouble in troubles)
    for run in runs:
        counts.update(trouble.check for _, trouble in _all_troubles(run))
    partly = () if details else PARTLY
    return [
        {
            "check": name,
            "expected": text,
            "found": counts[name],
            "looked_at": "in part" if name in partly else "all",
        }
        for name, text in CHECKS.items()
    ]


def _names_text(names: Sequence[str]) -> str:
    if len(names) <= 3:
        return ", ".join(names) or "-"
    return f"{', '.join(names[:3])} and {len(names) - 3} more"


def _total(sizes: Iterable[int | None]) -> int | None:
    known = [size for size in sizes if size is not None]
    return sum(known) if known else None


def cut(table: Table, total: int | None = None) -> Table:
    """Return the table with at most so many rows, and a note of how many there are.

    Parameters
    ----------
    table : Table
        The table.
    total : int, optional
        Rows that there are, where the table does not have them all.
    """
    total = len(table.rows) if total is None else total
    if total <= MOST_ROWS:
        return table
    note = f"{table.title.split(':')[0]}: {MOST_ROWS} of {total} shown; all are in --csv and --json"
    rows = table.rows[:MOST_ROWS]
    return Table(table.title, table.columns, rows, (*table.notes, note))


def object_troubles(objects: Sequence[ObjectSpec]) -> list[Trouble]:
    """Return what is wrong with the objects of a project.

    Parameters
    ----------
    objects : sequence of ObjectSpec
        Objects by label.
    """
    troubles = [trouble for spec in objects for trouble in _own_troubles(spec)]
    labels: dict[int, str] = {}
    names: dict[str, str] = {}
    for spec in objects:
        if spec.label in labels:
            text = f"objects {labels[spec.label]} and {spec.name} share label {spec.label}"
            troubles.append(Trouble("label", text))
        labels.setdefault(spec.label, spec.name)
        plain = spec.name.casefold()
        if names.get(plain) == spec.name:
            troubles.append(Trouble("name", f"two objects are named {spec.name}"))
        elif plain in names:
            text = f"objects {names[plain]} and {spec.name} have names that differ only in case"
            troubles.append(Trouble("name", text))
        names.setdefault(plain, spec.name)
    return troubles


def _own_troubles(spec: ObjectSpec) -> Iterator[Trouble]:
    """Yield what is wrong with the numbers of one object."""
    radius = spec.radius_angstrom
    if spec.is_particle and radius is None:
        text = f"object {spec.name} has no radius: localize and evaluate need one"
        yield Trouble("radius", text)
    elif radius is not None and not 0 < radius < math.inf:
        yield Trouble("radius", f"object {spec.name} has radius {radius:g}; expected more than 0")
    if not 1 <= spec.label <= MOST_LABEL:
        text = f"object {spec.name} has label {spec.label}; expected 1 to {MOST_LABEL}"
        yield Trouble("label", text)
    threshold, weight = spec.score_threshold, spec.score_weight
    if threshold is not None and not math.isfinite(threshold):
        text = f"object {spec.name} has score_threshold {threshold:g}; expected a finite number"
        yield Trouble("threshold", text)
    if not 0 <= weight < math.inf:
        text = f"object {spec.name} has score_weight {weight:g}; expected 0 or more"
        yield Trouble("weight", text)


def items_csv(runs: Sequence[RunInventory]) -> str:
    """Return a table with one line a stored thing.

    Parameters
    ----------
    runs : sequence of RunInventory
        What the runs hold.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for run in runs:
        for item in run.items:
            values = item_values(item)
            shape = " ".join(str(size) for size in item.shape or ())
            row = {**values, "run": run.run_name, "shape": shape}
            writer.writerow(["" if row[name] is None else row[name] for name in COLUMNS])
        for trouble in run.troubles:
            writer.writerow([run.run_name, "run", *[""] * (len(COLUMNS) - 3), trouble.text])
    return text.getvalue()


def item_values(item: StoredItem) -> dict[str, object]:
    """Return what is known of a stored thing, by column.

    Parameters
    ----------
    item : StoredItem
        The thing.
    """
    return {
        "kind": item.kind,
        "uri": item.uri,
        "name": item.name,
        "user": item.user_id,
        "session": item.session_id,
        "voxel_spacing": item.voxel_spacing,
        "shape": item.shape,
        "bytes": item.n_bytes,
        "picks": item.n_picks,
        "scores": item.scores,
        "trouble": item.trouble,
        "checks": [asdict(trouble) for trouble in item.troubles],
    }
