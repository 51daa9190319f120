"""Training data: the annotated runs of a project and its objects."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from copick_picker.core.segment.inspection import check_voxels, inspect_volume
from copick_picker.core.train.sources import PlaneCache, StoredVolume
from copick_picker.errors import DataError, SettingsError, choices_text
from copick_picker.jobs.execution import guarded
from copick_picker.jobs.job import Job
from copick_picker.jobs.reporter import Reporter
from copick_picker.project.folders.patch_cache import Copies, with_copies
from copick_picker.project.store import ProjectStore
from copick_picker.records.runs import ObjectSpec, RunOutcome
from copick_picker.settings.segment import (
    CONTRAST_LEAST_SKEWNESS,
    CONTRAST_SMOOTHING_VOXELS,
    CleaningSettings,
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
from copick_picker.workflows.inputs.cleaning import cleaned
from copick_picker.workflows.inputs.volumes import kept, layered, seen_spacing
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
        Voxel spacing at which the model sees the tomograms, in Angstrom.
    contrast : str
        ``dark`` or ``bright``: how protein looks in the tomograms.
    copies : mapping
        Run and volume -> its copy in ``patch_cache``.
    cache : PlaneCache
        Keeps the planes of resampled tomograms.
    unusable : mapping of str to str
        Run that could not be used -> why.
    """

    objects: tuple[ObjectSpec, ...]
    runs: tuple[AnnotatedRun, ...]
    voxel_spacing: float
    contrast: str
    copies: Copies = field(default_factory=dict)
    cache: PlaneCache = field(default_factory=lambda: PlaneCache(0))
    unusable: Mapping[str, str] = field(default_factory=dict)

    def volume(self, store: ProjectStore, run: AnnotatedRun) -> StoredVolume:
        """Return a run's tomogram at the model's voxel spacing; what is resampled is kept."""
        return kept(run.volume(store, self.voxel_spacing), run.name, self.cache)

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
        left out, and so are those that cannot be read, with a warning.

    Raises
    ------
    CopickPickerError
        If there is nothing to train on, an object has no picks or no radius, labels clash, or no
        run can be used.
    """
    check_annotation(job)
    job.check_objects("weight", "heatmap_sigma")
    unusable: dict[str, str] = {}
    found = _usable(job, {name: partial(_annotated, job) for name in job.run_names}, unusable)
    if not found:
        raise _nothing_usable(unusable) if unusable else nothing_annotated(job)
    spacing = _spacing(job, found)
    copies = cached_copies(job, {run.name: run.tomogram for run in found})
    job = replace(job, store=with_copies(job.store, copies))
    cache = PlaneCache(job.settings.cache_megabytes * 2**20)
    looked_at = partial(_inspected, job, spacing=spacing, cache=cache)
    runs = _usable(job, {run.name: partial(looked_at, run) for run in found}, unusable)
    if not runs:
        raise _nothing_usable(unusable)
    objects = chosen_objects(job, runs)
    _warn_not_annotated(objects, runs, job.reporter)
    runs = _usable(
        job, {run.name: partial(_with_mask, job, run, objects) for run in runs}, unusable
    )
    if not runs:
        raise _nothing_usable(unusable)
    masks = cached_copies(job, {run.name: run.mask for run in runs if run.mask is not None})
    return TrainingData(
        objects=objects,
        runs=tuple(runs),
        voxel_spacing=spacing,
        contrast=_contrast(job.settings, runs, job.reporter),
        copies={**copies, **masks},
        cache=cache,
        unusable=unusable,
    )


def _usable(
    job: Job[TrainSettings],
    works: Mapping[str, Callable[[str], AnnotatedRun | None]],
    unusable: dict[str, str],
) -> list[AnnotatedRun]:
    """Return the runs that could be read; the others are noted and warned of."""
    found = []
    for run_name, work in works.items():

        def attempt(name: str, work: Callable[[str], AnnotatedRun | None] = work) -> Any:  # noqa: ANN401
            try:
                return work(name)
            except SettingsError as error:  # a mistake of the user's, not a fault of the run
                return error

        run = guarded(run_name, attempt)
        if isinstance(run, SettingsError):
            raise run
        if isinstance(run, RunOutcome):
            unusable[run_name] = run.message
            job.reporter.warn(f"run {run_name} cannot be used and is left out: {run.message}")
        elif run is not None:
            found.append(run)
    return found


def _nothing_usable(unusable: Mapping[str, str]) -> DataError:
    name, why = next(iter(unusable.items()))
    more = f" (and {len(unusable) - 1} more runs)" if len(unusable) > 1 else ""
    return DataError(f"no run can be used to train on: run {name}: {why}{more}")


def _with_mask(
    job: Job[TrainSettings], run: AnnotatedRun, objects: Sequence[ObjectSpec], _: str
) -> AnnotatedRun:
    return with_mask(job, run, objects)


def _annotated(job: Job[TrainSettings], run_name: str) -> AnnotatedRun | None:
    run = annotated_run(job, run_name)
    if isinstance(run, str):
        job.reporter.note(f"run {run_name}: {run}; left out")
        return None
    return run


def _inspected(
    job: Job[TrainSettings], run: AnnotatedRun, _: str, *, spacing: float, cache: PlaneCache
) -> AnnotatedRun:
    """Return a run with the statistics of its tomogram at a voxel spacing."""
    volume = kept(run.volume(job.store, spacing), run.name, cache)
    facts = inspect_volume(layered(volume), smoothing_voxels=CONTRAST_SMOOTHING_VOXELS)
    check_voxels(facts, run_name=run.name, key=run.tomogram)
    clean = cleaned(layered(volume), facts, CleaningSettings(), own_recipe=True)
    for words in clean.words:
        job.reporter.warn(f"run {run.name}: {words} for the mean and the standard deviation")
    statistics = clean.facts.statistics
    if statistics is None:
        msg = f"run {run.name}: {run.tomogram} has no mean"
        raise DataError(msg)
    return replace(
        run,
        mean=statistics.mean,
        standard_deviation=statistics.standard_deviation,
        looks=facts.looks(CONTRAST_LEAST_SKEWNESS),
    )


def _warn_not_annotated(
    objects: Sequence[ObjectSpec], runs: Sequence[AnnotatedRun], reporter: Reporter
) -> None:
    for spec in objects:
        without = [run.name for run in runs if spec.name not in run.picks]
        if without:
            reporter.warn(
                f"{spec.name}: no reference set in "
                f"{choices_text(without[:5])}{', ...' if len(without) > 5 else ''}: training "
                "treats it as absent there, and validation does not score it"
            )


def _spacing(job: Job[TrainSettings], runs: Sequence[AnnotatedRun]) -> float:
    """Return the voxel spacing that the model learns: as stated, else the tomograms' median."""
    stated = job.settings.voxel_spacing
    own = [run.tomogram.voxel_spacing for run in runs]
    spacing = own[0]
    if stated is not None:
        spacing = stated
    elif any(seen_spacing(each, own[0]) != each for each in own):
        spacing = float(np.median(own))
    others = [run for run in runs if seen_spacing(run.tomogram.voxel_spacing, spacing) == spacing]
    others = [run for run in others if run.tomogram.voxel_spacing != spacing]
    if others and job.settings.masks is not None:
        msg = (
            f"run {others[0].name} has {others[0].tomogram}, but the model uses {spacing:g} "
            "A; masks need the tomogram's own spacing: choose one with -i, such as wbp@10.0"
        )
        raise SettingsError(msg)
    if others:
        job.reporter.note(
            f"{len(others)} of {len(runs)} tomograms, of {min(own):g} to {max(own):g} A per "
            f"voxel are resampled to {spacing:g} A"
        )
    return spacing


def _contrast(settings: TrainSettings, runs: Sequence[AnnotatedRun], reporter: Reporter) -> str:
    if settings.contrast != "auto":
        return settings.contrast
    looks = {kind: [run.name for run in runs if run.looks == kind] for kind in ("dark", "bright")}
    if looks["dark"] and looks["bright"]:
        msg = (
            f"protein looks dark in {choices_text(looks['dark'][:5])} and bright in "
            f"{choices_text(looks['bright'][:5])}: set --contrast, or choose runs of one "
            "contrast with -r"
        )
        raise SettingsError(msg)
    if looks["bright"]:
        return "bright"
    if not looks["dark"]:
        reporter.warn("the contrast of the tomograms is unclear; assuming dark protein")
    return "dark"
