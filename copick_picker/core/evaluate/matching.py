"""The three rules by which single candidate picks count as hits of reference picks.

``one-to-one`` is ours; ``czii`` is the rule of the CZII 2024 challenge, ``octopi`` that of the
program of that name, both rewritten from their definitions. They disagree on a second candidate at
one reference, on a candidate within reach of two references, and on the bound itself.
"""

from dataclasses import dataclass

import numpy as np

from copick_picker.core.evaluate.assignment import assign_one_to_one, largest_assignment_sizes
from copick_picker.core.evaluate.pairs import FloatArray, IndexArray, Pairs
from copick_picker.errors import UnknownNameError, choices_text, nearest_name
from copick_picker.records.scores import MatchCounts, RunObjectMatch

PICK_MATCHERS = ("one-to-one", "czii", "octopi")
"""Rules that count picks."""
MATCHERS = (*PICK_MATCHERS, "byu")
"""All rules; ``byu`` counts tomograms, see :mod:`copick_picker.core.evaluate.by_tomogram`."""


@dataclass(frozen=True, eq=False)
class Match:
    """What a rule made of the picks of one object in one run.

    Attributes
    ----------
    reference_partner : numpy.ndarray, shape (n,), int64
        Candidate that hit the reference, -1 where it is missed; with ``czii`` and ``octopi`` the
        nearest candidate in reach.
    candidate_partner : numpy.ndarray, shape (m,), int64
        Reference that the candidate hit, -1 where it is false; with ``czii`` the nearest of those
        whose partner it is, with ``octopi`` the nearest in reach.
    true_positives : int
        Hits as the rule counts them.
    """

    reference_partner: IndexArray
    candidate_partner: IndexArray
    true_positives: int

    @property
    def false_negatives(self) -> int:
        """Reference picks that are missed."""
        return int(np.count_nonzero(self.reference_partner < 0))


@dataclass(frozen=True, eq=False)
class HitScores:
    """Scores at which hits come in when the candidates are taken from the best score down.

    Attributes
    ----------
    hits : numpy.ndarray, shape (k,), float64
        Score of the candidate that brings each true positive.
    found : numpy.ndarray, shape (j,), float64
        Score of the candidate that first reaches each found reference; the same as ``hits``
        but with ``octopi``, which counts hits by candidate.
    """

    hits: FloatArray
    found: FloatArray


@dataclass(frozen=True, eq=False)
class ScoredMatch:
    """A match, and what the curves over all runs need of it.

    Attributes
    ----------
    match : RunObjectMatch
        Every pick and what became of it.
    hit_scores : HitScores
        Scores at which hits come in.
    counted_scores : numpy.ndarray, shape (k,), float64
        Scores of the candidates that count.
    recall_hits, recall_misses : numpy.ndarray, shape (n_fractions,), int64
        True positives and false negatives at each tolerance of the recall curve.
    """

    match: RunObjectMatch
    hit_scores: HitScores
    counted_scores: FloatArray
    recall_hits: IndexArray
    recall_misses: IndexArray


def match_picks(pairs: Pairs, *, matcher: str, tolerance_angstrom: float) -> Match:
    """Return which picks hit each other under a rule.

    Parameters
    ----------
    pairs : Pairs
        Pairs up to the tolerance at least; longer ones are left out.
    matcher : str
        ``one-to-one``: the most pairs with distance <= tolerance in which no pick occurs twice,
        then the least total distance, ties by index. ``czii``: a reference is hit when any
        candidate has distance <= tolerance; hits are counted by reference, and one candidate may
        hit several. ``octopi``: a candidate is a hit when any reference has distance < tolerance;
        hits are counted by candidate, duplicates too, misses by reference.
    tolerance_angstrom : float
        Greatest distance of a hit in Angstrom.

    Raises
    ------
    UnknownNameError
        If there is no such matcher.

    References
    ----------
    The ``czii`` rule: CZII, "CryoET Object Identification", Kaggle 2024, evaluation page and its
    published metric (https://www.kaggle.com/code/metric/czi-cryoet-84969). The ``octopi`` rule:
    https://github.com/chanzuckerberg/octopi, command ``evaluate``, version 1.7.

    Examples
    --------
    One candidate between two references, and a stray one:

    >>> from copick_picker.core.evaluate.pairs import find_pairs
    >>> pairs = find_pairs([[0, 0, 0], [40, 0, 0]], [[20, 0, 0], [0, 99, 0]], reach_angstrom=30)
    >>> match_picks(pairs, matcher="one-to-one", tolerance_angstrom=30).true_positives
    1
    >>> match_picks(pairs, matcher="czii", tolerance_angstrom=30).true_positives
    2
    """
    pairs = pairs_in_reach(pairs, matcher=matcher, tolerance_angstrom=tolerance_angstrom)
    if matcher == "one-to-one":
        reference, candidate = assign_one_to_one(pairs, tolerance_angstrom=tolerance_angstrom)
        reference_partner = np.full(pairs.n_reference, -1, dtype=np.int64)
        candidate_partner = np.full(pairs.n_candidate, -1, dtype=np.int64)
        reference_partner[reference] = candidate
        candidate_partner[candidate] = reference
        return Match(reference_partner, candidate_partner, len(reference))
    reference_partner = _nearest(pairs.n_reference, pairs.reference, pairs)
    if matcher == "czii":
        chosen = pairs.select(reference_partner[pairs.reference] == pairs.candidate)
        candidate_partner = _nearest(pairs.n_candidate, chosen.candidate, chosen)
        return Match(reference_partner, candidate_partner, _count_hits(reference_partner))
    candidate_partner = _nearest(pairs.n_candidate, pairs.candidate, pairs)
    return Match(reference_partner, candidate_partner, _count_hits(candidate_partner))


def pairs_in_reach(pairs: Pairs, *, matcher: str, tolerance_angstrom: float) -> Pairs:
    """Return the pairs that the rule takes for a hit: d <= tolerance, but d < it with ``octopi``.

    Parameters
    ----------
    pairs : Pairs
        Pairs up to the tolerance at least.
    matcher : str
        The rule.
    tolerance_angstrom : float
        Greatest distance of a hit in Angstrom.

    Raises
    ------
    UnknownNameError
        If there is no such matcher.
    """
    _check_matcher(matcher)
    if matcher == "octopi":
        return pairs.closer_than(tolerance_angstrom)
    return pairs.within(tolerance_angstrom)


def counts_of(match: Match, *, n_candidate: int, duplicates: int) -> MatchCounts:
    """Return the counts of a match.

    Parameters
    ----------
    match : Match
        From :func:`match_picks`.
    n_candidate : int
        Candidates that count; false positives are those less the hits.
    duplicates : int
        Candidates in reach that the one-to-one rule leaves without a partner.

    Examples
    --------
    >>> match = Match(np.array([0, 0]), np.array([0]), true_positives=2)
    >>> counts_of(match, n_candidate=1, duplicates=0).false_positives
    -1
    """
    return MatchCounts(
        true_positives=match.true_positives,
        false_positives=n_candidate - match.true_positives,
        false_negatives=match.false_negatives,
        n_reference=len(match.reference_partner),
        n_candidate=n_candidate,
        duplicates=duplicates,
    )


def recall_at_tolerances(
    pairs: Pairs, *, matcher: str, tolerances_angstrom: FloatArray
) -> tuple[IndexArray, IndexArray]:
    """Return true positives and false negatives at other tolerances.

    Parameters
    ----------
    pairs : Pairs
        Pairs up to the greatest tolerance at least.
    matcher : str
        The rule.
    tolerances_angstrom : numpy.ndarray, shape (k,), float64
        Tolerances in Angstrom.

    Returns
    -------
    true_positives, false_negatives : numpy.ndarray, shape (k,), int64
        Counts at each tolerance.

    Raises
    ------
    UnknownNameError
        If there is no such matcher.
    """
    _check_matcher(matcher)
    if matcher == "one-to-one":
        sizes = largest_assignment_sizes(pairs, tolerances_angstrom)
        return sizes, pairs.n_reference - sizes
    matches = [
        match_picks(pairs, matcher=matcher, tolerance_angstrom=float(tolerance))
        for tolerance in tolerances_angstrom
    ]
    return (
        np.array([match.true_positives for match in matches], dtype=np.int64),
        np.array([match.false_negatives for match in matches], dtype=np.int64),
    )


def hits_by_score(
    pairs: Pairs, scores: FloatArray, *, matcher: str, tolerance_angstrom: float
) -> HitScores:
    """Return the scores at which hits come in, taking candidates from the best score down.

    With ``one-to-one`` each candidate in turn takes the nearest reference in reach that is still
    free (equal scores and distances: the lower index first), as in the COCO evaluation [1]_: a
    lower threshold then never takes a hit back. At the lowest threshold this can find fewer hits
    than :func:`match_picks`, never more.

    Parameters
    ----------
    pairs : Pairs
        Pairs up to the tolerance at least.
    scores : numpy.ndarray, shape (m,), float64
        Score of each candidate.
    matcher : str
        The rule.
    tolerance_angstrom : float
        Greatest distance of a hit in Angstrom.

    Raises
    ------
    UnknownNameError
        If there is no such matcher.

    References
    ----------
    .. [1] T.-Y. Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014, and its
       published evaluation (https://cocodataset.org/#detection-eval).
    """
    pairs = pairs_in_reach(pairs, matcher=matcher, tolerance_angstrom=tolerance_angstrom)
    if matcher == "one-to-one":
        hits = scores[_greedy_candidates(pairs, scores)]
        return HitScores(hits, hits)
    best = np.full(pairs.n_reference, -np.inf)
    np.maximum.at(best, pairs.reference, scores[pairs.candidate])
    found = best[np.unique(pairs.reference)]
    if matcher == "czii":
        return HitScores(found, found)
    return HitScores(scores[np.unique(pairs.candidate)], found)


def _greedy_candidates(pairs: Pairs, scores: FloatArray) -> IndexArray:
    order = np.lexsort(
        (pairs.reference, pairs.squared_distance, pairs.candidate, -scores[pairs.candidate])
    )
    reference_free = [True] * pairs.n_reference
    candidate_free = [True] * pairs.n_candidate
    taken = []
    for reference, candidate in zip(
        pairs.reference[order].tolist(), pairs.candidate[order].tolist(), strict=True
    ):
        if reference_free[reference] and candidate_free[candidate]:
            reference_free[reference] = candidate_free[candidate] = False
            taken.append(candidate)
    return np.array(taken, dtype=np.int64)


def _nearest(size: int, own: IndexArray, pairs: Pairs) -> IndexArray:
    """Return for each own index the nearest other one (ties: the lower), -1 where there is none."""
    other = pairs.candidate if own is pairs.reference else pairs.reference
    order = np.lexsort((other, pairs.squared_distance, own))
    first, position = np.unique(own[order], return_index=True)
    nearest = np.full(size, -1, dtype=np.int64)
    nearest[first] = other[order][position]
    return nearest


def _count_hits(partner: IndexArray) -> int:
    return int(np.count_nonzero(partner >= 0))


def _check_matcher(matcher: str) -> None:
    if matcher not in PICK_MATCHERS:
        msg = (
            f"unknown matcher '{matcher}'; expected {choices_text(PICK_MATCHERS)}"
            f"{nearest_name(matcher, PICK_MATCHERS)}"
        )
        raise UnknownNameError(msg)
