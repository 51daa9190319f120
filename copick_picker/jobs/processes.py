"""Worker processes: one for each device, or several on one CPU.

The largest runs go first, each to a free worker. The run of a worker that dies returns to the queue
and the worker is replaced; a run that exhausts a device's memory is retried with half as many
windows at once. A run that keeps failing is reported as failed, as in one process.
"""

import copy
import logging
import logging.handlers
import multiprocessing
import queue
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

from copick_picker.errors import CopickPickerError
from copick_picker.jobs.placement import Attempt, MakeWork, Place, RetryPolicy, attempted
from copick_picker.jobs.reporter import Reporter
from copick_picker.records.runs import RunOutcome

PACKAGE = "copick_picker"
TELL_SECONDS = 0.2
"""How long a worker waits before it tells again how far it is."""
LEAVE_SECONDS = 10.0
"""How long a worker may take to exit after an interrupt."""


@dataclass(frozen=True)
class Processes:
    """Processes runs in one worker process per place.

    Attributes
    ----------
    make : callable
        Called in each worker; returns the work on a run.
    places : sequence of Place
        Where the workers compute.
    sizes : mapping
        Run name -> voxels; the largest run starts first.
    retries : RetryPolicy
        How often a run is tried.
    """

    make: MakeWork
    places: Sequence[Place]
    sizes: Mapping[str, int]
    retries: RetryPolicy = field(default_factory=RetryPolicy)

    def outcomes(self, run_names: Sequence[str], reporter: Reporter) -> tuple[RunOutcome, ...]:
        """Return the outcome of every run; each is reported as it ends, in any order."""
        by_size = sorted(run_names, key=lambda name: -self.sizes.get(name, 0))
        pool = _Pool(self, deque(Attempt(name, 0) for name in by_size), len(run_names), reporter)
        try:
            pool.work(self.places[: len(run_names)])
        finally:
            pool.leave()
        return tuple(pool.outcomes[name] for name in run_names)


@dataclass(eq=False)
class _Worker:
    """A worker process as its parent sees it."""

    place: Place
    process: SpawnProcess
    link: "Connection[Any, Any]"
    attempt: Attempt | None = None
    is_ready: bool = False
    began: float = field(default_factory=time.perf_counter)

    def give(self, attempt: Attempt) -> None:
        self.attempt, self.began = attempt, time.perf_counter()
        self.link.send(attempt)


class _Pool:
    """The workers, the waiting runs, and the outcomes so far."""

    def __init__(
        self, given: Processes, pending: deque[Attempt], total: int, reporter: Reporter
    ) -> None:
        self.given = given
        self.pending = pending
        self.total = total
        self.reporter = reporter
        self.outcomes: dict[str, RunOutcome] = {}
        self.workers: list[_Worker] = []

    def work(self, places: Sequence[Place]) -> None:
        self.workers = [_start(self.given.make, place) for place in places]
        while len(self.outcomes) < self.total:
            for worker in self.workers:
                if worker.is_ready and worker.attempt is None and self.pending:
                    worker.give(self.pending.popleft())
            for link in wait([worker.link for worker in self.workers]):
                worker = next(each for each in self.workers if each.link is link)
                try:
                    kind, content = worker.link.recv()
                except (EOFError, OSError):
                    self._replace_dead(worker)
                else:
                    self._receive(worker, kind, content)

    def _receive(self, worker: _Worker, kind: str, content: Any) -> None:  # noqa: ANN401 (of any kind)
        """Handle a message from a worker."""
        if kind == "ready":
            worker.is_ready = True
        elif kind == "log":
            logging.getLogger(content.name).handle(content)
        elif kind == "progress":
            run_name, done, total, unit = content
            self.reporter.progress(run_name, done=done, total=total, unit=unit)
        elif kind == "outcome" and worker.attempt is not None:
            outcome, lacked_memory = content
            attempt, worker.attempt = worker.attempt, None
            if lacked_memory and self.given.retries.allows(attempt):
                why = f"out of memory on {worker.place.device}"
                self._retry(attempt, f"{why}; tried again with half as many windows at once")
            else:
                self._end(outcome, worker)
        else:
            getattr(self.reporter, kind)(content)

    def _replace_dead(self, worker: _Worker) -> None:
        """Replace a worker that died; its run is queued again or counts as failed."""
        worker.process.join()
        self.workers.remove(worker)
        code = worker.process.exitcode or 0
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        text = f"the worker on {worker.place.device} died ({how})"
        attempt = worker.attempt
        if attempt is not None and self.given.retries.allows(attempt):
            self._retry(attempt, f"{text}; tried again")
        elif attempt is not None:
            tried = f"{text}, {attempt.tries + 1} times"
            self._end(RunOutcome(attempt.run_name, "failed", tried), worker)
        if worker.is_ready and len(self.outcomes) < self.total:
            self.workers.append(_start(self.given.make, worker.place))
        elif not self.workers:
            while self.pending:
                name = self.pending.popleft().run_name
                self._end(RunOutcome(name, "failed", f"{text} before it could begin"), worker)

    def _retry(self, attempt: Attempt, why: str) -> None:
        self.reporter.warn(f"run {attempt.run_name}: {why}")
        self.pending.append(attempt.next())

    def _end(self, outcome: RunOutcome, worker: _Worker) -> None:
        self.outcomes[outcome.run_name] = outcome
        seconds = time.perf_counter() - worker.began
        done = len(self.outcomes)
        self.reporter.outcome(outcome, done=done, total=self.total, seconds=seconds)

    def leave(self) -> None:
        """Release idle workers and terminate the others, as after an interrupt."""
        for worker in self.workers:
            if worker.attempt is not None or not worker.is_ready:
                worker.process.terminate()
            worker.link.close()
        for worker in self.workers:
            worker.process.join(LEAVE_SECONDS)
            worker.process.kill()
            worker.process.join()


def _start(make: MakeWork, place: Place) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    level = logging.getLogger(PACKAGE).getEffectiveLevel()
    process = context.Process(target=_serve, args=(make, place, theirs, level), daemon=True)
    process.start()
    theirs.close()
    return _Worker(place, process, ours)


class _Link:
    """A worker's connection to its parent, shared by all its threads."""

    def __init__(self, connection: "Connection[Any, Any]") -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def send(self, kind: str, content: Any = None) -> None:  # noqa: ANN401 (of any kind)
        with self._lock:
            self._connection.send((kind, content))


class _WorkerReporter:
    """Reporter of a worker: forwards to the parent's reporter."""

    def __init__(self, link: _Link) -> None:
        self._link = link
        self._told = 0.0

    def note(self, text: str) -> None:
        """Show one line."""
        self._link.send("note", text)

    def warn(self, text: str) -> None:
        """Show one line as a warning."""
        self._link.send("warn", text)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Do nothing; the parent does it."""

    def begin(self, total: int) -> None:
        """Do nothing; the parent does it."""

    def progress(self, run_name: str, *, done: int, total: int, unit: str) -> None:
        """Tell the parent how far a run is, not too often."""
        now = time.monotonic()
        if done >= total or now - self._told >= TELL_SECONDS:
            self._told = now
            self._link.send("progress", (run_name, done, total, unit))

    def outcome(self, outcome: RunOutcome, *, done: int, total: int, seconds: float) -> None:
        """Do nothing; the parent does it."""


class _ParentLogHandler(logging.handlers.QueueHandler):
    """Sends log records to the parent, which owns the log file."""

    def __init__(self, link: _Link) -> None:
        super().__init__(queue.SimpleQueue())
        self._link = link

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """Return a picklable record; its traceback is kept apart, for the log file only."""
        text = logging.Formatter().formatException(record.exc_info) if record.exc_info else None
        sent = copy.copy(record)
        sent.msg, sent.args, sent.exc_info, sent.exc_text = record.getMessage(), None, None, text
        return sent

    def enqueue(self, record: logging.LogRecord) -> None:
        self._link.send("log", record)


def _serve(
    make: MakeWork, place: Place, connection: "Connection[Any, Any]", log_level: int
) -> None:
    """Process runs until the parent has no more: the main loop of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides, by SIGTERM
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    link = _Link(connection)
    package = logging.getLogger(PACKAGE)
    package.addHandler(_ParentLogHandler(link))
    package.setLevel(log_level)
    package.propagate = False
    try:
        work = make(place, _WorkerReporter(link))
    except CopickPickerError as error:
        link.send("warn", f"no worker on {place.device}: {error}")
        return
    link.send("ready")
    while True:
        try:
            attempt = connection.recv()
        except EOFError:
            return
        link.send("outcome", attempted(work, attempt))
