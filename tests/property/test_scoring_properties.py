"""What holds for every pair of pick sets."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from copick_picker.core.evaluate import (
    MATCHERS,
    PICK_MATCHERS,
    ScoredObject,
    ScoringRules,
    evaluate_picks,
    find_pairs,
    match_picks,
)
from copick_picker.core.evaluate.matching import counts_of, hits_by_score
from copick_picker.core.evaluate.metrics import rates, score_curve
from copick_picker.records.scores import Evaluation, MatchCounts
from pick_sets import Points, pick_set

TOLERANCE = 6.0
# Whole and half coordinates on a small stretch: many ties, many pairs exactly at the bound.
POINTS = st.integers(0, 12).flatmap(
    lambda n: arrays(np.float64, (n, 3), elements=st.integers(-16, 16).map(lambda i: i / 2))
)
SCORES = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])
_FALSE = {"matched", "duplicate", "confused", "false"}
FATES = dict.fromkeys(PICK_MATCHERS, _FALSE) | {
    "byu": {"matched", "confused", "false", "misplaced", "uncounted"}
}
RULES = {
    name: ScoringRules(name, 2.0, (0.5, 1.0, 2.0), 50, 5, 0.95, (0.0, 0.0, 0.0))
    for name in MATCHERS
}


def counted(reference: Points, candidate: Points, matcher: str) -> MatchCounts:
    pairs = find_pairs(reference, candidate, reach_angstrom=TOLERANCE)
    match = match_picks(pairs, matcher=matcher, tolerance_angstrom=TOLERANCE)
    return counts_of(match, n_candidate=len(candidate), duplicates=0)


@given(POINTS, POINTS)
def test_one_to_one_hits_and_errors_add_up(reference: Points, candidate: Points) -> None:
    counts = counted(reference, candidate, "one-to-one")
    assert counts.true_positives + counts.false_positives == len(candidate)
    assert counts.true_positives + counts.false_negatives == len(reference)
    assert counts.false_positives >= 0


@given(POINTS, POINTS)
def test_one_to_one_does_not_care_which_side_is_which(reference: Points, candidate: Points) -> None:
    there = counted(reference, candidate, "one-to-one")
    back = counted(candidate, reference, "one-to-one")
    assert there.true_positives == back.true_positives
    assert there.false_positives == back.false_negatives


@given(POINTS, POINTS)
def test_no_rule_finds_fewer_hits_than_one_to_one(reference: Points, candidate: Points) -> None:
    hits = counted(reference, candidate, "one-to-one").true_positives
    assert counted(reference, candidate, "czii").true_positives >= hits
    assert counted(candidate, reference, "czii").true_positives >= hits


@given(
    POINTS, POINTS, st.sampled_from(PICK_MATCHERS), st.permutations([0, 1, 2]), st.integers(0, 999)
)
def test_counts_do_not_depend_on_axes_order_or_place(
    reference: Points, candidate: Points, matcher: str, axes: list[int], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    shift = rng.integers(-50, 50, 3).astype(float)
    moved_reference = rng.permutation(reference)[:, axes] + shift
    moved_candidate = rng.permutation(candidate)[:, axes] + shift
    assert counted(reference, candidate, matcher) == counted(
        moved_reference, moved_candidate, matcher
    )


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60), st.floats(0.1, 10))
def test_rates_lie_in_the_unit_interval_and_f_between_precision_and_recall(
    hit: int, false: int, missed: int, beta: float
) -> None:
    values = rates(hit, false, missed, beta=beta)
    if hit + false + missed == 0:
        assert np.isnan(values).all()
        return
    assert ((values >= 0) & (values <= 1)).all()
    precision, recall, f1, f_beta, jaccard = values
    for mean in (f1, f_beta):
        assert min(precision, recall) - 1e-12 <= mean <= max(precision, recall) + 1e-12
    assert jaccard <= f1


@given(POINTS, POINTS, st.data(), st.sampled_from(PICK_MATCHERS))
def test_curve_agrees_with_matching_at_each_threshold(
    reference: Points, candidate: Points, data: st.DataObject, matcher: str
) -> None:
    scores = np.array(data.draw(st.lists(SCORES, min_size=len(candidate), max_size=len(candidate))))
    pairs = find_pairs(reference, candidate, reach_angstrom=TOLERANCE)
    hits = hits_by_score(pairs, scores, matcher=matcher, tolerance_angstrom=TOLERANCE)
    curve = score_curve([hits], [scores], n_reference=len(reference), beta=2.0)
    if len(reference) == 0 or len(np.unique(scores)) < 2:
        assert curve is None
        return
    assert curve is not None
    assert (np.diff(curve.recall) >= 0).all()
    assert (np.diff(curve.thresholds) < 0).all()
    for threshold, precision, recall in zip(
        curve.thresholds, curve.precision, curve.recall, strict=True
    ):
        counts = counted(reference, candidate[scores >= threshold], matcher)
        best = rates(
            counts.true_positives, counts.false_positives, counts.false_negatives, beta=2.0
        )
        if matcher == "one-to-one":
            # Greedy by score: at most the largest matching, at least half of it.
            assert best[1] / 2 <= recall <= best[1]
            assert best[0] / 2 <= precision <= best[0]
        else:
            assert (precision, recall) == pytest.approx((best[0], best[1]))
    if matcher == "one-to-one":
        assert 0 <= curve.average_precision <= 1


def evaluation(points: list[Points], matcher: str) -> Evaluation:
    reference = {f"run{i}": {"a": pick_set("a", points[i])} for i in range(3)}
    reference["run0"]["b"] = pick_set("b", points[3])
    candidate = {"run0": {"a": pick_set("a", points[4]), "b": pick_set("b", points[5])}}
    candidate["run1"] = {"a": pick_set("a", points[0])}
    objects = [ScoredObject("a", TOLERANCE, 8.0, 1.0), ScoredObject("b", 3.0, None, 2.0)]
    return evaluate_picks(
        reference, candidate, objects, rules=RULES[matcher], rng=np.random.default_rng(0)
    )


@settings(max_examples=40)
@given(st.lists(POINTS, min_size=6, max_size=6), st.sampled_from(MATCHERS))
def test_every_pick_has_one_fate(points: list[Points], matcher: str) -> None:
    result = evaluation(points, matcher)
    for match in result.matches:
        status = match.candidate_status
        assert set(status.tolist()) <= FATES[matcher]
        assert ((match.candidate_partner >= 0) == (status == "matched")).all()
        assert ((match.reference_partner >= 0) == (match.reference_status == "matched")).all()
        assert ((match.confused_with != "") == (status == "confused")).all()
        assert match.counts.n_candidate == np.count_nonzero(status != "uncounted")
        if matcher == "one-to-one":
            assert np.count_nonzero(status == "duplicate") == match.counts.duplicates
            assert np.count_nonzero(status == "matched") == match.counts.true_positives
        partners = match.reference_partner[match.reference_partner >= 0]
        assert (match.candidate_partner[partners] >= 0).all()
    for entry in result.objects:
        column = sum(n for (_, name), n in result.confusion.items() if name == entry.name)
        assert column == entry.counts.n_candidate
        missed = result.confusion.get((entry.name, ""), 0)
        assert missed == entry.counts.false_negatives


@settings(max_examples=25)
@given(st.lists(POINTS, min_size=6, max_size=6), st.sampled_from(MATCHERS))
def test_recall_rises_with_the_tolerance(points: list[Points], matcher: str) -> None:
    for entry in evaluation(points, matcher).objects:
        recall = [at.recall for at in entry.recall_at if at.recall is not None]
        if matcher != "octopi":  # octopi's recall counts candidates over references
            assert recall == sorted(recall)
