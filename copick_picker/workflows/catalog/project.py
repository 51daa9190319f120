"""List the contents of a project: objects, tomograms, segmentations, picks and problems."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

from copick_picker.jobs.execution import guarded
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.result_files import check_listing_files, result_csv
from copick_picker.jobs.selection import check_object_names, select_runs
from copick_picker.jobs.summary import Summary, summarised
from copick_picker.project.files import write_text
from copick_picker.project.inventory.opening import open_inventory
from copick_picker.records.checks import Trouble
from copick_picker.records.inventory import RunInventory
from copick_picker.records.runs import ObjectSpec, RunOutcome
from copick_picker.report.inventory_tables import (
    COLUMNS,
    Table,
    checks_of,
    item_values,
    items_csv,
    object_troubles,
    project_tables,
)
from copick_picker.settings.browse import BrowseProjectSettings


@summarised
def browse_project(settings: BrowseProjectSettings, *, reporter: Reporter) -> Summary:
    """List a project and return the outcome of every run.

    Parameters
    ----------
    settings : BrowseProjectSettings
        Settings of the command.
    reporter : Reporter
        Receives the tables.

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
        found = with_checked_picks(found, objects)
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
        "troubles": [trouble.text for trouble in troubles],
        "checks": checks_of(runs, troubles, details=settings.details),
    }
    summary = Summary("browse", outcomes, time.perf_counter() - start, figures=figures)
    if settings.csv_file is not None:
        place = result_csv(settings.csv_file, COLUMNS)
        write_text(settings.csv_file, items_csv(runs), permit=place.check)
    return summary


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


def with_checked_picks(run: RunInventory, objects: Sequence[ObjectSpec]) -> RunInventory:
    """Return the run; picks of objects that the project does not define are marked.

    Parameters
    ----------
    run : RunInventory
        What the run holds.
    objects : sequence of ObjectSpec
        The project's objects.
    """
    names = {spec.name for spec in objects}
    items = tuple(
        item.with_troubles(Trouble("object", f"{item.name} is not an object of the project"))
        if item.kind == "picks" and item.name not in names and not item.troubles
        else item
        for item in run.items
    )
    return replace(run, items=items)


def _values(run: RunInventory) -> Mapping[str, object]:
    return {
        "troubles": [trouble.text for trouble in run.troubles],
        "checks": [asdict(trouble) for trouble in run.troubles],
        "items": [item_values(item) for item in run.items],
    }


def _show(table: Table, reporter: Reporter) -> None:
    if table.rows:
        reporter.table(table.title, table.columns, table.rows)
    for note in table.notes:
        reporter.note(note)
