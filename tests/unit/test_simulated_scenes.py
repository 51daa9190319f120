"""Orientations, molecules, shells, placement and whole scenes."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from copick_picker.core.simulate.molecule_scenes import drawn_conditions, molecule_scene
from copick_picker.core.simulate.molecules import drawn_molecule, prepared_molecule
from copick_picker.core.simulate.orientations import random_rotations
from copick_picker.core.simulate.particle_scenes import LayerRange, ShellSceneSpec, shell_scene
from copick_picker.core.simulate.placement import (
    free_corner,
    overlap,
    separated_points,
)
from copick_picker.core.simulate.shells import draw_ball, draw_shell
from copick_picker.errors import DataError, UnknownNameError
from copick_picker.records.specimens import ImagingRanges, MoleculeSceneSpec, ShellLayer


def lopsided_potential(side: int = 24) -> np.ndarray:
    """Return three Gaussians whose centre of mass is voxel side // 2."""
    grid = np.stack(np.meshgrid(*[np.arange(side)] * 3, indexing="ij"), axis=-1) - side // 2
    places = np.array([[3.0, 1.0, -2.0], [-1.0, -3.0, 1.0], [-2.0, 2.0, 1.0]])
    return sum(np.exp(-((grid - place) ** 2).sum(axis=-1) / 8.0) for place in places)


def nearest_gap(points_xyz: np.ndarray) -> float:
    distances = np.linalg.norm(points_xyz[:, None] - points_xyz[None], axis=2)
    return float(distances[np.triu_indices(len(points_xyz), 1)].min())


def centre_of_mass(volume: np.ndarray) -> np.ndarray:
    grid = np.stack(np.meshgrid(*[np.arange(n) for n in volume.shape], indexing="ij"), axis=-1)
    return (grid * volume[..., None]).sum(axis=(0, 1, 2)) / volume.sum()


def test_rotations_are_proper_and_uniform() -> None:
    rotations = random_rotations(4000, np.random.default_rng(1))
    np.testing.assert_allclose(
        rotations @ rotations.transpose(0, 2, 1),
        np.broadcast_to(np.eye(3), (4000, 3, 3)),
        atol=1e-12,
    )
    np.testing.assert_allclose(np.linalg.det(rotations), 1.0)
    # Each axis is uniform on the sphere: its coordinates are uniform in [-1, 1].
    for entry in rotations.reshape(4000, 9).T:
        assert stats.kstest(entry, stats.uniform(-1, 2).cdf).pvalue > 1e-3
    # The angle has density (1 - cos t) / pi.
    trace = np.trace(rotations, axis1=1, axis2=2)
    angle = np.arccos(np.clip((trace - 1) / 2, -1, 1))
    assert stats.kstest(angle, lambda t: (t - np.sin(t)) / np.pi).pvalue > 1e-3


def test_no_rotations_and_a_negative_count() -> None:
    assert random_rotations(0, np.random.default_rng(1)).shape == (0, 3, 3)
    with pytest.raises(DataError, match="-1"):
        random_rotations(-1, np.random.default_rng(1))


@pytest.mark.parametrize("spacings", [(5.0, 10.0), (5.0, 5.0), (5.0, 7.5)])
def test_a_drawn_molecule_has_its_centre_of_mass_at_the_truth(
    spacings: tuple[float, float],
) -> None:
    rng = np.random.default_rng(2)
    source, target = spacings
    potential = lopsided_potential()
    molecule = prepared_molecule("m", potential, source_spacing=source, target_spacing=target)
    for rotation in random_rotations(4, rng):
        shift = rng.uniform(-0.5, 0.5, 3)
        drawn = drawn_molecule(molecule, rotation, shift)
        expected = np.array(drawn.shape) // 2 + shift
        np.testing.assert_allclose(centre_of_mass(drawn), expected, atol=0.1)
        integral = drawn.sum() * target**3
        assert integral == pytest.approx(potential.sum() * source**3, rel=0.02)


def test_a_molecule_turns_the_way_its_rotation_says() -> None:
    potential = np.zeros((24, 24, 24))
    potential[12, 12, 17] = 1.0
    molecule = prepared_molecule("m", potential, source_spacing=5.0, target_spacing=5.0)
    quarter = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])  # x becomes z
    drawn = drawn_molecule(molecule, quarter, np.zeros(3))
    peak = np.array(np.unravel_index(drawn.argmax(), drawn.shape)) - drawn.shape[0] // 2
    assert peak.tolist() == [5, 0, 0]


def test_a_potential_that_is_no_cube_is_refused() -> None:
    with pytest.raises(DataError, match="cube"):
        prepared_molecule("m", np.zeros((8, 8, 10)), source_spacing=5.0, target_spacing=10.0)


def test_a_shell_has_its_radius_its_centre_and_its_integral() -> None:
    volume = np.zeros((60, 64, 70), dtype=np.float32)
    point_xyz = np.array([352.0, 318.0, 297.0])
    draw_shell(
        volume,
        point_xyz,
        [ShellLayer(20.0, 15.0, 100.0, 1.0)],
        np.random.default_rng(1),
        radius_angstrom=180.0,
        roughness=0.0,
        voxel_spacing=10.0,
    )
    np.testing.assert_allclose(centre_of_mass(volume) * 10.0, point_xyz[::-1], atol=0.5)
    sphere_integral = 4 * np.pi * (200.0**2 + 15.0**2) * 100.0
    assert volume.sum() * 1000.0 == pytest.approx(sphere_integral, rel=0.01)
    along_x = volume[30, 32]
    assert abs(along_x[35:].argmax() + 35 - 55.2) < 1.0


def test_layers_keep_the_share_that_they_cover() -> None:
    shares = []
    for seed in range(8):
        volumes = []
        for coverage in (1.0, 0.6):
            volume = np.zeros((50, 50, 50), dtype=np.float32)
            draw_shell(
                volume,
                np.full(3, 250.0),
                [ShellLayer(0.0, 15.0, 100.0, coverage)],
                np.random.default_rng(seed),
                radius_angstrom=170.0,
                roughness=0.02,
                voxel_spacing=10.0,
            )
            volumes.append(volume.sum())
        shares.append(volumes[1] / volumes[0])
    np.testing.assert_allclose(shares, 0.6, atol=0.05)


def test_shells_and_balls_are_cut_at_the_faces_and_may_lie_outside() -> None:
    volume = np.zeros((20, 24, 28), dtype=np.float32)
    draw_ball(volume, np.full(3, -500.0), radius_angstrom=50.0, volts=1.0, voxel_spacing=10.0)
    assert not volume.any()
    draw_ball(volume, np.zeros(3), radius_angstrom=60.0, volts=2.0, voxel_spacing=10.0)
    assert volume.max() == 2.0
    assert volume[0, 0, 5] == 2.0
    assert not volume[10:].any()


def test_separated_points_do_not_overlap_and_some_touch() -> None:
    radii = np.linspace(80.0, 40.0, 30)
    low, high = np.zeros(3), np.array([900.0, 700.0, 400.0])
    points, placed = separated_points(
        radii, low, high, np.random.default_rng(3), touching_share=0.5, tries=50
    )
    assert len(points) == len(placed) > 20
    gaps = np.linalg.norm(points[:, None] - points[None], axis=2) - placed[:, None] - placed[None]
    np.fill_diagonal(gaps, np.inf)
    assert gaps.min() > -1e-6
    assert (gaps.min(axis=1) < 1e-6).sum() >= 6
    assert np.all((points >= low) & (points <= high))


def test_nothing_to_place_and_no_room() -> None:
    rng = np.random.default_rng(3)
    points, radii = separated_points([], [0, 0, 0], [1, 1, 1], rng, touching_share=0.0, tries=5)
    assert points.shape == (0, 3)
    assert radii.shape == (0,)
    crowded, _ = separated_points(
        [10.0, 10.0], [0, 0, 0], [1, 1, 1], rng, touching_share=0.0, tries=5
    )
    assert len(crowded) == 1
    full = np.ones((6, 7, 8), dtype=bool)
    shape = np.ones((3, 3, 3), dtype=bool)
    limits = {"centre_low_zyx": np.zeros(3, int), "centre_high_zyx": np.array([5, 6, 7])}
    assert free_corner(full, shape, rng, tries=10, **limits) is None
    corner = free_corner(~full, shape, rng, tries=10, **limits)
    assert corner is not None
    assert np.all(corner >= -1)
    assert np.all(corner <= [4, 5, 6])


def test_overlap_outside_is_empty() -> None:
    inside, within = overlap((10, 10, 10), (4, 4, 4), (20, 0, -9))
    assert np.zeros((10, 10, 10))[inside].size == 0
    assert np.zeros((4, 4, 4))[within].size == 0


SPEC = MoleculeSceneSpec(
    objects={"large": (3, 3), "small": (6, 6)},
    distractors={"other": (2, 2)},
    vesicle_count=(1, 1),
    vesicle_radius_angstrom=(100.0, 120.0),
    leaflet_distance_angstrom=(25.0, 35.0),
    leaflet_volt_angstrom=(20.0, 40.0),
    gold_count=(1, 1),
    gold_radius_angstrom=(30.0, 40.0),
    gap_voxels=1,
    footprint_volts=0.1,
)


def molecules_for(spacing: float = 10.0) -> dict:
    sides = {"large": 32, "small": 24, "other": 20}
    return {
        name: prepared_molecule(
            name, 5.0 * lopsided_potential(side), source_spacing=5.0, target_spacing=spacing
        )
        for name, side in sides.items()
    }


def test_a_scene_holds_its_molecules_where_the_truth_says() -> None:
    alone = replace(SPEC, distractors={}, vesicle_count=(0, 0), gold_count=(0, 0))
    shape_zyx = (40, 64, 80)
    scene = molecule_scene(molecules_for(), alone, shape_zyx, np.random.default_rng(4))
    points = np.vstack([scene.points_xyz["large"], scene.points_xyz["small"]])
    assert len(points) == 9
    assert nearest_gap(points) > 40.0
    checked = 0
    for point in points:
        centre = point[::-1] / 10.0
        low = np.round(centre).astype(int) - 6
        box = scene.potential[tuple(slice(start, start + 13) for start in low)]
        is_alone = np.sort(np.linalg.norm(points - point, axis=1))[1] > 160.0
        if is_alone and box.shape == (13, 13, 13) and np.all(low >= 0):
            np.testing.assert_allclose(centre_of_mass(box) + low, centre, atol=0.1)
            checked += 1
    assert checked >= 1


def test_the_same_seed_gives_the_same_scene() -> None:
    first, second, other = (
        molecule_scene(molecules_for(), SPEC, (36, 50, 44), np.random.default_rng(seed))
        for seed in (5, 5, 6)
    )
    assert first.potential.tobytes() == second.potential.tobytes()
    assert first.potential.tobytes() != other.potential.tobytes()
    for name in SPEC.objects:
        np.testing.assert_array_equal(first.points_xyz[name], second.points_xyz[name])


def test_a_scene_without_particles_has_empty_sets() -> None:
    empty = replace(SPEC, objects={"large": (0, 0)}, distractors={})
    scene = molecule_scene(molecules_for(), empty, (20, 24, 28), np.random.default_rng(1))
    assert scene.points_xyz["large"].shape == (0, 3)


def test_unknown_molecules_and_mixed_spacings_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="unknown-thing"):
        molecule_scene(
            molecules_for(),
            replace(SPEC, objects={"unknown-thing": (1, 1)}),
            (20, 20, 20),
            np.random.default_rng(1),
        )
    mixed = molecules_for() | {"other": molecules_for(5.0)["other"]}
    with pytest.raises(DataError, match="spacings"):
        molecule_scene(mixed, SPEC, (20, 20, 20), np.random.default_rng(1))


def test_conditions_are_drawn_within_their_ranges() -> None:
    ranges = ImagingRanges(
        300.0,
        2.7e7,
        0.07,
        (2e4, 5e4),
        0.5,
        (50.0, 60.0),
        (0.0, 3.0),
        (0.01, 0.02),
        (0.3, 0.7),
        (-0.5, 0.0),
    )
    drawn = [drawn_conditions(ranges, np.random.default_rng(seed)) for seed in range(50)]
    assert {c.tilt_step_degrees for c in drawn} == {0.0, 3.0}
    assert {c.phase_flipped for c in drawn} == {True, False}
    for conditions in drawn:
        assert 0.01 <= conditions.noise_std <= 0.02
        low, high = conditions.tilt_limits_degrees
        assert -60.0 <= low <= -50.0
        assert 50.0 <= high <= 60.0


def test_a_scene_of_shells_lists_the_particles_inside() -> None:
    membrane = LayerRange((0.0, 0.0), (15.0, 20.0), (50.0, 100.0), is_patchy=False)
    lattice = LayerRange((-60.0, -50.0), (20.0, 30.0), (80.0, 150.0), is_patchy=True)
    spec = ShellSceneSpec(
        name="vlp",
        radius_angstrom=(300.0, 350.0),
        outer_angstrom=50.0,
        roughness=(0.0, 0.05),
        coverage=(0.5, 0.9),
        layers=(membrane, lattice),
        touching_share=(0.5, 0.5),
        count=(8, 8),
        ice_thickness_angstrom=(900.0, 1000.0),
        vesicle_count=(1, 2),
        vesicle_radius_angstrom=(150.0, 300.0),
        vesicle_layers=(membrane,),
        fragment_count=(1, 1),
        fragment_radius_angstrom=(300.0, 500.0),
        fragment_coverage=(0.1, 0.3),
        protein_count=(5, 10),
        protein_volt_angstrom3=(1e5, 1e6),
        gold_count=(2, 3),
        gold_radius_angstrom=(40.0, 60.0),
        gold_volts=(20.0, 22.0),
        ice_count=(1, 1),
        ice_radius_angstrom=(100.0, 200.0),
        ice_volts=(0.5, 1.0),
        carbon_share=1.0,
        carbon_thickness_angstrom=(100.0, 200.0),
        carbon_volts=(2.0, 4.0),
        texture_volts=(0.05, 0.1),
        texture_voxels=(1.0, 2.0),
    )
    shape_zyx = (40, 70, 60)
    scenes = [shell_scene(spec, shape_zyx, 40.0, np.random.default_rng(s)) for s in (1, 1, 2)]
    points = scenes[0].points_xyz["vlp"]
    assert 1 <= len(points) <= 8
    assert np.all(points >= 0)
    assert np.all(points <= [59 * 40.0, 69 * 40.0, 39 * 40.0])
    assert np.ptp(points[:, 2]) <= 1000.0
    assert nearest_gap(points) >= 2 * 350.0 - 1e-6
    assert scenes[0].potential.tobytes() == scenes[1].potential.tobytes()
    assert scenes[0].potential.tobytes() != scenes[2].potential.tobytes()
    assert np.isfinite(scenes[0].potential).all()
