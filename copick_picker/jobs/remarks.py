"""What is said in passing, kept until the end: warnings of the work and of what lies below it."""

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from copick_picker.jobs.reporter import Reporter
from copick_picker.records.runs import RunOutcome

_OF_A_RUN = re.compile(r"(?P<what>(\S+ of )?run )(?P<run>\S+): (?P<text>.*)")
PACKAGE = "copick_picker"
MOST_LINES = 20
"""Warnings that the end of a command repeats; ``--json`` holds all."""


class Remembering:
    """A reporter that passes everything on and keeps the warnings.

    Parameters
    ----------
    inner : Reporter
        Receives everything.

    Attributes
    ----------
    warnings : list of str
        Every warning once, in the order in which they came.
    """

    def __init__(self, inner: Reporter) -> None:
        self._inner = inner
        self.warnings: list[str] = []
        self._known: set[str] = set()

    def note(self, text: str) -> None:
        """Pass on one line."""
        self._inner.note(text)

    def warn(self, text: str) -> None:
        """Keep a warning and pass it on."""
        self.keep(text)
        self._inner.warn(text)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Pass on a table."""
        self._inner.table(title, columns, rows)

    def begin(self, total: int) -> None:
        """Pass on the start of the work."""
        self._inner.begin(total)

    def progress(self, run_name: str, *, done: int, total: int, unit: str) -> None:
        """Pass on how far a run is."""
        self._inner.progress(run_name, done=done, total=total, unit=unit)

    def outcome(self, outcome: RunOutcome, *, done: int, total: int, seconds: float) -> None:
        """Keep what a run's outcome warns of and pass the outcome on."""
        for text in outcome.warnings:
            self.keep(f"run {outcome.run_name}: {text}")
        self._inner.outcome(outcome, done=done, total=total, seconds=seconds)

    def keep(self, text: str) -> None:
        """Keep a warning that is shown already, once of a run whatever stands before its name."""
        line = " ".join(text.split())
        about = _OF_A_RUN.fullmatch(line)
        known = line if about is None else f"{about['run']}: {about['text']}"
        if known not in self._known:
            self._known.add(known)
            self.warnings.append(line)


class _KeptRecords(logging.Handler):
    """Keeps what the package logs as a warning; tracebacks of failed runs are left out."""

    def __init__(self, reporter: Remembering) -> None:
        super().__init__(logging.WARNING)
        self._reporter = reporter

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info is None and record.exc_text is None:
            self._reporter.keep(record.getMessage())


@contextmanager
def remembered(reporter: Reporter) -> Iterator[Remembering]:
    """Yield a reporter that keeps all warnings of the block, logged ones included.

    Parameters
    ----------
    reporter : Reporter
        Receives what is reported inside the block.
    """
    remembering = Remembering(reporter)
    handler = _KeptRecords(remembering)
    logger = logging.getLogger(PACKAGE)
    logger.addHandler(handler)
    try:
        yield remembering
    finally:
        logger.removeHandler(handler)


def _together(warnings: Sequence[str]) -> list[str]:
    """Return the warnings, those that say the same of several runs as one."""
    runs: dict[tuple[str, str], list[str]] = {}
    for warning in warnings:
        about = _OF_A_RUN.fullmatch(warning)
        key = ("", warning) if about is None else (about["what"], about["text"])
        runs.setdefault(key, []).append("" if about is None else about["run"])
    return [
        f"{what}{', '.join(names[:3])}{more}: {text}" if what else text
        for (what, text), names in runs.items()
        for more in [f" and {len(names) - 3} more" if len(names) > 3 else ""]
    ]


def warnings_text(warnings: Sequence[str]) -> str:
    """Return the lines that repeat the warnings at the end, empty where there are none.

    Parameters
    ----------
    warnings : sequence of str
        The warnings.

    Examples
    --------
    >>> print(warnings_text(["run TS_1: 3 of 8 chunks are not stored and read as zeros"]), end="")
    1 warning:
      run TS_1: 3 of 8 chunks are not stored and read as zeros
    """
    if not warnings:
        return ""
    number = len(warnings)
    lines = [f"{number} warning{'' if number == 1 else 's'}:"]
    shown = _together(warnings)
    lines += [f"  {text}" for text in shown[:MOST_LINES]]
    if len(shown) > MOST_LINES:
        lines.append(f"  and {len(shown) - MOST_LINES} more (all are in --json FILE and the log)")
    return "\n".join(lines) + "\n"
