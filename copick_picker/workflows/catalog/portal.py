"""List the contents of the CryoET Data Portal: datasets, annotated objects, annotators and runs."""

from dataclasses import asdict

from copick_picker._version import __version__
from copick_picker.errors import UnknownNameError, choices_text, nearest_name
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.result_files import check_listing_files, result_csv
from copick_picker.jobs.summary import Result, summarised
from copick_picker.project.files import write_text
from copick_picker.project.portal.client import PortalClient
from copick_picker.project.portal.queries import portal_datasets, portal_names, portal_runs
from copick_picker.records.portal import (
    DatasetFilter,
)
from copick_picker.report.portal_tables import COLUMNS, portal_csv, portal_tables, run_troubles
from copick_picker.settings.browse import BrowsePortalSettings


@summarised
def browse_portal(settings: BrowsePortalSettings, *, reporter: Reporter) -> Result:
    """List datasets of the portal and return the result; at most three queries.

    Parameters
    ----------
    settings : BrowsePortalSettings
        Settings of the command.
    reporter : Reporter
        Receives the tables.

    Raises
    ------
    UnknownNameError
        If nothing matches; with the nearest names.
    ProjectError
        If the portal does not answer.
    """
    check_listing_files(settings, COLUMNS)
    client = PortalClient()
    wanted = DatasetFilter(
        ids=settings.dataset,
        words=settings.query,
        organism=settings.organism,
        has_truth=settings.has_truth,
    )
    datasets = portal_datasets(client, wanted)
    found = {dataset.dataset_id for dataset in datasets}
    if not datasets or not found.issuperset(settings.dataset):
        raise _nothing_found(client, settings, found)
    runs = portal_runs(client, sorted(found)) if settings.dataset else []
    for table in portal_tables(datasets, runs):
        if table.rows:
            reporter.table(table.title, table.columns, table.rows)
        for note in table.notes:
            reporter.note(note)
    if settings.csv_file is not None:
        place = result_csv(settings.csv_file, COLUMNS)
        write_text(settings.csv_file, portal_csv(datasets), permit=place.check)
    n_runs = sum(dataset.runs for dataset in datasets)
    plural = "" if len(datasets) == 1 else "s"
    content = {
        "command": "browse portal",
        "version": __version__,
        "queries": client.queries,
        "datasets": [asdict(dataset) for dataset in datasets],
        "runs": [{**asdict(run), "troubles": run_troubles(run)} for run in runs],
    }
    line = f"browse: {len(datasets)} dataset{plural} with {n_runs} runs ({client.queries} queries)"
    return Result(line, content=content)


def _nothing_found(
    client: PortalClient, settings: BrowsePortalSettings, found: set[int]
) -> UnknownNameError:
    """Return the error with the nearest names; one query."""
    names = portal_names(client)
    unknown = [number for number in settings.dataset if number not in names.dataset_ids]
    if unknown:
        numbers = [str(number) for number in names.dataset_ids]
        near = nearest_name(str(unknown[0]), numbers)
        return UnknownNameError(
            f"--dataset: the CryoET Data Portal has no dataset {choices_text(unknown)}{near}"
        )
    asked = []
    for option, text, choices in (
        ("--query", settings.query, names.objects),
        ("--organism", settings.organism, names.organisms),
    ):
        if text:
            words = {word for choice in choices for word in choice.split()}
            known = any(text.casefold() in choice.casefold() for choice in choices)
            near = "" if known else nearest_name(text, [*choices, *sorted(words)])
            asked.append(f"{option} '{text}'{near}")
    if settings.has_truth:
        asked.append("--has-truth")
    if settings.dataset:
        missing = [number for number in settings.dataset if number not in found]
        asked.append(f"--dataset {choices_text(missing)}")
    return UnknownNameError(f"no dataset of the CryoET Data Portal matches {' and '.join(asked)}")
