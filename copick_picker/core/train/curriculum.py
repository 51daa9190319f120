"""Stages of a training: which source each patch comes from, as a function of (seed, batch)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from copick_picker.core.train.augmentations import stream


@dataclass(frozen=True)
class Stage:
    """A stage of a curriculum.

    Attributes
    ----------
    first_step : int
        Step of the optimiser at which it begins.
    sources : tuple of int
        Numbers of the sources of its patches.
    shares : tuple of float
        Share of each source, above 0; they sum to 1.
    """

    first_step: int
    sources: tuple[int, ...]
    shares: tuple[float, ...]


def stage_at(stages: Sequence[Stage], step: int) -> Stage:
    """Return the stage of a step; the last one has no end.

    Parameters
    ----------
    stages : sequence of Stage
        In order; the first begins at step 0.
    step : int
        Steps of the optimiser done.

    Examples
    --------
    >>> stages = [Stage(0, (0,), (1.0,)), Stage(10, (1,), (1.0,))]
    >>> [stage_at(stages, step).sources for step in (0, 9, 10, 99)]
    [(0,), (0,), (1,), (1,)]
    """
    return [stage for stage in stages if stage.first_step <= step][-1]


def sources_of_rows(stage: Stage, batch_size: int, *, seed: int, number: int) -> list[int]:
    """Return the source of each patch of a batch.

    Parameters
    ----------
    stage : Stage
        The stage of the batch.
    batch_size : int
        Patches of the batch.
    seed : int
        Seed of the training.
    number : int
        Number of the batch, from 0.
    """
    ends = np.cumsum(stage.shares)
    draws = [stream(seed, number, row, "source").random() for row in range(batch_size)]
    last = len(stage.sources) - 1
    places = np.minimum(np.searchsorted(ends, draws, side="right"), last)
    return [stage.sources[int(place)] for place in places]


def tomogram_set(number: int, *, lanes: int, batches: int) -> tuple[int, int]:
    """Return which set of simulated tomograms a batch is cut from: its lane and number there.

    Batches take turns in the lanes, so that a process that makes every second or fourth batch meets
    only its own lanes.

    Parameters
    ----------
    number : int
        Number of the batch, from 0.
    lanes : int
        Lanes.
    batches : int
        Batches of a lane that one set serves.

    Examples
    --------
    >>> [tomogram_set(number, lanes=2, batches=2) for number in range(6)]
    [(0, 0), (1, 0), (0, 0), (1, 0), (0, 1), (1, 1)]
    """
    return number % lanes, number // (lanes * batches)
