"""What a benchmark remembers between two calls: which stages stand, and the time they took."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from copick_picker._version import __version__
from copick_picker.errors import CopickPickerError
from copick_picker.jobs.execution import Reporter
from copick_picker.jobs.machine import machine_facts
from copick_picker.jobs.result_files import write_result_json
from copick_picker.project.files import write_text
from copick_picker.project.folders.score_folder import read_json
from copick_picker.project.store import ProjectStore
from copick_picker.project.uris import matching
from copick_picker.records.runs import RunOutcome

_CANDIDATES = "candidates"


class Stages:
    """Which stages stand, by a hash of all that goes into each.

    Parameters
    ----------
    file : pathlib.Path
        Where this is kept.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known: dict[str, Any] = {}
        if file.exists():
            try:
                self._known = read_json(file)
            except CopickPickerError:  # a stage done twice is no harm
                self._known = {}

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of all candidates that the benchmark has begun with."""
        return tuple(self._known.get(_CANDIDATES, {}))

    @property
    def models(self) -> tuple[str, ...]:
        """Those of them that are models, whose picks the benchmark makes."""
        return tuple(
            label for label, kind in self._known.get(_CANDIDATES, {}).items() if kind == "model"
        )

    def begin(self, models: Iterable[str], also: Iterable[str]) -> None:
        """Remember the candidates before the work, to know later what is the benchmark's own.

        Parameters
        ----------
        models, also : iterable of str
            Labels of models, and of picks that are there already.
        """
        known = dict(self._known.get(_CANDIDATES, {}))
        known |= dict.fromkeys(also, "picks") | dict.fromkeys(models, "model")
        if known != self._known.get(_CANDIDATES):
            self._known[_CANDIDATES] = known
            self._write()

    def done(self, name: str, key: Mapping[str, Any]) -> bool:
        """Return whether a stage was done with just this.

        Parameters
        ----------
        name : str
            Name of the stage.
        key : mapping
            JSON values that go into it.
        """
        return self._known.get(name) == _hash(key)

    def mark(self, name: str, key: Mapping[str, Any]) -> None:
        """Remember that a stage is done.

        Parameters
        ----------
        name : str
            Name of the stage.
        key : mapping
            JSON values that went into it.
        """
        self._known[name] = _hash(key)
        self._write()

    def _write(self) -> None:
        write_text(self._file, json.dumps(self._known, indent=1, sort_keys=True) + "\n")


class TimedReporter:
    """A reporter that also keeps how long each run took, over interrupted calls too.

    Parameters
    ----------
    inner : Reporter
        Where everything is said.
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
        """Say one line."""
        self._inner.note(text)

    def warn(self, text: str) -> None:
        """Say one line that asks for attention."""
        self._inner.warn(text)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Show a table."""
        self._inner.table(title, columns, rows)

    def begin(self, total: int) -> None:
        """Say that work on so many runs begins."""
        self._inner.begin(total)

    def outcome(self, outcome: RunOutcome, *, done: int, total: int, seconds: float) -> None:
        """Say what became of a run; remember its time, on disk, where it was done now."""
        self._inner.outcome(outcome, done=done, total=total, seconds=seconds)
        if outcome.status == "done":
            self._seconds[outcome.run_name] = seconds

    def write(self) -> None:
        """Write the times of the runs that were done now beside those of earlier calls."""
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
    """Return a hash of the pick sets that URIs mean: positions and scores, or portal annotations.

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
            for key in matching(store.picks(run_name), uri, "picks"):
                content.update(f"{uri}\n{run_name}\n{key}\n{key.origin}\n".encode())
                if key.origin is None:  # annotations of the portal never change under their number
                    picks = store.read_picks(run_name, key)
                    content.update(picks.points_xyz.tobytes() + picks.scores.tobytes())
    return content.hexdigest()[:16]


def _hash(key: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
