"""How a product lies in an archive: a group of `(time, y, x)` arrays of stored numbers with CF attributes."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from pyproj import CRS
from xarray.backends.zarr import FillValueCoder
from zarr.codecs import ZstdCodec

from probav.grid import Grid
from probav.products import PRODUCTS, ProductDefinition, Variable

TIME_CHUNK = 12  # dates; appending stays cheap and a long series still reads few chunks (design D2)
PIXEL_CHUNK = 280  # divides tiles of 1120, 3360 and 10080 pixels
SOURCE_CHUNK = 256
_CODEC = ZstdCodec(level=1, checksum=True)  # a damaged chunk is an error, never other numbers
_EPOCH = np.datetime64("1970-01-01", "D")


def array_of(group: zarr.Group, name: str) -> Any:
    """Return an array of a group (the type checker can't tell it from a sub-group)."""
    item = group[name]
    assert isinstance(item, zarr.Array), f"{group.path}/{name} is no array"
    return item


_SOURCES = {  # arrays that say where each date and window comes from
    "source_rank": ("int64", ()),  # rank of the source plus one; 0 where there is none
    "source_digest": ("uint8", (32,)),  # SHA-256 of its files
    "content_digest": ("uint64", ()),  # of the stored numbers, see content_digest(); 0 where unknown
}


def create_group(root: zarr.Group, definition: ProductDefinition, grid: Grid) -> zarr.Group:
    """Make the empty group of a product on a grid."""
    own = {}
    if definition.id not in PRODUCTS:
        from probav.products.custom import to_dict

        own = {"definition": to_dict(definition)}
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
                **own,
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
    _make_sources(group, (0, 0))
    return group


def _make_sources(group: zarr.Group, shape: tuple[int, int]) -> None:
    """Make the arrays about sources that a group lacks: all, or what archives of earlier versions hadn't."""
    for name, (kind, depth) in _SOURCES.items():
        if name not in group:
            group.create_array(
                name, shape=(*shape, *depth), chunks=(SOURCE_CHUNK, SOURCE_CHUNK, *depth), dtype=kind,
                fill_value=0, dimension_names=("time", "tile", "byte")[: 2 + len(depth)],
            )  # fmt: skip


def create_variable(
    group: zarr.Group,
    variable: Variable,
    grid: Grid,
    chunks: tuple[int, int, int] | None = None,
    codecs: dict[str, Any] | None = None,
) -> zarr.Array[Any]:
    """Make the empty array of a variable in a product's group; registered files bring chunks and codecs."""
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
        variable.name, shape=(times, grid.height, grid.width),
        chunks=chunks or (TIME_CHUNK, PIXEL_CHUNK, PIXEL_CHUNK),
        dtype=dtype, fill_value=dtype.type(fill), **(codecs or {"compressors": _CODEC}),
        dimension_names=("time", "y", "x"), attributes=attributes,
    )  # fmt: skip


def variables_of(group: zarr.Group) -> list[Any]:
    """Return the arrays of a product's group that hold pixels."""
    return [array for _, array in group.arrays() if array.ndim == 3 and array.basename not in _SOURCES]


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


def stored_definition(group: zarr.Group) -> ProductDefinition:
    """Return the definition of a product's group: the table's, or the user's own, which the archive keeps."""
    if group.basename in PRODUCTS:
        return PRODUCTS[group.basename]
    from probav.products.custom import from_dict

    return from_dict(stored_info(group)["definition"])


def is_product(group: zarr.Group) -> bool:
    """Return whether a group of the archive is a product that can be read."""
    info = group.attrs.get("probav")
    return group.basename in PRODUCTS or (isinstance(info, dict) and "definition" in info)


def is_registered(group: zarr.Group) -> bool:
    """Return whether a product's arrays refer to original files, which `probav.registration` wrote."""
    return bool(stored_info(group).get("registered"))


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


def add_window(group: zarr.Group, name: str, window: tuple[int, int, int, int]) -> int:
    """Return the index of a window (row, column, height, width) among a group's windows, added if new."""
    info = stored_info(group)
    keys = [window_key(tile) for tile in info["tiles"]]
    _make_sources(group, (array_of(group, "time").shape[0], len(keys)))
    if window in keys:
        return keys.index(window)
    row, column, height, width = window
    info["tiles"].append({
        "name": name or f"r{row}c{column}", "row": row, "column": column, "height": height, "width": width,
    })  # fmt: skip
    group.attrs["probav"] = info
    for source in _SOURCES:
        array = array_of(group, source)
        array.resize((array.shape[0], len(keys) + 1, *array.shape[2:]))
    return len(keys)


def window_key(window: dict[str, Any]) -> tuple[int, int, int, int]:
    """Return row, column, height and width of one of a group's windows."""
    return window["row"], window["column"], window["height"], window["width"]


def content_digest(variable: str, row: int, column: int, dn: NDArray[Any], unwritten: float) -> int:
    """Return a 64-bit digest of a piece of one date of a variable; 0 where nothing was written.

    The digest of a date and window is the XOR over its pieces, so it doesn't depend on their order: the
    pieces of all variables that the window has in each chunk.

    Parameters
    ----------
    variable : str
    row, column : int
        First pixel of the piece on the product's grid.
    dn : (height, width) array
    unwritten : float
        The number of pixels that were never written.
    """
    if (dn == dn.dtype.type(unwritten)).all():
        return 0
    whole = hashlib.blake2b(f"{variable}/{row}/{column}/".encode(), digest_size=8)
    whole.update(np.ascontiguousarray(dn, dn.dtype.newbyteorder("<")).data)
    return int.from_bytes(whole.digest(), "little")
