"""Writing slabs while the next ones are computed."""

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
    """Raised inside a writer, so that it removes what is half-written."""


class SlabWriters:
    """The writers of one job, so that it can stop those that have no owner yet.

    An interrupt may come after a writer starts and before its owner holds it; a writer that nobody
    stops would wait for ever and keep the process from exiting.
    """

    def __init__(self) -> None:
        self._known: weakref.WeakSet[SlabWriter] = weakref.WeakSet()

    def add(self, writer: "SlabWriter") -> None:
        """Remember a writer for as long as it works."""
        self._known.add(writer)

    def stop(self) -> None:
        """Stop all writers that have not finished; what they wrote is removed."""
        for writer in tuple(self._known):
            writer.stop()


class SlabWriter:
    """Passes slabs to a writer in a thread of its own.

    Parameters
    ----------
    write : callable
        Writes an iterable of (first plane, block), completely or not at all. May return False if
        the output exists by then.
    waiting_bytes : int
        Limit of the bytes that wait to be written; one slab may always wait.
    job : SlabWriters, optional
        The writers of its job; this one is added before it starts.
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
        """Queue a slab; block while the queue is full.

        Parameters
        ----------
        z_start : int
            First plane.
        block : numpy.ndarray
            (z, y, x) or (c, z, y, x); must not be changed afterwards.

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
        """Wait until all slabs are written; return False if the writer did.

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
        """Stop writing; what was written is removed."""
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
