"""What a model is trained on: the annotated runs of a project, its objects, and who validates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from copick_picker.core.segment.inspection import inspect_volume
from copick_picker.errors import DataError, SettingsError, choices_text
from copick_picker.jobs.execution import Reporter, check_object_names
from copick_picker.project.store import ProjectStore
from copick_picker.project.uris import check_uri
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
    chosen_objects,
    nothing_annotated,
    with_mask,
)
from copick_picker.workflows.inputs.preflight import check_voxels, in_layers


@dataclass(frozen=True, eq=False)
class TrainingData:
    """All that a project gives to a training.

    Attributes
    ----------
    objects : tuple of ObjectSpec
        In the order of the channels, which start from 1; each has a radius.
    runs : tuple of AnnotatedRun
        In the project's order.
    voxel_spacing : float
        Of all tomograms, in Angstrom.
    contrast : str
        ``dark`` or ``bright``: how protein looks in the tomograms.
    """

    objects: tuple[ObjectSpec, ...]
    runs: tuple[AnnotatedRun, ...]
    voxel_spacing: float
    contrast: str

    @property
    def channels(self) -> dict[str, int]:
        """Object name -> channel."""
        return {spec.name: channel for channel, spec in enumerate(self.objects, start=1)}

    def counts(self, run_names: Sequence[str]) -> dict[str, int]:
        """Return how many picks of each object some runs have.

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


def training_data(
    settings: TrainSettings, store: ProjectStore, run_names: Sequence[str], *, reporter: Reporter
) -> TrainingData:
    """Return the annotated runs of a project; every tomogram is read once.

    Parameters
    ----------
    settings : TrainSettings
        Which tomograms and picks.
    store : ProjectStore
        The project.
    run_names : sequence of str
        Runs to look at; those without a tomogram or without reference picks are left out.
    reporter : Reporter
        Where is said which ones.

    Raises
    ------
    CopickPickerError
        If there is nothing to train on, an object has no picks or no radius, labels clash, or a
        tomogram cannot be used.
    """
    specs = {spec.name: spec for spec in store.objects()}
    check_uri(settings.input, "tomogram")
    check_uri(settings.picks, "picks")
    for option in ("objects", "radius", "weight"):
        check_object_names(getattr(settings, option), specs, "--" + option)
    runs = [
        run
        for name in run_names
        if (run := _annotated(settings, store, name, specs, reporter)) is not None
    ]
    if not runs:
        raise nothing_annotated(settings, store, run_names)
    objects = chosen_objects(settings, specs, runs)
    _say_what_is_not_annotated(objects, runs, reporter)
    if settings.masks is not None:
        runs = [with_mask(settings.masks, store, run, objects) for run in runs]
    return TrainingData(
        objects=objects,
        runs=tuple(runs),
        voxel_spacing=_spacing(runs),
        contrast=_contrast(settings, runs, reporter),
    )


def _annotated(
    settings: TrainSettings,
    store: ProjectStore,
    run_name: str,
    specs: Mapping[str, ObjectSpec],
    reporter: Reporter,
) -> AnnotatedRun | None:
    run = annotated_run(settings, store, run_name, specs, reporter)
    if isinstance(run, str):
        reporter.note(f"run {run_name}: {run}; left out")
        return None
    volume = store.open_tomogram(run_name, run.tomogram)
    facts = inspect_volume(in_layers(volume), smoothing_voxels=CONTRAST_SMOOTHING_VOXELS)
    check_voxels(facts, run_name=run_name, key=run.tomogram)
    if facts.statistics is None:
        msg = f"run {run_name}: {run.tomogram} has no mean"
        raise DataError(msg)
    return replace(
        run,
        mean=facts.statistics.mean,
        standard_deviation=facts.statistics.standard_deviation,
        looks=facts.looks(CONTRAST_LEAST_SKEWNESS),
    )


def _say_what_is_not_annotated(
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
