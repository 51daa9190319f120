"""Draw the picture of docs/commands/mask.md: a specimen found in the demo's real tomogram.

python scripts/draw_masks.py docs/images/mask_lamella.png
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
from copick_picker.workflows.demo_projects import make_real_project

OPTIONS = ("--detail", "80", "--texture", "600", "--smoothing", "600")
SLAB = 3


def main() -> None:
    """Make the project, run ``mask lamella`` on it, draw two sections."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", type=Path)
    picture = parser.parse_args().picture
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


if __name__ == "__main__":
    main()
