"""What an executor does: with a task, and with counts that belong together."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probav.accumulate import Accumulator, memory_budget
from probav.bins import BINS
from probav.execution.packing import pack_counts, unpack_counts, unpack_task
from probav.histogram import Partial
from probav.query import Prepared, Query, Task, prepare, run
from probav.reducing import Reduced

DONE = -1
"""Key of the row that ends a task: its data is the number of bytes read."""
READY = -2
"""Key of final numbers, and the greatest of theirs: they have many, so that no executor gets them all."""
_READY_KEYS = 1000
_SLOT_BYTES = 16 * BINS  # of a group and date in an accumulator
_USUAL_CLASSES = 8


@dataclass(frozen=True)
class Job:
    """What all tasks of a job share.

    Attributes
    ----------
    query : Query
    zones : int
        How many zones the area has.
    zones_a_key : int
        How many zones' histograms of a chunk of time are added up at once, by one executor.
    """

    query: Query
    zones: int
    zones_a_key: int

    @staticmethod
    def of(query: Query, zones: int) -> Job:
        """Return the job of a query, with as many zones a key as the memory budget has room for."""
        groups = _USUAL_CLASSES ** len(query.by) * len(query.variables)
        times = query.times if query.merges else min(prepare(query).shape[0], query.times)
        return Job(query, zones, max(1, memory_budget() // 4 // int(_SLOT_BYTES * groups * times)))

    def pack(self) -> bytes:
        """Return the job as bytes."""
        return json.dumps(asdict(self)).encode()

    @staticmethod
    def unpack(data: bytes) -> Job:
        """Return the job that `pack` made bytes of."""
        return _unpacked(data)

    @cached_property
    def prepared(self) -> Prepared:
        """What the tasks share in this process."""
        return prepare(self.query)

    @cached_property
    def _chunks(self) -> NDArray[np.int64]:
        """The chunk of time of each result's one date; results may come in another order than dates."""
        chunks = np.zeros(self.query.times, np.int64)
        chunks[self.prepared.results] = self.prepared.stored // self.prepared.shape[0]
        return chunks

    @property
    def _ranges(self) -> int:
        return -(-self.zones // self.zones_a_key)

    def keys(self, partial: Partial) -> NDArray[np.int64]:
        """Return the key of each group of a partial result: what has another key need not meet."""
        # a partial result is of one chunk of time
        chunk = 0 if self.query.merges else int(self._chunks[partial.positions[0]])
        return np.asarray(chunk * self._ranges + partial.groups // self.query.classes // self.zones_a_key)

    def results(self, key: int) -> NDArray[np.int64]:
        """Return the results in time that counts of a key belong to, ascending."""
        if self.query.merges:
            return np.arange(self.query.times)
        return np.flatnonzero(self._chunks == key // self._ranges)


@lru_cache(maxsize=8)
def _unpacked(data: bytes) -> Job:
    found = json.loads(data)
    query: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in found["query"].items()
    }
    return Job(**{**found, "query": Query(**query)})


def count(shared: bytes, data: bytes) -> Iterator[tuple[int, bytes]]:
    """Run a task: yield final numbers of zones that are complete, counts of the others by key, and an end."""
    job = Job.unpack(shared)
    task = unpack_task(job.query, data)
    answers = _Answers(job, READY - sum(task.block) % _READY_KEYS)
    read = run(task, answers)
    yield from answers.rows
    yield DONE, read.to_bytes(8, "little")


def gather(answers: Iterable[tuple[int, int, bytes]], tasks: list[Task], accumulator: Accumulator) -> int:
    """Give an accumulator what tasks counted; return the bytes that they read.

    Parameters
    ----------
    answers : iterable of (number, key, bytes)
        What `count` yielded, with the number of its task.
    tasks : list of Task
    accumulator : Accumulator
    """
    read = 0
    for number, key, data in answers:
        if key == DONE:
            accumulator.finish(tasks[number].zones)
            read += int.from_bytes(data, "little")
            continue
        counts = unpack_counts(data)
        if isinstance(counts, Reduced):
            accumulator.take(counts)
        else:
            accumulator.add(counts, np.zeros(len(counts.groups), bool))
    return read


def merge(shared: bytes, key: int, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Add up all counts of a key; yield final numbers. What is final already passes."""
    if key < 0:
        yield from pieces
        return
    job = Job.unpack(shared)
    accumulator = Accumulator(
        job.results(key), job.prepared.reducer, np.ones(job.zones, np.int64), job.query.classes
    )
    for piece in pieces:
        partial = unpack_counts(piece)
        assert isinstance(partial, Partial)
        accumulator.add(partial, np.zeros(len(partial.groups), bool))
    accumulator.finish(np.arange(job.zones))
    for reduced in accumulator.done:
        yield pack_counts(reduced)


class _Answers:
    """What a task counts, as rows."""

    def __init__(self, job: Job, ready: int) -> None:
        self._job, self._ready = job, ready
        self.rows: list[tuple[int, bytes]] = []

    def add(self, partial: Partial, complete: NDArray[np.bool_]) -> None:
        """Take counts over, some of whose groups are complete."""
        if complete.any():
            reduced = self._job.prepared.reducer.partial(partial, np.flatnonzero(complete))
            self.rows.append((self._ready, pack_counts(reduced)))
        if complete.all():
            return
        keys = self._job.keys(partial)
        for key in np.unique(keys[~complete]).tolist():
            chosen = np.flatnonzero((keys == key) & ~complete)
            self.rows.append((key, pack_counts(partial.only(chosen))))
