"""The embedded engine: tasks in threads. Decoding and counting release the interpreter's lock."""

from __future__ import annotations

import os
import threading
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from probav.accumulate import Accumulator
from probav.archive import Progress
from probav.histogram import Partial
from probav.query import Task, run

_PATIENCE = 1.0  # seconds for tasks to end after an interrupt: compiled code goes on to its end
_AT_ONCE = 1 << 20  # pixels of a zone and date that a task counts before an interrupt is missed


def threads() -> int:
    """Return how many threads to use: $PROBAV_THREADS, else the cores this process may use."""
    given = os.environ.get("PROBAV_THREADS", "")
    if given.isdigit() and int(given) > 0:
        return int(given)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def execute(tasks: list[Task], accumulator: Accumulator, progress: Progress | None = None) -> None:
    """Run tasks in threads, which add what they count to the accumulator.

    After an interrupt, or where a task fails, no other one begins and those that run stop at their next chunk
    of time; they are waited for, but not for long.
    """
    sink = _Sink(accumulator)

    def work(task: Task) -> int:
        read = run(task, sink)
        accumulator.finish(task.zones)
        return read

    done, read = 0, 0
    if len(tasks) == 1 and _pixels(tasks[0]) <= _AT_ONCE:  # a point, a field: a thread takes longer to start
        read = work(tasks[0])
        if progress is not None:
            progress(1, 1, read)
        return
    waiting = iter(tasks)
    pool = _pool(threads())
    running: set[Future[int]] = set()
    try:
        while True:
            while len(running) < 2 * threads() and (task := next(waiting, None)) is not None:
                running.add(pool.submit(work, task))
            if not running:
                return
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                done, read = done + 1, read + future.result()
                if progress is not None:
                    progress(done, len(tasks), read)
    except BaseException:
        sink.stopped.set()
        for future in running:
            future.cancel()
        if wait(running, _PATIENCE).not_done:
            _pool.cache_clear()  # the next query gets threads that are free
        raise


class _Stopped(Exception):
    """Nobody waits for a task any more."""


class _Sink:
    """Passes counts on until it is stopped."""

    def __init__(self, accumulator: Accumulator) -> None:
        self._accumulator = accumulator
        self.stopped = threading.Event()

    def add(self, partial: Partial, complete: NDArray[np.bool_]) -> None:
        if self.stopped.is_set():
            raise _Stopped
        self._accumulator.add(partial, complete)


def _pixels(task: Task) -> int:
    """Return how many pixels of zones a task counts, all dates together."""
    return (int((task.runs[:, 3] - task.runs[:, 2]).sum()) + len(task.edges)) * len(task.dates)


@lru_cache(maxsize=1)
def _pool(count: int) -> ThreadPoolExecutor:
    """Return the threads, which stay with their buffers from one query to the next."""
    return ThreadPoolExecutor(count, thread_name_prefix="probav")


if hasattr(os, "register_at_fork"):  # a forked process has none of them
    os.register_at_fork(after_in_child=_pool.cache_clear)
