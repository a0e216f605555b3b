"""Areas of interest: whatever a user has at hand becomes features with ids in longitude and latitude."""

from __future__ import annotations

import hashlib
import itertools
import json
import numbers
from collections.abc import Mapping
from dataclasses import dataclass, field
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

from probav import area_files, area_geojson, area_repair
from probav.area_limits import Vertices
from probav.errors import AoiError

CRS = "EPSG:4326"
_WKT = {
    "POINT",
    "LINESTRING",
    "POLYGON",
    "MULTIPOINT",
    "MULTILINESTRING",
    "MULTIPOLYGON",
    "GEOMETRYCOLLECTION",
}
_MAX_TEXT = 100_000_000
_MAX_NAME = 4096  # of a path or place
_DEGREE = 111_195.0  # metres of a degree on the sphere of 6,371 km
_BATCH = 1_000_000  # vertices looked at together
_EXPECTED = (
    "expected (west, south, east, north), (longitude, latitude) with buffer_km, a shapely geometry, a "
    "GeoDataFrame, GeoJSON, WKT, the path of a GeoJSON, shapefile (.shp or .zip), GeoPackage, KML/KMZ, GML, "
    "FlatGeobuf or GeoParquet file, or a place name"
)


@dataclass(frozen=True, eq=False)
class Aoi:
    """An area of interest: one or more features.

    Parameters
    ----------
    frame : GeoDataFrame
        Geometry in EPSG:4326 (longitude, latitude), indexed by feature id (str), with a column `name` and
        whatever attributes the source had. Not to be changed in place: make another area of a changed copy.
    repairs : DataFrame
        What was changed in features, a row each, indexed by feature id: reason (str), longitude and latitude
        of the place (degrees), km2_before and km2_after (km2).
    """

    frame: gpd.GeoDataFrame
    repairs: pd.DataFrame = field(default_factory=area_repair.none)

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
        return float(area_repair.area_km2(self.frame.geometry).sum())

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
                name = str(zone).encode("utf-8", "surrogatepass")
                digest.update(f"{len(name)},{len(code)};".encode() + name)
                digest.update(code)
        return digest.hexdigest()

    def simplify(self, metres: float) -> Aoi:
        """Return the area with fewer vertices: none of those left out lies further off than `metres`.

        Each feature keeps its topology (holes and parts stay, nothing crosses); borders that features share
        are simplified for each of them. What is left keeps its coordinates to the last bit. The result's
        `repairs` have a row for each feature that lost vertices, with its area before and after.

        Raises
        ------
        AoiError
            If `metres` is no number above 0.
        """
        if not 0 < metres < np.inf:
            raise AoiError(f"simplify({metres}): expected a distance above 0 metres.")
        old = self.frame.geometry.to_numpy()
        frame, repairs = _checked(
            self.frame.set_geometry(gpd.GeoSeries(_simplified(old, metres), self.frame.index, crs=CRS)),
            [],
            True,
        )
        new = frame.geometry.to_numpy()
        counts = shapely.get_num_coordinates([old, new])
        chosen = np.flatnonzero(counts[0] != counts[1])
        areas = zip(area_repair.area_km2(old[chosen]), area_repair.area_km2(new[chosen]), strict=True)
        rows = [
            (f"Simplified by {metres:g} m: {was:,} to {now:,} vertices", np.nan, np.nan, *area)
            for was, now, area in zip(*counts[:, chosen].tolist(), areas, strict=True)
        ]
        tables = [self.repairs, area_repair.table(list(frame.index[chosen]), rows), repairs]
        return Aoi(frame, pd.concat([rows for rows in tables if len(rows)] or tables[:1]))

    def __len__(self) -> int:
        return len(self.frame)

    def __repr__(self) -> str:
        names = ", ".join(str(name) for name in self.frame["name"].head(5))
        more = f" and {len(self) - 5} more" if len(self) > 5 else ""
        bounds = ", ".join(f"{edge:.4f}" for edge in self.bounds)
        return f"<Aoi {names}{more}: {self.area_km2:,.1f} km2, bounds {bounds}>"


def aoi(x: Any, name: str | None = None, *, buffer_km: float | None = None, repair: bool = True) -> Aoi:
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
        Mend invalid geometries, with a warning (default), instead of refusing them.

    Warns
    -----
    RepairWarning
        Once, if features were repaired: which, why, and what became of their area.

    Raises
    ------
    AoiError
        If it can't be read, is empty, not valid, not in longitude and latitude, or has more vertices than
        $PROBAV_MAX_VERTICES (10,000,000 if it is not set).
    UnknownNameError
        If it is a text that names no file and no place.
    """
    unclosed: list[int] = []
    if isinstance(x, Aoi):
        if name is None and buffer_km is None:
            return x  # it was checked when it was made
        frame, known = x.frame.copy(), x.repairs
    else:
        frame, unclosed = _frame(x)
        known = area_repair.none()
    if name is not None:
        if len(frame) != 1:
            raise AoiError(f"name={name!r} names one feature, but there are {len(frame)}.")
        frame["name"] = [name]
    frame, repairs = _checked(frame, unclosed, repair)
    area_repair.tell(repairs)
    if buffer_km is not None:
        frame = frame.set_geometry([_buffer(shape, buffer_km) for shape in frame.geometry], crs=CRS)
    return Aoi(frame, pd.concat([known, repairs]) if len(known) else repairs)


def _frame(x: Any) -> tuple[gpd.GeoDataFrame, list[int]]:
    """Features with geometry in EPSG:4326, unchecked, and the positions of those with unclosed rings."""
    if isinstance(x, gpd.GeoDataFrame):
        return _from_frame(x), []
    if isinstance(x, gpd.GeoSeries):
        return _from_frame(gpd.GeoDataFrame(geometry=x)), []
    if isinstance(x, BaseGeometry):
        return _from_frame(gpd.GeoDataFrame(geometry=[x], crs=CRS)), []
    if _are_numbers(x):
        shape = _box(*x) if len(x) == 4 else shapely.Point(*x)
        return _from_frame(gpd.GeoDataFrame(geometry=[shape], crs=CRS)), []
    if isinstance(x, Mapping):
        frame, unclosed = area_geojson.from_mapping(x)
    elif isinstance(x, Path):
        frame, unclosed = area_files.read(x)
    elif isinstance(x, str):
        frame, unclosed = _from_text(x)
    elif hasattr(x, "__geo_interface__"):
        frame, unclosed = area_geojson.from_mapping(x.__geo_interface__)
    else:
        raise AoiError(f"Can't make an area of interest of a {type(x).__name__}; {_EXPECTED}.")
    return _from_frame(frame), unclosed


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


def _from_text(text: str) -> tuple[gpd.GeoDataFrame, list[int]]:
    stripped = text.strip().removeprefix("\ufeff")
    if len(stripped) > _MAX_TEXT:
        raise AoiError(
            f"A text of {len(stripped):,} characters is too long; write it to a file and give its path."
        )
    if stripped.startswith("{"):
        return area_geojson.from_text(stripped)
    srid, _, rest = stripped.rpartition(";") if stripped[:5].upper() == "SRID=" else ("", "", stripped)
    if rest.split("(")[0].split(" ")[0].strip().upper() in _WKT:
        return _from_wkt(rest, srid[5:])
    if len(stripped) > _MAX_NAME:
        raise AoiError(f"The text {stripped[:40]!r}... is no GeoJSON or WKT, and too long to name anything.")
    if Path(stripped).suffix.lower() in area_files.SUFFIXES or "/" in stripped:
        return area_files.read(Path(stripped))
    from probav.places import place

    name, shape = place(stripped)
    return gpd.GeoDataFrame({"name": [name]}, geometry=[shape], crs=CRS), []


def _from_wkt(text: str, srid: str) -> tuple[gpd.GeoDataFrame, list[int]]:
    """Read WKT, x before y; PostGIS may have put the number of a CRS before it."""
    shape, unclosed = shapely.from_wkt(text, on_invalid="ignore"), []
    if shape is None and (shape := shapely.from_wkt(text, on_invalid="fix")) is not None:
        unclosed = [0]
    try:
        if shape is None:
            shape = shapely.from_wkt(text)  # for its words
        crs = pyproj.CRS(f"EPSG:{srid}") if srid else CRS
    except (shapely.errors.ShapelyError, pyproj.exceptions.ProjError) as error:
        raise AoiError(f"The text looks like WKT but can't be read: {error!s:.300}.") from error
    return gpd.GeoDataFrame(geometry=[shape], crs=crs), unclosed


def _from_frame(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Bring a frame to EPSG:4326, text ids and a column `name`."""
    if not len(frame):
        raise AoiError("There is no feature in it.")
    frame = frame.set_crs(CRS) if frame.crs is None else frame.to_crs(CRS)
    frame = frame.rename_geometry("geometry") if frame.geometry.name != "geometry" else frame.copy()
    given = list(frame.index)
    if isinstance(frame.index, pd.RangeIndex):  # no index of the caller's: a column may have the ids
        given = list(frame["id"]) if "id" in frame else [None] * len(frame)
    ids = [str(value) for value in given]
    if any(map(pd.isna, given)) or len(set(ids)) < len(ids) or "" in ids:
        ids = [str(number) for number in range(1, len(frame) + 1)]
    frame.index = pd.Index(ids, name="zone", dtype=object)
    names = next((column for column in frame.columns if str(column).casefold() == "name"), None)
    named = ids if names is None else list(frame[names])
    frame["name"] = [one if pd.isna(name) else str(name) for name, one in zip(named, ids, strict=True)]
    return frame


def _checked(
    frame: gpd.GeoDataFrame, unclosed: list[int], repair: bool
) -> tuple[gpd.GeoDataFrame, pd.DataFrame]:
    """Refuse what is no place on Earth, mend what is invalid, drop heights, bring back what is beyond 180."""
    shapes = frame.geometry.to_numpy().copy()
    zones = frame.index
    Vertices().add(shapes)
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
    shapes, repairs = area_repair.mend(shapes, zones, unclosed, repair)
    has_z = shapely.has_z(shapes)
    shapes[has_z] = shapely.force_2d(shapes[has_z])
    # the outer edges of global grids lie half a pixel beyond 180 degrees: their boxes stay whole
    for number in np.flatnonzero(np.abs(edges[:, [0, 2]]).max(axis=1) > 180.01):
        shapes[number] = _within_180(shapes[number], 180.01)
    return frame.set_geometry(gpd.GeoSeries(shapes, index=frame.index, crs=CRS)), repairs


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


def _simplified(shapes: NDArray[np.object_], metres: float) -> NDArray[np.object_]:
    """Simplify each shape in a plane true to scale at the middle of its latitudes."""
    _, south, _, north = shapely.bounds(shapes).T
    across = np.cos(np.radians((south + north) / 2)).clip(0.01)
    result = shapes.copy()
    for part in _batches(shapes):
        xy, owner = shapely.get_coordinates(shapes[part], return_index=True)
        # each vertex carries its number as a height, to get its own coordinates back
        plane = np.column_stack([xy[:, 0] * across[part][owner], xy[:, 1], np.arange(len(xy))])
        shape = shapely.set_coordinates(shapely.force_3d(shapes[part]), plane)
        shape = shapely.simplify(shape, metres / _DEGREE, preserve_topology=True)
        kept = shapely.get_coordinates(shape, include_z=True)[:, 2].astype(int)
        result[part] = shapely.set_coordinates(shapely.force_2d(shape), xy[kept])
    return result


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
