"""Which items lie in a box, in a period, below a cloud cover: arithmetic on columns, geometry on windows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import shapely
from numpy.typing import NDArray

from probav.catalogue.table import ItemTable
from probav.errors import AoiError, QueryError
from probav.times import time_range

if TYPE_CHECKING:
    import geopandas as gpd
    from shapely.geometry.base import BaseGeometry


def check_bbox(bbox: Sequence[float]) -> tuple[float, float, float, float]:
    """Return a box (west, south, east, north) in degrees; west of it may lie east, across 180 degrees.

    Raises
    ------
    AoiError
        If it is no such box.
    """
    try:
        west, south, east, north = (float(edge) for edge in bbox)
    except (TypeError, ValueError):
        west = south = east = north = math.nan
    if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= north <= 90):
        raise AoiError(
            f"bbox={bbox!r} is no box; expected (west, south, east, north) in degrees, -180 to 180 and "
            "-90 to 90, south below north; west > east crosses 180 degrees."
        )
    return west, south, east, north


def select(
    items: ItemTable,
    bbox: Sequence[float] | None = None,
    time: object = None,
    cloud_cover: float | None = None,
    limit: int | None = None,
) -> ItemTable:
    """Return the items that meet every condition; those without a known cloud cover meet none for it.

    Parameters
    ----------
    items : ItemTable
    bbox : (west, south, east, north), degrees, optional
        Touching it is enough.
    time : str, date, pair or slice, optional
        Of the first day of the period, as everywhere.
    cloud_cover : float, percent, optional
        The highest that is taken.
    limit : int, optional
        The first so many.

    Raises
    ------
    AoiError, TimeError, QueryError
        If a condition can't be understood.
    """
    keep = np.ones(len(items), bool)
    if bbox is not None:
        keep &= _touches(items, check_bbox(bbox))[items.window]
    first, last = time_range(time)
    if first is not None:
        keep &= items.date >= first
    if last is not None:
        keep &= items.date <= last
    if cloud_cover is not None:
        if not 0 <= cloud_cover <= 100:
            raise QueryError(f"cloud_cover={cloud_cover!r} is no percentage; expected 0 to 100.")
        keep &= items.cloud <= cloud_cover
    if limit is not None and limit < 1:
        raise QueryError(f"limit={limit!r} leaves nothing; expected a positive number of items.")
    return items.take(np.flatnonzero(keep)[:limit])


def _touches(items: ItemTable, bbox: tuple[float, float, float, float]) -> NDArray[np.bool_]:
    west, south, east, north = bbox
    east += 360 * (east < west)
    touched = np.zeros(len(items.windows), bool)
    footprints = np.array([window.footprint for window in items.windows], object)
    for turn in (-360, 0, 360):  # a window may reach over 180 degrees, too
        touched |= shapely.intersects(footprints, shapely.box(west + turn, south, east + turn, north))
    return touched


def within_world(shape: BaseGeometry) -> BaseGeometry:
    """Return a footprint cut at 180 degrees, as GeoJSON has it.

    Less than a thousandth of a degree beyond it is cut off instead: tiles are half a pixel wider than the
    world, and a box from -180 to 180 would be all that is left of where they are.
    """
    west, _, east, _ = shape.bounds
    if west >= -180 and east <= 180:
        return shape
    world = shapely.box(-180, -90, 180, 90)
    inside = shapely.intersection(shape, world)
    if west > -180.005 and east < 180.005:
        return inside
    turned = shapely.transform(shape, lambda xy: xy - [math.copysign(360, east - 180), 0])
    return shapely.union(inside, shapely.intersection(turned, world))


def frame(items: ItemTable) -> gpd.GeoDataFrame:
    """Return items as a table: id, product, tile, start, end, cloud_cover, geometry (EPSG:4326)."""
    import geopandas as gpd

    used, which = np.unique(items.window, return_inverse=True)
    windows = [items.windows[index] for index in used.tolist()]
    shapes = np.array([within_world(window.footprint) for window in windows], object)
    return gpd.GeoDataFrame(
        {
            "product": np.array([window.product for window in windows], object)[which],
            "tile": np.array([window.name for window in windows], object)[which],
            "start": items.date.astype("datetime64[ns]"),
            "end": items.last_days().astype("datetime64[ns]"),
            "cloud_cover": np.where(np.isfinite(items.cloud), items.cloud, np.float32(np.nan)),
        },
        geometry=shapes[which],
        crs="EPSG:4326",
        index=np.array(items.ids(), object),
    ).rename_axis("id")
