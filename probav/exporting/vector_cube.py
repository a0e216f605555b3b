"""Statistics as netCDF: a vector data cube with its geometries as CF 1.8, section 7.5, has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import shapely
import xarray as xr
from pyproj import CRS

from probav import areas
from probav.exporting import ExportError
from probav.exporting.attributes import attributes
from probav.exporting.times import time_encoding
from probav.extras import need

_CONTAINER = "geometry_container"  # as cf_xarray calls it
_PARTS = {_CONTAINER, "node_count", "part_node_count", "interior_ring", "x", "y"}


def parts(dataset: xr.Dataset, target: Path) -> dict[Path, xr.Dataset]:
    """Return the files to write and what each holds, encoded."""
    return {target: _encoded(dataset, target)}


def write(dataset: xr.Dataset, path: Path) -> None:
    """Write one file that `cf_xarray.geometry.decode_geometries` makes the same dataset of again."""
    encoding: dict[Any, dict[str, Any]] = time_encoding(dataset)
    for name, array in dataset.variables.items():
        if name not in dataset.data_vars or name in _PARTS:
            encoding.setdefault(name, {})["_FillValue"] = None
        elif array.dtype.kind == "f":
            encoding[name] = {"_FillValue": np.nan, "zlib": True, "complevel": 4, "shuffle": True}
    dataset.to_netcdf(path, engine="h5netcdf", encoding=encoding)


def _encoded(dataset: xr.Dataset, target: Path) -> xr.Dataset:
    encode = need("cf_xarray.geometry", "export", "netCDF of statistics").encode_geometries
    # CF asks for exteriors counterclockwise and interiors clockwise, in two dimensions
    shapes = shapely.orient_polygons(shapely.force_2d(dataset["geometry"].values))
    crs = xr.Variable((), 0, CRS(areas.CRS).to_cf())
    ready = dataset.drop_vars("geometry").assign_coords(spatial_ref=crs)
    ready = ready.assign_coords(geometry=("zone", shapes, {"grid_mapping": "spatial_ref"}))
    kinds = sorted({shape.geom_type for shape in shapes})
    try:
        encoded: xr.Dataset = encode(ready)
    except (ValueError, TypeError, AttributeError) as error:
        raise ExportError(
            f"Can't write {target}: CF has no cube of {' and '.join(kinds)} together, only of points, of "
            "lines or of polygons. Use .parquet."
        ) from error
    if "interior_ring" in encoded:
        encoded["interior_ring"] = encoded["interior_ring"].astype(np.int8)
    encoded = encoded.set_coords([name for name in ("lon", "lat") if name in encoded])
    for part in _PARTS - {_CONTAINER}:
        if part in encoded:
            encoded[part].encoding["coordinates"] = None  # they are no data
    for name, array in dataset.data_vars.items():
        if "zone" in array.dims:
            encoded[name].attrs |= {"geometry": _CONTAINER, "grid_mapping": "spatial_ref"}
    encoded["zone"].attrs.setdefault("cf_role", "timeseries_id")
    return encoded.assign_attrs({"Conventions": "CF-1.8", **attributes(dataset)})
