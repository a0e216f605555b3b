"""How much of each pixel each zone covers, computed once per area and grid.

Weights are fixed-point numbers of `ONE` = 2**40 steps a pixel: sums of integers don't depend on their order,
so a statistic can't depend on chunking, threads or partitions. The step, 9e-13 of a pixel, is below what
64-bit coordinates resolve.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numba
import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize
from shapely.geometry.base import BaseGeometry

from probav.areas import Aoi
from probav.choices import RULES
from probav.errors import AoiError, QueryError, did_you_mean
from probav.grid import Grid

Rule = Literal["fraction", "centre", "touched"]
ONE = 1 << 40
_BAND_CELLS = 1 << 22  # cells of a band of rows that is worked on at once


@dataclass(frozen=True)
class Coverage:
    """The pixels of zones on a grid.

    Attributes
    ----------
    runs : (n, 4) int64
        Whole pixels: zone, row, first column, column after the last.
    edges : (m, 3) int64
        Pixels covered in part: zone, row, column.
    weights : (m,) int64
        Covered part of `edges`, in 1 / ONE.
    outside : (zones,) int64
        Weight of the pixels that lie outside of what the archive holds, in 1 / ONE.
    """

    runs: NDArray[np.int64]
    edges: NDArray[np.int64]
    weights: NDArray[np.int64]
    outside: NDArray[np.int64]


def coverage(aoi: Aoi, grid: Grid, held: BaseGeometry, rule: str = "fraction") -> Coverage:
    """Return the pixels that each feature of an area covers.

    Parameters
    ----------
    aoi : Aoi
    grid : Grid
    held : shapely geometry, pixel coordinates (column, row)
        The windows of the grid that the archive holds: boxes with whole numbers as corners.
    rule : {"fraction", "centre", "touched"}
        Polygons: exact covered fraction, pixels whose centre is inside, or pixels touched, the latter two as
        GDAL rasterises. A line covers the pixels it touches and a point the pixel it lies in, whatever the
        rule.

    Raises
    ------
    QueryError
        If there is no such rule.
    AoiError
        If a feature mixes points, lines and polygons.
    """
    if rule not in RULES:
        raise QueryError(f"There is no coverage {rule!r}.{did_you_mean(rule, RULES)}")
    runs: list[NDArray[np.int64]] = []
    edges: list[NDArray[np.int64]] = []
    weights: list[NDArray[np.int64]] = []
    outside = np.zeros(len(aoi), np.int64)
    shapes = aoi.frame.geometry if grid.is_geographic else aoi.frame.geometry.to_crs(grid.crs)
    for zone, (name, shape) in enumerate(shapes.items()):
        in_pixels = shapely.transform(shape, lambda xy: np.column_stack(grid.pixels(xy[:, 0], xy[:, 1])))
        whole, part, weight, outside[zone] = _zone(in_pixels, held, rule, f"Feature {name!r}")
        runs.append(np.column_stack([np.full(len(whole), zone), whole]))
        edges.append(np.column_stack([np.full(len(part), zone), part]))
        weights.append(weight)
    return Coverage(np.vstack(runs), np.vstack(edges), np.concatenate(weights), outside)


_Zone = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], int]
_NO_EDGES = np.empty((0, 2), np.int64), np.empty(0, np.int64)


def _zone(shape: BaseGeometry, held: BaseGeometry, rule: str, what: str) -> _Zone:
    """Whole runs (row, first, last + 1), edge pixels (row, column), their weights, weight outside."""
    kind = set(shapely.get_dimensions(shapely.get_parts(shape)).tolist())
    if len(kind) != 1:
        raise AoiError(f"{what} mixes points, lines and polygons; make features of one kind each.")
    inside = held.contains(shapely.box(*shape.bounds))
    if kind == {0}:
        return _points(shape, held)
    if kind == {2} and rule == "fraction":
        kept = shape if inside else shapely.intersection(shape, held)
        runs, edges, weights = _fractions(kept)
        total = shape.area if not inside else 0.0
        covered = (int((runs[:, 2] - runs[:, 1]).sum()) * ONE) + int(weights.sum())
        return runs, edges, weights, 0 if inside else max(0, round(total * ONE) - covered)
    runs = _rasterised(shape, touched=kind == {1} or rule == "touched")
    if inside:
        return runs, *_NO_EDGES, 0
    kept_runs = _clip_runs(runs, held)
    lost = int((runs[:, 2] - runs[:, 1]).sum() - (kept_runs[:, 2] - kept_runs[:, 1]).sum())
    return kept_runs, *_NO_EDGES, lost * ONE


def _points(shape: BaseGeometry, held: BaseGeometry) -> _Zone:
    pixels = np.unique(np.floor(shapely.get_coordinates(shape)).astype(np.int64), axis=0)
    is_held = shapely.contains_xy(held, pixels[:, 0] + 0.5, pixels[:, 1] + 0.5)
    column, row = pixels[is_held].T
    return np.column_stack([row, column, column + 1]), *_NO_EDGES, int((~is_held).sum()) * ONE


def _rasterised(shape: BaseGeometry, touched: bool) -> NDArray[np.int64]:
    """Whole runs of pixels as GDAL rasterises, in bands of rows."""
    left, top, right, bottom = shape.bounds
    first, last = int(np.floor(left)) - 1, int(np.ceil(right)) + 1
    start, stop = int(np.floor(top)) - 1, int(np.ceil(bottom)) + 1
    height = max(1, _BAND_CELLS // (last - first))
    found = []
    for band in range(start, stop, height):
        rows = min(height, stop - band)
        burnt: NDArray[np.uint8] = rasterize(
            [shape],
            (rows, last - first),
            transform=Affine.translation(first, band),
            all_touched=touched,
            dtype="uint8",
        )
        steps = np.diff(np.pad(burnt, ((0, 0), (1, 1))).astype(np.int8), axis=1)
        row, begin = np.nonzero(steps == 1)
        end = np.nonzero(steps == -1)[1]
        found.append(np.column_stack([row + band, begin + first, end + first]))
    return np.vstack(found).astype(np.int64)


def _clip_runs(runs: NDArray[np.int64], held: BaseGeometry) -> NDArray[np.int64]:
    """Cut runs to the boxes of `held`, which don't overlap."""
    found = [np.empty((0, 3), np.int64)]
    for left, top, right, bottom in disjoint_boxes(held):
        kept = runs[(runs[:, 0] >= top) & (runs[:, 0] < bottom)].copy()
        np.clip(kept[:, 1:], left, right, out=kept[:, 1:])
        found.append(kept[kept[:, 2] > kept[:, 1]])
    return np.vstack(found)


def disjoint_boxes(held: BaseGeometry) -> list[tuple[int, int, int, int]]:
    """Cut a rectilinear shape with whole-number corners into boxes: left, top, right, bottom."""
    rows = np.unique(np.rint(shapely.get_coordinates(held)[:, 1]).astype(int))
    boxes = []
    for top, bottom in zip(rows[:-1].tolist(), rows[1:].tolist(), strict=True):
        strip = shapely.intersection(held, shapely.box(*held.bounds[:1], top, held.bounds[2], bottom))
        for part in shapely.get_parts(strip):
            if part.area > 0:
                left, _, right, _ = (round(edge) for edge in part.bounds)
                boxes.append((left, top, right, bottom))
    return boxes


def _fractions(shape: BaseGeometry) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Exact covered fractions of a polygon's pixels, in bands of rows."""
    parts = [part for part in shapely.get_parts(shape) if part.area > 0]
    if not parts:
        return np.empty((0, 3), np.int64), *_NO_EDGES
    rings: list[Any] = []
    for part in shapely.orient_polygons(parts):  # exteriors one way, holes the other
        rings += [part.exterior, *part.interiors]
    points = [shapely.get_coordinates(ring) for ring in rings]
    segments = np.vstack([np.hstack([ring[:-1], ring[1:]]) for ring in points])
    left, top, right, bottom = shapely.total_bounds(parts)
    first, last = int(np.floor(left)), int(np.ceil(right))
    start, stop = int(np.floor(top)), int(np.ceil(bottom))
    width = last - first
    height = max(1, min(stop - start, _BAND_CELLS // (width + 2)))
    runs, edges, weights = [], [], []
    for band in range(start, stop, height):
        rows = min(height, stop - band)
        steps = np.zeros((rows, width + 2))
        crossed = np.zeros((rows, width + 2), np.bool_)
        _accumulate(segments, first, band, steps, crossed)
        fixed = _integrate(steps, crossed)[:, :width]
        whole = np.diff(np.pad(fixed == ONE, ((0, 0), (1, 1))).astype(np.int8), axis=1)
        row, begin = np.nonzero(whole == 1)
        end = np.nonzero(whole == -1)[1]
        runs.append(np.column_stack([row + band, begin + first, end + first]))
        row, column = np.nonzero((fixed > 0) & (fixed < ONE))
        edges.append(np.column_stack([row + band, column + first]))
        weights.append(fixed[row, column])
    return np.vstack(runs).astype(np.int64), np.vstack(edges).astype(np.int64), np.concatenate(weights)


@numba.njit(cache=True, nogil=True)
def _accumulate(
    segments: NDArray[np.float64],
    first: int,
    band: int,
    steps: NDArray[np.float64],
    crossed: NDArray[np.bool_],
) -> None:
    """Add each segment's signed area to the pixels it crosses, as differences along the row.

    The sum of a row's differences up to a pixel is the signed area that lies right of all segments in it:
    the covered fraction, with holes subtracted. (The exact-area scan conversion of font rasterisers.)
    """
    rows, columns = steps.shape
    for s in range(segments.shape[0]):
        xa, ya, xb, yb = (
            segments[s, 0] - first,
            segments[s, 1] - band,
            segments[s, 2] - first,
            segments[s, 3] - band,
        )
        if ya == yb:  # no area, but it can halve pixels
            if 0 <= ya < rows:
                for column in range(
                    max(0, int(np.floor(min(xa, xb)))), min(columns, int(np.ceil(max(xa, xb))))
                ):
                    crossed[int(ya), column] = True
            continue
        sign = -1.0  # rows count downwards: counter-clockwise exteriors come out positive
        if ya > yb:
            xa, ya, xb, yb = xb, yb, xa, ya
            sign = 1.0
        if yb <= 0 or ya >= rows:
            continue
        slope = (xb - xa) / (yb - ya)
        for row in range(max(0, int(np.floor(ya))), min(rows, int(np.ceil(yb)))):
            y0, y1 = max(ya, float(row)), min(yb, float(row + 1))
            if y1 <= y0:
                continue
            area = sign * (y1 - y0)
            x0 = xa if y0 == ya else xa + (y0 - ya) * slope
            x1 = xb if y1 == yb else xa + (y1 - ya) * slope
            if x0 > x1:
                x0, x1 = x1, x0
            left = min(max(int(np.floor(x0)), 0), columns - 2)
            right = min(max(int(np.ceil(x1)), left + 1), columns - 1)  # pixel after the last one crossed
            for column in range(left, right):
                crossed[row, column] = True
            if right == left + 1:
                share = 0.5 * (x0 + x1) - left  # mean distance from the pixel's left edge
                steps[row, left] += area * (1 - share)
                steps[row, left + 1] += area * share
                continue
            # the segment crosses several pixels: cumulative area right of it after each
            before = 0.0
            for column in range(left, right + 1):
                u0, u1 = max(x0, float(column)), min(x1, float(column + 1))
                if column < right:
                    passed = (u1 - x0) / (x1 - x0)  # part of the height used up at this pixel's right edge
                    entered = (u0 - x0) / (x1 - x0)
                    inside = (passed - entered) * (column + 1 - 0.5 * (u0 + u1)) + entered
                else:
                    inside = 1.0
                steps[row, column] += area * (inside - before)
                before = inside


@numba.njit(cache=True, nogil=True)
def _integrate(steps: NDArray[np.float64], crossed: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Sum differences along rows to covered fractions in 1 / ONE.

    A pixel that no segment crosses lies wholly inside or outside: its sum is rounded to 0 or 1, which also
    keeps rounding errors from travelling along the row.
    """
    rows, columns = steps.shape
    fixed = np.zeros((rows, columns), np.int64)
    for row in range(rows):
        total = 0.0
        for column in range(columns):
            total += steps[row, column]
            if not crossed[row, column]:
                total = np.rint(total)
            fixed[row, column] = min(max(int(np.rint(total * ONE)), 0), ONE)
    return fixed
