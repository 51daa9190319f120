"""A model of CryoSiam in its own windows (``--mode exact``) and through the engine.

Usage: python tests/benchmarks/cryosiam_modes.py [--steps 300] [--modes balanced] [--seed 5]

Two kinds of weights: the random ones of ``tests/fixtures/cryosiam``, which react to all that
surrounds a voxel, and those of the same network trained here for a few minutes on balls of three
sizes in noise (``--steps 0`` leaves that out). Prints for every tomogram the share of equal labels,
the mean and the greatest difference of the probabilities, CPU seconds, and with trained weights the
Dice with the truth, mean over the classes.
"""

import argparse
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import mrcfile
import numpy as np
import numpy.typing as npt
import torch

from copick_picker import segment
from copick_picker.core.heads.losses import TverskyCrossEntropy
from copick_picker.core.models.registry import build_network
from copick_picker.core.segment.results import SegmentedVolume
from copick_picker.core.segment.wrapped import scaled
from copick_picker.core.simulate.placement import separated_points
from copick_picker.core.simulate.shells import draw_ball
from copick_picker.project.folders.checkpoints import read_model_folder, write_model_folder
from copick_picker.settings.model import ModelCard, model_card
from copick_picker.workflows.models.folder import convert_checkpoint

CRYOSIAM = Path(__file__).parents[1] / "fixtures" / "cryosiam"
STEMS = ("TS_01_6.80Apx", "TS_02_6.80Apx")
CHECKPOINTS = {"multiclass": ("multiclass", 4), "lamella_raw": ("lamella", 2)}
SPACING = 6.8
RADII_ANGSTROM = (20.0, 30.0, 40.0)
BALLS_OF_A_SIZE = 30
DARK, BRIGHT, NOISE = 0.2, 0.6, 0.15
SHAPE_ZYX = (56, 116, 104)
PATCH_VOXELS = 32
LEARNING_RATE = 2e-3
HEADER = (
    "weights      tomogram       shape           mode      equal labels  mean |dp|  max |dp|  CPU s"
)


@dataclass(frozen=True, eq=False)
class Balls:
    """A tomogram, the channel of each voxel, and all centres (z, y, x) in voxels."""

    volume: npt.NDArray[np.float32]
    target: npt.NDArray[np.uint8]
    centres_zyx: npt.NDArray[np.float64]


class Silent:
    """Reporter that says nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""

    warn = note


def fixture_model(folder: Path, name: str) -> Path:
    checkpoint, n_channels = CHECKPOINTS[name]
    convert_checkpoint(
        str(CRYOSIAM / checkpoint / "model.ckpt"),
        str(folder / name),
        objects={f"class-{channel}": channel for channel in range(1, n_channels)},
        config=str(CRYOSIAM / f"{name}.yaml"),
        voxel_spacing=SPACING,
        trust=False,
        overwrite=False,
        reporter=Silent(),
    )
    return folder / name


def balls(rng: np.random.Generator) -> Balls:
    """Return a tomogram of bright balls in noise and what is where; each size is a class."""
    wanted = np.tile(RADII_ANGSTROM, BALLS_OF_A_SIZE)
    high_xyz = np.array(SHAPE_ZYX[::-1]) * SPACING
    points, radii = separated_points(
        wanted, np.zeros(3), high_xyz, rng, touching_share=0.2, tries=50
    )
    signal, target = np.zeros(SHAPE_ZYX, np.float32), np.zeros(SHAPE_ZYX, np.uint8)
    for point, radius in zip(points, radii, strict=True):
        ball = np.zeros(SHAPE_ZYX, np.float32)
        draw_ball(ball, point, radius_angstrom=radius, volts=1.0, voxel_spacing=SPACING)
        channel = 1 + RADII_ANGSTROM.index(radius)
        target[ball > 0.5] = channel
        signal = np.maximum(signal, ball)
    volume = DARK + (BRIGHT - DARK) * signal + NOISE * rng.standard_normal(SHAPE_ZYX)
    return Balls(volume.astype(np.float32), target, points[:, ::-1] / SPACING)


def with_scaling(entry: Balls, card: ModelCard) -> Balls:
    assert card.scaling is not None
    return replace(entry, volume=scaled(entry.volume, card.scaling.record(), inverted=False))


def batch(volumes: list[Balls], rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Return two patches that hold a ball each, and their channels."""
    patches, targets = [], []
    for entry in (volumes[number] for number in rng.integers(len(volumes), size=2)):
        centre = entry.centres_zyx[rng.integers(len(entry.centres_zyx))]
        corner = np.rint(centre - PATCH_VOXELS * rng.uniform(0.25, 0.75, 3)).astype(int)
        corner = np.clip(corner, 0, np.subtract(entry.volume.shape, PATCH_VOXELS))
        where = tuple(slice(start, start + PATCH_VOXELS) for start in corner)
        patches.append(entry.volume[where])
        targets.append(entry.target[where].astype(np.int64))
    return torch.from_numpy(np.stack(patches)[:, None]), torch.from_numpy(np.stack(targets))


def trained_model(folder: Path, like: Path, steps: int, rng: np.random.Generator) -> Path:
    """Train the network of another model's card from scratch."""
    _, raw = read_model_folder(like)
    card = model_card(raw, str(like))
    volumes = [with_scaling(balls(rng), card) for _ in range(4)]
    network = build_network(card.architecture, card.parameters, card.channel_count).train()
    loss = TverskyCrossEntropy(0.5, 0.5, [1.0] * card.channel_count)
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    began = time.process_time()
    for step in range(steps):
        patches, targets = batch(volumes, rng)
        value = loss(network(patches), targets)
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        optimizer.step()
        falling.step()
        if step % 50 == 0 or step == steps - 1:
            seconds = time.process_time() - began
            print(f"step {step}: loss {value.item():.3f}, {seconds:.0f} CPU s", flush=True)
    write_model_folder(folder / "trained", network.state_dict(), raw)
    return folder / "trained"


def timed(volume: npt.NDArray[np.float32], model: Path, mode: str) -> tuple[SegmentedVolume, float]:
    began = time.process_time()
    result = segment(volume, model, mode=mode, device="cpu", probabilities=True)
    return result, time.process_time() - began


def dice(labels: npt.NDArray[np.uint8], truth: npt.NDArray[np.uint8]) -> float:
    shares = []
    for channel in range(1, len(RADII_ANGSTROM) + 1):
        found, wanted = labels == channel, truth == channel
        shares.append(2 * (found & wanted).sum() / max(found.sum() + wanted.sum(), 1))
    return float(np.mean(shares))


def compare(
    name: str,
    stem: str,
    entry: tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8] | None],
    model: Path,
    modes: list[str],
) -> None:
    """Print one line a mode."""
    volume, truth = entry
    exact, seconds = timed(volume, model, "exact")
    results = {"exact": (exact, seconds)} | {mode: timed(volume, model, mode) for mode in modes}
    shape = " x ".join(map(str, volume.shape))
    for mode, (found, seconds) in results.items():
        equal = (found.labels == exact.labels).mean()
        assert found.probabilities is not None
        assert exact.probabilities is not None
        apart = np.abs(found.probabilities.astype(np.float32) - exact.probabilities)
        line = f"{name:<12} {stem:<14} {shape:<15} {mode:<9} {equal:>11.2%}"
        line += f"  {apart.mean():>9.4f}  {apart.max():>8.3f}  {seconds:>5.1f}"
        print(line + ("" if truth is None else f"  Dice {dice(found.labels, truth):.3f}"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--modes", default="balanced")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    rng = np.random.default_rng(options.seed)
    modes = options.modes.split(",")
    with tempfile.TemporaryDirectory() as scratch:
        models = {name: fixture_model(Path(scratch), name) for name in CHECKPOINTS}
        trained = None
        if options.steps:
            trained = trained_model(Path(scratch), models["multiclass"], options.steps, rng)
        print(HEADER)
        for name, model in models.items():
            for stem in STEMS:
                volume = mrcfile.read(CRYOSIAM / "tomograms" / f"{stem}.mrc")
                compare(f"random {CHECKPOINTS[name][1]}", stem, (volume, None), model, modes)
        if trained is not None:
            for number in (1, 2):
                entry = balls(rng)
                compare("trained", f"balls {number}", (entry.volume, entry.target), trained, modes)


if __name__ == "__main__":
    main()
