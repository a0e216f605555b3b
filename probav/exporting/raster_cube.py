"""Pixels as netCDF after CF, written block by block."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5netcdf
import numpy as np
import xarray as xr

from probav.exporting.attributes import attributes
from probav.exporting.blocks import blocks, transform_of
from probav.exporting.times import time_encoding

_CHUNKS = {"time": 12, "y": 256, "x": 256}


def parts(dataset: xr.Dataset, target: Path) -> dict[Path, xr.Dataset]:
    """Return the files to write and what each holds."""
    mapping = dataset.variables.get("spatial_ref")
    if mapping is not None:  # that of the pixels it holds, which may be a part of what was loaded
        transform = " ".join(map(str, transform_of(dataset).to_gdal()))
        ready = dataset.assign_coords(spatial_ref=((), 0, {**mapping.attrs, "GeoTransform": transform}))
    else:
        ready = dataset
    said = {"Conventions": "CF-1.8", **attributes(dataset)}
    return {target: ready.assign_attrs(said)}


def write(dataset: xr.Dataset, path: Path, step: Callable[[], object]) -> None:
    """Write one file: xarray writes what is small, each variable follows in blocks, `step` after each."""
    large = [name for name, array in dataset.data_vars.items() if {"y", "x"} <= set(array.dims)]
    small = dataset.drop_vars(large)
    encoding = time_encoding(small)
    for name in small.coords:
        encoding.setdefault(name, {})["_FillValue"] = None
    small.to_netcdf(path, engine="h5netcdf", encoding=encoding)
    with h5netcdf.File(path, "a") as file:
        if "coordinates" in file.attrs:  # xarray's, of coordinates that no variable names; ours name them
            del file.attrs["coordinates"]
        for name in large:
            _write_variable(file, str(name), dataset[name], step)


def _write_variable(file: Any, name: str, array: xr.DataArray, step: Callable[[], object]) -> None:
    said = dict(array.attrs)
    fill = said.pop("_FillValue", np.nan if array.dtype.kind == "f" else None)
    for dim, size in array.sizes.items():
        if dim not in file.dimensions:
            file.dimensions[dim] = size
    variable = file.create_variable(
        name,
        array.dims,
        array.dtype,
        fillvalue=None if fill is None else array.dtype.type(fill),
        chunks=tuple(min(size, _CHUNKS.get(str(dim), size)) for dim, size in array.sizes.items()),
        compression="gzip",
        compression_opts=4,
        shuffle=True,
    )
    mapping = said.setdefault("grid_mapping", array.encoding.get("grid_mapping", "spatial_ref"))
    if mapping not in file.variables:
        del said["grid_mapping"]
    others = sorted(str(coord) for coord in array.coords if coord not in array.dims)
    if others:
        said.setdefault("coordinates", " ".join(others))
    variable.attrs.update(said)
    for block in blocks(array):
        variable[tuple(block.values())] = array.isel(block).values
        step()
