"""Slabs are written while the next ones are computed."""

import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy.typing as npt

from copick_picker.project.store import Slabs
from copick_picker.settings.memory import QUEUED_BYTES

Block = npt.NDArray[Any]


class WritingStoppedError(Exception):
    """Raised within a writer, so that it leaves nothing half-written behind."""


class SlabWriters:
    """The writers of one job: it can stop those that nobody else knows of.

    An interrupt may come between the start of a writer and the moment in which its owner has it;
    a writer that nobody stops waits for ever, and with it the end of the process.
    """

    def __init__(self) -> None:
        self._known: weakref.WeakSet[SlabWriter] = weakref.WeakSet()

    def add(self, writer: "SlabWriter") -> None:
        """Remember a writer for as long as it works."""
        self._known.add(writer)

    def stop(self) -> None:
        """Stop all writers that have not ended yet; nothing stays of what they wrote."""
        for writer in tuple(self._known):
            writer.stop()


class SlabWriter:
    """Hands slabs to a writer that works in a thread of its own.

    Parameters
    ----------
    write : callable
        Takes an iterable of (first plane, block) and writes it, whole or not at all. It may return
        False where what it would write stands by then.
    waiting_bytes : int
        No further slab is taken while so many bytes wait; one may always wait.
    job : SlabWriters, optional
        The writers of its job, which know of it before it begins.
    """

    def __init__(
        self,
        write: Callable[[Slabs], object],
        *,
        waiting_bytes: int = QUEUED_BYTES,
        job: SlabWriters | None = None,
    ) -> None:
        self._limit = waiting_bytes
        self._waiting: deque[tuple[int, Block]] = deque()
        self._waiting_bytes = 0
        self._is_closed, self._is_stopped = False, False
        self._change = threading.Condition()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="write")
        if job is not None:
            job.add(self)
        self._written: Future[object] = self._pool.submit(write, self._slabs())
        self._written.add_done_callback(lambda _: self._notify())

    def put(self, z_start: int, block: Block) -> None:
        """Hand over a slab; wait while too many of them wait.

        Parameters
        ----------
        z_start : int
            First plane.
        block : numpy.ndarray
            (z, y, x) or (c, z, y, x); not to be changed any more.

        Raises
        ------
        CopickPickerError
            If the writer has failed.
        """
        with self._change:
            self._change.wait_for(lambda: self._has_room() or self._written.done())
            if self._written.done():
                self._written.result()
            self._waiting.append((z_start, block))
            self._waiting_bytes += block.nbytes
            self._change.notify_all()

    def finish(self) -> bool:
        """Say that there are no more slabs, wait until all is written, return whether it was.

        Raises
        ------
        CopickPickerError
            If the writer has failed.
        """
        self._is_closed = True
        self._notify()
        self._pool.shutdown()
        return self._written.result() is not False

    def stop(self) -> None:
        """Stop writing; nothing stays of what was written."""
        self._is_stopped = True
        self._notify()
        self._pool.shutdown()

    def _slabs(self) -> Iterator[tuple[int, Block]]:
        while (slab := self._next()) is not None:
            yield slab

    def _next(self) -> tuple[int, Block] | None:
        with self._change:
            self._change.wait_for(lambda: self._waiting or self._is_closed or self._is_stopped)
            if self._is_stopped:
                raise WritingStoppedError
            if not self._waiting:
                return None
            slab = self._waiting.popleft()
            self._waiting_bytes -= slab[1].nbytes
            self._change.notify_all()
            return slab

    def _has_room(self) -> bool:
        return not self._waiting or self._waiting_bytes < self._limit

    def _notify(self) -> None:
        with self._change:
            self._change.notify_all()
