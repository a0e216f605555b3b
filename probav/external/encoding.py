"""How the bands of STAC items are stored: the raster extension, before and after STAC 1.1."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from probav.errors import QueryError, SourceError, UnknownNameError, did_you_mean
from probav.products import Variable

NoData = Mapping[str, float | None] | float | None
UNSET: Any = object()


@dataclass(frozen=True)
class Band:
    """One band of a collection: the asset that holds it and its number in the file, from 1."""

    name: str
    asset: str
    index: int = 1


def bands_of(item: Any) -> dict[str, Band]:
    """Return the bands of an item: an asset's key names its only band, `asset.band` one of several."""
    found: dict[str, Band] = {}
    for key, asset in item.assets.items():
        roles = set(asset.roles or ())
        kind = (asset.media_type or "").split(";")[0]
        if kind not in ("", "image/tiff", "image/jp2", "application/x-hdf5", "application/netcdf"):
            continue
        if roles & {"thumbnail", "overview", "metadata"} or (
            not kind and not roles & {"data", "reflectance"}
        ):
            continue
        described = _described(asset.to_dict())
        if len(described) < 2:
            found[key] = Band(key, key)
            continue
        for index, band in enumerate(described, 1):
            name = f"{key}.{band.get('name', index)}"
            found[name] = Band(name, key, index)
    return found


def pick(names: list[str], known: Mapping[str, Band], collection: str) -> list[Band]:
    """Return bands by name, whatever the case of the letters.

    Raises
    ------
    UnknownNameError
        If there is no such band.
    """
    folded = {name.casefold(): band for name, band in known.items()}
    for name in names:
        if name.casefold() not in folded:
            raise UnknownNameError(f"{collection} has no band {name!r}.{did_you_mean(name, known)}")
    return [folded[name.casefold()] for name in names]


def named_in(text: str, known: Mapping[str, Band]) -> list[str]:
    """Return the bands that a mask expression names."""
    words = {word.casefold() for word in re.findall(r"[A-Za-z_]\w*", text)}
    return [name for name in known if name.casefold() in words]


def variable(item: Any, band: Band, template: Mapping[str, Any], nodata: NoData = UNSET) -> Variable:
    """Return how an item stores a band.

    Parameters
    ----------
    item : pystac.Item
    band : Band
    template : mapping
        The collection's `item_assets`, for what the item leaves out.
    nodata : float or mapping of band name to float or None, optional
        What the metadata leave out, or say wrongly; None for "every number is a value". What a file itself
        marks as no data stays so.

    Raises
    ------
    SourceError
        If the no-data value is not known, or the metadata make no sense.
    """
    sources = list(_sources(item, band, template))
    what = f"Item {item.id}, asset {band.asset!r}"

    def field(*names: str) -> Any:
        return next((found[name] for found in sources for name in names if name in found), None)

    try:
        dtype = None if (kind := field("data_type")) is None else np.dtype(kind).name
        scale = float(_or(field("scale", "raster:scale"), 1))
        offset = float(_or(field("offset", "raster:offset"), 0))
        blank = _given(nodata, band.name)
        if blank is UNSET:
            blank = field("nodata")
            if blank is None:
                raise SourceError(
                    f"{what} doesn't say which number means no data, and 0 may well be a value: say it with "
                    f"nodata=0 or nodata={{{band.name!r}: 0}}, or None if every number is a value."
                )
        value = None if blank is None else float(blank)
    except (TypeError, ValueError) as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(f"{what} has raster metadata that make no sense: {error}.") from error
    if not (math.isfinite(scale) and scale and math.isfinite(offset)):
        raise SourceError(f"{what} has scale {scale} and offset {offset}; expected numbers, scale not 0.")
    classes = {
        int(entry["value"]): str(entry.get("title") or entry.get("name") or entry["value"]).replace("_", " ")
        for entry in _or(field("classification:classes"), ())
        if isinstance(entry.get("value"), int)
    }
    if value is None or dtype is None:  # nothing to mark a gap with but NaN
        dtype = "float32"
    elif not math.isnan(value) and np.dtype(dtype).kind in "iu":
        limits = np.iinfo(dtype)
        if value != int(value) or not limits.min <= value <= limits.max:
            raise SourceError(
                f"{what} has the no-data value {value}, which is no {dtype}; say it with nodata=."
            )
    return Variable(
        band.name,
        dtype,
        str(_or(field("title", "description"), item.assets[band.asset].title or band.name)),
        units=str(_or(field("unit"), "1")),
        scale=scale,
        offset=offset,
        nodata=math.nan if value is None else value,
        kind="categorical" if classes and np.dtype(dtype).kind in "iu" else "continuous",
        flags=classes,
    )


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value


def _given(nodata: NoData, name: str) -> Any:
    """Return what the caller says of a band; `UNSET` for nothing."""
    if not isinstance(nodata, Mapping):
        return nodata
    folded = {key.casefold(): value for key, value in nodata.items()}
    return folded.get(name.casefold(), UNSET)


def check_nodata(nodata: NoData, known: Mapping[str, Band]) -> None:
    """Raise QueryError where `nodata` names a band that isn't there."""
    if isinstance(nodata, Mapping):
        for name in nodata:
            if name.casefold() not in {band.casefold() for band in known}:
                raise QueryError(f"nodata names the band {name!r}.{did_you_mean(name, known)}")


def _described(asset: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what an asset says of each band: `bands` (STAC 1.1), `raster:bands` and `eo:bands` (before)."""
    lists = [
        found
        for name in ("raster:bands", "bands", "eo:bands")
        if isinstance(found := asset.get(name), list) and all(isinstance(entry, dict) for entry in found)
    ]
    size = max(map(len, lists), default=0)
    return [
        {key: value for found in reversed(lists) if index < len(found) for key, value in found[index].items()}
        for index in range(size)
    ]


def _sources(item: Any, band: Band, template: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield where a field of a band may stand, the nearest first."""
    for asset in (item.assets[band.asset].to_dict(), template.get(band.asset, {})):
        described = _described(asset)
        if band.index <= len(described):
            yield described[band.index - 1]
        yield asset
    yield {key: value for key, value in item.properties.items() if key.startswith(("raster:", "nodata"))}
