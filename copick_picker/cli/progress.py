"""How far the runs in work are: bars on a terminal, a line now and then elsewhere."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from copick_picker.cli.durations import duration

SECONDS_OF_LINES = 60.0
"""How often a file or a pipe gets a line about a run that is still in work."""


@dataclass
class _Course:
    """One run in work."""

    began: float
    said: float
    bar: TaskID | None = None


@dataclass
class RunProgress:
    """Shows how far each run in work is; threads may call it at once.

    Attributes
    ----------
    write : callable
        Writes one line, where there is no terminal.
    terminal : rich.console.Console
        Standard error; bars are drawn there if it is a terminal.
    clock : callable
        Seconds.
    """

    write: Callable[[str], None]
    terminal: Console = field(default_factory=lambda: Console(stderr=True))
    clock: Callable[[], float] = time.monotonic
    _courses: dict[str, _Course] = field(default_factory=dict)
    _bars: Progress | None = None
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def update(self, name: str, *, done: int, total: int, unit: str) -> None:
        """Show that so many of a run's parts are done.

        Parameters
        ----------
        name : str
            The run.
        done, total : int
            Parts done, and all.
        unit : str
            What the parts are, such as ``windows``.
        """
        with self._lock:
            now = self.clock()
            course = self._courses.setdefault(name, _Course(now, now))
            if self.terminal.is_terminal:
                self._draw(name, course, done, total, unit)
            elif now - course.said >= SECONDS_OF_LINES and done < total:
                course.said = now
                left = (now - course.began) / max(done, 1) * (total - done)
                self.write(f"{name}: {done} of {total} {unit}, about {duration(left)} left")
            if done >= total:
                self.end(name)

    def end(self, name: str) -> None:
        """Remove a run's bar."""
        with self._lock:
            course = self._courses.pop(name, None)
            if course is None or course.bar is None or self._bars is None:
                return
            if self._courses:
                self._bars.remove_task(course.bar)
            else:
                self._bars.stop()
                self._bars = None

    def stop(self) -> None:
        """Remove all bars."""
        with self._lock:
            for name in list(self._courses):
                self.end(name)

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Take the bars off the terminal while lines are written to it."""
        with self._lock:
            if self._bars is not None:
                self._bars.stop()
            try:
                yield
            finally:
                if self._bars is not None:
                    self._bars.start()

    def _draw(self, name: str, course: _Course, done: int, total: int, unit: str) -> None:
        if self._bars is None:
            self._bars = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.completed:.0f} of {task.total:.0f} {task.fields[unit]}"),
                TimeRemainingColumn(),
                console=self.terminal,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._bars.start()
        if course.bar is None:
            course.bar = self._bars.add_task(name, total=total, unit=unit)
        self._bars.update(course.bar, completed=done)
