"""What an executor needs besides its transport: where to compute and how often to retry."""

from collections.abc import Callable
from dataclasses import dataclass

from copick_picker.errors import DeviceMemoryError
from copick_picker.jobs.execution import guarded
from copick_picker.jobs.reporter import Reporter
from copick_picker.records.runs import RunOutcome

MOST_TRIES = 3


@dataclass(frozen=True)
class Place:
    """Where a worker computes.

    Attributes
    ----------
    device : str
        ``cpu``, ``cuda:1``.
    threads : int
        CPU threads of the worker.
    """

    device: str
    threads: int


@dataclass(frozen=True)
class Attempt:
    """A run on its way to a worker.

    Attributes
    ----------
    run_name : str
        The run.
    tries : int
        Earlier attempts.
    """

    run_name: str
    tries: int

    def next(self) -> "Attempt":
        """Return the attempt that follows this one."""
        return Attempt(self.run_name, self.tries + 1)


@dataclass(frozen=True)
class RetryPolicy:
    """How often a run is tried before it counts as failed.

    Attributes
    ----------
    most_tries : int
        Attempts in all.
    """

    most_tries: int = MOST_TRIES

    def allows(self, attempt: Attempt) -> bool:
        """Return whether a run may be tried once more after this attempt."""
        return attempt.tries + 1 < self.most_tries


Work = Callable[[str, int], RunOutcome]
"""Run name and how often to halve the window batch -> outcome."""
MakeWork = Callable[[Place, Reporter], Work]
"""Called once in each worker; must be picklable."""


def attempted(work: Work, attempt: Attempt) -> tuple[RunOutcome, bool]:
    """Return a run's outcome, and whether the device ran out of memory.

    Parameters
    ----------
    work : callable
        The work on a run.
    attempt : Attempt
        The run and its number of earlier attempts.
    """
    lacked_memory = False

    def once(run_name: str) -> RunOutcome:
        nonlocal lacked_memory
        try:
            return work(run_name, attempt.tries)
        except DeviceMemoryError:
            lacked_memory = True
            raise

    return guarded(attempt.run_name, once), lacked_memory
