"""Projects and models of the benchmarks: made from a seed, nothing trained, nothing downloaded."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import yaml

from copick_picker.core.models.registry import build_network
from copick_picker.project.copick.making import add_tomogram, create_project
from copick_picker.records.keys import TomogramKey
from copick_picker.records.runs import ObjectSpec

TOMOGRAM = TomogramKey("wbp", 10.0)
OBJECTS = tuple(
    ObjectSpec(f"object-{number}", label=number, radius_angstrom=60.0 + 20 * number)
    for number in range(1, 5)
)
UNET = {
    "channels": [48, 64, 80, 80],
    "strides": [2, 2, 1],
    "num_res_units": 1,
    "dropout": 0.1,
}
"""The network of octopi's that all figures are about."""
SEED = 20270


def bench_project(folder: Path, shape_zyx: tuple[int, int, int], *, runs: int = 1) -> Path:
    """Return the configuration of a project of so many tomograms; made once, then kept."""
    if (folder / "config.json").exists():
        return folder / "config.json"
    config = create_project(folder.with_suffix(".part"), OBJECTS, name="benchmark")
    folder.with_suffix(".part").rename(folder)
    config = folder / "config.json"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace(f"{folder.name}.part", folder.name), encoding="utf-8")
    for number in range(1, runs + 1):
        add_tomogram(config, f"TS_{number}", TOMOGRAM, specimen(shape_zyx, seed=SEED + number))
    return config


def specimen(shape_zyx: tuple[int, int, int], *, seed: int) -> npt.NDArray[np.float32]:
    """Return dark balls of four sizes in white noise, (z, y, x)."""
    rng = np.random.default_rng(seed)
    volume = rng.normal(size=shape_zyx).astype(np.float32)
    count = max(volume.size // 40_000, 1)
    for centre_zyx in rng.uniform(0, 1, (count, 3)) * shape_zyx:
        radius = rng.integers(4, 9)
        low = np.maximum(centre_zyx.astype(int) - radius, 0)
        box = tuple(slice(start, start + 2 * radius) for start in low)
        part = volume[box]
        grids = np.indices(part.shape) - radius
        part[(grids**2).sum(axis=0) < radius**2] -= 2.0
    return volume


def octopi_model(
    folder: Path, *, channels: Sequence[int] = tuple(UNET["channels"]), window: int = 96
) -> tuple[Path, Path]:
    """Return octopi's pair of files of a network with random weights; made once, then kept."""
    folder.mkdir(parents=True, exist_ok=True)
    config, weights = folder / "model_config.yaml", folder / "best_model.pth"
    settings = {**UNET, "channels": list(channels)}
    n_channels = len(OBJECTS) + 1
    torch.manual_seed(SEED)
    network = build_network("Unet", settings, n_channels)
    torch.save(network.state_dict(), weights)
    model = {"architecture": "Unet", **settings, "dim_in": window, "num_classes": n_channels}
    labels = {entry.name: entry.label for entry in OBJECTS}
    content = {
        "model": model,
        "labels": labels,
        "optimizer": {},
        "dataloader": {"voxel_size": 10.0},
    }
    config.write_text(yaml.safe_dump(content), encoding="utf-8")
    return config, weights
