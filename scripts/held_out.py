"""Thresholds from the validation tomograms, scores on the test tomograms, and the model folder."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from recipes import Recipe

from copick_picker import __version__
from copick_picker.core.evaluate.evaluation import evaluate_picks
from copick_picker.core.evaluate.plan import ScoredObject, ScoringRules
from copick_picker.core.geometry import voxels_to_points
from copick_picker.core.localize import localize
from copick_picker.core.models.fingerprint import fingerprint
from copick_picker.core.segment.augmentations import augmentation_set
from copick_picker.core.segment.engine import segment_volume
from copick_picker.core.segment.plan import EngineOptions, Member
from copick_picker.core.train.volume_batches import TrainingVolume
from copick_picker.project.checkpoints import write_model_folder
from copick_picker.records import LocalizeTarget, PickSet
from copick_picker.scores import Evaluation
from copick_picker.settings.localize import LocalizeParameters
from copick_picker.settings.model import ModelCard, ModelObject
from copick_picker.workflows.demo_projects import vlp_centres

Picks = dict[str, dict[str, PickSet]]
RULES = ScoringRules("one-to-one", 1.0, (0.5, 1.0), 1000, 5, 0.95, (0.0, 0.0, 0.0))


def segmentation(
    network: torch.nn.Module,
    recipe: Recipe,
    volume: npt.NDArray[Any],
    window_voxels: tuple[int, int, int],
    *,
    inverted: bool,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float16]]:
    """Return labels and probabilities, with the augmentation that the model card states."""
    options = EngineOptions(
        augmentations=augmentation_set("octopi", 4),
        overlap=0.5,
        blending="gaussian",
        layout="aligned",
        precision="float32",
        device="cpu",
        window_batch=1,
        inverted=inverted,
    )
    member = Member(network, window_voxels, len(recipe.objects) + 1, "reflect")
    result = segment_volume(volume, [member], options, probabilities=True)
    if result.probabilities is None:
        msg = "the engine kept no probabilities"
        raise RuntimeError(msg)
    return result.labels, result.probabilities


def picks_of(
    network: torch.nn.Module,
    recipe: Recipe,
    volume: npt.NDArray[Any],
    thresholds: Mapping[str, float],
    *,
    window_voxels: tuple[int, int, int],
    inverted: bool = False,
) -> dict[str, PickSet]:
    """Return the picks of each object, with localize's default settings."""
    labels, probabilities = segmentation(network, recipe, volume, window_voxels, inverted=inverted)
    targets = [
        LocalizeTarget(
            name,
            channel,
            recipe.radius_angstrom[name],
            score_threshold=thresholds.get(name),
            target_fraction=recipe.target_fraction[name],
            channel=channel,
        )
        for channel, name in enumerate(recipe.objects, start=1)
    ]
    found = localize(
        labels,
        probabilities,
        targets,
        voxel_spacing=recipe.voxel_spacing,
        rules=LocalizeParameters().rules(),
    )
    return {name: entry.picks for name, entry in found.items()}


def held_out(
    network: torch.nn.Module,
    recipe: Recipe,
    volumes: Sequence[TrainingVolume],
    thresholds: Mapping[str, float],
) -> Evaluation:
    """Return the scores over simulated tomograms, each seen in one window."""
    reference: Picks = {}
    candidate: Picks = {}
    for index, entry in enumerate(volumes):
        run = f"{index:03d}"
        reference[run] = {}
        for channel, name in enumerate(recipe.objects, start=1):
            points_xyz = voxels_to_points(entry.centres_zyx[channel], recipe.voxel_spacing)
            reference[run][name] = PickSet(name, points_xyz, np.ones(len(points_xyz)))
        volume = entry.volume.astype(np.float32)
        candidate[run] = picks_of(network, recipe, volume, thresholds, window_voxels=volume.shape)
        print(f"run {run} done", flush=True)
    scored = [
        ScoredObject(name, recipe.tolerance_angstrom[name], recipe.radius_angstrom[name], 1.0)
        for name in recipe.objects
    ]
    return evaluate_picks(
        reference, candidate, scored, rules=RULES, rng=np.random.default_rng(recipe.seed)
    )


def chosen_thresholds(evaluation: Evaluation, margin: float) -> dict[str, float]:
    """Return the lowest score threshold of each object whose F1 is within a margin of the best.

    The lowest, since scores on other data than the simulated ones tend to be lower.
    """
    thresholds = {}
    for entry in evaluation.objects:
        if entry.curve is None:
            msg = f"{entry.name} has no score curve on the validation tomograms"
            raise RuntimeError(msg)
        good = entry.curve.f_beta >= entry.curve.f_beta.max() - margin
        lowest = float(entry.curve.thresholds[good].min())
        thresholds[entry.name] = math.floor(lowest * 1e3) / 1e3
    return thresholds


def figures(evaluation: Evaluation) -> dict[str, dict[str, float]]:
    """Return the figures of each object that the model card states."""
    return {
        entry.name: {
            "reference": entry.counts.n_reference,
            "precision": _rounded(entry.score.precision),
            "recall": _rounded(entry.score.recall),
            "f1": _rounded(entry.score.f1),
            "mean_error_angstrom": round(entry.localization.mean_angstrom or 0.0, 1),
        }
        for entry in evaluation.objects
    }


def _rounded(value: float | None) -> float:
    return round(0.0 if value is None else value, 3)


def real_test(
    network: torch.nn.Module,
    recipe: Recipe,
    thresholds: Mapping[str, float],
    volume: npt.NDArray[Any],
) -> dict[str, Any]:
    """Return what the model finds in the real tomogram; nothing is tuned on it."""
    name = recipe.objects[0]
    picks = picks_of(
        network, recipe, volume, thresholds, window_voxels=recipe.window_voxels, inverted=True
    )[name]
    truth = np.array([centre[:3] for centre in vlp_centres()])
    annotated = np.array([centre[3] for centre in vlp_centres()])
    distance = np.linalg.norm(truth[:, None] - picks.points_xyz[None], axis=2)
    nearest = distance.min(axis=1, initial=np.inf)
    found = nearest <= recipe.tolerance_angstrom[name]
    box_xy = (np.array(volume.shape[:0:-1]) - 1) * recipe.voxel_spacing
    points_xy = picks.points_xyz[:, :2]
    margin = recipe.tolerance_angstrom[name]
    near_face = np.any((points_xy < margin) | (points_xy > box_xy - margin), axis=1)
    is_false = distance.min(axis=0, initial=np.inf) > recipe.tolerance_angstrom[name]
    return {
        "candidates": len(picks),
        "found": int(found.sum()),
        "of": len(truth),
        "false": int((is_false & ~near_face).sum()),
        "false_near_a_face": int((is_false & near_face).sum()),
        "mean_error_of_annotated_angstrom": round(float(nearest[annotated & found].mean()), 1),
    }


def write_model(
    network: torch.nn.Module,
    recipe: Recipe,
    folder: Path,
    *,
    thresholds: Mapping[str, float],
    provenance: Mapping[str, Any],
    read_me: str,
) -> None:
    """Write the model folder with its card and README."""
    card = ModelCard(
        name=recipe.name,
        architecture="ResidualUNet",
        parameters={"channels": list(recipe.channels), "dropout": recipe.dropout},
        window_voxels=recipe.window_voxels,
        objects=tuple(
            ModelObject(
                name=name,
                channel=channel,
                radius_angstrom=recipe.radius_angstrom[name],
                target_fraction=recipe.target_fraction[name],
                score_threshold=thresholds.get(name),
            )
            for channel, name in enumerate(recipe.objects, start=1)
        ),
        voxel_spacing_angstrom=recipe.voxel_spacing,
        contrast="dark",
        normalization="zscore",
        home="picker",
        augmentation_set="octopi",
        augmentation_count=4,
        overlap=0.5,
        blending="gaussian",
        fingerprint=fingerprint(network, recipe.window_voxels),
        provenance=dict(provenance),
    )
    state = dict(network.state_dict())
    write_model_folder(folder, state, card.to_mapping(), overwrite=True)
    (folder / "README.md").write_text(read_me, encoding="utf-8")


def provenance_of(recipe: Recipe, trained_steps: int) -> dict[str, Any]:
    """Return how the model was made."""
    return {
        "package_version": __version__,
        "script": "scripts/train_demo_models.py",
        "seed": recipe.seed,
        "training_data": "simulated tomograms only",
        "tomograms": dict(recipe.tomograms),
        "views_of_each_training_scene": recipe.views,
        "steps": trained_steps,
        "batch_size": recipe.batch_size,
        "licence": "MIT",
    }
