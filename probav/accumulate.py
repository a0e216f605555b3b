"""Partial results added up, and reduced as soon as all of a zone is there."""

from __future__ import annotations

import os
import threading

import numba
import numpy as np
from numpy.typing import NDArray

from probav.bins import BINS
from probav.errors import BudgetError
from probav.fractions import ONE
from probav.histogram import Partial
from probav.reducing import Reduced, Reducer
from probav.wide import merge_equal

_CELL_BYTES = 2 * 8


def memory_budget() -> int:
    """Bytes that partial results of one query may take: $PROBAV_MEMORY, else 1 GiB."""
    given = os.environ.get("PROBAV_MEMORY", "")
    return int(given) if given.isdigit() and int(given) > 0 else 1 << 30


class Accumulator:
    """Sums partial results; reduces the groups of a zone when its last task is done.

    Adding is exact (integers only, with carries), so that the order of the partial results doesn't matter.
    Threads may share one.

    Parameters
    ----------
    positions : (t,) int64
        The results in time that come, ascending.
    reducer : Reducer
    tasks : (zones,) int64
        Number of tasks each zone has pixels in.
    classes : int
        Groups are zone * classes + class.
    """

    def __init__(
        self, positions: NDArray[np.int64], reducer: Reducer, tasks: NDArray[np.int64], classes: int
    ) -> None:
        self._reducer, self._classes = reducer, classes
        self._left = tasks.copy()
        self._lock = threading.Lock()
        self._pools = [
            _Wide(positions, reducer, number) if scale.values is None else _Bins(positions, reducer, number)
            for number, scale in enumerate(reducer.scales)
        ]
        self.done: list[Reduced] = []

    @property
    def zones(self) -> int:
        """How many zones there are."""
        return len(self._left)

    def add(self, partial: Partial, complete: NDArray[np.bool_]) -> None:
        """Add a partial result.

        Parameters
        ----------
        partial : Partial
        complete : (g,) bool
            Groups of which nothing else will come for these dates: they are reduced at once.

        Raises
        ------
        BudgetError
            If the distinct values of a variable with more than 8 bits outgrow the memory budget.
        """
        if complete.any():
            self.take(self._reducer.partial(partial, np.flatnonzero(complete)))
        if not complete.all():
            with self._lock:
                self._pools[partial.variable].add(partial, np.flatnonzero(~complete))

    def take(self, reduced: Reduced) -> None:
        """Take final numbers over."""
        self.done.append(reduced)

    def finish(self, zones: NDArray[np.int64]) -> None:
        """Note that a task is done which had pixels of these zones."""
        with self._lock:
            self._left[zones] -= 1
            ready = zones[self._left[zones] == 0]
            if len(ready):
                for pool in self._pools:
                    self.done.extend(pool.release(ready, self._classes))


class _Bins:
    """Histograms of an 8-bit variable: one slot a group, used again when its zone is done."""

    def __init__(self, positions: NDArray[np.int64], reducer: Reducer, variable: int) -> None:
        self._positions, self._reducer, self._variable = positions, reducer, variable
        self._times = len(positions)
        self._slots: dict[int, int] = {}
        self._free: list[int] = []
        self._whole = np.zeros((0, len(positions), BINS), np.int64)
        self._parts = np.zeros((0, len(positions), BINS), np.int64)

    def add(self, partial: Partial, chosen: NDArray[np.intp]) -> None:
        groups = partial.groups[chosen].tolist()
        new = [group for group in groups if group not in self._slots]
        if len(new) > len(self._free):
            self._grow(len(new) - len(self._free))
        for group in new:
            self._slots[group] = self._free.pop()
        slots = np.array([self._slots[group] for group in groups], np.int64)
        _add(
            partial.whole, partial.ends, partial.values, partial.weights,
            np.searchsorted(self._positions, partial.positions), chosen, slots,
            self._whole, self._parts,
        )  # fmt: skip

    def _grow(self, by: int) -> None:
        held = len(self._whole)
        room = max(held * 4, held + by, 64)  # pages that are not used cost nothing
        shape = (room, self._times, BINS)
        for name in ("_whole", "_parts"):
            larger = np.zeros(shape, np.int64)
            larger[:held] = getattr(self, name)
            setattr(self, name, larger)
        self._free += range(room - 1, held - 1, -1)

    def release(self, zones: NDArray[np.int64], classes: int) -> list[Reduced]:
        wanted = set(zones.tolist())
        groups = [group for group in self._slots if group // classes in wanted]
        if not groups:
            return []
        slots = np.array([self._slots.pop(group) for group in groups], np.intp)
        table = self._reducer.slots(self._variable, self._whole, self._parts, slots)
        self._whole[slots] = 0
        self._parts[slots] = 0
        self._free += slots.tolist()
        return [
            Reduced(
                self._variable,
                np.array(groups),
                self._positions,
                np.ascontiguousarray(table.swapaxes(0, 1)),
            )
        ]


class _Wide:
    """Distinct stored numbers, with their weights, of a variable with more than 8 bits."""

    def __init__(self, positions: NDArray[np.int64], reducer: Reducer, variable: int) -> None:
        self._positions, self._reducer, self._variable = positions, reducer, variable
        self._others: dict[int, NDArray[np.int64]] = {}  # group -> (4, times), as Partial.others
        self._cells: dict[int, list[list[_Cells]]] = {}  # group -> pieces of each time
        self._bytes = 0

    def add(self, partial: Partial, chosen: NDArray[np.intp]) -> None:
        positions = np.searchsorted(self._positions, partial.positions)
        ends = partial.ends
        for index in chosen.tolist():
            group = int(partial.groups[index])
            if group not in self._others:
                self._others[group] = np.zeros((4, len(self._positions)), np.int64)
                self._cells[group] = [[] for _ in self._positions]
            for own, added in zip(self._others[group], partial.others[:, :, index], strict=True):
                np.add.at(own, positions, added)
            for t, position in enumerate(positions.tolist()):
                at = t * len(partial.groups) + index
                part = slice(ends[at], ends[at + 1])
                if part.start < part.stop:
                    piece = partial.values[part].copy(), partial.weights[part].copy()
                    self._cells[group][position].append(piece)
                    self._bytes += _CELL_BYTES * len(piece[0])
        if self._bytes > memory_budget():
            self._merge()

    def _merge(self) -> None:
        """Merge what can be merged."""
        for times in self._cells.values():
            for position, pieces in enumerate(times):
                if len(pieces) > 1:
                    times[position] = [_merged(pieces)]
        pieces = [piece for times in self._cells.values() for own in times for piece in own]
        self._bytes = _CELL_BYTES * sum(len(values) for values, _ in pieces)
        if self._bytes > memory_budget():
            raise BudgetError(
                f"The query has over {self._bytes // _CELL_BYTES:,} distinct values per date and "
                f"zone, more than fit in {memory_budget():,} bytes; ask for a shorter period or fewer "
                "zones at a time, or set $PROBAV_MEMORY higher."
            )

    def release(self, zones: NDArray[np.int64], classes: int) -> list[Reduced]:
        wanted = set(zones.tolist())
        groups = [group for group in self._others if group // classes in wanted]
        if not groups:
            return []
        cells = [self._cells.pop(group) for group in groups]
        merged = [_merged(own[position]) for position in range(len(self._positions)) for own in cells]
        sizes = [len(values) for values, _ in merged]
        self._bytes -= _CELL_BYTES * sum(len(values) for own in cells for times in own for values, _ in times)
        partial = Partial(
            self._variable, np.array(groups), self._positions, np.empty((0, 0, 0), np.uint32),
            np.concatenate([[0], np.cumsum(sizes)]), np.concatenate([values for values, _ in merged]),
            np.concatenate([weights for _, weights in merged]),
            np.stack([self._others.pop(group) for group in groups], axis=2),
        )  # fmt: skip
        return [self._reducer.partial(partial, np.arange(len(groups)))]


_Cells = tuple[NDArray[np.float64], NDArray[np.int64]]
"""Values, ascending, and their weights."""


def _merged(pieces: list[_Cells]) -> _Cells:
    """Sort the cells of one group and time by value and add those that have the same."""
    if not pieces:
        return np.empty(0), np.empty(0, np.int64)
    if len(pieces) == 1:
        return pieces[0]
    values = np.concatenate([piece[0] for piece in pieces])
    order = np.argsort(values, kind="stable")  # quick: the pieces are in order already
    values, weights = values[order], np.concatenate([piece[1] for piece in pieces])[order]
    count = merge_equal(values, weights)
    return values[:count], weights[:count]


@numba.njit(cache=True, nogil=True)
def _add(
    whole: NDArray[np.uint32],
    ends: NDArray[np.int64],
    bins: NDArray[np.uint8],
    weights: NDArray[np.int64],
    positions: NDArray[np.int64],
    chosen: NDArray[np.intp],
    slots: NDArray[np.int64],
    sums: NDArray[np.int64],
    parts: NDArray[np.int64],
) -> None:
    """Add a partial result to slots: (slots, times, 256) of pixels and of parts below one pixel."""
    groups = (len(ends) - 1) // max(1, len(positions))
    for t in range(len(positions)):
        for k in range(len(chosen)):
            own, rest = sums[slots[k], positions[t]], parts[slots[k], positions[t]]
            if len(whole):
                counts = whole[t, chosen[k]]
                for b in range(counts.shape[0]):
                    own[b] += counts[b]
            cell = t * groups + chosen[k]
            for i in range(ends[cell], ends[cell + 1]):
                summed = rest[bins[i]] + weights[i]
                rest[bins[i]] = summed % ONE
                own[bins[i]] += summed // ONE
