"""Many shapes made light enough for a browser, for the zoom and the part of the world that it shows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

Bounds = tuple[float, float, float, float]
FEW = 20_000  # vertices that are drawn as they are, wherever the map goes
MOST = 60_000  # vertices that are sent: about a megabyte
_DEGREES_A_PIXEL = 360 / 256  # at zoom 0
_SHARE_OF_A_PIXEL = 0.7


def widened(view: Bounds) -> Bounds:
    """Return what is drawn for a view, so that a pan finds something there: its size again on each side."""
    west, south, east, north = view
    across, down = east - west, north - south
    return west - across, south - down, east + across, north + down


def light(shapes: NDArray[np.object_], zoom: float, view: Bounds | None) -> tuple[NDArray[np.object_], int]:
    """Simplify shapes for the screen.

    Parameters
    ----------
    shapes : array of shapely geometry, degrees
    zoom : float
        Web Mercator zoom of the map.
    view : west, south, east, north, optional
        Only shapes near it are returned.

    Returns
    -------
    shapes, and how many of those near the view had to be left out because there were too many.
    """
    if shapely.get_num_coordinates(shapes).sum() <= FEW:
        return shapes, 0
    if view is not None:
        shapes = shapes[shapely.intersects(shapely.envelope(shapes), shapely.box(*widened(view)))]
    tolerance = pixel(zoom) * _SHARE_OF_A_PIXEL
    simple = np.asarray(shapely.simplify(shapes, tolerance, preserve_topology=True))
    count = shapely.get_num_coordinates(simple)
    total = int(count.sum())
    if total <= MOST:
        return simple, 0
    # the largest are those that are seen
    size = np.argsort(-shapely.area(shapely.envelope(simple)), kind="stable")
    kept = np.sort(size[np.cumsum(count[size]) <= MOST])
    return simple[kept], len(simple) - len(kept)


def pixel(zoom: float) -> float:
    """Return how many degrees of longitude a screen pixel has."""
    return float(_DEGREES_A_PIXEL / 2**zoom)


def feature(shapes: NDArray[np.object_], zoom: float, style: dict[str, Any]) -> dict[str, Any]:
    """Return shapes as one GeoJSON feature with coordinates rounded to a tenth of a pixel.

    One feature of many parts is drawn at once; ten thousand features would each be a layer of the browser.
    """
    digits = int(np.clip(math.ceil(-math.log10(pixel(zoom) / 10)), 3, 7))
    parts = shapely.get_parts(np.asarray(shapely.transform(shapes, lambda xy: xy.round(digits))))
    polygons = parts[shapely.get_type_id(parts) == 3]
    others = parts[shapely.get_type_id(parts) != 3]
    members = [shapely.geometry.mapping(shapely.multipolygons(polygons))] if len(polygons) else []
    members += [shapely.geometry.mapping(part) for part in others]
    geometry = members[0] if len(members) == 1 else {"type": "GeometryCollection", "geometries": members}
    return {"type": "Feature", "properties": {"style": style}, "geometry": geometry}
