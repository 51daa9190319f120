"""Draw the pictures of docs/commands/mask.md, from the demo's tomograms.

python scripts/draw_masks.py docs/images
"""

import argparse
import tempfile
from pathlib import Path

import copick
import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from click.testing import CliRunner

from copick_picker.cli.main import console
from copick_picker.workflows.benchmark.demo_projects import (
    make_real_project,
    make_simulated_project,
)

OPTIONS = ("--detail", "80", "--texture", "600", "--smoothing", "600")
SLAB = 3


def main() -> None:
    """Draw every picture into a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    lamella(folder / "mask_lamella.png")
    gold(folder / "mask_gold.png")


def lamella(picture: Path) -> None:
    """Make the project, run ``mask lamella`` on it, draw two sections."""
    with tempfile.TemporaryDirectory() as folder:
        config = make_real_project(Path(folder) / "hiv")
        result = CliRunner().invoke(console, ["mask", "lamella", "-c", str(config), *OPTIONS])
        assert result.exit_code == 0, result.output
        print(result.output)
        run = copick.from_file(str(config)).get_run("hiv")
        volume = -run.get_voxel_spacing(40.0).get_tomograms("wbp")[0].numpy()
        mask = run.get_segmentations(name="lamella")[0].numpy()
        points = run.get_picks(object_name="virus-like-particle")[0].full_positions() / 40.0
    draw(volume, mask, points, picture)
    print(picture)


def draw(
    volume: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
    mask: np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
    points: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    picture: Path,
) -> None:
    """Draw an xz and a yz section with the mask's outline and the reference picks near them."""
    middle_y, middle_x = volume.shape[1] // 2, round(float(np.median(points[:, 0])))
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    sections = (
        (volume[:, middle_y - 1 : middle_y + 2].mean(axis=1), mask[:, middle_y], 0, 1, middle_y),
        (
            volume[:, :, middle_x - 1 : middle_x + 2].mean(axis=2),
            mask[:, :, middle_x],
            1,
            0,
            middle_x,
        ),
    )
    for axis, (section, outline, across, through, place) in zip(axes, sections, strict=True):
        low, high = np.percentile(section, [1, 99])
        axis.imshow(section, cmap="gray", vmin=low, vmax=high, origin="lower")
        axis.contour(outline, levels=[0.5], colors="#E69F00", linewidths=1.5)
        near = points[np.abs(points[:, through] - place) < 14]
        axis.plot(near[:, across], near[:, 2], "+", color="#56B4E9", markersize=9)
        axis.set_title(f"{'xy'[across]}z, {'xy'[through]} = {place * 40} A", fontsize=9)
        axis.set_xticks([])
        axis.set_yticks([])
    axes[0].plot([6, 31], [6, 6], color="white", linewidth=3)
    axes[0].text(18.5, 9, "100 nm", color="white", ha="center", fontsize=9)
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, dpi=70, pil_kwargs={"optimize": True})


def gold(picture: Path) -> None:
    """Run ``mask gold``, ``mask exclude-edges`` on a simulated tomogram, draw the bead's slice."""
    commands = (("gold",), ("exclude-edges", "--margin-xy", "150"))
    with tempfile.TemporaryDirectory() as folder:
        config = make_simulated_project(Path(folder) / "simulated")
        for command in commands:
            asked = ["mask", *command, "-c", str(config), "-r", "SIM_2"]
            result = CliRunner().invoke(console, asked)
            assert result.exit_code == 0, result.output
            print(result.output)
        run = copick.from_file(str(config)).get_run("SIM_2")
        volume = run.get_voxel_spacing(10.0).get_tomograms("wbp")[0].numpy()
        masks = [run.get_segmentations(name=name)[0].numpy() for name in ("no-gold", "inner")]
    bead = np.argwhere(masks[0] == 0).mean(axis=0).round().astype(int)
    figure, axes = plt.subplots(1, 2, figsize=(9, 4.5), layout="constrained")
    low, high = np.percentile(volume[bead[0]], [1, 99])
    titles = ("mask gold", "mask exclude-edges --margin-xy 150")
    for axis, mask, title in zip(axes, masks, titles, strict=True):
        axis.imshow(volume[bead[0]], cmap="gray", vmin=low, vmax=high, origin="lower")
        axis.contour(mask[bead[0]], levels=[0.5], colors="#E69F00", linewidths=1.5)
        axis.set_title(title, fontsize=9)
        axis.set_xticks([])
        axis.set_yticks([])
    figure.savefig(picture, dpi=70, pil_kwargs={"optimize": True})
    print(picture)


if __name__ == "__main__":
    main()
