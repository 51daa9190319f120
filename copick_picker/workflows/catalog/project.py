"""List what a project holds: objects, tomograms, segmentations, picks, and what is wrong."""

import csv
import io
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

from copick_picker.jobs.execution import Reporter, Summary, check_object_names, guarded, select_runs
from copick_picker.jobs.result_files import check_listing_files, result_csv
from copick_picker.project.files import write_text
from copick_picker.project.inventory.records import RunInventory, StoredItem, open_inventory
from copick_picker.records.runs import ObjectSpec, RunOutcome
from copick_picker.settings.browse import BrowseProjectSettings
from copick_picker.workflows.catalog.tables import Table, project_tables

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


def browse_project(settings: BrowseProjectSettings, *, reporter: Reporter) -> Summary:
    """List a project and return what became of every run.

    Parameters
    ----------
    settings : BrowseProjectSettings
        What to list.
    reporter : Reporter
        Where the tables go.

    Raises
    ------
    CopickPickerError
        If the project cannot be opened or a setting is wrong.
    """
    start = time.perf_counter()
    check_listing_files(settings, COLUMNS)
    inventory = open_inventory(settings.config, settings.split)
    objects = inventory.objects()
    check_object_names(settings.objects, {spec.name: spec for spec in objects}, "--objects")
    run_names = select_runs(inventory.run_names(), settings.run_names, shard=settings.shard)
    runs: list[RunInventory] = []

    def listed(run_name: str) -> RunOutcome:
        found = _chosen(inventory.run(run_name, details=settings.details), settings.objects)
        found = replace(found, items=_checked(found.items, objects))
        runs.append(found)
        return RunOutcome(run_name, "listed", details=_values(found))

    outcomes = tuple(guarded(run_name, listed) for run_name in run_names)
    troubles = object_troubles(objects)
    for table in project_tables(objects, runs, troubles, details=settings.details):
        _show(table, reporter)
    for outcome in outcomes:
        if outcome.status == "failed":
            reporter.warn(f"run {outcome.run_name}: {outcome.message}")
    figures = {
        "project": inventory.location,
        "objects": [asdict(spec) for spec in objects],
        "troubles": troubles,
    }
    summary = Summary("browse", outcomes, time.perf_counter() - start, figures=figures)
    if settings.json_file is not None:
        summary.write(settings.json_file)
    if settings.csv_file is not None:
        place = result_csv(settings.csv_file, COLUMNS)
        write_text(settings.csv_file, items_csv(runs), permit=place.check)
    return summary


def object_troubles(objects: Sequence[ObjectSpec]) -> list[str]:
    """Return what is wrong with the objects of a project.

    Parameters
    ----------
    objects : sequence of ObjectSpec
        Objects by label.
    """
    troubles = [
        f"object {spec.name} has no radius: localize and evaluate ask for one"
        for spec in objects
        if spec.is_particle and not spec.radius_angstrom
    ]
    labels: dict[int, str] = {}
    names: dict[str, str] = {}
    for spec in objects:
        if spec.label in labels:
            troubles.append(
                f"objects {labels[spec.label]} and {spec.name} share label {spec.label}"
            )
        labels.setdefault(spec.label, spec.name)
        plain = spec.name.casefold()
        if plain in names:
            troubles.append(f"objects {names[plain]} and {spec.name} have nearly the same name")
        names.setdefault(plain, spec.name)
    return troubles


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
            values = _item_values(item)
            shape = " ".join(str(size) for size in item.shape or ())
            row = {**values, "run": run.run_name, "shape": shape}
            writer.writerow(["" if row[name] is None else row[name] for name in COLUMNS])
        for trouble in run.troubles:
            writer.writerow([run.run_name, "run", *[""] * (len(COLUMNS) - 3), trouble])
    return text.getvalue()


def _chosen(run: RunInventory, objects: Sequence[str]) -> RunInventory:
    """Return the run without the picks and binary segmentations of other objects."""
    if not objects:
        return run
    kept = tuple(
        item
        for item in run.items
        if item.name in objects or item.kind in ("tomogram", "feature") or "?" in item.uri
    )
    return replace(run, items=kept)


def _checked(
    items: tuple[StoredItem, ...], objects: Sequence[ObjectSpec]
) -> tuple[StoredItem, ...]:
    """Return the items, picks of objects that the project does not know marked."""
    names = {spec.name for spec in objects}
    return tuple(
        replace(item, trouble=f"{item.name} is no object of the project")
        if item.kind == "picks" and item.name not in names and not item.trouble
        else item
        for item in items
    )


def _values(run: RunInventory) -> Mapping[str, object]:
    return {
        "troubles": list(run.troubles),
        "items": [_item_values(item) for item in run.items],
    }


def _item_values(item: StoredItem) -> dict[str, object]:
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
    }


def _show(table: Table, reporter: Reporter) -> None:
    if table.rows:
        reporter.table(table.title, table.columns, table.rows)
    for note in table.notes:
        reporter.note(note)
