"""Scores of links along filaments: how much likelier a pair is to be neighbours than a chance pair.

With L the distance of two points, u the direction from one to the other and t the tangent of a
point, a pair of neighbours has L near a multiple of the spacing, and small angles between u and
both tangents. Under chance, other points lie around at a density rho, and tangents point anywhere.
The score of a link is the logarithm of the ratio of both, plus that of the odds that a side of a
point goes on at all; links of positive score are better than none. The parameters are estimated
from the points themselves, in turn with the links.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from copick_picker.core.link.points import Edges, FloatArray, LinkPoints

MOST_MISSED = 4
"""Most points in a row that may be missing between two neighbours."""
_LEAST_PAIRS = 12
_MOST_ANGLE = math.radians(25.0)
_LEAST = 1e-12
_LEAST_ANGLE = 0.02
_MEDIAN_OF_SQUARE = {1: 0.455, 2: 1.386}
"""Median of the sum of d - 1 squares of Gaussians over their variance."""


@dataclass(frozen=True)
class ChainModel:
    """What is known of filaments and of the points on them.

    Attributes
    ----------
    spacing : float
        Distance of neighbours along a filament.
    axial_sigma : float
        Standard deviation of that distance.
    angle_sigma : float
        Standard deviation of a tangent about one axis, in radians, bending included.
    across_sigma : float
        Standard deviation of the difference of two positions along an axis across the filament:
        over a distance L it adds an angle of ``across_sigma / L``.
    missed : float
        Share of the points of filaments that are missing.
    ending : float
        Share of the sides of points behind which the filament ends, or the point is false.
    density : float
        Points per unit of volume around a point.
    """

    spacing: float
    axial_sigma: float
    angle_sigma: float
    across_sigma: float
    missed: float
    ending: float
    density: float


def sphere_area(n_axes: int) -> float:
    """Return the area of the unit sphere in d dimensions: 2 pi^(d/2) / gamma(d/2).

    Examples
    --------
    >>> round(sphere_area(3) / math.pi, 12), round(sphere_area(2) / math.pi, 12)
    (4.0, 2.0)
    """
    return 2.0 * math.pow(math.pi, n_axes / 2) / math.gamma(n_axes / 2)


@dataclass(frozen=True, eq=False)
class ChainFeatures:
    """Features of links along filaments.

    Attributes
    ----------
    length : numpy.ndarray, shape (m,), float64
        Distance of the two points.
    angles : numpy.ndarray, shape (m, 2), float64
        Angle between the tangent of each point and the direction to the other, in radians.
    same, other : numpy.ndarray, shape (m,), float64
        Half the square of the sum, and of the difference, of the two angles as vectors across the
        filament. A shift of a point turns both alike and is in the sum alone; errors of tangents
        are in both.
    """

    length: FloatArray
    angles: FloatArray
    same: FloatArray
    other: FloatArray


def chain_features(points: LinkPoints, tangents: FloatArray, edges: Edges) -> ChainFeatures:
    """Return the features of links.

    Parameters
    ----------
    points : LinkPoints
        The points.
    tangents : numpy.ndarray, shape (n, d), float64
        Their tangents.
    edges : Edges
        The links.
    """
    apart = points.positions[edges.second] - points.positions[edges.first]
    length = np.linalg.norm(apart, axis=1)
    direction = apart / np.maximum(length, _LEAST)[:, None]
    angles, offsets = [], []
    for end in (edges.first, edges.second):
        cosine = (direction * tangents[end]).sum(axis=1)
        along = np.where(cosine < 0, -1.0, 1.0)[:, None] * tangents[end]
        across = direction - np.abs(cosine)[:, None] * along
        size = np.linalg.norm(across, axis=1)
        angle = np.arccos(np.clip(np.abs(cosine), 0.0, 1.0))
        angles.append(angle)
        offsets.append(across * (angle / np.maximum(size, _LEAST))[:, None])
    first, second = offsets
    return ChainFeatures(
        length,
        np.stack(angles, axis=1),
        ((first + second) ** 2).sum(axis=1) / 2.0,
        ((first - second) ** 2).sum(axis=1) / 2.0,
    )


def first_model(points: LinkPoints, edges: Edges, features: ChainFeatures) -> ChainModel | None:
    """Return a first guess from the nearest straight neighbours; None if there are too few.

    Parameters
    ----------
    points : LinkPoints
        The points.
    edges : Edges
        Possible links.
    features : ChainFeatures
        Their features.
    """
    straight = np.flatnonzero(features.angles.max(axis=1, initial=0.0) < _MOST_ANGLE)
    order = straight[np.argsort(features.length[straight], kind="stable")]
    taken = np.zeros((len(points), 2), dtype=bool)
    chosen = []
    for link in order.tolist():
        ends = (
            (edges.first[link], edges.first_ports[link]),
            (edges.second[link], edges.second_ports[link]),
        )
        if not any(taken[end] for end in ends):
            chosen.append(link)
            for end in ends:
                taken[end] = True
    if len(chosen) < _LEAST_PAIRS:
        return None
    length = features.length[chosen]
    spacing = _mode(length)
    near = length[np.abs(length - spacing) < 0.35 * spacing]
    axial_sigma = max(float(near.std()), 0.03 * spacing)
    angle_sigma, across_sigma = _spreads(
        features, np.array(chosen, dtype=np.int64), n_axes=points.positions.shape[1]
    )
    return ChainModel(
        spacing=spacing,
        axial_sigma=axial_sigma,
        angle_sigma=angle_sigma,
        across_sigma=across_sigma,
        missed=0.2,
        ending=0.15,
        density=_density(points, spacing),
    )


def scarce_model(points: LinkPoints) -> ChainModel:
    """Return what is assumed of points too few to tell: straight lines, loosely spaced.

    Parameters
    ----------
    points : LinkPoints
        The points.
    """
    spacing = nearest_spacing(points)
    return ChainModel(
        spacing=spacing,
        axial_sigma=0.3 * spacing,
        angle_sigma=_MOST_ANGLE / 2,
        across_sigma=0.2 * spacing,
        missed=0.2,
        ending=0.15,
        density=_density(points, spacing),
    )


def nearest_spacing(points: LinkPoints) -> float:
    """Return where the distances to nearest neighbours lie densest.

    Parameters
    ----------
    points : LinkPoints
        Two or more points.
    """
    distances, _ = cKDTree(points.positions).query(points.positions, k=2)
    return max(_mode(np.asarray(distances)[:, 1]), _LEAST)


def chain_scores(features: ChainFeatures, model: ChainModel, n_axes: int) -> FloatArray:
    """Return the score of each link: a logarithm of a likelihood ratio.

    Parameters
    ----------
    features : ChainFeatures
        Features of the links.
    model : ChainModel
        Parameters.
    n_axes : int
        Axes of space.

    Returns
    -------
    numpy.ndarray, shape (m,), float64
    """
    length = features.length
    axial = np.zeros(len(length))
    for missing in range(MOST_MISSED + 1):
        share = (1.0 - model.missed) * model.missed**missing
        away = (length - (missing + 1) * model.spacing) / model.axial_sigma
        axial += share * np.exp(-0.5 * away**2)
    axial /= model.axial_sigma * math.sqrt(2.0 * math.pi)
    chance = model.density * sphere_area(n_axes) * np.maximum(length, _LEAST) ** (n_axes - 1)
    score = np.log(np.maximum(axial, _LEAST**3)) - np.log(chance)
    across = n_axes - 1
    half_sphere = sphere_area(n_axes) / 2.0
    of_tangents = np.full(len(length), model.angle_sigma**2)
    of_both = of_tangents + 2.0 * (model.across_sigma / np.maximum(length, _LEAST)) ** 2
    for square, variance in ((features.same, of_both), (features.other, of_tangents)):
        fit = -0.5 * square / variance - 0.5 * across * np.log(2.0 * math.pi * variance)
        score += fit + math.log(half_sphere)
    odds = (1.0 - model.ending) / model.ending
    result: FloatArray = score + 2.0 * math.log(odds)
    return result


def fitted_model(
    model: ChainModel,
    features: ChainFeatures,
    chosen: npt.NDArray[np.bool_],
    n_points: int,
    *,
    n_axes: int,
) -> ChainModel:
    """Return the model that fits chosen links.

    Parameters
    ----------
    model : ChainModel
        The model so far.
    features : ChainFeatures
        Features of all links.
    chosen : numpy.ndarray, shape (m,), bool
        The links.
    n_points : int
        All points.
    n_axes : int
        Axes of space.
    """
    if chosen.sum() < _LEAST_PAIRS:
        return model
    length = features.length[chosen]
    steps = np.maximum(np.round(length / model.spacing), 1.0)
    spacing = float(np.median(length[steps == 1])) if (steps == 1).any() else model.spacing
    steps = np.maximum(np.round(length / spacing), 1.0)
    rest = length - steps * spacing
    spread = 1.4826 * float(np.median(np.abs(rest - np.median(rest))))
    n_missing = float((steps - 1).sum())
    n_ends = 2.0 * n_points - 2.0 * float(chosen.sum())
    axial_sigma = max(spread, 0.02 * spacing)
    angle_sigma, across_sigma = _spreads(features, chosen, n_axes=n_axes)
    return replace(
        model,
        spacing=spacing,
        axial_sigma=axial_sigma,
        angle_sigma=angle_sigma,
        across_sigma=across_sigma,
        missed=float(np.clip(n_missing / (n_missing + len(length)), 0.01, 0.6)),
        ending=float(np.clip(n_ends / (2.0 * n_points), 0.01, 0.6)),
    )


def _spreads(
    features: ChainFeatures, chosen: npt.NDArray[Any], *, n_axes: int
) -> tuple[float, float]:
    """Return the standard deviations of tangents and of positions across, from angles of links."""
    length = np.maximum(features.length[chosen], _LEAST)
    median = _MEDIAN_OF_SQUARE.get(n_axes - 1, _MEDIAN_OF_SQUARE[2])
    of_tangents = max(float(np.median(features.other[chosen])) / median, _LEAST_ANGLE**2)
    shifts = (features.same[chosen] / median - of_tangents) * length**2 / 2.0
    return math.sqrt(of_tangents), math.sqrt(max(float(np.median(shifts)), 0.0))


def _mode(values: FloatArray) -> float:
    """Return where values lie densest: the middle of the shortest part with a quarter of them."""
    ordered = np.sort(values)
    part = max(2, len(ordered) // 4)
    widths = ordered[part - 1 :] - ordered[: len(ordered) - part + 1]
    at = int(widths.argmin())
    return float(np.median(ordered[at : at + part]))


def _density(points: LinkPoints, spacing: float) -> float:
    extent = np.ptp(points.positions, axis=0)
    volume = float(np.prod(np.maximum(extent, spacing)))
    return len(points) / volume
