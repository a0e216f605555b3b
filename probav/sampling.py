"""Layers of other products on the pixels of a grid: the nearest pixel, and the period that holds the date."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from probav.archive import Product
from probav.chunks import ChunkReader
from probav.grid import Grid
from probav.products import period_end

Days = NDArray[np.datetime64]
HAIR = 1e-6  # of a pixel


def dates_for(product: Product, dates: Days) -> NDArray[np.intp]:
    """Return the index into `product.times` that holds for each date; -1 where none does.

    The last period that starts on or before the date, if it lasts that long. A map of a year holds until
    the next one, and the first one before its year, too: land cover is known for some years only.
    """
    times = product.times
    index = np.searchsorted(times, dates, side="right") - 1
    if product.definition.cadence == "year":
        return np.maximum(index, 0) if len(times) else index
    held = index >= 0
    held[held] &= dates[held] < period_end(times[index[held]], product.definition.cadence)
    return np.where(held, index, -1)


def nearest(
    source: Grid, grid: Grid, rows: slice, columns: slice
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the source pixel that holds the centre of each pixel of a window of another grid.

    Returns
    -------
    row, column : int arrays that broadcast to (rows, columns)
        -1 beyond the source grid.
    """
    xs, ys = grid.xs(columns.start, columns.stop), grid.ys(rows.start, rows.stop)
    if source.crs == grid.crs:
        column, row = source.pixels(xs[None, :], ys[:, None])
    else:
        column, row = source.pixels(*_transformer(grid.crs, source.crs).transform(*np.meshgrid(xs, ys)))
        lost = ~(np.isfinite(column) & np.isfinite(row))  # no place of the other coordinate system
        column[lost] = row[lost] = -1
    # a hair's breadth east and south: a centre on another grid's pixel edge must not hang on rounding
    column, row = np.floor(column + HAIR), np.floor(row + HAIR)
    width = source.width
    if source.goes_round:  # within half a pixel of 180 degrees east: the first column of the world
        column %= width
    row[(row < 0) | (row >= source.height)] = -1
    column[(column < 0) | (column >= width)] = -1
    return row.astype(np.intp), column.astype(np.intp)


@lru_cache(32)  # making one takes as long as moving 100,000 points
def _transformer(one: str, other: str) -> Transformer:
    return Transformer.from_crs(one, other, always_xy=True)


def sample(
    product: Product, variable: str, grid: Grid, rows: slice, columns: slice, dates: Days
) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Return a layer's stored numbers at the pixel centres of a window of another grid.

    Parameters
    ----------
    product, variable
        The layer.
    grid : Grid
        Where it is wanted, in the window `rows`, `columns`.
    dates : (t,) datetime64[D]

    Returns
    -------
    layers : (n, rows, columns)
        One for each distinct period that is needed.
    which : (t,) int
        Which of them holds for each date.
    """
    row, column = nearest(product.grid, grid, rows, columns)
    periods, which = np.unique(dates_for(product, dates), return_inverse=True)
    known = product.variables[variable]
    shape = len(periods), rows.stop - rows.start, columns.stop - columns.start
    layers = np.full(shape, known.unwritten, known.dtype)
    if row.shape[1] == 1 and column.shape[0] == 1:  # one coordinate system: rows and columns go apart
        y, x = np.flatnonzero(row[:, 0] >= 0), np.flatnonzero(column[0] >= 0)
        where: Any = np.ix_(y, x)
        row, column = row[y], column[:, x]
    else:
        where = (row >= 0) & (column >= 0)
        row, column = row[where], column[where]
    if row.size and column.size:
        top, left = int(row.min()), int(column.min())
        window = slice(top, int(row.max()) + 1), slice(left, int(column.max()) + 1)
        reader = ChunkReader(product, variable)
        for index, period in enumerate(periods):
            if period >= 0:
                found = reader.window(int(product.positions[period]), *window)
                layers[index][where] = found[row - top, column - left]
    return layers, which
