"""Masked statistics of areas over time: the call a user makes, from an area to a labelled result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely
import xarray as xr
from numpy.typing import NDArray

from probav import areas
from probav.accumulate import Accumulator, memory_budget
from probav.archive import Product, Progress, open_archive
from probav.areas import Aoi
from probav.choices import DEFAULT_REDUCERS, ENGINES, WEIGHTS
from probav.coverage import ONE, Coverage, coverage
from probav.errors import OutsideError, QueryError, did_you_mean
from probav.execution import choose, engine
from probav.execution.local import threads
from probav.histogram import BINS, code_table
from probav.masks import parse_mask
from probav.pixels import CLASSES
from probav.query import Estimate, Query, Task, make_tasks, prepare, stratum
from probav.reducers import check_reducers, reduce
from probav.times import select

_COUNTS = {
    "count": "pixels of the zone, covered parts counted as such: valid + masked + nodata + outside",
    "valid": "pixels that count: they hold a value and the mask lets them through",
    "masked": "pixels that hold a value which the mask excludes",
    "nodata": "pixels of the archive that hold no value at this date",
    "outside": "pixels where the archive holds nothing at any date",
}
_SAMPLE = 16  # chunks whose size is looked up for an estimate
_DECODE_RATE = 0.6e9  # bytes of pixels a second and core, decoded and counted
_CHUNK_SECONDS = 1e-3


def statistics(
    product: Product,
    aoi: Any,
    time: Any = None,
    mask: str | None = None,
    *,
    by: str | None = None,
    variable: str | None = None,
    reducers: Sequence[str] = DEFAULT_REDUCERS,
    coverage: str = "fraction",
    weights: str = "pixel",
    engine: str = "auto",
    progress: Progress | None = None,
) -> xr.Dataset:
    """Return statistics of a product's values in each feature of an area, date by date.

    Parameters
    ----------
    product : Product
    aoi : Aoi, or anything `probav.aoi` takes
    time : str, date, pair or slice, optional
        Both ends included; all dates if not given. A composite belongs to the first day of its period.
    mask : str, optional
        Which pixels count: "clear & land"; see `probav.masks`.
    by : str, optional
        A categorical layer ("landcover") to split each zone by.
    variable : str, optional
        The product's main variable if not given.
    reducers : sequence of str
        Any of mean, std, var, min, max, sum, median, p0 to p100; see `probav.reducers`.
    coverage : {"fraction", "centre", "touched"}
        How polygons cover pixels; see `probav.coverage`.
    weights : {"pixel", "area"}
        "area" counts each pixel with the cosine of its latitude, so that counts are in pixels at the equator.
    engine : {"auto", "local", "spark"}
    progress : callable, optional
        Called with tasks done, tasks in all and bytes read.

    Returns
    -------
    xarray.Dataset
        Dimensions (zone, [class,] time), one zone a feature in input order. The reducers in physical units,
        NaN where no pixel is valid, and always count, valid, masked, nodata, outside (float64, pixels) and
        valid_fraction. Counts include partly covered pixels with their covered part.

    Raises
    ------
    OutsideError
        If no feature meets what the archive holds.
    TimeError, MaskError, UnknownNameError, QueryError, AoiError
        If an argument can't be understood; nothing is read then.
    """
    where = areas.aoi(aoi)
    names = check_reducers(reducers)
    query = _query(product, time, mask, by, variable, weights)
    pixels = _covered(product, where, coverage)
    engine = choose(_checked(engine, ENGINES, "engine"), _estimate(query, pixels, "local").seconds)
    dates = product.times[list(query.dates)]
    result = _Result(product, query, where, names, dates)
    batches = _batches(query, pixels, len(where))
    total = sum(len(tasks) for _, tasks in batches)
    finished = 0
    for zones, tasks in batches:
        accumulator = _run(query, tasks, engine, progress, finished, total)
        finished += len(tasks)
        result.take(zones, accumulator)
    result.take_outside(pixels.outside, where)
    return result.dataset(coverage)


def estimate(
    product: Product,
    aoi: Any,
    time: Any = None,
    mask: str | None = None,
    *,
    by: str | None = None,
    variable: str | None = None,
    coverage: str = "fraction",
    weights: str = "pixel",
    engine: str = "auto",
    **_: Any,
) -> Estimate:
    """Return what `statistics` with the same arguments would read and cost, without reading pixels.

    Raises
    ------
    OutsideError, TimeError, MaskError, UnknownNameError, QueryError, AoiError
        As `statistics`.
    """
    query = _query(product, time, mask, by, variable, weights)
    pixels = _covered(product, areas.aoi(aoi), coverage)
    return _estimate(query, pixels, _checked(engine, ENGINES, "engine"))


def _checked(value: str, choices: tuple[str, ...], what: str) -> str:
    if value not in choices:
        raise QueryError(f"There is no {what} {value!r}.{did_you_mean(value, choices)}")
    return value


def _query(
    product: Product, time: Any, mask: str | None, by: str | None, variable: str | None, weights: str
) -> Query:
    """Check everything that can be checked without reading a pixel."""
    chosen = product.definition.variable(variable)
    if chosen.name not in product.variables:
        raise QueryError(
            f"The archive holds no {chosen.name} of {product.id}, only {', '.join(product.variables)}."
        )
    if product.variables[chosen.name].kind != "continuous":
        raise QueryError(
            f"{chosen.long_name} is no quantity that has a mean; use it as by={chosen.name!r} or in a mask."
        )
    archive = open_archive(product.store.url, snapshot=product.store.snapshot)
    if mask is not None:
        parse_mask(mask, product, archive)
    if by is not None:
        stratum(by, archive, product.id)
    return Query(
        product.store.url,
        product.store.snapshot,
        product.id,
        chosen.name,
        mask,
        by,
        _checked(weights, WEIGHTS, "weights"),
        tuple(select(product.times, time, product.id).tolist()),
    )


def _covered(product: Product, where: Aoi, rule: str) -> Coverage:
    pixels = coverage(where, product.grid, product.held, rule)
    if not len(pixels.runs) and not len(pixels.edges):
        west, south, east, north = (f"{edge:.4f}" for edge in where.bounds)
        raise OutsideError(
            f"The area ({west}, {south}, {east}, {north}) lies outside of what the archive holds. "
            f"{product.extent}."
        )
    return pixels


def _batches(query: Query, pixels: Coverage, zones: int) -> list[tuple[NDArray[np.intp], list[Task]]]:
    """Split zones so that the histograms of each batch fit the memory budget."""
    per_zone = len(query.dates) * BINS * 16 * (8 if query.by else 1)
    size = max(1, memory_budget() // per_zone)
    if size >= zones:
        return [(np.arange(zones), make_tasks(query, pixels))]
    batches = []
    for start in range(0, zones, size):
        run = (pixels.runs[:, 0] >= start) & (pixels.runs[:, 0] < start + size)
        edge = (pixels.edges[:, 0] >= start) & (pixels.edges[:, 0] < start + size)
        own = Coverage(pixels.runs[run], pixels.edges[edge], pixels.weights[edge], pixels.outside)
        batches.append((np.arange(start, min(start + size, zones)), make_tasks(query, own)))
    return batches


def _run(
    query: Query, tasks: list[Task], name: str, progress: Progress | None, before: int, total: int
) -> Accumulator:
    variable = prepare(query).variable
    table = (
        code_table(variable.is_valid(np.arange(BINS, dtype=np.uint8))) if variable.dtype == "uint8" else None
    )
    values = None if table is None else variable.physical(table[1].astype(np.float64))
    accumulator = Accumulator(len(query.dates), values)

    def step(done: int, _: int, read: int) -> None:
        if progress is not None:
            progress(before + done, total, read)

    for partial in engine(name)(tasks, step):
        accumulator.add(partial)
    return accumulator


def _estimate(query: Query, pixels: Coverage, name: str) -> Estimate:
    prepared = prepare(query)
    times, height, width = prepared.reader.shape
    blocks = {task.block for task in make_tasks(query, pixels)}
    readers = [prepared.reader, *prepared.own_layers.values()]
    time_chunks = sorted({int(position) // times for position in prepared.stored})
    chunks = len(blocks) * len(time_chunks) * len(readers)
    spread = sorted(blocks)[:: max(1, len(blocks) // _SAMPLE)][:_SAMPLE]
    middle = time_chunks[len(time_chunks) // 2]
    sampled = sum(reader.sizes([(middle, *block) for block in spread]) for reader in readers)
    raw = sum(np.dtype(reader.variable.dtype).itemsize for reader in readers) * times * height * width
    inside = int((pixels.runs[:, 3] - pixels.runs[:, 2]).sum()) + len(pixels.edges)
    work = raw * len(blocks) * len(time_chunks) / _DECODE_RATE + chunks * _CHUNK_SECONDS
    seconds = 0.02 + work / min(threads(), max(1, len(blocks)))
    return Estimate(
        chunks,
        int(sampled / len(spread) * len(blocks) * len(time_chunks)),
        inside * len(query.dates),
        seconds,
        choose(name, seconds),
    )


class _Result:
    """The arrays of a result, filled batch by batch."""

    def __init__(
        self,
        product: Product,
        query: Query,
        where: Aoi,
        names: tuple[str, ...],
        dates: NDArray[np.datetime64],
    ) -> None:
        self.product, self.query, self.where, self.names, self.dates = product, query, where, names, dates
        self.variable = product.variables[query.variable]
        self.found: dict[int, dict[str, NDArray[np.float64]]] = {}
        self.empty = {name: reduce(name, np.zeros(1), np.zeros((len(dates), 1))) for name in names}
        self.empty |= {name: np.zeros(len(dates)) for name in _COUNTS}

    def take(self, zones: NDArray[np.intp], accumulator: Accumulator) -> None:
        """Take over the groups of a batch of zones."""
        reduced = accumulator.reduce(self.names, self.variable.scale, self.variable.offset)
        for group in accumulator.groups:
            valid, masked, nodata = accumulator.counts(group)
            self.found[group] = {
                **self.empty, **reduced[group],
                "valid": valid, "masked": masked, "nodata": nodata, "count": valid + masked + nodata,
            }  # fmt: skip

    def take_outside(self, outside: NDArray[np.int64], where: Aoi) -> None:
        """Count pixels beyond the archive; with strata they belong to no class."""
        no_class = 0 if self.query.by is None else CLASSES - 1
        for zone in np.flatnonzero(outside).tolist():
            share = outside[zone] / ONE
            if self.query.weights == "area":  # its rows were not looked at: taken at the zone's middle
                share *= np.cos(np.radians(where.frame.geometry.iloc[zone].centroid.y))
            row = self.found.setdefault(zone * CLASSES + no_class, dict(self.empty))
            row["outside"] = row["outside"] + share
            row["count"] = row["count"] + share

    def dataset(self, coverage: str) -> xr.Dataset:
        """Return everything as a labelled dataset."""
        query, variable, frame = self.query, self.variable, self.where.frame
        classes = sorted({group % CLASSES for group in self.found})
        names = (*self.names, *_COUNTS)
        arrays = {name: np.zeros((len(frame), len(classes), len(self.dates))) for name in names}
        for name in names:
            arrays[name][:] = self.empty[name]
            for group, row in self.found.items():
                arrays[name][group // CLASSES, classes.index(group % CLASSES)] = row[name]
        with np.errstate(invalid="ignore", divide="ignore"):
            arrays["valid_fraction"] = np.where(arrays["count"] > 0, arrays["valid"] / arrays["count"], 0.0)
        dims = ("zone", "class", "time") if query.by else ("zone", "time")
        data = {
            name: (dims, array if query.by else array[:, 0], self._attributes(name))
            for name, array in arrays.items()
        }
        coords: dict[str, Any] = {
            "zone": ("zone", frame.index.to_numpy(dtype=object).astype(str)),
            "name": ("zone", frame["name"].astype(str).to_numpy(dtype=object).astype(str)),
            "geometry": ("zone", shapely.from_wkb(shapely.to_wkb(frame.geometry.to_numpy()))),
            "time": ("time", self.dates.astype("datetime64[ns]"), {"long_name": "first day of the period"}),
        }
        if query.by:
            layer = stratum(query.by, open_archive(query.url, snapshot=query.snapshot), query.product)
            words = (
                open_archive(query.url, snapshot=query.snapshot)[layer.product]
                .variables[layer.variable]
                .flags
            )
            coords["class"] = ("class", classes)
            coords["class_name"] = ("class", [words.get(code, "no data") for code in classes])
        return xr.Dataset(
            data,
            coords,
            {
                "product": query.product, "title": self.product.title, "variable": variable.name,
                "long_name": variable.long_name, "units": variable.units, "mask": query.mask or "",
                "by": query.by or "", "coverage": coverage, "weights": query.weights,
                "archive": query.url, "snapshot": query.snapshot,
                "citation": self.product.definition.citation, "license": self.product.definition.licence,
            },
        )  # fmt: skip

    def _attributes(self, name: str) -> dict[str, str]:
        if name in _COUNTS:
            return {"long_name": _COUNTS[name], "units": "pixels"}
        if name == "valid_fraction":
            return {"long_name": "valid / count", "units": "1"}
        units = self.variable.units
        if name == "var" and units != "1":
            units = f"({units})2"
        return {"long_name": f"{name} of {self.variable.long_name}", "units": units}
