"""Frozen records that travel between layers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from copick_picker.errors import DataError


@dataclass(frozen=True)
class ObjectSpec:
    """One pickable object of a project.

    Attributes
    ----------
    name : str
        Name in the project.
    label : int
        Value in a multilabel segmentation; 0 is background and never an object.
    radius_angstrom : float or None
        Radius of the particle; None where the project does not say.
    score_threshold : float or None
        Lowest score of a pick that counts (``metadata.score_threshold``).
    score_weight : float
        Weight in macro averages (``metadata.score_weight``, octopi's ``metadata.weight``).
    is_particle : bool
        False for membranes and other extended things.
    """

    name: str
    label: int
    radius_angstrom: float | None = None
    score_threshold: float | None = None
    score_weight: float = 1.0
    is_particle: bool = True


@dataclass(frozen=True, order=True)
class TomogramKey:
    """Which tomogram of a run: ``type@voxel_spacing``."""

    tomogram_type: str
    voxel_spacing: float

    def __str__(self) -> str:
        """Return the copick URI."""
        return f"{self.tomogram_type}@{self.voxel_spacing:.3f}"


@dataclass(frozen=True, order=True)
class SegmentationKey:
    """Which segmentation of a run: ``name:user/session@voxel_spacing``."""

    name: str
    user_id: str
    session_id: str
    voxel_spacing: float
    is_multilabel: bool = True

    def __str__(self) -> str:
        """Return the copick URI."""
        query = "?multilabel=true" if self.is_multilabel else ""
        where = f"{self.name}:{self.user_id}/{self.session_id}"
        return f"{where}@{self.voxel_spacing:.3f}{query}"


@dataclass(frozen=True, order=True)
class PicksKey:
    """Which picks of a run: ``object:user/session``."""

    object_name: str
    user_id: str
    session_id: str

    def __str__(self) -> str:
        """Return the copick URI."""
        return f"{self.object_name}:{self.user_id}/{self.session_id}"


@dataclass(frozen=True, order=True)
class FeatureKey:
    """Which feature volume of a run: ``type@voxel_spacing:feature``."""

    tomogram_type: str
    voxel_spacing: float
    feature_type: str

    def __str__(self) -> str:
        """Return the copick URI."""
        return f"{self.tomogram_type}@{self.voxel_spacing:.3f}:{self.feature_type}"


@dataclass(frozen=True, eq=False)
class PickSet:
    """Stored or computed picks of one object in one run.

    Attributes
    ----------
    object_name : str
        Name of the object.
    points_xyz : numpy.ndarray, shape (n, 3), float64
        Centres (x, y, z) in Angstrom; (0, 3) where there are none.
    scores : numpy.ndarray, shape (n,), float64
        Score of each pick in [0, 1].
    """

    object_name: str
    points_xyz: npt.NDArray[np.float64]
    scores: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        """Check shapes, so that a swapped axis never travels far."""
        if self.points_xyz.ndim != 2 or self.points_xyz.shape[1] != 3:
            msg = f"picks of {self.object_name} have shape {self.points_xyz.shape}, not (n, 3)"
            raise DataError(msg)
        if self.scores.shape != self.points_xyz.shape[:1]:
            msg = (
                f"picks of {self.object_name}: {len(self.points_xyz)} points "
                f"but scores of shape {self.scores.shape}"
            )
            raise DataError(msg)

    def __len__(self) -> int:
        """Return the number of picks."""
        return len(self.points_xyz)


@dataclass(frozen=True)
class RunOutcome:
    """What became of one run in a command.

    Attributes
    ----------
    run_name : str
        Name of the run.
    status : str
        ``done``, ``skipped`` (complete already), ``absent`` (no such input, not asked for by name)
        or ``failed``.
    message : str
        One line for the summary.
    details : mapping
        Figures for ``--json``.
    """

    run_name: str
    status: str
    message: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
