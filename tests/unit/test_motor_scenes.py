"""Drawn shapes, cells that the volume cuts, and scenes whose tomograms differ."""

from collections import Counter

import numpy as np
import pytest

from copick_picker.core.simulate.eight_bits import eight_bits
from copick_picker.core.simulate.molecules import prepared_molecule
from copick_picker.core.simulate.motor_shapes import N_VARIANTS, SHAPES, shape_potential
from copick_picker.core.simulate.specimen import build_specimen
from copick_picker.errors import SettingsError, UnknownNameError
from copick_picker.records.simulation import (
    Amount,
    IceSpec,
    MembraneSpec,
    ParticleSpec,
    SpecimenSpec,
)
from copick_picker.settings.simulate_scene import load_scene, preset_path

SHAPE = (40, 90, 100)
SPACING = 20.0
CELL = MembraneSpec(
    "cell",
    "cell",
    Amount("count", 1, 1),
    (1500.0, 2500.0),
    (0.0, 0.0),
    (30.0, 30.0),
    6.0,
    (40.0, 40.0),
    is_labelled=False,
    allow_fewer=False,
    outer_distance_angstrom=(240.0, 240.0),
)


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("variant", [0, N_VARIANTS - 1])
def test_shapes_are_centred_and_end_inside_their_box(name: str, variant: int) -> None:
    volume, _ = shape_potential(name, variant, 20.0)
    middle = volume.shape[0] // 2
    centre = (np.argwhere(np.ones_like(volume)) * volume.reshape(-1, 1)).sum(axis=0) / volume.sum()
    assert np.abs(centre - middle).max() < 0.2
    assert 0 <= volume.min() < 1e-3
    assert 1.5 < volume.max() < 4.0
    faces = [np.abs(np.take(volume, at, axis)).max() for axis in range(3) for at in (0, -1)]
    assert max(faces) < 0.02
    assert np.array_equal(volume, shape_potential(name, variant, 20.0)[0])


def test_a_motor_has_a_ring_at_the_membranes_inner_side() -> None:
    volume, membrane = shape_potential("flagellar-motor", 0, 10.0)
    middle = volume.shape[0] // 2
    plane = volume[middle + round((membrane - 120.0) / 10.0)]
    profile = plane[middle, middle:]
    ring = int(np.argmax(profile[10:])) + 10
    assert 150 < 10 * ring < 260
    assert profile[ring] > 2.0
    assert profile[11] < 0.5 * profile[ring]


def test_an_unknown_shape_is_named() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'granule'"):
        shape_potential("granul", 0, 10.0)


def plan(*particles: ParticleSpec) -> SpecimenSpec:
    ice = IceSpec((800.0, 800.0), (0.0, 0.0), 0.0, (0.0, 0.0))
    return SpecimenSpec(particles, (CELL,), (), (), (), ice, None, (), 0.0, 10.0, 0.5)


@pytest.mark.parametrize("seed", range(4))
def test_motors_stand_in_the_inner_membrane_and_molecules_on_their_side(seed: int) -> None:
    motor, membrane = shape_potential("flagellar-motor", 1, 10.0)
    ball, _ = shape_potential("granule", 0, 20.0)
    molecules = {
        "motor": prepared_molecule("motor", motor, source_spacing=10.0, target_spacing=SPACING),
        "ball": prepared_molecule("ball", ball, source_spacing=8.0, target_spacing=SPACING),
    }
    some = Amount("count", 3, 3)
    particles = (
        ParticleSpec("motor", "motor", some, True, True, membrane, "cell"),
        ParticleSpec("in", "ball", some, False, True, where="inside"),
        ParticleSpec("out", "ball", some, False, True, where="outside"),
    )
    rng = np.random.default_rng(seed)
    specimen = build_specimen(plan(*particles), molecules, SHAPE, SPACING, rng)
    middle = specimen.placed["cell"].points_xyz[0]

    def from_middle(name: str) -> np.ndarray:
        return np.linalg.norm(specimen.placed[name].points_xyz - middle, axis=1)

    motors = from_middle("motor")
    assert len(motors) >= 1
    radius = motors.mean() + membrane  # the centre of mass lies this far inside
    assert np.allclose(motors, radius - membrane, atol=1.0)
    assert 1500 <= radius <= 2500
    assert (from_middle("in") < radius).all()
    assert (from_middle("out") > radius + 240).all()
    outwards = (specimen.placed["motor"].points_xyz - middle) / motors[:, None]
    axes = specimen.placed["motor"].rotations[:, :, 2]
    assert np.allclose((outwards * axes).sum(axis=1), 1.0, atol=1e-6)
    box = (np.array(SHAPE[::-1]) - 1) * SPACING
    places = specimen.placed["motor"].points_xyz
    assert ((places >= 100) & (places <= box - 100)).all()


def test_a_cells_membranes_run_side_by_side() -> None:
    specimen = build_specimen(plan(), {}, SHAPE, SPACING, np.random.default_rng(3))
    centre = specimen.placed["cell"].points_xyz[0]
    zyx = np.argwhere(specimen.potential > 0.5 * specimen.potential.max())
    distance = np.linalg.norm(zyx[:, ::-1] * SPACING - centre, axis=1)
    inner = distance[distance < distance.min() + 120]
    outer = distance[distance > distance.max() - 120]
    assert len(inner) + len(outer) == len(distance)
    assert outer.mean() - inner.mean() == pytest.approx(240, abs=8)


def test_tomograms_of_the_preset_differ_but_are_the_same_again() -> None:
    scene = load_scene(preset_path("motors"), {})
    runs = [scene.of_run(number, n_variants=6) for number in range(1, 25)]
    assert runs[4] == scene.of_run(5, n_variants=6)
    spacings = {run.voxel_spacing for run in runs}
    assert len(spacings) > 3
    assert min(spacings) >= 6.5
    assert max(spacings) <= 19.7
    for run in runs:
        assert all(96 <= size <= 272 for size in run.shape)
        assert not run.voxel_spacings
    motors = Counter(run.membrane_proteins["motor"].count for run in runs)
    assert motors == {(0.0, 0.0): 12, (1.0, 1.0): 10, (2.0, 2.0): 2}  # two whole blocks
    assert len({run.membrane_proteins["motor"].molecule for run in runs}) > 2
    other = load_scene(preset_path("motors"), {"seed": 9})
    assert [other.of_run(n, n_variants=6).voxel_spacing for n in range(1, 9)] != [
        run.voxel_spacing for run in runs[:8]
    ]


def test_what_is_given_wins_over_what_varies() -> None:
    scene = load_scene(preset_path("motors"), {"voxel_spacing": 12.0, "shape": (32, 64, 48)})
    run = scene.of_run(3, n_variants=6)
    assert (run.voxel_spacing, run.shape) == (12.0, (32, 64, 48))


def test_a_scene_that_does_not_vary_is_left_as_it_is() -> None:
    scene = load_scene(preset_path("tiny"), {})
    assert scene.of_run(2, n_variants=6) is scene


def test_a_protein_needs_its_membrane(tmp_path) -> None:
    text = (
        preset_path("motors").read_text(encoding="utf-8").replace("membrane: cell", "membrane: x")
    )
    path = tmp_path / "scene.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match="no membrane 'x'; there are cell, vesicle"):
        load_scene(path, {})


def test_eight_bits_cut_off_what_lies_beyond() -> None:
    volume = np.arange(1000.0).reshape(5, 10, 20)
    volume[0, 0, 0] = -1e6
    grey = eight_bits(volume, percentiles=(1, 99))
    assert (grey.min(), grey.max(), grey.dtype) == (0, 255, np.uint8)
    assert (np.diff(grey.ravel().astype(int)) >= 0).all()
    assert eight_bits(np.full((2, 3, 4), 7.0), percentiles=(1, 99)).max() == 0
