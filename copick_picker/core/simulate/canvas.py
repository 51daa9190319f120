"""The volumes of a specimen while it is being filled."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from copick_picker.core.geometry import length_to_voxels, rotations_xyz, voxels_to_points
from copick_picker.core.simulate.placement import overlap
from copick_picker.core.simulate.space import Space
from copick_picker.core.simulate.truth import PlacedObjects
from copick_picker.errors import DataError

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]
Volume = npt.NDArray[np.float32]
MOST_INSTANCES = 65535
TRIES = 200
"""Places tried for a large body, such as a vesicle or a filament."""
GIVE_UP_AFTER = 20
"""So many large bodies in a row that found no place end the search."""
Body = TypeVar("Body")


@dataclass(frozen=True, eq=False)
class Canvas:
    """The volumes of a specimen while it is being filled; they are changed in place.

    Attributes
    ----------
    potential : numpy.ndarray, shape (z, y, x), float32
        Volts over ice.
    instances : numpy.ndarray, shape (z, y, x), uint16
        Labelled particles.
    covered : numpy.ndarray, shape (z, y, x), bool
        Voxels that any particle covers.
    space : Space
        What is free; wider than the volume.
    footprint_volts : float
        A particle covers the voxels where its potential is above this.
    gap_voxels : int
        What stays free around a particle.
    instance_names : list of str
        Name of each labelled particle, the first has number 1.
    sides : dict of str to numpy.ndarray, shape (z, y, x), bool
        Voxels ``inside`` the cells' inner membranes and ``outside`` their outer ones; empty without
        cells.
    """

    potential: Volume
    instances: npt.NDArray[np.uint16]
    covered: BoolArray
    space: Space
    footprint_volts: float
    gap_voxels: int
    instance_names: list[str] = field(default_factory=list)
    sides: dict[str, BoolArray] = field(default_factory=dict)

    @property
    def shape_zyx(self) -> tuple[int, int, int]:
        """Shape of the volume."""
        return self.space.shape_zyx

    @property
    def voxel_spacing(self) -> float:
        """Edge of a voxel in Angstrom."""
        return self.space.voxel_spacing

    def voxels(self, length_angstrom: float) -> float:
        """Return a length in voxels.

        Parameters
        ----------
        length_angstrom : float
            Length in Angstrom.
        """
        return length_to_voxels(length_angstrom, self.voxel_spacing)


@dataclass(frozen=True, eq=False)
class Placed:
    """One particle that was placed.

    Attributes
    ----------
    centre_zyx : numpy.ndarray, shape (3,), float64
        Its centre in voxels.
    rotation_zyx : numpy.ndarray, shape (3, 3), float64
        Its rotation, for columns (z, y, x).
    instance_id : int
        Its number; 0 without a label.
    n_voxels : int
        Voxels of the volume that it covers, where that is counted.
    """

    centre_zyx: FloatArray
    rotation_zyx: FloatArray
    instance_id: int
    n_voxels: int = 0


def placed_in_turn(count: int, place: Callable[[int], Body | None]) -> list[Body]:
    """Return large bodies that found a place, fewer than asked where there is no room.

    Parameters
    ----------
    count : int
        How many are tried; `GIVE_UP_AFTER` in a row that found no place are the last.
    place : callable
        Takes how many stand, and returns one more, or None where it found no place.

    Examples
    --------
    >>> placed_in_turn(10**9, lambda number: number if number < 3 else None)
    [0, 1, 2]
    """
    found: list[Body] = []
    failures = 0
    for _ in range(count):
        body = place(len(found))
        if body is not None:
            found.append(body)
            failures = 0
            continue
        failures += 1
        if failures == GIVE_UP_AFTER:
            break
    return found


def new_instance(canvas: Canvas, name: str, *, is_labelled: bool) -> int:
    """Return the number of the next particle; 0 where it has no label.

    Parameters
    ----------
    canvas : Canvas
        Its list of names grows.
    name : str
        Name of the particle.
    is_labelled : bool
        Whether it gets a number.

    Raises
    ------
    DataError
        If there are more labelled particles than uint16 can number.
    """
    if not is_labelled:
        return 0
    canvas.instance_names.append(name)
    if len(canvas.instance_names) > MOST_INSTANCES:
        msg = f"specimen has more than {MOST_INSTANCES} labelled particles; the last is {name}"
        raise DataError(msg)
    return len(canvas.instance_names)


def paint(
    canvas: Canvas,
    drawn: npt.NDArray[np.floating],
    body: BoolArray,
    corner_zyx: npt.ArrayLike,
    instance_id: int,
) -> int:
    """Add a particle to the potential and the labels; return how many voxels it covers.

    Parameters
    ----------
    canvas : Canvas
        Changed in place.
    drawn : numpy.ndarray, shape (a, b, c)
        The particle's potential in volts.
    body : numpy.ndarray, shape (a, b, c), bool
        The voxels that it covers.
    corner_zyx : array_like, shape (3,)
        Lowest corner of the box in the volume; may be negative.
    instance_id : int
        Number of the particle; 0 without a label.
    """
    inside, within = overlap(canvas.shape_zyx, drawn.shape, corner_zyx)
    canvas.potential[inside] += drawn[within].astype(np.float32)
    seen = body[within]
    canvas.covered[inside] |= seen
    if instance_id:
        canvas.instances[inside][seen] = instance_id
    return int(np.count_nonzero(seen))


def placed_objects(found: Sequence[Placed], voxel_spacing: float) -> PlacedObjects:
    """Return particles as the truth lists them.

    Parameters
    ----------
    found : sequence of Placed
        The particles.
    voxel_spacing : float
        Edge of a voxel in Angstrom.
    """
    return PlacedObjects(
        voxels_to_points([one.centre_zyx for one in found], voxel_spacing),
        rotations_xyz([one.rotation_zyx for one in found]),
        np.array([one.instance_id for one in found], dtype=np.int64),
    )
