"""Read a tomogram, segment it, write labels and, if asked, probabilities: for every run."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from copick_picker.core.segment.device import (
    cuda_devices,
    resolve_device,
    thread_count,
    use_threads,
)
from copick_picker.errors import SettingsError, choices_text
from copick_picker.jobs.execution import (
    Reporter,
    Summary,
    check_labels_differ,
    named_runs,
    nothing_to_read,
    process_in_stages,
    select_runs,
)
from copick_picker.jobs.opening import open_job
from copick_picker.jobs.processes import Place, Work, process_in_workers
from copick_picker.project.uris import check_uri, parse_output
from copick_picker.records.runs import ObjectSpec, RunOutcome
from copick_picker.settings.segment import SegmentSettings
from copick_picker.workflows.inputs.masks import check_mask
from copick_picker.workflows.inputs.preflight import Preflight, Wanted, inspect_runs, show
from copick_picker.workflows.models.load import load_models
from copick_picker.workflows.segment.peaks import segment_peaks
from copick_picker.workflows.segment.picks import with_picks
from copick_picker.workflows.segment.run import SegmentJob


def segment(settings: SegmentSettings, *, reporter: Reporter) -> Summary:
    """Segment the tomograms of a project and return what became of every run.

    Parameters
    ----------
    settings : SegmentSettings
        What to do.
    reporter : Reporter
        Where progress goes.

    Raises
    ------
    CopickPickerError
        If the project, a model or a setting is wrong, before any run is touched.
    """
    store = open_job(settings)
    check_uri(settings.input, "tomogram")
    check_mask(settings.mask)
    output = _output_parts(settings.output)
    run_names = select_runs(store.run_names(), settings.run_names, shard=settings.shard)
    places = worker_places(settings)
    use_threads(settings.threads)
    models = load_models(settings.model_copy(update={"device": "cpu"}) if places else settings)
    labels = project_labels(
        models.channels, store.objects(), settings.object_map, objects=settings.objects
    )
    peaks = segment_peaks(settings, store, labels)
    wanted = Wanted(
        uri=settings.input,
        voxel_spacing=models.voxel_spacing,
        contrast=models.contrast,
        stated_contrast=settings.contrast,
        rescale=settings.rescale,
        by_name=named_runs(settings.run_names),
    )
    checks = inspect_runs(store, run_names, wanted, n_looked_at=settings.preflight_runs)
    show(checks, reporter)
    if checks and all(check.absent for check in checks):
        raise nothing_to_read(store.tomograms, run_names, settings.input, "tomogram")
    if not settings.dry_run:
        store.check_writable()
    by_name = {check.run_name: check for check in checks}
    if places:
        summary = process_in_workers(
            "segment",
            run_names,
            partial(_worker, _Given(settings, labels, output, by_name)),
            places,
            sizes={check.run_name: math.prod(check.shape_zyx or (0,)) for check in checks},
            reporter=reporter,
        )
    else:
        job = SegmentJob(settings, store, models, labels, output, by_name, reporter, peaks)
        summary = process_in_stages("segment", run_names, job, reporter=reporter)
    summary = replace(summary, figures={"models": models.records, "labels": labels})
    summary = with_picks(summary, settings, reporter=reporter)
    if settings.json_file is not None:
        summary.write(settings.json_file)
    return summary


def worker_places(settings: SegmentSettings) -> list[Place]:
    """Return where worker processes compute; none where this process does all the work.

    Parameters
    ----------
    settings : SegmentSettings
        ``devices``, ``workers`` and ``threads``; the threads are dealt out evenly.

    Raises
    ------
    SettingsError
        If a device is not there, or stands twice.
    """
    names = [settings.device] * (settings.workers or 0)
    if settings.devices == ("auto",):
        names = cuda_devices() or ["auto"]
    elif settings.devices:
        names = list(settings.devices)
    found = [str(resolve_device(name)) for name in names]
    if settings.devices and len(set(found)) < len(found):
        msg = f"--devices {','.join(settings.devices)}: a device stands twice; use --workers"
        raise SettingsError(msg)
    threads = settings.threads or thread_count()
    return [Place(name, max(1, threads // len(found))) for name in found]


@dataclass(frozen=True)
class _Given:
    """What every worker is told."""

    settings: SegmentSettings
    labels: Mapping[str, int]
    output: Mapping[str, str]
    checks: Mapping[str, Preflight]


def _worker(given: _Given, place: Place, reporter: Reporter) -> Work:
    """Return what segments a run in this worker process."""
    settings = given.settings.model_copy(update={"device": place.device, "threads": place.threads})
    use_threads(place.threads)
    store, models = open_job(settings), load_models(settings)
    peaks = segment_peaks(given.settings, store, given.labels)

    def work(run_name: str, halvings: int) -> RunOutcome:
        batch = max(1, models.options.window_batch >> halvings)
        options = replace(models.options, window_batch=batch)
        job = SegmentJob(
            given.settings,
            store,
            replace(models, options=options),
            given.labels,
            given.output,
            given.checks,
            reporter,
            peaks,
        )
        return job.run(run_name)

    return work


def project_labels(
    channels: Mapping[str, int],
    specs: list[ObjectSpec],
    object_map: Mapping[str, str],
    *,
    objects: tuple[str, ...],
) -> dict[str, int]:
    """Return project's object name -> label for the objects that a model finds.

    Parameters
    ----------
    channels : mapping
        Model's object name -> channel.
    specs : list of ObjectSpec
        The project's objects.
    object_map : mapping
        Model's object name -> project's object name, where they differ.
    objects : tuple of str
        Project's names to keep; empty means all.

    Raises
    ------
    SettingsError
        If a name is unknown or two model objects mean one project object; both sides are listed.
    """
    both = (
        f"the model finds: {choices_text(channels)}; "
        f"the project has: {choices_text(spec.name for spec in specs)}"
    )
    for name in object_map:
        if name not in channels:
            msg = f"--object-map: the model finds no '{name}'; {both}"
            raise SettingsError(msg)
    label_of = {spec.name: spec.label for spec in specs}
    labels: dict[str, int] = {}
    for name in channels:
        target = object_map.get(name, name)
        if objects and target not in objects:
            continue
        if target not in label_of:
            msg = f"no object '{target}' in the project: use --object-map or --objects; {both}"
            raise SettingsError(msg)
        if target in labels:
            msg = f"two objects of the model mean '{target}'; {both}"
            raise SettingsError(msg)
        labels[target] = label_of[target]
    check_labels_differ(labels)
    missing = [name for name in objects if name not in labels]
    if missing:
        msg = f"--objects: the model finds no {choices_text(missing)}; {both}"
        raise SettingsError(msg)
    return labels


def _output_parts(uri: str) -> dict[str, str]:
    parts = parse_output(uri, "segmentation")
    defaults = {"name": "predict", "user_id": "picker", "session_id": "1"}
    return parts | {name: value for name, value in defaults.items() if parts[name] == "*"}
