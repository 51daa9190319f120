"""Find particles: for every run, a tomogram goes through a network, picks are written."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

from copick_picker.core.segment.device import use_threads
from copick_picker.errors import SettingsError
from copick_picker.jobs.execution import Executor, InTurn, process_runs
from copick_picker.jobs.job import Job
from copick_picker.jobs.placement import Place, Work
from copick_picker.jobs.processes import Processes
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.result_files import result_csv
from copick_picker.jobs.summary import Summary, summarised
from copick_picker.project.copick.pick_files import recorded_sigmas
from copick_picker.project.files import write_text
from copick_picker.project.uris import PicksOutput, picks_output
from copick_picker.records.points import LocalizeTarget
from copick_picker.report.score_csv import table_csv
from copick_picker.settings.detect import CANDIDATES, SIGMA_COLUMNS, DetectSettings
from copick_picker.settings.filter import FilterSettings
from copick_picker.settings.job import for_object
from copick_picker.workflows.detect.run import Detection
from copick_picker.workflows.inputs.masks import check_mask
from copick_picker.workflows.inputs.object_labels import project_labels
from copick_picker.workflows.inputs.preflight import Preflight, Wanted, inspect_runs, show
from copick_picker.workflows.localize.filtering import filter_picks
from copick_picker.workflows.localize.outputs import show_totals
from copick_picker.workflows.models.load import LoadedModels, load_models
from copick_picker.workflows.models.workers import with_smaller_batches, worker_places


@summarised
def detect(settings: DetectSettings, *, reporter: Reporter) -> Summary:
    """Find particles in the tomograms of a project and return the outcome of every run.

    Parameters
    ----------
    settings : DetectSettings
        Settings of the command.
    reporter : Reporter
        Receives progress.

    Raises
    ------
    CopickPickerError
        If the project, a model or a setting is wrong, before any run is touched.
    """
    output = picks_output(settings.output)
    if settings.csv_file is not None:
        result_csv(settings.csv_file, SIGMA_COLUMNS).check()
    if not settings.quantile:
        summary, job = _detected(settings, output, reporter)
    else:
        everything = replace(output, session_id=f"{output.session_id}-{CANDIDATES}")
        summary, job = _detected(_all_candidates(settings, reporter), everything, reporter)
        if summary.n_failed == 0:
            summary = _filtered(settings, everything, reporter)
    if settings.csv_file is not None and not settings.dry_run:
        text = table_csv(SIGMA_COLUMNS, _rows(job, output), ())
        permit = result_csv(settings.csv_file, SIGMA_COLUMNS).check
        write_text(settings.csv_file, text, permit=permit)
    return summary


def _detected(
    settings: DetectSettings, output: PicksOutput, reporter: Reporter
) -> tuple[Summary, Job[DetectSettings]]:
    """Return the outcome of every run, and the job."""
    job = Job.open("detect", settings, reporter=reporter)
    tomograms = job.tomograms(settings.input)
    check_mask(settings.mask)
    job.check_objects("objects", "radius", "threshold")
    job.warn_of_radii(settings.radius)
    places = worker_places(settings)
    use_threads(settings.threads)
    models = load_models(settings.model_copy(update={"device": "cpu"}) if places else settings)
    targets = _targets(job, models)
    for target in targets:
        output.key(target.object_name)
    wanted = Wanted(
        models.voxel_spacing,
        models.contrast,
        settings.contrast,
        rescale=True,
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
        sizes = {check.run_name: math.prod(check.shape_zyx or (0,)) for check in checks}
        executor = Processes(partial(_worker, _Given(settings, output, by_name)), places, sizes)
    else:
        executor = InTurn(Detection(job, models, targets, output, by_name).run)
    summary = process_runs("detect", job.run_names, executor, reporter=reporter)
    figures = {"models": models.records}
    if not settings.dry_run:
        details = (each.details for each in summary.outcomes)
        figures["objects"] = show_totals(details, reporter=reporter)  # type: ignore[assignment]
    return replace(summary, figures=figures), job


def _targets(job: Job[DetectSettings], models: LoadedModels) -> tuple[LocalizeTarget, ...]:
    """Return what to look for.

    Raises
    ------
    SettingsError
        If an object has no radius.
    """
    settings = job.settings
    labels = project_labels(
        models.channels, job.specs, settings.object_map, objects=settings.objects
    )
    known = {
        settings.object_map.get(each.name, each.name): each for each in models.cards[0].objects
    }
    targets = []
    for name, label in labels.items():
        spec, entry = job.specs[name], known[name]
        radius = settings.radius.get(name, spec.radius_angstrom or entry.radius_angstrom)
        if radius is None:
            msg = f"object '{name}' has no radius in the project: give --radius {name}=ANGSTROM"
            raise SettingsError(msg)
        threshold = for_object(settings.threshold, name, spec.score_threshold)
        threshold = entry.score_threshold if threshold is None else threshold
        targets.append(
            LocalizeTarget(
                name,
                label,
                radius,
                score_threshold=threshold,
                target_fraction=entry.target_fraction,
                channel=entry.channel,
            )
        )
    return tuple(targets)


@dataclass(frozen=True)
class _Given:
    """Data for every worker."""

    settings: DetectSettings
    output: PicksOutput
    checks: Mapping[str, Preflight]


def _worker(given: _Given, place: Place, reporter: Reporter) -> Work:
    """Return the function that finds the particles of a run in this worker process."""
    use_threads(place.threads)
    here = given.settings.model_copy(update={"device": place.device, "threads": place.threads})
    job, models = Job.open("detect", given.settings, reporter=reporter), load_models(here)
    whole = Detection(job, models, _targets(job, models), given.output, given.checks)
    return with_smaller_batches(whole)


def _all_candidates(settings: DetectSettings, reporter: Reporter) -> DetectSettings:
    """Return settings that keep every candidate, for a threshold over all runs."""
    kept = dict.fromkeys(Job.open("detect", settings, reporter=reporter).specs, 0.0)
    return settings.model_copy(update={"threshold": kept, "top": {}, "quantile": {}})


def _filtered(settings: DetectSettings, candidates: PicksOutput, reporter: Reporter) -> Summary:
    """Return the summary of the picks that pass the threshold over all runs."""
    common = set(FilterSettings.model_fields) & set(DetectSettings.model_fields)
    shared = settings.model_dump(include=common)
    given = {
        "input": f"{candidates.object_name}:{candidates.user_id}/{candidates.session_id}",
        "tomogram": settings.input,
        "json_file": None,
        "border_margin_angstrom": 0.0,
        "mask": None,
        "mask_margin": 0.0,
    }
    summary: Summary = filter_picks(FilterSettings(**(shared | given)), reporter=reporter)
    return replace(summary, command="detect")


def _rows(job: Job[DetectSettings], output: PicksOutput) -> Iterator[dict[str, object]]:
    """Yield run, object, position, score and standard deviations of every stored pick."""
    for run_name in job.run_names:
        for key in job.store.picks(run_name):
            wanted = output.object_name in ("*", key.object_name)
            if not wanted or (key.user_id, key.session_id) != (output.user_id, output.session_id):
                continue
            picks = job.store.read_picks(run_name, key)
            record = job.store.picks_provenance(run_name, key)
            sigmas = recorded_sigmas(record, len(picks))
            for number, (point, score) in enumerate(
                zip(picks.points_xyz.tolist(), picks.scores.tolist(), strict=True)
            ):
                known = [None] * 3 if sigmas is None else sigmas[number].tolist()
                row = (run_name, key.object_name, *point, score, *known)
                yield dict(zip(SIGMA_COLUMNS, row, strict=True))
