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
from probav.query import Prepared, Query, prepare, run

DONE = -1
"""Key of the row that ends a task: its data is the number of bytes read."""
READY = -2
"""Key of final numbers."""
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
    """

    query: Query
    zones: int

    def pack(self) -> bytes:
        """Return the job as bytes."""
        return json.dumps({"query": asdict(self.query), "zones": self.zones}).encode()

    @staticmethod
    def unpack(data: bytes) -> Job:
        """Return the job that `pack` made bytes of."""
        return _unpacked(data)

    @cached_property
    def prepared(self) -> Prepared:
        """What the tasks share in this process."""
        return prepare(self.query)

    @cached_property
    def zones_a_key(self) -> int:
        """How many zones' histograms of a chunk of time fit into an executor's memory at once."""
        groups = _USUAL_CLASSES ** len(self.query.by) * len(self.query.variables)
        times = self.query.times if self.query.merges else min(self.prepared.shape[0], self.query.times)
        return max(1, memory_budget() // 4 // int(_SLOT_BYTES * groups * times))

    def keys(self, partial: Partial) -> NDArray[np.int64]:
        """Return the key of each group of a partial result: what has another key need not meet."""
        ranges = -(-self.zones // self.zones_a_key)
        chunk = 0
        if not self.query.merges:  # results are dates, and a partial result is of one chunk of time
            chunk = int(self.prepared.stored[partial.positions[0]]) // self.prepared.shape[0]
        return np.asarray(chunk * ranges + partial.groups // self.query.classes // self.zones_a_key)

    def results(self, key: int) -> NDArray[np.int64]:
        """Return the results in time that counts of a key belong to, ascending."""
        results, prepared = self.prepared.results, self.prepared
        if self.query.merges:
            return np.unique(results)
        chunk = key // -(-self.zones // self.zones_a_key)
        return np.unique(results[prepared.stored // prepared.shape[0] == chunk])


@lru_cache(maxsize=8)
def _unpacked(data: bytes) -> Job:
    found = json.loads(data)
    query: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in found["query"].items()
    }
    return Job(Query(**query), found["zones"])


def count(shared: bytes, data: bytes) -> Iterator[tuple[int, bytes]]:
    """Run a task: yield final numbers of zones that are complete, counts of the others by key, and an end."""
    job = Job.unpack(shared)
    answers = _Answers(job)
    read = run(unpack_task(job.query, data), answers)
    yield from answers.rows
    yield DONE, read.to_bytes(8, "little")


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

    def __init__(self, job: Job) -> None:
        self._job = job
        self.rows: list[tuple[int, bytes]] = []

    def add(self, partial: Partial, complete: NDArray[np.bool_]) -> None:
        """Take counts over, some of whose groups are complete."""
        if complete.any():
            reduced = self._job.prepared.reducer.partial(partial, np.flatnonzero(complete))
            self.rows.append((READY, pack_counts(reduced)))
        if complete.all():
            return
        keys = self._job.keys(partial)
        for key in np.unique(keys[~complete]).tolist():
            chosen = np.flatnonzero((keys == key) & ~complete)
            self.rows.append((key, pack_counts(partial.only(chosen))))
