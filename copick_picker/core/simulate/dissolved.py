"""Molecules in solution: any orientation, any place where their real shape fits."""

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from copick_picker.core.simulate.canvas import Canvas, Placed, new_instance, paint
from copick_picker.core.simulate.molecules import Molecule, drawn_molecule
from copick_picker.core.simulate.orientations import random_rotations
from copick_picker.core.simulate.space import (
    BATCH,
    FREE,
    TAKEN,
    Centres,
    clear_centres,
    filled,
    first_free,
    listed_centres,
    random_centres,
    shape_offsets,
    take,
)
from copick_picker.errors import DataError
from copick_picker.records.simulation import IceSpec

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Volume = npt.NDArray[np.float32]

BATCHES = 16
ORIENTATIONS = 4
MOST_FAILURES = 3
"""So many particles in a row that fit nowhere end the search."""
REFRESH_AFTER = 20
POINT_TRIES = 30
PROBE_VOXELS = 800
HOLLOW_RATIO = 1.25
"""A body larger than this times the footprint has a cavity."""
WALL_SHARE = 0.4
"""Share of the footprint's voltage above which a voxel belongs to the wall of a cavity."""


@dataclass(frozen=True, eq=False)
class MoleculeKind:
    """A molecule and what placing it needs to know.

    Attributes
    ----------
    name : str
        Name of the object or distractor.
    molecule : Molecule
        What is drawn.
    is_hollow : bool
        Whether it is a shell whose inside stays free of others.
    is_labelled : bool
        Whether it gets a label.
    inner_voxels : float
        Radius of a ball about its centre that it fills in every orientation.
    where : str or None
        Side of the cells' membranes that its centre lies on; None: any.
    probe_zyx : numpy.ndarray, shape (n, 3), float64
        Some voxels, from its centre, that it covers unturned, with the gap around it: a place where
        one of them is taken need not be tried with the whole shape.
    """

    name: str
    molecule: Molecule
    is_hollow: bool
    is_labelled: bool
    inner_voxels: float
    where: str | None = None
    probe_zyx: FloatArray = field(default_factory=lambda: np.zeros((0, 3)))


@dataclass(frozen=True, eq=False)
class TurnedShape:
    """A molecule drawn in one orientation.

    Attributes
    ----------
    drawn : numpy.ndarray, shape (m, m, m), float32
        Potential in volts.
    footprint : numpy.ndarray, shape (m, m, m), bool
        Voxels that it covers.
    body : numpy.ndarray, shape (m, m, m), bool
        The same with its cavities: what others keep out of.
    offsets : numpy.ndarray, shape (n,), int64
        Body and gap as steps in the grid of owners.
    rotation_zyx : numpy.ndarray, shape (3, 3), float64
        Rotation for columns (z, y, x).
    shift_zyx : numpy.ndarray, shape (3,), float64
        Where the centre of mass lies from voxel m // 2.
    """

    drawn: Volume
    footprint: BoolArray
    body: BoolArray
    offsets: IntArray
    rotation_zyx: FloatArray
    shift_zyx: FloatArray


def molecule_kind(
    canvas: Canvas, name: str, molecule: Molecule, *, is_labelled: bool
) -> MoleculeKind:
    """Return a molecule made ready for placing.

    Parameters
    ----------
    canvas : Canvas
        Gives the voltage above which a molecule covers a voxel.
    name : str
        Name of the object or distractor.
    molecule : Molecule
        What is drawn.
    is_labelled : bool
        Whether it gets a label.

    Raises
    ------
    DataError
        If no voxel of the molecule is above that voltage.
    """
    drawn = drawn_molecule(molecule, np.eye(3), np.zeros(3))
    footprint = drawn > canvas.footprint_volts
    if not footprint.any():
        msg = (
            f"molecule {molecule.name} of {name} has no voxel above {canvas.footprint_volts:g} V "
            f"at {molecule.target_spacing:g} A; its greatest is {float(drawn.max()):.3g} V"
        )
        raise DataError(msg)
    body = _with_cavities(drawn, footprint, canvas.footprint_volts)
    is_hollow = bool(body.sum() > HOLLOW_RATIO * footprint.sum())
    if not is_hollow:
        body = footprint
    inner = float(ndimage.distance_transform_edt(np.pad(body, 1))[(body.shape[0] // 2 + 1,) * 3])
    wide = body
    if canvas.gap_voxels:
        wide = ndimage.binary_dilation(body, iterations=canvas.gap_voxels)
    covered = np.argwhere(wide) - body.shape[0] // 2
    probe = covered[:: max(len(covered) // PROBE_VOXELS, 1)].astype(np.float64)
    kind = MoleculeKind(name, molecule, is_hollow, is_labelled, max(inner - 1.5, 0.0))
    return replace(kind, probe_zyx=probe)


def turned_shape(
    canvas: Canvas, kind: MoleculeKind, rotation_zyx: FloatArray, shift_zyx: FloatArray
) -> TurnedShape:
    """Return a molecule drawn in one orientation.

    Parameters
    ----------
    canvas : Canvas
        Gives the voltage, the gap and the grid.
    kind : MoleculeKind
        The molecule.
    rotation_zyx : numpy.ndarray, shape (3, 3)
        Rotation for columns (z, y, x).
    shift_zyx : numpy.ndarray, shape (3,)
        Where its centre lies from a voxel, in voxels, below 1.
    """
    drawn = drawn_molecule(kind.molecule, rotation_zyx, shift_zyx)
    footprint = drawn > canvas.footprint_volts
    body = footprint
    if kind.is_hollow:
        body = _with_cavities(drawn, footprint, canvas.footprint_volts)
    wide = body
    if canvas.gap_voxels:
        wide = ndimage.binary_dilation(body, iterations=canvas.gap_voxels)
    return TurnedShape(
        drawn, footprint, body, shape_offsets(wide, canvas.space), rotation_zyx, shift_zyx
    )


def put(canvas: Canvas, kind: MoleculeKind, shape: TurnedShape, voxel_zyx: IntArray) -> Placed:
    """Draw a molecule at a voxel and return where it stands.

    Parameters
    ----------
    canvas : Canvas
        Changed in place.
    kind : MoleculeKind
        The molecule.
    shape : TurnedShape
        The molecule in its orientation.
    voxel_zyx : numpy.ndarray, shape (3,), int64
        Voxel of its centre, before the shift.
    """
    corner = voxel_zyx - np.array(shape.drawn.shape) // 2
    number = new_instance(canvas, kind.name, is_labelled=kind.is_labelled)
    n_voxels = paint(canvas, shape.drawn, shape.footprint, corner, number)
    take(canvas.space, shape.body, corner, TAKEN)
    return Placed(voxel_zyx + shape.shift_zyx, shape.rotation_zyx, number, n_voxels)


def is_inside(canvas: Canvas, centre_zyx: FloatArray) -> bool:
    """Return whether a centre lies in the volume, between its first and its last voxels.

    Parameters
    ----------
    canvas : Canvas
        The volume.
    centre_zyx : numpy.ndarray, shape (3,)
        Centre in voxels.
    """
    last = np.array(canvas.shape_zyx) - 1.0
    return bool(np.all((centre_zyx >= 0.0) & (centre_zyx <= last)))


def place_dissolved(
    canvas: Canvas,
    kind: MoleculeKind,
    count: int,
    ice: IceSpec,
    rng: np.random.Generator,
    *,
    voxels_wanted: float = np.inf,
) -> list[Placed]:
    """Place molecules of one kind; fewer than asked where no more fit.

    A place is drawn evenly from the voxels that are far enough from everything that stands for a
    ball inside the molecule, and kept if the molecule's shape fits: the same distribution as
    drawing from all voxels, with fewer failures. In a share of the cases it is drawn next to one
    of the air-water interfaces first.

    Parameters
    ----------
    canvas : Canvas
        Changed in place.
    kind : MoleculeKind
        The molecule.
    count : int
        How many at most.
    ice : IceSpec
        Gives the share of adsorbed particles and their distance from the interface.
    rng : numpy.random.Generator
        Source of randomness.
    voxels_wanted : float
        Ends the placing early where so many voxels of the volume are covered by these molecules.

    Returns
    -------
    list of Placed
        At most ``count``.
    """
    found: list[Placed] = []
    centres = _centres(canvas, kind)
    since_refresh = failures = covered = 0
    while len(found) < count and covered < voxels_wanted and failures < MOST_FAILURES:
        placed = None
        if ice.adsorbed_share > 0.0 and rng.random() < ice.adsorbed_share:
            placed = _at_interface(canvas, kind, ice, rng)
        if placed is None:
            placed = _in_bulk(canvas, kind, centres, rng)
        if placed is not None:
            found.append(placed)
            covered += placed.n_voxels
            since_refresh, failures = since_refresh + 1, 0
        elif since_refresh >= REFRESH_AFTER or (since_refresh and not failures):
            centres = _centres(canvas, kind)
            since_refresh = 0
        else:
            failures += 1
    return found


def place_at_points(
    canvas: Canvas,
    kind: MoleculeKind,
    points_zyx: FloatArray,
    jitter_voxels: float,
    rng: np.random.Generator,
) -> list[Placed]:
    """Place molecules near given points; one that does not fit there is left out.

    Each try moves the point by a Gaussian and draws a new orientation; later tries move it
    farther, up to four times the jitter. A molecule that would stick out of the ice is moved in.

    Parameters
    ----------
    canvas : Canvas
        Changed in place.
    kind : MoleculeKind
        The molecule.
    points_zyx : numpy.ndarray, shape (n, 3)
        Points in voxels of the volume.
    jitter_voxels : float
        Standard deviation of the first shift on each axis.
    rng : numpy.random.Generator
        Source of randomness.
    """
    found: list[Placed] = []
    low, high = canvas.space.ice_planes
    for point in np.asarray(points_zyx, dtype=np.float64):
        for share in np.linspace(1.0, 4.0, POINT_TRIES):
            moved = point + share * jitter_voxels * rng.standard_normal(3)
            voxel = np.round(moved).astype(np.int64)
            shape = turned_shape(canvas, kind, random_rotations(1, rng)[0], moved - voxel)
            planes = np.flatnonzero(shape.body.any(axis=(1, 2))) - shape.body.shape[0] // 2
            voxel[0] = min(max(voxel[0], low - planes[0]), high - planes[-1])
            if not is_inside(canvas, voxel + shape.shift_zyx):
                continue
            if first_free(canvas.space, shape.offsets, voxel[None], FREE) is not None:
                found.append(put(canvas, kind, shape, voxel))
                break
    return found


def _centres(canvas: Canvas, kind: MoleculeKind) -> Centres:
    """Return the voxels that may be centres of a molecule, on its side of the cells' membranes."""
    if kind.where is None:
        return listed_centres(clear_centres(canvas.space, kind.inner_voxels))
    clear = clear_centres(canvas.space, 0.0)  # a cell is roomy: no map of distances is needed
    if kind.where in canvas.sides:
        clear &= canvas.sides[kind.where]
    return listed_centres(clear)


def _in_bulk(
    canvas: Canvas, kind: MoleculeKind, centres: Centres, rng: np.random.Generator
) -> Placed | None:
    for rotation in random_rotations(ORIENTATIONS, rng):
        shape = turned_shape(canvas, kind, rotation, rng.uniform(-0.5, 0.5, 3))
        for _ in range(BATCHES):
            voxels = random_centres(centres, rng)
            index = first_free(canvas.space, shape.offsets, voxels, FREE)
            if index is not None:
                return put(canvas, kind, shape, voxels[index])
    return None


def _at_interface(
    canvas: Canvas, kind: MoleculeKind, ice: IceSpec, rng: np.random.Generator
) -> Placed | None:
    """Place a molecule at the wanted distance from an interface, or return None."""
    rotation = random_rotations(1, rng)[0]
    shape = turned_shape(canvas, kind, rotation, rng.uniform(-0.5, 0.5, 3))
    planes = np.flatnonzero(shape.body.any(axis=(1, 2))) - shape.body.shape[0] // 2
    gap = canvas.voxels(rng.uniform(*ice.adsorbed_gap_angstrom))
    bottom, top = (canvas.voxels(surface) for surface in canvas.space.ice_z_angstrom)
    low, high = canvas.space.ice_planes
    choices = [
        plane
        for plane, is_in_volume in (
            (max(round(bottom + gap), low) - planes[0], low >= 0),
            (min(round(top - gap), high) - planes[-1], high < canvas.shape_zyx[0]),
        )
        if is_in_volume and 1 <= plane < canvas.shape_zyx[0] - 1
    ]
    last = np.array(canvas.shape_zyx) - 1
    if not choices or np.any(last < 2):
        return None
    centres = rng.integers(1, last, (BATCH, 3))
    centres[:, 0] = choices[int(rng.integers(len(choices)))]
    index = first_free(canvas.space, shape.offsets, centres, FREE)
    return None if index is None else put(canvas, kind, shape, centres[index])


def _with_cavities(drawn: Volume, footprint: BoolArray, volts: float) -> BoolArray:
    """Return a footprint with what it encloses; pores of the wall count as closed."""
    wall = np.pad(drawn > WALL_SHARE * volts, 3)
    inside = filled(ndimage.binary_closing(wall, iterations=2))
    body: BoolArray = footprint | ndimage.binary_erosion(inside, iterations=2)[3:-3, 3:-3, 3:-3]
    return body
