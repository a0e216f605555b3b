"""Data of other missions: items of a STAC catalogue as a lazy dataset in physical units."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, get_args

import numpy as np
import shapely
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS
from rasterio.enums import Resampling

from probav import areas
from probav.errors import BudgetError, MaskError, QueryError, SourceError, did_you_mean
from probav.external import encoding
from probav.external.encoding import UNSET, Band, NoData
from probav.external.grid import BLOCK, blocks, choose
from probav.external.items import WHAT, Found, find, moment
from probav.extras import need
from probav.grid import Grid
from probav.masks import Layer, Mask, parse_mask
from probav.products import Variable

Groupby = Literal["solar_day", "time"]
_GDAL = {  # tried again with growing pauses; no listing of folders beside a file
    "GDAL_HTTP_MAX_RETRY": "5", "GDAL_HTTP_RETRY_DELAY": "0.5", "GDAL_HTTP_TIMEOUT": "60",
    "GDAL_HTTP_CONNECTTIMEOUT": "10", "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
}  # fmt: skip
_COLLECTION = "external"
_MOST_BLOCKS = 100_000  # of one dataset: planning takes about a millisecond each


def from_stac(
    url: str,
    collection: str,
    aoi: Any,
    time: Any = None,
    *,
    bands: str | Sequence[str] | None = None,
    mask: str | None = None,
    crs: str | None = None,
    resolution: float | None = None,
    resampling: str = "nearest",
    groupby: Groupby = "solar_day",
    nodata: NoData = UNSET,
    limit: int = 1000,
    chunks: Any = None,
) -> xr.Dataset:
    """Return pixels of any STAC collection, in physical units, as a lazy dataset.

    The same pixel has the same value whatever the chunks and the rest of the area, also where it is
    resampled: what is read is cut at blocks that lie still on the grid.

    Parameters
    ----------
    url : str
        Of a STAC API; or path or URL of a static catalogue (catalog.json). A server's token is taken from
        $PROBAV_STAC_TOKEN, those of object stores from their usual variables.
    collection : str
    aoi : Aoi, or anything `probav.aoi` takes
        The pixels of its bounds in the CRS are loaded.
    time : str, date, pair or slice, optional
        Both ends included, of UTC days; all if not given.
    bands : str or sequence of str, optional
        Keys of assets, "asset.band" where an asset has several; all if not given.
    mask : str, optional
        Which pixels keep their value: "scl in (4, 5)"; see `probav.masks`.
    crs, resolution : str and float (CRS units), optional
        The items' own grid if not given.
    resampling : str
        Where the grid isn't the items' own: nearest, bilinear, cubic, average, mode, ...
    groupby : {"solar_day", "time"}
        What makes one date; a pixel is its first item's that has a value, by time and id.
    nodata : float or mapping of band to float or None, optional
        For bands whose metadata don't say it, or wrongly; None: every number is a value. What a file itself
        marks as no data stays so.
    limit : int
        The most items there may be.
    chunks : optional
        Chunks for `xarray.Dataset.chunk`.

    Returns
    -------
    xarray.Dataset
        (time, y, x) float32, NaN where there is no value or the mask is false; bands with classes stay in
        their own type. y and x are pixel centres. `source` names the items of each date.

    Raises
    ------
    SourceError
        If the catalogue can't be read, or doesn't say a no-data value and `nodata` doesn't either.
    QueryError, UnknownNameError, MaskError, AoiError, TimeError
        If an argument can't be understood, or finds nothing or too much.
    MissingExtraError
        If the extra "stac" is not installed.
    """
    if groupby not in get_args(Groupby):
        raise QueryError(f"groupby={groupby!r} is none of {', '.join(get_args(Groupby))}.")
    if resampling not in Resampling.__members__:
        raise QueryError(
            f"There is no resampling={resampling!r}.{did_you_mean(resampling, Resampling.__members__)}"
        )
    odc = need("odc.stac", "stac", WHAT)
    area = shapely.union_all(areas.aoi(aoi).frame.geometry.to_numpy())
    found = find(str(url), collection, area, time, limit)
    known: dict[str, Band] = {}
    for item in found.items:
        known |= encoding.bands_of(item)
    encoding.check_nodata(nodata, known)
    names = [bands] if isinstance(bands, str) else list(bands or known)
    wanted = encoding.pick(names, known, collection)
    needed = {band.name: band for band in wanted}
    needed |= {name: known[name] for name in (encoding.named_in(mask, known) if mask else ())}
    series = _same_encoding(found, needed, nodata)
    grid = choose(area, _geoboxes(odc, found, needed), crs, resolution)
    labels = _labels(found.items, groupby, area)
    count = blocks(grid)[0].width * blocks(grid)[0].height // BLOCK**2
    if (tasks := count * len(set(labels.values())) * len(needed)) > _MOST_BLOCKS:
        raise BudgetError(
            f"{grid.width} x {grid.height} pixels of {len(needed)} bands are {tasks:,} blocks, more than can "
            f"be planned ({_MOST_BLOCKS:,}); take a smaller area, fewer dates or a coarser resolution."
        )
    parts = [
        _part(odc, group, grid, needed, labels, resampling, mask, [band.name for band in wanted])
        for group in series
    ]
    dataset = _described(_joined(parts), grid, found, series, labels)
    dataset.attrs |= {
        "Conventions": "CF-1.8", "title": found.title, "collection": collection, "catalogue": str(url),
        "mask": mask or "", "resampling": resampling, "citation": found.citation or found.title,
        "license": found.licence,
    }  # fmt: skip
    return dataset if chunks is None else dataset.chunk(chunks)


@dataclass(frozen=True)
class Series:
    """Items that store every band in the same way."""

    items: list[Any]
    variables: dict[str, Variable]


def _same_encoding(found: Found, needed: Mapping[str, Band], nodata: NoData) -> list[Series]:
    """Split items where a band's type, scale, offset or no-data value changes: reprocessing does that."""
    series: dict[str, Series] = {}
    for item in found.items:
        if missing := [band.name for band in needed.values() if band.asset not in item.assets]:
            raise SourceError(
                f"Item {item.id} has no asset for {', '.join(missing)}; choose among its bands with bands=: "
                f"{', '.join(encoding.bands_of(item))}."
            )
        own = {name: encoding.variable(item, band, found.template, nodata) for name, band in needed.items()}
        key = repr([(v.name, v.dtype, v.scale, v.offset, v.nodata) for v in own.values()])
        series.setdefault(key, Series([], own)).items.append(item)
    return list(series.values())


def _geoboxes(odc: Any, found: Found, needed: Mapping[str, Band]) -> Iterable[Any]:
    keys = {(band.asset, band.index) for band in needed.values()}
    for parsed in odc.parse_items(found.items, {"*": {"warnings": "ignore"}}):
        yield from (source.geobox for key, source in parsed.bands.items() if key in keys)


def _labels(items: Iterable[Any], groupby: Groupby, area: Any) -> dict[str, np.datetime64]:
    """Return the date of each item by its id; a solar day is that of the area's mean longitude."""
    west, _, east, _ = area.bounds
    shift = timedelta(hours=(west + east) / 2 / 15) if groupby == "solar_day" else timedelta()
    unit = "D" if groupby == "solar_day" else "us"
    return {
        item.id: np.datetime64(moment(item) + shift).astype(f"datetime64[{unit}]").astype("datetime64[ns]")
        for item in items
    }


def _part(
    odc: Any,
    series: Series,
    grid: Grid,
    needed: Mapping[str, Band],
    labels: Mapping[str, np.datetime64],
    resampling: str,
    mask: str | None,
    names: list[str],
) -> xr.Dataset:
    """Return the bands of items that store them in one way: physical values, masked, on the grid."""
    import rasterio
    from odc.geo.geobox import GeoBox

    whole, rows, columns = blocks(grid)
    variables = series.variables
    config = {
        "*": {
            "warnings": "ignore",
            "assets": {
                band.asset: {"data_type": variables[name].dtype, "nodata": variables[name].nodata}
                for name, band in needed.items()
            },
        }
    }
    keys = [band.asset if band.index == 1 else f"{band.asset}.{band.index}" for band in needed.values()]
    try:
        with rasterio.Env(**_GDAL):
            dn = odc.load(
                series.items, bands=keys,
                geobox=GeoBox((whole.height, whole.width), whole.transform, grid.crs),
                groupby=lambda item, parsed, index: labels[item.id], resampling=resampling, stac_cfg=config,
                chunks={"time": 1, "y": BLOCK, "x": BLOCK},
            )  # fmt: skip
    except ValueError as error:
        raise QueryError(f"The items can't be loaded: {error}.") from error
    dn = dn.isel({dn[keys[0]].dims[1]: rows, dn[keys[0]].dims[2]: columns})
    arrays = {name: dn[key].data for key, name in zip(keys, needed, strict=True)}
    keep = None if mask is None else _keep(mask, variables, arrays)
    times = sorted({labels[item.id] for item in series.items})
    return xr.Dataset(
        {
            name: (
                ("time", "y", "x"),
                _physical(arrays[name], variables[name], keep),
                _attributes(variables[name]),
            )
            for name in names
        },
        {"time": np.array(times, "datetime64[ns]"), "y": grid.ys(), "x": grid.xs()},
    )


def _physical(dn: Any, variable: Variable, keep: Any) -> Any:
    def decode(dn: NDArray[Any], keep: NDArray[np.bool_] | None = None) -> NDArray[Any]:
        good = variable.is_valid(dn) if keep is None else variable.is_valid(dn) & keep
        if variable.kind == "categorical":
            return np.where(good, dn, dn.dtype.type(variable.unwritten))
        return np.where(good, variable.physical(dn.astype(np.float64)), np.nan).astype(np.float32)

    kind = dn.dtype if variable.kind == "categorical" else np.float32
    return _dask().map_blocks(decode, dn, *([] if keep is None else [keep]), dtype=kind)


def _dask() -> Any:
    return need("dask.array", "stac", WHAT)


class _Bands:
    """What the mask language asks of a product and of an archive, where there are only bands."""

    id = _COLLECTION
    ids: tuple[str, ...] = ()

    def __init__(self, variables: Mapping[str, Variable]) -> None:
        self.variables = variables
        self.definition = self
        self.masks: dict[str, Any] = {}

    def by_role(self, role: str) -> None:
        return None

    def __contains__(self, name: object) -> bool:
        return False

    def __iter__(self) -> Any:
        return iter(())


def _keep(text: str, variables: Mapping[str, Variable], arrays: Mapping[str, Any]) -> Any:
    """Return where a mask is true, as lazy as the bands."""
    names: Any = _Bands(variables)
    parsed: Mask = parse_mask(text, names, names)
    if not parsed.layers:
        raise MaskError(f"The mask {text!r} names no band.")

    def evaluate(*dn: NDArray[Any]) -> NDArray[np.bool_]:
        return parsed.evaluate(dict(zip(parsed.layers, dn, strict=True)))

    layers: Sequence[Layer] = parsed.layers
    return _dask().map_blocks(evaluate, *(arrays[layer.variable] for layer in layers), dtype=bool)


def _joined(parts: list[xr.Dataset]) -> xr.Dataset:
    """Join along time; where a date has several parts, a pixel is the first's that has a value."""
    rows = []
    for time in np.unique(np.concatenate([part["time"].values for part in parts])):
        own = [part.sel(time=[time]) for part in parts if time in part["time"].values]
        row = own[0]
        for other in own[1:]:
            row = xr.Dataset({name: row[name].where(_holds(row[name]), other[name]) for name in row})
        rows.append(row)
    whole: xr.Dataset = xr.concat(rows, "time", combine_attrs="override")
    return whole


def _holds(band: xr.DataArray) -> Any:
    return band.notnull() if band.dtype.kind == "f" else band != band.attrs["_FillValue"]


def _described(
    dataset: xr.Dataset,
    grid: Grid,
    found: Found,
    series: list[Series],
    labels: Mapping[str, np.datetime64],
) -> xr.Dataset:
    """Give coordinates and bands their CF attributes, and each date the items it comes from."""
    crs = CRS(grid.crs)
    geographic = crs.is_geographic
    sides = {"y": ("latitude", "north"), "x": ("longitude", "east")}
    for name, (degrees, side) in sides.items():
        dataset[name].attrs = {
            "standard_name": degrees if geographic else f"projection_{name}_coordinate",
            "units": f"degrees_{side}" if geographic else "m",
        }
    dataset["time"].attrs = {"standard_name": "time", "long_name": "acquisition"}
    transform = " ".join(map(str, grid.transform.to_gdal()))
    dataset = dataset.assign_coords(spatial_ref=((), 0, {**crs.to_cf(), "GeoTransform": transform}))
    sources: dict[np.datetime64, list[str]] = {}
    for item in found.items:
        facts = item.common_metadata
        changed = facts.updated or facts.created
        sources.setdefault(labels[item.id], []).append(f"{item.id} {changed.isoformat() if changed else ''}")
    times = dataset["time"].values
    dataset = dataset.assign_coords(source=("time", [json.dumps(sources[time]) for time in times]))
    for band in dataset.values():
        stored = {repr(_attributes(part.variables[str(band.name)])) for part in series}
        if len(stored) > 1:  # no one encoding of the numbers
            band.attrs = {key: value for key, value in band.attrs.items() if not key.startswith("dn_")}
    return dataset


def _attributes(variable: Variable) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "long_name": variable.long_name, "units": variable.units, "grid_mapping": "spatial_ref",
    }  # fmt: skip
    if variable.kind == "categorical":
        return attributes | {
            "_FillValue": np.dtype(variable.dtype).type(variable.unwritten),
            "flag_values": np.array(list(variable.flags), variable.dtype),
            "flag_meanings": " ".join(name.replace(" ", "_") for name in variable.flags.values()),
        }
    return attributes | {
        "dn_dtype": variable.dtype, "dn_scale": variable.scale, "dn_offset": variable.offset,
        "dn_nodata": variable.nodata,
    }  # fmt: skip
