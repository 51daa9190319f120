"""Scenes of molecules, vesicles and beads that do not overlap, with known centres."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from copick_picker.core.geometry import box_angstrom, voxels_to_points
from copick_picker.core.simulate.molecules import Molecule, drawn_molecule
from copick_picker.core.simulate.orientations import random_rotations
from copick_picker.core.simulate.placement import free_corner, overlap
from copick_picker.core.simulate.shells import draw_ball, draw_shell
from copick_picker.errors import DataError, UnknownNameError, choices_text
from copick_picker.records.specimens import (
    ImagingConditions,
    ImagingRanges,
    MoleculeSceneSpec,
    Scene,
    ShellLayer,
)

BoolArray = npt.NDArray[np.bool_]
Volume = npt.NDArray[np.float32]
TRIES = 40
GOLD_VOLTS = 22.0
"""Mean inner potential of gold, about 26 V, less that of ice."""
LEAFLET_SIGMA_ANGSTROM = 6.0


def molecule_scene(
    molecules: Mapping[str, Molecule],
    spec: MoleculeSceneSpec,
    shape_zyx: tuple[int, int, int],
    rng: np.random.Generator,
) -> Scene:
    """Return a scene of molecules in random orientations, none of which overlap.

    Vesicles and beads are placed first, then the objects from large to small, then the
    distractors. A molecule that finds no place is left out. Particles may be cut by the faces;
    their centres lie inside.

    Parameters
    ----------
    molecules : mapping of str to Molecule
        Molecule of each object and distractor, all made for one voxel spacing.
    spec : MoleculeSceneSpec
        What the scene holds.
    shape_zyx : tuple of int
        Shape of the volume.
    rng : numpy.random.Generator
        Source of randomness; the same state gives the same bytes.

    Returns
    -------
    Scene
        Potential, and the centres of mass of the objects.

    Raises
    ------
    UnknownNameError
        If the spec names a molecule that was not given.
    DataError
        If the molecules were made for different voxel spacings.
    """
    voxel_spacing = _common_spacing(molecules, spec)
    potential = np.zeros(shape_zyx, dtype=np.float32)
    occupied = np.zeros(shape_zyx, dtype=bool)
    _add_vesicles(potential, spec, voxel_spacing, rng)
    _add_gold(potential, spec, voxel_spacing, rng)
    occupied |= np.abs(potential) > 0.1
    found: dict[str, list[npt.NDArray[np.float64]]] = {name: [] for name in spec.objects}
    by_size = sorted(spec.objects, key=lambda name: -molecules[name].coefficients.shape[0])
    counts = {**spec.objects, **spec.distractors}
    for name in [*by_size, *spec.distractors]:
        low, high = counts[name]
        for rotation in random_rotations(int(rng.integers(low, high, endpoint=True)), rng):
            centre_zyx = _add_molecule(potential, occupied, molecules[name], rotation, spec, rng)
            if centre_zyx is not None and name in found:
                found[name].append(centre_zyx)
    points_xyz = {name: voxels_to_points(found[name], voxel_spacing) for name in found}
    return Scene(potential, voxel_spacing, points_xyz)


def drawn_conditions(ranges: ImagingRanges, rng: np.random.Generator) -> ImagingConditions:
    """Return imaging conditions drawn from ranges.

    Parameters
    ----------
    ranges : ImagingRanges
        What to draw from.
    rng : numpy.random.Generator
        Source of randomness.
    """
    return ImagingConditions(
        voltage_kilovolt=ranges.voltage_kilovolt,
        spherical_aberration_angstrom=ranges.spherical_aberration_angstrom,
        amplitude_contrast=ranges.amplitude_contrast,
        defocus_angstrom=float(rng.uniform(*ranges.defocus_angstrom)),
        phase_flipped=bool(rng.random() < ranges.phase_flipped_share),
        tilt_limits_degrees=(
            -float(rng.uniform(*ranges.tilt_limit_degrees)),
            float(rng.uniform(*ranges.tilt_limit_degrees)),
        ),
        tilt_step_degrees=float(rng.choice(ranges.tilt_steps_degrees)),
        noise_std=float(np.exp(rng.uniform(*np.log(ranges.noise_std)))),
        noise_exponent=float(rng.uniform(*ranges.noise_exponent)),
        filter_exponent=float(rng.uniform(*ranges.filter_exponent)),
    )


def _common_spacing(molecules: Mapping[str, Molecule], spec: MoleculeSceneSpec) -> float:
    missing = [name for name in [*spec.objects, *spec.distractors] if name not in molecules]
    if missing:
        msg = f"no molecule for {choices_text(missing)}; given: {choices_text(molecules)}"
        raise UnknownNameError(msg)
    spacings = sorted({molecule.target_spacing for molecule in molecules.values()})
    if len(spacings) != 1:
        msg = f"molecules are made for voxel spacings {choices_text(spacings)}; expected one"
        raise DataError(msg)
    return spacings[0]


def _add_molecule(
    potential: Volume,
    occupied: BoolArray,
    molecule: Molecule,
    rotation: npt.NDArray[np.float64],
    spec: MoleculeSceneSpec,
    rng: np.random.Generator,
) -> npt.NDArray[np.float64] | None:
    """Draw a molecule where there is room; return its centre in voxels, or None."""
    shift_zyx = rng.uniform(-0.5, 0.5, 3)
    drawn = drawn_molecule(molecule, rotation, shift_zyx)
    footprint = drawn > spec.footprint_volts
    last = np.array(occupied.shape) - 1
    corner = free_corner(
        occupied,
        ndimage.binary_dilation(footprint, iterations=spec.gap_voxels),
        rng,
        centre_low_zyx=np.ones(3, dtype=int),
        centre_high_zyx=last - 1,
        tries=TRIES,
    )
    if corner is None:
        return None
    inside, within = overlap(occupied.shape, footprint.shape, corner)
    potential[inside] += drawn[within]
    occupied[inside] |= footprint[within]
    centre: npt.NDArray[np.float64] = corner + np.array(drawn.shape) // 2 + shift_zyx
    return centre


def _add_vesicles(
    potential: Volume, spec: MoleculeSceneSpec, voxel_spacing: float, rng: np.random.Generator
) -> None:
    n_z, n_y, n_x = potential.shape
    box_xyz = box_angstrom((n_z, n_y, n_x), voxel_spacing)
    for _ in range(int(rng.integers(*spec.vesicle_count, endpoint=True))):
        half = 0.5 * rng.uniform(*spec.leaflet_distance_angstrom)
        integral = rng.uniform(*spec.leaflet_volt_angstrom)
        draw_shell(
            potential,
            rng.uniform(0.0, box_xyz),
            [
                ShellLayer(-half, LEAFLET_SIGMA_ANGSTROM, integral, 1.0),
                ShellLayer(half, LEAFLET_SIGMA_ANGSTROM, integral, 1.0),
            ],
            rng,
            radius_angstrom=rng.uniform(*spec.vesicle_radius_angstrom),
            roughness=rng.uniform(0.0, 0.05),
            voxel_spacing=voxel_spacing,
        )


def _add_gold(
    potential: Volume, spec: MoleculeSceneSpec, voxel_spacing: float, rng: np.random.Generator
) -> None:
    n_z, n_y, n_x = potential.shape
    box_xyz = box_angstrom((n_z, n_y, n_x), voxel_spacing)
    for _ in range(int(rng.integers(*spec.gold_count, endpoint=True))):
        draw_ball(
            potential,
            rng.uniform(0.0, box_xyz),
            radius_angstrom=rng.uniform(*spec.gold_radius_angstrom),
            volts=GOLD_VOLTS,
            voxel_spacing=voxel_spacing,
        )
