"""Layers of other products on the pixels of a grid: the nearest pixel, and the period that holds the date."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from probav.archive import Product
from probav.grid import Grid
from probav.products import period_end

Days = NDArray[np.datetime64]


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
    xs, ys = grid.xs(columns.start, columns.stop), grid.ys(rows.start, rows.stop)
    other = product.grid
    if other.crs == grid.crs:
        column = np.broadcast_to(other.pixels(xs, other.y0 + 0 * xs)[0], (len(ys), len(xs)))
        row = np.broadcast_to(other.pixels(other.x0 + 0 * ys, ys)[1][:, None], (len(ys), len(xs)))
    else:
        transformer = Transformer.from_crs(grid.crs, other.crs, always_xy=True)
        column, row = other.pixels(*transformer.transform(*np.meshgrid(xs, ys)))
    # a hair's breadth east and south: a centre on another grid's pixel edge must not hang on rounding
    column, row = np.floor(column + 1e-6).astype(int), np.floor(row + 1e-6).astype(int)
    inside = (column >= 0) & (column < other.width) & (row >= 0) & (row < other.height)
    unwritten = product.variables[variable].unwritten
    array = product.array(variable)
    periods, which = np.unique(dates_for(product, dates), return_inverse=True)
    layers = np.full((len(periods), len(ys), len(xs)), unwritten, array.dtype)
    if inside.any():
        top, left = int(row[inside].min()), int(column[inside].min())
        window = slice(top, int(row[inside].max()) + 1), slice(left, int(column[inside].max()) + 1)
        for index, period in enumerate(periods):
            if period >= 0:
                found = array[int(product.positions[period]), window[0], window[1]]
                layers[index][inside] = found[row[inside] - top, column[inside] - left]
    return layers, which
