"""The result of a command: one line on the terminal, an exit code, and the file of ``--json``."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import update_wrapper
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, cast

from copick_picker._version import __version__
from copick_picker.jobs.machine import machine_facts
from copick_picker.jobs.remarks import remembered, warnings_text
from copick_picker.jobs.result_files import write_result_json
from copick_picker.records.runs import RunOutcome


class Told(Protocol):
    """The result that a command reports at its end."""

    @property
    def exit_code(self) -> int:
        """Exit code of the process."""
        ...

    def text(self) -> str:
        """Return the last lines on the terminal."""
        ...

    def write(self, path: Path) -> None:
        """Write the machine-readable summary, safely."""
        ...


class WritesSummary(Protocol):
    """Settings of a command that takes ``--json``."""

    @property
    def json_file(self) -> Path | None:
        """Where the summary is written; None for no summary."""
        ...


Settings = TypeVar("Settings", bound=WritesSummary)
Outcome = TypeVar("Outcome", bound=Told)
Rest = ParamSpec("Rest")


@dataclass(frozen=True)
class Summary:
    """The result of a command that works run by run.

    Attributes
    ----------
    command : str
        Name of the command.
    outcomes : tuple of RunOutcome
        One per run, in the order of the runs.
    seconds : float
        Wall time of the work on the runs.
    figures : dict
        Further values for ``--json``.
    missed : tuple of str
        Scores below the limits of ``--fail-under``, in words.
    warnings : tuple of str
        What was warned of while the command worked.
    """

    command: str
    outcomes: tuple[RunOutcome, ...]
    seconds: float
    figures: dict[str, Any] = field(default_factory=dict)
    missed: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Number of runs by status."""
        return dict(Counter(outcome.status for outcome in self.outcomes))

    @property
    def n_failed(self) -> int:
        """Number of runs that failed."""
        return sum(outcome.status == "failed" for outcome in self.outcomes)

    @property
    def exit_code(self) -> int:
        """1 if a run failed, else 3 if a score is below its limit, else 0."""
        if self.n_failed:
            return 1
        return 3 if self.missed else 0

    def text(self) -> str:
        """Return the warnings again, if any, and the summary as one line."""
        words = [f"{number} {status}" for status, number in sorted(self.counts.items())]
        failed = [outcome.run_name for outcome in self.outcomes if outcome.status == "failed"]
        names = f" (failed: {', '.join(failed)})" if failed else ""
        runs = f"{len(self.outcomes)} run{'' if len(self.outcomes) == 1 else 's'}"
        missed = "".join(f"\n--fail-under missed: {entry}" for entry in self.missed)
        line = f"{self.command}: {runs}: {', '.join(words) or 'nothing to do'}{names}{missed}"
        return f"{warnings_text(self.warnings)}{line}"

    def write(self, path: Path) -> None:
        """Write the summary as JSON, safely.

        Raises
        ------
        ConflictError
            If the file exists and is not an earlier summary.
        """
        content = {
            "command": self.command,
            "version": __version__,
            "counts": self.counts,
            "seconds": round(self.seconds, 3),
            "machine": machine_facts(),
            **self.figures,
            "warnings": list(self.warnings),
            "runs": [
                {
                    "run": outcome.run_name,
                    "status": outcome.status,
                    "message": outcome.message,
                    "warnings": list(outcome.warnings),
                    **outcome.details,
                }
                for outcome in self.outcomes
            ],
        }
        write_result_json(path, content)


@dataclass(frozen=True)
class Result:
    """The result of a command that does not work run by run.

    Attributes
    ----------
    line : str
        Last lines on the terminal.
    exit_code : int
        Exit code of the process.
    content : dict
        Content for ``--json``.
    warnings : tuple of str
        What was warned of while the command worked.
    """

    line: str
    exit_code: int = 0
    content: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def text(self) -> str:
        """Return the last lines on the terminal."""
        return f"{warnings_text(self.warnings)}{self.line}"

    def write(self, path: Path) -> None:
        """Write the content as JSON, safely.

        Raises
        ------
        ConflictError
            If the file exists and is not an earlier result.
        """
        warned = {"warnings": list(self.warnings)} if self.warnings else {}
        write_result_json(path, {**self.content, **warned})


def summarised(
    workflow: Callable[Concatenate[Settings, Rest], Outcome],
) -> Callable[Concatenate[Settings, Rest], Outcome]:
    """Return the workflow extended to repeat its warnings and to write the file of ``--json``.

    Parameters
    ----------
    workflow : callable
        Settings of a command -> its result.
    """

    def run(settings: Settings, *rest: Any, **named: Any) -> Outcome:
        reporter = named.pop("reporter", None)
        if reporter is None:
            told = workflow(settings, *rest, **named)
        else:
            with remembered(reporter) as remembering:
                told = workflow(settings, *rest, **{**named, "reporter": remembering})
            told = _with_warnings(told, tuple(remembering.warnings))
        if settings.json_file is not None:
            told.write(settings.json_file)
        return told

    return cast("Callable[Concatenate[Settings, Rest], Outcome]", update_wrapper(run, workflow))


def _with_warnings(told: Outcome, warnings: tuple[str, ...]) -> Outcome:
    return replace(told, warnings=warnings) if isinstance(told, Summary | Result) else told
