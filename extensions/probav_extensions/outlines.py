"""Country outlines as background: the whole world coarsely, the neighbourhood of what is shown in detail."""

from __future__ import annotations

from functools import cache
from typing import Any

import geopandas as gpd
import shapely

from probav.places import countries

Bounds = tuple[float, float, float, float]
_WORLD_TOLERANCE = 0.25  # degrees: a sixth of a megabyte for the whole world
_VERTICES_ACROSS = 1500  # of the detailed part: about a vertex a screen pixel


def neighbourhood(bounds: Bounds, margin: float = 1.0) -> Bounds:
    """Widen bounds (west, south, east, north) by `margin` times their size, by 0.02 degrees at least."""
    west, south, east, north = bounds
    pad = max((east - west) * margin, (north - south) * margin, 0.02)
    return max(west - pad, -180.0), max(south - pad, -90.0), min(east + pad, 180.0), min(north + pad, 90.0)


def land(area: Bounds) -> gpd.GeoSeries:
    """Return the countries within an area as polygons, as fine as a screen can show them."""
    return _within(_countries(area), area)


def borders(area: Bounds) -> gpd.GeoSeries:
    """Return coasts and borders within an area as lines; the area's own edge is none."""
    return _within(_countries(area).boundary, area)


def world(area: Bounds | None, style: dict[str, Any], *, lines: bool) -> dict[str, Any]:
    """Return the land of the world, or its borders, as GeoJSON: coarse, but in detail within `area`.

    Each feature has the style among its properties, where Leaflet looks for it.
    """
    if area is None:
        return features(_coarse(lines), 2, style)
    rest = features(_coarse(lines).difference(shapely.box(*area)), 2, style)
    near = features(borders(area) if lines else land(area), 4 if _tolerance(area) == 0 else 3, style)
    return {"type": "FeatureCollection", "features": rest["features"] + near["features"]}


@cache
def _coarse(lines: bool) -> gpd.GeoSeries:
    shapes = countries(simplify=_WORLD_TOLERANCE).geometry
    return shapes.boundary if lines else shapes.make_valid()


def _countries(area: Bounds) -> gpd.GeoSeries:
    return countries(simplify=_tolerance(area), within=area).geometry


def _within(shapes: gpd.GeoSeries, area: Bounds) -> gpd.GeoSeries:
    parts = shapely.get_parts(shapely.clip_by_rect(shapes.values, *area))
    return gpd.GeoSeries(parts[~shapely.is_empty(parts)], crs="EPSG:4326")


def _tolerance(area: Bounds) -> float:
    """Return one of a few tolerances (each is simplified once and kept) that suits an area."""
    wanted = max(area[2] - area[0], area[3] - area[1]) / _VERTICES_ACROSS
    return max((step for step in (0.0, 0.01, 0.03, 0.1) if step <= wanted), default=0.0)


def features(shapes: gpd.GeoSeries, digits: int, style: dict[str, Any]) -> dict[str, Any]:
    """Return polygons or lines as a GeoJSON FeatureCollection with rounded coordinates."""
    parts = shapely.transform(shapely.get_parts(shapes.values), lambda xy: xy.round(digits))
    parts = parts[~shapely.is_empty(parts)]
    lines, polygons = (parts[shapely.get_type_id(parts) == kind] for kind in (1, 3))
    # one feature for all lines: each is a layer of the browser. Polygons may overlap, which one can't fill.
    members = [shapely.multilinestrings(lines)] if len(lines) else []
    return {
        "type": "FeatureCollection",
        "features": [
            {"type": "Feature", "properties": {"style": style}, "geometry": shapely.geometry.mapping(part)}
            for part in [*members, *polygons]
        ],
    }
