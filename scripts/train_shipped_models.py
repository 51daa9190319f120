"""Train the two models that ship with the package, with the package's own commands.

    python scripts/train_shipped_models.py molecules --work /tmp/molecules
    python scripts/train_shipped_models.py vlp --work /tmp/vlp

Everything is made from the repository alone, in these steps; each command line is shown.

1. ``project``: the simulated scenes as a copick project (``demo_training_projects.py``).
2. ``train``: ``copick-picker train`` with the settings of ``scripts/training``.
3. ``folder``: the trained weights as they ship: window and name of the recipe.
4. ``validation`` and ``calibrate``: ``segment``, ``localize`` and ``calibrate`` on the runs that
   the training was judged by.
5. ``test`` and ``scores``: ``segment``, ``localize`` and ``evaluate`` on runs that nothing was
   chosen on.
6. ``real`` (vlp only): the commands of ``copick-picker demo`` on the real tomogram, once.
7. ``card``: README and provenance of the model.

A step that is done leaves a file in WORK/done; started again, the script goes on with the first
step that is not, and each command with what it had done. The model is WORK/model/NAME;
``--install`` puts it in the place of the one that ships.
"""

import argparse
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from demo_training_projects import make_project, scene_counts
from recipes import RECIPES, Recipe
from shipped_cards import macro_f1, write_card

from copick_picker.core.models.registry import build_network, load_state
from copick_picker.project.folders.checkpoints import read_crop, read_model_folder
from copick_picker.project.folders.model_places import shipped_models
from copick_picker.settings.evaluate import EvaluateSettings
from copick_picker.settings.localize import LocalizeSettings
from copick_picker.settings.model import model_card
from copick_picker.settings.segment import SegmentSettings
from copick_picker.workflows.benchmark.demo import PARTS, command_line
from copick_picker.workflows.benchmark.demo_projects import make_real_project
from copick_picker.workflows.models.folder import TomogramCrop, write_model

if TYPE_CHECKING:
    from copick_picker.settings.job import JobSettings

FOLDERS = {"vlp": "hiv-vlp-40a", "molecules": "simulated-10a"}
TOLERANCES = {"vlp": "540A", "molecules": "0.5r"}
"""Greatest distance of a hit, for the thresholds and for the test."""


@dataclass(frozen=True)
class Training:
    """What one model is made of, and where."""

    model: str
    recipe: Recipe
    work: Path
    counts: dict[str, int]
    processes: int
    threads: int
    further: tuple[str, ...]

    @property
    def name(self) -> str:
        """Name of the model's folder."""
        return FOLDERS[self.model]

    @property
    def config(self) -> Path:
        """Configuration of the project."""
        return self.work / "project" / "config.json"

    @property
    def folder(self) -> Path:
        """The model as it ships."""
        return self.work / "model" / self.name

    @property
    def tomogram(self) -> str:
        """URI of the tomograms."""
        return f"wbp@{self.recipe.voxel_spacing}"


def main() -> None:
    """Go through the steps that are not done."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", choices=sorted(RECIPES))
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--processes", type=int, default=1, help="that simulate")
    parser.add_argument("--threads", type=int, default=2, help="of train and segment")
    parser.add_argument("--scenes", help="scenes for train,validation,test (for a trial)")
    parser.add_argument("--train", default="", help="further options of train (for a trial)")
    parser.add_argument("--until", choices=sorted(STEPS), help="stop after this step")
    parser.add_argument("--install", action="store_true")
    arguments = parser.parse_args()
    training = Training(
        arguments.model,
        RECIPES[arguments.model](),
        arguments.work.resolve(),
        scene_counts(arguments.model, arguments.scenes),
        arguments.processes,
        arguments.threads,
        tuple(shlex.split(arguments.train)),
    )
    (training.work / "done").mkdir(parents=True, exist_ok=True)
    for name, step in STEPS.items():
        mark = training.work / "done" / name
        if not mark.exists():
            print(f"=== {name}", flush=True)
            step(training)
            mark.touch()
        if name == arguments.until:
            return
    report(training)
    if arguments.install:
        target = shipped_models()[training.name]
        shutil.rmtree(target)
        shutil.copytree(training.folder, target)


def command(*words: object) -> None:
    """Run one of the package's commands; stop where it fails."""
    texts = [str(word) for word in words]
    print("$", shlex.join(["copick-picker", *texts]), flush=True)
    code = subprocess.run([sys.executable, "-m", "copick_picker", *texts], check=False).returncode
    if code:
        raise SystemExit(code)


def project(training: Training) -> None:
    """Simulate what is missing."""
    make_project(training.model, training.work, training.counts, processes=training.processes)


def train(training: Training) -> None:
    """Train, or go on with it."""
    settings = Path(__file__).parent / "training" / f"{training.name}.yaml"
    output = training.work / "trained" / training.name
    options = ("--threads", training.threads, *training.further)
    command("train", "--settings", settings, "-c", training.config, "-o", output, *options)


def as_it_ships(training: Training) -> None:
    """Write the trained weights with the recipe's window and name.

    The network has fixed statistics, so that its output does not depend on the window but near
    the window's faces; the window is chosen for speed.
    """
    source = training.work / "trained" / training.name
    state, raw = read_model_folder(source)
    card = model_card(raw, str(source))
    network = build_network(card.architecture, card.parameters, card.channel_count)
    load_state(network, state)
    crop = None
    if card.crop is not None:
        values = read_crop(source, raw["crop"]).astype(np.float32)
        entry = card.crop
        crop = TomogramCrop(values, entry.run_name, entry.tomogram, entry.corner_zyx)
    changes = {"name": training.recipe.name, "window_voxels": training.recipe.window_voxels}
    changed = card.model_copy(update=changes)
    write_model(training.folder, network.eval(), changed, crop=crop, overwrite=True)


def segment_and_localize(training: Training, split: str, picks: str, *options: object) -> None:
    """Segment and localize the runs of a split."""
    shared = ("-c", training.config, "-r", f"{split}_*")
    command(
        *("segment", *shared, "-m", training.folder, "-i", training.tomogram),
        *("-o", f"{split}:picker/1", "--probabilities", "--threads", training.threads),
    )
    source = f"{split}:picker/1@{training.recipe.voxel_spacing}"
    command("localize", *shared, "-i", source, "-o", picks, *options)


def validation(training: Training) -> None:
    """Find all candidates of the validation runs, those of low score too."""
    options = [word for name in training.recipe.objects for word in ("--threshold", f"{name}=0")]
    segment_and_localize(training, "validation", "*:picker/all", *options)


def calibrate(training: Training) -> None:
    """Choose the thresholds on the validation runs."""
    command(
        *("calibrate", "-c", training.config, "-r", "validation_*", "-i", "*:picker/all"),
        *("--reference", "*:curator/1", "--tolerance", TOLERANCES[training.model]),
        *("--beta", 1, "--margin", training.recipe.threshold_margin, "--model", training.folder),
    )


def test(training: Training) -> None:
    """Find picks in the test runs."""
    segment_and_localize(training, "test", "*:picker/1")


def scores(training: Training) -> None:
    """Score the picks of the test runs."""
    command(
        *("evaluate", "-c", training.config, "-r", "test_*", "--reference", "*:curator/1"),
        *("--tolerance", TOLERANCES[training.model], "--beta", 1),
        *("-o", training.work / "scores", "--overwrite"),
    )


def real(training: Training) -> None:
    """Run the demo's commands on the real tomogram."""
    if training.model != "vlp":
        return
    folder = training.work / "real"
    part = next(part for part in PARTS if part.name == "real")
    if not (folder / "config.json").exists():
        shutil.rmtree(folder, ignore_errors=True)
        part_config = make_real_project(folder)
    else:
        part_config = folder / "config.json"
    shared = {"config": str(part_config)}
    evaluation = {"reference": "*:curator/1", "output": str(folder / "scores"), "overwrite": True}
    model = {"model": (str(training.folder),), "probabilities": True}
    steps: tuple[tuple[str, JobSettings], ...] = (
        ("segment", SegmentSettings(**shared, **(part.segment | model))),
        ("localize", LocalizeSettings(**shared, **part.localize)),
        ("evaluate", EvaluateSettings(**shared, **(part.evaluate | evaluation))),
    )
    for name, settings in steps:
        command(*shlex.split(command_line(name, settings))[1:])


def card(training: Training) -> None:
    """Write what is known of the model into its folder."""
    write_card(
        training.model, training.recipe, training.folder, training.work, counts=training.counts
    )


STEPS: dict[str, Callable[[Training], None]] = {
    "project": project,
    "train": train,
    "folder": as_it_ships,
    "validation": validation,
    "calibrate": calibrate,
    "test": test,
    "scores": scores,
    "real": real,
    "card": card,
}


def report(training: Training) -> None:
    """Say how the model stands beside the one that ships."""
    for what, folder in (("new", training.folder), ("ships", shipped_models()[training.name])):
        facts = model_card(read_model_folder(folder)[1], what).provenance
        line = f"{what}: macro F1 {macro_f1(facts['held_out_simulated']):.3f} on the test runs"
        if "held_out_real" in facts:
            line += f"; real tomogram: {facts['held_out_real']}"
        print(line, flush=True)


if __name__ == "__main__":
    main()
