"""What a query would cost: its size is counted, its time measured on a few of its own chunks."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np

from probav.accumulate import Accumulator
from probav.coverage import Coverage
from probav.execution.local import threads
from probav.query import Prepared, Query, Task, prepare, run
from probav.reducers import COUNTS
from probav.tasks import make_batches, results_of, task_counts

_TRIED = 4  # tasks that are run for one chunk of time
_SIZED = 16  # chunks whose size is looked up
_START = 3e-3  # seconds that the labels of any result take
_A_NUMBER = 3e-8  # seconds that a number takes on its way into the result


@dataclass(frozen=True)
class Estimate:
    """What a query would cost.

    Attributes
    ----------
    chunks : int
    bytes : int
        Compressed bytes to read, from a sample of the chunks.
    pixels : int
        Pixels times dates that lie in the area.
    seconds : float
        On this machine, in threads, from a sample of the chunks.
    engine : str
        Which engine "auto" would take.
    """

    chunks: int
    bytes: int
    pixels: int
    seconds: float
    engine: str

    def __str__(self) -> str:
        return (
            f"{self.chunks:,} chunks, {self.bytes / 1e6:,.1f} MB to read, {self.pixels:,} pixels x dates, "
            f"about {self.seconds:.3g} s with engine {self.engine!r}"
        )


def cost(query: Query, coverage: Coverage, area: str) -> Estimate:
    """Return what a query costs in threads of this process.

    Parameters
    ----------
    query : Query
    coverage : Coverage
        Of its area.
    area : str
        What the area is known by in caches.
    """
    prepared = prepare(query)
    batches = make_batches(query, coverage, 1, area)
    tasks = sorted((task for batch in batches for task in batch), key=_pixels)
    pairs = [(chunk, task) for task in tasks for chunk in _chunks(prepared, task)]
    readers = list(prepared.readers.values())
    work = _seconds_a_chunk(query, prepared, _spread(pairs, _TRIED), coverage.zones) * len(pairs)
    at_once = min(threads(), len(pairs))
    passes = 2 if "area" in query.reducers else 1
    return Estimate(
        len(pairs) * len(readers),
        _stored(prepared, pairs),
        coverage.pixels * len(query.dates),
        _START + passes * work / at_once + _numbers(query, coverage) * _A_NUMBER,
        "local",
    )


def to_read(query: Query, batches: list[list[Task]]) -> int:
    """Return how many stored bytes the tasks of a query read, from the sizes of some of the chunks."""
    prepared = prepare(query)
    return _stored(
        prepared, [(chunk, task) for batch in batches for task in batch for chunk in _chunks(prepared, task)]
    )


def _stored(prepared: Prepared, pairs: list[tuple[int, Task]]) -> int:
    keys = [(chunk, *task.block) for chunk, task in _spread(pairs, _SIZED)]
    sized = sum(reader.sizes(keys) for reader in prepared.readers.values())
    return int(sized / len(keys) * len(pairs))


def _numbers(query: Query, coverage: Coverage) -> int:
    return coverage.zones * query.times * (len(query.reducers) + len(COUNTS)) * len(query.variables)


def _pixels(task: Task) -> int:
    return int((task.runs[:, 3] - task.runs[:, 2]).sum()) + len(task.edges)


def _chunks(prepared: Prepared, task: Task) -> list[int]:
    return [int(chunk) for chunk in np.unique(prepared.stored[task.dates] // prepared.shape[0])]


def _spread(pairs: list[tuple[int, Task]], count: int) -> list[tuple[int, Task]]:
    """Return some of the pairs, from the first to the last."""
    step = max(1, len(pairs) // count)
    return pairs[step // 2 :: step][:count]


def _seconds_a_chunk(query: Query, prepared: Prepared, tried: list[tuple[int, Task]], zones: int) -> float:
    """Run some tasks, from the smallest to the largest, for one chunk of time each."""
    seconds = []
    for number, (chunk, task) in enumerate([tried[0], *tried]):  # the first again: to load and to compile
        one = replace(task, dates=task.dates[prepared.stored[task.dates] // prepared.shape[0] == chunk])
        accumulator = Accumulator(
            results_of([one]), prepared.reducer, task_counts([one], zones), query.classes
        )
        start = time.perf_counter()
        run(one, accumulator)
        accumulator.finish(one.zones)
        if number:
            seconds.append(time.perf_counter() - start)
    return float(np.mean(seconds))
