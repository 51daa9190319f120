"""Draw a run of a simulated project: slices of its two tomograms and of its labels.

copick-picker simulate --preset czii-like -o czii-like --runs 1
python scripts/draw_simulation.py czii-like/config.json docs/images/simulate_czii.png
"""

import argparse
import io
from pathlib import Path

import copick
import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch
from PIL import Image

COLOURS = (*plt.colormaps["tab10"].colors, *plt.colormaps["Dark2"].colors)
SLAB = 5
"""Planes of which a slice of a tomogram is the mean."""
OPACITY = 0.6
GREYS = 10
Volume = np.ndarray[tuple[int, ...], np.dtype[np.float32]]
Labels = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]


def main() -> None:
    """Draw one run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--run", default="SIM_001")
    parser.add_argument("--side", type=int, default=190, help="voxels of y and x that are shown")
    parser.add_argument("--plane", type=int, help="of z; default: the one with most labels")
    options = parser.parse_args()
    root = copick.from_file(str(options.config))
    run = root.get_run(options.run)
    spacing = run.voxel_spacings[0]
    volumes = [spacing.get_tomograms(kind)[0].numpy() for kind in ("wbp", "denoised")]
    labels = run.get_segmentations(name="truth")[0].numpy()
    names = {each.label: each.name for each in root.pickable_objects}
    text = f"{options.run}, {spacing.voxel_size:g} A"
    pixels = drawn(volumes, labels, names, options.side, options.plane, text)
    options.picture.parent.mkdir(parents=True, exist_ok=True)
    pixels.quantize(palette=palette(sorted(names)), dither=Image.Dither.NONE).save(
        options.picture, optimize=True
    )
    print(f"{options.picture}: {options.picture.stat().st_size // 1000} kB")


def drawn(
    volumes: list[Volume],
    labels: Labels,
    names: dict[int, str],
    side: int,
    plane: int | None,
    text: str,
) -> Image.Image:
    """Return xy and xz slices of both tomograms, and of the second with the labels."""
    corner = [max((length - side) // 2, 0) for length in labels.shape[1:]]
    y, x = (slice(start, start + side) for start in corner)
    seen = labels[:, y, x]
    if plane is None:
        plane = int((seen > 0).sum(axis=(1, 2)).argmax())
    row = int((seen > 0).sum(axis=(0, 2)).argmax())
    shown = [*volumes, volumes[-1]]
    titles = ("tomogram", "variant with little noise", "with the labels")
    heights = [seen.shape[1], seen.shape[0]]
    figure, axes = plt.subplots(
        2,
        3,
        figsize=(9.0, 9.0 / 3 * sum(heights) / seen.shape[2] + 0.8),
        height_ratios=heights,
        layout="constrained",
    )
    for column, (volume, title) in enumerate(zip(shown, titles, strict=True)):
        near = volume[:, y, x]
        low, high = np.percentile(near, [0.5, 99.5])
        cuts = (
            (near[around(plane, len(near))].mean(axis=0), seen[plane]),
            (near[:, around(row, near.shape[1])].mean(axis=1), seen[:, row]),
        )
        for line, (section, label) in enumerate(cuts):
            axis = axes[line, column]
            axis.imshow(section, cmap="gray", vmin=low, vmax=high, origin="lower")
            if column == 2:
                axis.imshow(overlay(label), origin="lower", interpolation="nearest")
            axis.set_xticks([])
            axis.set_yticks([])
        axes[0, column].set_title(title, fontsize=9)
    axes[0, 0].set_ylabel(f"xy, plane {plane}: {text}", fontsize=8)
    axes[1, 0].set_ylabel("xz", fontsize=8)
    present = [label for label in sorted(names) if (seen == label).any()]
    handles = [Patch(color=colour(label), label=names[label]) for label in present]
    figure.legend(handles=handles, loc="outside lower center", ncols=6, fontsize=8, frameon=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=72)
    return Image.open(buffer).convert("RGB")


def around(index: int, length: int) -> slice:
    """Return the planes of a slab."""
    return slice(max(index - SLAB // 2, 0), min(index + SLAB // 2 + 1, length))


def overlay(labels: Labels) -> Volume:
    """Return labels as a picture with opacity (y, x, 4)."""
    picture = np.zeros((*labels.shape, 4), dtype=np.float32)
    for label in np.unique(labels[labels > 0]):
        picture[labels == label] = (*colour(int(label)), OPACITY)
    return picture


def palette(labels: list[int]) -> Image.Image:
    """Return the colours of the file: few greys, so that noise takes little room, and labels."""
    greys = np.linspace(0.0, 1.0, GREYS)[:, None] * np.ones(3)
    steps = np.linspace(0.0, 1.0, 8)[:, None]
    mixed = [OPACITY * np.array(colour(each)) + (1.0 - OPACITY) * steps for each in labels]
    plain = [np.array([colour(each)]) for each in labels]
    values = np.round(255 * np.concatenate([greys, *mixed, *plain])).astype(np.uint8)
    image = Image.new("P", (1, 1))
    image.putpalette(values.ravel().tolist())
    return image


def colour(label: int) -> tuple[float, float, float]:
    """Return the colour of a label."""
    return to_rgb(COLOURS[(label - 1) % len(COLOURS)])


if __name__ == "__main__":
    main()
