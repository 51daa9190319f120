"""Write segmentations as MRC or TIFF files, one a run."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from copick_picker.errors import DataError
from copick_picker.jobs.execution import (
    Reporter,
    Summary,
    named_runs,
    nothing_to_read,
    process_runs,
    select_runs,
)
from copick_picker.jobs.opening import open_job
from copick_picker.project.formats.mrc import is_own_mrc, write_mrc
from copick_picker.project.formats.tiff import is_own_tiff, write_tiff
from copick_picker.project.standing import Output, own_file
from copick_picker.project.store import ProjectStore
from copick_picker.project.uris import check_uri, matching, the_one
from copick_picker.records.runs import RunOutcome
from copick_picker.settings.export import ExportSegmentationSettings

Labels = npt.NDArray[np.integer[Any]]
_WRITERS: dict[str, tuple[str, Callable[..., None], Callable[[Path], bool]]] = {
    "mrc": (".mrc", write_mrc, is_own_mrc),
    "tiff": (".tif", write_tiff, is_own_tiff),
}


def export_segmentation(settings: ExportSegmentationSettings, *, reporter: Reporter) -> Summary:
    """Write the segmentations of a project and return what became of every run.

    Parameters
    ----------
    settings : ExportSegmentationSettings
        What to do.
    reporter : Reporter
        Where progress goes.

    Raises
    ------
    CopickPickerError
        If the project or a setting is wrong, before any run is touched.
    """
    store = open_job(settings)
    check_uri(settings.input, "segmentation")
    run_names = select_runs(store.run_names(), settings.run_names, shard=settings.shard)
    if run_names and not any(
        matching(store.segmentations(name), settings.input, "segmentation") for name in run_names
    ):
        raise nothing_to_read(store.segmentations, run_names, settings.input, "segmentation")
    job = _Job(settings, store)
    summary = process_runs("export segmentation", run_names, job.run, reporter=reporter)
    if settings.json_file is not None:
        summary.write(settings.json_file)
    return summary


@dataclass(frozen=True)
class _Job:
    """One export over runs."""

    settings: ExportSegmentationSettings
    store: ProjectStore

    def run(self, run_name: str) -> RunOutcome:
        """Write the segmentation of one run."""
        settings, found = self.settings, self.store.segmentations(run_name)
        if not matching(found, settings.input, "segmentation") and not named_runs(
            settings.run_names
        ):
            return RunOutcome(run_name, "absent", f"no segmentation '{settings.input}'")
        key = the_one(found, settings.input, "segmentation", run_name=run_name)
        suffix, write, is_own = _WRITERS[settings.to]
        path = Path(settings.output) / f"{run_name}_{key.name}{suffix}"
        output = Output(path, own_file(is_own), settings.overwrite, advice="another folder")
        may_be_same = output.may_be_same()
        if settings.dry_run:
            return RunOutcome(run_name, "planned", f"{key} -> {path}")
        labels = self.store.open_segmentation(run_name, key).read()
        fitted = _for_mrc(labels) if settings.to == "mrc" else _for_tiff(labels)
        if may_be_same and output.holds(_as_bytes(write, path.name, fitted, key.voxel_spacing)):
            return RunOutcome(run_name, "skipped", f"{path} is complete")
        write(path, fitted, key.voxel_spacing, permit=output.check)
        return RunOutcome(run_name, "done", f"{key} -> {path}", {"file": str(path)})


def _as_bytes(write: Callable[..., None], name: str, labels: Labels, voxel_spacing: float) -> bytes:
    """Return the file that would be written."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        write(path, labels, voxel_spacing)
        return path.read_bytes()


def _for_mrc(labels: Labels) -> Labels:
    """Return labels as the smallest of MRC's types that holds them: int8, int16 or uint16."""
    for kind in (np.int8, np.int16, np.uint16):
        if _fits(labels, kind):
            return labels.astype(kind)
    msg = f"labels from {labels.min()} to {labels.max()} do not fit into an MRC file; use --to tiff"
    raise DataError(msg)


def _for_tiff(labels: Labels) -> Labels:
    """Return labels as uint8 or uint16."""
    for kind in (np.uint8, np.uint16):
        if _fits(labels, kind):
            return labels.astype(kind)
    msg = f"labels from {labels.min()} to {labels.max()} do not fit into 16 bits"
    raise DataError(msg)


def _fits(labels: Labels, kind: type[np.integer[Any]]) -> bool:
    limits = np.iinfo(kind)
    return bool(labels.min() >= limits.min and labels.max() <= limits.max)
