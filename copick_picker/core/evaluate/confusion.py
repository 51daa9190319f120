"""Candidates of one object at reference picks of another."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from copick_picker.core.evaluate.by_tomogram import MISPLACED
from copick_picker.core.evaluate.pairs import FloatArray, IndexArray, find_pairs
from copick_picker.records.scores import RunObjectMatch, ScoredObject


def mark_confused(
    objects: Sequence[ScoredObject], matches: Sequence[RunObjectMatch]
) -> list[RunObjectMatch]:
    """Return the matches of a run with those false candidates marked that lie at another object.

    A false candidate is confused with the object of the nearest reference pick of another object,
    among those that it lies within that object's tolerance of.

    Parameters
    ----------
    objects : sequence of ScoredObject
        Objects of the matches, in their order.
    matches : sequence of RunObjectMatch
        All objects of one run.
    """
    if not any(len(match.reference_xyz) for match in matches):
        return list(matches)
    points = np.concatenate([match.reference_xyz for match in matches])
    owner = np.repeat(np.arange(len(matches)), [len(match.reference_xyz) for match in matches])
    tolerance = np.array([entry.tolerance_angstrom or 0.0 for entry in objects])[owner]
    names = np.array([entry.name for entry in objects])
    marked = []
    for index, match in enumerate(matches):
        false = np.flatnonzero(match.candidate_status == "false")
        elsewhere = owner != index
        nearest = _nearest_owner(
            points[elsewhere], owner[elsewhere], tolerance[elsewhere], match.candidate_xyz[false]
        )
        confused = nearest >= 0
        status = match.candidate_status.copy()
        status[false[confused]] = "confused"
        confused_with = match.confused_with.astype(names.dtype)
        confused_with[false[confused]] = names[nearest[confused]]
        marked.append(replace(match, candidate_status=status, confused_with=confused_with))
    return marked


def _nearest_owner(
    points_xyz: FloatArray, owner: IndexArray, tolerance: FloatArray, candidate_xyz: FloatArray
) -> IndexArray:
    """Return whose reference pick is nearest to each candidate, -1 where none is in reach."""
    nearest = np.full(len(candidate_xyz), -1, dtype=np.int64)
    if len(points_xyz) == 0 or len(candidate_xyz) == 0:
        return nearest
    pairs = find_pairs(points_xyz, candidate_xyz, reach_angstrom=float(tolerance.max()))
    limit = tolerance[pairs.reference]
    pairs = pairs.select(pairs.squared_distance <= limit * limit)
    farthest_first = np.lexsort((-pairs.reference, -pairs.squared_distance))
    nearest[pairs.candidate[farthest_first]] = owner[pairs.reference[farthest_first]]
    return nearest


def confusion_counts(matches: Iterable[RunObjectMatch]) -> dict[tuple[str, str], int]:
    """Return how many candidates of each object lie at references of each object.

    Parameters
    ----------
    matches : iterable of RunObjectMatch
        All runs and objects.

    Returns
    -------
    dict
        (object of the reference, object of the candidate) -> picks. An empty first name: at no
        reference of any object; an empty second name: missed references. Duplicates stand with
        their own object's matched candidates, so the entries of a candidate's object sum to its
        candidates that count.
    """
    counted: Counter[tuple[str, str]] = Counter()
    for match in matches:
        name, status = match.object_name, match.candidate_status
        own = np.count_nonzero((status == "matched") | (status == "duplicate"))
        counted[name, name] += int(own)
        counted["", name] += int(np.count_nonzero((status == "false") | (status == MISPLACED)))
        counted[name, ""] += int(np.count_nonzero(match.reference_status == "missed"))
        others, numbers = np.unique(match.confused_with[status == "confused"], return_counts=True)
        for other, number in zip(others.tolist(), numbers.tolist(), strict=True):
            counted[other, name] += number
    return {key: number for key, number in sorted(counted.items()) if number}
