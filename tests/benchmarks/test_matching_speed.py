"""Time and memory of matching and scoring 100,000 reference picks with 100,000 candidates.

``python -m pytest tests/benchmarks/test_matching_speed.py --benchmark-enable -s`` prints them; in
the test suite the same code runs once, without a clock.
"""

import tracemalloc
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from scipy.spatial import cKDTree

from copick_picker.core.evaluate import (
    Picks,
    ScoredObject,
    ScoringRules,
    evaluate_picks,
    find_pairs,
    match_picks,
)
from copick_picker.records.points import PickSet
from pick_sets import pick_set

N_RUNS = 20
N_PICKS = 5000
RADIUS = 75.0
BOX = np.array([9000.0, 9000.0, 3000.0])
RULES = ScoringRules(
    "one-to-one",
    4.0,
    (0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
    1000,
    5,
    0.95,
    (0.0, 0.0, 0.0),
)


def apart(rng: np.random.Generator, n_points: int, distance: float) -> np.ndarray[Any, Any]:
    """Return random points no two of which are nearer than the distance."""
    points = rng.uniform(0, 1, (4 * n_points, 3)) * BOX
    close = cKDTree(points).query_pairs(distance, output_type="ndarray")
    return np.delete(points, np.unique(close.max(axis=1)), axis=0)[:n_points]


def two_sides() -> tuple[Picks, Picks]:
    """Return 20 runs of 5,000 particles at least a radius apart, and imperfect picks of them."""
    rng = np.random.default_rng(1)
    reference, candidate = {}, {}
    for index in range(N_RUNS):
        truth = apart(rng, N_PICKS, 2 * RADIUS)
        found = truth[rng.random(N_PICKS) < 0.8] + rng.normal(0, 0.2 * RADIUS, (1, 3))
        twice = found[rng.random(len(found)) < 0.1] + rng.normal(0, 10.0, (1, 3))
        stray = rng.uniform(0, 1, (N_PICKS - len(found) - len(twice), 3)) * BOX
        picks = np.concatenate([found, twice, stray])
        scores = np.concatenate(
            [rng.beta(5, 2, len(found)), rng.beta(3, 3, len(twice)), rng.beta(2, 5, len(stray))]
        )
        reference[f"run{index:02d}"] = {"a": pick_set("a", truth)}
        candidate[f"run{index:02d}"] = {"a": PickSet("a", picks, scores)}
    return reference, candidate


def match_all(reference: Picks, candidate: Picks) -> int:
    hits = 0
    for run, entries in reference.items():
        pairs = find_pairs(
            entries["a"].points_xyz, candidate[run]["a"].points_xyz, reach_angstrom=0.5 * RADIUS
        )
        match = match_picks(pairs, matcher="one-to-one", tolerance_angstrom=0.5 * RADIUS)
        hits += match.true_positives
    return hits


def evaluate_all(reference: Picks, candidate: Picks) -> float | None:
    result = evaluate_picks(
        reference,
        candidate,
        [ScoredObject("a", 0.5 * RADIUS, RADIUS, 1.0)],
        rules=RULES,
        rng=np.random.default_rng(0),
    )
    assert result.micro.intervals is not None
    assert result.objects[0].curve is not None
    return result.micro.score.recall


@pytest.mark.parametrize("work", [match_all, evaluate_all])
def test_a_hundred_thousand_picks_over_twenty_runs(benchmark: BenchmarkFixture, work: Any) -> None:
    reference, candidate = two_sides()
    assert sum(len(entry["a"]) for entry in reference.values()) == N_RUNS * N_PICKS
    assert sum(len(entry["a"]) for entry in candidate.values()) == N_RUNS * N_PICKS
    result = benchmark.pedantic(work, args=(reference, candidate), rounds=5)
    assert 0.5 < result / (N_RUNS * N_PICKS if work is match_all else 1) < 0.95
    tracemalloc.start()
    work(reference, candidate)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    print(f"\n{work.__name__}: peak of arrays {peak / 1e6:.0f} MB")
    assert peak < 1e9


def test_a_single_run_of_a_hundred_thousand_picks(benchmark: BenchmarkFixture) -> None:
    # Uniform and independent: chains of picks within reach of each other, no structure to help.
    rng = np.random.default_rng(2)
    reference = rng.uniform(0, 1, (100_000, 3)) * 20_000.0
    candidate = rng.uniform(0, 1, (100_000, 3)) * 20_000.0

    def work() -> int:
        pairs = find_pairs(reference, candidate, reach_angstrom=200.0)
        return match_picks(pairs, matcher="one-to-one", tolerance_angstrom=200.0).true_positives

    hits = benchmark.pedantic(work, rounds=3)
    assert 10_000 < hits < 100_000
