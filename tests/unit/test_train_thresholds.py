"""Score thresholds that train chooses: in the middle of those that keep the same picks."""

import numpy as np
import pytest

from copick_picker.core.evaluate import ScoredObject, ScoringRules, evaluate_picks
from copick_picker.records.points import PickSet
from copick_picker.workflows.train.validation import calibration_of

AT = np.arange(8)[:, None] * np.array([[400.0, 30.0, 7.0]])


def threshold(scores, *, margin=0.0, n_true=5):
    """Return the threshold where the first picks are true and all others false."""
    truth = PickSet("ribosome", AT[:n_true], np.ones(n_true))
    found = PickSet("ribosome", AT[: len(scores)], np.array(scores))
    scored = evaluate_picks(
        {"TS_1": {"ribosome": truth}},
        {"TS_1": {"ribosome": found}},
        [ScoredObject("ribosome", 75.0, 150.0, 1.0)],
        rules=ScoringRules("one-to-one", 1.0, (0.5,), 0, 5, 0.95, (0.0, 0.0, 0.0)),
        rng=np.random.default_rng(0),
    )
    return calibration_of(scored, margin=margin).thresholds.get("ribosome")


def test_a_threshold_lies_halfway_to_the_next_lower_score():
    assert threshold([0.9, 0.8, 0.7, 0.95, 0.85, 0.4, 0.2]) == pytest.approx(0.55)


def test_a_threshold_with_nothing_below_lies_halfway_to_nothing():
    assert threshold([0.96, 0.93, 0.97, 0.94, 0.95]) == pytest.approx(0.465)


def test_what_the_margin_lets_in_stays_in():
    assert threshold([0.9, 0.8, 0.7, 0.95, 0.85, 0.4, 0.2], margin=0.1) == pytest.approx(0.3)


def test_an_object_with_too_few_picks_has_none():
    assert threshold([0.9, 0.8, 0.7], n_true=3) is None


def test_the_threshold_of_a_rare_object_is_that_of_the_expected_f_beta():
    # eight tomograms with one object each, found with these probabilities; false ones beside them
    hits, false = [0.95, 0.9, 0.9, 0.8, 0.8, 0.6, 0.45, 0.3], [0.35, 0.2, 0.1, 0.05]
    reference, candidate = {}, {}
    for number, score in enumerate(hits):
        reference[f"TS_{number}"] = {"motor": PickSet("motor", AT[:1], np.ones(1))}
        other = false[number : number + 1]
        places = AT[: 1 + len(other)] + np.array([0.0, 5.0, 0.0])
        found = PickSet("motor", places, np.array([score, *other]))
        candidate[f"TS_{number}"] = {"motor": found}
    scored = evaluate_picks(
        reference,
        candidate,
        [ScoredObject("motor", 75.0, 150.0, 1.0)],
        rules=ScoringRules("one-to-one", 2.0, (0.5,), 0, 5, 0.95, (0.0, 0.0, 0.0)),
        rng=np.random.default_rng(0),
    )
    by_hits = calibration_of(scored, margin=0.0).thresholds["motor"]
    by_expectation = calibration_of(scored, margin=0.0, has_probabilities=True).thresholds["motor"]
    scores = np.sort([*hits, *false])[::-1]
    expected = 5 * np.cumsum(scores) / (np.arange(1, len(scores) + 1) + 4 * len(hits))
    least = scores[expected.argmax()]
    assert by_hits < 0.3
    assert np.max(scores[scores < least]) < by_expectation < least
