"""What the formats share: a layer as a file holds it, checked against the product table."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rasterio.crs import CRS

from probav.errors import SourceError
from probav.grid import TILE_DEGREES, Grid, tile_offset
from probav.products import ProductDefinition, Variable

_INTEGERS = ("uint8", "int16", "uint16")
_ANY_INTEGERS = (*_INTEGERS, "int8", "int32", "uint32")
_FLOATS = ("float32", "float64")
# global land cover at 100 m has half as many; a header that claims more is damaged
_MOST_PIXELS = 10**11
_WIDEST = 10**6


@dataclass(frozen=True)
class Layer:
    """One variable of an open granule: what the file says of it, and its rows."""

    variable: Variable
    path: Path
    shape: tuple[int, int]
    rows: Callable[[int, int], NDArray[np.generic]]
    place: str | int | None = None  # dataset of an HDF5 file, band of a GeoTIFF; None where neither


def bounded(shape: tuple[int, int]) -> tuple[int, int]:
    """Return the shape (height, width) a header claims, before anything is made of that size.

    Raises
    ------
    SourceError
        If no product is of that size.
    """
    height, width = shape
    if height < 1 or not 1 <= width <= _WIDEST or height * width > _MOST_PIXELS:
        raise SourceError(
            f"claims {height} x {width} pixels; expected 1 to {_WIDEST:,} columns and at most "
            f"{_MOST_PIXELS:,} pixels"
        )
    return height, width


@contextmanager
def source_errors(path: Path) -> Iterator[None]:
    """Turn every failure of a format library into a SourceError that names the file.

    Corrupt files make h5py and GDAL raise nearly any exception, which is why all are caught.
    """
    try:
        yield
    except SourceError as error:
        if str(path) in str(error):
            raise
        raise SourceError(f"{path}: {error}") from error
    except Exception as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise SourceError(f"{path} can't be read (damaged or incomplete?): {said}") from error


def as_found(
    table: Variable,
    dtype: np.dtype[np.generic],
    *,
    scale: float | None = None,
    offset: float | None = None,
    nodata: float | None = None,
    valid: tuple[float, float] | None = None,
    flags: Mapping[int, str] | None = None,
) -> Variable:
    """Return a variable as a file holds it.

    Parameters
    ----------
    table : Variable
        The product table's entry.
    dtype : dtype
    scale, offset : float, optional
        As a multiplier (physical = scale * DN + offset); None where the file is silent.
    nodata : float, optional
    valid : pair of float, optional
        Valid stored numbers, both included; counts where the table leaves the variable to the file.
    flags : mapping, optional
        DN -> meaning, as the file has them; the table's own names win.

    Returns
    -------
    Variable
        Stored numbers keep the table's scale, unless the table leaves it to the file; floats in place of
        stored numbers are physical values (scale 1, offset 0).

    Raises
    ------
    SourceError
        If the file contradicts the table: another scale, a type that can't hold the values, a no-data
        value among the valid ones; or if it is silent of a scale that the table leaves to it.
    """
    if dtype.name in _FLOATS and np.dtype(table.dtype).kind != "f":
        return _physical(table, dtype, scale, offset, nodata)
    allowed: tuple[str, ...] = _FLOATS if np.dtype(table.dtype).kind == "f" else (*_INTEGERS, table.dtype)
    if table.from_file and dtype.kind in "iu":
        allowed = _ANY_INTEGERS
    if dtype.name not in allowed:
        raise SourceError(f"{table.name} has the type {dtype.name}; expected {' or '.join(allowed)}")
    if table.from_file:
        table = _told(table, scale, offset, valid)
    else:
        check_scale(table, scale, offset)
    if nodata is None:
        nodata = math.nan if dtype.kind == "f" and table.nodata is None else table.nodata
    if dtype.kind != "f":
        limits, blank = np.iinfo(dtype.name), table.blank if nodata is None else nodata
        if not (limits.min <= blank <= limits.max and blank == int(blank)):
            raise SourceError(f"{table.name} has the type {dtype.name}, which can't hold no-data {blank:g}")
    low, high = table.valid or (math.inf, -math.inf)
    if nodata is not None and not table.from_file and low <= nodata <= high:
        raise SourceError(
            f"{table.name} has the no-data value {nodata:g}, which is a valid value ({low:g} to {high:g})"
        )
    found = table.found(dtype=dtype.name, nodata=nodata, flags={**(flags or {}), **table.flags})
    if table.name == "TIME" and dtype.name == "uint8":  # products of before June 2014
        return found.found(long_name="Day in the synthesis period", units="d")
    return found


def _told(
    table: Variable, scale: float | None, offset: float | None, valid: tuple[float, float] | None
) -> Variable:
    """Return a variable of which the table knows only the meaning, with the numbers a file gives."""
    table = table.found(valid=valid or table.valid)
    if table.kind != "continuous":
        return table
    if scale is None and offset is None and (table.scale, table.offset) != (1.0, 0.0):
        raise SourceError(
            f"{table.name} has no scale and offset, which only the file can tell; write the producer's "
            f"scale_factor and add_offset into it (presumably {table.scale:g} and {table.offset:g})"
        )
    scale, offset = 1.0 if scale is None else scale, 0.0 if offset is None else offset
    if scale == 0 or not (math.isfinite(scale) and math.isfinite(offset)):
        raise SourceError(f"{table.name} has the scale {scale:g} and the offset {offset:g}")
    return table.found(scale=_common(scale, table.scale), offset=_common(offset, table.offset))


def _common(found: float, expected: float) -> float:
    """Return the same number for files that store it as float32 and as float64."""
    close = math.isclose(found, expected, rel_tol=1e-6, abs_tol=1e-9)
    return expected if close else float(f"{found:.7g}")


def check_scale(table: Variable, scale: float | None, offset: float | None) -> None:
    """Raise SourceError where a file's scale or offset (as multiplier) isn't the table's."""
    if table.kind != "continuous":
        return
    for what, found, expected in (("scale", scale, table.scale), ("offset", offset, table.offset)):
        # files store float32 and roundings such as 0.66667
        if found is not None and not math.isclose(found, expected, rel_tol=1e-4, abs_tol=1e-9):
            raise SourceError(f"{table.name} has the {what} {found:.6g}; expected {expected:.6g}")


def _physical(
    table: Variable,
    dtype: np.dtype[np.generic],
    scale: float | None,
    offset: float | None,
    nodata: float | None,
) -> Variable:
    if table.kind != "continuous":
        raise SourceError(f"{table.name} holds {dtype.name} numbers; expected integer codes")
    if scale not in (None, 1.0) or offset not in (None, 0.0):
        raise SourceError(f"{table.name} holds {dtype.name} numbers with a scale; expected physical values")
    # a pixel that was never written must not look like a value
    nodata = math.nan if nodata is None else nodata
    return table.found(dtype=dtype.name, scale=1.0, offset=0.0, nodata=nodata, valid=None, flags={})


def placed(grid: Grid, product: ProductDefinition, tile: str) -> Grid:
    """Return the grid exactly on the product's lattice, where the file's rounded corners lie on it.

    Its coordinate reference system is in the product's words, where it is the same one.

    Raises
    ------
    SourceError
        If the window lies on the lattice but outside of the tile that the name says.
    """
    crs = product.grid.crs
    if crs and crs != grid.crs and CRS.from_user_input(crs) == CRS.from_user_input(grid.crs):
        grid = replace(grid, crs=crs)
    place = product.grid.offset_of(grid)
    if place is None:
        return grid
    if tile and product.id.startswith("PROBAV_"):
        size = round(TILE_DEGREES * product.grid.nx)
        row, column = (at - start for at, start in zip(place, tile_offset(tile, size // 10), strict=True))
        if row < 0 or column < 0 or row + grid.height > size or column + grid.width > size:
            west, south, east, north = grid.bounds
            raise SourceError(
                f"holds {west:.4f} to {east:.4f} E, {south:.4f} to {north:.4f} N, which isn't in tile {tile}"
            )
    return product.grid.window(*place, grid.height, grid.width)


def grid_of_centres(shape: tuple[int, int], west: float, north: float, east: float, south: float) -> Grid:
    """Return the grid whose first pixel is centred on (west, north) and last one on (east, south), degrees.

    Raises
    ------
    SourceError
        If there is only one row or column, or rows don't run from north to south and columns eastwards.
    """
    height, width = shape
    if height < 2 or width < 2:
        raise SourceError(f"has {height} x {width} pixels; expected at least 2 x 2")
    if not (west < east and south < north):
        raise SourceError(
            f"runs from {west:g} to {east:g} E and from {north:g} to {south:g} N; expected eastwards "
            "and from north to south"
        )
    return Grid(west, north, (width - 1) / (east - west), (height - 1) / (north - south), width, height)
