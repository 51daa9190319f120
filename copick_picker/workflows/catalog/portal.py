"""List what the CryoET Data Portal holds: datasets, what is annotated, by whom, and runs."""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from copick_picker._version import __version__
from copick_picker.errors import UnknownNameError, choices_text, nearest_name
from copick_picker.jobs.execution import Reporter
from copick_picker.jobs.result_files import check_listing_files, result_csv, write_result_json
from copick_picker.project.files import write_text
from copick_picker.project.portal.client import PortalClient
from copick_picker.project.portal.queries import portal_datasets, portal_names, portal_runs
from copick_picker.project.portal.records import (
    DatasetFilter,
    PortalDataset,
    PortalRun,
)
from copick_picker.settings.browse import BrowsePortalSettings
from copick_picker.workflows.catalog.tables import Table, cut, shape_text

COLUMNS = (
    "dataset",
    "title",
    "organism",
    "runs",
    "object",
    "identifier",
    "truth",
    "deposition",
    "deposition_title",
    "depositors",
    "annotations",
    "points",
)
"""Columns of the CSV file, one line an annotated object and deposition of a dataset."""
_MOST_DATASETS_WITH_OBJECTS = 5


@dataclass(frozen=True)
class PortalListing:
    """What was found on the portal.

    Attributes
    ----------
    datasets : tuple of PortalDataset
        By number.
    runs : tuple of PortalRun
        Runs of the datasets that were asked for by number.
    queries : int
        Questions that it took.
    """

    datasets: tuple[PortalDataset, ...]
    runs: tuple[PortalRun, ...]
    queries: int

    @property
    def exit_code(self) -> int:
        """Always 0: what cannot be listed raises."""
        return 0

    def text(self) -> str:
        """Return the listing as one line."""
        n_runs = sum(dataset.runs for dataset in self.datasets)
        plural = "" if len(self.datasets) == 1 else "s"
        return (
            f"browse: {len(self.datasets)} dataset{plural} with {n_runs} runs "
            f"({self.queries} queries)"
        )


def browse_portal(settings: BrowsePortalSettings, *, reporter: Reporter) -> PortalListing:
    """List datasets of the portal and return what was found; at most three queries.

    Parameters
    ----------
    settings : BrowsePortalSettings
        What to list.
    reporter : Reporter
        Where the tables go.

    Raises
    ------
    UnknownNameError
        If nothing is found; the nearest names are given.
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
    listing = PortalListing(tuple(datasets), tuple(runs), client.queries)
    for table in portal_tables(listing):
        if table.rows:
            reporter.table(table.title, table.columns, table.rows)
        for note in table.notes:
            reporter.note(note)
    if settings.json_file is not None:
        write_result_json(settings.json_file, _content(listing))
    if settings.csv_file is not None:
        place = result_csv(settings.csv_file, COLUMNS)
        write_text(settings.csv_file, _csv(datasets), permit=place.check)
    return listing


def portal_tables(listing: PortalListing) -> list[Table]:
    """Return the tables of a listing: datasets; objects where there are few datasets; runs.

    Parameters
    ----------
    listing : PortalListing
        What was found.
    """
    tables = [cut(_dataset_table(listing.datasets))]
    if len(listing.datasets) <= _MOST_DATASETS_WITH_OBJECTS:
        tables += [cut(_object_table(dataset)) for dataset in listing.datasets]
    else:
        note = "Annotated objects and who deposited them: --dataset, --json or --csv"
        tables.append(Table("", (), [], (note,)))
    tables.append(cut(_run_table(listing.runs)))
    return tables


def run_troubles(run: PortalRun) -> list[str]:
    """Return what will get in the way of working on a run of the portal.

    Parameters
    ----------
    run : PortalRun
        The run.
    """
    troubles = []
    if not run.tomograms:
        troubles.append("no tomogram")
    troubles += [
        f"tomogram {tomogram.id} has no files"
        for tomogram in run.tomograms
        if tomogram.store is None
    ]
    kinds = Counter((item.tomogram_type, item.voxel_spacing) for item in run.tomograms)
    troubles += [
        f"{number} tomograms {kind}@{spacing:g}"
        for (kind, spacing), number in kinds.items()
        if number > 1
    ]
    alignments = {tomogram.alignment_id for tomogram in run.tomograms}
    strangers = sum(
        item.alignment_id is not None and item.alignment_id not in alignments
        for item in run.annotations
    )
    if strangers and run.tomograms:
        troubles.append(f"{strangers} annotation files of another alignment")
    return troubles


def _dataset_table(datasets: Sequence[PortalDataset]) -> Table:
    rows = []
    for dataset in datasets:
        tomograms = ", ".join(
            f"{item.tomogram_type}@{item.voxel_spacing:g} ({item.count})"
            for item in dataset.tomograms
        )
        objects = {item.object_name for item in dataset.annotations}
        truth = {item.object_name for item in dataset.annotations if item.is_truth}
        rows.append(
            (
                str(dataset.dataset_id),
                dataset.title,
                dataset.organism or "-",
                str(dataset.runs),
                tomograms or "-",
                f"{len(objects)} ({len(truth)})",
                _people(dataset.authors),
            )
        )
    columns = ("dataset", "title", "organism", "runs", "tomograms", "objects (truth)", "authors")
    return Table("Datasets", columns, rows)


def _object_table(dataset: PortalDataset) -> Table:
    rows = [
        (
            item.object_name,
            item.identifier,
            "yes" if item.is_truth else "-",
            "-" if item.deposition_id is None else str(item.deposition_id),
            item.deposition_title or "-",
            _people(item.depositors),
            str(item.annotations),
            str(item.points) if item.points else "-",
        )
        for item in dataset.annotations
    ]
    columns = (
        "object",
        "identifier",
        "truth",
        "deposition",
        "title",
        "deposited by",
        "annotations",
        "points",
    )
    return Table(f"Annotated in {dataset.dataset_id}", columns, rows)


def _run_table(runs: Sequence[PortalRun]) -> Table:
    rows = []
    for run in runs:
        tomograms = ", ".join(
            f"{item.tomogram_type}@{item.voxel_spacing:g} {shape_text(item.shape_zyx)}"
            for item in run.tomograms
        )
        truth = sum(item.is_truth for item in run.annotations)
        rows.append(
            (
                str(run.run_id),
                run.name,
                str(run.dataset_id),
                tomograms or "-",
                f"{len(run.annotations)} ({truth})",
                "; ".join(run_troubles(run)) or "-",
            )
        )
    columns = ("run", "name", "dataset", "tomograms", "annotation files (truth)", "trouble")
    return Table("Runs", columns, rows)


def _people(names: Sequence[str]) -> str:
    if len(names) > 2:
        return f"{names[0]} and {len(names) - 1} more"
    return ", ".join(names) or "-"


def _nothing_found(
    client: PortalClient, settings: BrowsePortalSettings, found: set[int]
) -> UnknownNameError:
    """Return the error that names what is nearest; one query."""
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
    return UnknownNameError(f"no dataset of the CryoET Data Portal fits {' and '.join(asked)}")


def _content(listing: PortalListing) -> dict[str, Any]:
    return {
        "command": "browse portal",
        "version": __version__,
        "queries": listing.queries,
        "datasets": [asdict(dataset) for dataset in listing.datasets],
        "runs": [{**asdict(run), "troubles": run_troubles(run)} for run in listing.runs],
    }


def _csv(datasets: Sequence[PortalDataset]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for dataset in datasets:
        head = [dataset.dataset_id, dataset.title, dataset.organism, dataset.runs]
        for item in dataset.annotations:
            deposition = "" if item.deposition_id is None else item.deposition_id
            writer.writerow(
                [
                    *head,
                    item.object_name,
                    item.identifier,
                    "yes" if item.is_truth else "no",
                    deposition,
                    item.deposition_title,
                    "; ".join(item.depositors),
                    item.annotations,
                    item.points,
                ]
            )
        if not dataset.annotations:
            writer.writerow([*head, *[""] * (len(COLUMNS) - len(head))])
    return text.getvalue()
