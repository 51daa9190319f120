"""Filaments: worm-like chains with subunits on a helical lattice about them.

The chain's direction performs a random walk on the sphere: over a step ds each of the two angles
across it changes by a Gaussian of variance ds / P, so that the mean cosine between two tangents a
distance s apart is exp(-s / P), P the persistence length (Kratky & Porod 1949,
https://doi.org/10.1002/recl.19490681203).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from copick_picker.core.geometry import length_to_voxels
from copick_picker.core.simulate.canvas import TRIES, Canvas, new_instance, placed_in_turn
from copick_picker.core.simulate.molecules import Molecule, drawn_molecule
from copick_picker.core.simulate.placement import overlap
from copick_picker.core.simulate.space import TAKEN, Space, points_are_free
from copick_picker.records.simulation import FilamentSpec

FloatArray = npt.NDArray[np.float64]
STEP_VOXELS = 0.5
AROUND = 16
TOUCHED_VOLTS = 0.1


@dataclass(frozen=True, eq=False)
class Chain:
    """A smooth line with a frame that does not turn about it.

    Attributes
    ----------
    points_zyx : numpy.ndarray, shape (n, 3), float64
        Points at even steps, in voxels.
    tangents, across : numpy.ndarray, shape (n, 3), float64
        Unit vectors (z, y, x) along the line and at a right angle to it.
    step : float
        Distance of the points in voxels.
    """

    points_zyx: FloatArray
    tangents: FloatArray
    across: FloatArray
    step: float


@dataclass(frozen=True, eq=False)
class PlacedFilament:
    """A filament that was placed.

    Attributes
    ----------
    points_zyx : numpy.ndarray, shape (n, 3), float64
        Points along it in order, in voxels; all lie in the volume.
    rotations_zyx : numpy.ndarray, shape (n, 3, 3), float64
        Frames for columns (z, y, x): +z is the tangent.
    instance_id : int
        Its number; 0 without a label.
    """

    points_zyx: FloatArray
    rotations_zyx: FloatArray
    instance_id: int


def worm_like_chain(
    start_zyx: FloatArray,
    direction_zyx: FloatArray,
    n_steps: int,
    step: float,
    persistence_length: float,
    rng: np.random.Generator,
) -> Chain:
    """Return a worm-like chain from a point.

    Parameters
    ----------
    start_zyx : numpy.ndarray, shape (3,)
        First point, in voxels.
    direction_zyx : numpy.ndarray, shape (3,)
        First tangent.
    n_steps : int
        Steps; the chain has one point more.
    step : float
        Length of a step, in voxels.
    persistence_length : float
        In voxels.
    rng : numpy.random.Generator
        Source of randomness.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> chain = worm_like_chain(np.zeros(3), np.array([0, 0, 1.0]), 10, 2.0, 1e9, rng)
    >>> bool(np.allclose(chain.points_zyx[-1], [0, 0, 20], atol=0.1))
    True
    """
    tangents, across = np.zeros((n_steps + 1, 3)), np.zeros((n_steps + 1, 3))
    tangent = np.asarray(direction_zyx, dtype=np.float64)
    tangent = tangent / np.linalg.norm(tangent)
    normal = np.cross(tangent, np.eye(3)[int(np.argmin(np.abs(tangent)))])
    normal /= np.linalg.norm(normal)
    bends = rng.standard_normal((n_steps, 2)) * np.sqrt(step / persistence_length)
    tangents[0], across[0] = tangent, normal
    for index, (first, second) in enumerate(bends, start=1):
        tangent = tangent + first * normal + second * np.cross(tangent, normal)
        tangent /= np.linalg.norm(tangent)
        normal = normal - (normal @ tangent) * tangent
        normal /= np.linalg.norm(normal)
        tangents[index], across[index] = tangent, normal
    middles = 0.5 * (tangents[1:] + tangents[:-1])
    points = np.vstack([np.zeros((1, 3)), np.cumsum(step * middles, axis=0)])
    return Chain(points + np.asarray(start_zyx), tangents, across, step)


def place_filaments(
    canvas: Canvas, spec: FilamentSpec, molecule: Molecule, count: int, rng: np.random.Generator
) -> list[PlacedFilament]:
    """Place filaments that touch nothing; fewer than asked where there is no room.

    Parameters
    ----------
    canvas : Canvas
        Changed in place.
    spec : FilamentSpec
        The filament.
    molecule : Molecule
        Its subunit.
    count : int
        How many.
    rng : numpy.random.Generator
        Source of randomness.
    """

    def place(_: int) -> PlacedFilament | None:
        for _ in range(TRIES):
            chain = _chain_in_ice(canvas, spec, rng)
            if chain is not None:
                return _put_filament(canvas, spec, molecule, chain, rng)
        return None

    return placed_in_turn(count, place)


def subunit_places(
    chain: Chain, spec: FilamentSpec, voxel_spacing: float
) -> tuple[FloatArray, FloatArray]:
    """Return where the subunits of a chain stand, and how they are turned.

    Parameters
    ----------
    chain : Chain
        The line.
    spec : FilamentSpec
        The lattice.
    voxel_spacing : float
        Edge of a voxel in Angstrom.

    Returns
    -------
    centres_zyx : numpy.ndarray, shape (n, 3), float64
        In voxels.
    rotations_zyx : numpy.ndarray, shape (n, 3, 3), float64
        For columns (z, y, x): +z along the chain, +x away from it.
    """
    rise = length_to_voxels(spec.rise_angstrom, voxel_spacing)
    stagger = length_to_voxels(spec.stagger_angstrom, voxel_spacing)
    radius = length_to_voxels(spec.subunit_radius_angstrom, voxel_spacing)
    length = chain.step * (len(chain.points_zyx) - 1)
    strand, index = np.meshgrid(
        np.arange(spec.n_strands), np.arange(int(length / rise) + 1), indexing="ij"
    )
    along = (index * rise + strand * stagger).ravel()
    angle = np.radians(index * spec.twist_degrees + strand * 360.0 / spec.n_strands).ravel()
    angle, along = angle[along <= length], along[along <= length]
    points, tangents, across = frames_along(chain, along)
    # Right-handed in (x, y, z): np.cross of columns (z, y, x) has the opposite sign.
    other = -np.cross(tangents, across)
    outward = np.cos(angle)[:, None] * across + np.sin(angle)[:, None] * other
    rotations = np.stack([tangents, -np.cross(tangents, outward), outward], axis=2)
    return points + radius * outward, rotations


def frames_along(chain: Chain, along: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return points, tangents and vectors across at distances along a chain.

    Parameters
    ----------
    chain : Chain
        The line.
    along : numpy.ndarray, shape (n,)
        Distances from its first point, in voxels.
    """
    place = np.asarray(along, dtype=np.float64) / chain.step
    low = np.clip(place.astype(np.int64), 0, len(chain.points_zyx) - 2)
    share = (place - low)[:, None]
    points, tangents, across = (
        (1.0 - share) * values[low] + share * values[low + 1]
        for values in (chain.points_zyx, chain.tangents, chain.across)
    )
    tangents = tangents / np.linalg.norm(tangents, axis=1, keepdims=True)
    across = across - (across * tangents).sum(axis=1)[:, None] * tangents
    return points, tangents, across / np.linalg.norm(across, axis=1, keepdims=True)


def _chain_in_ice(canvas: Canvas, spec: FilamentSpec, rng: np.random.Generator) -> Chain | None:
    """Return a chain through a random point, cut at the faces, or None where it is not free."""
    radius = canvas.voxels(spec.outer_radius_angstrom)
    low, high = canvas.space.ice_planes
    if high - low < 2.0 * radius:
        return None
    length = canvas.voxels(rng.uniform(*spec.length_angstrom))
    room = high - low - 2.0 * radius
    rising = rng.uniform(-1.0, 1.0) * min(1.0, room / length)
    azimuth = rng.uniform(0.0, 2.0 * np.pi)
    flat = np.sqrt(1.0 - rising**2)
    direction = np.array([rising, flat * np.sin(azimuth), flat * np.cos(azimuth)])
    last = np.array(canvas.shape_zyx) - 1.0
    middle = rng.uniform([low + radius, 0.0, 0.0], [high - radius, last[1], last[2]])
    chain = worm_like_chain(
        middle - 0.5 * length * direction,
        direction,
        max(int(np.ceil(length / STEP_VOXELS)), 2),
        STEP_VOXELS,
        canvas.voxels(spec.persistence_length_angstrom),
        rng,
    )
    seen = _longest_run(_inside(chain.points_zyx, canvas.shape_zyx, radius))
    if seen.stop - seen.start < 3:
        return None
    cut = Chain(chain.points_zyx[seen], chain.tangents[seen], chain.across[seen], chain.step)
    return cut if points_are_free(canvas.space, _tube_points(cut, radius)) else None


def _put_filament(
    canvas: Canvas,
    spec: FilamentSpec,
    molecule: Molecule,
    chain: Chain,
    rng: np.random.Generator,
) -> PlacedFilament:
    """Draw the subunits, take the tube, and return the points that lie in the volume."""
    number = new_instance(canvas, spec.name, is_labelled=spec.is_labelled)
    centres, rotations = subunit_places(chain, spec, canvas.voxel_spacing)
    for centre, rotation in zip(centres, rotations, strict=True):
        voxel = np.round(centre).astype(np.int64)
        drawn = drawn_molecule(molecule, rotation, centre - voxel)
        inside, within = overlap(canvas.shape_zyx, drawn.shape, voxel - np.array(drawn.shape) // 2)
        canvas.potential[inside] += drawn[within]
        is_seen = (drawn[within] > TOUCHED_VOLTS) & (
            canvas.potential[inside] > canvas.footprint_volts
        )
        canvas.covered[inside] |= is_seen
        if number:
            canvas.instances[inside][is_seen] = number
    _take_tube(canvas.space, chain, canvas.voxels(spec.outer_radius_angstrom))
    length = chain.step * (len(chain.points_zyx) - 1)
    distance = canvas.voxels(spec.point_distance_angstrom)
    along = np.arange(rng.uniform(0.0, min(distance, length)), length, distance)
    points, tangents, across = frames_along(chain, along)
    frames = np.stack([tangents, -np.cross(tangents, across), across], axis=2)
    is_inside = _inside(points, canvas.shape_zyx, 0.0)
    return PlacedFilament(points[is_inside], frames[is_inside], number)


def _inside(
    points_zyx: FloatArray, shape_zyx: tuple[int, int, int], margin: float
) -> npt.NDArray[np.bool_]:
    last = np.array(shape_zyx) - 1.0
    inside: npt.NDArray[np.bool_] = np.all(
        (points_zyx >= -margin) & (points_zyx <= last + margin), axis=1
    )
    return inside


def _longest_run(is_set: npt.NDArray[np.bool_]) -> slice:
    """Return the longest stretch of set values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_set, [False]]).astype(np.int8)))
    if not len(edges):
        return slice(0, 0)
    starts, stops = edges[::2], edges[1::2]
    longest = int(np.argmax(stops - starts))
    return slice(int(starts[longest]), int(stops[longest]))


def _tube_points(chain: Chain, radius: float) -> FloatArray:
    """Return points of a tube: the chain, and rings about it at half and at the whole radius."""
    other = np.cross(chain.tangents, chain.across)
    angles = np.linspace(0.0, 2.0 * np.pi, AROUND, endpoint=False)[:, None, None]
    ring = np.cos(angles) * chain.across + np.sin(angles) * other
    rings = [chain.points_zyx + share * radius * ring for share in (0.5, 1.0)]
    return np.vstack([chain.points_zyx, *(ring.reshape(-1, 3) for ring in rings)])


def _take_tube(space: Space, chain: Chain, radius: float) -> None:
    """Take all voxels within a radius of a chain."""
    side = int(np.ceil(radius))
    ball = np.stack(np.meshgrid(*[np.arange(-side, side + 1)] * 3, indexing="ij"), axis=-1)
    ball = ball.reshape(-1, 3)
    ball = ball[(ball**2).sum(axis=1) <= radius**2]
    for point in np.unique(np.round(chain.points_zyx).astype(np.int64), axis=0):
        voxels = ball + point + space.pad
        known = voxels[np.all((voxels >= 0) & (voxels < space.owners.shape), axis=1)]
        space.owners[tuple(known.T)] = TAKEN
