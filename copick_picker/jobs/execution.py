"""Every command over the runs of a project goes through here.

Which runs, in which order; one run's failure never stops another's work nor looks like an empty
result; what happened is counted, shown and written.
"""

import fnmatch
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from copick_picker._version import __version__
from copick_picker.errors import (
    CopickPickerError,
    SettingsError,
    UnknownNameError,
    choices_text,
    nearest_name,
)
from copick_picker.jobs.machine import machine_facts
from copick_picker.jobs.result_files import write_result_json
from copick_picker.records.runs import ObjectSpec, RunOutcome

logger = logging.getLogger(__name__)

Given = TypeVar("Given")
Made = TypeVar("Made")
Item = TypeVar("Item")
Result = TypeVar("Result")


class Reporter(Protocol):
    """How a workflow speaks to whoever called it."""

    def note(self, text: str) -> None:
        """Say one line."""
        ...

    def warn(self, text: str) -> None:
        """Say one line that asks for attention."""
        ...

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Show a table."""
        ...

    def begin(self, total: int) -> None:
        """Say that work on so many runs begins."""
        ...

    def outcome(self, outcome: RunOutcome, *, done: int, total: int, seconds: float) -> None:
        """Say what became of a run, the done-th of total, after so many seconds of work."""
        ...


class Stages(Protocol[Given, Made]):
    """What is done with a run, in three steps that overlap those of other runs.

    A step may return the run's outcome at once; the later ones are then left out.
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
        """Leave nothing of what was made and will not be finished."""
        ...


@dataclass(frozen=True)
class Summary:
    """What a command did.

    Attributes
    ----------
    command : str
        Name of the command.
    outcomes : tuple of RunOutcome
        One a run, in order of the runs.
    seconds : float
        Wall time of the work on the runs.
    figures : dict
        Further figures for ``--json``.
    missed : tuple of str
        Scores below what the user asks for, in words.
    """

    command: str
    outcomes: tuple[RunOutcome, ...]
    seconds: float
    figures: dict[str, Any] = field(default_factory=dict)
    missed: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Number of runs by status."""
        return dict(Counter(outcome.status for outcome in self.outcomes))

    @property
    def exit_code(self) -> int:
        """1 where a run failed, else 3 where a score was missed, else 0."""
        if self.counts.get("failed"):
            return 1
        return 3 if self.missed else 0

    def text(self) -> str:
        """Return the summary as one line."""
        words = [f"{number} {status}" for status, number in sorted(self.counts.items())]
        failed = [outcome.run_name for outcome in self.outcomes if outcome.status == "failed"]
        names = f" (failed: {', '.join(failed)})" if failed else ""
        runs = f"{len(self.outcomes)} run{'' if len(self.outcomes) == 1 else 's'}"
        missed = "".join(f"\n--fail-under missed: {entry}" for entry in self.missed)
        return f"{self.command}: {runs}: {', '.join(words) or 'nothing to do'}{names}{missed}"

    def write(self, path: Path) -> None:
        """Write the summary as JSON, safely.

        Raises
        ------
        ConflictError
            If the file is something else than an earlier summary.
        """
        content = {
            "command": self.command,
            "version": __version__,
            "counts": self.counts,
            "seconds": round(self.seconds, 3),
            "machine": machine_facts(),
            **self.figures,
            "runs": [
                {
                    "run": outcome.run_name,
                    "status": outcome.status,
                    "message": outcome.message,
                    **outcome.details,
                }
                for outcome in self.outcomes
            ],
        }
        write_result_json(path, content)


def select_runs(
    names: Sequence[str], patterns: Sequence[str], *, shard: str | None = None
) -> list[str]:
    """Return the runs that the patterns mean, in the project's order.

    Parameters
    ----------
    names : sequence of str
        All runs of the project.
    patterns : sequence of str
        Names, globs, ``@file`` with a pattern a line, ``!pattern`` to leave out. Without any
        pattern, or with ``!pattern`` alone, all runs are meant.
    shard : str, optional
        ``i/n``: only every n-th run, from the i-th on.

    Raises
    ------
    UnknownNameError
        If a pattern fits no run; the nearest name and the runs are listed.
    """
    wanted: list[str] = []
    unwanted: list[str] = []
    for pattern in _expanded(patterns):
        (unwanted if pattern.startswith("!") else wanted).append(pattern.removeprefix("!"))
    chosen = set(names) if not wanted else set()
    for pattern in wanted:
        chosen |= _fitting(names, pattern)
    for pattern in unwanted:
        chosen -= _fitting(names, pattern)
    ordered = [name for name in names if name in chosen]
    if shard is not None:
        part, parts = (int(number) for number in shard.split("/"))
        ordered = ordered[part - 1 :: parts]
    return ordered


def named_runs(patterns: Sequence[str]) -> bool:
    """Return whether the user asked for runs by name, so that an absent input is a failure."""
    return any(not pattern.startswith("!") for pattern in _expanded(patterns))


def nothing_to_read(
    listing: Callable[[str], Sequence[object]], run_names: Sequence[str], uri: str, kind: str
) -> UnknownNameError:
    """Return the error for an input that no run has, with what the runs do have.

    Parameters
    ----------
    listing : callable
        Run name -> keys of this kind that the run has.
    run_names : sequence of str
        The runs that were meant.
    uri : str
        What the user asked for.
    kind : str
        ``tomogram``, ``segmentation``, ``reference pick set`` and so on.
    """
    found = sorted({str(key) for run_name in run_names for key in listing(run_name)})
    runs = f"none of the {len(run_names)} runs has"
    return UnknownNameError(f"{runs} a {kind} '{uri}'; they have: {choices_text(found[:20])}")


def check_labels_differ(labels: Mapping[str, int]) -> None:
    """Raise where two objects of a segmentation would have one label.

    Parameters
    ----------
    labels : mapping
        Object name -> label.

    Raises
    ------
    SettingsError
        Naming both objects. copick gives an object without a label the label 1.
    """
    first: dict[int, str] = {}
    for name, label in labels.items():
        if label in first:
            msg = (
                f"objects '{first[label]}' and '{name}' both have label {label}: give each its own "
                "in the project's configuration, or choose one with --objects"
            )
            raise SettingsError(msg)
        first[label] = name


def check_object_names(names: Iterable[str], specs: Mapping[str, ObjectSpec], option: str) -> None:
    """Raise where the user names an object that the project has not.

    Parameters
    ----------
    names : iterable of str
        What the user wrote.
    specs : mapping
        The project's objects by name.
    option : str
        The option, for the message.

    Raises
    ------
    UnknownNameError
        With the nearest name and the choices.
    """
    for name in names:
        if name not in specs:
            msg = (
                f"{option}: no object '{name}'{nearest_name(name, specs)}; "
                f"the project has: {choices_text(specs)}"
            )
            raise UnknownNameError(msg)


def process_runs(
    command: str,
    run_names: Sequence[str],
    work: Callable[[str], RunOutcome],
    *,
    reporter: Reporter,
) -> Summary:
    """Return what became of every run; a run that raises is recorded and the others go on.

    Parameters
    ----------
    command : str
        Name of the command.
    run_names : sequence of str
        The runs, in order.
    work : callable
        Run name -> outcome.
    reporter : Reporter
        Where progress goes.
    """
    start = time.perf_counter()
    reporter.begin(len(run_names))
    outcomes = []
    for done, run_name in enumerate(run_names, 1):
        began = time.perf_counter()
        outcome = guarded(run_name, work)
        outcomes.append(outcome)
        seconds = time.perf_counter() - began
        reporter.outcome(outcome, done=done, total=len(run_names), seconds=seconds)
    return Summary(command, tuple(outcomes), time.perf_counter() - start)


def process_in_stages(
    command: str, run_names: Sequence[str], stages: Stages[Given, Made], *, reporter: Reporter
) -> Summary:
    """Return what became of every run; a run is read while the one before it is computed.

    Reading and finishing have a thread each. At most one run is read ahead, and at most one is
    being finished while the next is computed. A stage that raises fails its own run; the others go
    on. After an interrupt, what is being finished is finished and the rest is stopped.

    Parameters
    ----------
    command : str
        Name of the command.
    run_names : sequence of str
        The runs, in order.
    stages : Stages
        What is done with a run.
    reporter : Reporter
        Where progress goes; outcomes come from the finishing thread, in order.
    """
    start = time.perf_counter()
    total = len(run_names)
    reporter.begin(total)

    def finished(run_name: str, made: Made | RunOutcome, done: int, began: float) -> RunOutcome:
        outcome = staged(run_name, made, stages.finish)
        reporter.outcome(outcome, done=done, total=total, seconds=time.perf_counter() - began)
        return outcome

    def read(run_name: str) -> Given | RunOutcome:
        return guarded(run_name, stages.read)

    finishing: list[Future[RunOutcome]] = []
    try:
        with ThreadPoolExecutor(1, "read") as reader, ThreadPoolExecutor(1, "finish") as finisher:
            ahead = [reader.submit(read, name) for name in run_names[:1]]
            for number, run_name in enumerate(run_names):
                began = time.perf_counter()
                given = ahead.pop().result()
                ahead = [reader.submit(read, name) for name in run_names[number + 1 : number + 2]]
                made = staged(run_name, given, stages.compute)
                finishing.append(finisher.submit(finished, run_name, made, number + 1, began))
                if number:
                    finishing[-2].result()
            outcomes = tuple(future.result() for future in finishing)
    except BaseException:
        stages.stop()
        raise
    return Summary(command, outcomes, time.perf_counter() - start)


def staged(
    run_name: str, given: Item | RunOutcome, stage: Callable[[Item], Result | RunOutcome]
) -> Result | RunOutcome:
    """Return what a stage makes of a run; an outcome that is known already stays.

    Parameters
    ----------
    run_name : str
        The run.
    given : object or RunOutcome
        What the stage before made.
    stage : callable
        The stage.
    """
    if isinstance(given, RunOutcome):
        return given
    return guarded(run_name, lambda _: stage(given))


def guarded(run_name: str, work: Callable[[str], Result | RunOutcome]) -> Result | RunOutcome:
    """Return what becomes of one run, a failed outcome where the work raises.

    Parameters
    ----------
    run_name : str
        The run.
    work : callable
        Run name -> outcome, or what a later stage makes one of.
    """
    try:
        return work(run_name)
    except CopickPickerError as error:
        logger.exception("run %s failed", run_name)
        return RunOutcome(run_name, "failed", str(error).removeprefix(f"run {run_name}: "))
    except Exception as error:
        logger.exception("run %s failed unexpectedly", run_name)
        text = " ".join(str(error).split()) or "no message"
        return RunOutcome(run_name, "failed", f"{type(error).__name__}: {text}")


def _expanded(patterns: Sequence[str]) -> list[str]:
    expanded: list[str] = []
    for pattern in patterns:
        if not pattern.startswith("@"):
            expanded.append(pattern)
            continue
        try:
            lines = Path(pattern[1:]).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            msg = f"cannot read the list of runs {pattern[1:]}: {error}"
            raise SettingsError(msg) from error
        expanded += [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    return expanded


def _fitting(names: Sequence[str], pattern: str) -> set[str]:
    if pattern in names:
        return {pattern}
    found = set(fnmatch.filter(names, pattern))
    if not found:
        shown = choices_text(names[:20]) + (", ..." if len(names) > 20 else "")
        msg = f"no run '{pattern}'{nearest_name(pattern, names)}; the project has: {shown}"
        raise UnknownNameError(msg)
    return found
