"""Partial results of variables with more than 8 bits: the distinct stored numbers and their weights."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from probav.fractions import ONE
from probav.histogram import FULL, Partial
from probav.pixels import Pixels


def count_values(
    variable: int,
    dn: NDArray[Any],
    valid: NDArray[np.bool_],
    passes: NDArray[np.bool_],
    dates: NDArray[np.int64],
    positions: NDArray[np.int64],
    pixels: Pixels,
) -> Partial:
    """Count a variable with more than 8 bits: of 16 bits by a table, of more by sorting.

    Parameters
    ----------
    variable : int
    dn : (time, y, x)
    valid : (t, y, x) bool
        Which of the stored numbers of the dates hold a value.
    passes : (1 or t, y, x) bool
        Which pixels the mask lets through.
    dates, positions : (t,) int64
        Which of the times are counted, and to which results they belong.
    pixels : Pixels
    """
    entries, starts, weights = pixels.as_entries()
    times, groups = len(dates), len(pixels.groups)
    group = np.repeat(np.arange(groups), np.diff(starts))
    others = np.zeros((4, times, groups), np.int64)
    ends = np.zeros((times, groups + 1), np.int64)
    cells = []
    for t, date in enumerate(dates.tolist()):
        through = passes[t if len(passes) > 1 else 0].ravel()
        if dn.dtype.itemsize == 2 and dn.dtype.kind in "iu":
            found, summed = np.empty(len(entries)), np.empty(len(entries), np.int64)
            lowest = np.iinfo(dn.dtype).min
            _tally(
                dn[date].ravel(), lowest, valid[t].ravel(), through, entries, starts, weights, found, summed,
                ends[t], others[:, t],
            )  # fmt: skip
            cells.append((found[: ends[t, -1]], summed[: ends[t, -1]]))
            continue
        value = dn[date].ravel()[entries]
        counted = np.empty(len(entries), np.bool_)
        _sort_out(valid[t].ravel(), through, entries, group, weights, counted, others[:, t])
        kept = np.flatnonzero(counted)
        order = kept[_order(group[kept], value[kept], groups)]
        found, summed = np.empty(len(order)), np.empty(len(order), np.int64)
        _distinct(value[order], group[order], weights[order], found, summed, ends[t])
        cells.append((found[: ends[t, -1]], summed[: ends[t, -1]]))
    offset = np.concatenate([[0], np.cumsum(ends[:-1, -1])])
    none = np.empty((0, 0, 0), np.uint32)
    return Partial(
        variable, pixels.groups, positions, none,
        np.concatenate([[0], (ends[:, 1:] + offset[:, None]).ravel()]),
        np.concatenate([found for found, _ in cells]),
        np.concatenate([summed for _, summed in cells]), others,
    )  # fmt: skip


@numba.njit(cache=True, nogil=True, boundscheck=False)
def _tally(
    dn: Any,
    lowest: int,
    valid: NDArray[np.bool_],
    passes: NDArray[np.bool_],
    entries: NDArray[np.int32],
    starts: NDArray[np.int64],
    weights: NDArray[np.int64],
    found: NDArray[np.float64],
    summed: NDArray[np.int64],
    ends: NDArray[np.int64],
    others: NDArray[np.int64],
) -> None:
    """Write the distinct values of 16 bits of each group with the sum of their weights."""
    sums, full = np.zeros(1 << 16, np.int64), np.zeros(1 << 16, np.int64)
    count = 0
    for g in range(len(starts) - 1):
        low, high = 1 << 16, -1
        for i in range(starts[g], starts[g + 1]):
            pixel = entries[i]
            if not (valid[pixel] and passes[pixel]):
                row = 2 if valid[pixel] else 0
                others[row, g] += weights[i] // ONE
                others[row + 1, g] += weights[i] % ONE
                continue
            at = int(dn[pixel]) - lowest
            if sums[at] >= FULL:  # of millions of pixels, more than 64 bits hold
                sums[at] -= FULL
                full[at] += 1
            sums[at] += weights[i]
            low, high = min(low, at), max(high, at)
        for at in range(low, high + 1):
            while full[at]:
                found[count], summed[count] = at + lowest, FULL
                full[at] -= 1
                count += 1
            if sums[at]:
                found[count], summed[count] = at + lowest, sums[at]
                sums[at] = 0
                count += 1
        ends[g + 1] = count


def _order(group: NDArray[np.int64], value: NDArray[Any], groups: int) -> NDArray[np.int64]:
    """Return the order by group and value.

    NumPy sorts whole numbers many at a time: group, value and position go into one of 64 bits, where they
    fit.
    """
    kind, bits = value.dtype.kind, 8 * value.dtype.itemsize
    for_position = max(1, len(value)).bit_length()
    if bits + for_position + groups.bit_length() > 63:
        return np.lexsort((value, group))
    rising = value.view(f"u{value.dtype.itemsize}").astype(np.int64)
    sign = 1 << (bits - 1)
    if kind == "i":
        rising ^= sign
    elif kind == "f":  # IEEE 754: negative numbers fall as their bits rise
        rising ^= np.where(rising & sign, (1 << bits) - 1, sign)
    keys = (((group << bits) | rising) << for_position) | np.arange(len(value))
    keys.sort()
    return np.asarray(keys & ((1 << for_position) - 1))


@numba.njit(cache=True, nogil=True)
def _sort_out(
    valid: NDArray[np.bool_],
    passes: NDArray[np.bool_],
    entries: NDArray[np.int32],
    group: NDArray[np.int64],
    weights: NDArray[np.int64],
    counted: NDArray[np.bool_],
    others: NDArray[np.int64],
) -> None:
    """Note which entries count, and add up those that don't: no data, and masked."""
    for i in range(len(entries)):
        pixel = entries[i]
        counted[i] = valid[pixel] and passes[pixel]
        if not counted[i]:
            row = 2 if valid[pixel] else 0
            others[row, group[i]] += weights[i] // ONE
            others[row + 1, group[i]] += weights[i] % ONE


@numba.njit(cache=True, nogil=True)
def _distinct(
    values: NDArray[Any],
    group: NDArray[np.int64],
    weights: NDArray[np.int64],
    found: NDArray[np.float64],
    summed: NDArray[np.int64],
    ends: NDArray[np.int64],
) -> None:
    """Write the distinct values of each group with the sum of their weights, from sorted entries."""
    count = 0
    for i in range(len(values)):
        value = float(values[i])
        if i and group[i] == group[i - 1] and found[count - 1] == value and summed[count - 1] < FULL:
            summed[count - 1] += weights[i]
        else:
            found[count] = value
            summed[count] = weights[i]
            count += 1
        ends[group[i] + 1] = count
    for g in range(1, len(ends)):
        ends[g] = max(ends[g], ends[g - 1])


@numba.njit(cache=True, nogil=True)
def merge_equal(values: NDArray[np.float64], weights: NDArray[np.int64]) -> int:
    """Add cells of one group and date that have the same value, in place; return how many are left.

    Parameters
    ----------
    values : (n,) float64
        Ascending.
    weights : (n,) int64
    """
    count = 0
    for i in range(len(values)):
        if count and values[count - 1] == values[i] and weights[count - 1] < FULL:
            weights[count - 1] += weights[i]
        else:
            values[count], weights[count] = values[i], weights[i]
            count += 1
    return count
