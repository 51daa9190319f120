"""The measures of the particle tracking challenge: alpha, beta and Jaccard indices."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from copick_picker.core.evaluate.track_sets import FloatArray, TrackSet


@dataclass(frozen=True)
class ChallengeScores:
    """Measures of the particle tracking challenge, Chenouard et al. 2014.

    Attributes
    ----------
    alpha : float or None
        1 less the distance of the reference to its best partners, over that to no tracks at all.
    beta : float or None
        As alpha, false tracks counted too.
    jsc : float or None
        Points that hit within paired tracks, over all points of either.
    jsc_tracks : float or None
        Paired tracks over all tracks of either.
    rmse : float or None
        Root mean square distance of points that hit within paired tracks.
    """

    alpha: float | None
    beta: float | None
    jsc: float | None
    jsc_tracks: float | None
    rmse: float | None


def challenge_scores(reference: TrackSet, candidate: TrackSet, *, gate: float) -> ChallengeScores:
    """Return the measures of the particle tracking challenge.

    Chenouard et al. 2014, https://doi.org/10.1038/nmeth.2808, supplementary note 3. The distance of
    two tracks is the sum over places of the distance of their points, at most ``gate``, which it is
    where only one of them has a point. Each reference track is paired with a candidate track or
    with none so that the sum of distances is least.

    Parameters
    ----------
    reference, candidate : TrackSet
        Tracks with an ordered axis; points without a track are left out.
    gate : float
        Distance from which on points have nothing to do with each other.

    Examples
    --------
    >>> places = np.arange(4)
    >>> line = TrackSet(np.zeros((4, 2)), np.ones(4, int), places, is_placed=True)
    >>> torn = TrackSet(np.zeros((4, 2)), np.array([1, 1, 1, 2]), places, is_placed=True)
    >>> scores = challenge_scores(line, torn, gate=5.0)
    >>> scores.alpha, scores.beta, scores.jsc, scores.jsc_tracks
    (0.75, 0.6, 0.6, 0.5)
    """
    theirs, ours = list(reference.members().values()), list(candidate.members().values())
    if not theirs:
        return ChallengeScores(None, None, None, None, None)
    sizes = np.array([len(own) for own in theirs], dtype=np.float64)
    lengths = np.array([len(own) for own in ours], dtype=np.float64)
    saved, hits, squares = (np.zeros((len(theirs), len(ours))) for _ in range(3))
    row_of = {int(reference.tracks[own[0]]): row for row, own in enumerate(theirs)}
    column_of = {int(candidate.tracks[own[0]]): column for column, own in enumerate(ours)}
    for first, second, distance in _together(reference, candidate):
        near = distance < gate
        rows = np.array([row_of[int(track)] for track in reference.tracks[first]])
        columns = np.array([column_of[int(track)] for track in candidate.tracks[second]])
        at = np.ix_(rows, columns)
        # a place where both have a point costs the distance; apart, each would cost the gate
        saved[at] += 2.0 * gate - np.minimum(distance, gate)
        hits[at] += near
        squares[at] += np.where(near, distance**2, 0.0)
    # pairing r with c costs gate (n_r + n_c) - saved; leaving r alone costs gate n_r
    costs = gate * (sizes[:, None] + lengths[None, :]) - saved
    alone = np.full((len(theirs), len(theirs)), np.inf)
    np.fill_diagonal(alone, gate * sizes)
    table = np.concatenate(
        [np.minimum(costs, 1e300), np.where(np.isinf(alone), 1e300, alone)], axis=1
    )
    rows, columns = linear_sum_assignment(table)
    paired = columns < len(ours)
    distance_of = float(table[rows, columns].sum())
    nothing = gate * float(sizes.sum())
    spurious = np.setdiff1d(np.arange(len(ours)), columns[paired])
    of_spurious = gate * float(lengths[spurious].sum())
    r, c = rows[paired], columns[paired]
    true = float(hits[r, c].sum())
    missed = float(sizes.sum()) - true
    false = float(lengths.sum()) - true
    n_paired = int(paired.sum())
    return ChallengeScores(
        alpha=1.0 - distance_of / nothing,
        beta=(nothing - distance_of) / (nothing + of_spurious),
        jsc=true / (true + missed + false),
        jsc_tracks=n_paired / (len(theirs) + len(spurious)),
        rmse=float(np.sqrt(squares[r, c].sum() / true)) if true else None,
    )


def _together(
    reference: TrackSet, candidate: TrackSet
) -> list[tuple[np.ndarray, np.ndarray, FloatArray]]:
    """Return the points of tracks of each place, and their distances."""
    found = []
    theirs, ours = np.flatnonzero(reference.tracks > 0), np.flatnonzero(candidate.tracks > 0)
    for place in np.intersect1d(reference.ranks[theirs], candidate.ranks[ours]):
        first = theirs[reference.ranks[theirs] == place]
        second = ours[candidate.ranks[ours] == place]
        apart = reference.positions[first][:, None] - candidate.positions[second][None]
        found.append((first, second, np.linalg.norm(apart, axis=2)))
    return found
