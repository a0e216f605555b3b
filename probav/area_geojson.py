"""GeoJSON (RFC 7946) of any size, a feature at a time: the whole is never there as Python objects.

One reader for texts and files of every size. GDAL's is faster, but takes a property called "geometry" for the
geometry, leaves a file with an unclosed ring unread, and has a limit of its own on a feature.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import shapely
from shapely.geometry.base import BaseGeometry

from probav.area_limits import Vertices
from probav.errors import AoiError

_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+("?)|\{|\}', re.DOTALL)
_COLON = re.compile(r"\s*(.?)", re.DOTALL)
_BLOCK = 1 << 20  # characters read at once
_MAX_REST = 100_000_000  # characters outside features
_MAX_FEATURE = 1_000_000_000  # characters
_GEOMETRIES = 5_000_000  # characters of geometries made at once

Read = Callable[[int], str]


class Features:
    """Features as they arrive: geometries in batches, attributes as columns."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget all features: the collection has its list twice, and the last one counts."""
        self.count = 0
        self.unclosed: list[int] = []
        self._vertices = Vertices()
        self._texts: list[str | None] = []
        self._size = 0
        self._shapes: list[BaseGeometry | None] = []
        self._columns: dict[str, list[Any]] = {}
        self._ids: list[Any] = []

    def add_text(self, text: str) -> None:
        """Take a feature as it stands in the file."""
        try:
            feature, geometry = _split(text)
        except (ValueError, RecursionError) as error:
            raise self._unreadable(self.count + 1, error) from error
        self._add(feature, geometry)

    def add(self, feature: Any) -> None:
        """Take a feature that is there as Python objects already."""
        self._add(feature, None)

    def _add(self, feature: Any, geometry: str | None) -> None:
        self.count += 1
        try:
            parsed = feature["geometry"]
            properties = dict(feature.get("properties") or {})
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._unreadable(self.count, error) from error
        if geometry is not None:
            # every position opens a bracket: too many of them are found before they take memory
            self._vertices.expect(geometry.count("[") // 2)
            self._size += len(geometry)
        self._texts.append(geometry)
        self._shapes.append(None if parsed is None else self._shape(parsed, self.count))
        if parsed is not None:
            self._vertices.add(self._shapes[-1:])
        for name, value in properties.items():
            if name != "geometry":
                column = self._columns.setdefault(name, [])
                column.extend([np.nan] * (self.count - 1 - len(column)))
                column.append(value)
        self._ids.append(feature.get("id"))
        if self._size > _GEOMETRIES:
            self._make()

    def _shape(self, geometry: Any, number: int) -> BaseGeometry:
        """Make the geometry of Python objects; rings are closed."""
        try:
            if "polygon" in str(geometry["type"]).lower() and _is_unclosed(geometry["coordinates"]):
                self.unclosed.append(number - 1)
            try:
                return shapely.geometry.shape(geometry)
            except ValueError:  # more than three numbers a position, which RFC 7946 lets readers pass over
                return shapely.geometry.shape({**geometry, "coordinates": _flat(geometry["coordinates"])})
        except Exception as error:  # shapely raises what it finds on the way
            raise self._unreadable(number, error) from error

    def _make(self) -> None:
        """Make geometries of the texts held."""
        start = self.count - len(self._texts)
        there = [number for number, text in enumerate(self._texts) if text is not None]
        texts = [self._texts[number] for number in there]
        try:
            shapes = shapely.from_geojson(texts, on_invalid="ignore")
        except shapely.errors.ShapelyError:  # no UTF-8
            shapes = [None] * len(texts)
        for number, text, shape in zip(there, texts, shapes, strict=True):
            # GEOS reads a whole feature as a geometry, and leaves out what Python's reader takes
            if shape is None or '"Feature' in str(text):
                try:
                    parsed = json.loads(str(text))
                except (ValueError, RecursionError) as error:
                    raise self._unreadable(start + number + 1, error) from error
                shape = self._shape(parsed, start + number + 1)
            self._shapes[start + number] = shape
        self._vertices.add([self._shapes[start + number] for number in there])
        self._texts, self._size = [], 0

    def _unreadable(self, number: int, error: Exception) -> AoiError:
        return AoiError(f"Feature {number} of the GeoJSON can't be read: {error!r:.300}.")

    def frame(self, crs: pyproj.CRS) -> gpd.GeoDataFrame:
        """Return the features with their attributes; `id` is that of the feature, else a property's."""
        self._make()
        for column in self._columns.values():
            column.extend([np.nan] * (self.count - len(column)))
        properties = pd.DataFrame(self._columns, index=range(self.count))
        if any(given is not None for given in self._ids):
            properties["id"] = self._ids
        shapes = np.empty(self.count, object)
        shapes[:] = self._shapes
        return gpd.GeoDataFrame(properties, geometry=shapes, crs=crs)


def from_text(text: str) -> tuple[gpd.GeoDataFrame, list[int]]:
    """Read GeoJSON from a text; see `read`."""
    return read(_reader(text))


def read(source: Read) -> tuple[gpd.GeoDataFrame, list[int]]:
    """Read GeoJSON from a function that returns the next so many characters.

    Returns
    -------
    GeoDataFrame in the CRS that the file names, else EPSG:4326 (longitude first, as RFC 7946 has it), and the
    positions of the features that had unclosed rings, which are closed.

    Raises
    ------
    AoiError
        If it is no GeoJSON, or has too many vertices.
    """
    features = Features()
    rest = _cut(source, "features", features.add_text, features.clear)
    try:
        data = json.loads(rest)
    except json.JSONDecodeError as error:
        where = f", after feature {features.count}" if features.count else ""
        raise AoiError(f"The text looks like GeoJSON but is no JSON{where}: {error}.") from error
    except RecursionError as error:
        raise AoiError(f"The text looks like GeoJSON but is no JSON: {error}.") from error
    if isinstance(data, Mapping) and data.get("type") == "FeatureCollection" and features.count:
        if not isinstance(data.get("features"), list):
            raise AoiError("The GeoJSON has no list of features, but one object.")
        if len(data["features"]) != features.count:
            raise AoiError("The GeoJSON's list of features holds something else between them.")
        return features.frame(_crs(data)), sorted(features.unclosed)
    if isinstance(data, Mapping) and data.get("type") == "Feature":
        features.clear()
        features.add_text(rest)
        return features.frame(_crs(data)), features.unclosed
    return from_mapping(data)


def from_mapping(data: Any) -> tuple[gpd.GeoDataFrame, list[int]]:
    """Read GeoJSON from Python objects; see `read`."""
    kind = data.get("type") if isinstance(data, Mapping) else None
    if kind is None:
        raise AoiError("The JSON is no GeoJSON: it has no 'type'.")
    given = [data] if kind == "Feature" else [{"geometry": data}]
    if kind == "FeatureCollection":
        given = data.get("features")
        if not isinstance(given, list | tuple):
            raise AoiError(f"The GeoJSON has no list of features, but {given!r:.200}.")
    features = Features()
    for feature in given:
        features.add(feature)
    return features.frame(_crs(data)), features.unclosed


def _split(text: str) -> tuple[Any, str | None]:
    """Return a feature without its geometry, and the text of that."""
    geometries: list[str] = []
    feature = json.loads(_cut(_reader(text), "geometry", geometries.append, geometries.clear))
    return feature, geometries[-1] if geometries and feature.get("geometry") is None else None


def _crs(data: Mapping[str, Any]) -> pyproj.CRS:
    if not isinstance(data.get("crs"), Mapping):
        return pyproj.CRS("EPSG:4326")
    try:  # GeoJSON of 2008 could name another CRS; coordinates are x, y in it all the same
        return pyproj.CRS(data["crs"]["properties"]["name"])
    except (KeyError, TypeError, pyproj.exceptions.ProjError) as error:
        raise AoiError(f"The GeoJSON's coordinate system {data['crs']!r:.200} is unknown.") from error


def _is_unclosed(coordinates: Any) -> bool:
    """Whether a ring has different ends, in the coordinates of a Polygon or MultiPolygon."""
    if not isinstance(coordinates, list | tuple) or not coordinates:
        return False
    first = coordinates[0]
    if isinstance(first, list | tuple) and first and isinstance(first[0], list | tuple) and first[0]:
        if isinstance(first[0][0], list | tuple):
            return any(_is_unclosed(part) for part in coordinates)
        return any(len(ring) > 2 and list(ring[0]) != list(ring[-1]) for ring in coordinates)
    return False


def _flat(coordinates: Any) -> Any:
    """Leave the first two numbers of each position."""
    if coordinates and isinstance(coordinates[0], list | tuple):
        return [_flat(part) for part in coordinates]
    return coordinates[:2]


def _reader(text: str) -> Read:
    """Return a function that gives the next so many characters of a text."""
    position = 0

    def read(size: int) -> str:
        nonlocal position
        position += size
        return text[position - size : position]

    return read


def _cut(read: Read, member: str, take: Callable[[str], None], again: Callable[[], None]) -> str:
    """Hand over the objects in a member of a JSON object, and return the text with null in their place.

    What is left is small and holds all of the syntax between, so that reading it checks that. `again` is
    called where the member comes.
    """
    kept: list[str] = []
    text, key, depth, size = "", "", 0, 0
    done = at = 0  # up to where the text was handed on, and up to where it was looked at
    inside = False
    while block := read(max(_BLOCK, len(text) - done)):  # twice as much for what is not at its end yet
        text, at, done = text[done:] + block, at - done, 0
        for token in _TOKEN.finditer(text, at):
            mark = token[0]
            if mark == "{":
                if depth == 1 and key == member:
                    kept.append(text[done : token.start()])
                    done, inside = token.start(), True
                depth += 1
            elif mark == "}":
                depth -= 1
                if inside and depth == 1:
                    take(text[done : token.end()])
                    kept.append("null")
                    done, inside = token.end(), False
            else:
                if not token[1]:
                    at = token.start()
                    break  # the string goes on
                if depth == 1:
                    after = _COLON.match(text, token.end())
                    if not after or not after[1]:
                        at = token.start()
                        break  # whether it is a key comes next
                    if after[1] == ":":
                        key = mark[1:-1]
                        if key == member:
                            again()
            at = token.end()
        else:
            at = len(text)
        if not inside:
            kept.append(text[done:at])
            size += at - done
            done = at
        if size > _MAX_REST or len(text) - done > _MAX_FEATURE:
            what, limit = ("one feature", _MAX_FEATURE) if inside else ("what is no feature", _MAX_REST)
            raise AoiError(f"The GeoJSON can't be read: {what} takes more than {limit:,} characters.")
    kept.append(text[done:])
    return "".join(kept)
