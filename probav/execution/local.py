"""The embedded engine: tasks in threads. Decoding and counting release the interpreter's lock."""

from __future__ import annotations

import os
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import lru_cache

from probav.accumulate import Accumulator
from probav.archive import Progress
from probav.query import Task, run


def threads() -> int:
    """Return how many threads to use: $PROBAV_THREADS, else the cores this process may use."""
    given = os.environ.get("PROBAV_THREADS", "")
    if given.isdigit() and int(given) > 0:
        return int(given)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def execute(tasks: list[Task], accumulator: Accumulator, progress: Progress | None = None) -> None:
    """Run tasks in threads, which add what they count to the accumulator.

    An interrupt leaves no task behind.
    """

    def work(task: Task) -> int:
        read = run(task, accumulator)
        accumulator.finish(task.zones)
        return read

    done, read = 0, 0
    if len(tasks) == 1:  # a point, a field: a thread takes longer to start
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
    finally:
        for future in running:
            future.cancel()
        wait(running)


@lru_cache(maxsize=1)
def _pool(count: int) -> ThreadPoolExecutor:
    """Return the threads, which stay with their buffers from one query to the next."""
    return ThreadPoolExecutor(count, thread_name_prefix="probav")


if hasattr(os, "register_at_fork"):  # a forked process has none of them
    os.register_at_fork(after_in_child=_pool.cache_clear)
