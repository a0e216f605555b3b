"""Mergeable partial results: how often each stored number occurs per date and group.

A group is a zone, or a zone and a class. Counts are integers and fixed-point integers (see `coverage.ONE`),
so merging is exact addition: neither its order nor how the work was cut can change a result.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from probav.coverage import ONE

BINS = 256
NODATA_BIN = 254
MASKED_BIN = 255
_USABLE = 254  # bins left for values of an 8-bit variable


@dataclass
class Partial:
    """Counts of one task.

    Attributes
    ----------
    groups : (g,) int64
        Which groups the rows are of.
    positions : (t,) int64
        Which of the query's dates.
    whole : (t, g, b) int64
        Pixels counted whole, per bin.
    parts : (t, g, b) int64
        Weights of pixels counted in part, per bin, in 1 / ONE.
    values : (b - 2,) float64 or None
        The stored number of each bin but the last two (no data, masked); None for 8-bit variables, whose
        bins are the query's code table.
    """

    groups: NDArray[np.int64]
    positions: NDArray[np.int64]
    whole: NDArray[np.int64]
    parts: NDArray[np.int64]
    values: NDArray[np.float64] | None = None


def code_table(valid: NDArray[np.bool_]) -> tuple[NDArray[np.uint8], NDArray[np.intp]] | None:
    """Return the bin of each of 256 DNs and the DN of each bin; None where there are too many values.

    Parameters
    ----------
    valid : (256,) bool
        Which DNs hold a value.
    """
    dns = np.flatnonzero(valid)
    if len(dns) > _USABLE:
        return None
    codes = np.full(BINS, NODATA_BIN, np.uint8)
    codes[dns] = np.arange(len(dns), dtype=np.uint8)
    return codes, dns


@numba.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")
def count_codes(
    dn: NDArray[np.uint8],
    dates: NDArray[np.int64],
    codes: NDArray[np.uint8],
    layer: NDArray[np.uint8],
    masked: NDArray[np.uint8],
    label: NDArray[np.uint32],
    window: tuple[int, int, int, int],
    whole: NDArray[np.int64],
) -> None:
    """Count pixels of a block per date, group and bin: read, mask, group and count in one pass.

    Parameters
    ----------
    dn : (time, y, x) uint8
    dates : (t,) int64
        Which of the block's dates are counted.
    codes : (256,) uint8
        Bin of each DN.
    layer : (time, y, x) uint8
        The layer the mask depends on.
    masked : (256,) uint8
        255 for the DNs of `layer` at which a pixel is masked, else 0.
    label : (1 or t, y, x) uint32
        Row of `whole` each pixel belongs to; row 0 is no group.
    window : first row, row after the last, first column, column after the last
    whole : (t, groups + 1, 256) int64
        Added to.
    """
    row0, row1, column0, column1 = window
    index = np.empty(column1 - column0, np.uint32)
    for t in range(dates.shape[0]):
        counts = whole[t].reshape(-1)
        for row in range(row0, row1):
            values = dn[dates[t], row, column0:column1]
            flags = layer[dates[t], row, column0:column1]
            labels = label[t if label.shape[0] > 1 else 0, row, column0:column1]
            for i in range(index.shape[0]):
                code = codes[values[i]]
                if code != NODATA_BIN:  # a pixel without a value is "no data", whether masked or not
                    code |= masked[flags[i]]
                index[i] = (labels[i] << np.uint32(8)) | np.uint32(code)
            for i in range(index.shape[0]):
                counts[index[i]] += 1


@numba.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")
def count_entries(
    dn: NDArray[np.uint8],
    dates: NDArray[np.int64],
    codes: NDArray[np.uint8],
    layer: NDArray[np.uint8],
    masked: NDArray[np.uint8],
    pixel: NDArray[np.int64],
    group: NDArray[np.int64],
    weight: NDArray[np.int64],
    whole: NDArray[np.int64],
    parts: NDArray[np.int64],
) -> None:
    """Count single pixels with their weights: those covered in part, and those of overlapping zones.

    Parameters are those of `count_codes`, and for each entry its pixel (n, 2: row, column), group
    (1 or t, n) and weight (n,).
    """
    for t in range(dates.shape[0]):
        groups = group[t if group.shape[0] > 1 else 0]
        for i in range(pixel.shape[0]):
            code = codes[dn[dates[t], pixel[i, 0], pixel[i, 1]]]
            if code != NODATA_BIN:
                code |= masked[layer[dates[t], pixel[i, 0], pixel[i, 1]]]
            if weight[i] == ONE:
                whole[t, groups[i], code] += 1
            else:
                parts[t, groups[i], code] += weight[i]


def count_values(
    dn: NDArray[Any],
    valid: NDArray[np.bool_],
    masked: NDArray[np.bool_],
    group: NDArray[np.int64],
    weight: NDArray[np.int64],
    groups: int,
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Count pixels of a variable with more than 8 bits, by sorting.

    Parameters
    ----------
    dn, valid, masked : (time, n)
        Stored numbers of the entries, whether they hold a value, whether they are masked.
    group : (time or 1, n) int64
        Group of each entry, less than `groups`.
    weight : (n,) int64
        In 1 / ONE.
    groups : int

    Returns
    -------
    values : (b,) float64
        The stored numbers that occur, ascending.
    whole, parts : (time, groups, b + 2) int64
        As in `Partial`.
    """
    times = dn.shape[0]
    counted = valid & ~masked
    values, inverse = np.unique(dn[counted], return_inverse=True)
    bins = np.where(valid, len(values) + 1, len(values))
    bins[counted] = inverse
    width = len(values) + 2
    flat = (np.arange(times)[:, None] * groups + group) * width + bins
    is_whole = np.broadcast_to(weight == ONE, dn.shape)
    whole = np.bincount(flat[is_whole], minlength=times * groups * width)
    parts = np.zeros(times * groups * width, np.int64)
    np.add.at(parts, flat[~is_whole], np.broadcast_to(weight, dn.shape)[~is_whole])
    shape = (times, groups, width)
    return values.astype(np.float64), whole.astype(np.int64).reshape(shape), parts.reshape(shape)
