"""Partial results: how often each stored number occurs, per group of pixels and date.

A group is a zone, or a class in a zone. Counts are integers and fixed-point integers (see `fractions.ONE`),
so merging is exact addition: neither its order nor how the work was cut can change a result.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from probav.bins import BINS, MASKED_BIN, NODATA_BIN, Codes, Rule
from probav.chunks import buffer
from probav.pixels import Pixels

FULL = 1 << 61  # of a cell's weight: what comes on top goes to another cell
_MANY = 1 << 20  # entries that a cell surely holds
_LANES = 4  # histograms that neighbouring pixels go to in turn: adding twice to one number has to wait


@dataclass
class Partial:
    """Counts of one variable in a part of a task: some dates, all pixels.

    Attributes
    ----------
    variable : int
        Which of the query's variables.
    groups : (g,) int64
    positions : (t,) int64
        To which of the results each date belongs.
    whole : (t, g, 256) uint32
        Pixels counted whole, per bin; (0, 0, 0) where all are in cells.
    ends : (t * g + 1,) int64
        Where the cells of each date and group begin and end.
    values : (n,) uint8 or float64
        Bin of each cell; the stored number for variables with more than 8 bits, ascending within a group. It
        may occur again.
    weights : (n,) int64
        Weight of each cell, in 1 / ONE.
    others : (4, t, g) int64
        Pixels without data, their parts in 1 / ONE, masked pixels, and their parts, for variables with more
        than 8 bits.
    """

    variable: int
    groups: NDArray[np.int64]
    positions: NDArray[np.int64]
    whole: NDArray[np.uint32]
    ends: NDArray[np.int64]
    values: NDArray[Any]
    weights: NDArray[np.int64]
    others: NDArray[np.int64]

    @property
    def is_wide(self) -> bool:
        """Whether the variable has more than 8 bits."""
        return self.values.dtype != np.uint8

    def only(self, chosen: NDArray[np.intp]) -> Partial:
        """Return some of the groups, in arrays of their own."""
        sizes = np.diff(self.ends).reshape(len(self.positions), -1)
        kept = np.zeros(len(self.groups), bool)
        kept[chosen] = True
        cells = np.repeat(np.broadcast_to(kept, sizes.shape).ravel(), sizes.ravel())
        return Partial(
            self.variable, self.groups[kept], self.positions,
            self.whole[:, kept] if len(self.whole) else self.whole,
            np.concatenate([[0], np.cumsum(sizes[:, kept].ravel())]), self.values[cells], self.weights[cells],
            self.others[:, :, kept] if self.is_wide else self.others,
        )  # fmt: skip


def _room(name: str, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Return an array that this thread uses again; what is in it is not defined."""
    count = math.prod(shape) * np.dtype(dtype).itemsize
    return np.frombuffer(buffer(name, count)[:count], dtype).reshape(shape)


def count_bins(
    variable: int,
    dn: NDArray[np.uint8],
    layer: NDArray[np.uint8],
    dates: NDArray[np.int64],
    positions: NDArray[np.int64],
    codes: Codes,
    rule: Rule,
    pixels: Pixels,
) -> Partial:
    """Count an 8-bit variable.

    Parameters
    ----------
    variable : int
    dn, layer : (time, y, x) uint8
        The variable, and the layer that the mask depends on.
    dates, positions : (t,) int64
        Which of the times are counted, and to which results they belong.
    codes : Codes
    rule : Rule
    pixels : Pixels

    Returns
    -------
    Partial
        Its arrays are this thread's, until it counts again.
    """
    times, groups = len(dates), len(pixels.groups)
    whole = _room("whole", (times, groups, BINS) if pixels.rasters else (0, 0, 0), np.uint32)
    lanes = _room("lanes", (_LANES, (groups + 1) * BINS), np.uint32)
    index = _room("index", (dn.shape[2],), np.uint32)
    whole[:] = 0
    for label, window in pixels.rasters:
        for t, date in enumerate(dates.tolist()):
            _count_raster(
                dn[date], layer[date], codes.table, rule.table, codes.low, codes.high, rule.bits,
                rule.wanted, label, window, index, lanes, whole[t],
            )  # fmt: skip
    most = len(pixels.entries) * times
    cells = _room("values", (most,), np.uint8), _room("weights", (most,), np.int64)
    ends = np.zeros(times * groups + 1, np.int64)
    if most:
        _count_entries(
            dn.reshape(len(dn), -1),
            layer.reshape(len(layer), -1),
            dates,
            codes.table,
            rule.table,
            pixels.entries,
            pixels.starts,
            pixels.weights,
            ends,
            *cells,
        )
    n = ends[-1]
    none = np.empty((4, 0, 0), np.int64)
    return Partial(variable, pixels.groups, positions, whole, ends, cells[0][:n], cells[1][:n], none)


@numba.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")
def _count_raster(
    dn: NDArray[np.uint8],
    layer: NDArray[np.uint8],
    codes: NDArray[np.uint8],
    masked: NDArray[np.uint8],
    low: int,
    high: int,
    bits: int,
    wanted: int,
    label: Any,
    window: tuple[int, int, int, int],
    index: NDArray[np.uint32],
    lanes: NDArray[np.uint32],
    whole: NDArray[np.uint32],
) -> None:
    """Count the pixels of one date in one pass: read, mask, group and count.

    A pixel without a value is "no data", whether masked or not.
    """
    row0, row1, column0, column1 = window
    width = column1 - column0
    first, last, test, want = np.uint8(low), np.uint8(high), np.uint8(bits), np.uint8(wanted)
    simple = low <= high and (wanted & ~bits) == 0
    lanes[:] = 0
    one, two, three = np.uint64(1), np.uint64(2), np.uint64(3)
    for row in range(row0, row1):
        values, flags, labels = (
            dn[row, column0:column1],
            layer[row, column0:column1],
            label[row, column0:column1],
        )
        if simple:  # no table to look up: the compiler does 16 and more pixels at a time
            for i in range(width):
                code = np.uint8(values[i] - first)
                code = code if (flags[i] & test) == want else np.uint8(MASKED_BIN)
                code = code if (values[i] >= first and values[i] <= last) else np.uint8(NODATA_BIN)
                index[i] = (np.uint32(labels[i]) << np.uint32(8)) | np.uint32(code)
        else:
            for i in range(width):
                code = codes[values[i]]
                code = code if code == np.uint8(NODATA_BIN) else code | masked[flags[i]]
                index[i] = (np.uint32(labels[i]) << np.uint32(8)) | np.uint32(code)
        for quad in range(width >> 2):
            at = np.uint64(quad) << two
            lanes[0, np.uint64(index[at])] += np.uint32(1)
            lanes[1, np.uint64(index[at + one])] += np.uint32(1)
            lanes[2, np.uint64(index[at + two])] += np.uint32(1)
            lanes[3, np.uint64(index[at + three])] += np.uint32(1)
        for i in range(width >> 2 << 2, width):
            lanes[0, np.uint64(index[np.uint64(i)])] += np.uint32(1)
    for group in range(whole.shape[0]):
        start = (group + 1) * BINS
        for b in range(BINS):
            whole[group, b] += (
                lanes[0, start + b] + lanes[1, start + b] + lanes[2, start + b] + lanes[3, start + b]
            )


@numba.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")
def _count_entries(
    dn: NDArray[np.uint8],
    layer: NDArray[np.uint8],
    dates: NDArray[np.int64],
    codes: NDArray[np.uint8],
    masked: NDArray[np.uint8],
    entries: NDArray[np.int32],
    starts: NDArray[np.int64],
    weight: NDArray[np.int64],
    ends: NDArray[np.int64],
    cell_bins: NDArray[np.uint8],
    cell_weights: NDArray[np.int64],
) -> None:
    """Count entries date by date and group by group; write what is found as cells."""
    sums = np.zeros(BINS, np.int64)
    count, groups = 0, len(starts) - 1
    for t in range(len(dates)):
        values, flags = dn[dates[t]], layer[dates[t]]
        for group in range(groups):
            low, high = BINS, -1
            many = starts[group + 1] - starts[group] >= _MANY
            for i in range(starts[group], starts[group + 1]):
                pixel = np.uint64(entries[i])
                code = codes[values[pixel]]
                code = code if code == np.uint8(NODATA_BIN) else code | masked[flags[pixel]]
                if many and sums[code] >= FULL:
                    cell_bins[count] = code
                    cell_weights[count] = sums[code]
                    sums[code] = 0
                    count += 1
                sums[code] += weight[i]
                low, high = min(low, int(code)), max(high, int(code))
            for code in range(low, high + 1):
                if sums[code]:
                    cell_bins[count] = code
                    cell_weights[count] = sums[code]
                    sums[code] = 0
                    count += 1
            ends[t * groups + group + 1] = count
