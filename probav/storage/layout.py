"""How a product lies in an archive: a group of `(time, y, x)` arrays of stored numbers with CF attributes."""

from __future__ import annotations

from typing import Any

import numpy as np
import zarr
from pyproj import CRS
from xarray.backends.zarr import FillValueCoder
from zarr.codecs import ZstdCodec

from probav.grid import Grid
from probav.products import ProductDefinition, Variable

TIME_CHUNK = 12  # dates; appending stays cheap and a long series still reads few chunks (design D2)
PIXEL_CHUNK = 280  # divides tiles of 1120, 3360 and 10080 pixels
SOURCE_CHUNK = 256
_EPOCH = np.datetime64("1970-01-01", "D")


def array_of(group: zarr.Group, name: str) -> Any:
    """Return an array of a group (the type checker can't tell it from a sub-group)."""
    item = group[name]
    assert isinstance(item, zarr.Array), f"{group.path}/{name} is no array"
    return item


def create_group(root: zarr.Group, definition: ProductDefinition, grid: Grid) -> zarr.Group:
    """Make the empty group of a product on a grid."""
    group = root.create_group(
        definition.id,
        attributes={
            "Conventions": "CF-1.8",
            "title": definition.title,
            "citation": definition.citation,
            "license": definition.licence,
            "probav": {
                "grid": {
                    "x0": grid.x0, "y0": grid.y0, "nx": grid.nx, "ny": grid.ny,
                    "width": grid.width, "height": grid.height, "crs": grid.crs,
                },
                "tiles": [],
            },
        },
    )  # fmt: skip
    crs = CRS(grid.crs)
    names = ["projection_x_coordinate", "projection_y_coordinate"]
    if crs.is_geographic:
        names = ["longitude", "latitude"]
    units = "degrees_{}" if crs.is_geographic else "m"
    for name, values, standard, side in (
        ("x", grid.xs(), names[0], "east"),
        ("y", grid.ys(), names[1], "north"),
    ):
        array = group.create_array(
            name, shape=values.shape, chunks=values.shape, dtype="float64", dimension_names=(name,),
            attributes={"standard_name": standard, "units": units.format(side)},
        )  # fmt: skip
        array[:] = values
    group.create_array(
        "time", shape=(0,), chunks=(1024,), dtype="int32", dimension_names=("time",),
        attributes={
            "standard_name": "time", "units": "days since 1970-01-01", "calendar": "proleptic_gregorian",
            "long_name": "first day of the period",
        },
    )  # fmt: skip
    group.create_array(
        "spatial_ref", shape=(), dtype="int32",
        attributes={**crs.to_cf(), "GeoTransform": " ".join(map(str, grid.transform.to_gdal()))},
    )  # fmt: skip
    for name, depth, dtype in (("source_rank", (), "int64"), ("source_digest", (32,), "uint8")):
        group.create_array(
            name, shape=(0, 0, *depth), chunks=(SOURCE_CHUNK, SOURCE_CHUNK, *depth), dtype=dtype,
            fill_value=0, dimension_names=("time", "tile", "byte")[: 2 + len(depth)],
        )  # fmt: skip
    return group


def create_variable(group: zarr.Group, variable: Variable, grid: Grid) -> zarr.Array[Any]:
    """Make the empty array of a variable in a product's group."""
    dtype = np.dtype(variable.dtype)
    fill = variable.unwritten
    attributes: dict[str, Any] = {
        "long_name": variable.long_name,
        "units": variable.units,
        "grid_mapping": "spatial_ref",
        "scale_factor": variable.scale,
        "add_offset": variable.offset,
    }
    if variable.kind != "continuous":  # a class or a flag is no quantity: nothing to scale
        del attributes["scale_factor"], attributes["add_offset"]
    if variable.nodata is not None:
        attributes["_FillValue"] = FillValueCoder.encode(dtype.type(variable.nodata), dtype)
    if variable.valid is not None:
        attributes["valid_range"] = list(variable.valid)
    if variable.flags:
        attributes["flag_values"] = list(variable.flags)
        attributes["flag_meanings"] = " ".join(name.replace(" ", "_") for name in variable.flags.values())
    times = array_of(group, "time").shape[0]
    return group.create_array(
        variable.name, shape=(times, grid.height, grid.width), chunks=(TIME_CHUNK, PIXEL_CHUNK, PIXEL_CHUNK),
        dtype=dtype, fill_value=dtype.type(fill), compressors=ZstdCodec(level=1),
        dimension_names=("time", "y", "x"), attributes=attributes,
    )  # fmt: skip


def stored_variable(array: zarr.Array[Any], definition: ProductDefinition) -> Variable:
    """Return a variable as the archive holds it: the file's encoding, the product table's words."""
    attributes: dict[str, Any] = dict(array.attrs)
    name = array.basename
    known = definition.variables.get(name) or Variable(name, str(array.dtype), name)
    fill = attributes.get("_FillValue")
    valid = attributes.get("valid_range")
    return known.found(
        dtype=str(array.dtype),
        scale=float(attributes.get("scale_factor", 1.0)),
        offset=float(attributes.get("add_offset", 0.0)),
        nodata=None if fill is None else float(FillValueCoder.decode(fill, array.dtype)),
        valid=None if valid is None else (valid[0], valid[1]),
        units=str(attributes["units"]),
        long_name=str(attributes["long_name"]),
    )


def stored_info(group: zarr.Group) -> dict[str, Any]:
    """Return what probav itself notes on a product's group: its grid and the windows of its sources."""
    info = group.attrs["probav"]
    assert isinstance(info, dict)
    return dict(info)


def stored_grid(group: zarr.Group) -> Grid:
    """Return the pixel grid of a product's group."""
    return Grid(**stored_info(group)["grid"])


def stored_times(group: zarr.Group) -> np.ndarray[Any, np.dtype[np.datetime64]]:
    """Return the dates of a product's group in the order they are stored, which need not be sorted."""
    return _EPOCH + np.asarray(array_of(group, "time")[:]).astype("timedelta64[D]")


def append_times(group: zarr.Group, dates: np.ndarray[Any, np.dtype[np.datetime64]]) -> None:
    """Lengthen every array of a product's group by some dates."""
    old = array_of(group, "time").shape[0]
    length = old + len(dates)
    for _, array in group.arrays():
        names = getattr(array.metadata, "dimension_names", None)
        if names and names[0] == "time":
            array.resize((length, *array.shape[1:]))
    array_of(group, "time")[old:] = (dates - _EPOCH).astype("int32")
