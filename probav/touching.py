"""Pixels that polygons and lines touch, as GDAL rasterises them.

A call of GDAL takes half a millisecond whatever it draws. Small shapes are therefore drawn many at a time,
moved by whole pixels to places of their own on one canvas, each in a colour of its own; large ones are drawn
one by one, in bands of rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize

_WIDTH = 2048  # pixels of a canvas
_HEIGHT = 2048
_SMALL = 256  # pixels of a side
_BAND_CELLS = 1 << 22  # cells of a band of rows that is rasterised at once


def touched(shapes: NDArray[Any], zones: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the pixels that shapes touch.

    Parameters
    ----------
    shapes : (n,) of shapely polygons and lines, in pixels (column, row)
    zones : (n,) int64
        Number of each.

    Returns
    -------
    (m, 4) int64
        Zone, row, first column, column after the last.
    """
    bounds = shapely.bounds(shapes)
    corner = np.floor(bounds[:, :2]).astype(np.int64) - 1
    size = np.ceil(bounds[:, 2:]).astype(np.int64) + 1 - corner
    small = (size <= _SMALL).all(axis=1)
    found = [np.empty((0, 4), np.int64)]
    for number in np.flatnonzero(~small).tolist():
        runs = _large(shapes[number], corner[number], size[number])
        found.append(np.column_stack([np.full(len(runs), zones[number]), runs]))
    for canvas, place in _places(size[small]):
        chosen = np.flatnonzero(small)[canvas]
        moved = place - corner[chosen]
        runs = _drawn(shapes[chosen], moved)
        own = moved[runs[:, 0]]
        found.append(np.column_stack([zones[chosen[runs[:, 0]]], runs[:, 1:] - own[:, [1, 0, 0]]]))
    return np.vstack(found)


def _places(size: NDArray[np.int64]) -> list[tuple[NDArray[np.intp], NDArray[np.int64]]]:
    """Lay rectangles (width, height) on canvases, row after row; return which are on each, and where."""
    found = []
    members: list[int] = []
    places: list[tuple[int, int]] = []
    x, y, tallest = 0, 0, 0
    for number, (width, height) in enumerate(size.tolist()):
        if x + width > _WIDTH:
            x, y, tallest = 0, y + tallest, 0
        if y + height > _HEIGHT:
            found.append((np.array(members), np.array(places)))
            members, places, x, y, tallest = [], [], 0, 0, 0
        members.append(number)
        places.append((x, y))
        x, tallest = x + width, max(tallest, height)
    if members:
        found.append((np.array(members), np.array(places)))
    return found


def _drawn(shapes: NDArray[Any], moved: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return runs (number of the shape, row, first, last + 1) of shapes moved to places of their own."""
    points, owner = shapely.get_coordinates(shapes, return_index=True)
    placed = shapely.set_coordinates(shapes.copy(), points + moved[owner])
    height = int(np.ceil(shapely.total_bounds(placed)[3])) + 1
    burnt: NDArray[np.int32] = rasterize(
        zip(placed, range(1, len(placed) + 1), strict=True), (height, _WIDTH), all_touched=True,
        dtype="int32", transform=Affine.identity(),
    )  # fmt: skip
    bordered = np.pad(burnt, ((0, 0), (1, 1)))
    change = np.diff(bordered, axis=1) != 0
    row, begin = np.nonzero(change & (bordered[:, 1:] > 0))
    end = np.nonzero(change & (bordered[:, :-1] > 0))[1]
    return np.column_stack([burnt[row, begin] - 1, row, begin, end]).astype(np.int64)


def _large(shape: Any, corner: NDArray[np.int64], size: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return runs (row, first, last + 1) of one shape, in bands of rows."""
    (first, start), (width, rows) = corner.tolist(), size.tolist()
    height = max(1, _BAND_CELLS // width)
    found = []
    for band in range(start, start + rows, height):
        burnt: NDArray[np.uint8] = rasterize(
            [shape], (min(height, start + rows - band), width), transform=Affine.translation(first, band),
            all_touched=True, dtype="uint8",
        )  # fmt: skip
        steps = np.diff(np.pad(burnt, ((0, 0), (1, 1))).astype(np.int8), axis=1)
        row, begin = np.nonzero(steps == 1)
        end = np.nonzero(steps == -1)[1]
        found.append(np.column_stack([row + band, begin + first, end + first]))
    return np.vstack(found).astype(np.int64)
