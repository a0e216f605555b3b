"""Histograms reduced to tables of final numbers, the same way wherever that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from probav.bins import BINS
from probav.fractions import ONE
from probav.histogram import Partial
from probav.reducers import Plan, reduce_bins, reduce_one

FIRST = ("valid", "masked", "nodata")
"""The first columns of a table of results; the reducers of the plan follow."""


@dataclass(frozen=True)
class Scale:
    """How the bins or stored numbers of a variable become physical values.

    Attributes
    ----------
    values : (b,) float64 or None
        Physical value of each bin; None for variables with more than 8 bits.
    scale, offset : float
        Of stored numbers.
    """

    values: NDArray[np.float64] | None
    scale: float
    offset: float


@dataclass(frozen=True)
class Reduced:
    """Final numbers of some groups.

    Attributes
    ----------
    variable : int
    groups : (g,) int64
    positions : (t,) int64
    table : (t, g, 3 + reducers [+ bins]) float64
        The columns `FIRST`, the reducers of the plan, and the histogram where it is asked for.
    """

    variable: int
    groups: NDArray[np.int64]
    positions: NDArray[np.int64]
    table: NDArray[np.float64]


class Reducer:
    """Reduces histograms to tables, the same way wherever that is.

    Parameters
    ----------
    plan : Plan
    scales : list of Scale
        One a variable.
    histogram : bool
        Whether the histogram itself is asked for.
    """

    def __init__(self, plan: Plan, scales: list[Scale], histogram: bool = False) -> None:
        self.plan, self.scales, self.histogram = plan, scales, histogram

    def columns(self, variable: int) -> int:
        """How many columns a table has."""
        values = self.scales[variable].values
        bins = len(values) if self.histogram and values is not None else 0
        return len(FIRST) + len(self.plan.kinds) + bins

    def partial(self, partial: Partial, chosen: NDArray[np.intp]) -> Reduced:
        """Reduce groups of a partial result that are all there."""
        table = np.empty((len(partial.positions), len(chosen), self.columns(partial.variable)))
        scale, plan = self.scales[partial.variable], self.plan
        if partial.is_wide:
            _reduce_wide(
                partial.ends, partial.values, partial.weights, partial.others, chosen, len(partial.groups),
                scale.scale, scale.offset, plan.kinds, plan.parameters, table,
            )  # fmt: skip
        else:
            assert scale.values is not None
            _reduce_partial(
                partial.whole, partial.ends, partial.values, partial.weights, chosen, scale.values,
                plan.kinds, plan.parameters, table,
            )  # fmt: skip
        return Reduced(partial.variable, partial.groups[chosen], partial.positions, table)

    def slots(self, variable: int, whole: Any, parts: Any, chosen: NDArray[np.intp]) -> NDArray[np.float64]:
        """Reduce slots of an accumulator to (slots, times, columns)."""
        values = self.scales[variable].values
        assert values is not None
        table = np.empty((len(chosen), whole.shape[1], self.columns(variable)))
        _reduce_slots(whole, parts, chosen, values, self.plan.kinds, self.plan.parameters, table)
        return table


@numba.njit(cache=True, nogil=True)
def _reduce_slots(
    whole: NDArray[np.int64],
    parts: NDArray[np.int64],
    chosen: NDArray[np.intp],
    values: NDArray[np.float64],
    kinds: NDArray[np.int64],
    parameters: NDArray[np.float64],
    table: NDArray[np.float64],
) -> None:
    room = np.empty((2, BINS))
    first = 3 + len(kinds)
    for k in range(len(chosen)):
        for t in range(whole.shape[1]):
            counts, rest = whole[chosen[k], t], parts[chosen[k], t]
            reduce_bins(counts, rest, 0, BINS, values, kinds, parameters, room, table[k, t, :first])
            for b in range(first, table.shape[2]):
                table[k, t, b] = counts[b - first] + rest[b - first] / ONE


@numba.njit(cache=True, nogil=True)
def _reduce_partial(
    whole: NDArray[np.uint32],
    ends: NDArray[np.int64],
    bins: NDArray[np.uint8],
    weights: NDArray[np.int64],
    chosen: NDArray[np.intp],
    values: NDArray[np.float64],
    kinds: NDArray[np.int64],
    parameters: NDArray[np.float64],
    table: NDArray[np.float64],
) -> None:
    room, counts, rest = np.empty((2, BINS)), np.zeros(BINS, np.int64), np.zeros(BINS, np.int64)
    groups, first = (len(ends) - 1) // max(1, table.shape[0]), 3 + len(kinds)
    for t in range(table.shape[0]):
        for k in range(len(chosen)):
            cell = t * groups + chosen[k]
            low, high = 0, BINS
            if len(whole):
                counts[:] = whole[t, chosen[k]]
            else:
                low, high = BINS, 0
            for i in range(ends[cell], ends[cell + 1]):
                low, high = min(low, int(bins[i])), max(high, int(bins[i]) + 1)
                summed = rest[bins[i]] + weights[i]
                rest[bins[i]] = summed % ONE
                counts[bins[i]] += summed // ONE
            reduce_bins(counts, rest, low, high, values, kinds, parameters, room, table[t, k, :first])
            for b in range(first, table.shape[2]):
                table[t, k, b] = counts[b - first] + rest[b - first] / ONE
            counts[low:high] = 0
            rest[low:high] = 0


@numba.njit(cache=True, nogil=True)
def _reduce_wide(
    ends: NDArray[np.int64],
    cells: NDArray[np.float64],
    weights: NDArray[np.int64],
    others: NDArray[np.int64],
    chosen: NDArray[np.intp],
    groups: int,
    scale: float,
    offset: float,
    kinds: NDArray[np.int64],
    parameters: NDArray[np.float64],
    table: NDArray[np.float64],
) -> None:
    for t in range(table.shape[0]):
        for k in range(len(chosen)):
            start, stop = ends[t * groups + chosen[k]], ends[t * groups + chosen[k] + 1]
            values, shares = np.empty(stop - start), np.empty(stop - start)
            n, pixels, rest, own, part = 0, np.int64(0), np.int64(0), np.int64(0), np.int64(0)
            for i in range(start, stop):
                if i == start or cells[i] != cells[i - 1]:
                    own, part = np.int64(0), np.int64(0)
                    values[n] = cells[i] * scale + offset
                    n += 1
                own += weights[i] // ONE
                part += weights[i] % ONE
                shares[n - 1] = (own + part // ONE) + (part % ONE) / ONE
                pixels += weights[i] // ONE
                rest += weights[i] % ONE
            row = table[t, k]
            row[0] = (pixels + rest // ONE) + (rest % ONE) / ONE
            for column in (1, 2):
                full, parts = others[4 - 2 * column, t, chosen[k]], others[5 - 2 * column, t, chosen[k]]
                row[column] = (full + parts // ONE) + (parts % ONE) / ONE
            if scale < 0:
                reduce_one(values[:n][::-1].copy(), shares[:n][::-1].copy(), kinds, parameters, row[3:])
            else:
                reduce_one(values[:n], shares[:n], kinds, parameters, row[3:])
