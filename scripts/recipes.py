"""What the shipped models are trained on: every number of the simulated specimens."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from copick_picker.core.simulate.imaging import tomogram_noise, tomogram_signal
from copick_picker.core.simulate.molecule_scenes import drawn_conditions, molecule_scene
from copick_picker.core.simulate.particle_scenes import LayerRange, ShellSceneSpec, shell_scene
from copick_picker.records.specimens import ImagingConditions, Scene
from copick_picker.settings.simulate import (
    DEMO_IMAGING,
    DEMO_SCENE,
    DEMO_SHAPE_ZYX,
    DEMO_VOXEL_SPACING,
    OBJECT_RADII_ANGSTROM,
    TRAINING_IMAGING,
)
from copick_picker.workflows.benchmark.demo_projects import (
    VLP_NAME,
    VLP_RADIUS_ANGSTROM,
    VLP_SPACING,
    demo_molecules,
)

VLP_TOLERANCE = 540.0
VLP_SHAPE = (96, 128, 128)

_MEMBRANE = LayerRange((0.0, 0.0), (15.0, 24.0), (50.0, 120.0), is_patchy=False)

# Immature HIV-1: the capsid domains of Gag are the reference layer; a hexamer of 150 kDa each 80 A
# makes 27 Da/A^2, at 4.3 V A^3/Da about 115 V A. Matrix domains and the membrane lie outside it,
# nucleocapsid and RNA inside; about a third of the lattice is missing.
VLP_SCENE = ShellSceneSpec(
    name=VLP_NAME,
    radius_angstrom=(390.0, 540.0),
    outer_angstrom=105.0,
    roughness=(0.005, 0.05),
    coverage=(0.5, 0.95),
    layers=(
        LayerRange((0.0, 0.0), (20.0, 35.0), (80.0, 150.0), is_patchy=True),
        LayerRange((45.0, 60.0), (12.0, 20.0), (30.0, 70.0), is_patchy=True),
        LayerRange((75.0, 105.0), (15.0, 24.0), (50.0, 120.0), is_patchy=False),
        LayerRange((-95.0, -65.0), (20.0, 35.0), (20.0, 110.0), is_patchy=True),
    ),
    touching_share=(0.1, 0.8),
    count=(3, 26),
    ice_thickness_angstrom=(300.0, 2200.0),
    vesicle_count=(0, 8),
    vesicle_radius_angstrom=(150.0, 900.0),
    vesicle_layers=(_MEMBRANE,),
    fragment_count=(0, 5),
    fragment_radius_angstrom=(300.0, 2500.0),
    fragment_coverage=(0.05, 0.4),
    protein_count=(0, 1500),
    protein_volt_angstrom3=(1e5, 8e6),
    gold_count=(0, 14),
    gold_radius_angstrom=(25.0, 80.0),
    gold_volts=(10.0, 24.0),
    ice_count=(0, 4),
    ice_radius_angstrom=(100.0, 900.0),
    ice_volts=(-1.5, 3.0),
    carbon_share=0.35,
    carbon_thickness_angstrom=(100.0, 300.0),
    carbon_volts=(1.0, 5.0),
    texture_volts=(0.0, 0.15),
    texture_voxels=(0.7, 6.0),
)


def vlp_conditions(rng: np.random.Generator) -> ImagingConditions:
    """Return imaging conditions as wide as tomograms at 40 A voxels come."""
    return ImagingConditions(
        voltage_kilovolt=300.0,
        spherical_aberration_angstrom=2.7e7,
        amplitude_contrast=0.07,
        defocus_angstrom=rng.uniform(1.5e4, 6e4),
        phase_flipped=bool(rng.random() < 0.5),
        tilt_limits_degrees=(-rng.uniform(50.0, 65.0), rng.uniform(50.0, 65.0)),
        tilt_step_degrees=float(rng.choice([0.0, 2.0, 3.0])),
        noise_std=float(np.exp(rng.uniform(*np.log([0.0015, 0.008])))),
        noise_exponent=rng.uniform(0.0, 1.0),
        filter_exponent=rng.uniform(-1.2, 0.2),
    )


@dataclass(frozen=True)
class Recipe:
    """The tomograms that one model is trained, judged and tested on, and how it ships."""

    name: str
    seed: int
    objects: tuple[str, ...]
    voxel_spacing: float
    tolerance_angstrom: Mapping[str, float]
    radius_angstrom: Mapping[str, float]
    training_scene: Callable[[np.random.Generator], Scene]
    held_out_scene: Callable[[np.random.Generator], Scene]
    training_conditions: Callable[[np.random.Generator], ImagingConditions]
    held_out_conditions: Callable[[np.random.Generator], ImagingConditions]
    tomograms: Mapping[str, int]
    views: int
    threshold_margin: float
    window_voxels: tuple[int, int, int]


def vlp_scene(rng: np.random.Generator) -> Scene:
    """Return a random scene of virus-like particles."""
    return shell_scene(VLP_SCENE, VLP_SHAPE, VLP_SPACING, rng)


def vlp_recipe() -> Recipe:
    """Return the recipe of the model for HIV-1 virus-like particles."""
    return Recipe(
        name="hiv-vlp-40a",
        seed=20261121,
        objects=(VLP_NAME,),
        voxel_spacing=VLP_SPACING,
        tolerance_angstrom={VLP_NAME: VLP_TOLERANCE},
        radius_angstrom={VLP_NAME: VLP_RADIUS_ANGSTROM},
        training_scene=vlp_scene,
        held_out_scene=vlp_scene,
        training_conditions=vlp_conditions,
        held_out_conditions=vlp_conditions,
        tomograms={"train": 100, "validation": 12, "test": 12},
        views=2,
        threshold_margin=0.005,
        window_voxels=(64, 64, 64),
    )


MOLECULE_SHAPE = (80, 176, 176)


def demo_scene(shape_zyx: tuple[int, int, int], rng: np.random.Generator) -> Scene:
    """Return a random scene of the demo's molecules."""
    return molecule_scene(demo_molecules(), DEMO_SCENE, shape_zyx, rng)


def molecule_recipe() -> Recipe:
    """Return the recipe of the model for the simulated demo."""
    return Recipe(
        name="simulated-10a",
        seed=20261122,
        objects=tuple(OBJECT_RADII_ANGSTROM),
        voxel_spacing=DEMO_VOXEL_SPACING,
        tolerance_angstrom={name: 0.5 * r for name, r in OBJECT_RADII_ANGSTROM.items()},
        radius_angstrom=OBJECT_RADII_ANGSTROM,
        training_scene=partial(demo_scene, MOLECULE_SHAPE),
        held_out_scene=partial(demo_scene, DEMO_SHAPE_ZYX),
        training_conditions=partial(drawn_conditions, TRAINING_IMAGING),
        held_out_conditions=partial(drawn_conditions, DEMO_IMAGING),
        tomograms={"train": 110, "validation": 24, "test": 16},
        views=2,
        threshold_margin=0.01,
        window_voxels=(64, 64, 64),
    )


RECIPES: dict[str, Callable[[], Recipe]] = {"molecules": molecule_recipe, "vlp": vlp_recipe}


def noise_levels(recipe: Recipe) -> tuple[str, str]:
    """Return the ranges of signal-to-noise and contrast-to-noise over twelve random tomograms.

    Contrast is the mean inside protein (above 1 V) less the mean of empty ice (within 0.05 V).
    """
    ratios, contrasts = [], []
    for index in range(12):
        rng = np.random.default_rng([recipe.seed, 7, index])
        scene, conditions = recipe.held_out_scene(rng), recipe.held_out_conditions(rng)
        signal = tomogram_signal(scene.potential, scene.voxel_spacing, conditions)
        noise = tomogram_noise(scene.potential.shape, conditions, rng)
        ratios.append(float(signal.var() / noise.var()))
        protein, ice = scene.potential > 1.0, np.abs(scene.potential) < 0.05
        contrasts.append(float((signal[ice].mean() - signal[protein].mean()) / noise.std()))
    return (
        f"{min(ratios):.3f} to {max(ratios):.3f}",
        f"{min(contrasts):.2f} to {max(contrasts):.2f}",
    )
