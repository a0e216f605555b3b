"""Pixels of an area as a lazy xarray.Dataset: read, masked, resampled and scaled when they are asked for."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
import xarray as xr
from numpy.typing import NDArray
from rasterio.warp import transform_bounds
from shapely.geometry.base import BaseGeometry
from xarray.backends import BackendArray
from xarray.core import indexing

from probav import areas, cf
from probav.archive import Archive, Product, opened
from probav.areas import Aoi
from probav.coverage import coverage
from probav.errors import OutsideError, QueryError, UnknownNameError, did_you_mean
from probav.grid import Grid
from probav.masked import Reader, decode
from probav.masks import parse_mask
from probav.products import Variable
from probav.provenance import provenance
from probav.resampling import Overlaps, check_method, check_variable, mean, mode, same_crs
from probav.sampling import HAIR, nearest
from probav.times import select

_VALUES = 1 << 24  # source pixels, over all dates, that are worked on at once


def load(
    product: Product,
    aoi: Any = None,
    time: Any = None,
    mask: str | None = None,
    *,
    variable: str | Sequence[str] | None = None,
    keep_dn: bool = False,
    clip: bool = True,
    like: Product | Grid | str | None = None,
    resampling: str = "nearest",
    chunks: Any = None,
) -> xr.Dataset:
    """Return pixels of a product, in physical units, as a lazy dataset.

    Parameters
    ----------
    product : Product
    aoi : Aoi, or anything `probav.aoi` takes, optional
        All that the archive holds if not given.
    time : str, date, pair or slice, optional
        Both ends included; all dates if not given.
    mask : str, optional
        Which pixels keep their value; see `probav.masks`. It is the product's own pixels that are masked,
        before they are resampled.
    variable : str or sequence of str, optional
        The product's main variable if not given.
    keep_dn : bool
        Give stored numbers in their own type, with CF attributes, instead of physical values. A mean is
        rounded to the nearest stored number.
    clip : bool
        Blank the pixels that no feature touches; the window of the area's bounds otherwise.
    like : Product, Grid or id of a product of the same archive, optional
        Whose pixels to give. Of these, the ones whose centre lies in what the archive holds.
    resampling : {"nearest", "mean", "mode"}
        How to come to the pixels of `like`. "nearest": the pixel that holds the centre. "mean": of the pixels
        that hold a value and pass the mask, weighted by the area covered. "mode": the class that covers most,
        the smallest code of several. Mean and mode need both grids in one coordinate system.
    chunks : optional
        Chunks for `xarray.Dataset.chunk`, which needs dask; without, xarray reads on demand by itself.

    Returns
    -------
    xarray.Dataset
        (time, y, x) float32, NaN where a pixel holds no value, is masked or clipped; classes and flags stay
        in their own type. y and x are pixel centres; `time_bnds` are the periods.

    Raises
    ------
    OutsideError
        If the area doesn't meet what the archive holds.
    QueryError
        If there is no such resampling, or it has no meaning for a variable or a grid; if `chunks` are given
        and there is no dask.
    TimeError, MaskError, UnknownNameError, AoiError
        If an argument can't be understood.
    """
    chosen = [variable] if isinstance(variable, str) else variable
    names = [product.definition.variable(name).name for name in chosen or [product.definition.default]]
    for name in names:
        if name not in product.variables:
            raise UnknownNameError(
                f"The archive holds no {name} of {product.id}.{did_you_mean(name, product.variables)}"
            )
    if chunks is not None and importlib.util.find_spec("dask") is None:
        raise QueryError(f"chunks={chunks!r} needs dask, which is not installed: leave it out, or add dask.")
    archive = opened(product.store.url, product.store.snapshot)
    target, target_name = _target(product, like, archive)
    method = _method(product, target, resampling, like is not None)
    for name in names if method else ():
        check_variable(str(method), product.variables[name], product.id)
    parsed = None if mask is None else parse_mask(mask, product, archive)
    dates = select(product.times, time, product.id)
    where = None if aoi is None else areas.aoi(aoi)
    window = _window(product, target, where, clip)
    reader = Reader(product, archive, parsed)
    data = {
        name: xr.Variable(
            ("time", "y", "x"),
            indexing.LazilyIndexedArray(
                _Pixels(reader, product.variables[name], dates, target, window, method, keep_dn)
            ),
            cf.variable_attributes(product, product.variables[name], keep_dn, method),
        )
        for name in names
    }
    days = product.times[dates]
    query: dict[str, Any] = {
        "time": [str(days[0]), str(days[-1])], "mask": mask, "variable": names, "keep_dn": keep_dn,
        "clip": clip, "aoi": None if where is None else where.digest,
    }  # fmt: skip
    attributes = {"Conventions": "CF-1.8", "mask": mask or ""}
    if method is not None:
        query |= {"like": target_name, "resampling": method}
        attributes |= {"resampling": method, "like": target_name, "source_grid": _words(product.grid)}
    dataset = xr.Dataset(
        data,
        cf.coordinates(product, days, target, window.rows, window.columns),
        attributes | provenance(product, "load", query),
    )
    return dataset if chunks is None else dataset.chunk(chunks)


def _target(product: Product, like: Product | Grid | str | None, archive: Archive) -> tuple[Grid, str]:
    """Return the grid of the result, and what it is called."""
    if like is None:
        return product.grid, product.id
    if isinstance(like, str):
        like = archive[like]
    if isinstance(like, Grid):
        return like, _words(like)
    if isinstance(like, Product):
        return like.grid, like.id
    raise QueryError(
        f"like= of {product.id} is {str(like)[:80]!r} of type {type(like).__name__}; expected a product, "
        "the id of one, or a Grid."
    )


def _method(product: Product, target: Grid, resampling: str, resampled: bool) -> str | None:
    """Return the method of resampling; None on the product's own pixels."""
    check_method(resampling, product.grid, target)
    if not resampled and resampling != "nearest":
        raise QueryError(
            f"resampling={resampling!r} of {product.id} needs like=: the product whose pixels to give."
        )
    return resampling if resampled else None


def _words(grid: Grid) -> str:
    return (
        f"{grid.crs}: {grid.nx:.12g} x {grid.ny:.12g} pixels a unit, {grid.width} x {grid.height} of them, "
        f"the first one centred on {grid.x0:.12g}, {grid.y0:.12g}"
    )


@dataclass(frozen=True)
class Window:
    """Rows and columns of a grid; of these, the runs (row, first column, after the last), if not all."""

    rows: slice
    columns: slice
    runs: NDArray[np.int64] | None

    def inside(self, rows: slice, columns: slice) -> NDArray[np.bool_] | None:
        """Return which pixels of rows and columns of the grid are in; None if all are."""
        if self.runs is None:
            return None
        near = self.runs[(self.runs[:, 0] >= rows.start) & (self.runs[:, 0] < rows.stop)]
        steps = np.zeros((rows.stop - rows.start, columns.stop - columns.start + 1), np.int32)
        first, last = (np.clip(near[:, side], columns.start, columns.stop) for side in (1, 2))
        np.add.at(steps, (near[:, 0] - rows.start, first - columns.start), 1)
        np.add.at(steps, (near[:, 0] - rows.start, last - columns.start), -1)
        return np.asarray(np.cumsum(steps, axis=1)[:, :-1] > 0)


def _window(product: Product, target: Grid, where: Aoi | None, clip: bool) -> Window:
    """Return what an area touches of the part of a grid that the archive holds pixels for."""
    held = product.held if target is product.grid else _held(product, target)
    if where is None:
        if held.is_empty:
            raise OutsideError(f"No pixel of {_words(target)} is centred on what is held. {product.extent}.")
        left, top, right, bottom = (round(edge) for edge in held.bounds)
        return Window(slice(top, bottom), slice(left, right), None)
    if held.is_empty or not len(runs := coverage(where, target, held, "touched").runs[:, 1:]):
        raise OutsideError(f"{where!r} lies outside of what the archive holds. {product.extent}.")
    rows = slice(int(runs[:, 0].min()), int(runs[:, 0].max()) + 1)
    columns = slice(int(runs[:, 1].min()), int(runs[:, 2].max()))
    return Window(rows, columns, runs if clip else None)


def _held(product: Product, target: Grid) -> BaseGeometry:
    """Return what the archive holds of a product in pixel coordinates of another grid: whole pixels.

    A pixel is in if its centre is. In another coordinate system: the bounding box.
    """
    source = product.grid
    if product.held.is_empty:
        return product.held
    whole = shapely.box(0, 0, target.width, target.height)
    if not same_crs(source, target):
        left, top, right, bottom = product.held.bounds
        box = source.window(int(top), int(left), int(bottom - top), int(right - left)).bounds
        west, south, east, north = transform_bounds(source.crs, target.crs, *box)
        x, y = target.pixels(np.array([west, east]), np.array([north, south]))
        return shapely.intersection(
            shapely.box(np.floor(x[0]), np.floor(y[0]), np.ceil(x[1]), np.ceil(y[1])), whole
        )

    def first_centre(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        x, y = target.pixels(
            source.x0 + (xy[:, 0] - 0.5) / source.nx, source.y0 - (xy[:, 1] - 0.5) / source.ny
        )
        return np.column_stack([np.ceil(x - 0.5 - HAIR), np.ceil(y - 0.5 - HAIR)])

    moved = shapely.make_valid(shapely.transform(product.held, first_centre))
    parts = shapely.get_parts(shapely.intersection(moved, whole))
    return shapely.union_all(parts[shapely.area(parts) > 0])


class _Pixels(BackendArray):
    """A variable of a window, read when indexed."""

    descriptor = True  # pickled, it says what to read and holds no pixel

    def __init__(
        self,
        reader: Reader,
        variable: Variable,
        dates: NDArray[np.intp],
        target: Grid,
        window: Window,
        method: str | None,
        keep_dn: bool,
    ) -> None:
        self._reader, self._variable, self._dates = reader, variable, dates
        self._target, self._window, self._method = target, window, method
        self._scaled = variable.kind == "continuous" and not keep_dn
        rows, columns = window.rows, window.columns
        self.shape = (len(dates), rows.stop - rows.start, columns.stop - columns.start)
        self.dtype = np.dtype("float32") if self._scaled else np.dtype(variable.dtype)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        if isinstance(key, indexing.VectorizedIndexer):
            support = indexing.IndexingSupport.OUTER
            return indexing.explicit_indexing_adapter(key, self.shape, support, self._read)
        return self._read(key.tuple)

    def _read(self, key: tuple[Any, ...]) -> Any:
        """Read the box around a key of integers, slices and arrays, then take the key out of it."""
        wanted = [positions(item, size) for item, size in zip(key, self.shape, strict=True)]
        kept = [isinstance(item, slice | np.ndarray) for item in key]  # an integer drops its axis
        if not all(map(len, wanted)):
            return np.empty([len(item) for item, keep in zip(wanted, kept, strict=True) if keep], self.dtype)
        low = [int(item.min()) for item in wanted]
        high = [int(item.max()) + 1 for item in wanted]
        rows, columns = self._window.rows, self._window.columns
        box = np.empty((len(wanted[0]), high[1] - low[1], high[2] - low[2]), self.dtype)
        self._fill(
            box,
            self._dates[wanted[0]],
            slice(rows.start + low[1], rows.start + high[1]),
            slice(columns.start + low[2], columns.start + high[2]),
        )
        taken = box[:, wanted[1] - low[1]][:, :, wanted[2] - low[2]]
        return taken[tuple(slice(None) if keep else 0 for keep in kept)]

    def _fill(self, out: NDArray[Any], dates: NDArray[np.intp], rows: slice, columns: slice) -> None:
        """Fill a box, in pieces that fit in memory: no pixel depends on which piece it is in."""
        if out.size == 1 or (
            out.size <= _VALUES and len(dates) * _size(self._under(rows, columns)) <= _VALUES
        ):
            out[...] = self._box(dates, rows, columns)
            return
        axis = 0 if out.shape[1:] == (1, 1) else 1 + int(out.shape[2] > out.shape[1])
        middle = out.shape[axis] // 2
        for part in (slice(0, middle), slice(middle, out.shape[axis])):
            self._fill(
                out[(slice(None),) * axis + (part,)],
                dates[part] if axis == 0 else dates,
                _within(rows, part) if axis == 1 else rows,
                _within(columns, part) if axis == 2 else columns,
            )

    def _under(self, rows: slice, columns: slice) -> tuple[slice, slice]:
        """Return the rows and columns of the product's grid that are read for pixels of the target."""
        if self._method is None:
            return rows, columns
        source = self._reader.product.grid
        if self._method != "nearest":
            return Overlaps(source, self._target).window(rows, columns)
        row, column = nearest(source, self._target, rows, columns)
        return _around(row), _around(column)

    def _box(self, dates: NDArray[np.intp], rows: slice, columns: slice) -> NDArray[Any]:
        if self._method is None:
            dn, keep = self._reader.read(self._variable.name, dates, rows, columns)
        elif self._method == "nearest":
            dn, keep = self._nearest(dates, rows, columns)
        elif self._method == "mode":
            dn, keep = self._mode(dates, rows, columns), None
        else:
            return self._mean(dates, rows, columns)
        inside = self._window.inside(rows, columns)
        if inside is not None:
            keep = inside if keep is None else keep & inside
        if self._scaled:
            return decode(self._variable, dn, keep)
        return dn if keep is None else np.where(keep, dn, dn.dtype.type(self._variable.unwritten))

    def _nearest(
        self, dates: NDArray[np.intp], rows: slice, columns: slice
    ) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        row, column = nearest(self._reader.product.grid, self._target, rows, columns)
        inside = (row >= 0) & (column >= 0)
        shape = (len(dates), *inside.shape)
        if not inside.any():
            return np.full(shape, self._variable.unwritten, self._variable.dtype), np.zeros(shape, bool)
        top, left = _around(row).start, _around(column).start
        dn, keep = self._reader.read(self._variable.name, dates, _around(row), _around(column))
        at = np.where(row >= 0, row - top, 0), np.where(column >= 0, column - left, 0)
        taken = np.broadcast_to(inside, shape)
        return dn[:, *at], taken if keep is None else keep[:, *at] & taken

    def _covered(self, dates: NDArray[np.intp], rows: slice, columns: slice) -> Any:
        """Return stored numbers under target pixels, which of them count, and where they lie."""
        overlaps = Overlaps(self._reader.product.grid, self._target)
        window = overlaps.window(rows, columns)
        dn, keep = self._reader.read(self._variable.name, dates, *window)
        good = self._variable.is_valid(dn)
        return dn, good if keep is None else good & keep, (window, overlaps, rows, columns)

    def _mean(self, dates: NDArray[np.intp], rows: slice, columns: slice) -> NDArray[Any]:
        """Return means, in stored numbers until the end: sums of those are exact."""
        dn, good, where = self._covered(dates, rows, columns)
        means = mean(np.where(good, dn.astype(np.float64), np.nan), *where)
        inside = self._window.inside(rows, columns)
        if inside is not None:
            means[:, ~inside] = np.nan
        if self._scaled:
            return self._variable.physical(means).astype(np.float32)
        if self.dtype.kind != "f":
            means = np.rint(means)
        return np.where(np.isnan(means), self._variable.unwritten, means).astype(self.dtype)

    def _mode(self, dates: NDArray[np.intp], rows: slice, columns: slice) -> NDArray[Any]:
        dn, good, where = self._covered(dates, rows, columns)
        good &= dn != dn.dtype.type(self._variable.unwritten)  # flags have no no-data value, but gaps
        classes, index = np.unique(dn[good], return_inverse=True)
        codes = np.full(dn.shape, -1)
        codes[good] = index
        most = mode(codes, len(classes), *where)
        return np.append(classes, self._variable.unwritten).astype(self.dtype)[most]


def _around(indexes: NDArray[np.intp]) -> slice:
    """Return the smallest slice that holds indexes, those apart that are -1."""
    held = indexes[indexes >= 0]
    return slice(int(held.min()), int(held.max()) + 1) if held.size else slice(0, 0)


def _within(whole: slice, part: slice) -> slice:
    return slice(whole.start + part.start, whole.start + part.stop)


def _size(box: tuple[slice, slice]) -> int:
    return int(box[0].stop - box[0].start) * int(box[1].stop - box[1].start)


def positions(item: Any, size: int) -> NDArray[np.intp]:
    """Positions on an axis that an integer, a slice or an array of integers means."""
    return np.atleast_1d(np.arange(size)[item])
