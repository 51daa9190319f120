"""Filaments: ordered points along their axes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from copick_picker.errors import DataError


@dataclass(frozen=True, eq=False)
class Filament:
    """One filament.

    Attributes
    ----------
    instance_id : int
        Its number, from 1; picks of it bear the same.
    points_xyz : numpy.ndarray, shape (n, 3), float64
        Two or more points (x, y, z) along it in Angstrom, near enough to be joined by lines.
    score : float
        Score.
    is_polar : bool
        Whether the points run from its minus to its plus end, not merely from end to end.
    radius_angstrom : float or None
        Radius of the tube; None if unknown.
    facts : mapping
        Whatever else is known, as JSON can hold it.
    """

    instance_id: int
    points_xyz: npt.NDArray[np.float64]
    score: float = 1.0
    is_polar: bool = False
    radius_angstrom: float | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the points."""
        shape = self.points_xyz.shape
        if len(shape) != 2 or shape[0] < 2 or shape[1] != 3:
            msg = f"filament {self.instance_id} has points of shape {shape}, not (n, 3) with n >= 2"
            raise DataError(msg)
        if not np.isfinite(self.points_xyz).all():
            msg = f"filament {self.instance_id} has points that are NaN or infinite"
            raise DataError(msg)


@dataclass(frozen=True)
class FilamentSet:
    """The filaments of one object in one run.

    Attributes
    ----------
    object_name : str
        Name of the object.
    filaments : tuple of Filament
        The filaments, each with a number of its own.
    spacing_angstrom : float or None
        Voxel spacing of what they were traced in, or the distance of their points.
    """

    object_name: str
    filaments: tuple[Filament, ...]
    spacing_angstrom: float | None = None

    def __len__(self) -> int:
        """Return the number of filaments."""
        return len(self.filaments)
