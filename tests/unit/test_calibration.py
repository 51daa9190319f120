from collections.abc import Mapping

import numpy as np
import pytest

from copick_picker.core.evaluate import ScoredObject, ScoringRules, evaluate_picks
from copick_picker.core.evaluate.calibration import CalibrationRule, calibrated_thresholds
from copick_picker.core.evaluate.metrics import rates
from copick_picker.records.points import PickSet
from copick_picker.records.scores import Calibration, Evaluation

FAR = np.array([9_000.0, 5_000.0, 7_000.0])


def along_x(number: int, start: float = 0.0) -> np.ndarray:
    """Return so many points 500 A apart."""
    return np.stack([start + 500.0 * np.arange(number), np.full(number, 80.0), np.zeros(number)], 1)


def scored(
    runs: Mapping[str, tuple[int, list[float], list[float]]], *, beta: float = 1.0
) -> Evaluation:
    """Score runs of (reference picks, scores of hits, scores of false candidates)."""
    reference, candidate = {}, {}
    for run, (n_reference, hits, false) in runs.items():
        points = np.concatenate([along_x(len(hits)), FAR + along_x(len(false))])
        scores = np.array(hits + false)
        reference[run] = {
            "ribosome": PickSet("ribosome", along_x(n_reference), np.ones(n_reference))
        }
        candidate[run] = {"ribosome": PickSet("ribosome", points, scores)}
    return evaluate_picks(
        reference,
        candidate,
        [ScoredObject("ribosome", 75.0, 150.0, 1.0)],
        rules=ScoringRules("one-to-one", beta, (0.5,), 0, 5, 0.95, (0.0, 0.0, 0.0)),
        rng=np.random.default_rng(0),
    )


def calibrated(
    evaluation: Evaluation,
    margin: float = 0.0,
    fewest: int = 1,
    sought_from: float | None = None,
    **present: float,
) -> Calibration:
    rule = CalibrationRule(margin, fewest)
    known = {} if sought_from is None else {"ribosome": sought_from}
    return calibrated_thresholds(evaluation, rule=rule, present=present, sought_from=known)


def test_the_threshold_is_that_of_the_pooled_counts_not_of_either_run() -> None:
    evaluation = scored(
        {
            "alone_low": (2, [0.9, 0.3], [0.2]),
            "alone_high": (6, [0.8, 0.7, 0.7, 0.6], [0.5, 0.4, 0.35, 0.3, 0.3]),
        }
    )
    (found,) = calibrated(evaluation, ribosome=0.3).chosen
    assert found.threshold == pytest.approx(0.55)  # 0.6 is kept, 0.5 is not
    assert (found.precision, found.recall) == (1.0, 5 / 8)
    assert found.f_beta == pytest.approx(rates(5, 0, 3, beta=1.0)[3])
    assert found.present_f_beta == pytest.approx(rates(6, 5, 2, beta=1.0)[3])
    assert (found.n_runs, found.n_reference, found.n_candidate) == (2, 8, 12)
    assert not found.is_lowest_score


def test_recall_counts_more_with_a_large_beta() -> None:
    runs = {"a": (4, [0.9, 0.8, 0.2], [0.5, 0.4, 0.3, 0.3, 0.1])}
    assert calibrated(scored(runs, beta=1.0)).thresholds == {"ribosome": pytest.approx(0.65)}
    assert calibrated(scored(runs, beta=4.0)).thresholds == {"ribosome": pytest.approx(0.15)}


def test_of_equal_thresholds_the_lowest_and_within_the_margin_a_lower_one() -> None:
    evaluation = scored({"a": (4, [0.9, 0.6], [0.8, 0.7, 0.5])})
    curve = evaluation.objects[0].curve
    assert curve is not None
    assert curve.f_beta.tolist() == [2 / 5, 2 / 6, 2 / 7, 4 / 8, 4 / 9]
    (exact,) = calibrated(evaluation).chosen
    (loose,) = calibrated(evaluation, margin=0.06).chosen
    assert (exact.threshold, loose.threshold) == (pytest.approx(0.55), 0.5)
    assert (exact.f_beta, loose.f_beta, loose.highest_f_beta) == (0.5, 4 / 9, 0.5)
    assert loose.is_lowest_score
    tied = scored({"a": (3, [0.9, 0.5], [0.6, 0.55, 0.52])})
    assert calibrated(tied).thresholds == {"ribosome": 0.5}  # 2/4 at 0.9 and 4/8 at 0.5


def test_below_the_lowest_score_of_all_lies_what_was_sought() -> None:
    evaluation = scored({"a": (3, [0.9, 0.8, 0.4], [])})
    (unknown,) = calibrated(evaluation).chosen
    assert (unknown.threshold, unknown.is_lowest_score) == (0.4, True)
    (everything,) = calibrated(evaluation, sought_from=0.0).chosen
    assert (everything.threshold, everything.is_lowest_score) == (0.2, False)
    (some,) = calibrated(evaluation, sought_from=0.3).chosen
    assert (some.threshold, some.is_lowest_score) == (pytest.approx(0.35), True)
    (wrong,) = calibrated(evaluation, sought_from=0.7).chosen
    assert (wrong.threshold, wrong.is_lowest_score) == (0.4, True)


def test_scores_next_to_each_other_are_told_apart() -> None:
    above = 0.5
    below = float(np.nextafter(above, 0.0))
    (found,) = calibrated(scored({"a": (2, [0.9, above], [below] * 4)})).chosen
    assert below < found.threshold <= above


def test_a_second_candidate_at_a_reference_is_no_hit() -> None:
    truth = PickSet("ribosome", along_x(2), np.ones(2))
    twice = PickSet("ribosome", np.repeat(along_x(2), 2, axis=0), np.array([0.9, 0.5, 0.8, 0.4]))
    evaluation = evaluate_picks(
        {"a": {"ribosome": truth}},
        {"a": {"ribosome": twice}},
        [ScoredObject("ribosome", 75.0, 150.0, 1.0)],
        rules=ScoringRules("one-to-one", 1.0, (0.5,), 0, 5, 0.95, (0.0, 0.0, 0.0)),
        rng=np.random.default_rng(0),
    )
    (found,) = calibrated(evaluation).chosen
    assert found.threshold == pytest.approx(0.65)
    assert (found.precision, found.recall) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        ((0, [], [0.9, 0.2]), "no reference picks"),
        ((3, [], []), "no candidates"),
        ((3, [1.0, 1.0], [1.0]), "all 3 candidate scores are 1"),
        ((2, [0.9, 0.2], []), "2 reference picks; a threshold needs 3"),
        ((3, [], [0.9, 0.2]), "none of the 2 candidates hits"),
    ],
)
def test_an_object_without_a_curve_to_choose_on_is_refused(
    run: tuple[int, list[float], list[float]], reason: str
) -> None:
    found = calibrated(scored({"a": run}), fewest=3)
    assert found.chosen == ()
    assert reason in found.refused["ribosome"]


def test_a_present_threshold_above_every_score_finds_nothing() -> None:
    (found,) = calibrated(scored({"a": (2, [0.6, 0.5], [0.1])}), ribosome=0.9).chosen
    assert (found.present, found.present_f_beta) == (0.9, 0.0)
