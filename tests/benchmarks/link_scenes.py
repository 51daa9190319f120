"""Filaments as points with tangents, in levels from easy to crowded; truth beside them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from copick_picker.core.simulate.filaments import worm_like_chain

FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.int64]
SPACING = 50.0
BOX = (2000.0, 6000.0, 6000.0)
LENGTHS = (1500.0, 4000.0)
LEAST_POINTS = 4
_HEXAGON = ((0.0, 0.0), (1.0, 0.0), (0.5, 0.866), (1.5, 0.866), (0.0, 1.732))


@dataclass(frozen=True)
class Level:
    """How hard a scene is.

    Attributes
    ----------
    filaments, bundles : int
        Single filaments; groups of three to five parallel ones, 120 to 300 A apart.
    missing : float
        Share of the points that are left out.
    gaps : tuple of float or None
        Length of a gap in six of ten filaments, in Angstrom.
    false : float
        Share of all points that belong to no filament.
    jitter_angstrom : float
        Standard deviation of a position along each axis.
    tilt_degrees : float
        Standard deviation of a tangent about each axis.
    persistence_angstrom : float
        Persistence length.
    """

    filaments: int
    bundles: int
    missing: float
    gaps: tuple[float, float] | None
    false: float
    jitter_angstrom: float
    tilt_degrees: float
    persistence_angstrom: float


LEVELS = {
    "easy": Level(40, 0, 0.10, None, 0.05, 6.0, 4.0, 17e4),
    "medium": Level(40, 6, 0.25, (150.0, 350.0), 0.15, 10.0, 12.0, 1e5),
    "hard": Level(40, 6, 0.35, (150.0, 500.0), 0.30, 14.0, 18.0, 4e4),
    "crowded": Level(90, 14, 0.25, (150.0, 350.0), 0.15, 10.0, 12.0, 1e5),
}


@dataclass(frozen=True, eq=False)
class Scene:
    """Points in random order.

    Attributes
    ----------
    positions, tangents : numpy.ndarray, shape (n, 3), float64
        Points (z, y, x) in Angstrom, and unit vectors of either sign.
    filaments : numpy.ndarray, shape (n,), int64
        Filament of each point from 1; 0: false.
    ranks : numpy.ndarray, shape (n,), int64
        Place along the filament.
    """

    positions: FloatArray
    tangents: FloatArray
    filaments: IndexArray
    ranks: IndexArray


def scene(level: Level, seed: int) -> Scene:
    """Return a scene of a level."""
    rng = np.random.default_rng(seed)
    box = np.array(BOX)
    parts, number = [], 0
    for points, tangents in _lines(level, rng, box):
        kept = ((points >= 0) & (points < box)).all(axis=1)
        kept &= rng.random(len(points)) > level.missing
        if level.gaps is not None and rng.random() < 0.6:
            gap, along = rng.uniform(*level.gaps), np.arange(len(points)) * SPACING
            start = rng.uniform(0.2, 0.8) * along[-1]
            kept &= ~((along > start) & (along < start + gap))
        if kept.sum() < LEAST_POINTS:
            continue
        number += 1
        shape = (int(kept.sum()), 3)
        own = points[kept] + level.jitter_angstrom * rng.normal(size=shape)
        tilted = tangents[kept] + np.radians(level.tilt_degrees) * rng.normal(size=shape)
        tilted *= rng.choice([-1.0, 1.0], (shape[0], 1))
        parts.append((own, tilted, np.full(shape[0], number), np.flatnonzero(kept)))
    n_false = int(level.false / (1.0 - level.false) * sum(len(part[0]) for part in parts))
    nothing = np.zeros(n_false, dtype=np.int64)
    false = (rng.uniform(0, 1, (n_false, 3)) * box, rng.normal(size=(n_false, 3)))
    parts.append((*false, nothing, nothing))
    positions, directions, filaments, ranks = (
        np.concatenate(each) for each in zip(*parts, strict=True)
    )
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    order = rng.permutation(len(positions))
    return Scene(positions[order], directions[order], filaments[order], ranks[order])


def _lines(
    level: Level, rng: np.random.Generator, box: FloatArray
) -> list[tuple[FloatArray, FloatArray]]:
    lines = [_line(level, rng, rng.uniform(0, 1, 3) * box) for _ in range(level.filaments)]
    for _ in range(level.bundles):
        base, tangents = _line(level, rng, rng.uniform(0.1, 0.9, 3) * box)
        along = tangents[0]
        first = np.cross(along, np.eye(3)[int(np.argmin(np.abs(along)))])
        first /= np.linalg.norm(first)
        second = np.cross(along, first)
        apart = rng.uniform(120.0, 300.0)
        for a, b in _HEXAGON[: rng.integers(3, 6)]:
            shift = apart * (a * first + b * second) + rng.uniform(0, SPACING) * along
            lines.append((base + shift, tangents))
    return lines


def _line(
    level: Level, rng: np.random.Generator, start: FloatArray
) -> tuple[FloatArray, FloatArray]:
    direction = rng.normal(size=3) * (0.4, 1.0, 1.0)
    steps = int(rng.uniform(*LENGTHS) / SPACING)
    chain = worm_like_chain(start, direction, steps, SPACING, level.persistence_angstrom, rng)
    return chain.points_zyx, chain.tangents
