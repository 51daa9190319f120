"""Scenes of virus-like particles in a layer of ice, with what lies beside them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from copick_picker.core.geometry import box_angstrom
from copick_picker.core.simulate.placement import separated_points
from copick_picker.core.simulate.shells import draw_ball, draw_shell
from copick_picker.records.simulation import LayerRange
from copick_picker.records.specimens import Scene, ShellLayer

Range = tuple[float, float]
Volume = npt.NDArray[np.float32]
TRIES = 60
PROTEIN_VOLTS = 3.5
"""Mean potential inside a protein over ice: 4.25 V A^3/Da by 1.21 A^3/Da (Vulovic et al. 2013)."""


@dataclass(frozen=True)
class ShellSceneSpec:
    """What a scene of virus-like particles holds; every pair is a range to draw from.

    Attributes
    ----------
    name : str
        Object name of the particles.
    radius_angstrom : tuple of float
        Radius of the reference layer (offset 0).
    outer_angstrom : float
        How far a particle reaches beyond that radius; particles keep this distance.
    roughness : tuple of float
        Standard deviation of a particle's radius over directions, as a share.
    coverage : tuple of float
        Share of the sphere that the patchy layers cover.
    layers : tuple of LayerRange
        Layers of a particle.
    touching_share : tuple of float
        Share of draws that put a particle in contact with another.
    count : tuple of int
        Particles to try to place.
    ice_thickness_angstrom : tuple of float
        Thickness of the layer that holds the particle centres.
    vesicle_count, vesicle_radius_angstrom, vesicle_layers
        Vesicles without the particles' inner layers.
    fragment_count, fragment_radius_angstrom, fragment_coverage
        Open pieces of membrane, made of the vesicles' layers.
    protein_count, protein_volt_angstrom3
        Small proteins: how many, and their integrated potential.
    gold_count, gold_radius_angstrom, gold_volts
        Fiducial beads.
    ice_count, ice_radius_angstrom, ice_volts
        Ice crystals at the surfaces of the layer.
    carbon_share, carbon_thickness_angstrom, carbon_volts
        How often the edge of a carbon film is seen, and the film.
    texture_volts, texture_voxels
        Random density of the solvent and its correlation length.
    """

    name: str
    radius_angstrom: Range
    outer_angstrom: float
    roughness: Range
    coverage: Range
    layers: tuple[LayerRange, ...]
    touching_share: Range
    count: tuple[int, int]
    ice_thickness_angstrom: Range
    vesicle_count: tuple[int, int]
    vesicle_radius_angstrom: Range
    vesicle_layers: tuple[LayerRange, ...]
    fragment_count: tuple[int, int]
    fragment_radius_angstrom: Range
    fragment_coverage: Range
    protein_count: tuple[int, int]
    protein_volt_angstrom3: Range
    gold_count: tuple[int, int]
    gold_radius_angstrom: Range
    gold_volts: Range
    ice_count: tuple[int, int]
    ice_radius_angstrom: Range
    ice_volts: Range
    carbon_share: float
    carbon_thickness_angstrom: Range
    carbon_volts: Range
    texture_volts: Range
    texture_voxels: Range


def shell_scene(
    spec: ShellSceneSpec,
    shape_zyx: tuple[int, int, int],
    voxel_spacing: float,
    rng: np.random.Generator,
) -> Scene:
    """Return a scene of virus-like particles and distractors in a layer normal to z.

    Parameters
    ----------
    spec : ShellSceneSpec
        What the scene holds.
    shape_zyx : tuple of int
        Shape of the volume.
    voxel_spacing : float
        Edge of a voxel in Angstrom.
    rng : numpy.random.Generator
        Source of randomness; the same state gives the same bytes.

    Returns
    -------
    Scene
        Potential and the centres of the particles that lie inside the volume; particles whose
        centre is outside are drawn but not listed.
    """
    potential = np.zeros(shape_zyx, dtype=np.float32)
    box_xyz = box_angstrom(shape_zyx, voxel_spacing)
    thickness = min(rng.uniform(*spec.ice_thickness_angstrom), box_xyz[2])
    bottom = rng.uniform(0.0, box_xyz[2] - thickness)
    reach = spec.radius_angstrom[1]
    low_xyz = np.array([-reach, -reach, bottom])
    high_xyz = np.array([box_xyz[0] + reach, box_xyz[1] + reach, bottom + thickness])
    points_xyz = _draw_shells(potential, spec, low_xyz, high_xyz, voxel_spacing, rng)
    _draw_small_things(potential, spec, low_xyz, high_xyz, voxel_spacing, rng)
    _draw_film(potential, spec, (low_xyz[2], high_xyz[2]), voxel_spacing, rng)
    sigma = rng.uniform(*spec.texture_voxels)
    texture = ndimage.gaussian_filter(rng.standard_normal(shape_zyx, dtype=np.float32), sigma)
    potential += texture * np.float32(rng.uniform(*spec.texture_volts) / float(texture.std()))
    is_inside = np.all((points_xyz >= 0.0) & (points_xyz <= box_xyz), axis=1)
    return Scene(potential, voxel_spacing, {spec.name: points_xyz[is_inside]})


def _draw_shells(
    potential: Volume,
    spec: ShellSceneSpec,
    low_xyz: npt.NDArray[np.float64],
    high_xyz: npt.NDArray[np.float64],
    voxel_spacing: float,
    rng: np.random.Generator,
) -> npt.NDArray[np.float64]:
    """Draw particles, vesicles and fragments; return the particles' centres."""
    n_particles = int(rng.integers(*spec.count, endpoint=True))
    n_vesicles = int(rng.integers(*spec.vesicle_count, endpoint=True))
    n_fragments = int(rng.integers(*spec.fragment_count, endpoint=True))
    radii = np.concatenate(
        [
            rng.uniform(*spec.radius_angstrom, n_particles) + spec.outer_angstrom,
            rng.uniform(*spec.vesicle_radius_angstrom, n_vesicles),
        ]
    )
    placed, placed_radii = separated_points(
        radii,
        low_xyz,
        high_xyz,
        rng,
        touching_share=rng.uniform(*spec.touching_share),
        tries=TRIES,
    )
    is_particle = np.isin(placed_radii, radii[:n_particles])
    for point, radius, of_kind in zip(placed, placed_radii, is_particle, strict=True):
        coverage = rng.uniform(*spec.coverage)
        kind = spec.layers if of_kind else spec.vesicle_layers
        draw_shell(
            potential,
            point,
            _drawn_layers(kind, coverage, rng),
            rng,
            radius_angstrom=radius - (spec.outer_angstrom if of_kind else 0.0),
            roughness=rng.uniform(*spec.roughness),
            voxel_spacing=voxel_spacing,
        )
    for _ in range(n_fragments):
        _draw_fragment(potential, spec, low_xyz, high_xyz, voxel_spacing, rng)
    points_xyz: npt.NDArray[np.float64] = placed[is_particle]
    return points_xyz


def _draw_fragment(
    potential: Volume,
    spec: ShellSceneSpec,
    low_xyz: npt.NDArray[np.float64],
    high_xyz: npt.NDArray[np.float64],
    voxel_spacing: float,
    rng: np.random.Generator,
) -> None:
    """Draw an open piece of membrane."""
    layers = _drawn_layers(spec.vesicle_layers, 1.0, rng)
    coverage = rng.uniform(*spec.fragment_coverage)
    draw_shell(
        potential,
        rng.uniform(low_xyz, high_xyz),
        [replace(layer, coverage=coverage) for layer in layers],
        rng,
        radius_angstrom=rng.uniform(*spec.fragment_radius_angstrom),
        roughness=rng.uniform(*spec.roughness),
        voxel_spacing=voxel_spacing,
    )


def _drawn_layers(
    ranges: Sequence[LayerRange], coverage: float, rng: np.random.Generator
) -> list[ShellLayer]:
    return [
        ShellLayer(
            rng.uniform(*layer.offset_angstrom),
            rng.uniform(*layer.sigma_angstrom),
            rng.uniform(*layer.volt_angstrom),
            coverage if layer.is_patchy else 1.0,
        )
        for layer in ranges
    ]


def _draw_small_things(
    potential: Volume,
    spec: ShellSceneSpec,
    low_xyz: npt.NDArray[np.float64],
    high_xyz: npt.NDArray[np.float64],
    voxel_spacing: float,
    rng: np.random.Generator,
) -> None:
    """Draw small proteins, gold beads and ice crystals."""
    for _ in range(int(rng.integers(*spec.protein_count, endpoint=True))):
        integral = np.exp(rng.uniform(*np.log(spec.protein_volt_angstrom3)))
        radius = (integral / PROTEIN_VOLTS * 0.75 / np.pi) ** (1.0 / 3.0)
        spread = max(radius, 0.75 * voxel_spacing)
        draw_ball(
            potential,
            rng.uniform(low_xyz, high_xyz),
            radius_angstrom=spread,
            volts=PROTEIN_VOLTS * (radius / spread) ** 3,
            voxel_spacing=voxel_spacing,
        )
    for _ in range(int(rng.integers(*spec.gold_count, endpoint=True))):
        draw_ball(
            potential,
            _at_surface(rng.uniform(low_xyz, high_xyz), (low_xyz[2], high_xyz[2]), rng, 0.7),
            radius_angstrom=rng.uniform(*spec.gold_radius_angstrom),
            volts=rng.uniform(*spec.gold_volts),
            voxel_spacing=voxel_spacing,
        )
    for _ in range(int(rng.integers(*spec.ice_count, endpoint=True))):
        draw_ball(
            potential,
            _at_surface(rng.uniform(low_xyz, high_xyz), (low_xyz[2], high_xyz[2]), rng, 1.0),
            radius_angstrom=rng.uniform(*spec.ice_radius_angstrom),
            volts=rng.uniform(*spec.ice_volts),
            voxel_spacing=voxel_spacing,
        )


def _at_surface(
    point_xyz: npt.NDArray[np.float64],
    surfaces_z: Range,
    rng: np.random.Generator,
    share: float,
) -> npt.NDArray[np.float64]:
    """Return the point, moved in a share of the cases to one of the surfaces of the layer."""
    if rng.random() >= share:
        return point_xyz
    margin = 0.25 * (surfaces_z[1] - surfaces_z[0])
    surface = surfaces_z[0] - margin if rng.random() < 0.5 else surfaces_z[1] + margin
    return np.array([point_xyz[0], point_xyz[1], surface])


def _draw_film(
    potential: Volume,
    spec: ShellSceneSpec,
    surfaces_z: Range,
    voxel_spacing: float,
    rng: np.random.Generator,
) -> None:
    """Draw the edge of a holey carbon film, seen as a straight cut, below the layer."""
    if rng.random() >= spec.carbon_share:
        return
    n_z, n_y, n_x = potential.shape
    box_xyz = box_angstrom((n_z, n_y, n_x), voxel_spacing)
    along_x = np.linspace(0.0, box_xyz[0], n_x)[None, :] - 0.5 * box_xyz[0]
    along_y = np.linspace(0.0, box_xyz[1], n_y)[:, None] - 0.5 * box_xyz[1]
    angle = rng.uniform(0.0, 2.0 * np.pi)
    beyond = along_x * np.cos(angle) + along_y * np.sin(angle)
    film = 1.0 / (1.0 + np.exp(-(beyond - rng.uniform(0.2, 0.5) * box_xyz[0]) / voxel_spacing))
    height = np.linspace(0.0, box_xyz[2], n_z) - surfaces_z[0]
    thickness = rng.uniform(*spec.carbon_thickness_angstrom)
    profile = np.exp(-0.5 * (height / max(0.5 * thickness, 0.5 * voxel_spacing)) ** 2)
    grain = ndimage.gaussian_filter(rng.standard_normal(potential.shape, dtype=np.float32), 0.7)
    grain = 1.0 + 0.3 * grain / float(grain.std())
    volts = rng.uniform(*spec.carbon_volts)
    potential += (volts * profile[:, None, None] * film * grain).astype(np.float32)
