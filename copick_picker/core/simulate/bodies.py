"""Enveloped virus-like particles and beads in a specimen."""

import numpy as np
import numpy.typing as npt

from copick_picker.core.geometry import voxels_to_points
from copick_picker.core.simulate.canvas import (
    TRIES,
    Canvas,
    Placed,
    new_instance,
    paint,
    placed_in_turn,
)
from copick_picker.core.simulate.orientations import random_rotations
from copick_picker.core.simulate.shells import draw_ball, draw_shell
from copick_picker.core.simulate.space import TAKEN, filled, is_free, points_are_free, take
from copick_picker.records.simulation import BeadSpec, EnvelopedSpec
from copick_picker.records.specimens import ShellLayer

FloatArray = npt.NDArray[np.float64]
WALL_VOLTS = 0.5
"""A shell's wall, for telling its inside from the outside, is where it has more than this."""
MARGIN_SIGMAS = 4.0


def place_enveloped(
    canvas: Canvas, spec: EnvelopedSpec, count: int, rng: np.random.Generator
) -> list[Placed]:
    """Place enveloped particles that touch nothing; fewer than asked where there is no room.

    A particle covers all that its outermost closed layer encloses. Its centre lies in the volume.

    Parameters
    ----------
    canvas : Canvas
        Changed in place.
    spec : EnvelopedSpec
        What to draw from.
    count : int
        How many.
    rng : numpy.random.Generator
        Source of randomness.
    """
    return placed_in_turn(count, lambda _: _one_enveloped(canvas, spec, rng))


def place_beads(
    canvas: Canvas, spec: BeadSpec, count: int, rng: np.random.Generator
) -> list[Placed]:
    """Place balls that touch nothing; fewer than asked where there is no room.

    Parameters
    ----------
    canvas : Canvas
        Changed in place.
    spec : BeadSpec
        What to draw from.
    count : int
        How many.
    rng : numpy.random.Generator
        Source of randomness.
    """
    return placed_in_turn(count, lambda _: _one_bead(canvas, spec, rng))


def _one_enveloped(canvas: Canvas, spec: EnvelopedSpec, rng: np.random.Generator) -> Placed | None:
    radius = rng.uniform(*spec.radius_angstrom)
    reach = canvas.voxels(radius + spec.outer_angstrom)
    for _ in range(TRIES):
        centre = _free_ball(canvas, reach, rng)
        if centre is None:
            continue
        voxel = np.round(centre).astype(np.int64)
        drawn, body, corner = _drawn_particle(canvas, spec, radius, centre - voxel, rng)
        corner = corner + voxel
        if is_free(canvas.space, body, corner):
            number = new_instance(canvas, spec.name, is_labelled=spec.is_labelled)
            paint(canvas, drawn, body, corner, number)
            take(canvas.space, body, corner, TAKEN)
            return Placed(centre, random_rotations(1, rng)[0], number)
    return None


def _one_bead(canvas: Canvas, spec: BeadSpec, rng: np.random.Generator) -> Placed | None:
    radius = rng.uniform(*spec.radius_angstrom)
    side = int(np.ceil(canvas.voxels(radius))) + 2
    for _ in range(TRIES):
        centre = _free_ball(canvas, canvas.voxels(radius), rng)
        if centre is None:
            continue
        voxel = np.round(centre).astype(np.int64)
        drawn = np.zeros((2 * side + 1,) * 3, dtype=np.float32)
        draw_ball(
            drawn,
            voxels_to_points([side + centre - voxel], canvas.voxel_spacing)[0],
            radius_angstrom=radius,
            volts=spec.volts,
            voxel_spacing=canvas.voxel_spacing,
        )
        body = drawn >= 0.5 * spec.volts
        if is_free(canvas.space, body, voxel - side):
            number = new_instance(canvas, spec.name, is_labelled=spec.is_labelled)
            paint(canvas, drawn, body, voxel - side, number)
            take(canvas.space, body, voxel - side, TAKEN)
            return Placed(centre, np.eye(3), number)
    return None


def _free_ball(canvas: Canvas, radius: float, rng: np.random.Generator) -> FloatArray | None:
    """Return the middle of a ball in the ice that seems free, in voxels, or None."""
    low, high = canvas.space.ice_planes
    first, last = max(low + radius, 0.0), min(high - radius, canvas.shape_zyx[0] - 1.0)
    if first > last:
        return None
    far = np.array(canvas.shape_zyx) - 1.0
    centre = rng.uniform([first, 0.0, 0.0], [last, far[1], far[2]])
    spread = rng.standard_normal((300, 3))
    spread *= (
        radius * rng.random((300, 1)) ** (1.0 / 3.0) / np.linalg.norm(spread, axis=1, keepdims=True)
    )
    return centre if points_are_free(canvas.space, centre + spread) else None


def _drawn_particle(
    canvas: Canvas,
    spec: EnvelopedSpec,
    radius_angstrom: float,
    shift_zyx: FloatArray,
    rng: np.random.Generator,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    """Return a particle's potential, what it covers, and its box's corner from its voxel."""
    coverage, roughness = rng.uniform(*spec.coverage), rng.uniform(*spec.roughness)
    layers = [
        ShellLayer(
            rng.uniform(*layer.offset_angstrom),
            rng.uniform(*layer.sigma_angstrom),
            rng.uniform(*layer.volt_angstrom),
            coverage if layer.is_patchy else 1.0,
        )
        for layer in spec.layers
    ]
    outermost = max(
        layer.offset_angstrom + MARGIN_SIGMAS * layer.sigma_angstrom for layer in layers
    )
    side = int(np.ceil(canvas.voxels(radius_angstrom * (1.0 + 3.0 * roughness) + outermost))) + 3
    drawn = np.zeros((2 * side + 1,) * 3, dtype=np.float32)
    draw_shell(
        drawn,
        voxels_to_points([side + shift_zyx], canvas.voxel_spacing)[0],
        layers,
        rng,
        radius_angstrom=radius_angstrom,
        roughness=roughness,
        voxel_spacing=canvas.voxel_spacing,
    )
    return drawn, filled(drawn > WALL_VOLTS), np.full(3, -side)
