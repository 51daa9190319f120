"""What a training gives: thresholds from held-out picks, scores, a model folder with its card."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from copick_picker._version import __version__
from copick_picker.core.evaluate.calibration import Calibration
from copick_picker.core.geometry import points_to_voxels
from copick_picker.core.models.registry import load_state
from copick_picker.core.segment.volume import VolumeStatistics, normalised
from copick_picker.errors import choices_text
from copick_picker.jobs.provenance import digest
from copick_picker.jobs.reporter import Reporter
from copick_picker.project.files import replacing
from copick_picker.project.folders.model_places import CURVE_FILE, README_FILE, check_free_models
from copick_picker.project.folders.training_files import BEST_FILE, finished, read_weights
from copick_picker.report.model_readme import readme_text
from copick_picker.report.model_scores import held_out_scores, held_out_table, number_or_dash
from copick_picker.settings.model import ModelCard, ModelObject
from copick_picker.settings.segment import FITTED_BLENDING
from copick_picker.settings.train import (
    AUGMENTATION_COUNT,
    AUGMENTATION_SET,
    CALIBRATION_MARGIN,
    CROP_VOXELS,
)
from copick_picker.workflows.evaluate.evaluate import with_min_score
from copick_picker.workflows.models.folder import TomogramCrop, write_model
from copick_picker.workflows.train.course import Course
from copick_picker.workflows.train.start import Blueprint
from copick_picker.workflows.train.validation import PicksByRun, calibration_of


def write_results(
    courses: Mapping[str, Course],
    plan: Blueprint,
    record: Mapping[str, Any],
    *,
    overwrite: bool,
    reporter: Reporter,
) -> dict[str, Any]:
    """Write a model folder for each course; their thresholds come from all held-out picks.

    Parameters
    ----------
    courses : mapping
        Name of the fold, or nothing, to the course; all are trained.
    plan : Blueprint
        How their network is made.
    record : mapping
        What was asked for.
    overwrite : bool
        Whether existing model folders are replaced.
    reporter : Reporter
        Where the scores go.

    Returns
    -------
    dict
        ``line``, a summary, and the scores.
    """
    candidate: PicksByRun = {}
    networks: dict[str, nn.Module] = {}
    for name, course in courses.items():
        networks[name] = _best_network(course, plan)
        candidate |= course.judge.picks(
            networks[name],
            course.store(),
            course.split.validation,
            n_augmentations=AUGMENTATION_COUNT,
        )
    first = next(iter(courses.values()))
    calibration = calibration_of(first.judge.evaluation(candidate), margin=CALIBRATION_MARGIN)
    for name, why in calibration.refused.items():
        reporter.warn(f"no score threshold for {name}: {why}")
    kept = with_min_score(candidate, calibration.thresholds)
    evaluation = first.judge.evaluation(kept)
    scores = held_out_scores(evaluation, calibration.thresholds)
    for note in evaluation.notes:
        reporter.note(note)
    reporter.table("Held-out runs, at the chosen thresholds", *held_out_table(scores))
    output = Path(first.settings.output)
    permit = partial(check_free_models, output, overwrite=overwrite)
    with replacing(output, permit=permit) as fresh:
        for name, course in courses.items():
            write_model(
                fresh / name,
                networks[name].cpu(),
                _card(course, plan, record, calibration, scores, n_models=len(courses)),
                crop=_crop(course),
                beside=partial(_beside, course),
                overwrite=False,
            )
    macro = evaluation.macro.score
    beta = first.settings.beta
    what = str(output) if len(courses) == 1 else f"{output} ({len(courses)} models)"
    weighted = "" if beta == 1 else f", F{beta:g} {number_or_dash(macro.f_beta)}"
    line = f"{what}: F1 {number_or_dash(macro.f1)}{weighted} on validation runs"
    return {"line": line, "scores": scores, "thresholds": calibration.thresholds}


def _beside(course: Course, card: ModelCard) -> dict[str, str]:
    """Return what stands beside a model: its curve and what it is, in words."""
    curve = (course.folder / CURVE_FILE).read_text(encoding="utf-8")
    return {CURVE_FILE: curve, README_FILE: readme_text(card)}


def _best_network(course: Course, plan: Blueprint) -> nn.Module:
    network, _ = plan.network(course.settings.seed)
    load_state(network, read_weights(course.folder / BEST_FILE))
    return network.eval()


def _card(
    course: Course,
    plan: Blueprint,
    record: Mapping[str, Any],
    calibration: Calibration,
    scores: Mapping[str, Any],
    *,
    n_models: int,
) -> ModelCard:
    settings, data = course.settings, course.data
    thresholds = calibration.thresholds
    start = plan.start_card
    sees_bright = (data.contrast if start is None else start.contrast) == "bright"
    return ModelCard(
        name=Path(settings.output).name,
        architecture=plan.architecture,
        parameters=plan.parameters,
        window_voxels=plan.patch,
        objects=tuple(
            ModelObject(
                name=spec.name,
                channel=channel,
                radius_angstrom=spec.radius_angstrom,
                target_fraction=course.judge.target_fraction,
                score_threshold=thresholds.get(spec.name),
            )
            for channel, spec in enumerate(data.objects, start=1)
        ),
        voxel_spacing_angstrom=data.voxel_spacing,
        contrast="bright" if sees_bright else "dark",
        normalization="zscore",
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
                "training": _side(course, course.split.training),
                "validation": _side(course, course.split.validation),
            },
            "training": finished(course.folder),
            "scores": {
                "rules": (
                    f"one-to-one, within half the radius; F-beta with beta {settings.beta:g}"
                ),
                "on": (
                    f"all runs, each found by the one of {n_models} models that was not trained "
                    "on it"
                    if n_models > 1
                    else "the validation runs"
                ),
                "objects": dict(scores),
            },
            "localize_method": course.judge.method,
            "limits": _limits(course, n_models),
            "settings": record["settings"],
        },
    )


def _side(course: Course, names: tuple[str, ...]) -> dict[str, Any]:
    runs = {run.name: str(run.tomogram) for run in course.data.runs if run.name in names}
    return {"runs": runs, "picks": course.data.counts(names)}


def _limits(course: Course, n_models: int) -> list[str]:
    data = course.data
    limits = [
        f"Made for tomograms of {data.voxel_spacing:g} Angstrom a voxel in which protein looks "
        f"{data.contrast}, like those it was trained on; nothing is known of others.",
        "The thresholds were chosen on the runs that the scores are from: scores on new "
        "tomograms tend to be lower.",
    ]
    if n_models > 1:
        limits.append(
            "One of several models of a cross-validation; together they make an ensemble."
        )
    few = [name for name, number in data.counts(course.split.training).items() if number < 100]
    if few:
        limits.append(f"Fewer than 100 training picks: {choices_text(few)}.")
    return limits


def _crop(course: Course) -> TomogramCrop:
    """Return a piece of a validation tomogram, around its first pick where there is one."""
    name = course.split.validation[0]
    run = next(run for run in course.data.runs if run.name == name)
    volume = course.store().open_tomogram(run.name, run.tomogram)
    shape, multiple = np.array(run.shape_zyx), course.judge.window_multiple
    side = np.minimum(CROP_VOXELS, shape) // multiple * multiple
    points = [
        points_to_voxels(picks.points_xyz, run.tomogram.voxel_spacing)
        for picks in run.picks.values()
        if len(picks)
    ]
    middle = points[0][0] if points else shape / 2
    corner = np.clip(np.rint(middle - side / 2), 0, shape - side).astype(int)
    z, y, x = (slice(int(a), int(a + b)) for a, b in zip(corner, side, strict=True))
    values = normalised(
        volume.read(z.start, z.stop)[:, y, x],
        VolumeStatistics(run.mean, run.standard_deviation),
        inverted=course.judge.inverted,
    )
    return TomogramCrop(values, run.name, str(run.tomogram), (z.start, y.start, x.start))
