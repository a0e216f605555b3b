"""Exact covered fractions of pixels, for any number of polygons at once: a sweep over the pixels they cross.

The signed area that a polygon's edges leave to their right, summed along a row, is the covered fraction of
each pixel, holes subtracted: the exact-area scan conversion of font rasterisers (FreeType, libart). Only
crossed pixels are looked at, so the cost grows with the length of the outlines, not with the area.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from probav.scanline import order_of, segments_of

ONE = 1 << 40
"""Weight of a whole pixel. Weights are fixed-point numbers: sums of integers don't depend on their order."""

_SNAP = 1e-12  # of a pixel: what rounding may leave where outlines cancel out
Runs = NDArray[np.int64]


def fractions(shapes: NDArray[Any], zones: NDArray[np.int64]) -> tuple[Runs, Runs, NDArray[np.int64]]:
    """Return the pixels that polygons cover.

    Parameters
    ----------
    shapes : (n,) of valid shapely polygons and multipolygons, in pixels (column, row)
    zones : (n,) int64
        Number of each, ascending.

    Returns
    -------
    runs : (m, 4) int64
        Whole pixels: zone, row, first column, column after the last.
    edges : (k, 3) int64
        Pixels covered in part: zone, row, column.
    weights : (k,) int64
        Their covered part, in 1 / ONE.
    """
    segments, zone = segments_of(shapes, zones)
    cells = np.empty((_cells(segments, zone, np.empty((0, 3), np.int64), np.empty((0, 2))), 3), np.int64)
    areas = np.empty((len(cells), 2))
    _cells(segments, zone, cells, areas)
    order = order_of(cells[:, 0], cells[:, 1], cells[:, 2])  # equal pixels stay in drawing order
    cells, areas = cells[order], areas[order]
    nothing = np.empty((0, 4), np.int64), np.empty((0, 3), np.int64), np.empty(0, np.int64)
    counts = _sweep(cells, areas, *nothing)
    runs, edges, weights = (
        np.empty((counts[0], 4), np.int64), np.empty((counts[1], 3), np.int64), np.empty(counts[1], np.int64),
    )  # fmt: skip
    _sweep(cells, areas, runs, edges, weights)
    return runs, edges, weights


@numba.njit(cache=True, nogil=True)
def _cells(
    segments: NDArray[np.float64],
    zone: NDArray[np.int64],
    cells: NDArray[np.int64],
    areas: NDArray[np.float64],
) -> int:
    """Write the pixels (zone, row, column) that segments cross, with the area and height they add there.

    Returns their number; where `cells` is empty, that is all.
    """
    count = 0
    write = len(cells) > 0
    for s in range(len(segments)):
        xa, ya, xb, yb = segments[s]
        if ya == yb:
            continue
        sign = -1.0  # rows count downwards: counter-clockwise exteriors come out positive
        if ya > yb:
            xa, ya, xb, yb = xb, yb, xa, ya
            sign = 1.0
        slope = (xb - xa) / (yb - ya)
        for row in range(int(np.floor(ya)), int(np.ceil(yb))):
            y0, y1 = max(ya, float(row)), min(yb, float(row + 1))
            if y1 <= y0:
                continue
            height = sign * (y1 - y0)
            x0 = xa if y0 == ya else xa + (y0 - ya) * slope
            x1 = xb if y1 == yb else xa + (y1 - ya) * slope
            if x0 > x1:
                x0, x1 = x1, x0
            left = int(np.floor(x0))
            right = max(int(np.ceil(x1)), left + 1)  # pixel after the last one crossed
            if write:
                for column in range(left, right):
                    part = 1.0
                    middle = 0.5 * (x0 + x1)
                    if right > left + 1:
                        u0, u1 = max(x0, float(column)), min(x1, float(column + 1))
                        part = (u1 - u0) / (x1 - x0)
                        middle = 0.5 * (u0 + u1)
                    at = count + column - left
                    cells[at, 0], cells[at, 1], cells[at, 2] = zone[s], row, column
                    areas[at, 0] = height * part * (column + 1 - middle)
                    areas[at, 1] = height * part
            count += right - left
    return count


@numba.njit(cache=True, nogil=True)
def _sweep(
    cells: NDArray[np.int64],
    areas: NDArray[np.float64],
    runs: NDArray[np.int64],
    edges: NDArray[np.int64],
    weights: NDArray[np.int64],
) -> tuple[int, int]:
    """Sum sorted cells along each row to runs and edges; return how many there are of each.

    Where the results have no room, they are only counted.
    """
    n_runs, n_edges, at = 0, 0, 0
    fill = len(runs) + len(edges) > 0
    while at < len(cells):
        zone, row = cells[at, 0], cells[at, 1]
        cover = 0.0
        begin, end = 0, 0  # the run that is open
        while at < len(cells) and cells[at, 0] == zone and cells[at, 1] == row:
            column = cells[at, 2]
            area, height = 0.0, 0.0
            while at < len(cells) and cells[at, 0] == zone and cells[at, 1] == row and cells[at, 2] == column:
                area += areas[at, 0]
                height += areas[at, 1]
                at += 1
            after = column + 1
            if at < len(cells) and cells[at, 0] == zone and cells[at, 1] == row:
                after = cells[at, 2]
            fraction = cover + area
            cover += height
            if abs(cover - np.rint(cover)) < _SNAP:
                cover = np.rint(cover)
            # the pixel itself, then those up to the next one that is crossed
            for first, stop, share in ((column, column + 1, fraction), (column + 1, after, cover)):
                fixed = min(max(int(np.rint(share * ONE)), 0), ONE)
                if fixed == ONE:
                    if begin < end and end == first:
                        end = stop
                    elif first < stop:
                        if begin < end:
                            if fill:
                                runs[n_runs, 0], runs[n_runs, 1] = zone, row
                                runs[n_runs, 2], runs[n_runs, 3] = begin, end
                            n_runs += 1
                        begin, end = first, stop
                elif fixed > 0:
                    if fill:
                        for i in range(first, stop):
                            at_edge = n_edges + i - first
                            edges[at_edge, 0], edges[at_edge, 1], edges[at_edge, 2] = zone, row, i
                            weights[at_edge] = fixed
                    n_edges += stop - first
        if begin < end:
            if fill:
                runs[n_runs, 0], runs[n_runs, 1] = zone, row
                runs[n_runs, 2], runs[n_runs, 3] = begin, end
            n_runs += 1
    return n_runs, n_edges
