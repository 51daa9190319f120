"""``train --curriculum``: where the patches of each stage come from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from copick_picker.core.train.curriculum import Stage, sources_of_rows, stage_at
from copick_picker.core.train.sampling import SamplingRules, TrainingRun, check_runs
from copick_picker.errors import CopickPickerError
from copick_picker.jobs.job import Job
from copick_picker.jobs.reporter import Reporter
from copick_picker.settings.curriculum import (
    CurriculumSettings,
    SourceEntry,
    load_curriculum,
    path_beside,
)
from copick_picker.settings.simulate_scene import preset_path
from copick_picker.settings.train import TrainSettings
from copick_picker.workflows.train.data import TrainingData, training_data
from copick_picker.workflows.train.simulated import SceneSource, Wanted, scene_source


@dataclass(frozen=True, eq=False)
class ProjectSource:
    """The runs of a project other than the one that is validated on.

    Attributes
    ----------
    title : str
        The source in words.
    settings : TrainSettings
        Settings of the command, for that project.
    data : TrainingData
        Its annotated runs, with the objects of the training.
    """

    title: str
    settings: TrainSettings
    data: TrainingData

    def record(self) -> dict[str, Any]:
        """Return what identifies the source."""
        return {run.name: run.record() for run in self.data.runs}


@dataclass(frozen=True)
class OwnSource:
    """The training runs of the project that is validated on."""

    title: str

    def record(self) -> dict[str, Any]:
        """Return what identifies the source beside the rest of the training's record."""
        return {}


Source = OwnSource | ProjectSource | SceneSource
Reader = Callable[[int], Sequence[TrainingRun]]
"""Number of a batch -> runs that its patches are cut from."""


@dataclass(frozen=True, eq=False)
class Curriculum:
    """Stages and sources of a training; can be pickled.

    Attributes
    ----------
    stages : tuple of Stage
        In order.
    sources : tuple
        Where patches come from.
    """

    stages: tuple[Stage, ...]
    sources: tuple[Source, ...]

    def record(self) -> dict[str, Any]:
        """Return what identifies the patches of each stage."""
        return {
            "stages": [
                {
                    "first_step": stage.first_step,
                    "shares": {
                        self.sources[number].title: share
                        for number, share in zip(stage.sources, stage.shares, strict=True)
                    },
                }
                for stage in self.stages
            ],
            "sources": {source.title: source.record() for source in self.sources},
        }

    def rows(
        self, settings: TrainSettings, number: int, readers: Mapping[int, Reader]
    ) -> list[Sequence[TrainingRun]]:
        """Return the runs that each patch of a batch is cut from.

        Parameters
        ----------
        settings : TrainSettings
            Settings of the command.
        number : int
            Number of the batch.
        readers : mapping
            Number of a source -> its runs for a batch.
        """
        step = number // (settings.accumulate * settings.devices)
        chosen = sources_of_rows(
            stage_at(self.stages, step), settings.batch_size, seed=settings.seed, number=number
        )
        runs = {source: readers[source](number) for source in set(chosen)}
        return [runs[source] for source in chosen]


def load_stages(
    settings: TrainSettings, data: TrainingData, patch: tuple[int, int, int], reporter: Reporter
) -> Curriculum | None:
    """Return the curriculum of a training, its projects read and its scenes checked.

    Parameters
    ----------
    settings : TrainSettings
        ``curriculum``; None is returned without one.
    data : TrainingData
        The training's own data.
    patch : tuple of int
        Shape (z, y, x) of a patch.
    reporter : Reporter
        Receives the stages.

    Raises
    ------
    CopickPickerError
        If the file is wrong, or a source is missing, or lacks an object.
    """
    if settings.curriculum is None:
        return None
    given = load_curriculum(settings.curriculum)
    titles = list(dict.fromkeys(each.title() for stage in given.stages for each in stage.sources))
    by_title = {each.title(): each for stage in given.stages for each in stage.sources}
    wanted = Wanted(
        data.objects,
        data.voxel_spacing,
        patch,
        data.runs[0].tomogram.tomogram_type,
        settings.masks is not None,
        settings.seed,
    )
    sources: list[Source] = []
    for number, title in enumerate(titles):
        try:
            sources.append(_source(by_title[title], number, settings, (data, wanted), reporter))
        except CopickPickerError as error:
            text = str(error)
            msg = f"{settings.curriculum}: {text if text.startswith(title) else f'{title}: {text}'}"
            raise type(error)(msg) from error
    curriculum = Curriculum(_stages(given, titles), tuple(sources))
    _show(curriculum, settings, reporter)
    return curriculum


def _source(
    entry: SourceEntry,
    number: int,
    settings: TrainSettings,
    known: tuple[TrainingData, Wanted],
    reporter: Reporter,
) -> Source:
    data, wanted = known
    if entry.preset is not None:
        return scene_source(preset_path(entry.preset), entry.title(), number, wanted)
    path = path_beside(entry.scene or entry.project or Path(), settings.curriculum or Path())
    if entry.scene is not None:
        return scene_source(path, entry.title(), number, wanted)
    if path.resolve() == Path(settings.config).resolve():
        return OwnSource(entry.title())
    changes = {
        "config": str(path),
        "run_names": (),
        "shard": None,
        "split": None,
        "validation_split": None,
        "folds_file": None,
        "voxel_spacing": data.voxel_spacing,
        "objects": tuple(spec.name for spec in data.objects),
        "radius": {spec.name: spec.radius_angstrom for spec in data.objects},
    }
    other = settings.model_copy(update=changes)
    found = training_data(Job.open("train", other, reporter=reporter))
    return ProjectSource(entry.title(), other, replace(found, objects=data.objects))


def _stages(given: CurriculumSettings, titles: Sequence[str]) -> tuple[Stage, ...]:
    stages, first = [], 0
    for stage in given.stages:
        kept = [source for source in stage.sources if source.share > 0]
        stages.append(
            Stage(
                first,
                tuple(titles.index(source.title()) for source in kept),
                tuple(source.share for source in kept),
            )
        )
        first += stage.steps or 0
    return tuple(stages)


def _show(curriculum: Curriculum, settings: TrainSettings, reporter: Reporter) -> None:
    rows = []
    for number, stage in enumerate(curriculum.stages, start=1):
        parts = [
            f"{curriculum.sources[source].title} {share:g}"
            for source, share in zip(stage.sources, stage.shares, strict=True)
        ]
        rows.append((str(number), str(stage.first_step), ", ".join(parts)))
        if stage.first_step >= settings.steps:
            reporter.warn(
                f"stage {number} of {settings.curriculum} begins at step {stage.first_step}, "
                f"and --steps {settings.steps} ends the training before that"
            )
    reporter.table("Curriculum", ("stage", "from step", "sources and shares"), rows)


def check_sources(
    curriculum: Curriculum, rules: SamplingRules, readers: Mapping[int, Reader]
) -> None:
    """Raise if no patch can be cut from a project of the curriculum.

    Parameters
    ----------
    curriculum : Curriculum
        The curriculum.
    rules : SamplingRules
        How patches are sampled.
    readers : mapping
        Number of a source -> its runs for a batch.
    """
    for number, source in enumerate(curriculum.sources):
        if isinstance(source, ProjectSource):
            check_runs(readers[number](0), rules)
