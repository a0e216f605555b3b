"""netCDF-4 and the HDF5 of Copernicus Global Land: one variable a layer, coordinates are pixel centres.

Read with h5py, so that numbers stay as stored: no library applies scale or fill value behind our back. A file
whose rows run from south to north is read upside down.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from rasterio.crs import CRS

from probav.errors import SourceError
from probav.grid import Grid
from probav.products import ProductDefinition, Variable
from probav.readers.h5 import number, open_file, plane, row_reader, texts
from probav.readers.layers import Layer, as_found, grid_of_centres, placed, source_errors

_X, _Y = ("lon", "longitude", "x"), ("lat", "latitude", "y")
Rows = Callable[[int, int], NDArray[np.generic]]


def open_netcdf(
    path: Path, product: ProductDefinition, tile: str, stack: ExitStack
) -> tuple[Grid, dict[str, Layer]]:
    """Open a netCDF-4 or HDF5 file with coordinates; `stack` closes it.

    Raises
    ------
    SourceError
        If the file is damaged, has no variable of the product, or contradicts the product table.
    """
    file = open_file(path, stack)
    with source_errors(path):
        datasets: dict[str, h5py.Dataset] = {}
        for member in file:
            variable = product.variable_in_file(member)
            dataset = _own(file, member)
            if variable is not None and isinstance(dataset, h5py.Dataset):
                if variable.name in datasets:
                    raise SourceError(f"repeats the variable {variable.name}")
                datasets[variable.name] = dataset
        if not datasets:
            raise SourceError(
                f"holds {', '.join(file) or 'nothing'}; expected {', '.join(product.variables)}"
            )
        first = next(iter(datasets.values()))
        shape = plane(first)
        xs, ys = _axis(file, _X, shape[1]), _axis(file, _Y, shape[0])
        upwards = bool(ys[0] < ys[-1])
        north, south = (ys[-1], ys[0]) if upwards else (ys[0], ys[-1])
        layers = {}
        for name, dataset in sorted(
            datasets.items(), key=lambda item: list(product.variables).index(item[0])
        ):
            if plane(dataset) != shape:
                raise SourceError(f"{name} has {plane(dataset)} pixels; {first.name[1:]} has {shape}")
            rows = _turned(row_reader(dataset), shape[0]) if upwards else row_reader(dataset)
            place = None if upwards else dataset.name
            layers[name] = Layer(_found(product.variables[name], dataset), path, shape, rows, place)
        grid = grid_of_centres(shape, xs[0], north, xs[-1], south)
        crs = _projection(file, first)
        if crs is not None:
            grid = Grid(grid.x0, grid.y0, grid.nx, grid.ny, grid.width, grid.height, crs)
        return placed(grid, product, tile), layers


def _own(file: h5py.File, name: str) -> Any:
    """Return a member of the file, not what a link names in another file or nothing at all."""
    return file[name] if isinstance(file.get(name, getlink=True), h5py.HardLink) else None


def _turned(rows: Rows, height: int) -> Rows:
    return lambda start, stop: rows(height - stop, height - start)[::-1]


def _axis(file: h5py.File, names: tuple[str, ...], size: int) -> NDArray[np.float64]:
    found = {name: _own(file, name) for name in names if isinstance(_own(file, name), h5py.Dataset)}
    if not found:
        raise SourceError(f"has no coordinate {names[0]!r}")
    name, dataset = next(iter(found.items()))
    if dataset.size != size:  # known before it is read
        raise SourceError(f"has {dataset.size} values of {name!r} for {size} pixels")
    stored = np.asarray(dataset[()]).ravel()
    values = stored.astype(np.float64)
    steps = np.diff(values)
    # a hundredth of a pixel and the rounding of float32 coordinates
    rounding = 2 * np.spacing(np.abs(stored).max()) if stored.dtype.kind == "f" else 0
    if values.size > 1 and not np.all(np.abs(steps - steps.mean()) <= 0.01 * abs(steps.mean()) + rounding):
        raise SourceError(f"its coordinate {name!r} isn't regular")
    return values


def _projection(file: h5py.File, dataset: h5py.Dataset) -> str | None:
    """Return the coordinate reference system of a file in metres, as the grid mapping has it; else None."""
    if "x" not in file or "lon" in file or "longitude" in file:
        return None
    mapping = _own(file, " ".join(texts(dataset.attrs, "grid_mapping")) or "crs")
    attributes: Any = {} if mapping is None else mapping.attrs
    wkt = next(
        (" ".join(texts(attributes, key)) for key in ("crs_wkt", "spatial_ref") if key in attributes), ""
    )
    if not wkt:
        raise SourceError("has x and y but no coordinate reference system (crs_wkt of its grid mapping)")
    crs = CRS.from_wkt(wkt)
    code = crs.to_epsg()
    return f"EPSG:{code}" if code else str(crs.to_wkt())


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
        valid=_valid(attributes),
        flags={
            int(value): meaning.replace("_", " ") for value, meaning in zip(values, meanings, strict=False)
        },
    )


def _valid(attributes: Any) -> tuple[float, float] | None:
    low, high = number(attributes, "valid_min"), number(attributes, "valid_max")
    ends = np.asarray(attributes.get("valid_range", [])).ravel().tolist()
    if len(ends) == 2:
        low, high = float(ends[0]), float(ends[1])
    return None if low is None or high is None else (low, high)
