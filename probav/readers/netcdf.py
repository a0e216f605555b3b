"""Copernicus Global Land netCDF-4: one variable a layer, lat and lon are pixel centres.

Read with h5py, so that numbers stay as stored: no library applies scale or fill value behind our back.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import h5py
import numpy as np

from probav.errors import SourceError
from probav.grid import Grid
from probav.products import ProductDefinition, Variable
from probav.readers.h5 import number, open_file, plane, row_reader, texts
from probav.readers.layers import Layer, as_found, grid_of_centres, placed, source_errors


def open_netcdf(
    path: Path, product: ProductDefinition, tile: str, stack: ExitStack
) -> tuple[Grid, dict[str, Layer]]:
    """Open a Copernicus Global Land netCDF-4 file; `stack` closes it.

    Raises
    ------
    SourceError
        If the file is damaged, has no variable of the product, or contradicts the product table.
    """
    file = open_file(path, stack)
    with source_errors(path):
        layers = {
            name: Layer(_found(variable, file[name]), path, plane(file[name]), row_reader(file[name]))
            for name, variable in product.variables.items()
            if isinstance(file.get(name), h5py.Dataset)
        }
        if not layers:
            raise SourceError(
                f"holds {', '.join(file) or 'nothing'}; expected {', '.join(product.variables)}"
            )
        longitudes, latitudes = _axis(file, "lon"), _axis(file, "lat")
        shape = (latitudes.size, longitudes.size)
        for name, layer in layers.items():
            if layer.shape != shape:
                raise SourceError(f"{name} has {layer.shape} pixels; lat and lon say {shape}")
        grid = grid_of_centres(shape, longitudes[0], latitudes[0], longitudes[-1], latitudes[-1])
        return placed(grid, product, tile), layers


def _axis(file: h5py.File, name: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    if name not in file:
        raise SourceError(f"has no coordinate {name!r}")
    values = np.asarray(file[name][()], np.float64).ravel()
    steps = np.diff(values)
    # a hundredth of a pixel; coordinates may be float32
    if values.size > 1 and not np.all(np.abs(steps - steps.mean()) <= 0.01 * abs(steps.mean())):
        raise SourceError(f"its coordinate {name!r} isn't regular")
    return values


def _found(variable: Variable, dataset: h5py.Dataset) -> Variable:
    attributes = dataset.attrs
    nodata = number(attributes, "_FillValue")
    if nodata is None:
        nodata = number(attributes, "missing_value")
    values = np.asarray(attributes.get("flag_values", [])).ravel().tolist()
    meanings = texts(attributes, "flag_meanings")
    return as_found(
        variable,
        dataset.dtype,
        scale=number(attributes, "scale_factor"),
        offset=number(attributes, "add_offset"),
        nodata=nodata,
        flags={
            int(value): meaning.replace("_", " ") for value, meaning in zip(values, meanings, strict=False)
        },
    )
