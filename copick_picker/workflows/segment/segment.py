"""Read a tomogram, segment it, write labels and, if asked, probabilities: for every run."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from copick_picker.core.segment.device import use_threads
from copick_picker.jobs.execution import Executor, InStages, process_runs
from copick_picker.jobs.job import Job
from copick_picker.jobs.placement import Place, Work
from copick_picker.jobs.processes import Processes
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.summary import Summary, summarised
from copick_picker.project.uris import SegmentationOutput, segmentation_output
from copick_picker.settings.segment import DEFAULT_NAME, SegmentSettings
from copick_picker.workflows.inputs.masks import check_mask
from copick_picker.workflows.inputs.object_labels import project_labels
from copick_picker.workflows.inputs.preflight import Preflight, Wanted, inspect_runs, show
from copick_picker.workflows.localize.outputs import show_totals
from copick_picker.workflows.models.load import check_segments, load_models
from copick_picker.workflows.models.workers import with_smaller_batches, worker_places
from copick_picker.workflows.segment.picks import segment_picks
from copick_picker.workflows.segment.run import Segmentation


@summarised
def segment(settings: SegmentSettings, *, reporter: Reporter) -> Summary:
    """Segment the tomograms of a project and return the outcome of every run.

    Parameters
    ----------
    settings : SegmentSettings
        Settings of the command.
    reporter : Reporter
        Receives progress.

    Raises
    ------
    CopickPickerError
        If the project, a model or a setting is wrong, before any run is touched.
    """
    job = Job.open("segment", settings, reporter=reporter)
    tomograms = job.tomograms(settings.input)
    check_mask(settings.mask)
    output = segmentation_output(settings.output, name=DEFAULT_NAME)
    places = worker_places(settings)
    use_threads(settings.threads)
    models = load_models(settings.model_copy(update={"device": "cpu"}) if places else settings)
    check_segments(models)
    labels = project_labels(
        models.channels, job.specs, settings.object_map, objects=settings.objects
    )
    picks = segment_picks(job, labels)
    wanted = Wanted(
        models.voxel_spacing,
        models.contrast,
        settings.contrast,
        settings.rescale,
        cleaning=settings,
        own_recipe=models.is_own_recipe,
    )
    checks = inspect_runs(job, tomograms, wanted, n_looked_at=settings.preflight_runs)
    if checks and all(check.absent for check in checks):
        raise tomograms.nothing_found(job.run_names)
    show(checks, reporter)
    job.check_writable()
    by_name = {check.run_name: check for check in checks}
    executor: Executor
    if places:
        given = _Given(settings, labels, output, by_name)
        sizes = {check.run_name: math.prod(check.shape_zyx or (0,)) for check in checks}
        executor = Processes(partial(_worker, given), places, sizes)
    else:
        executor = InStages(Segmentation(job, models, labels, output, by_name, picks))
    summary = process_runs("segment", job.run_names, executor, reporter=reporter)
    figures = {"models": models.records, "labels": labels}
    if picks is not None and not settings.dry_run:
        details = (each.details.get("picks", {}) for each in summary.outcomes)
        figures["picks"] = show_totals(details, reporter=reporter)
    return replace(summary, figures=figures)


@dataclass(frozen=True)
class _Given:
    """Data for every worker."""

    settings: SegmentSettings
    labels: Mapping[str, int]
    output: SegmentationOutput
    checks: Mapping[str, Preflight]


def _worker(given: _Given, place: Place, reporter: Reporter) -> Work:
    """Return the function that segments a run in this worker process."""
    use_threads(place.threads)
    here = given.settings.model_copy(update={"device": place.device, "threads": place.threads})
    job, models = Job.open("segment", given.settings, reporter=reporter), load_models(here)
    whole = Segmentation(
        job,
        models,
        given.labels,
        given.output,
        given.checks,
        segment_picks(job, given.labels),
    )

    return with_smaller_batches(whole)
