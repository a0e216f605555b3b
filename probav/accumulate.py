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
from probav.reducing import FIRST, Reduced, Reducer

_CELL_BYTES = 5 * 8


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
        self._times = len(positions)
        self._others: dict[int, NDArray[np.int64]] = {}  # group -> (4, times), as Partial.others
        self._cells: list[_Cells] = []
        self._bytes = 0

    def add(self, partial: Partial, chosen: NDArray[np.intp]) -> None:
        positions = np.searchsorted(self._positions, partial.positions)
        for index in chosen.tolist():
            group = int(partial.groups[index])
            if group not in self._others:
                self._others[group] = np.zeros((4, self._times), np.int64)
            for own, added in zip(self._others[group], partial.others[:, :, index], strict=True):
                np.add.at(own, positions, added)
        row = np.repeat(np.arange(len(partial.ends) - 1), np.diff(partial.ends))
        index = row % len(partial.groups)
        kept = np.isin(index, chosen)
        key = np.column_stack([partial.groups[index], positions[row // len(partial.groups)]])[kept]
        weights = partial.weights[kept]
        counts = np.column_stack([weights // ONE, weights % ONE])
        self._cells.append((key, partial.values[kept], counts))
        self._bytes += len(key) * _CELL_BYTES
        if self._bytes > memory_budget():
            self._cells = [_merged(self._cells)]
            self._bytes = len(self._cells[0][0]) * _CELL_BYTES
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
        key, values, counts = _merged(self._cells)
        ours = np.isin(key[:, 0], groups)
        self._cells = [(key[~ours], values[~ours], counts[~ours])]
        self._bytes = int((~ours).sum()) * _CELL_BYTES
        key, values, counts = key[ours], values[ours], counts[ours]
        place = {group: index for index, group in enumerate(groups)}
        table = np.full((self._times, len(groups), self._reducer.columns(self._variable)), np.nan)
        table[:, :, 0] = 0
        for group, index in place.items():
            others = self._others.pop(group)
            table[:, index, 1] = others[2] + others[3] // ONE + others[3] % ONE / ONE
            table[:, index, 2] = others[0] + others[1] // ONE + others[1] % ONE / ONE
        starts = np.flatnonzero(np.any(np.diff(key, axis=0, prepend=-1), axis=1))
        stops = np.append(starts, len(key))[1:]  # none of both where no pixel is valid
        for start, stop in zip(starts, stops, strict=True):
            group, position = key[start].tolist()
            whole, parts = counts[start:stop].sum(axis=0)
            row = table[position, place[group]]
            row[0] = whole + parts // ONE + parts % ONE / ONE
            weights = counts[start:stop, 0] + counts[start:stop, 1] / ONE
            row[len(FIRST) :] = self._reducer.cells(self._variable, values[start:stop], weights)
        return [Reduced(self._variable, np.array(groups), self._positions, table)]


_Cells = tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]


def _merged(cells: list[_Cells]) -> _Cells:
    """Sort cells by group, date and value and add those that agree in all three."""
    if not cells:
        return np.empty((0, 2), np.int64), np.empty(0), np.empty((0, 2), np.int64)
    key = np.concatenate([item[0] for item in cells])
    values = np.concatenate([item[1] for item in cells])
    counts = np.concatenate([item[2] for item in cells])
    order = np.lexsort((values, key[:, 1], key[:, 0]))
    key, values, counts = key[order], values[order], counts[order]
    if not len(key):
        return key, values, counts
    changed = np.any(np.diff(key, axis=0), axis=1) | (np.diff(values) != 0)
    starts = np.concatenate([[0], np.flatnonzero(changed) + 1])
    summed = np.add.reduceat(counts, starts, axis=0)
    summed[:, 0] += summed[:, 1] // ONE
    summed[:, 1] %= ONE
    return key[starts], values[starts], summed


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
