"""Partial results added up, and reduced when all are there."""

from __future__ import annotations

import os
from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from probav.coverage import ONE
from probav.errors import BudgetError
from probav.histogram import BINS, MASKED_BIN, NODATA_BIN, Partial
from probav.reducers import reduce

_SLAB = 32  # groups reduced at once
_CELL_BYTES = 5 * 8
Series = NDArray[np.float64]


def memory_budget() -> int:
    """Bytes that partial results of one query may take: $PROBAV_MEMORY, else 1 GiB."""
    given = os.environ.get("PROBAV_MEMORY", "")
    return int(given) if given.isdigit() and int(given) > 0 else 1 << 30


class Accumulator:
    """Sums partial results of a query with `times` dates.

    Adding is exact (integers only, with carries), so that the order of the partial results doesn't matter.
    """

    def __init__(self, times: int, values: NDArray[np.float64] | None) -> None:
        self._times = times
        self._values = values  # physical value of each bin; None where bins differ from task to task
        self._whole: dict[int, NDArray[np.int64]] = {}
        self._parts: dict[int, NDArray[np.int64]] = {}
        self._cells: list[tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]] = []
        self._cell_bytes = 0

    @property
    def groups(self) -> list[int]:
        """The groups that have occurred, in order."""
        return sorted(self._whole)

    def add(self, partial: Partial) -> None:
        """Add a partial result.

        Raises
        ------
        BudgetError
            If the distinct values of a variable with more than 8 bits outgrow the memory budget.
        """
        width = partial.whole.shape[-1]
        for index, group in enumerate(partial.groups.tolist()):
            if group not in self._whole:
                self._whole[group] = np.zeros((self._times, BINS), np.int64)
                self._parts[group] = np.zeros((self._times, BINS), np.int64)
            whole, parts = partial.whole[:, index], partial.parts[:, index]
            if partial.values is not None:  # only the last two bins are common to all tasks
                whole, parts = whole[:, width - 2 :], parts[:, width - 2 :]
            bins = slice(0, BINS) if partial.values is None else slice(NODATA_BIN, MASKED_BIN + 1)
            summed = self._parts[group][partial.positions, bins] + parts
            self._parts[group][partial.positions, bins] = summed % ONE
            self._whole[group][partial.positions, bins] += whole + summed // ONE
        if partial.values is not None:
            self._keep_cells(partial)

    def _keep_cells(self, partial: Partial) -> None:
        assert partial.values is not None
        whole, parts = partial.whole[..., :-2], partial.parts[..., :-2]
        date, group, value = np.nonzero(whole | parts)
        counts = whole[date, group, value], parts[date, group, value]
        key = np.column_stack([partial.groups[group], partial.positions[date], *counts])
        self._cells.append((key[:, :2], partial.values[value], key[:, 2:]))
        self._cell_bytes += len(key) * _CELL_BYTES
        if self._cell_bytes > memory_budget():
            self._cells = [_merged(self._cells)]
            self._cell_bytes = len(self._cells[0][0]) * _CELL_BYTES
            if self._cell_bytes > memory_budget():
                raise BudgetError(
                    f"The query has over {self._cell_bytes // _CELL_BYTES:,} distinct values per date and "
                    f"zone, more than fit in {memory_budget():,} bytes; ask for a shorter period or fewer "
                    "zones at a time, or set $PROBAV_MEMORY higher."
                )

    def counts(self, group: int) -> tuple[Series, Series, Series]:
        """Weights of valid, masked and no-data pixels of a group per date."""
        weights = self._whole[group] + self._parts[group] / ONE
        if self._values is None:
            valid = np.zeros(self._times)
            for position, (_, own) in self._series().get(group, {}).items():
                valid[position] = own.sum()
        else:
            valid = weights[:, : len(self._values)].sum(axis=1)
        return valid, weights[:, MASKED_BIN], weights[:, NODATA_BIN]

    def _series(self) -> dict[int, dict[int, tuple[Series, Series]]]:
        """Values and weights per group and date, of a variable with more than 8 bits."""
        if len(self._cells) > 1:
            self._cells = [_merged(self._cells)]
            self._sorted: dict[int, dict[int, tuple[Series, Series]]] | None = None
        if getattr(self, "_sorted", None) is None:
            series: dict[int, dict[int, tuple[Series, Series]]] = defaultdict(dict)
            if self._cells:
                key, values, counts = self._cells[0]
                weights = counts[:, 0] + counts[:, 1] / ONE
                starts = np.flatnonzero(np.any(np.diff(key, axis=0, prepend=-1), axis=1))
                for start, stop in zip(starts, [*starts[1:], len(key)], strict=True):
                    group, position = key[start].tolist()
                    series[group][position] = (values[start:stop], weights[start:stop])
            self._sorted = series
        assert self._sorted is not None
        return self._sorted

    def reduce(self, names: tuple[str, ...], scale: float, offset: float) -> dict[int, dict[str, Series]]:
        """Return each reducer per group: one number a date, NaN where no pixel is valid."""
        found: dict[int, dict[str, Series]] = {}
        if self._values is None:
            series = self._series()
            for group in self.groups:
                found[group] = {name: np.full(self._times, np.nan) for name in names}
                for position, (values, weights) in series.get(group, {}).items():
                    for name in names:
                        found[group][name][position] = reduce(name, values * scale + offset, weights)
            return found
        bins = len(self._values)
        groups = self.groups
        for start in range(0, len(groups), _SLAB):
            slab = groups[start : start + _SLAB]
            weights = np.stack([self._whole[g][:, :bins] + self._parts[g][:, :bins] / ONE for g in slab])
            for name in names:
                reduced = reduce(name, self._values, weights)
                for index, group in enumerate(slab):
                    found.setdefault(group, {})[name] = reduced[index]
        return found


def _merged(
    cells: list[tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]],
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Sort cells by group, date and value and add those that agree in all three."""
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
