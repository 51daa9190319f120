"""How a workflow reports to its caller."""

import warnings
from collections.abc import Sequence
from typing import Protocol

from copick_picker.records.runs import RunOutcome


class Reporter(Protocol):
    """Where a workflow's lines, tables and progress go."""

    def note(self, text: str) -> None:
        """Show one line."""
        ...

    def warn(self, text: str) -> None:
        """Show one line as a warning."""
        ...

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Show a table."""
        ...

    def begin(self, total: int) -> None:
        """Announce the start of work on ``total`` runs."""
        ...

    def progress(self, run_name: str, *, done: int, total: int, unit: str) -> None:
        """Tell how far a run is: number done of total, and what is counted."""
        ...

    def outcome(self, outcome: RunOutcome, *, done: int, total: int, seconds: float) -> None:
        """Report the outcome of a run: number done of total, and its seconds of work."""
        ...


class Quiet:
    """Reporter of Python functions: silent, but for warnings, which are Python's own."""

    def note(self, text: str) -> None:
        """Do nothing."""

    def warn(self, text: str) -> None:
        """Issue a warning."""
        warnings.warn(text, stacklevel=2)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Do nothing."""

    def begin(self, total: int) -> None:
        """Do nothing."""

    def progress(self, run_name: str, *, done: int, total: int, unit: str) -> None:
        """Do nothing."""

    def outcome(self, outcome: RunOutcome, **_: float) -> None:
        """Warn of what a run's outcome warns of."""
        for text in outcome.warnings:
            self.warn(f"run {outcome.run_name}: {text}")
