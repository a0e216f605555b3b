"""How a query is cut into tasks: at the chunks of the archive, and in time where that helps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from probav.accumulate import memory_budget
from probav.bins import BINS
from probav.caches import CACHE
from probav.coverage import Coverage
from probav.query import Query, Task, prepare

_SLOT_BYTES = 16 * BINS  # of a group and date in an accumulator
_USUAL_CLASSES = 8  # of a stratum in a zone: more need more memory than planned
_SHARE = 4  # chunks of time that are worth a thread
_PARTS = 4  # of the memory budget: one part is for histograms


def make_batches(query: Query, coverage: Coverage, threads: int, area: str) -> list[list[Task]]:
    """Cut a query into batches, one after the other, each of tasks that may run at once.

    The histograms of zones that lie in several chunks have to wait for each other. Where those of all dates
    would take too much memory, a batch has some of the dates; where that is not enough, some of the zones.
    """
    prepared = prepare(query)
    times, height, width = prepared.shape
    pieces = (
        CACHE.get(("pieces", area, height, width), lambda: _cut(coverage, height, width), _size)
        if area
        else _cut(coverage, height, width)
    )
    least = 0 if query.merges else 1  # pieces of a zone whose histograms need not wait
    spread = np.bincount(np.concatenate([piece[1] for piece in pieces]), minlength=coverage.zones) > least
    groups = max(1, int(spread.sum())) * (_USUAL_CLASSES ** len(query.by)) * len(query.variables)
    room = max(1, memory_budget() // _PARTS // _SLOT_BYTES)
    chunk_of_date = prepared.stored // times
    chunks = np.unique(chunk_of_date)
    # variables with more than 8 bits have a cell of 16 bytes a pixel and date at most
    wide = coverage.pixels * 16 * sum(codes is None for codes in prepared.codes)
    if query.merges:
        slabs, zones = [chunks], max(1, room // query.times * coverage.zones // groups)
    else:
        per_slab = max(1, room // max(groups, wide // _SLOT_BYTES) // times)
        slabs = [chunks[start : start + per_slab] for start in range(0, len(chunks), per_slab)]
        zones = max(1, room // min(times * per_slab, query.times) * coverage.zones // groups)
    batches = []
    for first in range(0, coverage.zones, zones):
        chosen = pieces
        if zones < coverage.zones:
            chosen = _cut(_between(coverage, first, first + zones), height, width)
            if not chosen:
                continue
        for slab in slabs:
            batches.append(
                _tasks(query, chosen, coverage.zones, _shares(slab, len(chosen), threads), chunk_of_date,
                       f"{area}/{first}/{zones}" if area else "")
            )  # fmt: skip
    return batches


def task_counts(tasks: list[Task], zones: int) -> NDArray[np.int64]:
    """Return in how many of some tasks each zone has pixels."""
    return np.bincount(np.concatenate([task.zones for task in tasks]), minlength=zones)


def results_of(tasks: list[Task]) -> NDArray[np.int64]:
    """Return the results in time that some tasks of one query have dates of, ascending."""
    dates = np.unique(np.concatenate([task.dates for task in tasks]))
    return np.unique(prepare(tasks[0].query).results[dates])


_Piece = tuple[tuple[int, int], NDArray[np.int64], tuple[NDArray[np.int64], ...]]
"""Block, the zones in it, and runs, edges and weights."""


def _size(pieces: list[_Piece]) -> int:
    return sum(own.nbytes + sum(array.nbytes for array in arrays) for _, own, arrays in pieces)


def _shares(chunks: NDArray[np.int64], blocks: int, threads: int) -> list[NDArray[np.int64]]:
    """Cut chunks of time into shares, where there are fewer blocks than threads and it is worth a thread."""
    return np.array_split(chunks, max(1, min(len(chunks) // _SHARE, -(-threads // blocks))))


def _tasks(
    query: Query,
    pieces: list[_Piece],
    zones: int,
    shares: list[NDArray[np.int64]],
    chunk_of_date: NDArray[np.int64],
    area: str,
) -> list[Task]:
    counts = np.bincount(np.concatenate([own for _, own, _ in pieces]), minlength=zones)
    tasks = []
    for block, own, arrays in pieces:
        alone = own[:0] if query.merges else own[counts[own] == 1]  # several dates make one result
        for share in shares:
            dates = np.flatnonzero(np.isin(chunk_of_date, share))
            runs, edges, weights = arrays
            tasks.append(Task(query, block, dates, runs, edges, weights, own, alone, area))
    return tasks


def _between(coverage: Coverage, first: int, last: int) -> Coverage:
    run = (coverage.runs[:, 0] >= first) & (coverage.runs[:, 0] < last)
    edge = (coverage.edges[:, 0] >= first) & (coverage.edges[:, 0] < last)
    return Coverage(coverage.zones, coverage.runs[run], coverage.edges[edge], coverage.weights[edge])


def _cut(coverage: Coverage, height: int, width: int) -> list[_Piece]:
    """Cut an area's pixels at the chunks of the grid."""
    runs = _cut_runs(coverage.runs, width)
    edges = coverage.edges
    row = np.concatenate([runs[:, 1], edges[:, 1]]) // height
    column = np.concatenate([runs[:, 2], edges[:, 2]]) // width
    if not len(row):
        return []
    wide = int(column.max()) + 1
    blocks, which = np.unique(row * wide + column, return_inverse=True)
    of_run, of_edge = which[: len(runs)], which[len(runs) :]
    run_order, edge_order = np.argsort(of_run, kind="stable"), np.argsort(of_edge, kind="stable")
    run_ends = np.searchsorted(of_run[run_order], np.arange(len(blocks) + 1))
    edge_ends = np.searchsorted(of_edge[edge_order], np.arange(len(blocks) + 1))
    pieces: list[_Piece] = []
    for index, block in enumerate(blocks.tolist()):
        top, left = block // wide * height, block % wide * width
        own_runs = runs[run_order[run_ends[index] : run_ends[index + 1]]] - np.array([0, top, left, left])
        own = edge_order[edge_ends[index] : edge_ends[index + 1]]
        own_edges = edges[own] - np.array([0, top, left])
        zones = np.unique(np.concatenate([own_runs[:, 0], own_edges[:, 0]]))
        pieces.append(((block // wide, block % wide), zones, (own_runs, own_edges, coverage.weights[own])))
    return pieces


def _cut_runs(runs: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Cut runs (zone, row, first, last + 1) where they cross from one chunk into the next."""
    first, last = runs[:, 2] // size, (runs[:, 3] - 1) // size
    pieces = last - first + 1
    cut = np.repeat(runs, pieces, axis=0)
    number = np.arange(len(cut)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    left = (np.repeat(first, pieces) + number) * size
    cut[:, 2] = np.maximum(cut[:, 2], left)
    cut[:, 3] = np.minimum(cut[:, 3], left + size)
    return cut
