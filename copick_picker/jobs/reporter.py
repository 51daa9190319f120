"""How a workflow speaks to whoever called it."""

from collections.abc import Sequence
from typing import Protocol

from copick_picker.records.runs import RunOutcome


class Reporter(Protocol):
    """Where a workflow's lines, tables and progress go."""

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
