"""Vesicles, sheets and the proteins that stand in them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from copick_picker.core.simulate.canvas import (
    TRIES,
    Canvas,
    Placed,
    new_instance,
    paint,
    placed_in_turn,
)
from copick_picker.core.simulate.dissolved import MoleculeKind, is_inside, put, turned_shape
from copick_picker.core.simulate.membranes import (
    VESICLE,
    Bilayer,
    bilayer_area,
    bilayer_box,
    drawn_bilayer,
    surface_samples,
)
from copick_picker.core.simulate.placement import overlap
from copick_picker.core.simulate.space import first_free, is_free, points_are_free, take
from copick_picker.records.simulation import MembraneSpec

FloatArray = npt.NDArray[np.float64]
PROTEIN_VOLTS = 3.5
"""Mean potential inside a protein over ice: 4.25 V A^3/Da by 1.21 A^3/Da (Vulovic et al. 2013)."""
PROTEIN_TRIES = 60


@dataclass(frozen=True, eq=False)
class PlacedMembrane:
    """A bilayer that was placed.

    Attributes
    ----------
    bilayer : Bilayer
        The bilayer.
    owner : int
        Whom its voxels belong to.
    placed : Placed
        As the truth lists it.
    """

    bilayer: Bilayer
    owner: int
    placed: Placed


def place_membranes(
    canvas: Canvas, spec: MembraneSpec, count: int, first_owner: int, rng: np.random.Generator
) -> list[PlacedMembrane]:
    """Place vesicles or sheets that touch nothing; fewer than asked where there is no room.

    The space inside a vesicle stays free for others.

    Parameters
    ----------
    canvas : Canvas
        Changed in place.
    spec : MembraneSpec
        What to draw from.
    count : int
        How many.
    first_owner : int
        Owner of the first one's voxels; the others follow.
    rng : numpy.random.Generator
        Source of randomness.
    """
    return placed_in_turn(
        count, lambda number: _one_membrane(canvas, spec, first_owner + number, rng)
    )


def place_membrane_proteins(
    canvas: Canvas,
    kind: MoleculeKind,
    count: int,
    centre_z_angstrom: float,
    membranes: Sequence[PlacedMembrane],
    rng: np.random.Generator,
) -> list[Placed]:
    """Place proteins in membranes, +z along the outward normal; fewer where there is no room.

    Points are even over the membranes' area. The protein touches its own membrane and nothing
    else; where it stands the lipids give way: their potential is taken off by the share of the
    voxel that protein fills, at 3.5 V inside.

    Parameters
    ----------
    canvas : Canvas
        Changed in place.
    kind : MoleculeKind
        The protein.
    count : int
        How many.
    centre_z_angstrom : float
        Where the membrane's mid-plane lies along the protein's +z from its centre of mass.
    membranes : sequence of PlacedMembrane
        The membranes.
    rng : numpy.random.Generator
        Source of randomness.
    """
    found: list[Placed] = []
    if not membranes:
        return found
    areas = np.array([bilayer_area(membrane.bilayer) for membrane in membranes])
    depth = canvas.voxels(centre_z_angstrom)
    for _ in range(count):
        chosen = rng.choice(len(membranes), PROTEIN_TRIES, p=areas / areas.sum())
        for which in chosen.tolist():
            placed = _in_membrane(canvas, kind, depth, membranes[which], rng)
            if placed is not None:
                found.append(placed)
                break
        else:
            break
    return found


def rotation_to(normal_zyx: FloatArray, turn: float) -> FloatArray:
    """Return a rotation that takes +z to a direction, after a turn about z.

    Parameters
    ----------
    normal_zyx : numpy.ndarray, shape (3,)
        Unit vector (z, y, x).
    turn : float
        Turn about z, in radians.

    Returns
    -------
    numpy.ndarray, shape (3, 3), float64
        Rotation for columns (z, y, x); its first column is the direction.

    Examples
    --------
    >>> bool(np.allclose(rotation_to(np.array([0.0, 0.0, 1.0]), 0.3) @ [1, 0, 0], [0, 0, 1]))
    True
    """
    normal = np.asarray(normal_zyx, dtype=np.float64)
    helper = np.eye(3)[int(np.argmin(np.abs(normal)))]
    first = np.cross(normal, helper)
    first /= np.linalg.norm(first)
    second = np.cross(normal, first)
    cosine, sine = np.cos(turn), np.sin(turn)
    columns = [normal, cosine * first + sine * second, cosine * second - sine * first]
    return np.stack(columns, axis=1)


def _one_membrane(
    canvas: Canvas, spec: MembraneSpec, owner: int, rng: np.random.Generator
) -> PlacedMembrane | None:
    for _ in range(TRIES):
        bilayer = _bilayer_in_ice(canvas, spec, rng)
        if bilayer is None:
            continue
        potential, body, corner = bilayer_box(bilayer)
        if is_free(canvas.space, body, corner):
            number = new_instance(canvas, spec.name, is_labelled=spec.is_labelled)
            paint(canvas, potential, body, corner, number)
            take(canvas.space, body, corner, owner)
            return PlacedMembrane(bilayer, owner, Placed(bilayer.centre_zyx, bilayer.frame, number))
    return None


def _in_membrane(
    canvas: Canvas,
    kind: MoleculeKind,
    depth_voxels: float,
    membrane: PlacedMembrane,
    rng: np.random.Generator,
) -> Placed | None:
    """Place a protein at a random point of a membrane, or return None."""
    points, normals = surface_samples(membrane.bilayer, 1, rng)
    rotation = rotation_to(normals[0], rng.uniform(0.0, 2.0 * np.pi))
    centre = points[0] - depth_voxels * normals[0]
    voxel = np.round(centre).astype(np.int64)
    if not is_inside(canvas, centre):
        return None
    shape = turned_shape(canvas, kind, rotation, centre - voxel)
    if first_free(canvas.space, shape.offsets, voxel[None], membrane.owner) is None:
        return None
    inside, within = overlap(
        canvas.shape_zyx, shape.drawn.shape, voxel - np.array(shape.drawn.shape) // 2
    )
    lipid = 1.0 - np.clip(shape.drawn[within] / PROTEIN_VOLTS, 0.0, 1.0)
    canvas.potential[inside] *= lipid
    return put(canvas, kind, shape, voxel)


def _bilayer_in_ice(canvas: Canvas, spec: MembraneSpec, rng: np.random.Generator) -> Bilayer | None:
    """Return a bilayer at a random place, or None where a few of its points are not free."""
    bilayer = drawn_bilayer(spec, np.zeros(3), canvas.voxel_spacing, rng)
    low, high = (float(plane) for plane in canvas.space.ice_planes)
    if bilayer.form == VESICLE:
        needed = bilayer.radius + bilayer.amplitude + bilayer.extent
        low, high = low + needed, high - needed
    if low > high:
        return None
    last = np.array(canvas.shape_zyx) - 1.0
    middle = np.array([rng.uniform(low, high), rng.uniform(0, last[1]), rng.uniform(0, last[2])])
    bilayer = replace(bilayer, centre_zyx=middle)
    points, _ = surface_samples(bilayer, 200, rng)
    if bilayer.form == VESICLE:
        shares = np.linspace(0.0, 1.0, 5)[:, None, None]
        points = (middle + shares * (points - middle)).reshape(-1, 3)
    return bilayer if points_are_free(canvas.space, points) else None
