"""Lazy pixels of several products on one grid: what `CombinedProduct.load` returns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from probav.loading import positions

if TYPE_CHECKING:
    from probav.combination import CombinedProduct, Part
    from probav.harmonisation import Fit


def join_pixels(
    combined: CombinedProduct, parts: Sequence[Part], datasets: Sequence[xr.Dataset], fit: Fit | None
) -> xr.Dataset:
    """Return lazy datasets of one variable as one, on the window that holds them all."""
    grid = combined.grid
    name = next(iter(datasets[0].data_vars))
    corners = [
        (round(float((grid.y0 - ds["y"][0]) * grid.ny)), round(float((ds["x"][0] - grid.x0) * grid.nx)))
        for ds in datasets
    ]
    top, left = (min(corner[axis] for corner in corners) for axis in (0, 1))
    height = max(at[0] + ds.sizes["y"] for at, ds in zip(corners, datasets, strict=True)) - top
    width = max(at[1] + ds.sizes["x"] for at, ds in zip(corners, datasets, strict=True)) - left
    window = grid.window(top, left, height, width)
    days = np.concatenate([part.times for part in parts])
    order = np.argsort(days)
    owner = np.repeat(np.arange(len(parts)), [len(part.times) for part in parts])[order]
    place = np.concatenate([np.arange(len(part.times)) for part in parts])[order]
    pieces = [
        _Piece(ds[name], at[0] - top, at[1] - left, fit if part.product is combined.products[0] else None)
        for ds, at, part in zip(datasets, corners, parts, strict=True)
    ]
    lazy = indexing.LazilyIndexedArray(_Joined(pieces, owner, place, (len(days), height, width)))
    newest = datasets[-1]
    kept = {key: newest[name].attrs[key] for key in ("long_name", "units", "grid_mapping")}
    sensors = np.array([part.sensor for part in parts])[owner]
    bounds = np.concatenate([ds["time_bnds"].values for ds in datasets])[order]
    coords = {
        "time": ("time", days[order].astype("datetime64[ns]"), newest["time"].attrs, newest["time"].encoding),
        "time_bnds": (("time", "bnds"), bounds, {}, newest["time_bnds"].encoding),
        "y": ("y", window.ys(), newest["y"].attrs),
        "x": ("x", window.xs(), newest["x"].attrs),
        "sensor": ("time", sensors, {"long_name": "source of the date"}),
        "spatial_ref": (
            (), 0,
            newest["spatial_ref"].attrs | {"GeoTransform": " ".join(map(str, window.transform.to_gdal()))},
        ),
    }  # fmt: skip
    attributes = {**newest.attrs, **combined.attributes(fit)}
    return xr.Dataset({name: (("time", "y", "x"), lazy, kept)}, coords, attributes)


class _Piece:
    """A product's pixels, and where they lie in the joined window."""

    def __init__(self, data: xr.DataArray, top: int, left: int, fit: Fit | None) -> None:
        self.data, self.top, self.left, self.fit = data, top, left, fit

    def read(
        self, times: NDArray[np.intp], rows: NDArray[np.intp], columns: NDArray[np.intp]
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.float32]]:
        """Return which of rows and columns of the window are here, and their pixels."""
        y, x = rows - self.top, columns - self.left
        here_y, here_x = (y >= 0) & (y < self.data.shape[1]), (x >= 0) & (x < self.data.shape[2])
        found = self.data.isel(time=times, y=y[here_y], x=x[here_x]).values
        if self.fit is not None:
            found = (found * np.float64(self.fit.gain) + self.fit.offset).astype("float32")
        return here_y, here_x, found


class _Joined(BackendArray):
    """The pixels of all pieces, read when indexed."""

    dtype = np.dtype("float32")
    descriptor = True  # as those of its pieces

    def __init__(
        self, pieces: list[_Piece], owner: NDArray[np.intp], place: NDArray[np.intp], shape: tuple[int, ...]
    ) -> None:
        self._pieces, self._owner, self._place, self.shape = pieces, owner, place, shape

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        support = indexing.IndexingSupport.OUTER
        return indexing.explicit_indexing_adapter(key, self.shape, support, self._read)

    def _read(self, key: tuple[Any, ...]) -> Any:
        times, rows, columns = (positions(item, size) for item, size in zip(key, self.shape, strict=True))
        out = np.full((len(times), len(rows), len(columns)), np.nan, self.dtype)
        for index, piece in enumerate(self._pieces):
            own = np.flatnonzero(self._owner[times] == index)
            if len(own):
                here_y, here_x, found = piece.read(self._place[times[own]], rows, columns)
                out[np.ix_(own, np.flatnonzero(here_y), np.flatnonzero(here_x))] = found
        return out[tuple(slice(None) if isinstance(item, slice | np.ndarray) else 0 for item in key)]
