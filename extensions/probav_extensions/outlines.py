"""Country outlines as background: the whole world coarsely, the neighbourhood of what is shown in detail."""

from __future__ import annotations

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


def world(area: Bounds | None, *, lines: bool) -> dict[str, Any]:
    """Return the land of the world, or its borders, as GeoJSON: coarse, but in detail within `area`."""
    shapes = countries(simplify=_WORLD_TOLERANCE).geometry
    coarse = shapes.boundary if lines else shapes.make_valid()
    if area is None:
        return features(coarse, digits=2)
    rest = features(coarse.difference(shapely.box(*area)), digits=2)
    near = features(borders(area) if lines else land(area), digits=4 if _tolerance(area) == 0 else 3)
    return {"type": "FeatureCollection", "features": rest["features"] + near["features"]}


def _countries(area: Bounds) -> gpd.GeoSeries:
    return countries(simplify=_tolerance(area), within=area).geometry


def _within(shapes: gpd.GeoSeries, area: Bounds) -> gpd.GeoSeries:
    parts = shapely.get_parts(shapely.clip_by_rect(shapes.values, *area))
    return gpd.GeoSeries(parts[~shapely.is_empty(parts)], crs="EPSG:4326")


def _tolerance(area: Bounds) -> float:
    """Return one of a few tolerances (each is simplified once and kept) that suits an area."""
    wanted = max(area[2] - area[0], area[3] - area[1]) / _VERTICES_ACROSS
    return max((step for step in (0.0, 0.01, 0.03, 0.1) if step <= wanted), default=0.0)


def features(shapes: gpd.GeoSeries, digits: int) -> dict[str, Any]:
    """Return polygons or lines as a GeoJSON FeatureCollection with rounded coordinates."""
    parts = shapely.transform(shapely.get_parts(shapes.values), lambda xy: xy.round(digits))
    members = [
        {"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(part)}
        for part in parts
        if not part.is_empty and part.geom_type in ("Polygon", "LineString")
    ]
    return {"type": "FeatureCollection", "features": members}
