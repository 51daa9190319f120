"""Runs dealt out to worker processes: one for each device, or several on one CPU.

The largest runs go first, each to the worker that is free. A worker that dies gives its run back to
the queue and is replaced; a run that a device has no memory for is tried again with half as many
windows at once. What failed that often is reported as failed, as in one process.
"""

import copy
import logging
import logging.handlers
import multiprocessing
import os
import queue
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

from copick_picker.errors import CopickPickerError, DeviceMemoryError
from copick_picker.jobs.execution import Reporter, Summary, guarded
from copick_picker.records.runs import RunOutcome

PACKAGE = "copick_picker"
MOST_TRIES = 3
"""How often a run is begun before it counts as failed."""
LEAVE_SECONDS = 10.0
"""How long a worker may take to leave when the command is interrupted."""


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


Work = Callable[[str, int], RunOutcome]
"""Run name and how often the window batch is to be halved -> outcome."""
MakeWork = Callable[[Place, Reporter], Work]
"""Called once in each worker; can be pickled."""


@dataclass(frozen=True)
class _Task:
    run_name: str
    tries: int


def process_in_workers(
    command: str,
    run_names: Sequence[str],
    make: MakeWork,
    places: Sequence[Place],
    *,
    sizes: Mapping[str, int],
    reporter: Reporter,
) -> Summary:
    """Return what became of every run, worked on by one process for each place.

    Parameters
    ----------
    command : str
        Name of the command.
    run_names : sequence of str
        The runs.
    make : callable
        Makes in each worker what works on a run.
    places : sequence of Place
        Where the workers compute.
    sizes : mapping
        Run name -> voxels; the largest run is begun first.
    reporter : Reporter
        Where progress goes; outcomes come as runs end.
    """
    start = time.perf_counter()
    reporter.begin(len(run_names))
    by_size = sorted(run_names, key=lambda name: -sizes.get(name, 0))
    crew = _Crew(make, deque(_Task(name, 0) for name in by_size), len(run_names), reporter)
    try:
        crew.work(places[: len(run_names)])
    finally:
        crew.leave()
    outcomes = tuple(crew.outcomes[name] for name in run_names)
    return Summary(command, outcomes, time.perf_counter() - start)


@dataclass(eq=False)
class _Hand:
    """A worker process as its parent sees it."""

    place: Place
    process: SpawnProcess
    link: "Connection[Any, Any]"
    task: _Task | None = None
    is_ready: bool = False
    began: float = field(default_factory=time.perf_counter)

    def give(self, task: _Task) -> None:
        self.task, self.began = task, time.perf_counter()
        self.link.send(task)


class _Crew:
    """The workers, the runs that wait for one, and the outcomes so far."""

    def __init__(
        self, make: MakeWork, pending: deque[_Task], total: int, reporter: Reporter
    ) -> None:
        self.make = make
        self.pending = pending
        self.total = total
        self.reporter = reporter
        self.outcomes: dict[str, RunOutcome] = {}
        self.hands: list[_Hand] = []

    def work(self, places: Sequence[Place]) -> None:
        self.hands = [_hire(self.make, place) for place in places]
        while len(self.outcomes) < self.total:
            for hand in self.hands:
                if hand.is_ready and hand.task is None and self.pending:
                    hand.give(self.pending.popleft())
            for link in wait([hand.link for hand in self.hands]):
                hand = next(each for each in self.hands if each.link is link)
                try:
                    kind, content = hand.link.recv()
                except (EOFError, OSError):
                    self.bury(hand)
                else:
                    self.hear(hand, kind, content)

    def hear(self, hand: _Hand, kind: str, content: Any) -> None:  # noqa: ANN401 (of any kind)
        """Act on what a worker says."""
        if kind == "ready":
            hand.is_ready = True
        elif kind == "log":
            logging.getLogger(content.name).handle(content)
        elif kind == "outcome" and hand.task is not None:
            outcome, is_memory = content
            task, hand.task = hand.task, None
            if is_memory and task.tries + 1 < MOST_TRIES:
                why = f"out of memory on {hand.place.device}"
                self.again(task, f"{why}; tried again with half as many windows at once")
            else:
                self.end(outcome, hand)
        else:
            getattr(self.reporter, kind)(content)

    def bury(self, hand: _Hand) -> None:
        """Replace a worker that died; its run goes back to the queue, or has failed."""
        hand.process.join()
        self.hands.remove(hand)
        code = hand.process.exitcode or 0
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        text = f"the worker on {hand.place.device} ended ({how})"
        task = hand.task
        if task is not None and task.tries + 1 < MOST_TRIES:
            self.again(task, f"{text}; tried again")
        elif task is not None:
            tried = f"{text}, {task.tries + 1} times"
            self.end(RunOutcome(task.run_name, "failed", tried), hand)
        if hand.is_ready and len(self.outcomes) < self.total:
            self.hands.append(_hire(self.make, hand.place))
        elif not self.hands:
            while self.pending:
                name = self.pending.popleft().run_name
                self.end(RunOutcome(name, "failed", f"{text} before it could begin"), hand)

    def again(self, task: _Task, why: str) -> None:
        self.reporter.warn(f"run {task.run_name}: {why}")
        self.pending.append(_Task(task.run_name, task.tries + 1))

    def end(self, outcome: RunOutcome, hand: _Hand) -> None:
        self.outcomes[outcome.run_name] = outcome
        self.reporter.outcome(
            outcome,
            done=len(self.outcomes),
            total=self.total,
            seconds=time.perf_counter() - hand.began,
        )

    def leave(self) -> None:
        """Let idle workers go; make the others stop, as after an interrupt."""
        for hand in self.hands:
            if hand.task is not None or not hand.is_ready:
                hand.process.terminate()
            hand.link.close()
        for hand in self.hands:
            hand.process.join(LEAVE_SECONDS)
            hand.process.kill()
            hand.process.join()


def _hire(make: MakeWork, place: Place) -> _Hand:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    level = logging.getLogger(PACKAGE).getEffectiveLevel()
    process = context.Process(target=_work, args=(make, place, theirs, level), daemon=True)
    process.start()
    theirs.close()
    return _Hand(place, process, ours)


class _Link:
    """A worker's way to its parent, for all its threads."""

    def __init__(self, connection: "Connection[Any, Any]") -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def send(self, kind: str, content: Any = None) -> None:  # noqa: ANN401 (of any kind)
        with self._lock:
            self._connection.send((kind, content))


class _Voice:
    """Reporter of a worker: its parent says it."""

    def __init__(self, link: _Link) -> None:
        self._link = link

    def note(self, text: str) -> None:
        """Say one line."""
        self._link.send("note", text)

    def warn(self, text: str) -> None:
        """Say one line that asks for attention."""
        self._link.send("warn", text)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Leave that to the parent."""

    def begin(self, total: int) -> None:
        """Leave that to the parent."""

    def outcome(self, outcome: RunOutcome, *, done: int, total: int, seconds: float) -> None:
        """Leave that to the parent."""


class _ToParent(logging.handlers.QueueHandler):
    """Sends what is logged to the parent, which has the log file."""

    def __init__(self, link: _Link) -> None:
        super().__init__(queue.SimpleQueue())
        self._link = link

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """Return a record that can be sent; its traceback stays apart, for the log file alone."""
        text = logging.Formatter().formatException(record.exc_info) if record.exc_info else None
        sent = copy.copy(record)
        sent.msg, sent.args, sent.exc_info, sent.exc_text = record.getMessage(), None, None, text
        return sent

    def enqueue(self, record: logging.LogRecord) -> None:
        self._link.send("log", record)


def _work(make: MakeWork, place: Place, connection: "Connection[Any, Any]", log_level: int) -> None:
    """Work on runs until the parent has no more: the life of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides, by SIGTERM
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(os.EX_OK))
    link = _Link(connection)
    package = logging.getLogger(PACKAGE)
    package.addHandler(_ToParent(link))
    package.setLevel(log_level)
    package.propagate = False
    try:
        work = make(place, _Voice(link))
    except CopickPickerError as error:
        link.send("warn", f"no worker on {place.device}: {error}")
        return
    link.send("ready")
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        link.send("outcome", _attempt(work, task))


def _attempt(work: Work, task: _Task) -> tuple[RunOutcome, bool]:
    """Return a run's outcome and whether memory was what it lacked."""
    lacked_memory = False

    def once(run_name: str) -> RunOutcome:
        nonlocal lacked_memory
        try:
            return work(run_name, task.tries)
        except DeviceMemoryError:
            lacked_memory = True
            raise

    return guarded(task.run_name, once), lacked_memory
