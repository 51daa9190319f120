"""How tracks fall to pieces and run together: fragments, merges, switches, expected run length."""

from dataclasses import dataclass

import numpy as np

from copick_picker.core.evaluate.track_sets import IndexArray, TrackMatch

LEAST_SHARED = 3
"""Points that a track shares with another from which on it is a piece of it."""


@dataclass(frozen=True)
class FragmentScores:
    """How tracks fall to pieces and run together.

    Attributes
    ----------
    n_reference, n_candidate : int
        Tracks of two or more points.
    fragments : float or None
        Mean number of candidate tracks that are pieces of a reference track, over those that have
        any piece; None if none has.
    merges : int
        Reference tracks that a candidate track holds pieces of, beyond the first, over all.
    switches : int
        Times that the candidate track changes along the points of a reference track that are hit.
    expected_run_length : float or None
        Points that a reference track can be followed for in one candidate track, from a random
        point of it: the sum of squared runs over all reference points; None without any.
    missed, false : int
        Reference tracks without a piece, candidate tracks that are a piece of none.
    """

    n_reference: int
    n_candidate: int
    fragments: float | None
    merges: int
    switches: int
    expected_run_length: float | None
    missed: int
    false: int


def fragment_scores(match: TrackMatch) -> FragmentScores:
    """Return how tracks fall to pieces and run together.

    A candidate track is a piece of a reference track if at least three of its points hit points of
    it, or all points of the shorter of the two. No figure alone is enough: fragments can be bought
    by merges, and both by leaving tracks out.

    Parameters
    ----------
    match : TrackMatch
        Which points hit each other.

    Examples
    --------
    >>> from copick_picker.core.evaluate.track_sets import TrackSet, match_points
    >>> places = np.arange(8)
    >>> line = TrackSet(np.zeros((8, 2)), np.ones(8, int), places, is_placed=True)
    >>> torn = TrackSet(np.zeros((8, 2)), np.repeat([1, 2], 4), places, is_placed=True)
    >>> scores = fragment_scores(match_points(line, torn, tolerance=1.0))
    >>> scores.fragments, scores.merges, scores.switches, scores.expected_run_length
    (2.0, 0, 1, 4.0)
    """
    theirs = {name: own for name, own in match.reference.members().items() if len(own) > 1}
    ours = {name: own for name, own in match.candidate.members().items() if len(own) > 1}
    pieces: dict[int, set[int]] = {name: set() for name in theirs}
    holds: dict[int, set[int]] = {name: set() for name in ours}
    switches, squares, n_points = 0, 0.0, 0
    for name, own in theirs.items():
        found = match.found_tracks(own)
        n_points += len(own)
        known = found[found > 0]
        switches += int(np.count_nonzero(np.diff(known)))
        squares += _squared_runs(found)
        tracks, counts = np.unique(known, return_counts=True)
        for track, count in zip(tracks.tolist(), counts.tolist(), strict=True):
            if track in ours and count >= min(LEAST_SHARED, len(own), len(ours[track])):
                pieces[name].add(track)
                holds[track].add(name)
    some = [len(own) for own in pieces.values() if own]
    return FragmentScores(
        n_reference=len(theirs),
        n_candidate=len(ours),
        fragments=float(np.mean(some)) if some else None,
        merges=sum(max(0, len(own) - 1) for own in holds.values()),
        switches=switches,
        expected_run_length=squares / n_points if n_points else None,
        missed=sum(not own for own in pieces.values()),
        false=sum(not own for own in holds.values()),
    )


def _squared_runs(found: IndexArray) -> float:
    """Return the sum of squared numbers of points in a row in one candidate track.

    A point that is not hit counts for nothing, but does not end a run.
    """
    known = found[found > 0]
    if len(known) == 0:
        return 0.0
    borders = np.flatnonzero(np.diff(known)) + 1
    return float(sum(len(run) ** 2 for run in np.split(known, borders)))
