"""Filaments as lines on slices."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle

import numpy as np
import numpy.typing as npt

from copick_picker.records.filaments import FilamentSet

COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#D55E00", "#CC79A7")
"""Colours of the filaments in turn, told apart with any form of colour blindness (Okabe, Ito)."""
_STEP_ANGSTROM = 40.0


@dataclass(frozen=True, eq=False)
class Line:
    """One filament.

    Attributes
    ----------
    object_name : str
        The object.
    number : int
        Its number.
    points_xyz : numpy.ndarray, shape (n, 3), float64
        Points (x, y, z) along it in Angstrom, about 40 apart.
    radius_angstrom : float
        It is drawn where a slice is nearer than this.
    is_polar : bool
        Whether it has an arrow at its end.
    colour : str
        Its colour.
    """

    object_name: str
    number: int
    points_xyz: npt.NDArray[np.float64]
    radius_angstrom: float
    is_polar: bool
    colour: str


def lines_of(sets: Sequence[FilamentSet], radii: dict[str, float]) -> list[Line]:
    """Return filaments as lines.

    Parameters
    ----------
    sets : sequence of FilamentSet
        Filaments of each object.
    radii : dict
        Object -> radius in Angstrom, for filaments that state none.
    """
    colours = cycle(COLOURS)
    found = []
    for each in sets:
        for filament in each.filaments:
            points = filament.points_xyz
            length = float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum())
            number = min(len(points), max(2, round(length / _STEP_ANGSTROM) + 1))
            which = np.linspace(0, len(points) - 1, number).round().astype(int)
            radius = filament.radius_angstrom or radii[each.object_name]
            found.append(
                Line(
                    each.object_name,
                    filament.instance_id,
                    points[which],
                    radius,
                    filament.is_polar,
                    next(colours),
                )
            )
    return found


def near_slice(line: Line, axis_zyx: int, centre_angstrom: float) -> list[npt.NDArray[np.float64]]:
    """Return the pieces of a line that a slice shows, as points (n, 3).

    Parameters
    ----------
    line : Line
        The filament.
    axis_zyx : int
        Axis that the slice is across.
    centre_angstrom : float
        Position of the slice.

    Examples
    --------
    >>> points = np.array([[0.0, 0.0, 0.0], [40.0, 0.0, 0.0], [80.0, 0.0, 90.0]])
    >>> line = Line("tube", 1, points, 30.0, False, "#E69F00")
    >>> [len(piece) for piece in near_slice(line, 0, 10.0)]
    [2]
    """
    away = np.abs(line.points_xyz[:, 2 - axis_zyx] - centre_angstrom)
    shown = np.flatnonzero(away <= line.radius_angstrom)
    runs = np.split(shown, np.flatnonzero(np.diff(shown) > 1) + 1)
    return [line.points_xyz[run] for run in runs if len(run) > 1]
