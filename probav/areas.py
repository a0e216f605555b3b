"""Areas of interest: whatever a user has at hand becomes features with ids in longitude and latitude."""

from __future__ import annotations

import json
import numbers
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from pyproj import Geod
from shapely.geometry.base import BaseGeometry

from probav.errors import AoiError, ProbavError

CRS = "EPSG:4326"
_GEOD = Geod(ellps="WGS84")
_FILES = {".shp", ".zip", ".gpkg", ".geojson", ".json", ".kml", ".kmz", ".fgb", ".parquet", ".geoparquet"}
_WKT = {"POINT", "LINESTRING", "POLYGON", "MULTIPOINT", "MULTILINESTRING", "MULTIPOLYGON"}
_MAX_TEXT = 100_000_000
_EXPECTED = (
    "expected (west, south, east, north), (longitude, latitude) with buffer_km, a shapely geometry, a "
    "GeoDataFrame, GeoJSON, WKT, the path of a GeoJSON, shapefile (.shp or .zip), GeoPackage, KML/KMZ or "
    "GeoParquet file, or a place name"
)


@dataclass(frozen=True, eq=False)
class Aoi:
    """An area of interest: one or more features.

    Parameters
    ----------
    frame : GeoDataFrame
        Geometry in EPSG:4326 (longitude, latitude), indexed by feature id (str), with a column `name` and
        whatever attributes the source had.
    """

    frame: gpd.GeoDataFrame

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north in degrees."""
        return tuple(float(edge) for edge in self.frame.total_bounds)  # type: ignore[return-value]

    @property
    def geojson(self) -> dict[str, Any]:
        """The features as a GeoJSON FeatureCollection, ids included."""
        return dict(json.loads(self.frame.to_json()))

    @property
    def __geo_interface__(self) -> dict[str, Any]:
        return self.geojson

    @cached_property
    def area_km2(self) -> float:
        """Sum of the features' areas on the ellipsoid (WGS 84), in square kilometres."""
        return float(
            sum(
                abs(_GEOD.geometry_area_perimeter(shape)[0])
                for shape in shapely.orient_polygons(self.frame.geometry)
            )
            / 1e6
        )

    def __len__(self) -> int:
        return len(self.frame)

    def __repr__(self) -> str:
        names = ", ".join(str(name) for name in self.frame["name"].head(5))
        more = f" and {len(self) - 5} more" if len(self) > 5 else ""
        bounds = ", ".join(f"{edge:.4f}" for edge in self.bounds)
        return f"<Aoi {names}{more}: {self.area_km2:,.1f} km2, bounds {bounds}>"


def aoi(x: Any, name: str | None = None, *, buffer_km: float | None = None, repair: bool = False) -> Aoi:
    """Return an area of interest from almost anything.

    Parameters
    ----------
    x : object
        (west, south, east, north) in degrees, where west > east crosses the antimeridian; (longitude,
        latitude); shapely geometry; GeoDataFrame or GeoSeries; GeoJSON (dict or text); WKT; path of a file;
        place name; Aoi.
    name : str, optional
        Name of the feature, where there is one.
    buffer_km : float, optional
        Radius in km around points.
    repair : bool
        Mend invalid polygons (shapely.make_valid) instead of refusing them.

    Raises
    ------
    AoiError
        If it can't be read, is empty, not valid, or not in longitude and latitude.
    UnknownNameError
        If it is a text that names no file and no place.
    """
    if isinstance(x, Aoi):
        frame = x.frame.copy()
    else:
        frame = _frame(x)
    if buffer_km is not None:
        if not buffer_km > 0:
            raise AoiError(f"buffer_km is {buffer_km}; expected a radius above 0 km.")
        frame = frame.set_geometry([_buffer(shape, buffer_km) for shape in frame.geometry], crs=CRS)
    if name is not None:
        if len(frame) != 1:
            raise AoiError(f"name={name!r} names one feature, but there are {len(frame)}.")
        frame["name"] = [name]
    return Aoi(_checked(frame, repair))


def _frame(x: Any) -> gpd.GeoDataFrame:
    """Features with geometry in EPSG:4326, unchecked."""
    if isinstance(x, gpd.GeoDataFrame):
        return _from_frame(x)
    if isinstance(x, gpd.GeoSeries):
        return _from_frame(gpd.GeoDataFrame(geometry=x))
    if isinstance(x, BaseGeometry):
        return _from_frame(gpd.GeoDataFrame(geometry=[x], crs=CRS))
    if isinstance(x, Mapping):
        return _from_geojson(x)
    if (
        isinstance(x, tuple | list | np.ndarray)
        and len(x) in (2, 4)
        and all(isinstance(v, numbers.Real) for v in x)
    ):
        return _from_frame(
            gpd.GeoDataFrame(geometry=[_box(*x) if len(x) == 4 else shapely.Point(*x)], crs=CRS)
        )
    if isinstance(x, Path):
        return _from_file(x)
    if isinstance(x, str):
        return _from_text(x)
    if hasattr(x, "__geo_interface__"):
        return _from_geojson(x.__geo_interface__)
    raise AoiError(f"Can't make an area of interest of a {type(x).__name__}; {_EXPECTED}.")


def _are_numbers(x: Any) -> bool:
    is_list = isinstance(x, tuple | list | np.ndarray) and len(x) in (2, 4)
    return is_list and all(isinstance(value, numbers.Real) for value in x)


def _box(west: float, south: float, east: float, north: float) -> BaseGeometry:
    if not south < north:
        raise AoiError(f"A box needs south < north, got south {south} and north {north} (order: W S E N).")
    if west == east:
        raise AoiError(f"A box needs two different longitudes, got {west} twice (order: W S E N).")
    if west < east:
        return shapely.box(west, south, east, north)
    return shapely.MultiPolygon([shapely.box(west, south, 180, north), shapely.box(-180, south, east, north)])


def _from_text(text: str) -> gpd.GeoDataFrame:
    stripped = text.strip()
    if len(stripped) > _MAX_TEXT:
        raise AoiError(
            f"A text of {len(stripped):,} characters is too long; write it to a file and give its path."
        )
    if stripped.startswith("{"):
        try:
            return _from_geojson(json.loads(stripped))
        except json.JSONDecodeError as error:
            raise AoiError(f"The text looks like GeoJSON but is no JSON: {error}.") from error
    if stripped.split("(")[0].split(" ")[0].strip().upper() in _WKT:
        try:
            return _from_frame(gpd.GeoDataFrame(geometry=[shapely.from_wkt(stripped)], crs=CRS))
        except shapely.errors.ShapelyError as error:
            raise AoiError(f"The text looks like WKT but can't be read: {error}.") from error
    path = Path(stripped).expanduser()
    if path.suffix.lower() in _FILES or "/" in stripped:
        return _from_file(path)
    from probav.places import place

    name, shape = place(stripped)
    return _from_frame(gpd.GeoDataFrame({"name": [name]}, geometry=[shape], crs=CRS))


def _from_file(path: Path) -> gpd.GeoDataFrame:
    if not path.exists():
        raise AoiError(f"There is no file {path}; {_EXPECTED}.")
    try:
        if path.suffix.lower() in {".geojson", ".json"}:
            return _from_geojson(json.loads(path.read_text(encoding="utf-8")))
        if path.suffix.lower() in {".parquet", ".geoparquet"}:
            return _from_frame(gpd.read_parquet(path))
        source = f"/vsizip/{path}" if path.suffix.lower() == ".kmz" else path
        return _from_frame(gpd.read_file(source))
    except ProbavError as error:
        raise AoiError(f"{path}: {error}") from error
    except Exception as error:  # a dozen libraries' own errors: whatever is wrong, it is the file
        raise AoiError(f"{path} can't be read as vector data: {error}") from error


def _from_geojson(data: Any) -> gpd.GeoDataFrame:
    """Read GeoJSON (RFC 7946): foreign members are tolerated, ids kept."""
    kind = data.get("type") if isinstance(data, Mapping) else None
    if kind == "FeatureCollection":
        features = list(data.get("features") or [])
    elif kind == "Feature":
        features = [data]
    elif kind is not None:
        features = [{"type": "Feature", "geometry": data, "properties": {}}]
    else:
        raise AoiError("The JSON is no GeoJSON: it has no 'type'.")
    crs = CRS
    if isinstance(data.get("crs"), Mapping):  # GeoJSON of 2008 could name another CRS
        crs = str((data["crs"].get("properties") or {}).get("name") or CRS)
    shapes, rows, ids = [], [], []
    for number, feature in enumerate(features, 1):
        try:
            shapes.append(shapely.geometry.shape(feature["geometry"]))
        except Exception as error:  # shapely raises what it finds on the way
            raise AoiError(
                f"Feature {number} of the GeoJSON has no geometry that can be read: {error!r}."
            ) from error
        properties = dict(feature.get("properties") or {})
        properties.pop("geometry", None)
        rows.append(properties)
        given = feature.get("id")
        ids.append(given if given is not None else properties.get("id"))
    frame = gpd.GeoDataFrame(pd.DataFrame(rows, index=range(len(rows))), geometry=shapes, crs=crs)
    if all(i is not None for i in ids) and len({str(i) for i in ids}) == len(ids):
        frame.index = pd.Index([str(i) for i in ids])
    return _from_frame(frame)


def _from_frame(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Bring a frame to EPSG:4326, text ids and a column `name`."""
    if not len(frame):
        raise AoiError("There is no feature in it.")
    frame = frame.set_crs(CRS) if frame.crs is None else frame.to_crs(CRS)
    frame = frame.rename_geometry("geometry") if frame.geometry.name != "geometry" else frame.copy()
    if isinstance(frame.index, pd.RangeIndex) or not frame.index.is_unique:
        frame.index = pd.Index([str(number) for number in range(1, len(frame) + 1)])
    frame.index = frame.index.map(str)
    frame.index.name = "zone"
    if "name" not in frame.columns:
        other = next((column for column in frame.columns if str(column).casefold() == "name"), None)
        frame["name"] = frame.index if other is None else frame[other].astype(str)
    return frame


def _checked(frame: gpd.GeoDataFrame, repair: bool) -> gpd.GeoDataFrame:
    shapes = []
    for zone, shape in frame.geometry.items():
        what = f"Feature {zone!r}"
        if shape is None or shape.is_empty:
            raise AoiError(f"{what} has an empty geometry.")
        if not np.isfinite(shape.bounds).all():
            raise AoiError(f"{what} has coordinates that are no numbers.")
        west, south, east, north = shape.bounds
        if west < -360 or east > 360 or south < -90.000001 or north > 90.000001:
            raise AoiError(
                f"{what} reaches from ({west:.4f}, {south:.4f}) to ({east:.4f}, {north:.4f}), which is no "
                "longitude and latitude; give longitude first, and projected coordinates with their CRS "
                "(GeoDataFrame.set_crs)."
            )
        if not shape.is_valid:
            reason = shapely.is_valid_reason(shape)
            if not repair:
                raise AoiError(
                    f"{what} is no valid polygon: {reason} (longitude latitude). "
                    "Draw it again without the crossing, or pass repair=True to split it there."
                )
            shape = shapely.make_valid(shape)
        shapes.append(shapely.force_2d(shape))
    return frame.set_geometry(gpd.GeoSeries(shapes, index=frame.index, crs=CRS))


def _buffer(shape: BaseGeometry, km: float) -> BaseGeometry:
    """Buffer in an azimuthal equidistant projection around the shape's centroid."""
    centre = shape.centroid
    local = f"+proj=aeqd +lat_0={centre.y} +lon_0={centre.x} +datum=WGS84 +units=km"
    series = gpd.GeoSeries([shape], crs=CRS).to_crs(local).buffer(km, quad_segs=32)
    return series.to_crs(CRS).iloc[0]
