"""Pixels of an area as a lazy xarray.Dataset: read, masked and scaled when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS
from xarray.backends import BackendArray
from xarray.core import indexing

from probav import areas
from probav.archive import Product, open_archive
from probav.coverage import coverage
from probav.errors import OutsideError, UnknownNameError, did_you_mean
from probav.masks import Layer, Mask, parse_mask
from probav.products import Variable
from probav.sampling import sample
from probav.times import select


def load(
    product: Product,
    aoi: Any = None,
    time: Any = None,
    mask: str | None = None,
    *,
    variable: str | Sequence[str] | None = None,
    keep_dn: bool = False,
    clip: bool = True,
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
        Which pixels keep their value; see `probav.masks`.
    variable : str or sequence of str, optional
        The product's main variable if not given.
    keep_dn : bool
        Give stored numbers in their own type, with CF attributes, instead of physical values.
    clip : bool
        Blank the pixels that no feature touches; the window of the area's bounds otherwise.
    chunks : optional
        Chunks for `xarray.Dataset.chunk`, which needs dask; without, xarray reads on demand by itself.

    Returns
    -------
    xarray.Dataset
        (time, y, x) float32, NaN where a pixel holds no value, is masked or clipped; classes and flags stay
        in their own type. y and x are pixel centres.

    Raises
    ------
    OutsideError
        If the area doesn't meet what the archive holds.
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
    archive = open_archive(product.store.url, snapshot=product.store.snapshot)
    parsed = None if mask is None else parse_mask(mask, product, archive)
    dates = select(product.times, time, product.id)
    rows, columns, clipped = _window(product, aoi, clip)
    window = product.grid.window(
        rows.start, columns.start, rows.stop - rows.start, columns.stop - columns.start
    )
    data = {}
    for name in names:
        layer = product.variables[name]
        lazy = _Pixels(product, layer, dates, rows, columns, parsed, clipped, keep_dn)
        data[name] = xr.Variable(
            ("time", "y", "x"), indexing.LazilyIndexedArray(lazy), _attributes(layer, keep_dn)
        )
    crs = CRS(product.grid.crs)
    geographic = crs.is_geographic
    coords = {
        "time": ("time", product.times[dates].astype("datetime64[ns]"), {
            "long_name": "first day of the period",
        }),
        "y": ("y", window.ys(), {
            "standard_name": "latitude" if geographic else "projection_y_coordinate",
            "units": "degrees_north" if geographic else "m",
        }),
        "x": ("x", window.xs(), {
            "standard_name": "longitude" if geographic else "projection_x_coordinate",
            "units": "degrees_east" if geographic else "m",
        }),
        "spatial_ref": ((), 0, {
            **crs.to_cf(), "GeoTransform": " ".join(map(str, window.transform.to_gdal())),
        }),
    }  # fmt: skip
    attributes = {
        "Conventions": "CF-1.8", "title": product.title, "product": product.id, "mask": mask or "",
        "archive": product.store.url, "snapshot": product.store.snapshot,
        "citation": product.definition.citation, "license": product.definition.licence,
    }  # fmt: skip
    dataset = xr.Dataset(data, coords, attributes)
    return dataset if chunks is None else dataset.chunk(chunks)


def _window(product: Product, aoi: Any, clip: bool) -> tuple[slice, slice, NDArray[np.bool_] | None]:
    """Rows and columns of the product's grid, and which pixels of the window are touched."""
    if aoi is None:
        left, top, right, bottom = (round(edge) for edge in product.held.bounds)
        return slice(top, bottom), slice(left, right), None
    where = areas.aoi(aoi)
    runs = coverage(where, product.grid, product.held, "touched").runs
    if not len(runs):
        raise OutsideError(f"{where!r} lies outside of what the archive holds. {product.extent}.")
    rows = slice(int(runs[:, 1].min()), int(runs[:, 1].max()) + 1)
    columns = slice(int(runs[:, 2].min()), int(runs[:, 3].max()))
    if not clip:
        return rows, columns, None
    touched = np.zeros((rows.stop - rows.start, columns.stop - columns.start), bool)
    for _, row, first, last in runs.tolist():
        touched[row - rows.start, first - columns.start : last - columns.start] = True
    return rows, columns, None if touched.all() else touched


def _attributes(variable: Variable, keep_dn: bool) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "long_name": variable.long_name, "units": variable.units, "grid_mapping": "spatial_ref",
    }  # fmt: skip
    if variable.flags and (keep_dn or variable.kind != "continuous"):
        attributes["flag_values"] = np.array(list(variable.flags), variable.dtype)
        attributes["flag_meanings"] = " ".join(name.replace(" ", "_") for name in variable.flags.values())
    if keep_dn and variable.kind == "continuous":
        attributes |= {"scale_factor": variable.scale, "add_offset": variable.offset}
    elif variable.kind == "continuous":  # what was done, under names that no reader applies again
        attributes |= {"dn_dtype": variable.dtype, "dn_scale": variable.scale, "dn_offset": variable.offset}
    if variable.nodata is not None:
        scaled = variable.kind == "continuous" and not keep_dn
        attributes["dn_nodata" if scaled else "_FillValue"] = np.dtype(variable.dtype).type(variable.nodata)
    return attributes


class _Pixels(BackendArray):
    """A variable of a window, read when indexed."""

    def __init__(
        self,
        product: Product,
        variable: Variable,
        dates: NDArray[np.intp],
        rows: slice,
        columns: slice,
        mask: Mask | None,
        clip: NDArray[np.bool_] | None,
        keep_dn: bool,
    ) -> None:
        self._product, self._variable, self._dates, self._mask = product, variable, dates, mask
        self._rows, self._columns, self._clip = rows, columns, clip
        self._scaled = variable.kind == "continuous" and not keep_dn
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
        rows = slice(self._rows.start + low[1], self._rows.start + high[1])
        columns = slice(self._columns.start + low[2], self._columns.start + high[2])
        box = self._box(self._dates[wanted[0]], rows, columns, slice(low[1], high[1]), slice(low[2], high[2]))
        taken = box[:, wanted[1] - low[1]][:, :, wanted[2] - low[2]]
        return taken[tuple(slice(None) if keep else 0 for keep in kept)]

    def _box(self, dates: NDArray[np.intp], rows: slice, columns: slice, y: slice, x: slice) -> NDArray[Any]:
        dn = self._stored(self._variable.name, dates, rows, columns)
        keep = np.ones((1, 1, 1), bool) if self._clip is None else self._clip[None, y, x]
        if self._mask is not None:
            keep = keep & self._mask.evaluate(
                {layer: self._layer(layer, dates, rows, columns) for layer in self._mask.layers}
            )
        if self._scaled:
            good = self._variable.is_valid(dn) & keep
            return np.where(good, self._variable.physical(dn), np.nan).astype("float32")
        return np.where(keep, dn, dn.dtype.type(self._variable.unwritten))

    def _stored(self, name: str, dates: NDArray[np.intp], rows: slice, columns: slice) -> NDArray[Any]:
        positions = self._product.positions[dates]
        found: NDArray[Any] = self._product.array(name).get_orthogonal_selection((positions, rows, columns))
        return found

    def _layer(self, layer: Layer, dates: NDArray[np.intp], rows: slice, columns: slice) -> NDArray[Any]:
        if layer.product == self._product.id:
            return self._stored(layer.variable, dates, rows, columns)
        store = self._product.store
        other = open_archive(store.url, snapshot=store.snapshot)[layer.product]
        days = self._product.times[dates]
        layers, which = sample(other, layer.variable, self._product.grid, rows, columns, days)
        return layers[which]


def positions(item: Any, size: int) -> NDArray[np.intp]:
    """Positions on an axis that an integer, a slice or an array of integers means."""
    return np.atleast_1d(np.arange(size)[item])
