"""Smooth curves through the points of a track: length, tangents, curvature, even spacing."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import BSpline, make_splprep

from copick_picker.core.link.points import FloatArray

_DENSE = 16
_CUBIC = 3
_LEAST = 1e-9


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
        squares = ((points[:, None, :] - self.points[None, :, :]) ** 2).sum(axis=2)
        result: FloatArray = self.places[squares.argmin(axis=1)]
        return result


def smooth_curve(points: FloatArray, *, scatter: float) -> Curve:
    """Return the smoothing spline through points in order.

    A cubic B-spline (a line or a parabola through fewer than four points) whose points lie off it
    by ``scatter`` along each axis, root mean square: Dierckx 1982,
    https://doi.org/10.1016/0146-664X(82)90043-0.

    Parameters
    ----------
    points : numpy.ndarray, shape (n, d), float64
        Two or more points.
    scatter : float
        Standard deviation of the points about the curve, along an axis; 0: through all points.

    Examples
    --------
    >>> line = np.array([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]])
    >>> round(smooth_curve(line, scatter=0.0).length, 6)
    10.0
    """
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    kept = np.r_[True, steps > _LEAST * max(1.0, float(steps.max(initial=0.0)))]
    own = points[kept]
    if len(own) < 2:
        zero = np.zeros(1)
        return Curve(zero, points[:1], np.eye(1, points.shape[1]), zero)
    degree = min(_CUBIC, len(own) - 1)
    u = np.r_[0.0, np.cumsum(np.linalg.norm(np.diff(own, axis=0), axis=1))]
    smoothing = len(own) * own.shape[1] * scatter**2 if len(own) > degree + 1 else 0.0
    spline, _ = make_splprep(list(own.T), u=u, k=degree, s=smoothing)
    return _dense(spline, u)


def _dense(spline: BSpline, u: FloatArray) -> Curve:
    at = np.linspace(u[0], u[-1], _DENSE * (len(u) - 1) + 1)
    points = np.asarray(spline(at)).T
    first = np.asarray(spline(at, 1)).T
    second = np.asarray(spline(at, 2)).T if spline.k > 1 else np.zeros_like(first)
    speed = np.maximum(np.linalg.norm(first, axis=1), _LEAST)
    tangents = first / speed[:, None]
    across = second - (second * tangents).sum(axis=1)[:, None] * tangents
    places = np.r_[0.0, np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))]
    return Curve(places, points, tangents, np.linalg.norm(across, axis=1) / speed**2)


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
    >>> curve = smooth_curve(np.array([[0.0, 0.0], [0.0, 10.0]]), scatter=0.0)
    >>> even_places(curve, 4.0).tolist()
    [1.0, 5.0, 9.0]
    """
    if spacing > curve.length:
        return np.zeros(0)
    number = math.floor(curve.length / spacing + _LEAST)
    rest = curve.length - number * spacing
    places: FloatArray = rest / 2.0 + spacing * np.arange(number + 1, dtype=np.float64)
    return places
