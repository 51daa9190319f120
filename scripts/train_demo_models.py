"""Simulate, train, calibrate and write the two models that ship with the package.

    python scripts/train_demo_models.py vlp --work /tmp/vlp
    python scripts/train_demo_models.py molecules --work /tmp/molecules

Everything is made from the repository alone. A run that was stopped goes on where it stood: the
simulated tomograms and the last state lie in the work folder.
"""

import argparse
import json
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from held_out import (
    chosen_thresholds,
    figures,
    held_out,
    provenance_of,
    real_test,
    write_model,
)
from model_readmes import card_text, real_text, score_table
from recipes import RECIPES, Recipe, noise_levels

from copick_picker.core.geometry import points_to_voxels
from copick_picker.core.labels import paint_spheres
from copick_picker.core.models.residual_unet import ResidualUNet
from copick_picker.core.simulate.imaging import simulated_tomogram
from copick_picker.core.train.losses import TverskyCrossEntropy
from copick_picker.core.train.trainer import Trainer, TrainingPlan
from copick_picker.core.train.volume_batches import (
    TrainingVolume,
    patch_batch,
    with_random_contrast,
)
from copick_picker.project.mrc import read_mrc
from copick_picker.workflows.demo_projects import package_data

SPLITS = {"train": 0, "validation": 1, "test": 2}
FOLDERS = {"vlp": "hiv-vlp-40a", "molecules": "simulated-10a"}


def main() -> None:
    """Run one recipe."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=sorted(RECIPES))
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", choices=["simulate"])
    parser.add_argument(
        "--output", type=Path, help="model folder (default: the one in the package)"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    recipe = RECIPES[arguments.model]()
    arguments.work.mkdir(parents=True, exist_ok=True)
    simulate_pool(arguments.model, arguments.work, arguments.processes)
    if arguments.only == "simulate":
        return
    network = train(recipe, arguments.work)
    finish(arguments.model, recipe, network, arguments)


def simulate_pool(model: str, work: Path, processes: int) -> None:
    """Write the simulated tomograms that are not there yet."""
    jobs = [
        (model, work, split, index)
        for split, count in RECIPES[model]().tomograms.items()
        for index in range(count)
        if not _pool_file(work, split, index).exists()
    ]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for done, _ in enumerate(pool.map(_simulate_one, jobs), start=1):
            if done % 20 == 0 or done == len(jobs):
                print(f"simulated {done} of {len(jobs)}", flush=True)


def _simulate_one(job: tuple[str, Path, str, int]) -> None:
    model, work, split, index = job
    recipe = RECIPES[model]()
    torch.set_num_threads(1)
    rng = np.random.default_rng([recipe.seed, SPLITS[split], index])
    is_training = split == "train"
    scene = recipe.training_scene(rng) if is_training else recipe.held_out_scene(rng)
    radii = {
        channel: recipe.target_fraction[name] * recipe.radius_angstrom[name]
        for channel, name in enumerate(recipe.objects, start=1)
    }
    points = {c: scene.points_xyz[name] for c, name in enumerate(recipe.objects, start=1)}
    shape = scene.potential.shape
    target = paint_spheres(shape, points, radii, voxel_spacing=scene.voxel_spacing)
    arrays: dict[str, Any] = {"target": target}
    for channel, points_xyz in points.items():
        arrays[f"centres_{channel}"] = points_to_voxels(points_xyz, scene.voxel_spacing)
    draw = recipe.training_conditions if is_training else recipe.held_out_conditions
    for view in range(recipe.views if is_training else 1):
        conditions = draw(rng)
        volume = simulated_tomogram(scene.potential, scene.voxel_spacing, conditions, rng)
        arrays[f"volume_{view}"] = ((volume - volume.mean()) / volume.std()).astype(np.float16)
    temporary = _pool_file(work, split, index).with_suffix(".part.npz")
    np.savez(temporary, **arrays)
    temporary.rename(_pool_file(work, split, index))


def load_pool(recipe: Recipe, work: Path, split: str) -> list[TrainingVolume]:
    """Return the simulated tomograms of a split, one entry for each view of a scene."""
    volumes = []
    for index in range(recipe.tomograms[split]):
        with np.load(_pool_file(work, split, index)) as arrays:
            centres = {c: arrays[f"centres_{c}"] for c in range(1, len(recipe.objects) + 1)}
            volumes += [
                TrainingVolume(arrays[name], arrays["target"], centres)
                for name in arrays.files
                if name.startswith("volume_")
            ]
    return volumes


def _pool_file(work: Path, split: str, index: int) -> Path:
    return work / f"{split}_{index:04d}.npz"


def new_network(recipe: Recipe) -> ResidualUNet:
    """Return the recipe's network with fresh weights."""
    torch.manual_seed(recipe.seed)
    return ResidualUNet(1, len(recipe.objects) + 1, recipe.channels, recipe.dropout)


def train(recipe: Recipe, work: Path) -> torch.nn.Module:
    """Train to the recipe's number of steps, from the last saved state on."""
    plan = TrainingPlan(
        steps=recipe.steps,
        warmup_steps=recipe.warmup_steps,
        learning_rate=recipe.learning_rate,
        weight_decay=1e-2,
        average_decay=0.995,
        gradient_norm=5.0,
        precision=torch.float32,
    )
    loss = TverskyCrossEntropy(0.3, 0.7, recipe.channel_weights)
    trainer = Trainer(new_network(recipe), loss, plan, torch.device("cpu"))
    state_file = work / "state.pt"
    if state_file.exists():
        trainer.load_state(torch.load(state_file, weights_only=True))
    volumes = load_pool(recipe, work, "train")
    losses: list[float] = []
    started, first = time.monotonic(), trainer.step_count
    while trainer.step_count < plan.steps:
        rng = np.random.default_rng([recipe.seed, 9, trainer.step_count])
        patches, targets = patch_batch(
            volumes,
            rng,
            batch_size=recipe.batch_size,
            window_voxels=recipe.patch_voxels,
            particle_share=recipe.particle_share,
        )
        patches = with_random_contrast(patches, rng, scale_sigma=0.2, shift_sigma=0.1)
        losses.append(trainer.step(patches, targets))
        if trainer.step_count % 50 == 0 or trainer.step_count == plan.steps:
            pace = (time.monotonic() - started) / (trainer.step_count - first)
            report = {
                "step": trainer.step_count,
                "loss": round(float(np.mean(losses[-50:])), 4),
                "seconds_per_step": round(pace, 2),
            }
            print(json.dumps(report), flush=True)
            temporary = state_file.with_suffix(".part")
            torch.save(trainer.state(), temporary)
            temporary.rename(state_file)
    return trainer.averaged_network()


def finish(
    model: str, recipe: Recipe, network: torch.nn.Module, arguments: argparse.Namespace
) -> None:
    """Choose thresholds, score the held-out tomograms and write the model folder."""
    validation = held_out(network, recipe, load_pool(recipe, arguments.work, "validation"), {})
    thresholds = chosen_thresholds(validation, recipe.threshold_margin)
    test = held_out(network, recipe, load_pool(recipe, arguments.work, "test"), thresholds)
    scores = figures(test)
    facts = provenance_of(recipe, recipe.steps) | {"held_out_simulated": scores}
    fields = text_fields(recipe, network) | {
        "table": score_table(scores, thresholds),
        "macro": float(np.mean([entry["f1"] for entry in scores.values()])),
    }
    if model == "vlp":
        volume, _ = read_mrc(package_data() / "hiv_vlp" / "hiv_vlp.mrc")
        real = real_test(network, recipe, thresholds, volume)
        facts["held_out_real"] = real
        fields["real"] = real_text(real)
    else:
        signal_to_noise, contrast_to_noise = noise_levels(recipe)
        fields |= {"snr": signal_to_noise, "cnr": contrast_to_noise}
    folder = arguments.output or package_data().parent / "models" / FOLDERS[model]
    text = card_text(model, fields)
    write_model(network, recipe, folder, thresholds=thresholds, provenance=facts, read_me=text)
    print(json.dumps(facts, indent=1), flush=True)


def text_fields(recipe: Recipe, network: torch.nn.Module) -> dict[str, object]:
    """Return what the texts of the model cards have in common."""
    first = recipe.objects[0]
    named = [f"`{name}` ({recipe.radius_angstrom[name]:g} A)" for name in recipe.objects]
    return {
        "name": recipe.name,
        "objects": ", ".join(named),
        "radius": recipe.radius_angstrom[first],
        "fraction": recipe.target_fraction[first],
        "tolerance": recipe.tolerance_angstrom[first],
        "parameters": sum(value.numel() for value in network.parameters()),
        "window": " x ".join(str(side) for side in recipe.window_voxels),
        "seed": recipe.seed,
        "margin": recipe.threshold_margin,
        "views": recipe.views,
        "steps": recipe.steps,
        "batch": recipe.batch_size,
        **recipe.tomograms,
    }


if __name__ == "__main__":
    main()
