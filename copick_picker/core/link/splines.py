"""Smooth curves through the points of a track: length, tangents, curvature, even spacing."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline, make_smoothing_spline
from scipy.spatial import cKDTree

from copick_picker.core.link.points import FloatArray
from copick_picker.core.link.tangents import tangents_along

_DENSE = 16
_LEAST = 1e-9
_LEAST_STEP = 1e-3
_FEW = 4
_WHOLE = 0.005
"""Share of a spacing that may be missing for one more point."""
_LEAST_OF_SCIPY = 5
_MOST_AT_ONCE = 200
_N_EACH_SIDE = 3
_ROUNDS = 2
_GRID = 10.0 ** np.arange(-4.0, 6.1, 0.5)
"""Stiffness that is tried, in cubes of the usual distance of two points."""


@dataclass(frozen=True, eq=False)
class Curve:
    """A smooth curve, by its points at small even steps.

    Attributes
    ----------
    places : numpy.ndarray, shape (k,), float64
        Distance along the curve, from 0.
    points : numpy.ndarray, shape (k, d), float64
        Points of the curve.
    tangents : numpy.ndarray, shape (k, d), float64
        Unit vectors along it.
    curvatures : numpy.ndarray, shape (k,), float64
        One over the radius of the circle that touches it.
    """

    places: FloatArray
    points: FloatArray
    tangents: FloatArray
    curvatures: FloatArray

    @property
    def length(self) -> float:
        """Length of the curve."""
        return float(self.places[-1])

    @property
    def curvature(self) -> float:
        """Mean curvature along it."""
        if self.length <= 0:
            return 0.0
        steps = np.diff(self.places)
        means = (self.curvatures[1:] + self.curvatures[:-1]) / 2.0
        return float((steps * means).sum() / self.length)

    @property
    def straightness(self) -> float:
        """Distance of its ends over its length: 1 if it is straight."""
        ends = float(np.linalg.norm(self.points[-1] - self.points[0]))
        return ends / self.length if self.length > 0 else 1.0

    def at(self, places: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return points and tangents at distances along the curve."""
        points = np.stack([np.interp(places, self.places, axis) for axis in self.points.T], axis=1)
        tangents = np.stack(
            [np.interp(places, self.places, axis) for axis in self.tangents.T], axis=1
        )
        norms = np.maximum(np.linalg.norm(tangents, axis=1), _LEAST)
        return points, tangents / norms[:, None]

    def nearest(self, points: FloatArray) -> FloatArray:
        """Return the distance along the curve of its point that is nearest to each point."""
        _, index = cKDTree(self.points).query(points)
        result: FloatArray = self.places[index]
        return result


def smooth_curve(points: FloatArray, *, stiffness: float) -> Curve:
    """Return the smoothing spline through points in order.

    The natural cubic spline that has the least sum of squared distances to the points, plus
    ``stiffness`` times the integral of its squared second derivative along the curve: Reinsch 1967,
    https://doi.org/10.1007/BF02162161.

    Parameters
    ----------
    points : numpy.ndarray, shape (n, d), float64
        Two or more points.
    stiffness : float
        In the cube of the unit of length; 0: through all points. See ``learned_stiffness``.

    Examples
    --------
    >>> line = np.array([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]])
    >>> round(smooth_curve(line, stiffness=0.0).length, 6)
    10.0
    """
    places = places_along(points)
    if places[-1] <= 0:
        zero = np.zeros(1)
        return Curve(zero, points[:1], np.eye(1, points.shape[1]), zero)
    curve = _dense(places, _smoothed(places, points, stiffness))
    if stiffness <= 0:
        return curve
    for _ in range(_ROUNDS):
        places = _rising(curve.nearest(points))
        curve = _dense(places, _smoothed(places, points, stiffness))
    return curve


def places_along(points: FloatArray) -> FloatArray:
    """Return how far along each point of a track lies, measured on the lines of its neighbours.

    Scatter about the track, which makes the way from point to point longer, is left out.

    Parameters
    ----------
    points : numpy.ndarray, shape (n, d), float64
        Points in order.

    Examples
    --------
    >>> places_along(np.array([[0.0, 0.0], [1.0, 0.0], [3.0, 0.0]])).tolist()
    [0.0, 1.0, 3.0]
    """
    steps = np.diff(points, axis=0)
    if len(points) > _FEW:
        tangents = tangents_along(points, np.arange(len(points)), n_each_side=_N_EACH_SIDE)
        along = (steps * (tangents[1:] + tangents[:-1]) / 2.0).sum(axis=1)
    else:
        along = np.linalg.norm(steps, axis=1)
    return _rising(np.r_[0.0, np.cumsum(along)])


def learned_stiffness(tracks: list[FloatArray]) -> float:
    """Return the stiffness that foretells left out points of tracks best.

    Of a grid, the one of the least generalized cross-validation over all tracks together: Craven
    and Wahba 1979, https://doi.org/10.1007/BF01404567.

    Parameters
    ----------
    tracks : list of numpy.ndarray, shape (n, d), float64
        Points of each track in order.
    """
    parts = [part for track in tracks for part in _pieces(track) if len(part) >= _FEW]
    if not parts:
        return 0.0
    places = [places_along(part) for part in parts]
    step = float(np.median(np.concatenate([np.diff(each) for each in places])))
    solved = []
    for at, part in zip(places, parts, strict=True):
        values, vectors = np.linalg.eigh(_bending(at))
        solved.append((np.maximum(values, 0.0), ((vectors.T @ part) ** 2).sum(axis=1)))
    number = sum(len(part) for part in parts)
    scores = []
    grid = step**3 * _GRID
    for stiffness in grid:
        rest, free = 0.0, 0.0
        for values, squares in solved:
            kept = 1.0 / (1.0 + stiffness * values)
            rest += float((squares * (1.0 - kept) ** 2).sum())
            free += float((1.0 - kept).sum())
        scores.append(rest / number / max(free / number, _LEAST) ** 2)
    return float(grid[int(np.argmin(scores))])


def _pieces(track: FloatArray) -> list[FloatArray]:
    return np.array_split(track, max(1, round(len(track) / _MOST_AT_ONCE)))


def _rising(places: FloatArray) -> FloatArray:
    """Return places that rise, from 0: where they do not, by a small step."""
    steps = np.diff(places)
    usual = float(np.median(steps[steps > 0])) if (steps > 0).any() else 0.0
    result: FloatArray = np.r_[0.0, np.cumsum(np.maximum(steps, _LEAST_STEP * usual))]
    return result


def _bending(places: FloatArray) -> FloatArray:
    """Return the matrix K of the natural spline: y K y is its integral of squared bending.

    Green and Silverman 1994, Nonparametric regression and generalized linear models, section 2.1.
    """
    step = np.diff(places)
    number = len(places)
    q, r = np.zeros((number, number - 2)), np.zeros((number - 2, number - 2))
    inner = np.arange(number - 2)
    q[inner, inner] = 1.0 / step[:-1]
    q[inner + 1, inner] = -1.0 / step[:-1] - 1.0 / step[1:]
    q[inner + 2, inner] = 1.0 / step[1:]
    r[inner, inner] = (step[:-1] + step[1:]) / 3.0
    r[inner[:-1], inner[1:]] = r[inner[1:], inner[:-1]] = step[1:-1] / 6.0
    result: FloatArray = q @ np.linalg.solve(r, q.T)
    return result


def _smoothed(places: FloatArray, points: FloatArray, stiffness: float) -> FloatArray:
    """Return the smoothing spline at the places of its points."""
    if stiffness <= 0 or len(points) <= 2:
        return points
    if len(points) >= _LEAST_OF_SCIPY:
        smooth: FloatArray = make_smoothing_spline(places, points, lam=stiffness)(places)
        return smooth
    solved = np.linalg.solve(np.eye(len(points)) + stiffness * _bending(places), points)
    result: FloatArray = np.asarray(solved, dtype=np.float64)
    return result


def _dense(places: FloatArray, points: FloatArray) -> Curve:
    """Return the natural spline through points at small even steps."""
    at = np.linspace(places[0], places[-1], _DENSE * (len(places) - 1) + 1)
    if len(places) == 2:
        fine = points[:1] + (points[1:] - points[:1]) * (at / places[-1])[:, None]
        first = np.repeat((points[1:] - points[:1]) / places[-1], len(at), axis=0)
        second = np.zeros_like(first)
    else:
        spline = CubicSpline(places, points, bc_type="natural")
        fine, first, second = spline(at), spline(at, 1), spline(at, 2)
    speed = np.maximum(np.linalg.norm(first, axis=1), _LEAST)
    tangents = first / speed[:, None]
    across = second - (second * tangents).sum(axis=1)[:, None] * tangents
    length = np.r_[0.0, np.cumsum(np.linalg.norm(np.diff(fine, axis=0), axis=1))]
    return Curve(length, fine, tangents, np.linalg.norm(across, axis=1) / speed**2)


def even_places(curve: Curve, spacing: float) -> FloatArray:
    """Return distances along a curve, a spacing apart and centred on it.

    Parameters
    ----------
    curve : Curve
        The curve.
    spacing : float
        Distance of neighbours along it; none fits if it is longer than the curve.

    Examples
    --------
    >>> curve = smooth_curve(np.array([[0.0, 0.0], [0.0, 10.0]]), stiffness=0.0)
    >>> even_places(curve, 4.0).tolist()
    [1.0, 5.0, 9.0]
    """
    if spacing > curve.length * (1.0 + _WHOLE):
        return np.zeros(0)
    number = math.floor(curve.length / spacing + _WHOLE)
    rest = curve.length - number * spacing
    places: FloatArray = rest / 2.0 + spacing * np.arange(number + 1, dtype=np.float64)
    return places
