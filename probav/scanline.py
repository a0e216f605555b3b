"""Pixels whose centre lies in a polygon, for any number of polygons at once, as GDAL fills polygons.

Centres exactly on an outline are the subtle part: corners on whole degrees are pixel centres of PROBA-V
grids. Of two polygons that share such an outline, one has the centre: it belongs to the one on its left, and
to the one below it. That is what GDAL does where rows count downwards; on north-up rasters it gives a centre
on a horizontal outline to both, so that a box of one degree at 336 pixels a degree has 337 rows. Here it has
336, wherever it lies.
Source: GDAL, alg/llrasterize.cpp, GDALdllImageFilledPolygon.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import shapely
from numpy.typing import NDArray

_BITS = 21  # for a row or a column, counted from the first
_MOST = 1 << _BITS


def segments_of(
    shapes: NDArray[Any], zones: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the segments (x, y to x, y) of the rings of polygons, and the zone of each.

    Seen with y downwards, exteriors run clockwise and holes the other way.
    """
    parts, owner = shapely.get_parts(shapes, return_index=True)
    parts = shapely.orient_polygons(parts)
    has_holes = shapely.get_num_interior_rings(parts) > 0
    rings, part = shapely.get_rings(parts[has_holes], return_index=True)
    rings = np.concatenate([parts[~has_holes], rings])  # to take rings out costs more than all else
    owner = np.concatenate([owner[~has_holes], owner[has_holes][part]])
    points, ring = shapely.get_coordinates(rings, return_index=True)
    first = np.flatnonzero(ring[1:] == ring[:-1])  # from each point to the next of its ring
    return np.hstack([points[first], points[first + 1]]), zones[owner[ring[first]]]


def order_of(zone: NDArray[np.int64], row: NDArray[np.int64], column: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return the stable order by zone, row and column."""
    if not len(zone):
        return np.empty(0, np.intp)
    row, column = row - row.min(), column - column.min()
    if max(int(zone.max()), int(row.max()), int(column.max())) >= _MOST:
        return np.lexsort((column, row, zone))
    return np.argsort((zone << 2 * _BITS) | (row << _BITS) | column, kind="stable")


def centres(shapes: NDArray[Any], zones: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the pixels whose centre polygons hold.

    Parameters
    ----------
    shapes : (n,) of shapely polygons and multipolygons, in pixels (column, row)
    zones : (n,) int64
        Number of each.

    Returns
    -------
    (m, 4) int64
        Zone, row, first column, column after the last; sorted.
    """
    segments, zone = segments_of(shapes, zones)
    count = _crossings(segments, zone, np.empty((0, 2), np.int64), np.empty(0))
    where, x = np.empty((count, 2), np.int64), np.empty(count)
    _crossings(segments, zone, where, x)
    order = np.lexsort((x, where[:, 1], where[:, 0]))
    pairs = where[order][::2]
    first, last = (np.floor(x[order][start::2] + 0.5).astype(np.int64) for start in (0, 1))
    runs = np.column_stack([pairs, first, last])
    return runs[last > first]


@numba.njit(cache=True, nogil=True)
def _crossings(
    segments: NDArray[np.float64],
    zone: NDArray[np.int64],
    where: NDArray[np.int64],
    x: NDArray[np.float64],
) -> int:
    """Write zone, row and x of each crossing of a segment with a line of pixel centres.

    Returns their number; where `x` is empty, that is all.
    """
    count = 0
    for s in range(len(segments)):
        xa, ya, xb, yb = segments[s]
        if ya > yb:
            xa, ya, xb, yb = xb, yb, xa, ya
        # rows whose centre is at or below the upper end, and above the lower one
        for row in range(int(np.ceil(ya - 0.5)), int(np.ceil(yb - 0.5))):
            if len(x):
                where[count, 0], where[count, 1] = zone[s], row
                x[count] = (row + 0.5 - ya) * (xb - xa) / (yb - ya) + xa
            count += 1
    return count
