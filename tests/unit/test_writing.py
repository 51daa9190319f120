"""Slabs that are written in a thread while the next are computed."""

import threading

import numpy as np
import pytest

from copick_picker.errors import ProjectError
from copick_picker.jobs.slab_writer import SlabWriter, SlabWriters, WritingStoppedError


def slab(z_start):
    return z_start, np.full((2, 3, 4), z_start % 251, np.uint8)


def test_slabs_arrive_in_order():
    seen = []
    writer = SlabWriter(lambda slabs: seen.extend(slabs))
    for z_start in (0, 2, 4):
        writer.put(*slab(z_start))
    writer.finish()
    assert [z_start for z_start, _ in seen] == [0, 2, 4]
    assert all((block == z_start).all() for z_start, block in seen)


def test_only_so_much_waits():
    go_on = threading.Event()

    def write(slabs):
        assert go_on.wait(20)
        for _ in slabs:
            pass

    writer = SlabWriter(write, waiting_bytes=2 * slab(0)[1].nbytes)
    done = []

    def put_all():
        for z_start in range(0, 20, 2):
            writer.put(*slab(z_start))
            done.append(z_start)

    thread = threading.Thread(target=put_all)
    thread.start()
    thread.join(0.3)
    assert thread.is_alive()
    assert len(done) <= 3
    go_on.set()
    thread.join(20)
    writer.finish()
    assert len(done) == 10


def test_a_writer_that_fails_says_so_to_whoever_hands_over():
    def write(slabs):
        next(iter(slabs))
        message = "cannot write: disk full"
        raise ProjectError(message)

    def put_many():
        for z_start in range(0, 100_000, 2):
            writer.put(*slab(z_start))

    writer = SlabWriter(write)
    with pytest.raises(ProjectError, match="disk full"):
        put_many()
    with pytest.raises(ProjectError, match="disk full"):
        writer.finish()


def test_stopping_ends_the_writer_where_it_is():
    seen = []

    def write(slabs):
        try:
            seen.extend(slabs)
        except WritingStoppedError:
            seen.append("stopped")
            raise

    writer = SlabWriter(write)
    writer.put(*slab(0))
    writer.stop()
    assert seen[-1] == "stopped"


def test_a_job_stops_the_writers_that_nobody_else_has():
    ended, seen = threading.Event(), []

    def write(slabs):
        try:
            seen.extend(slabs)
        finally:
            ended.set()

    job = SlabWriters()
    SlabWriter(write, job=job)  # its owner was interrupted before it had it
    finished = SlabWriter(lambda slabs: seen.extend(slabs), job=job)
    finished.put(*slab(4))
    finished.finish()
    assert not ended.is_set()
    job.stop()
    assert ended.is_set()
    finished.finish()
    assert [z_start for z_start, _ in seen] == [4]
