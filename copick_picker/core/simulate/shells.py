"""Closed shells in layers: vesicles and virus-like particles; and solid balls.

A shell's radius varies with the direction (waves over the sphere), and layers may miss patches, as
the Gag lattice of immature HIV-1 does (Briggs et al. 2009,
https://doi.org/10.1073/pnas.0903535106).
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from copick_picker.core.geometry import length_to_voxels, points_to_voxels
from copick_picker.records.specimens import ShellLayer

FloatArray = npt.NDArray[np.float64]
Volume = npt.NDArray[np.float32]
WAVES = 6
PATCH_EDGE = 0.1
"""Softness of a missing patch's edge, as a share of the patch pattern's standard deviation."""
SMALLEST_SIGMA_VOXELS = 0.45
"""A layer thinner than this is drawn wider, with the same integral, so that the grid holds it."""


def draw_shell(
    volume: Volume,
    point_xyz: npt.NDArray[np.float64],
    layers: Sequence[ShellLayer],
    rng: np.random.Generator,
    *,
    radius_angstrom: float,
    roughness: float,
    voxel_spacing: float,
) -> None:
    """Add a shell to a potential, in place.

    Parameters
    ----------
    volume : numpy.ndarray, shape (z, y, x), float32
        Potential in volts, changed in place; the part of the shell outside is left out.
    point_xyz : numpy.ndarray, shape (3,)
        Centre (x, y, z) in Angstrom.
    layers : sequence of ShellLayer
        Layers of the shell.
    rng : numpy.random.Generator
        Draws the deviations from a sphere and the patches that are missing.
    radius_angstrom : float
        Mean radius.
    roughness : float
        Standard deviation of the radius over directions, as a share of it; 0 is a sphere.
    voxel_spacing : float
        Edge of a voxel in Angstrom.
    """
    radius = length_to_voxels(radius_angstrom, voxel_spacing)
    scaled = [_in_voxels(layer, voxel_spacing) for layer in layers]
    outermost = max(layer.offset_angstrom + 4.0 * layer.sigma_angstrom for layer in scaled)
    waves, patches = _random_waves(rng), _random_waves(rng)
    box = _box(volume.shape, point_xyz, radius * (1.0 + 3.0 * roughness) + outermost, voxel_spacing)
    if box is None:
        return
    slices, distance, directions = box
    height = distance - radius * (1.0 + roughness * _wave_values(directions, waves))
    patchiness = _wave_values(directions, patches)
    sphere_values = _wave_values(_sphere_directions(), patches)
    drawn = np.zeros(distance.shape)
    for layer in scaled:
        profile = np.exp(-0.5 * ((height - layer.offset_angstrom) / layer.sigma_angstrom) ** 2)
        profile *= layer.volt_angstrom / (layer.sigma_angstrom * np.sqrt(2.0 * np.pi))
        if layer.coverage < 1.0:
            level = np.quantile(sphere_values, 1.0 - layer.coverage)
            profile *= 1.0 / (1.0 + np.exp(-(patchiness - level) / PATCH_EDGE))
        drawn += profile
    volume[slices] += drawn.astype(np.float32)


def draw_ball(
    volume: Volume,
    point_xyz: npt.NDArray[np.float64],
    *,
    radius_angstrom: float,
    volts: float,
    voxel_spacing: float,
) -> None:
    """Add a solid ball with an edge one voxel wide to a potential, in place.

    Parameters
    ----------
    volume : numpy.ndarray, shape (z, y, x), float32
        Potential in volts, changed in place.
    point_xyz : numpy.ndarray, shape (3,)
        Centre (x, y, z) in Angstrom.
    radius_angstrom : float
        Radius.
    volts : float
        Potential inside.
    voxel_spacing : float
        Edge of a voxel in Angstrom.
    """
    radius = length_to_voxels(radius_angstrom, voxel_spacing)
    box = _box(volume.shape, point_xyz, radius + 1.0, voxel_spacing)
    if box is None:
        return
    slices, distance, _ = box
    inside = np.clip(radius - distance + 0.5, 0.0, 1.0)
    volume[slices] += (volts * inside).astype(np.float32)


def _in_voxels(layer: ShellLayer, voxel_spacing: float) -> ShellLayer:
    """Return a layer with its lengths in voxels, no thinner than the grid can hold."""
    return ShellLayer(
        length_to_voxels(layer.offset_angstrom, voxel_spacing),
        max(length_to_voxels(layer.sigma_angstrom, voxel_spacing), SMALLEST_SIGMA_VOXELS),
        length_to_voxels(layer.volt_angstrom, voxel_spacing),
        layer.coverage,
    )


def _box(
    shape_zyx: tuple[int, ...],
    point_xyz: FloatArray,
    reach_voxels: float,
    voxel_spacing: float,
) -> tuple[tuple[slice, ...], FloatArray, FloatArray] | None:
    """Return the slices around a point, distances from it in voxels, and unit vectors to it."""
    centre_zyx = points_to_voxels(point_xyz[None], voxel_spacing)[0]
    low = np.maximum(np.floor(centre_zyx - reach_voxels), 0).astype(int)
    high = np.minimum(np.ceil(centre_zyx + reach_voxels).astype(int) + 1, shape_zyx)
    if np.any(low >= high):
        return None
    slices = tuple(slice(start, stop) for start, stop in zip(low, high, strict=True))
    axes = [np.arange(start, stop) for start, stop in zip(low, high, strict=True)]
    offsets = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1) - centre_zyx
    distance = np.linalg.norm(offsets, axis=-1)
    return slices, distance, offsets / np.maximum(distance, 1e-6)[..., None]


def _random_waves(rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Return wave vectors (3, n) and phases (n,) of a smooth random function on the sphere."""
    vectors = rng.standard_normal((3, WAVES))
    vectors *= rng.uniform(1.0, 4.0, WAVES) / np.linalg.norm(vectors, axis=0)
    return vectors, rng.uniform(0.0, 2.0 * np.pi, WAVES)


def _wave_values(directions: FloatArray, waves: tuple[FloatArray, FloatArray]) -> FloatArray:
    """Return values of mean about 0 and standard deviation about 1, for unit vectors (..., 3)."""
    vectors, phases = waves
    values = np.cos(directions @ vectors + phases).sum(axis=-1)
    scaled: FloatArray = values * np.sqrt(2.0 / len(phases))
    return scaled


def _sphere_directions() -> FloatArray:
    """Return 500 evenly spread unit vectors (Fibonacci's spiral)."""
    index = np.arange(500) + 0.5
    height = 1.0 - 2.0 * index / 500
    angle = np.pi * (1.0 + np.sqrt(5.0)) * index
    ring = np.sqrt(1.0 - height**2)
    return np.stack([height, ring * np.cos(angle), ring * np.sin(angle)], axis=-1)
