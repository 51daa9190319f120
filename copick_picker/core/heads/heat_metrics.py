"""How well heat maps agree with their targets, besides what becomes of the picks."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatMap = npt.NDArray[np.float32]
_EDGE = 1e-9


@dataclass(frozen=True)
class HeatScores:
    """Agreement of heat maps with their targets; see ``docs/metrics.md`` for the formulas.

    Attributes
    ----------
    soft_dice : float
        Soft Dice coefficient over all voxels; NaN without a particle.
    heat_score : float
        Mean of correlation, spatial agreement and confidence; NaN without a particle.
    top_k : dict of int to float
        k -> share of the maps with a particle whose target's maximum is among the k highest voxels.
    """

    soft_dice: float
    heat_score: float
    top_k: dict[int, float]


def heat_scores(
    heat: FloatMap, target: FloatMap, *, reach_voxels: float, ks: tuple[int, ...]
) -> HeatScores:
    """Return how well heat maps agree with their targets.

    Parameters
    ----------
    heat, target : numpy.ndarray, shape (b, n, ...), float32
        Heights in [0, 1] of each patch and object.
    reach_voxels : float
        Distance of two maxima at which the spatial agreement has fallen to 1 / e.
    ks : tuple of int
        Values of k.

    Examples
    --------
    >>> target = np.zeros((1, 1, 3, 4, 5), np.float32)
    >>> target[0, 0, 1, 2, 2:4] = 1.0, 0.5
    >>> scores = heat_scores(target, target, reach_voxels=2.0, ks=(1,))
    >>> round(scores.soft_dice, 3), round(scores.heat_score, 3), scores.top_k
    (1.0, 1.0, {1: 1.0})
    """
    flat_heat = heat.reshape(-1, *heat.shape[2:]).astype(np.float64)
    flat_target = target.reshape(-1, *target.shape[2:]).astype(np.float64)
    with_particle = [
        (a, b) for a, b in zip(flat_heat, flat_target, strict=True) if b.max() >= 1.0 - 1e-6
    ]
    if not with_particle:
        return HeatScores(np.nan, np.nan, dict.fromkeys(ks, np.nan))
    overlap = 2.0 * (flat_heat * flat_target).sum()
    dice = overlap / ((flat_heat**2).sum() + (flat_target**2).sum() + _EDGE)
    scores = [_heat_score(a, b, reach_voxels) for a, b in with_particle]
    ranks = np.array([_rank(a, b) for a, b in with_particle])
    return HeatScores(
        float(dice), float(np.mean(scores)), {k: float((ranks <= k).mean()) for k in ks}
    )


def _heat_score(
    heat: npt.NDArray[np.float64], target: npt.NDArray[np.float64], reach: float
) -> float:
    """Return the mean of correlation, spatial agreement and confidence of one map."""
    a, b = heat - heat.mean(), target - target.mean()
    correlation = (a * b).sum() / (np.sqrt((a**2).sum() * (b**2).sum()) + _EDGE)
    highest = np.unravel_index(heat.argmax(), heat.shape)
    centres = np.argwhere(target >= 1.0 - 1e-6)
    distance = np.linalg.norm(centres - np.array(highest), axis=1).min()
    confidence = heat[tuple(centres.T)].mean()
    return float((max(correlation, 0.0) + np.exp(-distance / reach) + confidence) / 3.0)


def _rank(heat: npt.NDArray[np.float64], target: npt.NDArray[np.float64]) -> int:
    """Return the rank, from 1, of the target's best found maximum among the voxels of a map."""
    best = heat[target >= 1.0 - 1e-6].max()
    return int((heat > best).sum()) + 1
