"""What every method hands to the common filters: places with a size and a score."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from copick_picker.core.localize.centres import ball_volume
from copick_picker.records.points import LocalizeRules, LocalizeTarget

FloatArray = npt.NDArray[np.float64]

TOO_SMALL = "too small"
TOO_LARGE = "too large"
TOO_CLOSE = "too close"
NEAR_BORDER = "near border"
LOW_SCORE = "low score"
REASONS = (TOO_SMALL, TOO_LARGE, TOO_CLOSE, NEAR_BORDER, LOW_SCORE)


@dataclass(frozen=True)
class Search:
    """One target with its lengths in voxels, and the bounds that follow from the rules.

    Attributes
    ----------
    target : LocalizeTarget
        What to look for.
    rules : LocalizeRules
        How to decide.
    radius : float
        Radius of the particle in voxels.
    """

    target: LocalizeTarget
    rules: LocalizeRules
    radius: float

    @property
    def painted_radius(self) -> float:
        """Return the radius that a perfect region has, as far as known; else the particle's."""
        return self.radius * (self.target.target_fraction or 1.0)

    @property
    def least_volume(self) -> float:
        """Return the fewest voxels of a region that is kept."""
        return ball_volume(self.rules.radius_min_scale * self.painted_radius)

    @property
    def largest_volume(self) -> float:
        """Return the most voxels of a region that is kept."""
        known = self.target.target_fraction is not None
        scale = self.rules.target_max_scale if known else self.rules.radius_max_scale
        return ball_volume(scale * self.painted_radius)


@dataclass
class Candidates:
    """Places found for one target, still to be filtered.

    Attributes
    ----------
    centres_zyx : list of numpy.ndarray, shape (3,), float64
        Centres (z, y, x) in voxels.
    scores : list of float
        Score of each in [0, 1].
    dropped : dict
        Number dropped for each reason.
    """

    centres_zyx: list[FloatArray] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    dropped: dict[str, int] = field(default_factory=lambda: dict.fromkeys(REASONS, 0))

    def add(self, centre_zyx: FloatArray, score: float) -> None:
        """Keep a place."""
        self.centres_zyx.append(centre_zyx)
        self.scores.append(score)

    def fits(self, volume: float, search: Search) -> bool:
        """Return whether a volume lies within the bounds; count it as dropped if not."""
        if volume < search.least_volume:
            self.dropped[TOO_SMALL] += 1
            return False
        if volume > search.largest_volume:
            self.dropped[TOO_LARGE] += 1
            return False
        return True


def filtered(
    candidates: Candidates,
    search: Search,
    *,
    shape_zyx: tuple[int, ...],
    margin_voxels: float,
) -> tuple[FloatArray, FloatArray, dict[str, int]]:
    """Return centres and scores that pass threshold, margin and distance, and what was dropped.

    Parameters
    ----------
    candidates : Candidates
        Places found.
    search : Search
        The target and the rules.
    shape_zyx : tuple of int
        Shape of the volume.
    margin_voxels : float
        Centres nearer than this to a face are dropped.

    Returns
    -------
    centres_zyx : numpy.ndarray, shape (n, 3), float64
        Centres (z, y, x) in voxels, by falling score, then z, y, x.
    scores : numpy.ndarray, shape (n,), float64
        Their scores.
    dropped : dict
        Number dropped for each reason.
    """
    centres = np.array(candidates.centres_zyx, dtype=np.float64).reshape(-1, 3)
    scores = np.clip(np.array(candidates.scores, dtype=np.float64), 0.0, 1.0)
    dropped = dict(candidates.dropped)
    kept = kept_of(
        centres, scores, search, dropped, shape_zyx=shape_zyx, margin_voxels=margin_voxels
    )
    return centres[kept], scores[kept], dropped


def kept_of(
    centres_zyx: FloatArray,
    scores: FloatArray,
    search: Search,
    dropped: dict[str, int],
    *,
    shape_zyx: tuple[int, ...],
    margin_voxels: float,
) -> npt.NDArray[np.intp]:
    """Return the indices of the centres that pass threshold, margin and distance.

    Parameters
    ----------
    centres_zyx : numpy.ndarray, shape (n, 3), float64
        Centres (z, y, x) in voxels.
    scores : numpy.ndarray, shape (n,), float64
        Score of each.
    search : Search
        The target and the rules.
    dropped : dict
        Number dropped for each reason; added to.
    shape_zyx : tuple of int
        Shape of the volume.
    margin_voxels : float
        Centres nearer than this to a face are dropped.

    Returns
    -------
    numpy.ndarray, shape (k,), int
        By falling score, then z, y, x.
    """
    kept = np.lexsort((centres_zyx[:, 2], centres_zyx[:, 1], centres_zyx[:, 0], -scores))
    threshold = search.target.score_threshold
    if threshold is not None:
        good = scores[kept] >= threshold
        dropped[LOW_SCORE] += int((~good).sum())
        kept = kept[good]
    if margin_voxels > 0:
        last = np.array(shape_zyx, dtype=np.float64) - 1.0
        centres = centres_zyx[kept]
        inside = ((centres >= margin_voxels) & (centres <= last - margin_voxels)).all(axis=1)
        dropped[NEAR_BORDER] += int((~inside).sum())
        kept = kept[inside]
    distance = search.rules.min_distance_radii * search.radius
    apart = first_of_neighbours(centres_zyx[kept], distance)
    dropped[TOO_CLOSE] += int((~apart).sum())
    return kept[apart]


def first_of_neighbours(points: FloatArray, distance: float) -> npt.NDArray[np.bool_]:
    """Return which points have no kept point before them nearer than a distance.

    Parameters
    ----------
    points : numpy.ndarray, shape (n, 3), float64
        Points, the most wanted first.
    distance : float
        Least distance of two kept points, in the unit of the points.

    Examples
    --------
    >>> line = np.array([[0.0, 0, 0], [3.0, 0, 0], [5.0, 0, 0]])
    >>> first_of_neighbours(line, 4.0).tolist()
    [True, False, True]
    """
    kept = np.ones(len(points), dtype=bool)
    if len(points) < 2 or distance <= 0:
        return kept
    near = cKDTree(points).query_pairs(np.nextafter(distance, 0.0), output_type="ndarray")
    for first, second in near[np.lexsort((near[:, 1], near[:, 0]))]:
        if kept[first]:
            kept[second] = False
    return kept
