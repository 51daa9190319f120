"""Scores of links along an ordered axis: how much likelier a pair is one moving point than chance.

Between places g apart a point moves by a Gaussian of variance 2 D g along each axis, D from a
mixture of two (some move, some hardly do), on top of the errors of both positions. Under chance the
other point lies anywhere, at the density of its place. Amplitudes and probabilities count as far as
they resemble each other more within tracks than between them. The score is the logarithm of the
ratio, plus that of the odds that a track goes on; the parameters are estimated from the points
themselves, in turn with the links.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from copick_picker.core.link.points import Edges, FloatArray, LinkPoints

_LEAST_PAIRS = 12
_LEAST = 1e-12
_ROUNDS = 8
_LEAST_SHARE = 0.02
_SIGNS = ("amplitudes", "probabilities")


@dataclass(frozen=True)
class MotionModel:
    """What is known of moving points.

    Attributes
    ----------
    variances : tuple of float
        Variance of a step over one place along one axis, of those that hardly move and of others.
    shares : tuple of float
        Share of the steps of each kind.
    missed : float
        Share of the points of tracks that are missing.
    ending : float
        Share of the points at which a track begins or ends, each.
    density : float
        Points per unit of volume and place.
    likeness : tuple of (str, float, float)
        Name of a property, the standard deviation of its difference within tracks, and between any
        two points; of the logarithm, for amplitudes.
    """

    variances: tuple[float, float]
    shares: tuple[float, float]
    missed: float
    ending: float
    density: float
    likeness: tuple[tuple[str, float, float], ...] = ()


def first_motion(points: LinkPoints, edges: Edges) -> MotionModel | None:
    """Return a first guess from points that are each other's nearest; None if there are too few.

    Parameters
    ----------
    points : LinkPoints
        Points with an ordered axis.
    edges : Edges
        Possible links.
    """
    squares = _squares(points, edges)
    near = _mutual(edges, squares, len(points))
    if near.sum() < _LEAST_PAIRS:
        return None
    own = squares[near] / points.positions.shape[1]
    low, high = (float(np.quantile(own, share)) for share in (0.3, 0.8))
    model = MotionModel(
        variances=(max(low, _LEAST), max(high, 4.0 * low, _LEAST)),
        shares=(0.5, 0.5),
        missed=0.1,
        ending=0.05,
        density=density_of(points),
    )
    return replace(model, likeness=_likeness(points, edges, near))


def scarce_motion(points: LinkPoints, *, gate: float) -> MotionModel:
    """Return what is assumed of points too few to tell: steps of a quarter of the gate.

    Parameters
    ----------
    points : LinkPoints
        Points with an ordered axis.
    gate : float
        Greatest distance of a link.
    """
    return MotionModel(
        variances=((gate / 8) ** 2, (gate / 4) ** 2),
        shares=(0.5, 0.5),
        missed=0.1,
        ending=0.1,
        density=density_of(points),
    )


def motion_scores(points: LinkPoints, edges: Edges, model: MotionModel) -> FloatArray:
    """Return the score of each link: a logarithm of a likelihood ratio.

    Parameters
    ----------
    points : LinkPoints
        Points with an ordered axis.
    edges : Edges
        Possible links.
    model : MotionModel
        Parameters.

    Returns
    -------
    numpy.ndarray, shape (m,), float64
    """
    kinds = np.stack(
        [
            math.log(share) + _log_step(points, edges, variance)
            for share, variance in zip(model.shares, model.variances, strict=True)
        ]
    )
    score = np.logaddexp.reduce(kinds, axis=0) - math.log(model.density)
    score += math.log(1.0 - model.missed) + (edges.gaps - 1) * math.log(model.missed)
    score += 2.0 * math.log((1.0 - model.ending) / model.ending)
    for name, within, between in model.likeness:
        difference = _difference(points, edges, name)
        score += math.log(between / within)
        score -= 0.5 * difference**2 * (1.0 / within**2 - 1.0 / between**2)
    result: FloatArray = score
    return result


def fitted_motion(
    points: LinkPoints, edges: Edges, chosen: npt.NDArray[np.bool_], model: MotionModel
) -> MotionModel:
    """Return the model that fits chosen links.

    Parameters
    ----------
    points : LinkPoints
        Points with an ordered axis.
    edges : Edges
        Possible links.
    chosen : numpy.ndarray, shape (m,), bool
        The links.
    model : MotionModel
        The model so far.
    """
    if chosen.sum() < _LEAST_PAIRS:
        return model
    own = edges.chosen(chosen)
    squares = _squares(points, own)
    d, variances, shares = points.positions.shape[1], model.variances, model.shares
    for _ in range(_ROUNDS):
        kinds = np.stack(
            [
                math.log(share) + _log_step(points, own, variance)
                for share, variance in zip(shares, variances, strict=True)
            ]
        )
        weights = np.exp(kinds - np.logaddexp.reduce(kinds, axis=0))
        noise = _noise(points, own)
        free = np.maximum(squares / d - noise, 0.0) / own.gaps
        sums = np.maximum(weights.sum(axis=1), _LEAST)
        new = (weights * free).sum(axis=1) / sums
        floor = max(0.01 * float(new.max()), _LEAST)
        variances = (max(float(new[0]), floor), max(float(new[1]), floor))
        first = float(np.clip(sums[0] / sums.sum(), _LEAST_SHARE, 1.0 - _LEAST_SHARE))
        shares = (first, 1.0 - first)
    missing = float((own.gaps - 1).sum())
    n_tracks = len(points) - len(own)
    return replace(
        model,
        variances=variances,
        shares=shares,
        missed=float(np.clip(missing / (missing + len(own)), 0.005, 0.6)),
        ending=float(np.clip(n_tracks / len(points), 0.005, 0.5)),
        likeness=_likeness(points, edges, chosen),
    )


def density_of(points: LinkPoints) -> float:
    """Return the number of points per unit of volume and place.

    Parameters
    ----------
    points : LinkPoints
        Points with an ordered axis.
    """
    extent = np.ptp(points.positions, axis=0)
    extent = np.where(extent > 0, extent, 1.0)
    n_places = 1 if points.places is None else len(np.unique(points.places))
    return len(points) / (float(np.prod(extent)) * n_places)


def _squares(points: LinkPoints, edges: Edges) -> FloatArray:
    apart = points.positions[edges.second] - points.positions[edges.first]
    result: FloatArray = (apart**2).sum(axis=1)
    return result


def _noise(points: LinkPoints, edges: Edges) -> FloatArray:
    """Return the variance along an axis that the errors of both positions add."""
    if points.sigmas is None:
        return np.zeros(len(edges))
    own: FloatArray = (points.sigmas**2).mean(axis=1)
    result: FloatArray = own[edges.first] + own[edges.second]
    return result


def _log_step(points: LinkPoints, edges: Edges, variance: float) -> FloatArray:
    d = points.positions.shape[1]
    spread = variance * edges.gaps + _noise(points, edges)
    result: FloatArray = -0.5 * _squares(points, edges) / spread - 0.5 * d * np.log(
        2.0 * math.pi * spread
    )
    return result


def _mutual(edges: Edges, squares: FloatArray, n_points: int) -> npt.NDArray[np.bool_]:
    """Return links between neighbouring places of points that are each other's nearest."""
    at_once = edges.gaps == 1
    nearest = np.full((2, n_points), np.inf)
    np.minimum.at(nearest[0], edges.first[at_once], squares[at_once])
    np.minimum.at(nearest[1], edges.second[at_once], squares[at_once])
    best = (squares <= nearest[0, edges.first]) & (squares <= nearest[1, edges.second])
    result: npt.NDArray[np.bool_] = best & at_once
    return result


def _difference(points: LinkPoints, edges: Edges, name: str) -> FloatArray:
    values: FloatArray = getattr(points, name)
    if name == "amplitudes":
        values = np.log(np.maximum(values, _LEAST))
    result: FloatArray = values[edges.second] - values[edges.first]
    return result


def _likeness(
    points: LinkPoints, edges: Edges, chosen: npt.NDArray[np.bool_]
) -> tuple[tuple[str, float, float], ...]:
    """Return the properties that are more alike within chosen links than between all points."""
    found = []
    for name in _SIGNS:
        values = getattr(points, name)
        if values is None:
            continue
        values = np.log(np.maximum(values, _LEAST)) if name == "amplitudes" else values
        between = math.sqrt(2.0) * float(values.std())
        within = float(np.sqrt((_difference(points, edges, name)[chosen] ** 2).mean()))
        if 0 < within < between:
            found.append((name, max(within, 0.05 * between), between))
    return tuple(found)
