"""What a benchmark stores between two calls: finished stages and the time they took."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from copick_picker._version import __version__
from copick_picker.jobs.machine import machine_facts
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.result_files import write_result_json
from copick_picker.project.folders.score_folder import read_json
from copick_picker.project.store import ProjectStore
from copick_picker.project.uris import picks_query
from copick_picker.records.runs import RunOutcome


class TimedReporter:
    """A reporter that also records the time of each run, across interrupted calls.

    Parameters
    ----------
    inner : Reporter
        Receives progress and messages.
    file : pathlib.Path
        Where the times are kept, in the form of ``--json``.
    command : str
        Name of the command.
    """

    def __init__(self, inner: Reporter, file: Path, command: str) -> None:
        self._inner = inner
        self._file = file
        self._command = command
        self._seconds: dict[str, float] = {}

    def note(self, text: str) -> None:
        """Show one line."""
        self._inner.note(text)

    def warn(self, text: str) -> None:
        """Show one line as a warning."""
        self._inner.warn(text)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Show a table."""
        self._inner.table(title, columns, rows)

    def begin(self, total: int) -> None:
        """Announce the start of work on ``total`` runs."""
        self._inner.begin(total)

    def progress(self, run_name: str, *, done: int, total: int, unit: str) -> None:
        """Tell how far a run is."""
        self._inner.progress(run_name, done=done, total=total, unit=unit)

    def outcome(self, outcome: RunOutcome, *, done: int, total: int, seconds: float) -> None:
        """Report the outcome of a run; store its time on disk if it was done now."""
        self._inner.outcome(outcome, done=done, total=total, seconds=seconds)
        if outcome.status == "done":
            self._seconds[outcome.run_name] = seconds

    def write(self) -> None:
        """Write the times of the runs done now, together with those of earlier calls."""
        if not self._seconds:
            return
        earlier = read_json(self._file) if self._file.exists() else {}
        seconds = {entry["run"]: float(entry["seconds"]) for entry in earlier.get("runs", ())}
        seconds |= self._seconds
        content = {
            "command": self._command,
            "version": __version__,
            "counts": {"done": len(seconds)},
            "seconds": round(sum(seconds.values()), 3),
            "machine": machine_facts(),
            "runs": [
                {"run": name, "seconds": round(value, 3)} for name, value in sorted(seconds.items())
            ],
        }
        write_result_json(self._file, content)


def picks_fingerprint(store: ProjectStore, run_names: Sequence[str], uris: Sequence[str]) -> str:
    """Return a hash of the matching pick sets: positions and scores, or portal annotations.

    Parameters
    ----------
    store : ProjectStore
        The project.
    run_names : sequence of str
        The runs.
    uris : sequence of str
        Picks URIs.
    """
    content = hashlib.sha256()
    for uri in uris:
        for run_name in run_names:
            for key in picks_query(uri).matching(store.picks(run_name)):
                content.update(f"{uri}\n{run_name}\n{key}\n{key.origin}\n".encode())
                if key.origin is None:  # a portal annotation never changes under its number
                    picks = store.read_picks(run_name, key)
                    content.update(picks.points_xyz.tobytes() + picks.scores.tobytes())
    return content.hexdigest()[:16]
