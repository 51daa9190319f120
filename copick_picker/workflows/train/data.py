"""Training data: the annotated runs of a project and its objects."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from copick_picker.core.segment.inspection import check_voxels, inspect_volume
from copick_picker.errors import DataError, SettingsError, choices_text
from copick_picker.jobs.job import Job
from copick_picker.jobs.reporter import Reporter
from copick_picker.project.folders.patch_cache import Copies, with_copies
from copick_picker.records.runs import ObjectSpec
from copick_picker.settings.segment import (
    CONTRAST_LEAST_SKEWNESS,
    CONTRAST_SMOOTHING_VOXELS,
    SPACING_SILENT,
)
from copick_picker.settings.train import TrainSettings
from copick_picker.workflows.inputs.annotated_runs import (
    AnnotatedRun,
    annotated_run,
    check_annotation,
    chosen_objects,
    nothing_annotated,
    with_mask,
)
from copick_picker.workflows.inputs.preflight import in_layers
from copick_picker.workflows.train.caching import cached_copies


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Training data of a project.

    Attributes
    ----------
    objects : tuple of ObjectSpec
        In the order of the channels, which start from 1; each has a radius.
    runs : tuple of AnnotatedRun
        In the project's order.
    voxel_spacing : float
        Voxel spacing of all tomograms, in Angstrom.
    contrast : str
        ``dark`` or ``bright``: how protein looks in the tomograms.
    copies : mapping
        Run and volume -> its copy in ``patch_cache``.
    """

    objects: tuple[ObjectSpec, ...]
    runs: tuple[AnnotatedRun, ...]
    voxel_spacing: float
    contrast: str
    copies: Copies = field(default_factory=dict)

    @property
    def channels(self) -> dict[str, int]:
        """Object name -> channel."""
        return {spec.name: channel for channel, spec in enumerate(self.objects, start=1)}

    def counts(self, run_names: Sequence[str]) -> dict[str, int]:
        """Return the number of picks of each object in some runs.

        Parameters
        ----------
        run_names : sequence of str
            The runs.
        """
        chosen = [run for run in self.runs if run.name in run_names]
        return {
            spec.name: sum(len(run.picks.get(spec.name, ())) for run in chosen)
            for spec in self.objects
        }


def training_data(job: Job[TrainSettings]) -> TrainingData:
    """Return the training data of a project; every tomogram is read once.

    Parameters
    ----------
    job : Job
        Its settings say which tomograms and picks; runs without a tomogram or reference picks are
        left out.

    Raises
    ------
    CopickPickerError
        If there is nothing to train on, an object has no picks or no radius, labels clash, or a
        tomogram cannot be used.
    """
    check_annotation(job)
    job.check_objects("weight")
    found = [run for name in job.run_names if (run := _annotated(job, name)) is not None]
    if not found:
        raise nothing_annotated(job)
    copies = cached_copies(job, {run.name: run.tomogram for run in found})
    job = replace(job, store=with_copies(job.store, copies))
    runs = [_inspected(job, run) for run in found]
    objects = chosen_objects(job, runs)
    _warn_not_annotated(objects, runs, job.reporter)
    runs = [with_mask(job, run, objects) for run in runs]
    masks = cached_copies(job, {run.name: run.mask for run in runs if run.mask is not None})
    return TrainingData(
        objects=objects,
        runs=tuple(runs),
        voxel_spacing=_spacing(runs),
        contrast=_contrast(job.settings, runs, job.reporter),
        copies={**copies, **masks},
    )


def _annotated(job: Job[TrainSettings], run_name: str) -> AnnotatedRun | None:
    run = annotated_run(job, run_name)
    if isinstance(run, str):
        job.reporter.note(f"run {run_name}: {run}; left out")
        return None
    return run


def _inspected(job: Job[TrainSettings], run: AnnotatedRun) -> AnnotatedRun:
    """Return a run with the statistics of its tomogram, which is read."""
    volume = job.store.open_tomogram(run.name, run.tomogram)
    facts = inspect_volume(in_layers(volume), smoothing_voxels=CONTRAST_SMOOTHING_VOXELS)
    check_voxels(facts, run_name=run.name, key=run.tomogram)
    if facts.statistics is None:
        msg = f"run {run.name}: {run.tomogram} has no mean"
        raise DataError(msg)
    return replace(
        run,
        mean=facts.statistics.mean,
        standard_deviation=facts.statistics.standard_deviation,
        looks=facts.looks(CONTRAST_LEAST_SKEWNESS),
    )


def _warn_not_annotated(
    objects: Sequence[ObjectSpec], runs: Sequence[AnnotatedRun], reporter: Reporter
) -> None:
    for spec in objects:
        without = [run.name for run in runs if spec.name not in run.picks]
        if without:
            reporter.warn(
                f"{spec.name}: no reference set in {choices_text(without[:5])}"
                f"{', ...' if len(without) > 5 else ''}: taken to be absent there in training, and "
                "not scored there"
            )


def _spacing(runs: Sequence[AnnotatedRun]) -> float:
    first = runs[0]
    for run in runs[1:]:
        got, wanted = run.tomogram.voxel_spacing, first.tomogram.voxel_spacing
        if abs(got - wanted) > SPACING_SILENT * wanted:
            msg = (
                f"run {run.name} has {run.tomogram} and run {first.name} {first.tomogram}: one "
                "model learns one voxel spacing; name it in -i, such as wbp@10.0"
            )
            raise SettingsError(msg)
    return first.tomogram.voxel_spacing


def _contrast(settings: TrainSettings, runs: Sequence[AnnotatedRun], reporter: Reporter) -> str:
    if settings.contrast != "auto":
        return settings.contrast
    looks = {kind: [run.name for run in runs if run.looks == kind] for kind in ("dark", "bright")}
    if looks["dark"] and looks["bright"]:
        msg = (
            f"protein looks dark in {choices_text(looks['dark'][:5])} and bright in "
            f"{choices_text(looks['bright'][:5])}: say which with --contrast, or choose runs of "
            "one contrast with -r"
        )
        raise SettingsError(msg)
    if looks["bright"]:
        return "bright"
    if not looks["dark"]:
        reporter.warn("the tomograms do not show their contrast; protein is taken to be dark")
    return "dark"
