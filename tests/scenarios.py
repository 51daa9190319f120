"""Named scenes with known truth, shared by every test of localization.

A scene is a segmentation painted from known centres. Each holds four objects, of radius 60, 90,
120 and 150 Angstrom at a voxel spacing of 10 Angstrom, so that every figure is an average over
sizes. The parameters of a scene stand beside its name in :data:`SCENES`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from copick_picker.records.points import LocalizeTarget

FloatArray = npt.NDArray[np.float64]

VOXEL_SPACING = 10.0
RADIUS_VOXELS: Mapping[str, float] = {
    "ferritin": 6.0,
    "lyase": 9.0,
    "shell": 12.0,
    "ribosome": 15.0,
}
LABEL_OF: Mapping[str, int] = {"ferritin": 1, "lyase": 2, "shell": 4, "ribosome": 7}
BLOCK_SHAPE = np.array([1.0, 1.7, 2.3])  # aspect of every volume: three unequal sizes
NOISE_TILE = 96
# Correlation lengths in units of the radius, chosen so that octopi's watershed reaches on "rough"
# the F1 (0.853) and mean error (2.5 voxels) that were measured for it elsewhere.
SURFACE_CORRELATION = 0.15
CLUMP_CORRELATION = 0.1


@dataclass(frozen=True)
class Recipe:
    """How the particles of a scene are placed and painted; lengths in units of the radius R.

    Attributes
    ----------
    placement : str
        ``apart``, ``pairs``, ``lattice`` or ``border``.
    ball : float
        Painted radius.
    distance : tuple of float
        Least and greatest distance between the partners of a pair, or neighbours of a lattice.
    stretch_z : float
        Factor along z.
    roughness : float
        Standard deviation of the surface.
    cavity : float
        Radius of the one cavity of each particle.
    missing : float
        Fraction of voxels missing in clumps.
    specks : float
        Fraction of all voxels with a random label.
    empty : str or None
        Object without any particle.
    """

    placement: str = "apart"
    ball: float = 0.8
    distance: tuple[float, float] = (0.0, 0.0)
    stretch_z: float = 1.0
    roughness: float = 0.0
    cavity: float = 0.0
    missing: float = 0.0
    specks: float = 0.0
    empty: str | None = None
    objects: tuple[str, ...] = tuple(RADIUS_VOXELS)


ROUGH = Recipe(ball=0.75, roughness=0.1, cavity=0.25, missing=0.08)
SCENES: Mapping[str, Recipe] = {
    "clean": Recipe(objects=("shell",)),
    "mixed sizes": Recipe(),
    "empty class": Recipe(empty="lyase"),
    "specks": Recipe(specks=0.0015),
    "touching pairs": Recipe(placement="pairs", distance=(1.2, 1.6)),
    "close pairs": Recipe(placement="pairs", distance=(0.9, 1.2)),
    "lattice": Recipe(placement="lattice", distance=(1.5, 1.5)),
    "rough": ROUGH,
    "rough lattice": replace(ROUGH, placement="lattice", distance=(1.5, 1.5)),
    "rough lattice at 0.8 R": replace(ROUGH, ball=0.8, placement="lattice", distance=(1.5, 1.5)),
    "stretched": Recipe(ball=0.65, stretch_z=1.5),
    "cut": Recipe(placement="border"),
    "rough and cut": replace(ROUGH, placement="border"),
    "rough pairs": replace(ROUGH, placement="pairs", distance=(1.2, 1.6)),
}


@dataclass(frozen=True)
class Scene:
    """A segmentation and its truth.

    Attributes
    ----------
    labels : numpy.ndarray, shape (z, y, x), uint8
        The segmentation.
    centres_zyx : mapping of str to numpy.ndarray, shape (n, 3), float64
        True centres of each object in voxels, order (z, y, x).
    """

    labels: npt.NDArray[np.uint8]
    centres_zyx: Mapping[str, FloatArray]

    def points_xyz(self, name: str) -> FloatArray:
        """Return the true centres (x, y, z) of an object in Angstrom."""
        return self.centres_zyx[name][:, ::-1] * VOXEL_SPACING

    def targets(self) -> list[LocalizeTarget]:
        """Return what localization is to look for."""
        return [
            LocalizeTarget(name, LABEL_OF[name], self.radius_angstrom(name))
            for name in self.centres_zyx
        ]

    def radius_angstrom(self, name: str) -> float:
        """Return the radius of an object."""
        return RADIUS_VOXELS[name] * VOXEL_SPACING


@dataclass(frozen=True)
class Agreement:
    """Matches of one scene, pooled over objects.

    Attributes
    ----------
    hits, candidates, references : int
        One-to-one matches within half a radius, picks found, picks that exist.
    errors_voxels : numpy.ndarray, shape (hits,), float64
        Distance of each match.
    """

    hits: int
    candidates: int
    references: int
    errors_voxels: FloatArray

    @property
    def f1(self) -> float:
        """Return 2 TP / (candidates + references); 1 where both are empty."""
        total = self.candidates + self.references
        return 2 * self.hits / total if total else 1.0

    @property
    def mean_error_voxels(self) -> float:
        """Return the mean distance of the matches; 0 where there are none."""
        return float(self.errors_voxels.mean()) if self.hits else 0.0

    def __add__(self, other: "Agreement") -> "Agreement":
        """Return both pooled."""
        return Agreement(
            self.hits + other.hits,
            self.candidates + other.candidates,
            self.references + other.references,
            np.concatenate([self.errors_voxels, other.errors_voxels]),
        )


NOTHING = Agreement(0, 0, 0, np.zeros(0))


def agreement(
    points_xyz: FloatArray, reference_xyz: FloatArray, radius_angstrom: float
) -> Agreement:
    """Match one to one within half a radius: the most pairs, then the least distance."""
    distance = cdist(points_xyz, reference_xyz)
    near = distance <= 0.5 * radius_angstrom
    rows, columns = linear_sum_assignment(np.where(near, distance - 1e6, 0.0))
    matched = near[rows, columns]
    errors = distance[rows, columns][matched] / VOXEL_SPACING
    return Agreement(len(errors), len(points_xyz), len(reference_xyz), errors)


def scene_agreement(scene: Scene, points_xyz: Mapping[str, FloatArray]) -> Agreement:
    """Return the agreement pooled over the objects of a scene."""
    parts = (
        agreement(points_xyz[name], scene.points_xyz(name), scene.radius_angstrom(name))
        for name in scene.centres_zyx
    )
    return sum(parts, NOTHING)


def with_channels(targets: list[LocalizeTarget]) -> list[LocalizeTarget]:
    """Return targets that read channels 1, 2, ... of a probability volume."""
    return [replace(target, channel=number) for number, target in enumerate(targets, start=1)]


def make_scene(name: str, *, seed: int, particles: int = 320) -> Scene:
    """Return a named scene with about the given number of particles.

    Parameters
    ----------
    name : str
        A key of :data:`SCENES`.
    seed : int
        Seed of placement and spoiling.
    particles : int
        Particles in all, dealt evenly to the objects.
    """
    recipe = SCENES[name]
    rng = np.random.default_rng([seed, *name.encode()])
    present = [item for item in recipe.objects if item != recipe.empty]
    shape, centres = PLACEMENTS[recipe.placement](recipe, present, particles, rng)
    labels = np.zeros(shape, dtype=np.uint8)
    for item in present:
        painter = _Painter(recipe, RADIUS_VOXELS[item], rng)
        for centre in centres[item]:
            painter.paint(labels, centre, LABEL_OF[item])
    if recipe.specks:
        speckled = (rng.random(shape) < recipe.specks) & (labels == 0)
        labels[speckled] = rng.choice([LABEL_OF[item] for item in present], speckled.sum())
    return Scene(labels, {item: centres.get(item, np.zeros((0, 3))) for item in recipe.objects})


class _Painter:
    """Paints particles of one object; the noise is cut from a periodic tile."""

    def __init__(self, recipe: Recipe, radius: float, rng: np.random.Generator) -> None:
        self.recipe = recipe
        self.radius = radius
        self.rng = rng
        spoiled = recipe.roughness > 0
        self.surface = _noise_tile(SURFACE_CORRELATION * radius, rng) if spoiled else None
        self.clumps = _noise_tile(CLUMP_CORRELATION * radius, rng) if spoiled else None

    def paint(self, labels: npt.NDArray[np.uint8], centre: FloatArray, label: int) -> None:
        reach = self.radius * (self.recipe.ball + 4 * self.recipe.roughness)
        reach_zyx = reach * np.array([self.recipe.stretch_z, 1.0, 1.0])
        low = np.maximum(np.floor(centre - reach_zyx), 0).astype(int)
        high = np.minimum(np.ceil(centre + reach_zyx) + 1, labels.shape).astype(int)
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        grid = np.moveaxis(np.mgrid[box], 0, -1) - centre
        distance = np.sqrt(((grid / [self.recipe.stretch_z, 1.0, 1.0]) ** 2).sum(axis=-1))
        inside = self._spoiled(grid, distance)
        labels[box][inside] = label

    def _spoiled(self, grid: FloatArray, distance: FloatArray) -> npt.NDArray[np.bool_]:
        recipe, radius = self.recipe, self.radius
        if self.surface is None or self.clumps is None:
            return distance <= recipe.ball * radius
        shape = distance.shape
        distance = distance + recipe.roughness * radius * _cut(self.surface, shape, self.rng)
        inside = distance <= recipe.ball * radius
        hole_at = self._cavity_centre()
        inside &= np.sqrt(((grid - hole_at) ** 2).sum(axis=-1)) > recipe.cavity * radius
        clumps = _cut(self.clumps, shape, self.rng)
        return inside & (clumps > np.quantile(clumps[inside], recipe.missing))

    def _cavity_centre(self) -> FloatArray:
        direction = self.rng.normal(size=3)
        direction /= np.linalg.norm(direction)
        return direction * self.rng.uniform(0.2, 0.5) * self.radius


def _noise_tile(sigma: float, rng: np.random.Generator) -> FloatArray:
    tile = ndimage.gaussian_filter(rng.normal(size=(NOISE_TILE,) * 3), sigma, mode="wrap")
    scaled: FloatArray = (tile - tile.mean()) / tile.std()
    return scaled


def _cut(tile: FloatArray, shape: tuple[int, ...], rng: np.random.Generator) -> FloatArray:
    index = [
        (np.arange(size) + start) % NOISE_TILE
        for size, start in zip(shape, rng.integers(NOISE_TILE, size=3), strict=True)
    ]
    return tile[np.ix_(*index)]


Placed = tuple[tuple[int, int, int], dict[str, FloatArray]]


def _apart(recipe: Recipe, names: list[str], particles: int, rng: np.random.Generator) -> Placed:
    bodies = [item for item in names for _ in range(particles // len(names))]
    reach = [_reach(recipe) * RADIUS_VOXELS[item] for item in bodies]
    shape = _shape_for(float(np.sum((2 * np.array(reach)) ** 3)) / 0.2)
    return shape, _group(bodies, _pack(reach, lambda r: _anywhere(shape, r, rng)))


def _pairs(recipe: Recipe, names: list[str], particles: int, rng: np.random.Generator) -> Placed:
    bodies = [item for item in names for _ in range(particles // (2 * len(names)))]
    apart = rng.uniform(*recipe.distance, size=len(bodies))
    radii = np.array([RADIUS_VOXELS[item] for item in bodies])
    reach = list((0.5 * apart + _reach(recipe)) * radii)
    shape = _shape_for(float(np.sum((2 * np.array(reach)) ** 3)) / 0.2)
    middles = _pack(reach, lambda r: _anywhere(shape, r, rng))
    direction = rng.normal(size=(len(bodies), 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    half = 0.5 * (apart * radii)[:, None] * direction
    return shape, _group(bodies * 2, np.concatenate([middles - half, middles + half]))


def _lattice(recipe: Recipe, names: list[str], particles: int, rng: np.random.Generator) -> Placed:
    """Put one lattice of each object, cubic or face-centred, turned at random, along x."""
    centres: dict[str, FloatArray] = {}
    offset, height, width = 0.0, 0.0, 0.0
    for turn, item in enumerate(names):
        step = recipe.distance[0] * RADIUS_VOXELS[item]
        points = _lattice_points(particles // len(names), step, rng, face_centred=bool(turn % 2))
        border = _reach(recipe) * RADIUS_VOXELS[item]
        points += border - points.min(axis=0) + [0.0, 0.0, offset]
        centres[item] = points
        height, width = np.maximum((height, width), points.max(axis=0)[:2] + border)
        offset = points[:, 2].max() + border
    return (int(height) + 2, int(width) + 5, int(offset) + 2), centres


def _border(recipe: Recipe, names: list[str], particles: int, rng: np.random.Generator) -> Placed:
    bodies = [item for item in names for _ in range(particles // len(names))]
    rng.shuffle(bodies)
    reach = [_reach(recipe) * RADIUS_VOXELS[item] for item in bodies]
    surface = float(np.sum((2 * np.array(reach)) ** 2)) / 0.3
    shape = _shape_for((surface / 14.8) ** 1.5 * 3.91)
    kinds = iter([3] * 8 + [2] * (len(bodies) // 5) + [1] * len(bodies))
    kind_of = {index: next(kinds) for index in range(len(bodies))}
    counter = iter(range(len(bodies)))

    def candidates(radius: float) -> Iterator[FloatArray]:
        kind = kind_of[next(counter)]
        for attempt in range(100_000):
            axes = rng.permutation(3)[: kind if attempt < 2_000 else 1]
            near = rng.uniform(0, 0.6 * radius / _reach(recipe), size=3)
            far = np.array(shape) - 1 - near
            middle = rng.uniform(radius, np.array(shape) - 1 - radius)
            middle[axes] = np.where(rng.random(3) < 0.5, near, far)[axes]
            yield middle

    return shape, _group(bodies, _pack(reach, candidates))


PLACEMENTS: Mapping[str, Callable[[Recipe, list[str], int, np.random.Generator], Placed]] = {
    "apart": _apart,
    "pairs": _pairs,
    "lattice": _lattice,
    "border": _border,
}


def _reach(recipe: Recipe) -> float:
    """Return the bounding radius of a painted particle, with a gap, in units of R."""
    return recipe.ball * recipe.stretch_z + 3 * recipe.roughness + 0.1


def _shape_for(volume: float) -> tuple[int, int, int]:
    sides = BLOCK_SHAPE * (volume / BLOCK_SHAPE.prod()) ** (1 / 3)
    z, y, x = np.ceil(np.maximum(sides, 40)).astype(int)
    return int(z), int(y), int(x)


def _anywhere(
    shape: tuple[int, int, int], radius: float, rng: np.random.Generator
) -> Iterator[FloatArray]:
    for _ in range(100_000):
        yield rng.uniform(radius, np.array(shape) - 1 - radius)


def _pack(reach: list[float], candidates: Callable[[float], Iterator[FloatArray]]) -> FloatArray:
    """Place bodies one by one where none overlaps another."""
    centres = np.zeros((len(reach), 3))
    radii = np.array(reach)
    for index, radius in enumerate(reach):
        for centre in candidates(radius):
            distance = np.linalg.norm(centres[:index] - centre, axis=1)
            if (distance > radii[:index] + radius + 1).all():
                centres[index] = centre
                break
        else:
            msg = f"no room for particle {index}"
            raise RuntimeError(msg)
    return centres


def _group(bodies: list[str], centres: FloatArray) -> dict[str, FloatArray]:
    owner = np.array(bodies)
    return {str(item): centres[owner == item] for item in np.unique(owner)}


def _lattice_points(
    count: int, step: float, rng: np.random.Generator, *, face_centred: bool
) -> FloatArray:
    span = np.arange(-8, 9)
    grid = np.stack(np.meshgrid(span, span, span, indexing="ij"), axis=-1).reshape(-1, 3)
    if face_centred:
        grid = grid[grid.sum(axis=1) % 2 == 0]
        points = grid * step / np.sqrt(2)
    else:
        points = grid * step
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    points = (points + rng.uniform(-0.5, 0.5, size=3) * step) @ turn
    extent = np.abs(points / [1.0, 1.3, 0.8]).max(axis=1)
    nearest: FloatArray = points[np.argsort(extent, kind="stable")[:count]]
    return nearest
