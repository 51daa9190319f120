"""Splits into training and validation runs; always whole runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from copick_picker.errors import DataError, SettingsError, UnknownNameError, choices_text

Counts = Mapping[str, Mapping[str, int]]
"""Run name -> object name -> number of reference picks (or 1 for a mask)."""


@dataclass(frozen=True)
class Split:
    """Two disjoint sets of runs.

    Attributes
    ----------
    training, validation : tuple of str
        Names of runs.
    """

    training: tuple[str, ...]
    validation: tuple[str, ...]


def fixed_split(counts: Counts, validation: Sequence[str]) -> Split:
    """Return the split with the validation runs that the user names.

    Parameters
    ----------
    counts : mapping
        Run name -> object name -> number of picks.
    validation : sequence of str
        Names of the validation runs; all others are trained on.

    Raises
    ------
    UnknownNameError
        If there is no such run.
    DataError
        If a side has no run, or lacks an object that the runs have.

    Examples
    --------
    >>> fixed_split({"a": {"x": 1}, "b": {"x": 2}, "c": {"x": 3}}, ["b"])
    Split(training=('a', 'c'), validation=('b',))
    """
    for name in validation:
        if name not in counts:
            msg = f"no run '{name}' among the training runs: {choices_text(counts)}"
            raise UnknownNameError(msg)
    _check_two_runs(counts)
    chosen = set(validation)
    split = Split(
        tuple(name for name in counts if name not in chosen),
        tuple(name for name in counts if name in chosen),
    )
    check_split(counts, split, "the split")
    return split


def share_split(counts: Counts, share: float, *, seed: int) -> Split:
    """Return a split with about this share of the runs for validation, at least one.

    Parameters
    ----------
    counts : mapping
        Run name -> object name -> number of picks.
    share : float
        Share of the runs, between 0 and 1.
    seed : int
        Seed of the choice.

    Raises
    ------
    SettingsError
        If the share is not between 0 and 1.
    DataError
        If there are fewer than two runs, or a side lacks an object that the runs have.

    Examples
    --------
    >>> counts = {name: {"x": 1} for name in "abcd"}
    >>> len(share_split(counts, 0.25, seed=1).validation)
    1
    """
    if not 0 < share < 1:
        msg = f"the validation share is {share:g}; expected a number between 0 and 1"
        raise SettingsError(msg)
    _check_two_runs(counts)
    n_validation = min(len(counts) - 1, max(1, round(share * len(counts))))
    sizes = [n_validation, len(counts) - n_validation]
    validation = set(_assigned(counts, sizes, seed)[0])
    split = Split(
        tuple(name for name in counts if name not in validation),
        tuple(name for name in counts if name in validation),
    )
    check_split(counts, split, "the split")
    return split


def fold_splits(counts: Counts, n_folds: int, *, seed: int) -> tuple[Split, ...]:
    """Return k splits; each run is in the validation of exactly one.

    Objects in few runs are assigned first, each run to the fold that has the fewest of that object,
    so that no fold lacks an object if avoidable: iterative stratification, Sechidis et al. 2011,
    https://doi.org/10.1007/978-3-642-23808-6_10, by presence.

    Parameters
    ----------
    counts : mapping
        Run name -> object name -> number of picks.
    n_folds : int
        Number of folds, from 2.
    seed : int
        Seed for breaking ties.

    Raises
    ------
    SettingsError
        If there are fewer than two folds, or more than runs.
    DataError
        If there are fewer than two runs, or an object is in no run of a fold; with both.

    Examples
    --------
    >>> counts = {"a": {"x": 1}, "b": {"x": 1, "y": 1}, "c": {"x": 1}, "d": {"x": 1, "y": 1}}
    >>> splits = fold_splits(counts, 2, seed=3)
    >>> [sum(counts[name].get("y", 0) for name in split.validation) for split in splits]
    [1, 1]
    """
    _check_two_runs(counts)
    if not 2 <= n_folds <= len(counts):
        msg = f"{n_folds} folds of {len(counts)} runs; expected 2 to {len(counts)}"
        raise SettingsError(msg)
    sizes = [len(counts) // n_folds + (fold < len(counts) % n_folds) for fold in range(n_folds)]
    splits = []
    for number, fold in enumerate(_assigned(counts, sizes, seed), 1):
        inside = set(fold)
        split = Split(
            tuple(name for name in counts if name not in inside),
            tuple(name for name in counts if name in inside),
        )
        check_split(counts, split, f"fold {number} of {n_folds}")
        splits.append(split)
    return tuple(splits)


def listed_splits(counts: Counts, folds: Mapping[str, int]) -> dict[int, Split]:
    """Return the split of each fold of a list: fold -> split, in the order of the folds.

    Parameters
    ----------
    counts : mapping
        Run name -> object name -> number of picks.
    folds : mapping
        Run name -> its fold, for each of these runs.

    Raises
    ------
    DataError
        If there are fewer than two folds, or an object is in no run of a side; with the fold.

    Examples
    --------
    >>> counts = {name: {"x": 1} for name in "abc"}
    >>> listed_splits(counts, {"a": 3, "b": 0, "c": 3})[3]
    Split(training=('b',), validation=('a', 'c'))
    """
    _check_two_runs(counts)
    numbers = sorted({folds[name] for name in counts})
    if len(numbers) < 2:
        msg = f"all {len(counts)} runs are in fold {numbers[0]}; expected at least two folds"
        raise DataError(msg)
    splits = {}
    for number in numbers:
        splits[number] = Split(
            tuple(name for name in counts if folds[name] != number),
            tuple(name for name in counts if folds[name] == number),
        )
        check_split(counts, splits[number], f"fold {number}")
    return splits


def check_split(counts: Counts, split: Split, what: str) -> None:
    """Raise if a side of a split is empty or lacks an object that the runs have.

    Parameters
    ----------
    counts : mapping
        Run name -> object name -> number of picks.
    split : Split
        Names of runs.
    what : str
        The split, for the message.

    Raises
    ------
    DataError
        With the object and the side.
    """
    objects = sorted({name for of_run in counts.values() for name, n in of_run.items() if n})
    for side, names in (("training", split.training), ("validation", split.validation)):
        if not names:
            msg = f"{what} leaves no run for {side}"
            raise DataError(msg)
        for name in objects:
            if not any(counts[run].get(name) for run in names):
                holders = [run for run in counts if counts[run].get(name)]
                msg = (
                    f"{what} has no '{name}' in its {side} runs ({choices_text(names)}): it "
                    f"is only in {choices_text(holders)}; exclude the object or use another "
                    "split"
                )
                raise DataError(msg)


def _assigned(counts: Counts, sizes: Sequence[int], seed: int) -> list[list[str]]:
    """Return the runs assigned to folds of these sizes, rare objects first."""
    names = [str(name) for name in np.random.default_rng(seed).permutation(sorted(counts))]
    objects = {name for of_run in counts.values() for name in of_run}
    holders = {name: [run for run in names if counts[run].get(name)] for name in sorted(objects)}
    folds: list[list[str]] = [[] for _ in sizes]
    left = set(names)
    for name in sorted(holders, key=lambda one: (len(holders[one]), one)):
        for run in holders[name]:
            if run in left:
                _assign(run, name, folds, sizes, counts)
                left.remove(run)
    for run in names:
        if run in left:
            _assign(run, None, folds, sizes, counts)
    return folds


def _assign(
    run: str,
    name: str | None,
    folds: list[list[str]],
    sizes: Sequence[int],
    counts: Counts,
) -> None:
    """Put a run into the fold with room that has the smallest share of an object."""

    def need(number: int) -> tuple[float, float, int]:
        held = 0 if name is None else sum(bool(counts[one].get(name)) for one in folds[number])
        return held / sizes[number], len(folds[number]) / sizes[number], number

    open_folds = [number for number, size in enumerate(sizes) if len(folds[number]) < size]
    folds[min(open_folds, key=need)].append(run)


def _check_two_runs(counts: Counts) -> None:
    if len(counts) < 2:
        msg = (
            f"there is only one run ({choices_text(counts)}): a model is validated on runs "
            "it was not trained on, so at least two are needed"
        )
        raise DataError(msg)
