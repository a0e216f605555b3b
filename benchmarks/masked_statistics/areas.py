"""The areas that are asked for: another seed gives other areas of the same kind."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from benchmarks.masked_statistics.data import STEP, to_degrees

CRS = "EPSG:4326"
_CELL = 33  # pixels from one parcel to the next


def _frame(shapes: list[BaseGeometry]) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame({"name": [f"zone {n}" for n in range(len(shapes))]}, geometry=shapes, crs=CRS)


def _degrees(pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return longitude and latitude of places in pixels from the tile's corner."""
    return np.stack(to_degrees(pixels[..., 0], pixels[..., 1]), axis=-1)


def polygon(height: int, width: int, seed: int, across: float = 0.5) -> gpd.GeoDataFrame:
    """Return one bent outline about `across` degrees wide, somewhere in the tile."""
    random = np.random.default_rng([1, seed])
    radius = 0.5 * across / STEP
    margin = min(1.15 * radius, height / 2, width / 2)
    centre = random.uniform([margin, margin], [width - margin, height - margin])
    angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    bent = 1 + 0.06 * np.sin(5 * angle + random.uniform(0, 6)) + 0.04 * np.sin(17 * angle)
    bent = np.minimum(radius * bent, margin)
    outline = centre + bent[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    return _frame([shapely.Polygon(_degrees(outline))])


def districts(height: int, width: int, seed: int, count: int = 50) -> gpd.GeoDataFrame:
    """Return districts that cover the tile: Voronoi cells with bent borders, which neighbours share."""
    random = np.random.default_rng([2, seed])
    points = random.uniform([0, 0], [width, height], (count, 2))
    beyond = shapely.box(-0.2 * width, -0.2 * height, 1.2 * width, 1.2 * height)
    cells = shapely.get_parts(shapely.voronoi_polygons(shapely.MultiPoint(points), extend_to=beyond))
    cells = cells[shapely.STRtree(cells).query(shapely.points(points), predicate="within")[1]]
    phase = random.uniform(0, 6, (3, 4))

    def bend(places: NDArray[np.float64]) -> NDArray[np.float64]:
        x, y = places.T
        moved = places.copy()
        for (px, qx, py, qy), length in zip(phase, (180, 61, 23), strict=True):
            moved[:, 0] += 0.07 * length * np.sin(y / length * 2 + px) * np.sin(x / length + qx)
            moved[:, 1] += 0.07 * length * np.sin(x / length * 2 + py) * np.sin(y / length + qy)
        return moved

    tile = shapely.box(0, 0, width, height)
    bent = shapely.transform(shapely.segmentize(shapely.intersection(cells, beyond), 4), bend)
    found = shapely.intersection(bent, tile)
    return _frame([shape for shape in shapely.transform(found, _degrees) if not shape.is_empty])


def point(height: int, width: int, seed: int) -> gpd.GeoDataFrame:
    """Return one point."""
    place = np.random.default_rng([3, seed]).uniform([1, 1], [width - 1, height - 1])
    return _frame([shapely.Point(_degrees(place))])


def parcels(height: int, width: int, seed: int, most: int = 10_000) -> gpd.GeoDataFrame:
    """Return rotated rectangles of 8 to 15 pixels a side that don't overlap."""
    random = np.random.default_rng([4, seed])
    rows, columns = np.mgrid[0 : height // _CELL, 0 : width // _CELL].reshape(2, -1)[:, :most]
    centre = (np.stack([columns, rows], axis=-1) + 0.5) * _CELL + random.uniform(-5, 5, (len(rows), 2))
    side = random.uniform(8, 15, (len(rows), 1, 2)) / 2
    angle = random.uniform(0, np.pi, len(rows))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]).transpose(2, 0, 1)
    corners = side * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    return _frame(list(shapely.polygons(_degrees(corners @ turn + centre[:, None]))))
