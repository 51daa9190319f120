"""The second pass along an ordered axis: tracklets are joined over long gaps by their own motion.

Each tracklet has its own velocity and its own variance of a step, drawn to those of all tracklets
as far as it is short. A join is scored as in :mod:`copick_picker.core.link.motion`, with the step
predicted by the velocities of both.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from copick_picker.core.link.closing import JoinScorer
from copick_picker.core.link.motion import density_of
from copick_picker.core.link.points import FloatArray, IndexArray, Joins, LinkPoints
from copick_picker.core.link.solve import best_matching
from copick_picker.core.link.tracks import Track

_PRIOR_STEPS = 6.0
"""Steps that the motion of all tracklets counts for beside a tracklet's own."""
_SIGNIFICANT = 3.0
"""Standard errors from which on a velocity is used."""
_WIDE = 4.0
_LEAST = 1e-12


@dataclass(frozen=True, eq=False)
class Motions:
    """The own motion of tracklets.

    Attributes
    ----------
    velocities : numpy.ndarray, shape (k, d), float64
        Mean step over one place; 0 where it does not stand out of the noise.
    errors : numpy.ndarray, shape (k,), float64
        Variance of the velocity along an axis.
    variances : numpy.ndarray, shape (k,), float64
        Variance of a step over one place along an axis.
    """

    velocities: FloatArray
    errors: FloatArray
    variances: FloatArray


def own_motions(points: LinkPoints, places: IndexArray, tracks: list[Track]) -> Motions:
    """Return the motion of each tracklet.

    Parameters
    ----------
    points : LinkPoints
        All points.
    places : numpy.ndarray, shape (n,), int64
        Their places along the ordered axis.
    tracks : list of Track
        The tracklets.
    """
    d = points.positions.shape[1]
    velocities, squares, counts = np.zeros((len(tracks), d)), np.zeros(len(tracks)), []
    spans = np.ones(len(tracks))
    for number, track in enumerate(tracks):
        own, at = points.positions[track.members], places[track.members]
        counts.append(len(at) - 1)
        if len(at) < 2:
            continue
        steps, gaps = np.diff(own, axis=0), np.diff(at).astype(np.float64)
        spans[number] = gaps.sum()
        velocities[number] = steps.sum(axis=0) / spans[number]
        rest = steps - gaps[:, None] * velocities[number]
        squares[number] = ((rest**2).sum(axis=1) / gaps).sum() / d
    n = np.array(counts, dtype=np.float64)
    free = np.maximum(n - 1.0, 0.0)
    usual = squares.sum() / max(free.sum(), 1.0)
    if usual <= 0:
        usual = _LEAST
    variances = (squares + _PRIOR_STEPS * usual) / (free + _PRIOR_STEPS)
    errors = variances / spans
    stands_out = (velocities**2).sum(axis=1) > _SIGNIFICANT**2 * d * errors
    used = stands_out & (n >= 3)
    velocities[~used] = 0.0
    return Motions(velocities, np.where(used, errors, 0.0), variances)


def joined_tracklets(
    points: LinkPoints,
    tracks: list[Track],
    *,
    largest_gap: int,
    least_score: float,
    reach: float | None = None,
    scorer: JoinScorer | None = None,
) -> list[Track]:
    """Return tracks whose ends were joined over gaps of some places, as one matching.

    Parameters
    ----------
    points : LinkPoints
        Points with an ordered axis.
    tracks : list of Track
        Tracklets; their points in order of place.
    largest_gap : int
        Greatest difference of places.
    least_score : float
        Lowest score of a join, a logarithm of a likelihood ratio.
    reach : float, optional
        Greatest distance of two ends. None: as far as the motion allows.
    scorer : callable, optional
        Scores joins in place of the likelihood ratio, and 0 is its lowest score.
    """
    if points.places is None or len(tracks) < 2:
        return tracks
    joins = possible_tracklet_joins(points, points.places, tracks, largest_gap=largest_gap)
    scores = joins.scores - least_score if scorer is None else scorer(joins)
    if reach is not None:
        lasts, firsts = (tracks_ends(tracks, joins.ends[:, side]) for side in (0, 1))
        apart = points.positions[firsts] - points.positions[lasts]
        scores = np.where(np.linalg.norm(apart, axis=1) <= reach, scores, -np.inf)
    chosen = best_matching(joins.ends, scores, 2 * len(tracks))
    return _chained(tracks, joins.ends[chosen, 0] // 2, joins.ends[chosen, 1] // 2)


def tracks_ends(tracks: list[Track], ends: IndexArray) -> IndexArray:
    """Return the point at each end of tracks: 2 k is the first of track k, 2 k + 1 its last.

    Parameters
    ----------
    tracks : list of Track
        The tracks.
    ends : numpy.ndarray, shape (m,), int64
        The ends.
    """
    both = np.array([(track.members[0], track.members[-1]) for track in tracks])
    result: IndexArray = both.reshape(-1)[ends]
    return result


def possible_tracklet_joins(
    points: LinkPoints, places: IndexArray, tracks: list[Track], *, largest_gap: int
) -> Joins:
    """Return pairs of a last and a later first point of tracklets, and the score of joining them.

    Parameters
    ----------
    points : LinkPoints
        All points.
    places : numpy.ndarray, shape (n,), int64
        Their places along the ordered axis.
    tracks : list of Track
        Tracklets; their points in order of place.
    largest_gap : int
        Greatest difference of places.
    """
    motions = own_motions(points, places, tracks)
    lasts = np.array([track.members[-1] for track in tracks])
    firsts = np.array([track.members[0] for track in tracks])
    d = points.positions.shape[1]
    speed = np.linalg.norm(motions.velocities, axis=1).max(initial=0.0)
    spread = math.sqrt(float(np.quantile(motions.variances, 0.9)) * largest_gap * d)
    found = cKDTree(points.positions[lasts]).sparse_distance_matrix(
        cKDTree(points.positions[firsts]),
        _WIDE * spread + speed * largest_gap,
        output_type="ndarray",
    )
    before, after = found["i"].astype(np.int64), found["j"].astype(np.int64)
    gaps = places[firsts[after]] - places[lasts[before]]
    possible = (gaps >= 1) & (gaps <= largest_gap) & (before != after)
    before, after, gap = before[possible], after[possible], gaps[possible].astype(np.float64)
    step = points.positions[firsts[after]] - points.positions[lasts[before]]
    expected = 0.5 * (motions.velocities[before] + motions.velocities[after]) * gap[:, None]
    variance = 0.5 * (motions.variances[before] + motions.variances[after]) * gap
    variance += 0.25 * (motions.errors[before] + motions.errors[after]) * gap**2
    if points.sigmas is not None:
        own = (points.sigmas**2).mean(axis=1)
        variance = variance + own[lasts[before]] + own[firsts[after]]
    score = -0.5 * ((step - expected) ** 2).sum(axis=1) / variance
    score -= 0.5 * d * np.log(2.0 * math.pi * variance)
    # chance: some tracklet begins there, at one of the places of the gap
    begins = density_of(points) * len(tracks) / len(points)
    score -= math.log(begins) + math.log(largest_gap)
    if points.amplitudes is not None:
        score += _alike(points.amplitudes, tracks, before, after)
    sizes = np.array([len(track.members) for track in tracks], dtype=np.float64)
    both = np.stack([sizes[before], sizes[after]], axis=1)
    features = np.stack(
        [
            np.log(gap),
            np.sqrt(((step - expected) ** 2).sum(axis=1) / variance),
            np.zeros(len(gap)),
            np.log(both.min(axis=1)),
            np.log(both.max(axis=1)),
        ],
        axis=1,
    )
    return Joins(np.stack([2 * before + 1, 2 * after], axis=1), features, score)


def _alike(
    amplitudes: FloatArray, tracks: list[Track], before: IndexArray, after: IndexArray
) -> FloatArray:
    """Return how much likelier the mean amplitudes of two tracklets are one than chance."""
    logs = np.log(np.maximum(amplitudes, _LEAST))
    means = np.array([logs[track.members].mean() for track in tracks])
    counts = np.array([len(track.members) for track in tracks], dtype=np.float64)
    within = [((logs[t.members] - m) ** 2).sum() for t, m in zip(tracks, means, strict=True)]
    free = max(float((counts - 1.0).sum()), 1.0)
    noise, between = max(sum(within) / free, _LEAST), 2.0 * max(float(means.var()), _LEAST)
    own = noise * (1.0 / counts[before] + 1.0 / counts[after])
    own = np.minimum(own + 0.01 * between, between)
    difference = means[after] - means[before]
    result: FloatArray = 0.5 * np.log(between / own) - 0.5 * difference**2 * (
        1.0 / own - 1.0 / between
    )
    return result


def _chained(tracks: list[Track], before: IndexArray, after: IndexArray) -> list[Track]:
    following = dict(zip(before.tolist(), after.tolist(), strict=True))
    result = []
    for start in sorted(set(range(len(tracks))) - set(following.values())):
        parts, number = [tracks[start]], start
        while number in following:
            number = following[number]
            parts.append(tracks[number])
        result.append(
            Track(
                np.concatenate([part.members for part in parts]),
                np.concatenate([part.turned for part in parts]),
            )
        )
    return sorted(result, key=lambda track: int(track.members[0]))
