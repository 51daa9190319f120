"""The three matching rules against their definitions, written out pair by pair."""

from pathlib import Path

import numpy as np
import pytest

from copick_picker.core.evaluate import (
    ScoredObject,
    ScoringRules,
    evaluate_picks,
    find_pairs,
    match_picks,
)
from copick_picker.core.evaluate.assignment import assign_one_to_one, largest_assignment_sizes
from copick_picker.core.evaluate.matching import counts_of
from copick_picker.records.scores import Evaluation
from pick_sets import (
    CZII_RADII,
    CZII_WEIGHTS,
    Points,
    adversarial_sets,
    best_assignment,
    czii_counts,
    czii_score,
    octopi_counts,
    pick_set,
    random_sets,
)

SETS = [*adversarial_sets(), *random_sets(seed=7, n_sets=120)]
IDS = [name for name, *_ in SETS]
REFERENCE_PICKS = Path(__file__).parents[1] / "fixtures" / "czii_reference_picks.csv"


@pytest.mark.parametrize(("name", "reference", "candidate", "tolerance"), SETS, ids=IDS)
def test_one_to_one_has_the_most_pairs_then_the_least_distance(
    name: str, reference: Points, candidate: Points, tolerance: float
) -> None:
    pairs = find_pairs(reference, candidate, reach_angstrom=tolerance)
    first, second = assign_one_to_one(pairs, tolerance_angstrom=tolerance)
    distance = np.linalg.norm(reference[first] - candidate[second], axis=1)
    most, least = best_assignment(reference, candidate, tolerance)
    assert len(set(first.tolist())) == len(set(second.tolist())) == len(first) == most, name
    assert distance.sum() == pytest.approx(least, abs=1e-6 * tolerance)
    assert (distance <= tolerance).all()
    sizes = largest_assignment_sizes(pairs, np.array([tolerance]))
    assert sizes.tolist() == [most]


@pytest.mark.parametrize("matcher", ["czii", "octopi"])
@pytest.mark.parametrize(("name", "reference", "candidate", "tolerance"), SETS, ids=IDS)
def test_other_rules_count_as_defined(
    name: str, reference: Points, candidate: Points, tolerance: float, matcher: str
) -> None:
    pairs = find_pairs(reference, candidate, reach_angstrom=tolerance)
    match = match_picks(pairs, matcher=matcher, tolerance_angstrom=tolerance)
    counts = counts_of(match, n_candidate=len(candidate), duplicates=0)
    oracle = czii_counts if matcher == "czii" else octopi_counts
    assert (
        counts.true_positives,
        counts.false_positives,
        counts.false_negatives,
    ) == oracle(reference, candidate, tolerance), name


def test_ties_go_to_the_lower_index() -> None:
    def assigned(reference: object, candidate: object) -> list[tuple[int, int]]:
        pairs = find_pairs(np.array(reference), np.array(candidate), reach_angstrom=5.0)
        found = assign_one_to_one(pairs, tolerance_angstrom=5.0)
        return list(zip(found[0].tolist(), found[1].tolist(), strict=True))

    origin = [[0.0, 0, 0]]
    assert assigned(origin, [[1.0, 0, 0], [-1.0, 0, 0]]) == [(0, 0)]
    assert assigned(origin * 2, [[3.0, 0, 0]]) == [(0, 0)]
    assert assigned(origin * 3, origin * 3) == [(0, 0), (1, 1), (2, 2)]
    assert assigned(origin * 2, origin * 4) == [(0, 0), (1, 1)]
    assert assigned(origin * 4, origin * 2) == [(0, 0), (1, 1)]
    square = [[0.0, 0, 0], [2.0, 0, 0]]
    assert assigned(square, [[1.0, 1, 0], [1.0, -1, 0]]) == [(0, 0), (1, 1)]


def test_a_large_component_is_solved_exactly() -> None:
    # A ring of 600 references with the candidates between them: two best assignments by size, and
    # the turn by 0.4 of a step makes one of them the shorter. scipy's dense solver is the oracle.
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    rng = np.random.default_rng(3)
    angle = np.linspace(0, 2 * np.pi, 600, endpoint=False)
    radius = 30.0 / (angle[1] - angle[0])
    ring = np.stack([radius * np.cos(angle), radius * np.sin(angle), 0 * angle], axis=1)
    turned = angle + 0.4 * angle[1]
    other = np.stack([radius * np.cos(turned), radius * np.sin(turned), 0 * angle], axis=1)
    other = np.delete(other + rng.normal(0, 3, other.shape), [17, 401], axis=0)
    tolerance = 40.0
    pairs = find_pairs(ring, other, reach_angstrom=tolerance)
    first, second = assign_one_to_one(pairs, tolerance_angstrom=tolerance)
    distance = cdist(ring, other)
    cost = np.where(distance <= tolerance, distance, 1e6)
    best = cost[linear_sum_assignment(cost)]
    assert len(first) == np.count_nonzero(best < 1e6) == 598
    assert distance[first, second].sum() == pytest.approx(best[best < 1e6].sum(), abs=1e-6)


def read_reference_picks() -> dict[str, dict[str, Points]]:
    runs: dict[str, dict[str, list[list[float]]]] = {}
    for line in REFERENCE_PICKS.read_text().splitlines()[1:]:
        run, name, *xyz = line.split(",")
        runs.setdefault(run, {}).setdefault(name, []).append([float(value) for value in xyz])
    return {
        run: {name: np.array(points) for name, points in objects.items()}
        for run, objects in runs.items()
    }


def evaluated(
    reference: dict[str, dict[str, Points]], candidate: dict[str, dict[str, Points]], matcher: str
) -> Evaluation:
    objects = [
        ScoredObject(name, 0.5 * radius, radius, CZII_WEIGHTS[name])
        for name, radius in CZII_RADII.items()
    ]
    rules = ScoringRules(matcher, 4.0, (0.25, 0.5, 1.0), 100, 5, 0.95, (0.0, 0.0, 0.0))
    sides = [
        {
            run: {name: pick_set(name, points) for name, points in entries.items()}
            for run, entries in side.items()
        }
        for side in (reference, candidate)
    ]
    return evaluate_picks(sides[0], sides[1], objects, rules=rules, rng=np.random.default_rng(0))


def spoiled(
    reference: dict[str, dict[str, Points]], rng: np.random.Generator
) -> dict[str, dict[str, Points]]:
    """Return candidates: jittered, some dropped, some twice, some stray, some sets missing."""
    candidate: dict[str, dict[str, Points]] = {}
    for run, entries in reference.items():
        candidate[run] = {}
        for name, points in entries.items():
            kept = points[rng.random(len(points)) > rng.uniform(0, 0.4)]
            moved = kept + rng.normal(0, rng.uniform(1, 40), kept.shape)
            again = moved[rng.random(len(moved)) < 0.1] + rng.normal(0, 5, (1, 3))
            stray = rng.uniform(0, 6300, (rng.integers(0, 30), 3)) * [1, 1, 0.3]
            if rng.random() > 0.1:
                candidate[run][name] = np.concatenate([moved, again, stray])
    return candidate


@pytest.mark.parametrize("seed", range(8))
def test_czii_score_on_real_reference_picks(seed: int) -> None:
    reference = read_reference_picks()
    candidate = spoiled(reference, np.random.default_rng(seed))
    if seed % 2:
        candidate.pop(next(iter(candidate)))
    result = evaluated(reference, candidate, "czii")
    oracle = czii_score(reference, candidate, CZII_RADII, CZII_WEIGHTS)
    assert result.macro.score.f_beta == pytest.approx(oracle, abs=1e-12)
    assert 0.0 < oracle < 1.0


def test_czii_score_counts_an_absent_object_as_zero() -> None:
    reference = {
        run: {name: points for name, points in entries.items() if name != "ribosome"}
        for run, entries in read_reference_picks().items()
    }
    result = evaluated(reference, reference, "czii")
    assert czii_score(reference, reference, CZII_RADII, CZII_WEIGHTS) == pytest.approx(6 / 7)
    assert result.macro.score.f_beta == pytest.approx(6 / 7)
    assert result.macro_present.score.f_beta == pytest.approx(1.0)


def test_czii_false_positives_can_be_negative() -> None:
    result = evaluated(
        {"a": {"ribosome": np.array([[0.0, 0, 0], [100.0, 0, 0]])}},
        {"a": {"ribosome": np.array([[50.0, 0, 0]])}},
        "czii",
    )
    score = next(entry for entry in result.objects if entry.name == "ribosome")
    assert score.counts.false_positives == -1
    assert score.score.precision == 2.0
    assert score.score.recall == 1.0
    assert score.score.f_beta == pytest.approx(17 * 2 / (16 * 2 + 1))


@pytest.mark.parametrize(("sigma", "expected"), [(10, 0.998), (15, 0.951), (20, 0.873)])
def test_czii_score_falls_with_localization_error_as_published_for_these_picks(
    sigma: float, expected: float
) -> None:
    rng = np.random.default_rng(11)
    reference = read_reference_picks()
    moved = {
        run: {name: points + rng.normal(0, sigma, points.shape) for name, points in entry.items()}
        for run, entry in reference.items()
    }
    score = evaluated(reference, moved, "czii").macro.score.f_beta
    assert score == pytest.approx(expected, abs=0.015)


@pytest.mark.parametrize("seed", range(4))
def test_octopi_scores_as_defined(seed: int) -> None:
    reference = read_reference_picks()
    candidate = spoiled(reference, np.random.default_rng(100 + seed))
    run, gone = next(iter(reference)), "thyroglobulin"
    reference[run].pop(gone)  # octopi: every candidate of it is false there
    result = evaluated(reference, candidate, "octopi")
    nothing = np.zeros((0, 3))
    total = 0.0
    for entry in result.objects:
        counts = np.array(
            [
                octopi_counts(
                    reference[name].get(entry.name, nothing),
                    candidate[name].get(entry.name, nothing),
                    0.5 * CZII_RADII[entry.name],
                )
                for name in reference
            ]
        )
        tp, fp, fn = counts.sum(axis=0)
        assert entry.counts.true_positives == tp
        assert entry.counts.false_positives == fp
        assert entry.counts.false_negatives == fn
        precision, recall = tp / (tp + fp), tp / (tp + fn)
        total += CZII_WEIGHTS[entry.name] * 17 * precision * recall / (16 * precision + recall)
        both = [
            row[0] / (row[0] + row[1])
            for row, name in zip(counts, reference, strict=True)
            if len(reference[name].get(entry.name, nothing))
            and len(candidate[name].get(entry.name, nothing))
        ]
        assert entry.spread["precision"] == pytest.approx((np.mean(both), np.std(both)))
    assert result.macro.score.f_beta == pytest.approx(total / sum(CZII_WEIGHTS.values()))
