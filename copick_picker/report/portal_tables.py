"""The tables in which the CryoET Data Portal is shown, and its CSV."""

import csv
import io
from collections import Counter
from collections.abc import Sequence

from copick_picker.records.portal import PortalDataset, PortalRun
from copick_picker.report.inventory_tables import Table, cut, shape_text

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


def portal_tables(datasets: Sequence[PortalDataset], runs: Sequence[PortalRun]) -> list[Table]:
    """Return the tables of a listing: datasets; objects where there are few datasets; runs.

    Parameters
    ----------
    datasets : sequence of PortalDataset
        What was found, by number.
    runs : sequence of PortalRun
        Runs of the datasets that were asked for by number.
    """
    tables = [cut(_dataset_table(datasets))]
    if len(datasets) <= _MOST_DATASETS_WITH_OBJECTS:
        tables += [cut(_object_table(dataset)) for dataset in datasets]
    else:
        note = "Annotated objects and who deposited them: --dataset, --json or --csv"
        tables.append(Table("", (), [], (note,)))
    tables.append(cut(_run_table(runs)))
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
        troubles.append(f"{strangers} annotation files from another alignment")
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


def portal_csv(datasets: Sequence[PortalDataset]) -> str:
    """Return a table with one line an annotated object and deposition of a dataset.

    Parameters
    ----------
    datasets : sequence of PortalDataset
        What was found.
    """
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
