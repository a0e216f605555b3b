"""Areas of interest: whatever a user has at hand becomes features with ids in longitude and latitude."""

from __future__ import annotations

import hashlib
import itertools
import json
import numbers
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from probav.errors import AoiError, ProbavError

CRS = "EPSG:4326"
_GEOD = pyproj.Geod(ellps="WGS84")
_FILES = {".shp", ".zip", ".gpkg", ".geojson", ".json", ".kml", ".kmz", ".fgb", ".parquet", ".geoparquet"}
_WKT = {"POINT", "LINESTRING", "POLYGON", "MULTIPOINT", "MULTILINESTRING", "MULTIPOLYGON"}
_MAX_TEXT = 100_000_000
_MAX_NAME = 4096  # of a path or place
_BATCH = 1_000_000  # vertices looked at together
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
        """The features as a GeoJSON FeatureCollection with their ids; dates among the attributes as text."""
        return dict(json.loads(self.frame.to_json(default=str)))

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

    @cached_property
    def digest(self) -> str:
        """Identity of the features: BLAKE2b (16 bytes, hex) over ids and geometries, in their order.

        Two areas have the same digest if and only if they give the same statistics: names and other
        attributes don't count. It doesn't depend on the machine or on library versions.
        """
        digest = hashlib.blake2b(digest_size=16)
        shapes = self.frame.geometry.to_numpy()
        for part in _batches(shapes):
            wkb = shapely.to_wkb(shapes[part], output_dimension=2, byte_order=1, flavor="iso")
            for zone, code in zip(self.frame.index[part], wkb, strict=True):
                name = str(zone).encode()
                digest.update(f"{len(name)},{len(code)};".encode() + name)
                digest.update(code)
        return digest.hexdigest()

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
    if name is not None:
        if len(frame) != 1:
            raise AoiError(f"name={name!r} names one feature, but there are {len(frame)}.")
        frame["name"] = [name]
    frame = _checked(frame, repair)
    if buffer_km is not None:
        frame = frame.set_geometry([_buffer(shape, buffer_km) for shape in frame.geometry], crs=CRS)
    return Aoi(frame)


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
    if _are_numbers(x):
        shape = _box(*x) if len(x) == 4 else shapely.Point(*x)
        return _from_frame(gpd.GeoDataFrame(geometry=[shape], crs=CRS))
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
    if not np.isfinite([west, south, east, north]).all():
        raise AoiError(f"A box needs four numbers, got {west}, {south}, {east}, {north} (order: W S E N).")
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
        except (json.JSONDecodeError, RecursionError) as error:
            raise AoiError(f"The text looks like GeoJSON but is no JSON: {error}.") from error
    if stripped.split("(")[0].split(" ")[0].strip().upper() in _WKT:
        try:
            return _from_frame(gpd.GeoDataFrame(geometry=[shapely.from_wkt(stripped)], crs=CRS))
        except shapely.errors.ShapelyError as error:
            raise AoiError(f"The text looks like WKT but can't be read: {error}.") from error
    if len(stripped) > _MAX_NAME:
        raise AoiError(f"The text {stripped[:40]!r}... is no GeoJSON or WKT, and too long to name anything.")
    if Path(stripped).suffix.lower() in _FILES or "/" in stripped:
        return _from_file(Path(stripped))
    from probav.places import place

    name, shape = place(stripped)
    return _from_frame(gpd.GeoDataFrame({"name": [name]}, geometry=[shape], crs=CRS))


def _from_file(path: Path) -> gpd.GeoDataFrame:
    try:
        path = path.expanduser()
        found = path.exists()
    except (OSError, RuntimeError):  # a part of the path is too long, there is no such user
        found = False
    if not found:
        raise AoiError(f"There is no file {path}; {_EXPECTED}.")
    try:
        if path.suffix.lower() in {".geojson", ".json"}:
            return _from_geojson(json.loads(path.read_text(encoding="utf-8")))
        if path.suffix.lower() in {".parquet", ".geoparquet"}:
            return _from_frame(gpd.read_parquet(path))
        return _from_frame(_layers(path))
    except ProbavError as error:
        raise AoiError(f"{path}: {error}") from error
    except Exception as error:  # a dozen libraries' own errors: whatever is wrong, it is the file
        raise AoiError(f"{path} can't be read as vector data: {error}") from error


def _layers(path: Path) -> gpd.GeoDataFrame:
    """Read the one layer of a file; all folders of a KML, which GDAL shows as layers."""
    source = path.as_posix()
    if path.suffix.lower() == ".kmz":  # a zip archive, of which GDAL's KML driver takes only the member
        with zipfile.ZipFile(path) as archive:
            member = next(name for name in archive.namelist() if name.lower().endswith(".kml"))
        source = f"/vsizip/{{{path.absolute().as_posix()}}}/{member}"
    layers = [name for name, kind in gpd.list_layers(source).to_numpy() if kind is not None]
    if len(layers) > 1 and path.suffix.lower() not in {".kml", ".kmz"}:
        raise AoiError(
            f"It has {len(layers)} layers ({', '.join(layers[:5])}); read one with geopandas.read_file(path, "
            "layer=...) and give that."
        )
    frames = [gpd.read_file(source, layer=layer) for layer in layers]
    return gpd.GeoDataFrame(pd.concat(frames, ignore_index=True)) if len(frames) > 1 else frames[0]


def _from_geojson(data: Any) -> gpd.GeoDataFrame:
    """Read GeoJSON (RFC 7946): foreign members are tolerated, ids kept."""
    kind = data.get("type") if isinstance(data, Mapping) else None
    if kind is None:
        raise AoiError("The JSON is no GeoJSON: it has no 'type'.")
    features = [data] if kind == "Feature" else [{"geometry": data}]
    if kind == "FeatureCollection":
        features = data.get("features")
        if not isinstance(features, list):
            raise AoiError(f"The GeoJSON has no list of features, but {features!r}.")
    shapes, rows, ids = [], [], []
    for number, feature in enumerate(features, 1):
        try:
            shapes.append(shapely.geometry.shape(feature["geometry"]))
            rows.append(dict(feature.get("properties") or {}))
            ids.append(feature.get("id"))
        except Exception as error:  # shapely raises what it finds on the way
            raise AoiError(f"Feature {number} of the GeoJSON can't be read: {error!r}.") from error
    properties = pd.DataFrame(rows, index=range(len(rows))).drop(columns="geometry", errors="ignore")
    if any(given is not None for given in ids):
        properties["id"] = ids
    crs = pyproj.CRS(CRS)
    if isinstance(data.get("crs"), Mapping):  # GeoJSON of 2008 could name another CRS
        try:
            crs = pyproj.CRS(data["crs"]["properties"]["name"])
        except (KeyError, TypeError, pyproj.exceptions.ProjError) as error:
            raise AoiError(f"The GeoJSON's coordinate system {data['crs']} is unknown.") from error
    return _from_frame(gpd.GeoDataFrame(properties, geometry=shapes, crs=crs))


def _from_frame(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Bring a frame to EPSG:4326, text ids and a column `name`."""
    if not len(frame):
        raise AoiError("There is no feature in it.")
    frame = frame.set_crs(CRS) if frame.crs is None else frame.to_crs(CRS)
    frame = frame.rename_geometry("geometry") if frame.geometry.name != "geometry" else frame.copy()
    given = frame.index.to_series()
    if isinstance(frame.index, pd.RangeIndex):  # no index of the caller's: a column may have the ids
        given = frame.get("id", pd.Series([None] * len(frame)))
    ids = given.astype(str)
    if given.isna().any() or not ids.is_unique or (ids == "").any():
        ids = pd.Series([str(number) for number in range(1, len(frame) + 1)])
    frame.index = pd.Index(ids.to_numpy(), name="zone")
    names = next((column for column in frame.columns if str(column).casefold() == "name"), None)
    named = pd.Series(frame.index, frame.index) if names is None else frame[names]
    frame["name"] = named.where(named.notna(), frame.index).astype(str)
    return frame


def _checked(frame: gpd.GeoDataFrame, repair: bool) -> gpd.GeoDataFrame:
    """Refuse what is no place on Earth, mend what is invalid, drop heights, bring back what is beyond 180."""
    shapes = frame.geometry.to_numpy().copy()
    zones = frame.index
    bad = shapely.is_missing(shapes) | shapely.is_empty(shapes)
    if bad.any():
        raise AoiError(f"Feature {zones[bad.argmax()]!r} has an empty geometry.")
    bad = ~_are_finite(shapes)
    if bad.any():
        raise AoiError(f"Feature {zones[bad.argmax()]!r} has coordinates that are no numbers.")
    edges = shapely.bounds(shapes)
    bad = (np.abs(edges[:, [0, 2]]).max(axis=1) > 360) | (np.abs(edges[:, [1, 3]]).max(axis=1) > 90.000001)
    if bad.any():
        west, south, east, north = edges[bad.argmax()]
        raise AoiError(
            f"Feature {zones[bad.argmax()]!r} reaches from ({west:.4f}, {south:.4f}) to ({east:.4f}, "
            f"{north:.4f}), which is no longitude and latitude; give longitude first, and projected "
            "coordinates with their CRS (GeoDataFrame.set_crs)."
        )
    for number in np.flatnonzero(~shapely.is_valid(shapes)):
        if not repair:
            raise AoiError(
                f"Feature {zones[number]!r} is no valid polygon: {shapely.is_valid_reason(shapes[number])} "
                "(longitude latitude). Draw it again without the crossing, or pass repair=True to split it "
                "there."
            )
        shapes[number] = _polygons(shapely.make_valid(shapes[number]))
    has_z = shapely.has_z(shapes)
    shapes[has_z] = shapely.force_2d(shapes[has_z])
    # the outer edges of global grids lie half a pixel beyond 180 degrees: their boxes stay whole
    for number in np.flatnonzero(np.abs(edges[:, [0, 2]]).max(axis=1) > 180.01):
        shapes[number] = _within_180(shapes[number], 180.01)
    return frame.set_geometry(gpd.GeoSeries(shapes, index=frame.index, crs=CRS))


def _batches(shapes: NDArray[np.object_]) -> list[slice]:
    """Cut an array of shapes into slices of about a million vertices."""
    ends = np.cumsum(shapely.get_num_coordinates(shapes))
    cuts = np.searchsorted(ends, np.arange(_BATCH, ends[-1] if len(ends) else 0, _BATCH), side="right")
    edges = sorted({0, *cuts.tolist(), len(shapes)})
    return [slice(start, stop) for start, stop in itertools.pairwise(edges)]


def _are_finite(shapes: NDArray[np.object_]) -> NDArray[np.bool_]:
    """Whether all coordinates of each shape are finite; bounds alone would pass over NaN."""
    finite = np.ones(len(shapes), bool)
    for part in _batches(shapes):
        xy, owner = shapely.get_coordinates(shapes[part], return_index=True)
        finite[part.start + owner[~np.isfinite(xy).all(axis=1)]] = False
    return finite


def _polygons(shape: BaseGeometry) -> BaseGeometry:
    """Leave out the lines and points into which parts of a polygon without area are mended."""
    parts = shapely.get_parts(shape)
    return shapely.union_all(parts[shapely.get_dimensions(parts) == shapely.get_dimensions(shape)])


def _within_180(shape: BaseGeometry, limit: float = 180.0) -> BaseGeometry:
    """Bring what lies beyond 180 degrees back into range: a map that was turned round gives such areas."""
    west, _, east, _ = shape.bounds
    if west >= -limit and east <= limit:
        return shape
    parts = []
    for turn in (-360, 0, 360):
        part = shape.intersection(shapely.box(turn - 180, -91, turn + 180, 91))
        if shapely.get_dimensions(part) == shapely.get_dimensions(shape):
            parts.append(shapely.transform(part, lambda xy, turn=turn: xy - [turn, 0]))
    return shapely.union_all(parts)


def _buffer(shape: BaseGeometry, km: float) -> BaseGeometry:
    """Buffer in an azimuthal equidistant projection around the shape's centroid."""
    centre = shape.centroid
    _, south, _, north = shape.bounds
    if not 0 < km < 110 * (90 - max(abs(south), abs(north))):
        raise AoiError(f"buffer_km is {km}; expected a radius above 0 km that doesn't reach over a pole.")
    local = f"+proj=aeqd +lat_0={centre.y} +lon_0={centre.x} +datum=WGS84 +units=km"
    buffer = gpd.GeoSeries([shape], crs=CRS).to_crs(local).buffer(km, quad_segs=32).to_crs(CRS).iloc[0]
    # longitudes run on beyond 180 degrees, as the shape does
    return _within_180(
        shapely.transform(
            buffer, lambda xy: np.column_stack([(xy[:, 0] - centre.x + 180) % 360 + centre.x - 180, xy[:, 1]])
        )
    )
