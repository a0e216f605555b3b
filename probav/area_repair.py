"""Invalid geometries are mended, and what was done to each is told."""

from __future__ import annotations

import inspect
import warnings
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pyproj
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from probav.errors import AoiError, RepairWarning

_GEOD = pyproj.Geod(ellps="WGS84")
_COLUMNS = ("reason", "longitude", "latitude", "km2_before", "km2_after")
_SHOWN = 3


def none() -> pd.DataFrame:
    """Return the table of repairs without a row."""
    return _none().copy()


@cache
def _none() -> pd.DataFrame:
    return table([], [])  # takes a millisecond, as long as a small query


def table(zones: list[str], rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    """Return repairs as a table.

    Returns
    -------
    DataFrame indexed by feature id (`zone`): reason (str), longitude and latitude of the place (degrees, NaN
    where it has none), km2_before (of the rings as drawn; loops of opposite directions cancel) and km2_after.
    """
    frame = pd.DataFrame(rows, columns=list(_COLUMNS), index=pd.Index(zones, name="zone", dtype=object))
    return frame.astype(dict.fromkeys(_COLUMNS[1:], float) | {"reason": object})


def area_km2(shapes: Any) -> NDArray[np.float64]:
    """Return areas on the ellipsoid (WGS 84), in square kilometres; 0 for lines and points."""
    shapes = np.asarray(shapes, object)
    areas = np.zeros(len(shapes))
    for number in np.flatnonzero(shapely.get_dimensions(shapes) == 2):
        parts = shapely.get_parts(shapely.orient_polygons(shapes[number]))
        parts = parts[shapely.get_dimensions(parts) == 2]
        areas[number] = abs(sum(_GEOD.geometry_area_perimeter(part)[0] for part in parts)) / 1e6
    return areas


def mend(
    shapes: NDArray[np.object_], zones: pd.Index, unclosed: list[int], repair: bool
) -> tuple[NDArray[np.object_], pd.DataFrame]:
    """Mend what is invalid.

    Polygons become what their rings go round at all (the nonzero rule): crossings split them, overlapping
    parts are joined, spikes vanish. A hole wholly outside becomes a part (a MultiPolygon written as a Polygon
    has such). Collections of several kinds keep the one of most dimensions.

    Raises
    ------
    AoiError
        If `repair` is False and a feature is invalid, or nothing is left of one.
    """
    shapes = shapes.copy()
    kinds = shapely.get_type_id(shapes)
    reasons = {number: ("Ring not closed", np.nan, np.nan) for number in unclosed}
    for number in np.flatnonzero(kinds == 7).tolist():
        flat, mixed = _one_kind(shapes[number])
        if mixed:
            reasons[number] = ("Lines or points beside polygons, or points beside lines", np.nan, np.nan)
        elif flat is not None:
            shapes[number] = flat
    for number in np.flatnonzero(~shapely.is_valid(shapes)).tolist():
        reasons[number] = _reason(shapes[number])
    if not reasons:
        return shapes, none()
    chosen = sorted(reasons)
    if not repair:
        number = chosen[0]
        reason, x, y = reasons[number]
        raise AoiError(
            f"Feature {zones[number]!r} is no valid polygon: {reason}{_place(x, y)}. Draw it again without "
            "that, or pass repair=True to have it mended."
        )
    before = area_km2(shapes[chosen])
    for number in chosen:
        mended = _mended(shapes[number])
        if mended is None or mended.is_empty:
            reason, x, y = reasons[number]
            raise AoiError(
                f"Of feature {zones[number]!r} nothing is left when it is repaired: {reason}{_place(x, y)}. "
                "Draw it again, or leave it out."
            )
        shapes[number] = mended
    after = area_km2(shapes[chosen])
    rows = [(*reasons[n], was, now) for n, was, now in zip(chosen, before, after, strict=True)]
    return shapes, table([zones[number] for number in chosen], rows)


def tell(repairs: pd.DataFrame) -> None:
    """Warn of repairs, at the caller's line: how many, and those whose area changed most."""
    if not len(repairs):
        return
    level, caller = 1, inspect.currentframe()
    while caller and str(caller.f_globals.get("__name__")).split(".")[0] == "probav":
        level, caller = level + 1, caller.f_back
    change = repairs["km2_after"] - repairs["km2_before"]
    order = np.argsort(-change.abs().to_numpy(), kind="stable")[:_SHOWN]
    said = [
        f"{zone!r}: {reason}{_place(x, y)}, {_areas(before, after)}"
        for zone, reason, x, y, before, after in repairs.iloc[order].to_records().tolist()
    ]
    count = f"{len(repairs)} feature was" if len(repairs) == 1 else f"{len(repairs)} features were"
    more = f"; and {len(repairs) - _SHOWN} more" if len(repairs) > _SHOWN else ""
    warnings.warn(
        f"{count} repaired: {'; '.join(said)}{more}. The list is in aoi.repairs; repair=False refuses them.",
        RepairWarning,
        stacklevel=level,
    )


def _areas(before: float, after: float) -> str:
    if abs(after - before) <= 1e-6 * max(before, after):
        return f"area unchanged ({after:.6g} km2)"
    return f"area {before:.6g} -> {after:.6g} km2"


def _place(x: float, y: float) -> str:
    return "" if np.isnan(x) else f" at longitude {x:.6g}, latitude {y:.6g}"


def _reason(shape: BaseGeometry) -> tuple[str, float, float]:
    """Split GEOS's "Self-intersection[4.5 50.5]" into the reason and its place."""
    reason, _, place = str(shapely.is_valid_reason(shape)).partition("[")
    numbers = place.rstrip("]").split()
    try:
        return reason, float(numbers[0]), float(numbers[1])
    except (ValueError, IndexError):
        return reason, np.nan, np.nan


def _one_kind(shape: BaseGeometry) -> tuple[BaseGeometry | None, bool]:
    """Return a collection of one kind as a multi-part geometry, and whether it holds several kinds."""
    parts = _all_parts(shape)
    if len({int(kind) for kind in shapely.get_dimensions(parts)}) != 1:
        return None, True
    return _collected(parts), False


def _all_parts(shape: BaseGeometry) -> NDArray[np.object_]:
    parts = shapely.get_parts(shape)
    while (shapely.get_type_id(parts) >= 4).any():  # collections hold collections
        parts = shapely.get_parts(parts)
    return np.asarray(parts[~shapely.is_empty(parts)], object)


def _collected(parts: NDArray[np.object_]) -> BaseGeometry:
    make = (shapely.multipoints, shapely.multilinestrings, shapely.multipolygons)
    lines = [shapely.LineString(p.coords) if p.geom_type == "LinearRing" else p for p in parts]
    return make[int(shapely.get_dimensions(parts[0]))](lines)


def _mended(shape: BaseGeometry) -> BaseGeometry | None:
    """Return a valid geometry of the same dimension, or None."""
    dimension = int(shapely.get_dimensions(_all_parts(shape)).max(initial=-1))
    if dimension < 0:
        return None
    parts = _all_parts(shape)
    parts = parts[shapely.get_dimensions(parts) == dimension]
    if dimension == 2 or not shapely.is_valid(parts).all():
        whole = _collected(parts) if len(parts) > 1 else parts[0]
        parts = _all_parts(shapely.make_valid(whole, method="structure", keep_collapsed=False))
        parts = parts[shapely.get_dimensions(parts) == dimension]
        parts = _all_parts(shapely.union_all(parts))  # GEOS 3.14 leaves loops with a common edge apart
    if not len(parts):
        return None
    return parts[0] if len(parts) == 1 else _collected(parts)
