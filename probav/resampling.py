"""Pixels of one grid on another: the mean or the most frequent class of what each pixel covers.

A pixel's edges are placed on the other grid in whole steps of 2**-24 of its pixels, from the two grids alone.
A weight is an area, the product of two whole numbers; each pixel adds up its own in one order. So the result
can't depend on how the pixels asked for are cut. Where pixel edges coincide, whole pixels are taken: a pixel
of 1 km is the 300 m columns 3k-1 to 3k+1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray
from pyproj import CRS

from probav.choices import RESAMPLING
from probav.errors import QueryError, did_you_mean
from probav.grid import Grid
from probav.products import Variable

_REMEDY = {
    "continuous": "'mean' or 'nearest'",
    "categorical": "'mode' or 'nearest'",
    "flags": "'mode' or 'nearest'",
}


def check_method(method: str, source: Grid, target: Grid) -> None:
    """Check that there is a method, and that it works between two grids.

    Raises
    ------
    QueryError
        If there is no such method, or it can't be applied across coordinate systems.
    """
    if method not in RESAMPLING:
        raise QueryError(f"There is no resampling {method!r}.{did_you_mean(str(method), RESAMPLING)}")
    if method != "nearest" and not same_crs(source, target):
        raise QueryError(
            f"resampling={method!r} needs both grids in one coordinate system, found {source.crs[:80]} and "
            f"{target.crs[:80]}; use resampling='nearest', or a grid in {source.crs[:80]}."
        )


def check_variable(method: str, variable: Variable, product: str) -> None:
    """Check that a method makes sense for a variable.

    Raises
    ------
    QueryError
        For the mean of classes or flags, or the most frequent number of a quantity.
    """
    is_quantity = variable.kind == "continuous"
    if (method == "mean" and not is_quantity) or (method == "mode" and is_quantity):
        what = {"continuous": "a quantity", "categorical": "made of classes", "flags": "made of flags"}
        raise QueryError(
            f"{variable.name} of {product} is {what[variable.kind]}: a {method} of it has no meaning; load "
            f"it with resampling={_REMEDY[variable.kind]}, in a call of its own if need be."
        )


def same_crs(one: Grid, other: Grid) -> bool:
    """Return whether two grids are in one coordinate system, however it is written."""
    return one.crs == other.crs or bool(CRS(one.crs) == CRS(other.crs))


@dataclass(frozen=True)
class Overlaps:
    """Which pixels of a source grid each pixel of a target grid covers, and how much of them.

    Parameters
    ----------
    source, target : Grid
        In one coordinate system.
    """

    source: Grid
    target: Grid

    @property
    def bits(self) -> int:
        """Binary digits of a step: 24, or fewer where a pixel's whole area would leave 63 bits."""
        across, down = self.source.nx / self.target.nx + 2, self.source.ny / self.target.ny + 2
        return min(24, (62 - math.ceil(math.log2(across * down))) // 2)

    def edges(self, rows: slice, columns: slice) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the edges of target rows and columns on the source grid, in steps: one more than pixels."""
        one, other, size = self.source, self.target, 1 << self.bits
        across, down = one.nx / other.nx, one.ny / other.ny
        left = (other.x0 - one.x0) * one.nx + 0.5
        top = (one.y0 - other.y0) * one.ny + 0.5
        y = (np.arange(rows.start, rows.stop + 1) - 0.5) * down + top
        x = (np.arange(columns.start, columns.stop + 1) - 0.5) * across + left
        return np.rint(y * size).astype(np.int64), np.rint(x * size).astype(np.int64)

    def window(self, rows: slice, columns: slice) -> tuple[slice, slice]:
        """Return the source rows and columns under target ones.

        Columns run on beyond the first and the last one of a grid that goes round the world. May be empty.
        """
        y, x = self.edges(rows, columns)
        across = None if self.source.goes_round else self.source.width
        return _range(y, self.bits, self.source.height), _range(x, self.bits, across)


def _range(edges: NDArray[np.int64], bits: int, size: int | None) -> slice:
    start, stop = int(edges[0] >> bits), int(-(-edges[-1] >> bits))
    if size is None:
        return slice(start, stop)
    start = min(max(start, 0), size)
    return slice(start, max(start, min(stop, size)))


def mean(
    values: NDArray[np.float64], window: tuple[slice, slice], overlaps: Overlaps, rows: slice, columns: slice
) -> NDArray[np.float64]:
    """Return the mean of the values that each target pixel covers, weighted by the covered area.

    Parameters
    ----------
    values : (time, source rows, source columns) float64
        NaN where there is none.
    window : source rows and columns of `values`
        As `overlaps.window` gives it.
    rows, columns : slice
        Target pixels.

    Returns
    -------
    (time, rows, columns) float64, NaN where a pixel covers no value.
    """
    y, x = _local(window, overlaps, rows, columns)
    out = np.full((len(values), len(y) - 1, len(x) - 1), np.nan)
    for date, layer in enumerate(values):
        _mean(np.ascontiguousarray(layer), y, x, 1 << overlaps.bits, out[date])
    return out


def mode(
    codes: NDArray[np.int64], classes: int, window: tuple[slice, slice], overlaps: Overlaps, rows: slice,
    columns: slice,
) -> NDArray[np.int64]:  # fmt: skip
    """Return the class that covers most of each target pixel; the first one of several that do.

    Parameters
    ----------
    codes : (time, source rows, source columns) int64
        Index of the class, 0 to `classes` - 1; -1 where there is none.
    window, overlaps, rows, columns
        As for `mean`.

    Returns
    -------
    (time, rows, columns) int64, -1 where a pixel covers no class.
    """
    y, x = _local(window, overlaps, rows, columns)
    out = np.full((len(codes), len(y) - 1, len(x) - 1), -1)
    for date, layer in enumerate(codes):
        _mode(np.ascontiguousarray(layer), classes, y, x, 1 << overlaps.bits, out[date])
    return out


def _local(
    window: tuple[slice, slice], overlaps: Overlaps, rows: slice, columns: slice
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    y, x = overlaps.edges(rows, columns)
    return y - (window[0].start << overlaps.bits), x - (window[1].start << overlaps.bits)


@numba.njit(cache=True, nogil=True)
def _mean(
    values: NDArray[np.float64],
    y: NDArray[np.int64],
    x: NDArray[np.int64],
    one: int,
    out: NDArray[np.float64],
) -> None:
    height, width = values.shape
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            total, weight = 0.0, 0.0
            for row in range(max(0, y[i] // one), min(height, -(-y[i + 1] // one))):
                high = min(y[i + 1], (row + 1) * one) - max(y[i], row * one)
                for column in range(max(0, x[j] // one), min(width, -(-x[j + 1] // one))):
                    value = values[row, column]
                    if value == value:
                        wide = min(x[j + 1], (column + 1) * one) - max(x[j], column * one)
                        total += float(high * wide) * value
                        weight += float(high * wide)
            if weight > 0:
                out[i, j] = total / weight


@numba.njit(cache=True, nogil=True)
def _mode(
    codes: NDArray[np.int64],
    classes: int,
    y: NDArray[np.int64],
    x: NDArray[np.int64],
    one: int,
    out: NDArray[np.int64],
) -> None:
    height, width = codes.shape
    covered = np.zeros(classes, np.int64)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            covered[:] = 0
            for row in range(max(0, y[i] // one), min(height, -(-y[i + 1] // one))):
                high = min(y[i + 1], (row + 1) * one) - max(y[i], row * one)
                for column in range(max(0, x[j] // one), min(width, -(-x[j + 1] // one))):
                    code = codes[row, column]
                    if code >= 0:
                        wide = min(x[j + 1], (column + 1) * one) - max(x[j], column * one)
                        covered[code] += high * wide
            most = 0
            for code in range(classes):
                if covered[code] > most:
                    most = covered[code]
                    out[i, j] = code
