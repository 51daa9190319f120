"""One model's training as plain data, sent to each of its processes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from copick_picker.core.heads.head import LearningHead, build_head
from copick_picker.core.heads.rules import HeadRules
from copick_picker.core.train.module import LearningPlan, TensorBatch, as_tensors
from copick_picker.core.train.sampling import SamplingRules, TrainingRun, batch_of_rows
from copick_picker.core.train.sources import CachedPlanes, PlaneCache
from copick_picker.core.train.splits import Split
from copick_picker.errors import SettingsError
from copick_picker.project.folders.patch_cache import with_copies
from copick_picker.project.store import ProjectStore
from copick_picker.settings.train import BLOB_RADII, LOSS_PARAMETERS, TrainSettings
from copick_picker.workflows.inputs.annotated_runs import AnnotatedRun, sampled_run
from copick_picker.workflows.train.caching import training_store
from copick_picker.workflows.train.curriculum import (
    Curriculum,
    OwnSource,
    ProjectSource,
    Reader,
)
from copick_picker.workflows.train.data import TrainingData
from copick_picker.workflows.train.simulated import SceneSource
from copick_picker.workflows.train.validation import Centres, Validator

_MEBIBYTE = 2**20


@dataclass(frozen=True, eq=False)
class Training:
    """Data, settings and files of one model's training.

    Attributes
    ----------
    settings : TrainSettings
        Settings of the command.
    data : TrainingData
        Objects and annotated runs.
    split : Split
        Training and validation runs.
    folder : pathlib.Path
        Folder of the training's files.
    architecture : str
        Name of the network.
    parameters : dict
        Its settings.
    sampling : SamplingRules
        How patches are sampled.
    head : HeadRules
        Meaning of the outputs, targets and loss.
    plan : LearningPlan
        Steps and learning rates.
    validator : Validator
        Scores the network.
    curriculum : Curriculum or None
        Where the patches of each stage come from; None: from the training runs alone.
    """

    settings: TrainSettings
    data: TrainingData
    split: Split
    folder: Path
    architecture: str
    parameters: dict[str, Any]
    sampling: SamplingRules
    head: HeadRules
    plan: LearningPlan
    validator: Validator
    curriculum: Curriculum | None = None

    def store(self) -> ProjectStore:
        """Return the project; each process opens its own."""
        return with_copies(training_store(self.settings), self.data.copies)


class PatchBatches(Dataset[TensorBatch]):
    """Batches by number, made on demand.

    Parameters
    ----------
    training : Training
        The training.
    """

    def __init__(self, training: Training) -> None:
        self.training = training
        self.hard_negatives: Centres = {}
        self._known: tuple[LearningHead, list[TrainingRun]] | None = None
        self._readers: dict[int, Reader] = {}

    def __len__(self) -> int:
        """Return the total number of batches of the training."""
        return self.training.plan.steps * self.training.settings.accumulate

    def __getitem__(self, number: int) -> TensorBatch:
        """Return a batch."""
        if self._known is None:
            head = build_head(self.training.settings.head, self.training.head)
            self._known = (
                head,
                training_runs(self.training, self.training.store(), self.training.split.training),
            )
        head, runs = self._known
        training, own = self.training, [self._with_hard_negatives(run) for run in runs]
        rows: Sequence[Sequence[TrainingRun]] = [own] * training.settings.batch_size
        if training.curriculum is not None:
            self._readers = self._readers or curriculum_readers(training)
            readers = {**self._readers, **own_reader(training.curriculum, own)}
            rows = training.curriculum.rows(training.settings, number, readers)
        return as_tensors(
            batch_of_rows(
                number,
                rows=rows,
                rules=training.sampling,
                head=head,
                augmentations=training.settings.augmentations,
                seed=training.settings.seed,
            )
        )

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without the project, which another process opens itself."""
        return self.__dict__ | {"_known": None, "_readers": {}}

    def _with_hard_negatives(self, run: TrainingRun) -> TrainingRun:
        found = self.hard_negatives.get(run.name)
        if not found:
            return run
        return replace(run, hard_negatives_zyx=np.asarray(found, dtype=np.float64))


def training_runs(
    training: Training, store: ProjectStore, run_names: Sequence[str]
) -> list[TrainingRun]:
    """Return runs as input of the sampler.

    Parameters
    ----------
    training : Training
        The training.
    store : ProjectStore
        The project.
    run_names : sequence of str
        The runs, such as those of one side of the split.
    """
    cache = PlaneCache(_cache_bytes(training))
    chosen = [run for run in training.data.runs if run.name in run_names]
    return [_training_run(training, store, run, cache) for run in chosen]


def curriculum_readers(training: Training) -> dict[int, Reader]:
    """Return what gives the runs of each other project and scene of a curriculum, opened.

    Parameters
    ----------
    training : Training
        The training.
    """
    readers: dict[int, Reader] = {}
    sources = () if training.curriculum is None else training.curriculum.sources
    for number, source in enumerate(sources):
        if isinstance(source, SceneSource):
            inverted = training.validator.inverted != (training.data.contrast == "bright")
            readers[number] = partial(source.runs, inverted=inverted)
        elif isinstance(source, ProjectSource):
            cache = PlaneCache(_cache_bytes(training))
            store = with_copies(training_store(source.settings), source.data.copies)
            is_turned = source.data.contrast != training.data.contrast
            runs = [
                _training_run(training, store, run, cache, is_turned=is_turned)
                for run in source.data.runs
            ]
            readers[number] = partial(_always, runs)
    return readers


def own_reader(curriculum: Curriculum, runs: Sequence[TrainingRun]) -> dict[int, Reader]:
    """Return what gives the training runs of the training's own project.

    Parameters
    ----------
    curriculum : Curriculum
        The curriculum.
    runs : sequence of TrainingRun
        The training runs.
    """
    return {
        number: partial(_always, runs)
        for number, source in enumerate(curriculum.sources)
        if isinstance(source, OwnSource)
    }


def _always(runs: Sequence[TrainingRun], number: int) -> Sequence[TrainingRun]:
    del number
    return runs


def _cache_bytes(training: Training) -> int:
    """Return each project's part of the memory for tomograms."""
    sources = () if training.curriculum is None else training.curriculum.sources
    n_projects = 1 + sum(isinstance(source, ProjectSource) for source in sources)
    return training.settings.cache_megabytes * _MEBIBYTE // n_projects


def head_rules(settings: TrainSettings, data: TrainingData, output_stride: int) -> HeadRules:
    """Return meaning, targets and loss of the network's outputs.

    Parameters
    ----------
    settings : TrainSettings
        Target, loss and weights.
    data : TrainingData
        The objects.
    output_stride : int
        Voxels of the patch per voxel of the network's training output.
    """
    radii = {spec.name: spec.radius_angstrom or 1.0 for spec in data.objects}
    largest = max(radii.values())
    power = settings.size_power
    scale = settings.object_weight if settings.head == "softmax" else 1.0
    weights = [
        settings.weight.get(name, scale * (largest / radius) ** power)
        for name, radius in radii.items()
    ]
    n_voxels = sum(math.prod(run.shape_at(data.voxel_spacing)) for run in data.runs)
    n_blocks = n_voxels / output_stride**3
    block = output_stride * data.voxel_spacing
    numbers = data.counts([run.name for run in data.runs])
    given = {**LOSS_PARAMETERS, **settings.loss_parameters}
    return HeadRules(
        n_objects=len(data.objects),
        target_kind=settings.target,
        target_fraction=settings.target_fraction,
        output_stride=output_stride,
        loss=settings.loss,
        loss_parameters=given | {"kendall": float(settings.loss_weighting == "kendall")},
        channel_weights=(1.0, *weights),
        priors=tuple(numbers[name] / max(n_blocks, 1.0) for name in radii),
        spreads=tuple(
            max(given["narrowest"], given["spread"] * radius / block) for radius in radii.values()
        ),
        block_radii=tuple(radius / block for radius in radii.values()),
        blob_radii=tuple(
            _blob_sigma(settings, name, radius, block) / radius for name, radius in radii.items()
        ),
    )


def _blob_sigma(settings: TrainSettings, name: str, radius: float, block: float) -> float:
    """Return the standard deviation of an object's blobs in Angstrom.

    Raises
    ------
    SettingsError
        If the stated one is below a voxel of the outputs, of ``block`` Angstrom.
    """
    stated = settings.heatmap_sigma.get(name)
    if stated is None:
        return max(BLOB_RADII * radius, block)
    if settings.head == "heatmap" and not stated >= block:
        msg = (
            f"--heatmap-sigma {name}={stated:g}: expected at least one output voxel, {block:g} "
            "Angstrom; use a network with a smaller output_stride"
        )
        raise SettingsError(msg)
    return stated


def _training_run(
    training: Training,
    store: ProjectStore,
    run: AnnotatedRun,
    cache: PlaneCache,
    *,
    is_turned: bool = False,
) -> TrainingRun:
    sign = -1.0 if training.validator.inverted != is_turned else 1.0
    source = CachedPlanes(
        run.name,
        training.data.volume(store, run),
        cache,
        mean=run.mean,
        standard_deviation=sign * run.standard_deviation,
    )
    return sampled_run(
        store,
        run,
        training.data.objects,
        source=source,
        cache=cache,
        spacing=training.data.voxel_spacing,
    )
