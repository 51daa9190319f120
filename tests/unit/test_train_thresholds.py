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
