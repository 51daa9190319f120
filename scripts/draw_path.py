"""Draw the README's picture: tomogram, probabilities, picks, from a finished demo.

make demo
.venv/bin/python scripts/draw_path.py demo docs/images/path.png
"""

import argparse
from pathlib import Path

import copick
import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patheffects import withStroke

FEATURE = "predict-picker-1-probabilities"
SLAB = 3


def main() -> None:
    """Draw one row of three panels."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("demo", type=Path)
    parser.add_argument("picture", type=Path)
    arguments = parser.parse_args()
    run = copick.from_file(str(arguments.demo / "real" / "config.json")).get_run("hiv")
    tomogram = run.get_voxel_spacing(40.0).get_tomograms("wbp")[0]
    volume = tomogram.numpy()
    probability = tomogram.get_features(FEATURE).numpy()[1].astype(np.float32)
    picks = run.get_picks(object_name="virus-like-particle", user_id="picker", session_id="1")[0]
    points = picks.full_positions() / 40.0
    scores = np.array([point.score for point in picks.points])
    plane = round(float(np.median(points[:, 2])))
    slab = slice(plane - SLAB // 2, plane + SLAB // 2 + 1)
    picture = -volume[slab].mean(axis=0)
    low, high = np.percentile(picture, [1, 99])
    figure, axes = plt.subplots(1, 3, figsize=(12, 4.3), layout="constrained")
    for axis, title in zip(axes, ("tomogram", "probability volume", "picks"), strict=True):
        axis.imshow(picture, cmap="gray", vmin=low, vmax=high, origin="lower")
        axis.set_title(title)
        axis.set_xticks([])
        axis.set_yticks([])
    best = probability.max(axis=0)
    shown = np.ma.masked_less(best, 0.05)
    image = axes[1].imshow(shown, cmap="viridis", vmin=0, vmax=1, origin="lower", alpha=0.85)
    figure.colorbar(image, ax=axes[1], shrink=0.75, label="highest along z")
    for (x, y, _), score in zip(points, scores, strict=True):
        axes[2].add_patch(plt.Circle((x, y), 14, fill=False, color="#56b4e9", linewidth=2))
        label = axes[2].text(x, y, f"{score:.2f}", color="white", ha="center", va="center")
        label.set_path_effects([withStroke(linewidth=3, foreground="black")])
    axes[0].plot([6, 31], [6, 6], color="white", linewidth=3)
    axes[0].text(18.5, 9, "100 nm", color="white", ha="center", fontsize=9)
    arguments.picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.picture, dpi=100)
    print(arguments.picture)


if __name__ == "__main__":
    main()
