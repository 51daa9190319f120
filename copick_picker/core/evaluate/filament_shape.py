"""How well curves agree in shape: coverage, Hausdorff distance, length and tangents."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from copick_picker.core.link.splines import Curve

_PERCENTILE = 95.0


@dataclass(frozen=True)
class ShapeScores:
    """How well curves agree in shape.

    Attributes
    ----------
    coverage : float or None
        Share of the reference's length within the tolerance of a candidate curve; None without any.
    excess : float or None
        Share of the candidate's length that is not within the tolerance of a reference curve.
    hd95 : float or None
        95th percentile of the distance from points of either set to the other, the larger of both.
    length_ratio : float or None
        Length of the candidate over that of the reference.
    tangent_error_degrees : float or None
        Mean angle of the tangents at nearest points, whichever way they run, over what is covered.
    """

    coverage: float | None
    excess: float | None
    hd95: float | None
    length_ratio: float | None
    tangent_error_degrees: float | None


def shape_scores(
    reference: list[Curve], candidate: list[Curve], *, tolerance: float
) -> ShapeScores:
    """Return how well two sets of curves agree, whichever belongs to which.

    Parameters
    ----------
    reference, candidate : list of Curve
        Curves, in points at small steps.
    tolerance : float
        Distance within which a curve covers another.

    Examples
    --------
    >>> from copick_picker.core.link.splines import smooth_curve
    >>> long = smooth_curve(np.array([[0.0, 0.0], [0.0, 10.0]]), stiffness=0.0)
    >>> half = smooth_curve(np.array([[1.0, 0.0], [1.0, 5.0]]), stiffness=0.0)
    >>> scores = shape_scores([long], [half], tolerance=1.5)
    >>> round(scores.coverage, 2), scores.length_ratio, scores.tangent_error_degrees
    (0.59, 0.5, 0.0)
    """
    if not reference or not candidate:
        return ShapeScores(0.0 if reference else None, 1.0 if candidate else None, None, None, None)
    theirs, their_tangents, their_weights = _sampled(reference)
    ours, our_tangents, our_weights = _sampled(candidate)
    to_ours, nearest = cKDTree(ours).query(theirs)
    to_theirs, _ = cKDTree(theirs).query(ours)
    covered = to_ours <= tolerance
    cosine = np.abs((their_tangents * our_tangents[nearest]).sum(axis=1))
    angles = np.degrees(np.arccos(np.clip(cosine, 0.0, 1.0)))
    weight = their_weights[covered].sum()
    return ShapeScores(
        coverage=float(weight / their_weights.sum()),
        excess=float(our_weights[to_theirs > tolerance].sum() / our_weights.sum()),
        hd95=float(max(np.percentile(each, _PERCENTILE) for each in (to_ours, to_theirs))),
        length_ratio=float(our_weights.sum() / their_weights.sum()),
        tangent_error_degrees=float((angles * their_weights)[covered].sum() / weight)
        if weight > 0
        else None,
    )


def _sampled(curves: list[Curve]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return points, tangents and the length that each point stands for."""
    points = np.concatenate([curve.points for curve in curves])
    tangents = np.concatenate([curve.tangents for curve in curves])
    weights = []
    for curve in curves:
        steps = np.diff(curve.places)
        own = np.zeros(len(curve.places))
        own[:-1] += steps / 2
        own[1:] += steps / 2
        weights.append(own)
    return points, tangents, np.concatenate(weights)
