"""Countries by name, from data shipped with the package: nothing is looked up outside.

Boundaries are those of Natural Earth 1:10m (public domain), which follow who controls the ground; they are
no statement about who ought to. Vertices lie on a lattice of 0.0036 by 0.0017 degrees.
"""

from __future__ import annotations

import gzip
import json
import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from probav.errors import UnknownNameError, did_you_mean

# what people type, where the data abbreviates a name or uses an older or newer one
_ALIASES = {
    "Antigua and Barbuda": "Antigua and Barb.",
    "Bosnia": "Bosnia and Herz.",
    "Bosnia and Herzegovina": "Bosnia and Herz.",
    "British Indian Ocean Territory": "Br. Indian Ocean Ter.",
    "Burma": "Myanmar",
    "Cape Verde": "Cabo Verde",
    "Central African Republic": "Central African Rep.",
    "Congo Brazzaville": "Congo",
    "Congo Kinshasa": "Dem. Rep. Congo",
    "Czech Republic": "Czechia",
    "Democratic Republic of the Congo": "Dem. Rep. Congo",
    "Dominican Republic": "Dominican Rep.",
    "DR Congo": "Dem. Rep. Congo",
    "DRC": "Dem. Rep. Congo",
    "East Timor": "Timor-Leste",
    "Equatorial Guinea": "Eq. Guinea",
    "Eswatini": "eSwatini",
    "Faroe Islands": "Faeroe Is.",
    "French Polynesia": "Fr. Polynesia",
    "Great Britain": "United Kingdom",
    "Holland": "Netherlands",
    "Ivory Coast": "Côte d'Ivoire",
    "Lao": "Laos",
    "North Macedonia": "Macedonia",
    "Northern Cyprus": "N. Cyprus",
    "Northern Mariana Islands": "N. Mariana Is.",
    "Republic of the Congo": "Congo",
    "Russian Federation": "Russia",
    "Saint Kitts and Nevis": "St. Kitts and Nevis",
    "Saint Martin": "St-Martin",
    "Saint Pierre and Miquelon": "St. Pierre and Miquelon",
    "Saint Vincent and the Grenadines": "St. Vin. and Gren.",
    "South Georgia": "S. Geo. and the Is.",
    "South Sudan": "S. Sudan",
    "Swaziland": "eSwatini",
    "Türkiye": "Turkey",
    "UAE": "United Arab Emirates",
    "UK": "United Kingdom",
    "United States": "United States of America",
    "USA": "United States of America",
    "Viet Nam": "Vietnam",
    "Western Sahara": "W. Sahara",
}

_OTHERWISE = " probav.places.countries() lists them; for other places give a bounding box or a file."


def place(name: str) -> tuple[str, shapely.Geometry]:
    """Return the canonical name and the polygon of a country (EPSG:4326, degrees).

    Case, accents, punctuation and a leading "the" don't matter; common long names ("United States"),
    former names ("Czech Republic") and ISO 3166-1 numeric codes ("056") are understood.

    Raises
    ------
    UnknownNameError
        If there is no such country; the message names near ones.
    """
    number = _index().get(_key(name))
    if number is None:
        near = did_you_mean(name, [*(item["properties"]["name"] for item in _items()), *_ALIASES])
        raise UnknownNameError(
            f"There is no country {name!r}." + (near if near.endswith("?") else _OTHERWISE)
        )
    return _items()[number]["properties"]["name"], _geometry(number, 0.0)


def names() -> list[str]:
    """Return the names of countries and territories, sorted."""
    return sorted({item["properties"]["name"] for item in _items()})


def countries(
    simplify: float = 0.0, within: tuple[float, float, float, float] | None = None
) -> gpd.GeoDataFrame:
    """Return countries and territories.

    Parameters
    ----------
    simplify : float, degrees
        Tolerance, for drawing: shared borders stay shared, islands below it vanish, parts of a country may
        overlap. 0 (the default) gives the data as they are, repaired.
    within : (west, south, east, north), degrees, optional
        Only those whose bounding box meets this one.

    Returns
    -------
    GeoDataFrame in EPSG:4326; index `id`: ISO 3166-1 numeric code, or the name where a territory has none
    of its own; columns `name`, `geometry` (Polygon or MultiPolygon).
    """
    chosen = [number for number in range(len(_items())) if within is None or _meets(number, within)]
    frame = gpd.GeoDataFrame(
        {
            "id": [_ids()[number] for number in chosen],
            "name": [_items()[number]["properties"]["name"] for number in chosen],
        },
        geometry=[_geometry(number, float(simplify)) for number in chosen],
        crs="EPSG:4326",
    )
    return frame[~frame.is_empty].set_index("id")


def _meets(number: int, box: tuple[float, float, float, float]) -> bool:
    west, south, east, north = _bounds(number)
    return west <= box[2] and east >= box[0] and south <= box[3] and north >= box[1]


@cache
def _bounds(number: int) -> tuple[float, float, float, float]:
    item = _items()[number]
    members = item["arcs"] if item["type"] == "MultiPolygon" else [item["arcs"]]
    ends = [
        (*arc.min(axis=0), *arc.max(axis=0))
        for rings in members
        for arc in (_arc(i if i >= 0 else ~i, 0.0) for i in rings[0])
    ]
    lowest, highest = np.min(ends, axis=0), np.max(ends, axis=0)
    if lowest[0] < -180 or highest[2] > 180:  # across the antimeridian: anywhere
        return -180.0, float(lowest[1]), 180.0, float(highest[3])
    return float(lowest[0]), float(lowest[1]), float(highest[2]), float(highest[3])


@cache
def _topology() -> dict[str, Any]:
    packed = (files("probav") / "data" / "countries.topojson.gz").read_bytes()
    return json.loads(gzip.decompress(packed))  # type: ignore[no-any-return]


def _items() -> list[dict[str, Any]]:
    return _topology()["objects"]["countries"]["geometries"]  # type: ignore[no-any-return]


@cache
def _ids() -> list[str]:
    ids: dict[str, None] = {}
    for item in _items():
        code, name = item.get("id"), item["properties"]["name"]
        ids[name if code is None or code in ids else code] = None
    return list(ids)


@cache
def _index() -> dict[str, int]:
    """Return the number of a country by every folded name and code it goes by."""
    names = {item["properties"]["name"]: number for number, item in enumerate(_items())}
    index = {_key(alias): names[name] for alias, name in _ALIASES.items()}
    index |= {_key(name): number for name, number in names.items()}
    return index | {code: number for number, code in enumerate(_ids()) if code.isdigit()}


def _key(name: str) -> str:
    plain = unicodedata.normalize("NFKD", str(name)).encode("ascii", "ignore").decode().casefold()
    return re.sub(r"[^a-z0-9]+", " ", plain).strip().removeprefix("the ")


@cache
def _geometry(number: int, simplify: float) -> shapely.Geometry:
    item = _items()[number]
    members = item["arcs"] if item["type"] == "MultiPolygon" else [item["arcs"]]
    polygons = [polygon for rings in members for polygon in _polygons(rings, simplify)]
    geometry = polygons[0] if len(polygons) == 1 else shapely.MultiPolygon(polygons)
    if not simplify and not geometry.is_valid:
        return shapely.union_all(polygons)  # two islands that touch
    return geometry


def _polygons(rings: Iterable[Iterable[int]], simplify: float) -> list[shapely.Polygon]:
    """Return one polygon of the topology as valid polygons within 180 degrees west and east."""
    shell, *holes = (_ring(ring, simplify) for ring in rings)
    if len(shell) < 4:  # an islet that quantisation or simplification left no area
        return []
    if shell[0, 0] != shell[-1, 0]:  # round the world: down to the pole and back (Antarctica)
        shell = np.vstack([shell, [[shell[-1, 0], -90], [shell[0, 0], -90], shell[0]]])
    shell = np.add(shell, [-360 * np.floor((shell[:, 0].min() + 180) / 360), 0])
    holes = [np.add(hole, [360 if hole[:, 0].max() < shell[:, 0].min() else 0, 0]) for hole in holes]
    polygon = shapely.Polygon(shell, [hole for hole in holes if len(hole) >= 4])
    if not polygon.is_valid:  # quantisation lets some rings touch or cross themselves
        polygon = shapely.make_valid(polygon, method="structure", keep_collapsed=False)
    parts = [polygon]
    if shell[:, 0].max() > 180:
        east = polygon.intersection(shapely.box(180, -90, 540, 90))
        west = polygon.intersection(shapely.box(-180, -90, 180, 90))
        parts = [west, shapely.transform(east, lambda xy: xy - [360, 0])]
    pieces = [piece for part in parts for piece in shapely.get_parts(part)]
    return [piece for piece in pieces if piece.area > 0]


def _ring(indices: Iterable[int], simplify: float) -> NDArray[np.float64]:
    """Join arcs to a closed ring; ~i is arc i backwards, and neighbours repeat the vertex they share."""
    arcs = [_arc(i, simplify) if i >= 0 else _arc(~i, simplify)[::-1] for i in indices]
    return _unwrapped(np.concatenate([arcs[0], *(arc[1:] for arc in arcs[1:])]))


@cache
def _arc(number: int, simplify: float) -> NDArray[np.float64]:
    """Decode a delta-encoded, quantised line that polygons share (TopoJSON specification, 2.1.3)."""
    if simplify:
        line = shapely.simplify(shapely.LineString(_arc(number, 0.0)), simplify, preserve_topology=False)
        return np.asarray(shapely.get_coordinates(line))
    topology = _topology()
    line = np.cumsum(topology["arcs"][number], axis=0) * topology["transform"]["scale"]
    return _unwrapped(line + topology["transform"]["translate"])


def _unwrapped(line: NDArray[np.float64]) -> NDArray[np.float64]:
    """Let longitudes run on beyond 180 degrees where a line crosses the antimeridian."""
    if np.abs(np.diff(line[:, 0])).max(initial=0) <= 180:
        return line
    return np.column_stack([np.unwrap(line[:, 0], period=360), line[:, 1]])
