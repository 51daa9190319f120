"""How far refined maxima lie from the truth, on noise-free blobs: ``python peak_bias.py``.

Blobs of three forms are put at random places between the voxels; the maximum is refined by the
parabola through the logarithms of its neighbours, as ``detect`` and ``localize --method peaks`` do.
Prints the mean and the largest distance in voxels, and the mean without refinement.
"""

import json

import numpy as np

from copick_picker.core.heads.maxima import local_maxima, log_parabola

FORMS = {
    "gaussian, sigma 1.2": lambda r: np.exp(-0.5 * (r / 1.2) ** 2),
    "gaussian, sigma 2.5": lambda r: np.exp(-0.5 * (r / 2.5) ** 2),
    "ball of radius 3, edge blurred by 1": lambda r: 1 / (1 + np.exp((r - 3) / 0.55)),
    "exponential, length 1.5": lambda r: np.exp(-r / 1.5),
}
N_BLOBS, SIDE, SEED = 300, 15, 0


def main() -> None:
    rng = np.random.default_rng(SEED)
    grid = np.moveaxis(np.indices((SIDE, SIDE + 1, SIDE + 2)), 0, -1)
    figures = {}
    for name, form in FORMS.items():
        refined, plain = [], []
        for _ in range(N_BLOBS):
            centre = rng.uniform(6.0, 8.0, 3)
            blob = form(np.linalg.norm(grid - centre, axis=-1)).astype(np.float32)
            peaks = local_maxima(blob, floor=0.1, planes=slice(0, SIDE))[:1]
            plain.append(np.linalg.norm(peaks[0] - centre))
            refined.append(np.linalg.norm(peaks[0] + log_parabola(blob, peaks)[0] - centre))
        figures[name] = {
            "mean": round(float(np.mean(refined)), 4),
            "largest": round(float(np.max(refined)), 4),
            "mean without refinement": round(float(np.mean(plain)), 4),
        }
    print(json.dumps({"blobs": N_BLOBS, "seed": SEED, "voxels": figures}, indent=1))


if __name__ == "__main__":
    main()
