"""Picks: points with scores, how to find them, and their form in other programs' files."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from copick_picker.errors import DataError


@dataclass(frozen=True, eq=False)
class PickSet:
    """Stored or computed picks of one object in one run.

    Attributes
    ----------
    object_name : str
        Name of the object.
    points_xyz : numpy.ndarray, shape (n, 3), float64
        Centres (x, y, z) in Angstrom; (0, 3) if there are none.
    scores : numpy.ndarray, shape (n,), float64
        Score of each pick, in [0, 1] if made by this package.
    rotations : numpy.ndarray, shape (n, 3, 3), float64, or None
        Rotation of the particle's axes to the tomogram's (x, y, z); None if unknown.
    instance_ids : numpy.ndarray, shape (n,), int64, or None
        Filament of each pick, from 1; None if there are none.
    sigmas_xyz : numpy.ndarray, shape (n, 3), float64, or None
        Standard deviation of each position along x, y, z in Angstrom; None if unknown.
    """

    object_name: str
    points_xyz: npt.NDArray[np.float64]
    scores: npt.NDArray[np.float64]
    rotations: npt.NDArray[np.float64] | None = None
    instance_ids: npt.NDArray[np.int64] | None = None
    sigmas_xyz: npt.NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        """Check shapes, so that a swapped axis is noticed early."""
        if self.points_xyz.ndim != 2 or self.points_xyz.shape[1] != 3:
            msg = f"picks of {self.object_name} have shape {self.points_xyz.shape}, not (n, 3)"
            raise DataError(msg)
        if self.scores.shape != self.points_xyz.shape[:1]:
            msg = (
                f"picks of {self.object_name}: {len(self.points_xyz)} points "
                f"but scores of shape {self.scores.shape}"
            )
            raise DataError(msg)
        if self.rotations is not None and self.rotations.shape != (len(self.points_xyz), 3, 3):
            msg = (
                f"picks of {self.object_name}: {len(self.points_xyz)} points "
                f"but rotations of shape {self.rotations.shape}"
            )
            raise DataError(msg)
        if self.sigmas_xyz is not None and self.sigmas_xyz.shape != self.points_xyz.shape:
            msg = (
                f"picks of {self.object_name}: {len(self.points_xyz)} points "
                f"but standard deviations of shape {self.sigmas_xyz.shape}"
            )
            raise DataError(msg)
        if self.sigmas_xyz is not None and not np.isfinite(self.sigmas_xyz).all():
            wrong = int((~np.isfinite(self.sigmas_xyz)).any(axis=1).sum())
            msg = (
                f"picks of {self.object_name}: {wrong} of {len(self.points_xyz)} have a "
                "standard deviation that is NaN or infinite"
            )
            raise DataError(msg)

    def __len__(self) -> int:
        """Return the number of picks."""
        return len(self.points_xyz)

    def chosen(self, which: npt.NDArray[Any]) -> "PickSet":
        """Return some of the picks, with all their attributes.

        Parameters
        ----------
        which : numpy.ndarray
            Mask or indices.
        """
        return PickSet(
            self.object_name,
            self.points_xyz[which],
            self.scores[which],
            None if self.rotations is None else self.rotations[which],
            None if self.instance_ids is None else self.instance_ids[which],
            None if self.sigmas_xyz is None else self.sigmas_xyz[which],
        )


@dataclass(frozen=True)
class LocalizeTarget:
    """One object that localization looks for.

    Attributes
    ----------
    object_name : str
        Name of the object.
    label : int
        Its value in the segmentation, 1 or more.
    radius_angstrom : float or None
        Radius of the particle; with None, localization raises an error that names the object.
    score_threshold : float or None
        Minimum score of kept picks; None keeps all.
    target_fraction : float or None
        Radius that the model was trained to paint, as a fraction of the particle's radius; None if
        the model does not state it.
    channel : int or None
        Channel of the probability volume; None if there are only labels.
    any_value : bool
        Whether every value above 0 is the object: a mask, or a number for each particle. Regions
        of different values are then told apart.
    """

    object_name: str
    label: int
    radius_angstrom: float | None
    score_threshold: float | None = None
    target_fraction: float | None = None
    channel: int | None = None
    any_value: bool = False


@dataclass(frozen=True)
class LocalizeRules:
    """Rules of localization; the defaults are in the settings.

    Attributes
    ----------
    method : str
        ``watershed``, ``peaks`` or ``components``.
    radius_min_scale : float
        A region smaller than a ball of this scale times the target's radius is dropped. The
        target's radius is the particle's, times the target fraction if that is known.
    radius_max_scale : float
        If the target fraction is unknown, a region larger than a ball of this scale times the
        particle's radius is dropped.
    target_max_scale : float
        The same for targets with known fraction, times the target's radius.
    min_distance_radii : float
        Minimum distance between picks of one object, in radii; the higher score is kept.
    border_margin_angstrom : float
        Picks nearer than this to a face of the volume are dropped.
    smoothing_radii : float
        Standard deviation, in radii, of the smoothing of masks and distance maps before the search
        for markers.
    neck_ratio : float
        Two markers count as one particle if the thinnest cross-section between them has at least
        this fraction of the area of the thinner of the two.
    peak_floor : float
        Lowest smoothed probability of a peak.
    peak_smoothing_radii : float
        Standard deviation, in radii, of the smoothing before the search for peaks.
    """

    method: str
    radius_min_scale: float
    radius_max_scale: float
    target_max_scale: float
    min_distance_radii: float
    border_margin_angstrom: float
    smoothing_radii: float
    neck_ratio: float
    peak_floor: float
    peak_smoothing_radii: float


@dataclass(frozen=True, eq=False)
class Localized:
    """Picks of one object and counts of what was dropped.

    Attributes
    ----------
    picks : PickSet
        Picks by decreasing score, then z, y, x.
    dropped : mapping of str to int
        Number of regions or peaks dropped for each reason: ``too small``, ``too large``,
        ``too close``, ``near border``, ``low score``.
    score_kind : str
        ``probability`` (mean over the region) or ``fill`` (voxels over voxels expected, at
        most 1).
    """

    picks: PickSet
    dropped: Mapping[str, int]
    score_kind: str


@dataclass(frozen=True)
class PickLimits:
    """Limits for the picks of one object; None and 0 keep all.

    Attributes
    ----------
    min_score : float or None
        Lowest score.
    top : int or None
        Number of highest-scoring picks to keep.
    min_distance_angstrom : float
        Minimum distance of two picks of the object; the higher score is kept.
    """

    min_score: float | None = None
    top: int | None = None
    min_distance_angstrom: float = 0.0


@dataclass(frozen=True, eq=False)
class ExportedRun:
    """Picks of one tomogram, to be written to another program's file.

    Attributes
    ----------
    run_name : str
        The run.
    tomogram_name : str
        Name of the tomogram in that program.
    picks : PickSet
        Picks; points (x, y, z) in Angstrom relative to the first voxel.
    centre_xyz : tuple of float or None
        Centre of the tomogram (x, y, z) in Angstrom, half its size; None if not needed.
    pixel_size : float or None
        Pixel size of the coordinates, in Angstrom; None if not needed.
    is_filament : bool
        Whether the picks are points along filaments, and are written as such.
    is_polar : numpy.ndarray, shape (n,), bool, or None
        Whether the filament of each pick runs from its minus to its plus end; None: unknown.
    shape_xyz : tuple of int, or None
        Size of the tomogram in voxels (x, y, z); None if not needed.
    """

    run_name: str
    tomogram_name: str
    picks: PickSet
    centre_xyz: tuple[float, float, float] | None = None
    pixel_size: float | None = None
    is_filament: bool = False
    is_polar: npt.NDArray[np.bool_] | None = None
    shape_xyz: tuple[int, int, int] | None = None


@dataclass(frozen=True, eq=False)
class ParticleTable:
    """Particles as stored in a file of another program.

    Attributes
    ----------
    convention : str
        Which convention was recognised, in words.
    unit : str
        Unit of the coordinates: ``angstrom``, ``pixels`` (of the volume), ``tilt-series pixels``,
        ``fractions`` (of the volume's size), and relative to the volume's centre
        ``centred angstrom`` and ``centred pixels``.
    coordinates : numpy.ndarray, shape (n, 3), float64
        x, y, z.
    names : tuple of str
        Tomogram of each particle as named in the file; empty if the file does not state it.
    pixel_size : numpy.ndarray, shape (n,), float64, or None
        Pixel size in Angstrom, from the file.
    offsets_xyz : numpy.ndarray, shape (n, 3), float64
        Shift in Angstrom to add.
    scores : numpy.ndarray, shape (n,), float64, or None
        Scores; None if the file has none.
    rotations : numpy.ndarray, shape (n, 3, 3), float64, or None
        Rotations; None if the file has none.
    unread : tuple of str
        Columns that were not read.
    instance_ids : numpy.ndarray, shape (n,), int64, or None
        Filament of each particle in its tomogram; None if the file has none.
    name_from, scale_from, score_from : str
        Column or field that the tomograms, the pixel size and the scores are from; empty if the
        file has none.
    classes : tuple of str
        Class or object of each particle; empty if the file does not state it.
    class_from : str
        Column or field of the classes.
    has_named_classes : bool
        Whether classes are names of objects, not numbers that a classification gave.
    looked_at : tuple of str
        Tomograms in which the file says that there is no particle.
    problems : mapping of int to str
        Particle, from 0 -> why it cannot be used.
    row_numbers : numpy.ndarray, shape (n,), int64, or None
        Row of each particle in the file, from 1; None: they are all of its rows.
    notes : tuple of str
        What else the user should know of the file.
    """

    convention: str
    unit: str
    coordinates: npt.NDArray[np.float64]
    names: tuple[str, ...]
    pixel_size: npt.NDArray[np.float64] | None
    offsets_xyz: npt.NDArray[np.float64]
    scores: npt.NDArray[np.float64] | None
    rotations: npt.NDArray[np.float64] | None
    unread: tuple[str, ...] = ()
    instance_ids: npt.NDArray[np.int64] | None = None
    name_from: str = ""
    scale_from: str = ""
    score_from: str = ""
    classes: tuple[str, ...] = ()
    class_from: str = ""
    has_named_classes: bool = False
    looked_at: tuple[str, ...] = ()
    problems: Mapping[int, str] = field(default_factory=dict)
    row_numbers: npt.NDArray[np.int64] | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Return the number of particles."""
        return len(self.coordinates)

    def row(self, index: int) -> int:
        """Return the row of a particle in the file, from 1.

        Parameters
        ----------
        index : int
            The particle, from 0.
        """
        return index + 1 if self.row_numbers is None else int(self.row_numbers[index])

    def chosen(self, which: npt.NDArray[np.int64]) -> "ParticleTable":
        """Return some of the particles.

        Parameters
        ----------
        which : numpy.ndarray, shape (m,), int64
            Their indices.
        """

        def some(values: Any) -> Any:  # noqa: ANN401 (an array, or None)
            return None if values is None else values[which]

        place = {int(index): number for number, index in enumerate(which)}
        return replace(
            self,
            coordinates=self.coordinates[which],
            names=tuple(self.names[index] for index in which) if self.names else (),
            pixel_size=some(self.pixel_size),
            offsets_xyz=self.offsets_xyz[which],
            scores=some(self.scores),
            rotations=some(self.rotations),
            instance_ids=some(self.instance_ids),
            classes=tuple(self.classes[index] for index in which) if self.classes else (),
            problems={place[at]: why for at, why in self.problems.items() if at in place},
            row_numbers=np.array([self.row(int(index)) for index in which], dtype=np.int64),
        )
