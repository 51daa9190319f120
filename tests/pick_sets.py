"""Pick sets for tests of scoring, and scores written out from their published definitions.

The functions here look at every pair of points, one by one: slow, plain, and independent of the
package's own search and assignment.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, permutations

import numpy as np
import numpy.typing as npt

from copick_picker.records.points import PickSet

Points = npt.NDArray[np.float64]

CZII_RADII = {
    "apo-ferritin": 60.0,
    "beta-amylase": 65.0,
    "beta-galactosidase": 90.0,
    "ribosome": 150.0,
    "thyroglobulin": 130.0,
    "virus-like-particle": 135.0,
}
CZII_WEIGHTS = {
    "apo-ferritin": 1.0,
    "beta-amylase": 0.0,
    "beta-galactosidase": 2.0,
    "ribosome": 1.0,
    "thyroglobulin": 2.0,
    "virus-like-particle": 1.0,
}


def pick_set(name: str, points: npt.ArrayLike, scores: npt.ArrayLike | None = None) -> PickSet:
    """Return picks of an object; scores are 1 where none are given."""
    xyz = np.asarray(points, dtype=np.float64).reshape(-1, 3)
    values = np.ones(len(xyz)) if scores is None else np.asarray(scores, dtype=np.float64)
    return PickSet(name, xyz, values)


def squared(a: Points, b: Points) -> float:
    """Return the squared distance of two points."""
    return float((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2 + (a[2] - b[2]) ** 2)


def best_assignment(reference: Points, candidate: Points, tolerance: float) -> tuple[int, float]:
    """Return the most pairs within the tolerance and their least total distance: tries them all."""
    bound = tolerance * tolerance
    few, many = (
        (reference, candidate) if len(reference) <= len(candidate) else (candidate, reference)
    )
    for size in range(len(few), 0, -1):
        totals = [
            sum(np.sqrt(squared(few[i], many[j])) for i, j in zip(chosen, partners, strict=True))
            for chosen in combinations(range(len(few)), size)
            for partners in permutations(range(len(many)), size)
            if all(squared(few[i], many[j]) <= bound for i, j in zip(chosen, partners, strict=True))
        ]
        if totals:
            return size, float(min(totals))
    return 0, 0.0


def czii_counts(reference: Points, candidate: Points, tolerance: float) -> tuple[int, int, int]:
    """Return TP, FP, FN of the challenge: unique references with a candidate in the closed ball."""
    if len(reference) == 0:
        return 0, len(candidate), 0
    if len(candidate) == 0:
        return 0, 0, len(reference)
    hit = {
        i
        for i, one in enumerate(reference)
        for other in candidate
        if squared(one, other) <= tolerance * tolerance
    }
    return len(hit), len(candidate) - len(hit), len(reference) - len(hit)


def czii_score(
    reference: Mapping[str, Mapping[str, Points]],
    candidate: Mapping[str, Mapping[str, Points]],
    radii: Mapping[str, float],
    weights: Mapping[str, float],
) -> float:
    """Return the challenge's score: F4 of counts summed over runs, averaged by weight."""
    nothing = np.zeros((0, 3))
    total = 0.0
    for name, radius in radii.items():
        tp = fp = fn = 0
        for run in reference:
            counts = czii_counts(
                reference[run].get(name, nothing),
                candidate.get(run, {}).get(name, nothing),
                0.5 * radius,
            )
            tp, fp, fn = tp + counts[0], fp + counts[1], fn + counts[2]
        precision = tp / (tp + fp) if tp + fp > 0 else 0.0
        recall = tp / (tp + fn) if tp + fn > 0 else 0.0
        if precision + recall > 0:
            f4 = 17 * precision * recall / (16 * precision + recall)
            total += weights[name] * f4
    return total / sum(weights.values())


def octopi_counts(reference: Points, candidate: Points, tolerance: float) -> tuple[int, int, int]:
    """Return TP, FP, FN as octopi counts: candidates hit or not, references reached or not."""
    bound = tolerance * tolerance
    hit = sum(any(squared(one, other) < bound for one in reference) for other in candidate)
    found = sum(any(squared(one, other) < bound for other in candidate) for one in reference)
    return hit, len(candidate) - hit, len(reference) - found


def byu_score(
    motors: Mapping[str, Points],
    submission: Mapping[str, Points | None],
    tolerance: float,
    beta: float,
) -> tuple[int, int, int, float]:
    """Return TP, FP, FN and F-beta of the challenge BYU 2025.

    Each tomogram has a truth (is there a motor?) and an answer (a point, or None). An answer beyond
    the tolerance of every motor of a tomogram that has one is read as "none".
    """
    truth, answer = [], []
    for name, points in motors.items():
        point = submission.get(name)
        yes = point is not None
        if point is not None and len(points):
            yes = min(squared(one, point) for one in points) <= tolerance**2
        truth.append(len(points) > 0)
        answer.append(yes)
    pairs = list(zip(truth, answer, strict=True))
    tp, fp, fn = pairs.count((True, True)), pairs.count((False, True)), pairs.count((True, False))
    below = (1 + beta**2) * tp + beta**2 * fn + fp
    return tp, fp, fn, (1 + beta**2) * tp / below if below else 0.0


def adversarial_sets() -> Iterator[tuple[str, Points, Points, float]]:
    """Yield (name, reference, candidate, tolerance): ties, chains, duplicates, bounds, nothing."""
    nothing = np.zeros((0, 3))
    line = np.array([[10.0 * i, 0, 0] for i in range(6)])
    half_step = np.array([5.0, 0, 0])
    yield "both empty", nothing, nothing, 5.0
    yield "no candidate", line, nothing, 5.0
    yield "no reference", nothing, line, 5.0
    yield "identical", line, line.copy(), 5.0
    yield "chain, each between two", line, line + half_step, 5.0
    yield "chain, one end free", line, line[:5] + half_step, 5.0
    yield "chain, nearest first loses one", line[:3], line[:3] - 1.2 * half_step, 7.0
    yield "exactly at the bound", np.array([[0.0, 0, 0]]), np.array([[36.0, 48, 0]]), 60.0
    yield "just beyond the bound", np.array([[0.0, 0, 0]]), np.array([[36.0, 48, 0.001]]), 60.0
    yield "one candidate, two references", line[:2], np.array([[5.0, 0, 0]]), 5.0
    yield "two candidates, one reference", line[:1], np.array([[1.0, 0, 0], [-1.0, 0, 0]]), 5.0
    yield "duplicate candidates", line[:2], np.repeat(line[:2], 2, axis=0), 5.0
    yield "duplicate references", np.repeat(line[:2], 2, axis=0), line[:2], 5.0
    yield "all equal", np.zeros((3, 3)), np.zeros((4, 3)), 5.0
    grid = np.array([[x, y, 0.0] for x in (0, 2) for y in (0, 2)])
    yield "square in a square, all distances equal", grid, grid + np.array([1.0, 1, 0]), 1.5
    star = np.array([[0.0, 0, 0], [3, 0, 0], [0, 3, 0], [0, 0, 3]])
    yield "star of references", star, np.array([[1.0, 1, 1]]), 4.0
    far = np.array([[1e6, -1e6, 1e6]])
    yield "far from the origin", np.concatenate([line[:2], far]), far + 2.0, 5.0


def random_sets(seed: int, n_sets: int) -> Iterator[tuple[str, Points, Points, float]]:
    """Yield random sets from sparse to crowded, on a grid (full of ties) every other time."""
    rng = np.random.default_rng(seed)
    for index in range(n_sets):
        n_reference, n_candidate = rng.integers(0, 6, size=2)
        box = rng.uniform(3.0, 30.0, size=3)
        reference = rng.uniform(0, 1, (n_reference, 3)) * box
        candidate = rng.uniform(0, 1, (n_candidate, 3)) * box
        if index % 2:
            reference, candidate = np.round(reference / 2) * 2, np.round(candidate / 2) * 2
        yield f"random {index}", reference, candidate, float(rng.choice([2.0, 4.0, 8.0]))


def runs_of(points: Sequence[Mapping[str, Points]]) -> dict[str, dict[str, Points]]:
    """Return run name -> object name -> points."""
    return {f"run{index}": dict(entry) for index, entry in enumerate(points)}
