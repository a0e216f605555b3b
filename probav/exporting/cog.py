"""Pixels as Cloud Optimized GeoTIFF: one variable a file, one band a date, written block by block."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
import xarray as xr
from rasterio.env import get_gdal_config, set_gdal_config
from rasterio.windows import Window

from probav.errors import ProbavError
from probav.exporting import ExportError
from probav.exporting.attributes import texts
from probav.exporting.blocks import blocks, crs_of, transform_of
from probav.products import Variable, get_product

_BLOCK, _SMALLEST = 512, 128  # pixels a side of the file's own blocks
_BLOCK_BYTES = 16 * 2**20  # of one block with all its bands, which GDAL writes and reads at once
_CACHE_BYTES = 128 * 2**20  # of GDAL's blocks; it takes 5 % of the memory by itself
_DIMS = ("time", "y", "x")
_LOCK = threading.Lock()
_BEFORE: list[int] = []  # the cache's size as it was, for each thread that writes


def parts(dataset: xr.Dataset, target: Path) -> dict[Path, xr.Dataset]:
    """Return the files to write and what each holds: one, or NAME_VARIABLE.tif for each of several variables.

    Raises
    ------
    ExportError
        If the pixels lie on no grid, or a variable has other dimensions.
    """
    names = [name for name, array in dataset.data_vars.items() if {"y", "x"} <= set(array.dims)]
    if not names:
        raise ExportError(f"Can't write {target}: no variable of the dataset has the dimensions y and x.")
    for name in names:
        other = [str(dim) for dim in dataset[name].dims if dim not in _DIMS]
        if other:
            raise ExportError(
                f"Can't write {target}: {name} has the dimension {other[0]!r}, but a GeoTIFF has one band a "
                "date. Select one position of it, or use .nc."
            )
    crs_of(dataset), transform_of(dataset)
    if len(names) == 1:
        return {target: dataset[names]}
    return {_beside(target, str(name)): dataset[[name]] for name in names}


def _beside(target: Path, name: str) -> Path:
    plain = re.sub(r"[^\w.-]", "_", name)
    return target.with_name(f"{target.stem}_{plain}{target.suffix}")


@contextmanager
def _small_cache() -> Iterator[None]:
    """Let GDAL keep few blocks; rasterio.Env sets the size of its cache, but never sets it back.

    The cache is the process's: the first of several threads makes it small, the last gives it back.
    """
    with rasterio.Env():
        with _LOCK:
            _BEFORE.append(_BEFORE[0] if _BEFORE else get_gdal_config("GDAL_CACHEMAX"))
            set_gdal_config("GDAL_CACHEMAX", min(_BEFORE[0], _CACHE_BYTES))
        try:
            yield
        finally:
            with _LOCK:
                before = _BEFORE.pop()
                if not _BEFORE:
                    set_gdal_config("GDAL_CACHEMAX", before)


@_small_cache()
def write(dataset: xr.Dataset, path: Path, step: Callable[[], object]) -> None:
    """Write one file: first a plain GeoTIFF in blocks, which GDAL then puts into the order of a COG.

    Values are those of the dataset. Stored numbers (`keep_dn`) carry scale, offset and no-data value as GDAL
    has them; floats have NaN where there is no value. `step` is called after each block.
    """
    (array,) = dataset.data_vars.values()
    dates = _dates(array)
    if "time" not in array.dims:
        array = array.drop_vars("time", errors="ignore").expand_dims("time")
    array = array.transpose(*_DIMS)
    if array["y"].size > 1 and array["y"].values[0] < array["y"].values[-1]:  # the north is up
        array, dataset = array.isel(y=slice(None, None, -1)), dataset.isel(y=slice(None, None, -1))
    variable = _known(dataset, str(array.name)) if _has_classes(array) else None
    side = _BLOCK
    while side > _SMALLEST and side * side * len(dates) * array.dtype.itemsize > _BLOCK_BYTES:
        side //= 2
    plain = path.with_name(f"{path.stem}-plain.tif")
    with rasterio.open(
        plain, "w", driver="GTiff", count=len(dates), dtype=array.dtype, height=array.sizes["y"],
        width=array.sizes["x"], crs=rasterio.CRS.from_wkt(crs_of(dataset).to_wkt()),
        transform=transform_of(dataset), nodata=_nodata(array), tiled=True, blockxsize=side, blockysize=side,
        interleave="band", compress="deflate", zlevel=1, bigtiff="if_safer",
    ) as file:  # fmt: skip
        _describe(file, dataset, array, dates)
        if variable is not None and len(dates) == 1 and array.dtype == np.uint8:
            _colour(file, variable)
        for block in blocks(array):
            bands, y, x = block["time"], block["y"], block["x"]
            file.write(
                array.isel(block).values,
                indexes=list(range(bands.start + 1, bands.stop + 1)),
                window=Window.from_slices(y, x),
            )
            step()
    rasterio.shutil.copy(
        plain, path, driver="COG", blocksize=side, compress="DEFLATE", predictor="YES", bigtiff="IF_SAFER",
        overviews="AUTO", overview_resampling=_coarser(array, variable), num_threads="ALL_CPUS",
    )  # fmt: skip
    plain.unlink()


def _dates(array: xr.DataArray) -> list[str]:
    if "time" not in array.coords:
        return [""] * array.sizes.get("time", 1)
    times = np.atleast_1d(array["time"].values)
    if times.dtype.kind != "M":
        return [str(time) for time in times]
    whole = (times == times.astype("datetime64[D]")).all()
    return [str(time) for time in times.astype("datetime64[D]" if whole else "datetime64[s]")]


def _nodata(array: xr.DataArray) -> float | int | None:
    if array.dtype.kind == "f":
        return float("nan")
    value = array.attrs.get("_FillValue", array.encoding.get("_FillValue"))
    return None if value is None else int(value)


def _describe(file: Any, dataset: xr.Dataset, array: xr.DataArray, dates: list[str]) -> None:
    words = {
        key: " ".join(map(str, np.atleast_1d(array.attrs[key]).tolist()))
        for key in ("flag_values", "flag_meanings", "dn_scale", "dn_offset", "dn_nodata")
        if key in array.attrs
    }
    file.update_tags(**texts(dataset), **words, variable=str(array.name))
    file.descriptions = tuple(dates)
    file.scales = (float(array.attrs.get("scale_factor", 1)),) * len(dates)
    file.offsets = (float(array.attrs.get("add_offset", 0)),) * len(dates)
    file.units = (str(array.attrs.get("units", "")),) * len(dates)
    for band in range(1, len(dates) + 1):
        file.update_tags(band, long_name=str(array.attrs.get("long_name", array.name)))


def _has_classes(array: xr.DataArray) -> bool:
    return "flag_values" in array.attrs and "scale_factor" not in array.attrs


def _colour(file: Any, variable: Variable) -> None:
    """Give the classes their colours: a colour table, which TIFF has for a single band only."""
    if variable.kind == "categorical" and variable.colours:
        table = {int(code): tuple(bytes.fromhex(text.lstrip("#"))) for code, text in variable.colours.items()}
        file.write_colormap(1, {code: (*colour, 255) for code, colour in table.items() if 0 <= code <= 255})


def _coarser(array: xr.DataArray, variable: Variable | None) -> str:
    """Return how overviews are made: a mean of codes or flags would be another code."""
    if array.dtype.kind == "f":
        return "AVERAGE"
    return "MODE" if variable is not None and variable.kind == "categorical" else "NEAREST"


def _known(dataset: xr.Dataset, name: str) -> Variable | None:
    """Return what the product table, or the archive of a product of one's own, says of a variable."""
    product = str(dataset.attrs.get("product", ""))
    try:
        return get_product(product).variables.get(name)
    except ProbavError:
        if "archive" not in dataset.attrs:
            return None
    from probav.archive import open_archive

    try:
        archive = open_archive(str(dataset.attrs["archive"]), snapshot=dataset.attrs.get("snapshot"))
        return archive[product].definition.variables.get(name)
    except (ProbavError, OSError):  # the dataset may come from elsewhere; its pixels don't need it
        return None
