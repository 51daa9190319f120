"""Executors: one run after the other, in overlapping stages, or elsewhere.

A run that fails never stops the others and never looks like an empty result. Where an
:class:`Executor` computes, how often it retries and how it talks to its workers is its own affair.
"""

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from copick_picker.errors import CopickPickerError
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.summary import Summary
from copick_picker.records.runs import RunOutcome

logger = logging.getLogger(__name__)

Given = TypeVar("Given")
Made = TypeVar("Made")
Item = TypeVar("Item")
Returned = TypeVar("Returned")


class Stages(Protocol[Given, Made]):
    """The work on a run in three steps, which overlap those of other runs.

    A step may return the run's outcome at once; the later steps are then skipped.
    """

    def read(self, run_name: str) -> Given | RunOutcome:
        """Return what is to be computed."""
        ...

    def compute(self, given: Given) -> Made | RunOutcome:
        """Compute it; the only step in the calling thread."""
        ...

    def finish(self, made: Made) -> RunOutcome:
        """Wait until it is written."""
        ...

    def stop(self) -> None:
        """Remove what was begun and will not be finished."""
        ...


class Executor(Protocol):
    """Carries out the work on runs: here, in worker processes, or on a cluster."""

    def outcomes(self, run_names: Sequence[str], reporter: Reporter) -> tuple[RunOutcome, ...]:
        """Return the outcome of every run, in the order of the runs; report each as it ends."""
        ...


def process_runs(
    command: str, run_names: Sequence[str], executor: Executor, *, reporter: Reporter
) -> Summary:
    """Return the summary of all runs.

    Parameters
    ----------
    command : str
        Name of the command.
    run_names : sequence of str
        The runs, in order.
    executor : Executor
        Carries out the work.
    reporter : Reporter
        Receives progress.
    """
    start = time.perf_counter()
    reporter.begin(len(run_names))
    outcomes = executor.outcomes(run_names, reporter)
    return Summary(command, outcomes, time.perf_counter() - start)


@dataclass(frozen=True)
class InTurn:
    """Works on one run after the other in this process; a run that raises has failed.

    Attributes
    ----------
    work : callable
        Run name -> outcome.
    """

    work: Callable[[str], RunOutcome]

    def outcomes(self, run_names: Sequence[str], reporter: Reporter) -> tuple[RunOutcome, ...]:
        """Return the outcome of every run."""
        outcomes = []
        for done, run_name in enumerate(run_names, 1):
            began = time.perf_counter()
            outcomes.append(guarded(run_name, self.work))
            seconds = time.perf_counter() - began
            reporter.outcome(outcomes[-1], done=done, total=len(run_names), seconds=seconds)
        return tuple(outcomes)


@dataclass(frozen=True)
class InStages(Generic[Given, Made]):
    """Reads a run while the one before it is computed and the one before that is written.

    Reading and finishing have a thread each. At most one run is read ahead, and at most one is
    being finished while the next is computed. A stage that raises fails its own run; the others go
    on. After an interrupt, what is being finished is finished and the rest is stopped.

    Attributes
    ----------
    stages : Stages
        The work on a run.
    """

    stages: Stages[Given, Made]

    def outcomes(self, run_names: Sequence[str], reporter: Reporter) -> tuple[RunOutcome, ...]:
        """Return the outcome of every run; the finishing thread reports them."""
        stages, total = self.stages, len(run_names)

        def finished(run_name: str, made: Made | RunOutcome, done: int, began: float) -> RunOutcome:
            outcome = staged(run_name, made, stages.finish)
            reporter.outcome(outcome, done=done, total=total, seconds=time.perf_counter() - began)
            return outcome

        def read(run_name: str) -> Given | RunOutcome:
            return guarded(run_name, stages.read)

        finishing: list[Future[RunOutcome]] = []
        try:
            with (
                ThreadPoolExecutor(1, "read") as reader,
                ThreadPoolExecutor(1, "finish") as finisher,
            ):
                ahead = [reader.submit(read, name) for name in run_names[:1]]
                for number, run_name in enumerate(run_names):
                    began = time.perf_counter()
                    given = ahead.pop().result()
                    ahead = [reader.submit(read, each) for each in run_names[number + 1 :][:1]]
                    made = staged(run_name, given, stages.compute)
                    finishing.append(finisher.submit(finished, run_name, made, number + 1, began))
                    if number:
                        finishing[-2].result()
                return tuple(future.result() for future in finishing)
        except BaseException:
            stages.stop()
            raise


def staged(
    run_name: str, given: Item | RunOutcome, stage: Callable[[Item], Returned | RunOutcome]
) -> Returned | RunOutcome:
    """Return the result of a stage; an outcome from an earlier stage is passed on.

    Parameters
    ----------
    run_name : str
        The run.
    given : object or RunOutcome
        Result of the stage before.
    stage : callable
        The stage.
    """
    if isinstance(given, RunOutcome):
        return given
    return guarded(run_name, lambda _: stage(given))


def guarded(run_name: str, work: Callable[[str], Returned | RunOutcome]) -> Returned | RunOutcome:
    """Return the result of the work on one run; a failed outcome if it raises.

    Parameters
    ----------
    run_name : str
        The run.
    work : callable
        Run name -> outcome, or the input of the next stage.
    """
    try:
        return work(run_name)
    except CopickPickerError as error:
        logger.debug("run %s failed", run_name, exc_info=True)
        return RunOutcome(run_name, "failed", str(error).removeprefix(f"run {run_name}: "))
    except Exception as error:
        logger.exception("run %s failed unexpectedly", run_name)
        text = " ".join(str(error).split()) or "no message"
        return RunOutcome(run_name, "failed", f"{type(error).__name__}: {text}")
