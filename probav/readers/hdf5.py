"""PROBA-V Level 3 HDF5 (Collections 0 and 1): SZIP-compressed one-row chunks, georeference in attributes.

Source: PROBA-V Products User Manual, dataset tables; the SNAP PROBA-V reader for the tree and the rule that
the corner attributes are pixel centres. The order of attributes varies, so they are read by name.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import h5py

from probav.errors import SourceError
from probav.grid import Grid
from probav.products import ProductDefinition, Variable
from probav.readers.h5 import number, open_file, plane, row_reader, texts
from probav.readers.layers import Layer, as_found, check_scale, grid_of_centres, placed, source_errors

_CORNERS = ("TOP_LEFT_LONGITUDE", "TOP_LEFT_LATITUDE", "BOTTOM_RIGHT_LONGITUDE", "BOTTOM_RIGHT_LATITUDE")


def open_hdf5(
    path: Path, product: ProductDefinition, tile: str, stack: ExitStack
) -> tuple[Grid, dict[str, Layer]]:
    """Open a PROBA-V HDF5 product; `stack` closes it.

    Raises
    ------
    SourceError
        If the file is damaged, has no layer of the product, or contradicts the product table or its name.
    """
    file = open_file(path, stack)
    with source_errors(path):
        if "LEVEL2A" in file:
            raise SourceError(
                "is a PROBA-V Level 2A segment, one pass of the satellite; expected the Level 3 synthesis: "
                f"take {product.id} from the same archive"
            )
        if "LEVEL3" not in file:
            raise SourceError(
                f"has no group LEVEL3 but {', '.join(file) or 'nothing'}; expected PROBA-V Level 3"
            )
        level3 = file["LEVEL3"]
        layers: dict[str, Layer] = {}
        for name, variable in product.variables.items():
            # empty groups and absent layers are allowed: NDVI-only files, TOA without NDVI
            dataset = level3.get(_member(name, product))
            if isinstance(dataset, h5py.Dataset) and dataset.file.filename == file.filename:
                layers[name] = Layer(
                    _found(variable, dataset), path, plane(dataset), row_reader(dataset), dataset.name
                )
        if not layers:
            raise SourceError(f"holds none of {', '.join(product.variables)}")
        shapes = {layer.shape for layer in layers.values()}
        if len(shapes) != 1:
            raise SourceError(f"its layers differ in shape: {sorted(shapes)}")
        shape = shapes.pop()
        grid = placed(_grid(level3, next(iter(layers)), product, shape), product, tile)
        if product.grid.offset_of(grid) is None:
            raise SourceError(
                f"starts at {grid.x0:.6f} E, {grid.y0:.6f} N with {grid.nx:g} pixels a degree, "
                f"which is off the grid of {product.id}"
            )
    return grid, layers


def _member(name: str, product: ProductDefinition) -> str:
    if name == "NDVI":
        return "NDVI/NDVI"
    if name == "SM":
        return "QUALITY/SM"
    if name == "TIME":
        return "TIME/TIME"
    if name in ("RED", "NIR", "BLUE", "SWIR"):
        level = "TOA" if "_TOA_" in product.id else "TOC"
        return f"RADIOMETRY/{name}/{level}"
    return f"GEOMETRY/{name.replace('_', '/')}"  # SZA, SAA, SWIR_VZA ...


def _found(variable: Variable, dataset: h5py.Dataset) -> Variable:
    attributes = dataset.attrs
    divisor, offset = number(attributes, "SCALE"), number(attributes, "OFFSET")
    if divisor == 0:
        raise SourceError(f"{variable.name} has SCALE 0; it divides")
    # (DN - OFFSET) / SCALE: a divisor. Collection 1 repeats it as CF scale_factor, a multiplier
    scale = None if divisor is None else 1 / divisor
    shift = None if divisor is None or offset is None else -offset / divisor
    check_scale(variable, number(attributes, "scale_factor"), number(attributes, "add_offset"))
    nodata = number(attributes, "NO_DATA")
    if nodata is None:
        nodata = number(attributes, "_FillValue")
    if nodata is None and variable.name == "TIME" and dataset.dtype == "uint8":  # days, before June 2014
        nodata = 255
    return as_found(variable, dataset.dtype, scale=scale, offset=shift, nodata=nodata)


def _grid(level3: h5py.Group, first: str, product: ProductDefinition, shape: tuple[int, int]) -> Grid:
    """Return the grid from the corner attributes, else from MAPPING: both speak of pixel centres."""
    attributes = level3["GEOMETRY"].attrs if "GEOMETRY" in level3 else {}
    corners = [number(attributes, name) for name in _CORNERS]
    found = [corner for corner in corners if corner is not None]
    if len(found) == len(_CORNERS):
        return grid_of_centres(shape, *found)
    # projection, x_m, y_m, x_start, y_start, x_step, y_step, datum, unit
    mapping = texts(level3[_member(first, product)].attrs, "MAPPING")
    try:
        west, north, dx, dy = (float(item) for item in mapping[3:7])
    except ValueError:
        missing = ", ".join(name for name, corner in zip(_CORNERS, corners, strict=True) if corner is None)
        raise SourceError(
            f"has no georeference: /LEVEL3/GEOMETRY lacks {missing} and MAPPING is absent"
        ) from None
    return grid_of_centres(shape, west, north, west + dx * (shape[1] - 1), north - abs(dy) * (shape[0] - 1))
