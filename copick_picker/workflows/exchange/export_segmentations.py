"""Write segmentations as MRC or TIFF files, one per run."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from copick_picker.jobs.execution import InTurn, process_runs
from copick_picker.jobs.inputs import Input
from copick_picker.jobs.job import Job
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.summary import Summary, summarised
from copick_picker.project.formats.mrc import is_own_mrc, labels_for_mrc, write_mrc
from copick_picker.project.formats.tiff import is_own_tiff, labels_for_tiff, write_tiff
from copick_picker.project.standing import Output, own_file
from copick_picker.records.keys import SegmentationKey
from copick_picker.records.runs import RunOutcome
from copick_picker.settings.export import ExportSegmentationSettings
from copick_picker.workflows.inputs.object_labels import read_labels

Labels = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class _Format:
    suffix: str
    fitted: Callable[[Labels], Labels]
    write: Callable[..., None]
    is_own: Callable[[Path], bool]

    def as_bytes(self, name: str, labels: Labels, voxel_spacing: float) -> bytes:
        """Return the content of the file."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            self.write(path, labels, voxel_spacing)
            return path.read_bytes()


_FORMATS = {
    "mrc": _Format(".mrc", labels_for_mrc, write_mrc, is_own_mrc),
    "tiff": _Format(".tif", labels_for_tiff, write_tiff, is_own_tiff),
}


@summarised
def export_segmentation(settings: ExportSegmentationSettings, *, reporter: Reporter) -> Summary:
    """Write the segmentations of a project and return the outcome of every run.

    Parameters
    ----------
    settings : ExportSegmentationSettings
        Settings of the command.
    reporter : Reporter
        Receives progress.

    Raises
    ------
    CopickPickerError
        If the project or a setting is wrong, before any run is touched.
    """
    job = Job.open("export segmentation", settings, reporter=reporter)
    segmentations = job.segmentations(settings.input)
    segmentations.check_any(job.run_names)
    work = InTurn(lambda run_name: _exported(job, segmentations, run_name))
    return process_runs(job.command, job.run_names, work, reporter=reporter)


def _exported(
    job: Job[ExportSegmentationSettings], segmentations: Input[SegmentationKey], run_name: str
) -> RunOutcome:
    """Write the segmentation of one run."""
    settings = job.settings
    key = job.find(segmentations, run_name)
    if isinstance(key, RunOutcome):
        return key
    form = _FORMATS[settings.to]
    path = Path(settings.output) / f"{run_name}_{key.name}{form.suffix}"
    output = Output(path, own_file(form.is_own), settings.overwrite, advice="another folder")
    may_be_same = output.may_be_same()
    if settings.dry_run:
        return RunOutcome(run_name, "planned", f"{key} -> {path}")
    labels = form.fitted(read_labels(job.store, run_name, key))
    if may_be_same and output.holds(form.as_bytes(path.name, labels, key.voxel_spacing)):
        return RunOutcome(run_name, "skipped", f"{path} is complete")
    form.write(path, labels, key.voxel_spacing, permit=output.check)
    return RunOutcome(run_name, "done", f"{key} -> {path}", {"file": str(path)})
