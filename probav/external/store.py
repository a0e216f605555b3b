"""A dataset of another mission kept in an archive: it joins the same statistics, masks and engines."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS
from pyproj.exceptions import CRSError
from rasterio.errors import RasterioError

from probav import storage
from probav.archive import Archive, Progress
from probav.errors import ProbavError, QueryError, SourceError, did_you_mean
from probav.execution.local import threads as default_threads
from probav.external.grid import blocks, name_of
from probav.grid import Grid
from probav.ingestion import Report
from probav.ingestion.local import commit
from probav.ingestion.plan import Checked, Stored, place, product_grid
from probav.products import PRODUCTS, ProductDefinition, Variable
from probav.products.cadences import Cadence
from probav.products.custom import from_dict, to_dict
from probav.readers import Granule

_NO_FLOAT = float(np.finfo("float32").min)  # NaN equals nothing, not even the no-data value
_NEARLY = 0.05  # of a stored number: float32 keeps 24 bits


def definition_of(
    dataset: xr.Dataset,
    id: str,
    *,
    title: str | None = None,
    default: str | None = None,
    cadence: Cadence = "day",
) -> ProductDefinition:
    """Return the product that a dataset would be in an archive.

    Parameters
    ----------
    dataset : xarray.Dataset
        (time, y, x), from `from_stac` or alike: `spatial_ref` says the CRS; attributes of a variable say how
        it is stored (dn_dtype, dn_scale, dn_offset, dn_nodata), else it is stored as float32. Integers with
        flag_values and flag_meanings are classes.
    id : str
    title : str, optional
        The dataset's if not given.
    default : str, optional
        The variable a query means that names none; the first quantity if not given.
    cadence : str
        The period that a date stands for.

    Returns
    -------
    ProductDefinition
        On a grid of whole blocks, somewhat larger than the dataset's.

    Raises
    ------
    QueryError
        If the id is a known product's, or the dataset has no regular grid.
    DefinitionError
        If the definition makes no sense, such as an id with spaces.
    """
    if id.casefold() in map(str.casefold, PRODUCTS):
        raise QueryError(f"{id!r} is a product that probav knows already; take another id.")
    variables = {str(name): _variable(str(name), band) for name, band in dataset.items() if band.ndim == 3}
    quantities = [name for name, variable in variables.items() if variable.kind == "continuous"]
    if not variables:
        raise QueryError("The dataset has no variable with the dimensions (time, y, x).")
    attributes = dataset.attrs
    made = ProductDefinition(
        id=id,
        title=title or str(attributes.get("title") or id),
        variables=variables,
        default=default or (quantities or list(variables))[0],
        grid=blocks(grid_of(dataset))[0],
        cadence=cadence,
        date_in_name="first",
        masks={},
        citation=str(attributes.get("citation") or attributes.get("title") or id),
        licence=str(attributes.get("license") or "unknown"),
    )
    return from_dict(to_dict(made))


def store_dataset(
    archive: Archive | str | Path,
    dataset: xr.Dataset,
    product: ProductDefinition,
    *,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Report:
    """Write a dataset into an archive, which is made where there is none, date by date and block by block.

    Dates that are there from the same items are left alone and not even read, others are replaced; each
    commit is whole or not there at all, and after an interruption the same call goes on where it stopped.

    Parameters
    ----------
    archive : Archive, path or URL
    dataset : xarray.Dataset
        (time, y, x) in physical units, lazy or not; see `definition_of`.
    product : ProductDefinition
        As from `definition_of`, for all datasets that are to be one series.
    threads : int, optional
        How many workers read and write; $PROBAV_THREADS, else the cores, if not given.
    progress : callable, optional
        Called with dates done, dates in all and 0.

    Returns
    -------
    Report
        A date counts as one granule; those that couldn't be read are listed.

    Raises
    ------
    QueryError
        If the dataset doesn't fit the product: its grid, variables, or several times on one day.
    SourceError
        If no date could be read.
    ArchiveError
        If the archive can't be written.
    """
    if product.id in PRODUCTS:
        raise QueryError(f"{product.id!r} is a product of its own; take another id for the dataset.")
    grid, names, days = grid_of(dataset), _names(dataset, product), _days(dataset)
    url = archive.url if isinstance(archive, Archive) else str(archive)
    report = Report(url)
    stored = Stored(url, product.id)
    try:
        window = place(stored.grid or product_grid(product, grid), grid)
    except SourceError as error:
        raise QueryError(f"The dataset doesn't fit the product {product.id}: {error}.") from error
    new: dict[np.datetime64, Checked] = {}
    variables = {name: product.variables[name] for name in names}
    for index, day in enumerate(days):
        checked = Checked(
            Granule(product.id, day, 0, "", (Path(f"{product.id}_{day}"),), f"{product.id}_{day}", product),
            _digest(dataset, names, index, grid), grid, variables, (), 0,
        )  # fmt: skip
        if stored.source(day, window)[1] == checked.digest:
            report.unchanged += 1
        else:
            new[day] = checked
    order = [*stored.dates, *sorted({*new} - {*stored.dates})]
    chunks: dict[int, list[Checked]] = {}
    for position, day in enumerate(order):
        if day in new:
            chunks.setdefault(position // storage.TIME_CHUNK, []).append(new[day])

    @contextmanager
    def opening(granule: Granule) -> Iterator[_Date]:
        yield _Date(dataset, int(np.flatnonzero(days == granule.date)[0]), granule, grid, variables)

    done = report.unchanged

    def tick(fraction: float) -> None:
        if progress is not None:
            progress(done + int(fraction * len(batch)), len(days), 0)

    for batch in chunks.values():
        commit(url, product, batch, report, opening, threads or default_threads(), tick)
        done += len(batch)
        if progress is not None:
            progress(done, len(days), 0)
    if report.rejected and not report.taken + report.unchanged:
        raise SourceError(f"No date of the dataset could be read: {report.rejected[0].reason}")
    return report


class _Date:
    """One date of a dataset, read like a source product."""

    def __init__(
        self, dataset: xr.Dataset, index: int, granule: Granule, grid: Grid, variables: dict[str, Variable]
    ) -> None:
        self._dataset, self._index, self._name = dataset, index, granule.name
        self.grid, self.variables = grid, variables

    def read(self, variable: str, start: int, stop: int) -> NDArray[Any]:
        """Return rows of stored numbers."""
        band = self._dataset[variable].transpose("time", "y", "x")
        try:
            values = band[self._index, start:stop].to_numpy()
            return stored_numbers(values, self.variables[variable])
        except ProbavError as error:
            raise SourceError(f"{self._name}, {variable}: {error}") from error
        except (OSError, RasterioError, ValueError) as error:
            raise SourceError(f"{self._name}, {variable} can't be read: {error}") from error


def stored_numbers(values: NDArray[Any], variable: Variable) -> NDArray[Any]:
    """Return the DNs of physical values, NaN as the no-data value.

    Raises
    ------
    SourceError
        If a value is none of the numbers that the variable can hold.
    """
    dtype = np.dtype(variable.dtype)
    if values.dtype.kind in "iub":
        if values.dtype != dtype and not np.can_cast(values.dtype, dtype):
            raise SourceError(f"numbers of type {values.dtype} don't fit {dtype}")
        return values.astype(dtype)
    good = np.isfinite(values)
    dn = (values.astype(np.float64) - variable.offset) / variable.scale
    if dtype.kind in "iu":
        whole = np.rint(dn)
        limits = np.iinfo(dtype)
        off = np.abs(np.where(good, dn - whole, 0)) > _NEARLY
        out = good & ((whole < limits.min) | (whole > limits.max) | (whole == variable.nodata))
        if off.any() or out.any():
            wrong = values[off | out][0]
            raise SourceError(
                f"{wrong} is no number of {dtype} with scale {variable.scale}, offset {variable.offset} and "
                f"no-data value {variable.nodata}; store it as float32: take dn_dtype out of its attributes"
            )
        dn = whole
    return np.where(good, dn, variable.unwritten).astype(dtype)


def grid_of(dataset: xr.Dataset) -> Grid:
    """Return the pixel grid of a dataset, from its coordinates x and y (centres) and its spatial_ref.

    Raises
    ------
    QueryError
        If it has no regular north-up grid.
    """
    what = "The dataset has no grid that an archive can hold"
    for name in ("time", "y", "x", "spatial_ref"):
        if name not in dataset.coords:
            raise QueryError(f"{what}: it has no coordinate {name!r}.")
    steps = []
    for name, sign in (("x", 1), ("y", -1)):
        centres = dataset[name].to_numpy().astype(np.float64) * sign
        if len(centres) < 2:
            raise QueryError(f"{what}: it is one pixel wide or high; load a larger area.")
        step = (centres[-1] - centres[0]) / (len(centres) - 1)
        even = centres[0] + step * np.arange(len(centres))
        if not step > 0 or not np.allclose(centres, even, rtol=0, atol=0.01 * step):
            raise QueryError(f"{what}: {name} isn't evenly spaced from west to east, or from north to south.")
        steps.append(step)
    attributes = dataset["spatial_ref"].attrs
    try:
        crs = CRS.from_wkt(str(attributes.get("crs_wkt") or attributes.get("spatial_ref") or ""))
    except CRSError as error:
        raise QueryError(f"{what}: spatial_ref has no crs_wkt.") from error
    return Grid(
        float(dataset["x"][0]), float(dataset["y"][0]), 1 / steps[0], 1 / steps[1],
        dataset.sizes["x"], dataset.sizes["y"], name_of(crs),
    )  # fmt: skip


def _variable(name: str, band: xr.DataArray) -> Variable:
    attributes: dict[Hashable, Any] = dict(band.attrs)
    words = str(attributes.get("long_name") or name), str(attributes.get("units") or "1")
    if band.dtype.kind in "iu":
        codes = np.atleast_1d(attributes.get("flag_values", [])).tolist()
        names = str(attributes.get("flag_meanings", "")).split()
        nodata = attributes.get("_FillValue")
        return Variable(
            name, str(band.dtype), *words, nodata=None if nodata is None else float(nodata),
            kind="categorical" if codes else "continuous",
            flags={int(code): name.replace("_", " ") for code, name in zip(codes, names, strict=False)},
        )  # fmt: skip
    dtype = str(attributes.get("dn_dtype", "float32"))
    if np.dtype(dtype).kind == "f":
        return Variable(name, "float32", *words, nodata=_NO_FLOAT)
    nodata = float(attributes["dn_nodata"])
    return Variable(
        name, dtype, *words, scale=float(attributes.get("dn_scale", 1)),
        offset=float(attributes.get("dn_offset", 0)), nodata=None if math.isnan(nodata) else nodata,
    )  # fmt: skip


def _names(dataset: xr.Dataset, product: ProductDefinition) -> list[str]:
    names = [str(name) for name, band in dataset.items() if band.ndim == 3]
    for name in names:
        if name not in product.variables:
            raise QueryError(
                f"The product {product.id} has no variable {name!r}.{did_you_mean(name, product.variables)}"
            )
        if set(dataset[name].dims) != {"time", "y", "x"}:
            raise QueryError(f"{name} has the dimensions {dataset[name].dims}; expected time, y and x.")
    return names


def _days(dataset: xr.Dataset) -> NDArray[np.datetime64]:
    days = dataset["time"].to_numpy().astype("datetime64[D]")
    if len(np.unique(days)) < len(days):
        raise QueryError("The dataset has several times on one day; load it with groupby='solar_day'.")
    found: NDArray[np.datetime64] = days
    return found


def _digest(dataset: xr.Dataset, names: list[str], index: int, grid: Grid) -> bytes:
    """Return what tells a date of a dataset from another: the items it comes from, else its pixels."""
    known = [repr(grid), [(name, sorted(map(repr, dataset[name].attrs.items()))) for name in names]]
    whole = hashlib.sha256(json.dumps(known).encode())
    if "source" in dataset.coords:
        for attribute in ("collection", "mask", "resampling"):
            whole.update(f"{dataset.attrs.get(attribute)}/".encode())
        whole.update(str(dataset["source"].to_numpy()[index]).encode())
        return whole.digest()
    for name in names:
        band = dataset[name].transpose("time", "y", "x")
        for top in range(0, grid.height, storage.PIXEL_CHUNK):
            rows = band[index, top : top + storage.PIXEL_CHUNK].to_numpy()
            whole.update(np.ascontiguousarray(rows, rows.dtype.newbyteorder("<")).data)
    return whole.digest()
