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
    CELL,
    VESICLE,
    Bilayer,
    bilayer_area,
    bilayer_box,
    drawn_bilayer,
    surface_samples,
)
from copick_picker.core.simulate.placement import overlap
from copick_picker.core.simulate.space import (
    first_free,
    is_free,
    points_are_free,
    take,
    voxels_are_free,
)
from copick_picker.records.simulation import MembraneSpec

FloatArray = npt.NDArray[np.float64]
PROTEIN_VOLTS = 3.5
"""Mean potential inside a protein over ice: 4.25 V A^3/Da by 1.21 A^3/Da (Vulovic et al. 2013)."""
PROTEIN_TRIES = 60
CELL_TRIES = 20
CELL_SAMPLES = 8000
"""Points of a cell's membrane, of which those in the volume are places for proteins."""
CELL_MARGIN_ANGSTROM = 150.0
"""Proteins of a cell stand at least this far from the faces of the volume."""


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
    name : str
        Name of the membranes that it is one of.
    cut : tuple of numpy.ndarray, or None
        Of a cell, points and normals (n, 3) of its inner membrane that lie in the volume.
    area : float
        Area of the part in the volume, in square voxels.
    """

    bilayer: Bilayer
    owner: int
    placed: Placed
    name: str
    area: float
    cut: tuple[FloatArray, FloatArray] | None = None


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
    one = _one_cell if spec.form == CELL else _one_membrane
    return placed_in_turn(count, lambda number: one(canvas, spec, first_owner + number, rng))


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
    areas = np.array([membrane.area for membrane in membranes])
    if not areas.any():
        return found
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
            placed = Placed(bilayer.centre_zyx, bilayer.frame, number)
            return PlacedMembrane(bilayer, owner, placed, spec.name, bilayer_area(bilayer))
    return None


def _one_cell(
    canvas: Canvas, spec: MembraneSpec, owner: int, rng: np.random.Generator
) -> PlacedMembrane | None:
    """Draw the part of a cell's two membranes in the volume; both have one owner.

    The inner membrane passes through a point in the volume's middle half, its normal there at most
    30 degrees from the plane of the ice: what lies flat is lost in the missing wedge.
    """
    last = np.array(canvas.shape_zyx) - 1.0
    for _ in range(CELL_TRIES):
        inner = drawn_bilayer(spec, np.zeros(3), canvas.voxel_spacing, rng)
        gap = canvas.voxels(rng.uniform(*spec.outer_distance_angstrom))
        height, angle = rng.uniform(-0.5, 0.5), rng.uniform(0.0, 2.0 * np.pi)
        level = np.sqrt(1.0 - height**2)
        normal = np.array([height, level * np.sin(angle), level * np.cos(angle)])
        middle = rng.uniform(0.25 * last, 0.75 * last) - inner.radius * normal
        inner = replace(inner, centre_zyx=middle)
        outer = replace(inner, radius=inner.radius + gap)
        points, normals = surface_samples(inner, CELL_SAMPLES, rng)
        margin = canvas.voxels(CELL_MARGIN_ANGSTROM)
        seen = np.all((points >= margin) & (points <= last - margin), axis=1)
        both = np.concatenate([points[seen], points[seen] + gap * normals[seen]])
        if not seen.any() or not points_are_free(canvas.space, np.clip(both, 0.0, last)):
            continue
        number = new_instance(canvas, spec.name, is_labelled=spec.is_labelled)
        for bilayer in (inner, outer):
            potential, body, corner = bilayer_box(bilayer, canvas.shape_zyx)
            paint(canvas, potential, body, corner, number)
            take(canvas.space, body, corner, owner)
        _note_sides(canvas, inner, outer)
        area = bilayer_area(inner) * float(seen.mean())
        placed = Placed(middle, inner.frame, number)
        return PlacedMembrane(inner, owner, placed, spec.name, area, (points[seen], normals[seen]))
    return None


def _note_sides(canvas: Canvas, inner: Bilayer, outer: Bilayer) -> None:
    """Add a cell to the sides of the canvas; waves of its membranes are left out."""
    axes = [np.arange(size, dtype=np.float32) for size in canvas.shape_zyx]
    offsets = [axis - np.float32(at) for axis, at in zip(axes, inner.centre_zyx, strict=True)]
    along_z, along_y, along_x = np.ix_(*offsets)
    squared = along_z**2 + along_y**2 + along_x**2
    inside, outside = squared < inner.radius**2, squared > outer.radius**2
    canvas.sides["inside"] = canvas.sides.get("inside", False) | inside
    canvas.sides["outside"] = canvas.sides.get("outside", True) & outside


def _in_membrane(
    canvas: Canvas,
    kind: MoleculeKind,
    depth_voxels: float,
    membrane: PlacedMembrane,
    rng: np.random.Generator,
) -> Placed | None:
    """Place a protein at a random point of a membrane, or return None."""
    if membrane.cut is None:
        points, normals = surface_samples(membrane.bilayer, 1, rng)
    else:
        chosen = int(rng.integers(len(membrane.cut[0])))
        points, normals = (values[chosen, None] for values in membrane.cut)
    rotation = rotation_to(normals[0], rng.uniform(0.0, 2.0 * np.pi))
    centre = points[0] - depth_voxels * normals[0]
    voxel = np.round(centre).astype(np.int64)
    if not is_inside(canvas, centre):
        return None
    if membrane.cut is not None:
        probe = np.round(centre + kind.probe_zyx @ rotation.T).astype(np.int64)
        if not voxels_are_free(canvas.space, probe, membrane.owner):
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
