"""Objects of a project, outcomes of runs, and options for opening a project."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


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
        Radius of the particle; None if the project does not state it.
    score_threshold : float or None
        Lowest score of a pick that counts (``metadata.score_threshold``).
    score_weight : float
        Weight in macro averages (``metadata.score_weight``, octopi's ``metadata.weight``).
    is_particle : bool
        False for membranes and other extended structures.
    is_filament : bool
        Whether the project declares it a filament (``metadata.copick.filament``).
    has_polarity : bool or None
        Whether a filament's two directions differ; None if the project does not say.
    colour : tuple of int or None
        Red, green and blue from 0 to 255; None if the project states none of its own.
    """

    name: str
    label: int
    radius_angstrom: float | None = None
    score_threshold: float | None = None
    score_weight: float = 1.0
    is_particle: bool = True
    is_filament: bool = False
    has_polarity: bool | None = None
    colour: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class RunOutcome:
    """Outcome of one run in a command.

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
        Values for ``--json``.
    warnings : tuple of str
        What the user has to know of an outcome that is no failure; repeated at the end.
    """

    run_name: str
    status: str
    message: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class InputScaling:
    """Scaling of the input for networks that do not take z-scores.

    Voxels are clipped to [minimum, maximum], scaled to [0, 1], then
    ``(v - mean) / standard_deviation``.

    Attributes
    ----------
    minimum, maximum : float
        Limits, in the unit of the tomogram.
    mean, standard_deviation : float
        In the unit of the scaled values.
    """

    minimum: float
    maximum: float
    mean: float
    standard_deviation: float


@dataclass(frozen=True)
class Opening:
    """Options for opening a project and reading the objects of a remote one.

    Attributes
    ----------
    attempts : int
        How often an object is requested before its run fails.
    timeout_seconds : float
        How long to wait for a connection, and for the next bytes.
    connections : int
        Objects to read in parallel.
    memory_bytes : int
        Size limit of the most recently read objects kept in memory.
    cache : pathlib.Path or None
        Folder that keeps objects on disk.
    cache_bytes : int
        Size limit of that folder.
    split : str or None
        Only the runs of this split of a Croissant manifest.
    """

    attempts: int = 4
    timeout_seconds: float = 60.0
    connections: int = 8
    memory_bytes: int = 512 * 1024**2
    cache: Path | None = None
    cache_bytes: int = 20 * 10**9
    split: str | None = None
