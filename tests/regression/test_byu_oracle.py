"""The rule of the challenge BYU 2025 against its definition, tomogram by tomogram."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from copick_picker.core.evaluate import ScoredObject, ScoringRules, evaluate_picks
from copick_picker.core.evaluate.by_tomogram import presence_auc
from copick_picker.errors import DataError
from copick_picker.records.points import PickSet
from copick_picker.records.scores import Evaluation
from pick_sets import Points, byu_score, pick_set

TOLERANCE = 1000.0
MOTOR = (ScoredObject("motor", TOLERANCE, 500.0, 1.0),)
RULES = ScoringRules("byu", 2.0, (0.1, 0.5, 1.0), 0, 5, 0.95, (0.0, 0.0, 0.0))
NOTHING = np.zeros((0, 3))


def scored(reference: Mapping[str, Points], candidate: Mapping[str, PickSet]) -> Evaluation:
    return evaluate_picks(
        {run: {"motor": pick_set("motor", points)} for run, points in reference.items()},
        {run: {"motor": picks} for run, picks in candidate.items()},
        MOTOR,
        rules=RULES,
        rng=np.random.default_rng(0),
    )


def counts(result: Evaluation) -> tuple[int, int, int]:
    total = result.objects[0].counts
    return total.true_positives, total.false_positives, total.false_negatives


@pytest.mark.parametrize("seed", range(40))
def test_counts_and_f2_are_the_challenges(seed: int) -> None:
    rng = np.random.default_rng(seed)
    box = np.array([9000.0, 7000.0, 2500.0])
    reference, candidate, submission = {}, {}, {}
    for index in range(12):
        run = f"tomo_{index}"
        points = rng.uniform(0, 1, (rng.choice([0, 0, 1, 1, 1, 3]), 3)) * box
        found = rng.uniform(0, 1, (rng.integers(0, 4), 3)) * box
        if len(points) and len(found) and rng.random() < 0.7:
            found[0] = points[-1] + rng.normal(0, 450, 3)
        scores = rng.choice([0.2, 0.5, 0.9], len(found))
        reference[run] = points
        submission[run] = found[np.argmax(scores)] if len(found) else None
        if len(found) or rng.random() < 0.5:  # no set and an empty set are the same answer
            candidate[run] = pick_set("motor", found, scores)
    result = scored(reference, candidate)
    tp, fp, fn, f2 = byu_score(reference, submission, TOLERANCE, 2.0)
    assert counts(result) == (tp, fp, fn)
    if tp + fp + fn:
        assert result.objects[0].score.f_beta == pytest.approx(f2)
    assert tp + fn == sum(len(points) > 0 for points in reference.values())


def fate(points: Points, found: Points, scores: Any = None) -> tuple[list[str], list[str], Any]:
    result = scored({"a": points}, {"a": pick_set("motor", found, scores)})
    (match,) = result.matches
    return match.reference_status.tolist(), match.candidate_status.tolist(), counts(result)


def test_fates_of_picks() -> None:
    motor = np.array([[4000.0, 3000, 900]])
    away = motor + np.array([600.0, 800, 0])
    assert fate(motor, away) == (["matched"], ["matched"], (1, 0, 0))
    assert fate(motor, away + 0.01) == (["missed"], ["misplaced"], (0, 0, 1))
    assert fate(NOTHING, away) == ([], ["false"], (0, 1, 0))
    assert fate(motor, NOTHING) == (["missed"], [], (0, 0, 1))
    assert fate(NOTHING, NOTHING) == ([], [], (0, 0, 0))
    two = np.concatenate([motor + 2000.0, motor])
    best_is_second = fate(two, np.concatenate([motor * 0, motor]), [0.4, 0.6])
    assert best_is_second == (["uncounted", "matched"], ["uncounted", "matched"], (1, 0, 0))
    equal = fate(motor, np.concatenate([motor * 0, motor]), [0.5, 0.5])
    assert equal == (["missed"], ["misplaced", "uncounted"], (0, 0, 1))


def test_partners_and_distance_of_a_hit() -> None:
    motors = np.array([[0.0, 0, 0], [5000, 100, 200]])
    found = np.array([[9000.0, 0, 0], [5000, 130, 240]])
    result = scored({"a": motors}, {"a": pick_set("motor", found, [0.1, 0.9])})
    (match,) = result.matches
    assert match.reference_partner.tolist() == [-1, 1]
    assert match.candidate_partner.tolist() == [-1, 1]
    assert result.localization.mean_angstrom == pytest.approx(50.0)
    assert [at.recall for at in result.objects[0].recall_at] == [1.0, 1.0, 1.0]  # 50, 250, 500 A
    assert any("1 further candidates and 1 further reference" in note for note in result.notes)


def test_a_run_without_a_reference_set_is_left_out() -> None:
    motor = np.array([[100.0, 200, 300]])
    result = evaluate_picks(
        {"a": {"motor": pick_set("motor", motor)}, "b": {}},
        {run: {"motor": pick_set("motor", motor)} for run in "ab"},
        MOTOR,
        rules=RULES,
        rng=np.random.default_rng(0),
    )
    assert counts(result) == (1, 0, 0)
    assert result.run_names == ("a",)


def test_threshold_curve_counts_tomograms() -> None:
    # Hit at 0.9, misplaced at 0.8, false at 0.7, hit at 0.4, one motor without a candidate.
    motor = np.array([[4000.0, 3000, 900]])
    reference = {"a": motor, "b": motor, "c": NOTHING, "d": motor, "e": motor}
    candidate = {
        "a": pick_set("motor", motor, [0.9]),
        "b": pick_set("motor", motor + 2000, [0.8]),
        "c": pick_set("motor", motor, [0.7]),
        "d": pick_set("motor", motor, [0.4]),
    }
    curve = scored(reference, candidate).objects[0].curve
    assert curve is not None
    assert curve.thresholds.tolist() == [0.9, 0.7, 0.4]
    assert curve.precision.tolist() == pytest.approx([1, 1 / 2, 2 / 3])
    assert curve.recall.tolist() == pytest.approx([1 / 4, 1 / 4, 2 / 4])


def test_presence_auc_is_the_share_of_pairs_in_order() -> None:
    rng = np.random.default_rng(5)
    has = rng.random(30) < 0.5
    best = rng.choice([-np.inf, 0.1, 0.4, 0.8], 30)
    pairs = [(a, b) for a in best[has] for b in best[~has]]
    share = np.mean([1.0 if a > b else 0.5 if a == b else 0.0 for a, b in pairs])
    assert presence_auc(has, best) == pytest.approx(share)
    assert presence_auc(np.ones(4, dtype=bool), np.zeros(4)) is None
    assert presence_auc(np.zeros(0, dtype=bool), np.zeros(0)) is None


def test_auc_uses_the_best_candidate_of_each_tomogram_wherever_it_lies() -> None:
    motor = np.array([[4000.0, 3000, 900]])
    reference = {"a": motor, "b": motor, "c": NOTHING, "d": NOTHING}
    candidate = {
        "a": pick_set("motor", np.concatenate([motor, motor * 0]), [0.2, 0.9]),
        "b": pick_set("motor", motor, [0.4]),
        "c": pick_set("motor", motor, [0.6]),
    }
    assert scored(reference, candidate).objects[0].presence_auc == pytest.approx(3 / 4)


def test_points_that_are_not_finite_are_named() -> None:
    with pytest.raises(DataError, match="run a, motor: candidate pick 0 is NaN or infinite"):
        scored({"a": NOTHING}, {"a": pick_set("motor", [[np.nan, 0, 0]])})
