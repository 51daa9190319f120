"""What changed between two evaluations of the same runs: rates, and the fate of each pick."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from copick_picker.core.evaluate.compare import (
    ComparisonRules,
    Difference,
    paired_differences,
    without_near,
)
from copick_picker.core.evaluate.pairs import FloatArray
from copick_picker.errors import DataError
from copick_picker.records.scores import FALSE, PickTable

CHANGES = ("found", "lost", "new false", "gone false")
"""A reference pick missed by the first and found by the second, or the other way round; a false
candidate of one with none of the other within the tolerance."""


def score_differences(
    first: Mapping[str, Any],
    second: Mapping[str, Any],
    rules: ComparisonRules,
    rng: np.random.Generator,
) -> dict[str, list[Difference]]:
    """Return the differences of each object, and of all, by name.

    Parameters
    ----------
    first, second : mapping
        Content of ``scores.json`` of two evaluations by the same rules.
    rules : ComparisonRules
        How they are compared.
    rng : numpy.random.Generator
        Source of the bootstrap's randomness.
    """
    objects = [entry["object"] for entry in first["objects"]]
    weights = np.array([entry["weight"] for entry in first["objects"]], dtype=np.float64)
    runs = sorted({entry["run"] for values in (first, second) for entry in values["runs"]})
    pair = [_counts(values, runs, objects) for values in (first, second)]
    counted = [_counted(values, runs, objects) for values in (first, second)]
    both = counted[0] & counted[1]
    found = {}
    for at, name in enumerate(objects):
        here = [counts[both[:, at], at : at + 1] for counts in pair]
        found[name] = paired_differences(
            here[0], here[1], weights[at : at + 1], average="micro", rules=rules, rng=rng
        )
    for average in ("micro", "macro"):
        found[f"all ({average})"] = paired_differences(
            pair[0], pair[1], weights, average=average, rules=rules, rng=rng
        )
    return found


def _counts(values: Mapping[str, Any], runs: Sequence[str], objects: Sequence[str]) -> FloatArray:
    """Return true and false positives and false negatives, shape (run, object, 3)."""
    counts = np.zeros((len(runs), len(objects), 3))
    for entry in values["runs"]:
        numbers = entry["counts"]
        counts[runs.index(entry["run"]), objects.index(entry["object"])] = [
            numbers["true_positives"],
            numbers["false_positives"],
            numbers["false_negatives"],
        ]
    return counts


def _counted(
    values: Mapping[str, Any], runs: Sequence[str], objects: Sequence[str]
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return which runs count for which object, shape (run, object)."""
    counted = np.zeros((len(runs), len(objects)), dtype=np.bool_)
    for entry in values["runs"]:
        counted[runs.index(entry["run"]), objects.index(entry["object"])] = True
    return counted


def changed_picks(
    first: Mapping[str, Any], before: PickTable, after: PickTable
) -> list[dict[str, Any]]:
    """Return the picks whose fate differs between two evaluations, one row a pick.

    Parameters
    ----------
    first : mapping
        Content of ``scores.json`` of the first evaluation.
    before, after : PickTable
        Picks of both.

    Raises
    ------
    DataError
        If their reference picks differ.
    """
    rows = []
    for entry in first["objects"]:
        name, tolerance = entry["object"], entry["tolerance_angstrom"]
        rows += _changed_references(before, after, name)
        if tolerance is not None:
            gone = _only_false(before, after, name, tolerance)
            new = _only_false(after, before, name, tolerance)
            rows += [_row(after, at, "new false") for at in new]
            rows += [_row(before, at, "gone false") for at in gone]
    return sorted(rows, key=lambda row: (row["run"], row["object"], row["change"]))


def _changed_references(first: PickTable, second: PickTable, name: str) -> list[dict[str, Any]]:
    here, there = (picks.rows("reference", object_name=name) for picks in (first, second))
    same = len(here) == len(there) and (first.run_name[here] == second.run_name[there]).all()
    if not same or not np.array_equal(first.points_xyz[here], second.points_xyz[there]):
        msg = f"{name}: the reference picks of the two evaluations differ"
        raise DataError(msg)
    rows = []
    for a, b in zip(here.tolist(), there.tolist(), strict=True):
        before, after = str(first.status[a]), str(second.status[b])
        if before == "missed" and after == "matched":
            rows.append(_row(first, a, "found"))
        elif before == "matched" and after == "missed":
            rows.append(_row(first, a, "lost"))
    return rows


def _only_false(own: PickTable, other: PickTable, name: str, tolerance: float) -> list[int]:
    """Return the rows of false candidates that have no candidate of the other near them."""
    rows = own.rows("candidate", *FALSE, object_name=name)
    others = other.rows("candidate", object_name=name)
    alone: list[int] = []
    for run_name in np.unique(own.run_name[rows]):
        here = rows[own.run_name[rows] == run_name]
        there = others[other.run_name[others] == run_name]
        far = without_near(own.points_xyz[here], other.points_xyz[there], tolerance)
        alone += here[far].tolist()
    return alone


def _row(picks: PickTable, at: int, change: str) -> dict[str, Any]:
    x, y, z = (f"{value:.3f}" for value in picks.points_xyz[at].tolist())
    score = picks.score[at]
    return {
        "run": str(picks.run_name[at]),
        "object": str(picks.object_name[at]),
        "change": change,
        "x_angstrom": x,
        "y_angstrom": y,
        "z_angstrom": z,
        "score": f"{score:.6g}" if np.isfinite(score) else "",
    }
