"""How many links are right, and the measures of the Cell Tracking Challenge: DET, TRA, LNK."""

from dataclasses import dataclass

import numpy as np

from copick_picker.core.evaluate.track_sets import NOBODY, IndexArray, TrackMatch

_MISSED_POINT, _FALSE_POINT = 10.0, 1.0
_FALSE_EDGE, _MISSED_EDGE = 1.0, 1.5


@dataclass(frozen=True)
class EdgeScores:
    """How many links are right.

    Attributes
    ----------
    true, false, missed : int
        Links of the candidate that are links of the reference, those that are not, and links of the
        reference that the candidate has not.
    precision, recall, f1 : float or None
        Of links; None without any.
    det, tra, lnk : float or None
        Measures of the Cell Tracking Challenge for points; None without a reference point.
    """

    true: int
    false: int
    missed: int
    precision: float | None
    recall: float | None
    f1: float | None
    det: float | None
    tra: float | None
    lnk: float | None


def edge_scores(match: TrackMatch) -> EdgeScores:
    """Return how many links are right.

    A link is right if its two points hit two points that follow each other along a track of the
    reference, of those points of the track that are hit at all: a missed point makes the link over
    it right, and is counted as a miss by other figures. Direction does not count.

    DET and TRA are 1 - min(AOGM, AOGM_0) / AOGM_0 with AOGM the weighted number of operations that
    turn the candidate's graph into the reference's, AOGM_0 those that make it from nothing; weights
    10 for a missed point, 1 for a false one, 1 for a false link between points that are hit, 1.5
    for a missing link (Matula et al. 2015, https://doi.org/10.1371/journal.pone.0144959); LNK
    counts the operations on links alone. Points match one to one, so that none has to be split.
    There a link over a missed point is false.

    Parameters
    ----------
    match : TrackMatch
        Which points hit each other.

    Examples
    --------
    >>> from copick_picker.core.evaluate.track_sets import TrackSet, match_points
    >>> places = np.arange(3)
    >>> line = TrackSet(np.zeros((3, 2)), np.ones(3, int), places, is_placed=True)
    >>> torn = TrackSet(np.zeros((3, 2)), np.array([1, 1, 2]), places, is_placed=True)
    >>> scores = edge_scores(match_points(line, torn, tolerance=1.0))
    >>> scores.precision, scores.recall, scores.det, round(scores.tra, 4), scores.lnk
    (1.0, 0.5, 1.0, 0.9545, 0.5)
    """
    reference, candidate = match.reference, match.candidate
    theirs, ours = reference.edges(), candidate.edges()
    found = match.reference_of[ours]
    known = _keys(_hit_edges(match), len(reference))
    between = (found != NOBODY).all(axis=1)
    true = int(np.isin(_keys(found[between], len(reference)), known).sum())
    n_false, n_missed = len(ours) - true, len(known) - true
    precision = true / len(ours) if len(ours) else None
    recall = true / len(known) if len(known) else None
    both = len(ours) + len(known)
    strict = int(
        np.isin(_keys(found[between], len(reference)), _keys(theirs, len(reference))).sum()
    )
    missed_points = float((match.candidate_of == NOBODY).sum())
    false_points = float((match.reference_of == NOBODY).sum())
    of_points = _MISSED_POINT * missed_points + _FALSE_POINT * false_points
    of_edges = _FALSE_EDGE * (int(between.sum()) - strict) + _MISSED_EDGE * (len(theirs) - strict)
    all_points, all_edges = _MISSED_POINT * len(reference), _MISSED_EDGE * len(theirs)
    return EdgeScores(
        true=true,
        false=n_false,
        missed=n_missed,
        precision=precision,
        recall=recall,
        f1=2.0 * true / both if both else None,
        det=_of_operations(of_points, all_points),
        tra=_of_operations(of_points + of_edges, all_points + all_edges),
        lnk=_of_operations(of_edges, all_edges),
    )


def _hit_edges(match: TrackMatch) -> IndexArray:
    """Return the links of the reference between points that are hit, over missed ones too."""
    parts = []
    for own in match.reference.members().values():
        hit = own[match.candidate_of[own] != NOBODY]
        parts.append(np.stack([hit[:-1], hit[1:]], axis=1))
    return np.concatenate([np.zeros((0, 2), dtype=np.int64), *parts])


def _keys(edges: IndexArray, number: int) -> IndexArray:
    """Return one number for each pair, whatever its direction."""
    result: IndexArray = edges.min(axis=1) * number + edges.max(axis=1)
    return result


def _of_operations(cost: float, from_nothing: float) -> float | None:
    return None if from_nothing == 0 else 1.0 - min(cost, from_nothing) / from_nothing
