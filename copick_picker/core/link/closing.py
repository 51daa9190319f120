"""The second pass along filaments: fragments are joined end to end over growing gaps.

How well the end of a fragment points to the next one is learned from the fragments themselves:
within each, two pieces some points apart stand for the two sides of a gap.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls
from scipy.spatial import cKDTree

from copick_picker.core.link.chains import sphere_area
from copick_picker.core.link.points import Edges, FloatArray, IndexArray, Joins
from copick_picker.core.link.solve import best_matching
from copick_picker.core.link.tracks import Track, tracks_of, turned_round

JoinScorer = Callable[[Joins], FloatArray]
"""Returns the score of each possible join; positive where it is better than none."""
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
_ROUNDS = 4
_MEDIAN_BEND = 1.0
_OUTLYING = 9.0
"""Squares of more than so many variances are taken as so many."""


@dataclass(frozen=True)
class Straightness:
    """How two lines, through the last points before a gap and the first behind it, meet halfway.

    Attributes
    ----------
    scatter : float
        Variance of a point about its filament, along an axis across it.
    bend_offset : float
        What bending adds to the variance of the distance of the two lines, along an axis, for the
        cube of a unit of length of gap and pieces.
    bend_angle : float
        What it adds to the variance of their angle about an axis, for each unit of length.
    spacing : float
        Distance of the points of a piece.
    """

    scatter: float
    bend_offset: float
    bend_angle: float
    spacing: float

    def variances(self, gap: FloatArray, n_points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the variances of offset and of angle, along or about one axis.

        A line through n even points s apart, h behind its last, scatters by 1 / n +
        12 (h + (n - 1) s / 2)^2 / (n (n^2 - 1) s^2) of the variance of a point, its direction by
        12 / (n (n^2 - 1) s^2).

        Parameters
        ----------
        gap : numpy.ndarray, shape (m,), float64
            Distance of the two ends.
        n_points : numpy.ndarray, shape (m, 2), float64
            Points of both pieces.
        """
        of_line, of_direction, length = _shapes(gap, n_points, self.spacing)
        offset = self.scatter * of_line + self.bend_offset * length**3
        angle = self.scatter * of_direction + self.bend_angle * length
        least = (_LEAST_ANGLE * self.spacing) ** 2
        return np.maximum(offset, least), np.maximum(angle, _LEAST_ANGLE**2)


def _shapes(
    gap: FloatArray, n_points: FloatArray, spacing: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return how scatter acts on the lines' distance and angle, and the length that bends."""
    n = np.maximum(n_points, LEAST_PIECE)
    arms = gap[:, None] / 2.0 + (n - 1.0) * spacing / 2.0
    slopes = 12.0 / (n * (n**2 - 1.0) * spacing**2)
    of_line = (1.0 / n + slopes * arms**2).sum(axis=1)
    length = gap + (n - 1.0).sum(axis=1) * spacing / 2.0
    return of_line, slopes.sum(axis=1), length


@dataclass(frozen=True, eq=False)
class _Ends:
    """Both ends of every fragment: 2 k is the first point of fragment k, 2 k + 1 its last."""

    places: FloatArray
    centres: FloatArray
    outward: FloatArray
    sizes: FloatArray


def learned_straightness(
    positions: FloatArray, tracks: list[Track], *, spacing: float, scatter: float
) -> Straightness:
    """Return how straight fragments go on.

    Parameters
    ----------
    positions : numpy.ndarray, shape (n, d), float64
        All points.
    tracks : list of Track
        Fragments.
    spacing : float
        Distance of neighbours along them.
    scatter : float
        Variance of a point, which is taken where the fragments are too short to tell.
    """
    d = positions.shape[1]
    samples: list[tuple[float, float, float, float]] = []
    for track in tracks:
        if len(samples) > _ENOUGH_SAMPLES:
            break
        own = positions[track.members]
        for size in (LEAST_CHECKED, PIECE):
            for lag in range(1, _MOST_LAG + 1):
                for at in range(0, len(own) - 2 * size - lag + 1, 3):
                    first, second = own[at : at + size], own[at + size + lag - 1 :][:size]
                    gap = float(np.linalg.norm(second[0] - first[-1]))
                    offset, angle = _meeting(first, second)
                    samples.append((gap, size, offset**2 / (d - 1), angle**2 / (d - 1)))
    if len(samples) < _LEAST_SAMPLES:
        return Straightness(scatter, 0.0, 0.0, spacing)
    gaps, sizes, offsets, angles = np.array(samples).T
    of_line, of_direction, length = _shapes(gaps, np.stack([sizes, sizes], axis=1), spacing)
    of_offset = _variance_parts(np.stack([of_line, length**3], axis=1), offsets)
    of_angle = _variance_parts(np.stack([of_direction, length], axis=1), angles)
    known = float(np.mean([of_offset[0], of_angle[0]]))
    return Straightness(known, float(of_offset[1]), float(of_angle[1]), spacing)


def _variance_parts(shapes: FloatArray, squares: FloatArray) -> FloatArray:
    """Return the parts, not negative, of which variances consist, from squares of Gaussians."""
    parts = np.zeros(shapes.shape[1])
    weights = 1.0 / np.maximum(shapes[:, 0], _LEAST)
    for _ in range(_ROUNDS):
        scale = np.maximum(np.abs(shapes * weights[:, None]).max(axis=0), _LEAST)
        parts = nnls(shapes * weights[:, None] / scale, squares * weights)[0] / scale
        variance = np.maximum(shapes @ parts, _LEAST)
        squares = np.minimum(squares, _OUTLYING * variance)
        weights = 1.0 / variance
    return parts


def joined_tracks(
    positions: FloatArray,
    tracks: list[Track],
    straightness: Straightness,
    *,
    largest_gap: float,
    least_score: float,
    scorer: JoinScorer | None = None,
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
    scorer : callable, optional
        Scores joins in place of the likelihood ratio, and 0 is its lowest score.
    """
    long = [track for track in tracks if len(track.members) >= LEAST_PIECE]
    if len(long) < 2:
        return tracks
    joins = possible_joins(positions, long, straightness, largest_gap=largest_gap)
    scores = joins.scores - least_score if scorer is None else scorer(joins)
    chosen = best_matching(joins.ends, scores, 2 * len(long))
    joined = _walked(long, joins.ends[chosen], scores[chosen])
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


def _ends(positions: FloatArray, tracks: list[Track]) -> _Ends:
    places, centres, outward, sizes = [], [], [], []
    for track in tracks:
        own = positions[track.members]
        for piece in (own[:PIECE][::-1], own[-PIECE:]):
            places.append(piece[-1])
            centres.append(piece.mean(axis=0))
            outward.append(_line(piece))
            sizes.append(len(piece))
    return _Ends(
        np.array(places),
        np.array(centres),
        np.array(outward),
        np.array(sizes, dtype=np.float64),
    )


def possible_joins(
    positions: FloatArray, tracks: list[Track], straightness: Straightness, *, largest_gap: float
) -> Joins:
    """Return pairs of ends that lie before each other, and the score of joining them.

    Parameters
    ----------
    positions : numpy.ndarray, shape (n, d), float64
        All points.
    tracks : list of Track
        Fragments of two or more points.
    straightness : Straightness
        How straight they go on.
    largest_gap : float
        Greatest distance of two ends.
    """
    ends = _ends(positions, tracks)
    pairs = cKDTree(ends.places).query_pairs(largest_gap, output_type="ndarray")
    pairs = pairs[pairs[:, 0] // 2 != pairs[:, 1] // 2].astype(np.int64)
    apart = ends.places[pairs[:, 1]] - ends.places[pairs[:, 0]]
    d = ends.places.shape[1]
    extent = np.maximum(np.ptp(ends.places, axis=0), largest_gap)
    density = len(ends.places) / float(np.prod(extent))
    first, second = pairs[:, 0], pairs[:, 1]
    mean = ends.outward[first] - ends.outward[second]
    mean /= np.maximum(np.linalg.norm(mean, axis=1), _LEAST)[:, None]
    middle = (ends.places[first] + ends.places[second]) / 2.0
    meets = [
        _planes_met(ends.centres[end], sign * ends.outward[end], middle, mean)
        for end, sign in ((first, 1.0), (second, -1.0))
    ]
    offset = ((meets[1] - meets[0]) ** 2).sum(axis=1)
    turn = ((ends.outward[first] + ends.outward[second]) ** 2).sum(axis=1)
    gap = np.linalg.norm(apart, axis=1)
    of_offset, of_angle = straightness.variances(gap, ends.sizes[pairs])
    score = np.full(len(pairs), math.log(sphere_area(d) / (largest_gap * density)))
    for square, variance in ((offset, of_offset), (turn, of_angle)):
        score -= 0.5 * square / variance + (d - 1) * 0.5 * np.log(2.0 * math.pi * variance)
    possible = ((apart * mean).sum(axis=1) > 0) & (turn < _LARGEST_ANGLE**2)
    sizes = np.array([len(track.members) for track in tracks], dtype=np.float64)[pairs // 2]
    features = np.stack(
        [
            np.log(np.maximum(gap / straightness.spacing, _LEAST)),
            np.sqrt(offset / of_offset),
            np.sqrt(turn / of_angle),
            np.log(sizes.min(axis=1)),
            np.log(sizes.max(axis=1)),
        ],
        axis=1,
    )
    return Joins(pairs[possible], features[possible], score[possible])


def _planes_met(
    centres: FloatArray, directions: FloatArray, middles: FloatArray, normals: FloatArray
) -> FloatArray:
    """Return where lines meet the planes across normals through middles."""
    along = np.maximum((directions * normals).sum(axis=1), 0.1)
    way = ((middles - centres) * normals).sum(axis=1) / along
    result: FloatArray = centres + directions * way[:, None]
    return result


def broken_tracks(
    positions: FloatArray, tracks: list[Track], straightness: Straightness, *, limit: float
) -> list[Track]:
    """Return tracks, cut at links where the pieces on both sides do not go on into one another.

    A line is fitted to the points before and after each link. How far the two lines pass each other
    halfway, and the angle between them, are compared with what is usual for such pieces.

    Parameters
    ----------
    positions : numpy.ndarray, shape (n, d), float64
        All points.
    tracks : list of Track
        Fragments.
    straightness : Straightness
        How straight they go on.
    limit : float
        A link is cut where offset or angle is so many times as large as is usual.
    """
    found = [_bends(positions[track.members], straightness) for track in tracks]
    together = np.concatenate([np.zeros((0, 2)), *(bends for _, bends in found)])
    if len(together) < _LEAST_SAMPLES:
        return tracks
    usual = np.maximum(np.median(together, axis=0), _MEDIAN_BEND)
    result = []
    for track, (at, bends) in zip(tracks, found, strict=True):
        cuts = at[(bends / usual).max(axis=1, initial=0.0) > limit] + 1
        parts = zip(np.split(track.members, cuts), np.split(track.turned, cuts), strict=True)
        result += [Track(*each) for each in parts]
    return sorted(result, key=lambda track: int(track.members[0]))


def _bends(own: FloatArray, straightness: Straightness) -> tuple[IndexArray, FloatArray]:
    """Return the links of a track that have enough points on both sides: offset and angle.

    Both are in standard deviations of such pieces.
    """
    at = np.arange(LEAST_CHECKED - 1, len(own) - LEAST_CHECKED)
    bends, sizes = np.zeros((len(at), 2)), np.zeros((len(at), 2))
    for row, i in enumerate(at.tolist()):
        size = min(PIECE, i + 1, len(own) - i - 1)  # of equal length: a bow then passes by nothing
        bends[row] = _meeting(own[i + 1 - size : i + 1], own[i + 1 : i + 1 + size])
        sizes[row] = size
    gaps = np.linalg.norm(own[at + 1] - own[at], axis=1)
    variances = np.stack(straightness.variances(gaps, sizes), axis=1)
    return at, bends / np.sqrt(variances)


def _meeting(before: FloatArray, after: FloatArray) -> tuple[float, float]:
    """Return how far the lines through two pieces pass each other halfway, and their angle."""
    first, second = _line(before), _line(after)
    mean = first + second
    mean /= max(math.sqrt(float(mean @ mean)), _LEAST)
    middle = (before[-1] + after[0]) / 2
    apart = _at_plane(after, second, middle, mean) - _at_plane(before, first, middle, mean)
    turn = second - first
    return math.sqrt(float(apart @ apart)), math.sqrt(float(turn @ turn))


def _at_plane(
    piece: FloatArray, direction: FloatArray, middle: FloatArray, normal: FloatArray
) -> FloatArray:
    """Return where the line through a piece meets the plane across a direction."""
    centre = piece.sum(axis=0) / len(piece)
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
