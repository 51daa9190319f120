"""Write the simulated tomograms behind a shipped model as a copick project.

    python scripts/demo_training_projects.py molecules --work /tmp/molecules

The runs are ``train_000a`` and ``train_000b`` (views of one scene under two imaging conditions),
``validation_000`` and ``test_000``, each with the tomogram ``wbp`` (protein dark) and the
reference picks of user ``curator``, session 1. A scene draws from the recipe's seed, its split and
its number alone. A script that was stopped goes on where it stood when it is started again.
"""

import argparse
import shutil
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from recipes import RECIPES, Recipe

from copick_picker.core.simulate.imaging import simulated_tomogram
from copick_picker.project.copick.making import add_picks, add_tomogram, create_project
from copick_picker.project.folders.demo_folder import REFERENCE_SESSION, REFERENCE_USER
from copick_picker.records.keys import PicksKey, TomogramKey
from copick_picker.records.points import PickSet
from copick_picker.records.runs import ObjectSpec
from copick_picker.workflows.benchmark.demo_projects import TOMOGRAM_TYPE

SPLITS = {"train": 0, "validation": 1, "test": 2}
"""Part of the seed."""


@dataclass(frozen=True)
class SceneJob:
    """One scene to make: of which recipe, for which split, and where."""

    model: str
    split: str
    index: int
    work: Path

    def run_names(self) -> list[str]:
        """Return the names of its runs, one for each view."""
        name = f"{self.split}_{self.index:03d}"
        if self.split != "train":
            return [name]
        return [name + "abcdefgh"[view] for view in range(RECIPES[self.model]().views)]

    @property
    def mark(self) -> Path:
        """File that says that the scene stands whole."""
        return self.work / "made" / f"{self.split}_{self.index:03d}"


def main() -> None:
    """Make the project of one recipe."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=sorted(RECIPES))
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--scenes", help="scenes for train,validation,test (for a trial)")
    arguments = parser.parse_args()
    counts = scene_counts(arguments.model, arguments.scenes)
    print(make_project(arguments.model, arguments.work, counts, processes=arguments.processes))


def scene_counts(model: str, asked: str | None) -> dict[str, int]:
    """Return how many scenes each split has: the recipe's, or ``4,2,2``."""
    if asked is None:
        return dict(RECIPES[model]().tomograms)
    return dict(zip(SPLITS, map(int, asked.split(",")), strict=True))


def make_project(model: str, work: Path, counts: Mapping[str, int], *, processes: int) -> Path:
    """Write what is missing of a project and return its configuration."""
    recipe, folder = RECIPES[model](), work / "project"
    config = folder / "config.json"
    if not config.exists():
        specs = [
            ObjectSpec(name, label, recipe.radius_angstrom[name])
            for label, name in enumerate(recipe.objects, start=1)
        ]
        create_project(folder, specs, name=f"Simulated tomograms behind {recipe.name}")
    jobs = [
        SceneJob(model, split, index, work)
        for split, count in counts.items()
        for index in range(count)
    ]
    missing = [job for job in jobs if not job.mark.exists()]
    (work / "made").mkdir(exist_ok=True)
    if processes == 1:
        _say_progress(map(make_scene, missing), len(missing))
    else:
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            _say_progress(pool.map(make_scene, missing), len(missing))
    return config


def _say_progress(results: object, count: int) -> None:
    for done, _ in enumerate(results, start=1):
        if done % 10 == 0 or done == count:
            print(f"{done} of {count} scenes made", flush=True)


def make_scene(job: SceneJob) -> None:
    """Simulate a scene and write all its views; what a stopped script left of it goes first."""
    torch.set_num_threads(1)
    recipe = RECIPES[job.model]()
    rng = np.random.default_rng([recipe.seed, SPLITS[job.split], job.index])
    is_training = job.split == "train"
    scene = recipe.training_scene(rng) if is_training else recipe.held_out_scene(rng)
    draw = recipe.training_conditions if is_training else recipe.held_out_conditions
    for run_name in job.run_names():
        conditions = draw(rng)
        volume = simulated_tomogram(scene.potential, scene.voxel_spacing, conditions, rng)
        write_run(job.work / "project", run_name, recipe, volume, scene.points_xyz)
    job.mark.touch()


def write_run(
    folder: Path,
    run_name: str,
    recipe: Recipe,
    volume: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
    points_xyz: Mapping[str, np.ndarray[tuple[int, ...], np.dtype[np.float64]]],
) -> None:
    """Write a run anew: its tomogram, and reference picks of every object, empty sets too."""
    half_made = folder / "project" / "ExperimentRuns" / run_name
    if half_made.exists():
        shutil.rmtree(half_made)
    config = folder / "config.json"
    add_tomogram(config, run_name, TomogramKey(TOMOGRAM_TYPE, recipe.voxel_spacing), volume)
    for name in recipe.objects:
        points = points_xyz.get(name, np.zeros((0, 3)))
        key = PicksKey(name, REFERENCE_USER, REFERENCE_SESSION)
        add_picks(config, run_name, key, PickSet(name, points, np.ones(len(points))))


if __name__ == "__main__":
    main()
