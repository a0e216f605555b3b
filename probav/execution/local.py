"""The embedded engine: tasks in threads. Decoding and counting release the interpreter's lock."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from probav.archive import Progress
from probav.histogram import Partial
from probav.query import Task, run


def threads() -> int:
    """Return how many threads to use: $PROBAV_THREADS, else the cores this process may use."""
    given = os.environ.get("PROBAV_THREADS", "")
    if given.isdigit() and int(given) > 0:
        return int(given)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def execute(tasks: list[Task], progress: Progress | None = None) -> Iterator[Partial]:
    """Run tasks in threads and yield their partial results as they come.

    Few results wait at a time, and an interrupt leaves no task behind.
    """
    done, read = 0, 0
    waiting = iter(tasks)
    with ThreadPoolExecutor(threads(), thread_name_prefix="probav") as pool:
        running: set[Future[tuple[list[Partial], int]]] = set()
        try:
            while True:
                while len(running) < 2 * threads() and (task := next(waiting, None)) is not None:
                    running.add(pool.submit(run, task))
                if not running:
                    return
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    partials, size = future.result()
                    yield from partials
                    done, read = done + 1, read + size
                    if progress is not None:
                        progress(done, len(tasks), read)
        finally:
            for future in running:
                future.cancel()
