"""Which pixels each zone covers, and how much of them, computed once per area and grid."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from probav.areas import Aoi
from probav.choices import RULES
from probav.errors import AoiError, QueryError, did_you_mean
from probav.fractions import ONE, fractions
from probav.grid import Grid
from probav.scanline import centres
from probav.touching import touched

__all__ = ["ONE", "Coverage", "coverage", "disjoint_boxes"]

_NO_EDGES = np.empty((0, 3), np.int64), np.empty(0, np.int64)


@dataclass(frozen=True)
class Coverage:
    """The pixels of zones on a grid.

    Attributes
    ----------
    zones : int
        How many there are.
    runs : (n, 4) int64
        Whole pixels: zone, row, first column, column after the last.
    edges : (m, 3) int64
        Pixels that count with a weight: zone, row, column.
    weights : (m,) int64
        Weight of `edges`, in 1 / ONE.
    beyond : Coverage or None
        The pixels that lie outside of what the archive holds.
    """

    zones: int
    runs: NDArray[np.int64]
    edges: NDArray[np.int64]
    weights: NDArray[np.int64]
    beyond: Coverage | None = None

    @property
    def size(self) -> int:
        """Bytes in memory."""
        own = self.runs.nbytes + self.edges.nbytes + self.weights.nbytes
        return own + (self.beyond.size if self.beyond else 0)

    @property
    def pixels(self) -> int:
        """How many pixels are covered, wholly or in part, counted once for each zone."""
        return int((self.runs[:, 3] - self.runs[:, 2]).sum()) + len(self.edges)

    @cached_property
    def is_empty(self) -> bool:
        """Whether no pixel is covered."""
        return not len(self.runs) and not len(self.edges)

    def totals(self, factor: Any = None) -> NDArray[np.float64]:
        """Return the sum of weights of each zone, in pixels.

        Parameters
        ----------
        factor : callable, optional
            Gives each of an array of rows the weight of a pixel in it.
        """
        length = (self.runs[:, 3] - self.runs[:, 2]).astype(np.float64)
        weight = self.weights / ONE
        if factor is not None:
            length, weight = length * factor(self.runs[:, 1]), weight * factor(self.edges[:, 1])
        whole = np.bincount(self.runs[:, 0], length, self.zones)
        return np.asarray(whole + np.bincount(self.edges[:, 0], weight, self.zones), np.float64)


def coverage(aoi: Aoi, grid: Grid, held: BaseGeometry, rule: str = "fraction") -> Coverage:
    """Return the pixels that each feature of an area covers.

    Parameters
    ----------
    aoi : Aoi
    grid : Grid
        On a grid that goes round the world, what reaches over its seam at 180 degrees comes in again at the
        other side.
    held : shapely geometry, pixel coordinates (column, row)
        The windows of the grid that the archive holds: boxes with whole numbers as corners.
    rule : {"fraction", "centre", "touched", "bilinear"}
        Polygons: exact covered fraction, pixels whose centre is inside, or pixels touched, the latter two as
        GDAL rasterises. A line covers the pixels it touches and a point the pixel it lies in, whatever the
        rule; but "bilinear", which is for points alone, shares a point among the four pixels whose centres
        are round it.

    Raises
    ------
    QueryError
        If there is no such rule, or it has no meaning for a feature.
    AoiError
        If a feature mixes points, lines and polygons.
    """
    if rule not in RULES:
        raise QueryError(f"There is no coverage {rule!r}.{did_you_mean(rule, RULES)}")
    frame = aoi.frame.geometry if grid.is_geographic else aoi.frame.geometry.to_crs(grid.crs)
    shapes = shapely.transform(frame.to_numpy(), lambda xy: np.column_stack(grid.pixels(xy[:, 0], xy[:, 1])))
    around = grid.width if grid.goes_round else 0
    if around:
        _wrap(shapes, around)
    kinds = _kinds(shapes, aoi, rule)
    polygons = np.flatnonzero(kinds == 2)
    found: list[tuple[NDArray[np.int64], ...]] = []
    if rule == "fraction" and len(polygons):
        found.append(fractions(shapes[polygons], polygons))
    elif rule == "centre" and len(polygons):
        found.append((centres(shapes[polygons], polygons), *_NO_EDGES))
    if rule != "touched":
        polygons = polygons[:0]
    drawn = np.sort(np.concatenate([polygons, np.flatnonzero(kinds == 1)]))  # polygons are if touched
    if len(drawn):
        found.append((touched(shapes[drawn], drawn), *_NO_EDGES))
    for zone in np.flatnonzero(kinds == 0).tolist():
        found.append(_points(shapely.get_coordinates(shapes[zone]), zone, rule == "bilinear", around))
    runs, edges, weights = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return _split(Coverage(len(aoi), runs, edges, weights), held)


def _kinds(shapes: NDArray[Any], aoi: Aoi, rule: str) -> NDArray[np.int64]:
    """Dimension of each shape: 0 points, 1 lines, 2 polygons."""
    parts, owner = shapely.get_parts(shapes, return_index=True)
    dimensions = shapely.get_dimensions(parts)
    lowest, highest = np.full(len(shapes), 9), np.full(len(shapes), -1)
    np.minimum.at(lowest, owner, dimensions)
    np.maximum.at(highest, owner, dimensions)
    for zone in np.flatnonzero(lowest != highest)[:1].tolist():
        raise AoiError(
            f"Feature {aoi.frame.index[zone]!r} mixes points, lines and polygons; make features of one kind "
            "each."
        )
    if rule == "bilinear" and (highest != 0).any():
        zone = int(np.flatnonzero(highest != 0)[0])
        raise QueryError(
            f"coverage='bilinear' is for points, and feature {aoi.frame.index[zone]!r} is none; expected "
            "'fraction', 'centre' or 'touched' for polygons and lines."
        )
    return highest


def _wrap(shapes: NDArray[Any], width: int) -> None:
    """Bring what reaches beyond the first or the last column in again at the other side, in place."""
    bounds = shapely.bounds(shapes)
    for zone in np.flatnonzero((bounds[:, 0] < 0) | (bounds[:, 2] > width)).tolist():
        _, top, _, bottom = bounds[zone]
        pieces = []
        for turn in (-width, 0, width):
            window = shapely.box(turn, top - 1, turn + width, bottom + 1)
            piece = shapely.intersection(shapes[zone], window)
            if shapely.get_dimensions(piece) == shapely.get_dimensions(shapes[zone]):
                pieces.append(shapely.transform(piece, lambda xy, turn=turn: xy - [turn, 0]))
        shapes[zone] = shapely.union_all(pieces)


def _points(
    points: NDArray[np.float64], zone: int, bilinear: bool, around: int
) -> tuple[NDArray[np.int64], ...]:
    if not bilinear:
        column, row = np.unique(np.floor(points).astype(np.int64), axis=0).T
        return np.column_stack([np.full(len(row), zone), row, column, column + 1]), *_NO_EDGES
    corner = np.floor(points - 0.5).astype(np.int64)
    x, y = (points - 0.5 - corner).T
    shares = np.rint(np.column_stack([(1 - x) * (1 - y), x * (1 - y), (1 - x) * y]) * ONE).astype(np.int64)
    shares = np.column_stack([shares, ONE - shares.sum(axis=1)])  # together exactly one pixel
    pixels = (corner[:, None, ::-1] + np.array([[0, 0], [0, 1], [1, 0], [1, 1]])).reshape(-1, 2)
    if around:  # the columns beside the seam are neighbours
        pixels[:, 1] %= around
    pixels, which = np.unique(pixels, axis=0, return_inverse=True)
    weights = np.zeros(len(pixels), np.int64)
    np.add.at(weights, which, shares.ravel())
    edges = np.column_stack([np.full(len(pixels), zone), pixels])
    return np.empty((0, 4), np.int64), edges[weights > 0], weights[weights > 0]


def _split(whole: Coverage, held: BaseGeometry) -> Coverage:
    """Split into what lies in the boxes of `held` and what lies beyond."""
    rows = np.concatenate([whole.runs[:, 1], whole.edges[:, 1]])
    lowest = np.concatenate([whole.runs[:, 2], whole.edges[:, 2]])
    highest = np.concatenate([whole.runs[:, 3], whole.edges[:, 2] + 1])
    if not len(rows):
        return whole
    extent = shapely.box(lowest.min(), rows.min(), highest.max(), rows.max() + 1)
    if held.contains(extent):
        return whole
    inside, beyond = [], [whole]
    for left, top, right, bottom in disjoint_boxes(held):
        if shapely.intersects(extent, shapely.box(left, top, right, bottom)):
            pieces = [_cut(part, (left, top, right, bottom)) for part in beyond]
            inside += [kept for kept, _ in pieces]
            beyond = [rest for _, rest in pieces]
    kept = _joined(inside, whole.zones)
    return replace(kept, beyond=_joined(beyond, whole.zones))


def _cut(whole: Coverage, box: tuple[int, int, int, int]) -> tuple[Coverage, Coverage]:
    """Split at the edges of one box: what lies inside, and the rest."""
    left, top, right, bottom = box
    runs, edges = whole.runs, whole.edges
    crossing = (runs[:, 1] >= top) & (runs[:, 1] < bottom) & (runs[:, 3] > left) & (runs[:, 2] < right)
    within = (edges[:, 1] >= top) & (edges[:, 1] < bottom) & (edges[:, 2] >= left) & (edges[:, 2] < right)
    hit = runs[crossing]
    kept, before, after = hit.copy(), hit.copy(), hit.copy()
    np.clip(hit[:, 2:], left, right, out=kept[:, 2:])
    before[:, 3] = np.minimum(hit[:, 3], left)
    after[:, 2] = np.maximum(hit[:, 2], right)
    rest = np.vstack([runs[~crossing], before[before[:, 3] > before[:, 2]], after[after[:, 3] > after[:, 2]]])
    return (
        Coverage(whole.zones, kept, edges[within], whole.weights[within]),
        Coverage(whole.zones, rest, edges[~within], whole.weights[~within]),
    )


def _joined(parts: list[Coverage], zones: int) -> Coverage:
    runs = np.vstack([np.empty((0, 4), np.int64), *(part.runs for part in parts)])
    edges = np.vstack([np.empty((0, 3), np.int64), *(part.edges for part in parts)])
    weights = np.concatenate([np.empty(0, np.int64), *(part.weights for part in parts)])
    return Coverage(zones, runs, edges, weights)


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
