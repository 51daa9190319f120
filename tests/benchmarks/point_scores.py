"""What is said of points beyond F1: how sure and how precise they are, from ``matches.csv``."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from copick_picker.core.evaluate.calibration import expected_f_beta

BINS = 10
REPLICATES = 10_000
AXES = "xyz"
FloatArray = npt.NDArray[np.float64]


def rows_of(folder: Path) -> list[dict[str, str]]:
    """Return the rows of ``matches.csv``."""
    lines = (folder / "matches.csv").read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("# ")))


def points_of(rows: Sequence[Mapping[str, str]]) -> FloatArray:
    return np.array([[float(row[f"{axis}_angstrom"]) for axis in AXES] for row in rows]).reshape(
        -1, 3
    )


def errors_of(
    rows: Sequence[Mapping[str, str]], least: Mapping[str, float]
) -> tuple[FloatArray, FloatArray]:
    """Return errors (n, 3) and standard deviations (n, 3) of hits, in Angstrom.

    Parameters
    ----------
    rows : sequence of mapping
        Rows of ``matches.csv``.
    least : mapping of str to float
        Object -> lowest score of a candidate that counts.
    """
    truth = {
        (row["run"], row["object"], row["index"]): row for row in rows if row["kind"] == "reference"
    }
    hits = [
        row
        for row in rows
        if row["kind"] == "candidate"
        and row["partner"]
        and float(row["score"]) >= least.get(row["object"], 0.0)
    ]
    partners = [truth[row["run"], row["object"], row["partner"]] for row in hits]
    sigmas = [[float(row[f"sigma_{axis}_angstrom"] or "nan") for axis in AXES] for row in hits]
    return points_of(hits) - points_of(partners), np.array(sigmas).reshape(-1, 3)


def z_scores(errors: FloatArray, sigmas: FloatArray) -> dict[str, list[float]]:
    """Return mean and standard deviation of the z-scores along x, y and z."""
    scores = errors / sigmas
    if len(scores) < 2:
        return {"n": [len(scores)], "mean": [0.0] * 3, "sd": [0.0] * 3}
    return {
        "n": [len(scores)],
        "mean": scores.mean(axis=0).round(3).tolist(),
        "sd": scores.std(axis=0, ddof=1).round(3).tolist(),
    }


def probabilities(rows: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """Return how true the scores are as probabilities.

    The expected calibration error is the mean over all candidates of the difference between mean
    score and share of hits in ten bins of equal width (Guo et al. 2017,
    https://arxiv.org/abs/1706.04599, equation 3).
    """
    candidates = [row for row in rows if row["kind"] == "candidate"]
    scores = np.array([float(row["score"]) for row in candidates])
    is_hit = np.array([bool(row["partner"]) for row in candidates], dtype=float)
    bins = np.minimum((scores * BINS).astype(int), BINS - 1)
    table = []
    for number in range(BINS):
        inside = bins == number
        if inside.any():
            table.append(
                [int(inside.sum()), float(scores[inside].mean()), float(is_hit[inside].mean())]
            )
    counted = sum(count * abs(score - share) for count, score, share in table)
    n_true = sum(row["kind"] == "reference" for row in rows)
    runs = sorted({row["run"] for row in rows})
    by_run = []
    for run in runs:
        expected = sum(float(row["score"]) for row in candidates if row["run"] == run)
        true = sum(row["kind"] == "reference" and row["run"] == run for row in rows)
        by_run.append([round(expected, 2), true])
    off = [abs(expected - true) / true for expected, true in by_run if true]
    return {
        "candidates": len(candidates),
        "calibration_error": counted / max(1, len(candidates)),
        "bins": [[count, round(score, 3), round(share, 3)] for count, score, share in table],
        "expected_number": float(scores.sum()),
        "true_number": n_true,
        "by_run": by_run,
        "mean_difference_of_runs": float(np.mean(off)) if off else None,
    }


def near_pairs(
    rows: Sequence[Mapping[str, str]], radii: Mapping[str, float], between: tuple[float, float]
) -> dict[str, int]:
    """Return how many particles have a neighbour of their own object so near, and are found.

    Parameters
    ----------
    rows : sequence of mapping
        Rows of ``matches.csv``.
    radii : mapping
        Object -> radius in Angstrom.
    between : tuple of float
        Least and greatest distance of a neighbour, in radii.
    """
    total = found = 0
    groups: dict[tuple[str, str], list[Mapping[str, str]]] = {}
    for row in rows:
        if row["kind"] == "reference":
            groups.setdefault((row["run"], row["object"]), []).append(row)
    for (_, name), members in groups.items():
        points = points_of(members)
        distances = cKDTree(points).sparse_distance_matrix(
            cKDTree(points), between[1] * radii[name], output_type="ndarray"
        )
        near = {int(entry["i"]) for entry in distances if entry["v"] >= between[0] * radii[name]}
        total += len(near)
        found += sum(bool(members[index]["partner"]) for index in near)
    return {"particles": total, "found": found}


def hits_of(rows: Sequence[Mapping[str, str]]) -> dict[str, float]:
    """Return the error in Angstrom of every reference pick that is found, by run and number."""
    return {
        f"{row['run']} {row['object']} {row['index']}": float(row["distance_angstrom"])
        for row in rows
        if row["kind"] == "reference" and row["partner"]
    }


def error_difference(
    first: Mapping[str, float], second: Mapping[str, float], seed: int
) -> dict[str, float]:
    """Return by how much the second's mean error differs, over particles that both find.

    The interval holds 95 % of the bootstrap's replicates, which draw runs.
    """
    both = sorted(set(first) & set(second))
    if not both:
        nothing = dict.fromkeys(("first", "second", "difference", "low", "high"), float("nan"))
        return {"particles": 0, **nothing}
    runs: dict[str, list[tuple[float, float]]] = {}
    for name in both:
        runs.setdefault(name.split(" ", maxsplit=1)[0], []).append((first[name], second[name]))
    sums = np.array([[*np.sum(pairs, axis=0), len(pairs)] for pairs in runs.values()])
    rng = np.random.default_rng(seed)
    drawn = sums[rng.integers(len(sums), size=(REPLICATES, len(sums)))].sum(axis=1)
    changes = (drawn[:, 1] - drawn[:, 0]) / drawn[:, 2]
    low, high = np.percentile(changes, (2.5, 97.5))
    total = sums.sum(axis=0)
    return {
        "particles": len(both),
        "first": total[0] / total[2],
        "second": total[1] / total[2],
        "difference": (total[1] - total[0]) / total[2],
        "low": float(low),
        "high": float(high),
    }


def expected_thresholds(rows: Sequence[Mapping[str, str]], *, beta: float) -> dict[str, float]:
    """Return the threshold of each object whose F-beta is the highest that scores let expect.

    Parameters
    ----------
    rows : sequence of mapping
        Rows of ``matches.csv``; the scores of candidates are probabilities.
    beta : float
        Weight of recall.
    """
    scores: dict[str, list[float]] = {}
    known: dict[str, int] = {}
    for row in rows:
        if row["kind"] == "candidate":
            scores.setdefault(row["object"], []).append(float(row["score"]))
        elif row["kind"] == "reference":
            known[row["object"]] = known.get(row["object"], 0) + 1
    found = {}
    for name, values in scores.items():
        own = np.array(sorted(values, reverse=True))
        expected = expected_f_beta(own, own, n_reference=known.get(name, 0), beta=beta)
        found[name] = float(own[int(expected.argmax())])
    return found
