"""Results of a training: thresholds from held-out picks, scores, a model folder with its card."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from copick_picker._version import __version__
from copick_picker.core.geometry import points_to_voxels
from copick_picker.core.models.registry import load_state
from copick_picker.core.segment.volume import VolumeStatistics, normalised
from copick_picker.jobs.provenance import digest
from copick_picker.jobs.reporter import Reporter
from copick_picker.project.files import replacing
from copick_picker.project.folders.model_places import CURVE_FILE, README_FILE, check_free_models
from copick_picker.project.folders.training_files import BEST_FILE, finished, read_weights
from copick_picker.report.model_readme import readme_text
from copick_picker.report.model_scores import (
    held_out_table,
    model_limits,
    number_or_dash,
)
from copick_picker.settings.model import Ensemble, ModelCard, ModelObject
from copick_picker.settings.segment import FITTED_BLENDING
from copick_picker.settings.train import AUGMENTATION_SET, CROP_VOXELS
from copick_picker.settings.train_learning import AUGMENTATION_COUNT
from copick_picker.workflows.inputs.volumes import layered
from copick_picker.workflows.models.folder import TomogramCrop, write_model
from copick_picker.workflows.train.held_out import Taught, taught
from copick_picker.workflows.train.start import NetworkFactory
from copick_picker.workflows.train.training import Training
from copick_picker.workflows.train.validation import PicksByRun


def write_results(
    trainings: Mapping[str, Training],
    factory: NetworkFactory,
    record: Mapping[str, Any],
    *,
    overwrite: bool,
    reporter: Reporter,
) -> dict[str, Any]:
    """Write a model folder for each training, with thresholds from all held-out picks.

    Parameters
    ----------
    trainings : mapping
        Name of the fold, or empty text -> finished training.
    factory : NetworkFactory
        Makes their network.
    record : mapping
        Record of the settings and data.
    overwrite : bool
        Whether existing model folders are replaced.
    reporter : Reporter
        Receives the scores.

    Returns
    -------
    dict
        ``line``, a summary, and the scores.
    """
    first = next(iter(trainings.values()))
    networks = {name: _best_network(each, factory) for name, each in trainings.items()}
    whole, own = _taught(trainings, networks)
    for name, why in whole.calibration.refused.items():
        reporter.warn(f"no score threshold for {name}: {why}")
    for note in whole.evaluation.notes:
        reporter.note(note)
    reporter.table("Held-out runs, at the chosen thresholds", *held_out_table(whole.scores))
    output = Path(first.settings.output)
    permit = partial(check_free_models, output, overwrite=overwrite)
    with replacing(output, permit=permit) as fresh:
        for name, training in trainings.items():
            card = _card(training, factory, record, own[name], len(trainings))
            if first.settings.members is not None:
                card = card.model_copy(update={"ensemble": _ensemble(whole, len(trainings))})
            write_model(
                fresh / name,
                networks[name].cpu(),
                card,
                crop=_crop(training),
                beside=partial(_extra_texts, training),
                overwrite=False,
            )
    macro = whole.evaluation.macro.score
    beta = first.settings.beta
    what = str(output) if len(trainings) == 1 else f"{output} ({len(trainings)} models)"
    weighted = "" if beta == 1 else f", F{beta:g} {number_or_dash(macro.f_beta)}"
    line = f"{what}: F1 {number_or_dash(macro.f1)}{weighted} on validation runs"
    return {"line": line, "scores": whole.scores, "thresholds": whole.calibration.thresholds}


def _taught(
    trainings: Mapping[str, Training], networks: Mapping[str, nn.Module]
) -> tuple[Taught, dict[str, Taught]]:
    """Return what held-out picks teach all models together, and what each of them.

    Models of folds each find their own held-out runs, and their picks are pooled. Members of an
    ensemble find the same runs, each alone and all together.
    """
    first = next(iter(trainings.values()))
    found = {name: _held_out(each, [networks[name]]) for name, each in trainings.items()}
    if first.settings.members is None:
        pooled = {run: picks for each in found.values() for run, picks in each.items()}
        whole = taught(first.validator, pooled)
        return whole, dict.fromkeys(trainings, whole)
    whole = taught(first.validator, _held_out(first, list(networks.values())))
    return whole, {name: taught(first.validator, each) for name, each in found.items()}


def _held_out(training: Training, networks: Sequence[nn.Module]) -> PicksByRun:
    return training.validator.picks(
        networks,
        training.store(),
        training.split.validation,
        n_augmentations=AUGMENTATION_COUNT,
    )


def _ensemble(whole: Taught, members: int) -> Ensemble:
    return Ensemble(
        members=members, thresholds=whole.calibration.thresholds, head_settings=dict(whole.head)
    )


def _extra_texts(training: Training, card: ModelCard) -> dict[str, str]:
    """Return the texts stored next to a model: its curve and its description."""
    curve = (training.folder / CURVE_FILE).read_text(encoding="utf-8")
    return {CURVE_FILE: curve, README_FILE: readme_text(card.to_mapping())}


def _best_network(training: Training, factory: NetworkFactory) -> nn.Module:
    network, _ = factory.network(training.settings.seed)
    load_state(network, read_weights(training.folder / BEST_FILE))
    return network.eval()


def _card(
    training: Training,
    factory: NetworkFactory,
    record: Mapping[str, Any],
    known: Taught,
    n_models: int,
) -> ModelCard:
    settings, data = training.settings, training.data
    thresholds = known.calibration.thresholds
    start = factory.start_card
    sees_bright = (data.contrast if start is None else start.contrast) == "bright"
    return ModelCard(
        name=Path(settings.output).name,
        architecture=factory.architecture,
        parameters=factory.parameters,
        window_voxels=factory.patch,
        objects=tuple(
            ModelObject(
                name=spec.name,
                channel=channel,
                radius_angstrom=spec.radius_angstrom,
                target_fraction=_painted(training),
                score_threshold=thresholds.get(spec.name),
            )
            for channel, spec in enumerate(data.objects, start=1)
        ),
        voxel_spacing_angstrom=data.voxel_spacing,
        contrast="bright" if sees_bright else "dark",
        normalization="zscore",
        n_channels=None if factory.n_channels == len(data.objects) + 1 else factory.n_channels,
        head=settings.head,
        head_settings={**training.validator.head_settings, **known.head},
        home="picker",
        augmentation_set=AUGMENTATION_SET,
        augmentation_count=AUGMENTATION_COUNT,
        blending=FITTED_BLENDING,
        provenance={
            "job": digest(record),
            "package_version": __version__,
            "command": "copick-picker train",
            "licence": settings.licence or "not stated",
            "started_from": None if start is None else start.name,
            "data": {
                "training": _side(training, training.split.training),
                "validation": _side(training, training.split.validation),
                **_stages(training),
            },
            "training": finished(training.folder),
            "scores": {
                "rules": (
                    f"one-to-one, within half the radius; F-beta with beta {settings.beta:g}"
                ),
                "on": (
                    f"all runs, each found by the one of {n_models} models that was not trained "
                    "on it"
                    if n_models > 1 and settings.members is None
                    else "the validation runs"
                ),
                "objects": dict(known.scores),
            },
            "localize_method": (
                "the head's points"
                if training.validator.finds_points
                else training.validator.method
            ),
            "limits": model_limits(
                data.voxel_spacing,
                data.contrast,
                data.counts(training.split.training),
                n_models=n_models,
            ),
            "settings": record["settings"],
        },
    )


def _painted(training: Training) -> float | None:
    return None if training.validator.finds_points else training.validator.target_fraction


def _stages(training: Training) -> dict[str, Any]:
    """Return the stages of the curriculum, if there was one."""
    if training.curriculum is None:
        return {}
    return {"curriculum": training.curriculum.record()["stages"]}


def _side(training: Training, names: tuple[str, ...]) -> dict[str, Any]:
    runs = {run.name: str(run.tomogram) for run in training.data.runs if run.name in names}
    return {"runs": runs, "picks": training.data.counts(names)}


def _crop(training: Training) -> TomogramCrop:
    """Return a crop of a validation tomogram, around its first pick if there is one."""
    name = training.split.validation[0]
    run = next(run for run in training.data.runs if run.name == name)
    spacing = training.data.voxel_spacing
    volume = layered(run.volume(training.store(), spacing))
    shape, multiple = np.array(volume.shape), training.validator.window_multiple
    side = np.minimum(CROP_VOXELS, shape) // multiple * multiple
    points = [
        points_to_voxels(picks.points_xyz, run.spacing(spacing))
        for picks in run.picks.values()
        if len(picks)
    ]
    middle = points[0][0] if points else shape / 2
    corner = np.clip(np.rint(middle - side / 2), 0, shape - side).astype(int)
    z, y, x = (slice(int(a), int(a + b)) for a, b in zip(corner, side, strict=True))
    values = normalised(
        volume.read(z.start, z.stop)[:, y, x],
        VolumeStatistics(run.mean, run.standard_deviation),
        inverted=training.validator.inverted,
    )
    return TomogramCrop(values, run.name, str(run.tomogram), (z.start, y.start, x.start))
