"""Subvolumes around points: where they lie, and how they are cut, binned and normalised."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from copick_picker.core.geometry import points_to_voxels
from copick_picker.core.segment.volume import PlaneReader

FloatArray = npt.NDArray[np.float64]
_MORE_PLANES = 64
"""Planes that are read beyond those of a box, so that neighbours along z share a read."""


@dataclass(frozen=True)
class BoxRules:
    """How subvolumes are made.

    Attributes
    ----------
    size : int
        Edge in voxels of what is written.
    binning : int
        Voxels of the volume along each edge of a written one.
    normalisation : str
        ``none``; ``box``: mean 0 and standard deviation 1 over the box; ``background``: the same
        over the voxels outside of a ball, and no others.
    background_radius : float
        Radius of that ball in written voxels.
    is_inverted : bool
        Whether dark becomes bright.
    """

    size: int
    binning: int = 1
    normalisation: str = "box"
    background_radius: float = 0.0
    is_inverted: bool = False

    @property
    def edge(self) -> int:
        """Edge of the part of the volume that a box covers, in voxels of the volume."""
        return self.size * self.binning


@dataclass(frozen=True, eq=False)
class BoxPlaces:
    """Where subvolumes lie.

    Attributes
    ----------
    starts_zyx : numpy.ndarray, shape (n, 3), int64
        First voxel (z, y, x) of each.
    centres_xyz : numpy.ndarray, shape (n, 3), float64
        Position (x, y, z) of written voxel ``size // 2``, in voxels of the volume.
    shifts_xyz : numpy.ndarray, shape (n, 3), float64
        Point less that position (x, y, z), in voxels of the volume: at most half a voxel.
    is_inside : numpy.ndarray, shape (n,), bool
        Whether the whole box lies in the volume.
    """

    starts_zyx: npt.NDArray[np.int64]
    centres_xyz: FloatArray
    shifts_xyz: FloatArray
    is_inside: npt.NDArray[np.bool_]


def box_places(
    points_xyz: FloatArray, spacing: float, shape_zyx: tuple[int, int, int], rules: BoxRules
) -> BoxPlaces:
    """Return where the subvolumes around some points lie.

    The point lies in written voxel ``size // 2`` along each axis, which RELION and Dynamo take as
    the centre of a box; a box is not interpolated, the rest of at most half a voxel is told.

    Parameters
    ----------
    points_xyz : numpy.ndarray, shape (n, 3), float64
        Points (x, y, z) in Angstrom.
    spacing : float
        Edge of a voxel in Angstrom.
    shape_zyx : tuple of int
        Shape of the volume.
    rules : BoxRules
        How subvolumes are made.

    Examples
    --------
    >>> rules = BoxRules(size=4)
    >>> places = box_places(np.array([[50.0, 62.0, 30.0]]), 10.0, (8, 16, 16), rules)
    >>> places.starts_zyx.tolist(), places.shifts_xyz.round(2).tolist()
    ([[1, 4, 3]], [[0.0, 0.2, 0.0]])
    """
    points = points_to_voxels(points_xyz, spacing)  # (z, y, x)
    middle = rules.binning * (rules.size // 2) + 0.5 * (rules.binning - 1)
    starts = np.rint(points - middle).astype(np.int64)
    centres = starts + middle
    is_inside = np.all((starts >= 0) & (starts + rules.edge <= np.array(shape_zyx)), axis=1)
    shifts = points - centres
    return BoxPlaces(
        starts, np.asarray(centres[:, ::-1]), np.asarray(shifts[:, ::-1]), np.asarray(is_inside)
    )


def cut_boxes(
    volume: PlaneReader, places: BoxPlaces, rules: BoxRules
) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
    """Yield the number of each point whose box lies inside, and its box, in order of z.

    Parameters
    ----------
    volume : PlaneReader
        The volume (z, y, x), read in slabs.
    places : BoxPlaces
        Where boxes lie.
    rules : BoxRules
        How subvolumes are made.

    Yields
    ------
    int
        Row of the point.
    numpy.ndarray, shape (size, size, size), float32
        Its box (z, y, x).
    """
    rows = np.flatnonzero(places.is_inside)
    first, slab = 0, np.zeros((0, 0, 0))
    for row in rows[np.argsort(places.starts_zyx[rows, 0], kind="stable")]:
        z, y, x = places.starts_zyx[row].tolist()
        if z + rules.edge > first + len(slab):
            first = z
            slab = volume.read(z, min(z + rules.edge + _MORE_PLANES, volume.shape[0]))
        cut = slab[z - first : z - first + rules.edge, y : y + rules.edge, x : x + rules.edge]
        yield int(row), made_box(cut, rules)


def made_box(cut: npt.NDArray[Any], rules: BoxRules) -> npt.NDArray[np.float32]:
    """Return a box binned, inverted and normalised.

    Parameters
    ----------
    cut : numpy.ndarray, shape (edge, edge, edge)
        Part of a volume.
    rules : BoxRules
        How subvolumes are made.
    """
    size, binning = rules.size, rules.binning
    blocks = cut.astype(np.float64).reshape(size, binning, size, binning, size, binning)
    values = blocks.mean(axis=(1, 3, 5))
    if rules.is_inverted:
        values = -values
    if rules.normalisation != "none":
        counted = values
        if rules.normalisation == "background":
            counted = values[is_background(size, rules.background_radius)]
        spread = float(counted.std())
        values = (values - counted.mean()) / (spread if spread > 0 else 1.0)
    return np.asarray(values, dtype=np.float32)


def is_background(size: int, radius: float) -> npt.NDArray[np.bool_]:
    """Return which voxels of a box lie outside of a ball about voxel ``size // 2``.

    Parameters
    ----------
    size : int
        Edge of the box in voxels.
    radius : float
        Radius of the ball in voxels.
    """
    squares = (np.arange(size) - size // 2) ** 2
    away = squares[:, None, None] + squares[None, :, None] + squares[None, None, :]
    return np.asarray(away > radius**2)
