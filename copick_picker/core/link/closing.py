"""The second pass along filaments: fragments are joined end to end over growing gaps.

How well the end of a fragment points to the next one is learned from the fragments themselves:
within each, two pieces some points apart stand for the two sides of a gap.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from copick_picker.core.link.chains import sphere_area
from copick_picker.core.link.points import Edges, FloatArray, IndexArray
from copick_picker.core.link.solve import best_matching
from copick_picker.core.link.tracks import Track, tracks_of, turned_round

PIECE = 6
"""Points of the line that an end is fitted with."""
LEAST_PIECE = 2
LEAST_CHECKED = 3
"""Points on both sides of a link from which on it is checked."""
_LEAST_SAMPLES = 30
_ENOUGH_SAMPLES = 6000
_MOST_LAG = 14
_LEAST_ANGLE = math.radians(2.0)
_LARGEST_ANGLE = math.radians(60.0)
_LEAST = 1e-12


@dataclass(frozen=True)
class Straightness:
    """Variance of the angle between an end and the direction to what follows, about one axis.

    Attributes
    ----------
    at_once : float
        Of an end of ``PIECE`` points, without a gap; from the scatter of points.
    per_length : float
        What a unit of length of the gap adds; from bending.
    """

    at_once: float
    per_length: float

    def variance(self, length: FloatArray, n_points: FloatArray) -> FloatArray:
        """Return the variance over a gap of some length, of an end of some points.

        The variance of the slope of a line through n even points goes with 12 / (n (n^2 - 1)).
        """
        n = np.clip(n_points, LEAST_PIECE, PIECE)
        noise = self.at_once * (PIECE * (PIECE**2 - 1)) / (n * (n**2 - 1))
        result: FloatArray = noise + self.per_length * length
        return np.maximum(result, _LEAST_ANGLE**2)


@dataclass(frozen=True, eq=False)
class _Ends:
    """Both ends of every fragment: 2 k is the first point of fragment k, 2 k + 1 its last."""

    places: FloatArray
    outward: FloatArray
    sizes: FloatArray


def learned_straightness(
    positions: FloatArray, tracks: list[Track], *, angle_sigma: float
) -> Straightness:
    """Return how straight fragments go on.

    Parameters
    ----------
    positions : numpy.ndarray, shape (n, d), float64
        All points.
    tracks : list of Track
        Fragments.
    angle_sigma : float
        What is taken where the fragments are too short to tell: the standard deviation of the
        angle of a link.
    """
    d = positions.shape[1]
    lengths: list[float] = []
    squares: list[float] = []
    for track in tracks:
        if len(lengths) > _ENOUGH_SAMPLES:
            break
        own = positions[track.members]
        for lag in range(1, _MOST_LAG + 1):
            for at in range(0, len(own) - 2 * PIECE - lag + 1, 3):
                first, second = own[at : at + PIECE], own[at + PIECE + lag - 1 :][:PIECE]
                apart = second[0] - first[-1]
                length = float(np.linalg.norm(apart))
                for piece, towards in ((first, apart), (second[::-1], -apart)):
                    angle = _angle(_line(piece), towards)
                    lengths.append(length)
                    squares.append(angle**2 / (d - 1))
    if len(lengths) < _LEAST_SAMPLES:
        return Straightness((0.5 * angle_sigma) ** 2, 0.0)
    x, y = np.array(lengths), np.minimum(np.array(squares), _LARGEST_ANGLE**2)
    slope = float(max(0.0, np.cov(x, y)[0, 1] / max(float(x.var(ddof=1)), _LEAST)))
    at_once = float(max(y.mean() - slope * x.mean(), _LEAST_ANGLE**2))
    return Straightness(at_once, slope)


def joined_tracks(
    positions: FloatArray,
    tracks: list[Track],
    straightness: Straightness,
    *,
    largest_gap: float,
    least_score: float,
) -> list[Track]:
    """Return tracks whose ends were joined over one largest gap, as one matching.

    Parameters
    ----------
    positions : numpy.ndarray, shape (n, d), float64
        All points.
    tracks : list of Track
        Fragments; those of one point are not joined.
    straightness : Straightness
        How straight they go on.
    largest_gap : float
        Greatest distance of two ends.
    least_score : float
        Lowest score of a join, a logarithm of a likelihood ratio.
    """
    long = [number for number, track in enumerate(tracks) if len(track.members) >= LEAST_PIECE]
    if len(long) < 2:
        return tracks
    ends = _ends(positions, [tracks[number] for number in long])
    pairs, scores = _scored_pairs(ends, straightness, largest_gap)
    chosen = best_matching(pairs, scores - least_score, len(ends.places))
    joined = _walked([tracks[number] for number in long], pairs[chosen], scores[chosen])
    alone = [track for track in tracks if len(track.members) < LEAST_PIECE]
    return sorted([*joined, *alone], key=lambda track: int(track.members[0]))


def _line(piece: FloatArray) -> FloatArray:
    """Return the direction of the line through points in order, forward."""
    steps = np.zeros(len(piece))
    np.cumsum(np.sqrt(((piece[1:] - piece[:-1]) ** 2).sum(axis=1)), out=steps[1:])
    steps -= steps.sum() / len(steps)
    slope: FloatArray = steps @ piece  # the steps sum to 0, so that the mean does not count
    slope /= max(math.sqrt(float(slope @ slope)), _LEAST)
    return slope


def _angle(direction: FloatArray, towards: FloatArray) -> float:
    cosine = float(direction @ towards) / max(float(np.linalg.norm(towards)), _LEAST)
    return math.acos(min(1.0, max(-1.0, cosine)))


def _ends(positions: FloatArray, tracks: list[Track]) -> _Ends:
    places, outward, sizes = [], [], []
    for track in tracks:
        own = positions[track.members]
        for piece in (own[:PIECE][::-1], own[-PIECE:]):
            places.append(piece[-1])
            outward.append(_line(piece))
            sizes.append(len(piece))
    return _Ends(np.array(places), np.array(outward), np.array(sizes, dtype=np.float64))


def _scored_pairs(
    ends: _Ends, straightness: Straightness, largest_gap: float
) -> tuple[IndexArray, FloatArray]:
    """Return pairs of ends that lie before each other, and the score of joining them."""
    pairs = cKDTree(ends.places).query_pairs(largest_gap, output_type="ndarray")
    pairs = pairs[pairs[:, 0] // 2 != pairs[:, 1] // 2].astype(np.int64)
    apart = ends.places[pairs[:, 1]] - ends.places[pairs[:, 0]]
    d = ends.places.shape[1]
    extent = np.maximum(np.ptp(ends.places, axis=0), largest_gap)
    density = len(ends.places) / float(np.prod(extent))
    length = np.maximum(np.linalg.norm(apart, axis=1), _LEAST)
    score = -math.log(largest_gap) - np.log(density * sphere_area(d) * length ** (d - 1))
    score += _straight(
        apart,
        (ends.outward[pairs[:, 0]], ends.outward[pairs[:, 1]]),
        (ends.sizes[pairs[:, 0]], ends.sizes[pairs[:, 1]]),
        straightness,
    )
    possible = np.isfinite(score)
    return pairs[possible], score[possible]


def _straight(
    apart: FloatArray,
    outward: tuple[FloatArray, FloatArray],
    sizes: tuple[FloatArray, FloatArray],
    straightness: Straightness,
) -> FloatArray:
    """Return how much better than by chance two ends point at each other; -inf: they do not."""
    d = apart.shape[1]
    length = np.maximum(np.linalg.norm(apart, axis=1), _LEAST)
    direction = apart / length[:, None]
    score = np.full(len(apart), 2.0 * math.log(sphere_area(d)))
    for own, size, sign in zip(outward, sizes, (1.0, -1.0), strict=True):
        angle = np.arccos(np.clip(sign * (direction * own).sum(axis=1), -1.0, 1.0))
        variance = straightness.variance(length, size)
        score -= 0.5 * angle**2 / variance + (d - 1) * 0.5 * np.log(2.0 * math.pi * variance)
        score = np.where(angle < _LARGEST_ANGLE, score, -np.inf)
    return score


def broken_tracks(positions: FloatArray, tracks: list[Track], *, limit: float) -> list[Track]:
    """Return tracks, cut at links where the pieces on both sides do not go on into one another.

    A line is fitted to the points before and after each link. How far the two lines pass each other
    halfway, and the angle between them, are compared with their medians over all links.

    Parameters
    ----------
    positions : numpy.ndarray, shape (n, d), float64
        All points.
    tracks : list of Track
        Fragments.
    limit : float
        A link is cut where offset or angle is so many times its median.
    """
    found = [_bends(positions[track.members]) for track in tracks]
    together = np.concatenate([np.zeros((0, 2)), *(bends for _, bends in found)])
    if len(together) < _LEAST_SAMPLES:
        return tracks
    usual = np.maximum(np.median(together, axis=0), (_LEAST, math.sin(_LEAST_ANGLE) / 2))
    result = []
    for track, (at, bends) in zip(tracks, found, strict=True):
        cuts = at[(bends / usual).max(axis=1, initial=0.0) > limit] + 1
        parts = zip(np.split(track.members, cuts), np.split(track.turned, cuts), strict=True)
        result += [Track(*each) for each in parts]
    return sorted(result, key=lambda track: int(track.members[0]))


def _bends(own: FloatArray) -> tuple[IndexArray, FloatArray]:
    """Return the links of a track that have enough points on both sides: offset and angle."""
    at = np.arange(LEAST_CHECKED - 1, len(own) - LEAST_CHECKED)
    bends = np.zeros((len(at), 2))
    for row, i in enumerate(at.tolist()):
        before, after = own[max(0, i + 1 - PIECE) : i + 1], own[i + 1 : i + 1 + PIECE]
        first, second = _line(before), _line(after)
        mean = first + second
        mean /= max(float(np.linalg.norm(mean)), _LEAST)
        middle = (own[i] + own[i + 1]) / 2
        apart = _at_plane(after, second, middle, mean) - _at_plane(before, first, middle, mean)
        bends[row] = np.linalg.norm(apart), np.linalg.norm(second - first)
    return at, bends


def _at_plane(
    piece: FloatArray, direction: FloatArray, middle: FloatArray, normal: FloatArray
) -> FloatArray:
    """Return where the line through a piece meets the plane across a direction."""
    centre = piece.mean(axis=0)
    along = max(float(direction @ normal), 0.1)
    result: FloatArray = centre + direction * (float((middle - centre) @ normal) / along)
    return result


def _walked(tracks: list[Track], joins: IndexArray, scores: FloatArray) -> list[Track]:
    """Return tracks put together at their ends; a circle is opened at its weakest join."""
    links = Edges(
        joins[:, 0] // 2,
        joins[:, 1] // 2,
        joins[:, 0] % 2,
        joins[:, 1] % 2,
        np.ones(len(joins), dtype=np.int64),
    )
    result = []
    for chain in tracks_of(links, scores, len(tracks)):
        parts = [
            turned_round(tracks[number]) if turned else tracks[number]
            for number, turned in zip(chain.members.tolist(), chain.turned.tolist(), strict=True)
        ]
        result.append(
            Track(
                np.concatenate([part.members for part in parts]),
                np.concatenate([part.turned for part in parts]),
            )
        )
    return result
