from typing import Any

import numpy as np
import pytest

from copick_picker.core.evaluate import (
    Picks,
    ScoredObject,
    ScoringRules,
    evaluate_picks,
    find_pairs,
    match_picks,
)
from copick_picker.core.evaluate.calibration import CalibrationRule, calibrated_thresholds
from copick_picker.core.evaluate.run_match import near_border
from copick_picker.errors import DataError, UnknownNameError
from copick_picker.records.points import PickSet
from copick_picker.records.scores import Evaluation, MatchCounts, ObjectScore
from pick_sets import pick_set

SPOTS = np.array([[100.0, 900, 50], [700, 200, 80], [300, 300, 60], [800, 800, 20]])
OBJECTS = (ScoredObject("big", 60.0, 120.0, 1.0), ScoredObject("small", 25.0, 50.0, 3.0))


def rules(matcher: str = "one-to-one", **changes: Any) -> ScoringRules:
    settings: dict[str, Any] = {
        "matcher": matcher,
        "beta": 4.0,
        "recall_fractions": (0.25, 0.5, 1.0),
        "n_bootstrap": 200,
        "min_bootstrap_runs": 5,
        "confidence": 0.95,
        "border_margin_xyz": (0.0, 0.0, 0.0),
    }
    return ScoringRules(**(settings | changes))


def scored(
    reference: Picks, candidate: Picks, chosen: ScoringRules | None = None, **options: Any
) -> Evaluation:
    return evaluate_picks(
        reference,
        candidate,
        options.pop("objects", OBJECTS),
        rules=chosen or rules(),
        rng=np.random.default_rng(0),
        **options,
    )


def sets(**points: Any) -> dict[str, PickSet]:
    return {name: pick_set(name, xyz) for name, xyz in points.items()}


def object_score(result: Evaluation, name: str) -> ObjectScore:
    return next(entry for entry in result.objects if entry.name == name)


def test_a_run_without_candidates_is_all_missed_and_shown() -> None:
    result = scored({"a": sets(big=SPOTS), "b": sets(big=SPOTS)}, {"a": sets(big=SPOTS)})
    assert object_score(result, "big").counts == MatchCounts(4, 0, 4, 8, 4, 0)
    assert result.run_names == ("a", "b")
    assert any(
        "no candidate set in run b" in note and "4 reference" in note for note in result.notes
    )


def test_a_run_without_reference_set_is_left_out_and_said() -> None:
    result = scored({"a": sets(big=SPOTS), "b": {}}, {"a": sets(big=SPOTS), "b": sets(big=SPOTS)})
    assert object_score(result, "big").counts == MatchCounts(4, 0, 0, 4, 4, 0)
    assert object_score(result, "big").n_runs == 1
    assert result.run_names == ("a",)
    assert any(
        "(not annotated) in run b" in note and "4 candidates" in note for note in result.notes
    )


def test_an_empty_reference_set_makes_every_candidate_false() -> None:
    result = scored({"a": sets(big=[])}, {"a": sets(big=SPOTS)})
    assert object_score(result, "big").counts == MatchCounts(0, 4, 0, 0, 4, 0)
    assert object_score(result, "big").score.precision == 0.0
    assert object_score(result, "big").curve_note == "no reference picks"


def test_objects_without_reference_are_listed_not_counted() -> None:
    result = scored({"a": sets(big=SPOTS)}, {"a": sets(big=SPOTS, small=SPOTS)})
    assert [entry.name for entry in result.objects] == ["big"]
    assert "small: no reference set in any run; 4 candidates listed, not counted" in result.notes
    assert result.counts.n_candidate == 4


def test_czii_counts_every_listed_object_and_every_run_with_any_reference() -> None:
    reference = {"a": sets(big=SPOTS), "b": sets(small=SPOTS), "c": {}}
    candidate = {"a": sets(small=SPOTS), "b": sets(small=SPOTS), "c": sets(small=SPOTS)}
    result = scored(reference, candidate, rules("czii"))
    assert result.run_names == ("a", "b")
    assert object_score(result, "small").counts == MatchCounts(4, 4, 0, 4, 8, 0)
    assert object_score(result, "big").counts == MatchCounts(0, 0, 4, 4, 0, 0)
    assert any("small: no reference set in run a" in note for note in result.notes)


def test_octopi_counts_every_run() -> None:
    reference = {"a": sets(big=SPOTS), "c": {}}
    candidate = {"a": sets(big=SPOTS), "c": sets(big=SPOTS)}
    result = scored(reference, candidate, rules("octopi"))
    assert object_score(result, "big").counts == MatchCounts(4, 4, 0, 4, 8, 0)
    assert object_score(result, "big").spread["precision"] == (1.0, 0.0)


def test_macro_weighs_objects_and_micro_sums_counts() -> None:
    reference = {"a": sets(big=SPOTS, small=SPOTS[:1])}
    candidate = {"a": sets(big=SPOTS[:2], small=SPOTS[:1])}
    result = scored(reference, candidate)
    assert result.micro.score.recall == pytest.approx(3 / 5)
    assert result.macro.score.recall == pytest.approx((1 * 0.5 + 3 * 1.0) / 4)
    assert result.counts == MatchCounts(3, 0, 2, 5, 3, 0)


def test_duplicates_are_false_one_to_one_and_hits_with_octopi() -> None:
    thrice = SPOTS[0] + np.array([[0, 0, 0], [5.0, 0, 0], [0, 9.0, 0]])
    sides = ({"a": sets(big=SPOTS[:1])}, {"a": sets(big=thrice)})
    ours = scored(*sides)
    assert object_score(ours, "big").counts == MatchCounts(1, 2, 0, 1, 3, 2)
    assert ours.matches[0].candidate_status.tolist() == ["matched", "duplicate", "duplicate"]
    theirs = scored(*sides, rules("octopi"))
    assert object_score(theirs, "big").counts == MatchCounts(3, 0, 0, 1, 3, 2)


def test_confusion_names_the_object_whose_reference_is_nearest() -> None:
    reference = {"a": sets(big=SPOTS[:2], small=SPOTS[2:])}
    candidate = {
        "a": sets(big=[SPOTS[2] + np.array([20.0, 0, 0]), [500.0, 500, 50]], small=SPOTS[:1])
    }
    result = scored(reference, candidate)
    match = {entry.object_name: entry for entry in result.matches}
    assert match["big"].candidate_status.tolist() == ["confused", "false"]
    assert match["big"].confused_with.tolist() == ["small", ""]
    assert match["small"].confused_with.tolist() == ["big"]
    assert result.confusion == {
        ("", "big"): 1,
        ("big", ""): 2,
        ("big", "small"): 1,
        ("small", ""): 2,
        ("small", "big"): 1,
    }


def test_confusion_uses_the_tolerance_of_the_reference() -> None:
    reference = {"a": sets(big=SPOTS[:1], small=SPOTS[2:3])}
    beyond = SPOTS[2] + np.array([26.0, 0, 0])  # within the tolerance of big, not of small
    result = scored(reference, {"a": sets(big=[beyond])})
    assert result.confusion[("", "big")] == 1


def test_swapped_axes_show_as_misses() -> None:
    result = scored({"a": sets(big=SPOTS)}, {"a": sets(big=SPOTS[:, ::-1])})
    assert result.micro.score.recall == 0.0


def test_localization_error_and_its_direction() -> None:
    result = scored({"a": sets(big=SPOTS)}, {"a": sets(big=SPOTS + np.array([0, 0, 10.0]))})
    error = object_score(result, "big").localization
    assert error.mean_angstrom == pytest.approx(10.0)
    assert error.mean_offset_xyz == pytest.approx((0, 0, 10.0))
    assert result.localization.n_pairs == 4


def test_recall_at_fractions_of_the_radius() -> None:
    away = SPOTS + np.array([[20.0, 0, 0], [50, 0, 0], [0, 80, 0], [0, 0, 130]])
    result = scored({"a": sets(big=SPOTS)}, {"a": sets(big=away)})
    entries = object_score(result, "big").recall_at
    assert [entry.tolerance_angstrom for entry in entries] == [30.0, 60.0, 120.0]
    assert [entry.recall for entry in entries] == [0.25, 0.5, 0.75]


def test_recall_fractions_of_the_tolerance_where_there_is_no_radius() -> None:
    result = scored(
        {"a": sets(big=SPOTS)},
        {"a": sets(big=SPOTS + np.array([0, 15.0, 0]))},
        objects=[ScoredObject("big", 40.0, None, 1.0)],
    )
    entries = object_score(result, "big").recall_at
    assert [(entry.tolerance_angstrom, entry.recall) for entry in entries] == [
        (10.0, 0.0),
        (20.0, 1.0),
        (40.0, 1.0),
    ]


def test_curve_and_suggested_threshold() -> None:
    stray = np.array([[10.0, 10, 10], [20.0, 500, 10]])
    found = PickSet("big", np.concatenate([SPOTS, stray]), np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4]))
    runs = ("a", "b", "c")
    result = scored(dict.fromkeys(runs, sets(big=SPOTS)), {key: {"big": found} for key in runs})
    entry = object_score(result, "big")
    assert entry.curve is not None
    assert entry.curve.average_precision == pytest.approx(1.0)
    assert entry.suggested is not None
    assert entry.suggested.threshold == pytest.approx(0.55)
    assert (entry.suggested.precision, entry.suggested.recall) == (1.0, 1.0)
    assert result.macro.average_precision == pytest.approx(1.0)
    rule = CalibrationRule(0.001, 10)
    chosen = calibrated_thresholds(result, rule=rule, present={}, sought_from={})
    assert chosen.thresholds == {"big": entry.suggested.threshold}


@pytest.mark.parametrize(
    ("scores", "at", "runs", "why"),
    [
        ([0.9, 0.8, 0.7, 0.6], SPOTS, 3, "even the lowest score (0.600) is worth keeping"),
        ([0.9, 0.8, 0.7, 0.6], SPOTS, 1, "4 reference picks; a threshold needs 10"),
        ([0.9, 0.8, 0.7, 0.6], SPOTS + 500.0, 3, "none of the 12 candidates hits a reference pick"),
    ],
)
def test_no_threshold_is_suggested_where_calibrate_would_not_choose_it(scores, at, runs, why):
    found = PickSet("big", at, np.array(scores))
    names = ("a", "b", "c")[:runs]
    result = scored(dict.fromkeys(names, sets(big=SPOTS)), {key: {"big": found} for key in names})
    entry = object_score(result, "big")
    assert entry.suggested is None
    assert entry.suggested_note == why


def test_equal_scores_give_no_curve_and_a_reason() -> None:
    result = scored({"a": sets(big=SPOTS)}, {"a": sets(big=SPOTS)})
    entry = object_score(result, "big")
    assert entry.curve is None
    assert entry.suggested is None
    assert entry.curve_note.startswith("all 4 candidate scores are 1")
    assert result.macro.average_precision is None


def test_intervals_from_five_runs_on() -> None:
    reference = {f"run{i}": sets(big=SPOTS) for i in range(5)}
    candidate = {f"run{i}": sets(big=SPOTS[: i + 1]) for i in range(5)}
    result = scored(reference, candidate)
    entry = object_score(result, "big")
    assert entry.intervals is not None
    low, high = entry.intervals["recall"]
    assert 0.0 < low < entry.score.recall < high < 1.0
    assert result.micro.intervals is not None
    assert result.macro.intervals is not None
    again = scored(reference, candidate)
    assert again.macro.intervals == result.macro.intervals
    reference.pop("run4")
    candidate.pop("run4")
    few = scored(reference, candidate)
    assert few.micro.intervals is None
    assert object_score(few, "big").intervals is None


BOX = np.array([1000.0, 1000.0, 100.0])


def test_points_within_the_margin_of_some_faces() -> None:
    points = np.array(
        [[10.0, 500, 50], [500, 989, 50], [500, 990, 50], [500, 500, 1], [11, 11, 50]]
    )
    near = near_border(points, box_xyz=BOX, margin_xyz=(10.0, 10.0, 0.0))
    assert near.tolist() == [True, False, True, False, False]


def test_border_candidates_are_listed_not_counted() -> None:
    inner = [[500.0, 500, 50]]
    reference = sets(big=[*inner, [130.0, 500, 50]])
    found = sets(big=[*inner, [20.0, 500, 50], [500, 980.0, 5], [95.0, 500, 50], [700, 700, 95]])
    margin = rules(border_margin_xyz=(100.0, 100.0, 0.0))
    result = scored({"a": reference}, {"a": found}, margin, boxes_xyz={"a": BOX})
    match = result.matches[0]
    # The fourth lies in the margin but hits a reference that counts; the fifth is at a z face.
    assert match.candidate_status.tolist() == ["matched", "border", "border", "matched", "false"]
    assert object_score(result, "big").counts == MatchCounts(2, 1, 0, 2, 3, 0)
    assert "border margin: 0 reference picks and 2 candidates listed, not counted" in result.notes


def test_border_references_do_not_count_nor_does_what_lies_there() -> None:
    reference = sets(big=[[90.0, 500, 50], [500.0, 500, 50]])
    found = sets(big=[[110.0, 500, 50], [500.0, 510, 50]])
    margin = rules(border_margin_xyz=(100.0, 100.0, 0.0))
    result = scored({"a": reference}, {"a": found}, margin, boxes_xyz={"a": BOX})
    match = result.matches[0]
    assert match.reference_status.tolist() == ["border", "matched"]
    assert match.candidate_status.tolist() == ["border", "matched"]
    assert match.reference_partner.tolist() == [-1, 1]
    assert match.candidate_partner.tolist() == [-1, 1]
    assert object_score(result, "big").counts == MatchCounts(1, 0, 0, 1, 1, 0)


def test_a_border_margin_needs_a_box() -> None:
    with pytest.raises(DataError, match="run a: a border margin needs the size"):
        scored({"a": sets(big=SPOTS)}, {}, rules(border_margin_xyz=(100.0, 100.0, 0.0)))


def test_positions_that_are_not_finite_are_refused() -> None:
    broken = SPOTS.copy()
    broken[2, 1] = np.nan
    with pytest.raises(DataError, match="run a, big: candidate pick 2 is NaN or infinite"):
        scored({"a": sets(big=SPOTS)}, {"a": sets(big=broken)})


def test_an_object_with_reference_but_no_tolerance_is_refused() -> None:
    objects = [ScoredObject("big", None, None, 1.0)]
    with pytest.raises(DataError, match="run a, big: 4 reference picks, but neither a radius"):
        scored({"a": sets(big=SPOTS)}, {}, objects=objects)


@pytest.mark.parametrize("tolerance", [0.0, -3.0, np.nan, np.inf])
def test_tolerances_that_are_no_distance_are_refused(tolerance: float) -> None:
    with pytest.raises(DataError, match="expected a positive number of Angstrom"):
        find_pairs(SPOTS, SPOTS, reach_angstrom=tolerance)


def test_points_of_a_wrong_shape_are_refused() -> None:
    with pytest.raises(DataError, match=r"candidate picks have shape \(4, 2\)"):
        find_pairs(SPOTS, SPOTS[:, :2], reach_angstrom=5.0)


def test_an_unknown_matcher_is_refused_with_the_nearest_name() -> None:
    pairs = find_pairs(SPOTS, SPOTS, reach_angstrom=5.0)
    with pytest.raises(UnknownNameError, match="did you mean 'octopi'"):
        match_picks(pairs, matcher="octopus", tolerance_angstrom=5.0)


def test_integer_coordinates_are_taken_as_they_are() -> None:
    pairs = find_pairs(SPOTS.astype(np.int32), SPOTS.astype(np.float32), reach_angstrom=5.0)
    assert pairs.distance.tolist() == [0.0] * 4
