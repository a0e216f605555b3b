"""Masked statistics of areas over time: the call a user makes, from an area to a labelled result."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any

import xarray as xr

from probav import areas, remembered
from probav.archive import Product, Progress, opened
from probav.areas import Aoi
from probav.caches import CACHE
from probav.choices import DEFAULT_REDUCERS, ENGINES, WEIGHTS
from probav.coverage import Coverage, coverage
from probav.errors import OutsideError, QueryError, did_you_mean
from probav.estimation import Estimate, cost, to_read
from probav.execution import at_once, choose, run_batches
from probav.masks import parse_mask
from probav.metering import metered
from probav.query import Query, stratum
from probav.reducers import check_reducers
from probav.reducing import Reduced
from probav.steps import Steps
from probav.tables import Tables, has_bins
from probav.tasks import make_batches
from probav.times import group_times, select

_MOST_STRATA = 2


def statistics(
    product: Product,
    aoi: Any,
    time: Any = None,
    mask: str | None = None,
    *,
    by: str | Sequence[str] | None = None,
    variable: str | Sequence[str] | None = None,
    reducers: Sequence[str] = DEFAULT_REDUCERS,
    by_time: str | None = None,
    coverage: str = "fraction",
    weights: str = "pixel",
    engine: str = "auto",
    cache: bool = False,
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
    by : str or pair of str, optional
        One or two categorical layers ("landcover") to split each zone by; two are crossed.
    variable : str or sequence of str, optional
        The product's main variable if not given. Several are counted in one pass over masks and classes.
    reducers : sequence of str
        Any of mean, std, var, min, max, sum, mode, median, iqr, p0 to p100, below_X and above_X (fraction of
        the valid pixels below or above a value), area (of the valid pixels, km2) and histogram; see
        `probav.reducers`. Counts are always given.
    by_time : {"month", "season", "year", "dekad-of-year", "month-of-year"}, optional
        Count all dates of a period together, exactly, as if they were one image with more pixels.
    coverage : {"fraction", "centre", "touched", "bilinear"}
        How polygons cover pixels; "bilinear" is for points; see `probav.coverage`.
    weights : {"pixel", "area"}
        "area" counts each pixel with the cosine of its latitude, so that counts are in pixels at the equator.
    engine : {"auto", "local", "spark"}
    cache : bool
        Keep the result on the disk, under snapshot and query, and take it from there when it is asked again;
        see `probav.remembered`.
    progress : callable, optional
        Called with tasks done, tasks in all and bytes read.

    Returns
    -------
    xarray.Dataset
        Dimensions ([variable,] zone, [class, [class2,]] time), one zone a feature in input order. The
        reducers in physical units, NaN where no pixel is valid, and always count, valid, masked, nodata,
        outside (float64, pixels) and valid_fraction. Counts include partly covered pixels with their covered
        part. With `by_time`, counts are pixels times dates.

    Raises
    ------
    OutsideError
        If no feature meets what the archive holds.
    TimeError, MaskError, UnknownNameError, QueryError, AoiError
        If an argument can't be understood; nothing is read then.
    BudgetError
        If the distinct values of a variable with more than 8 bits outgrow the memory budget, or a meter (a
        hub's budget of bytes) doesn't let the query begin or go on.
    """
    where = areas.aoi(aoi)
    query, labels = _query(product, time, mask, by, variable, weights, check_reducers(reducers), by_time)
    _checked(engine, ENGINES, "engine")
    pixels, area = _covered(product, where, coverage)
    tables = Tables(product, query, where, pixels, labels, by_time, coverage, single=_is_one(variable))

    def compute() -> xr.Dataset:
        work = [replace(query, weights="km2", reducers=()), query] if "area" in query.reducers else [query]
        steps = Steps(progress, len(work))
        for part in work:
            for reduced in _computed(part, pixels, area, engine, steps.of_run()):
                tables.take(reduced, part.weights)
        return tables.dataset()

    return remembered.result(tables.attributes, where, compute) if cache else compute()


def estimate(
    product: Product,
    aoi: Any,
    time: Any = None,
    mask: str | None = None,
    *,
    by: str | Sequence[str] | None = None,
    variable: str | Sequence[str] | None = None,
    reducers: Sequence[str] = DEFAULT_REDUCERS,
    by_time: str | None = None,
    coverage: str = "fraction",
    weights: str = "pixel",
    engine: str = "auto",
    **_: Any,
) -> Estimate:
    """Return what `statistics` with the same arguments would read and cost.

    A few of the query's chunks are read and counted to see how long that takes here.

    Raises
    ------
    OutsideError, TimeError, MaskError, UnknownNameError, QueryError, AoiError
        As `statistics`.
    """
    start = perf_counter()
    query, _ = _query(product, time, mask, by, variable, weights, check_reducers(reducers), by_time)
    pixels, area = _covered(product, areas.aoi(aoi), coverage)
    checked = perf_counter() - start
    found = cost(query, pixels, area)
    seconds = found.seconds + checked
    engine = choose(_checked(engine, ENGINES, "engine"), lambda: seconds)
    return replace(found, seconds=seconds, engine=engine)


def _computed(query: Query, pixels: Coverage, area: str, name: str, progress: Progress) -> list[Reduced]:
    """Run a query batch by batch; return its final numbers."""
    name = choose(name, lambda: cost(query, pixels, area).seconds)
    batches = make_batches(query, pixels, at_once(name), area)
    with metered(name, lambda: to_read(query, batches), progress) as step:
        return run_batches(name, batches, pixels.zones, step)


def _is_one(variable: Any) -> bool:
    return variable is None or isinstance(variable, str)


def _checked(value: str, choices: tuple[str, ...], what: str) -> str:
    if value not in choices:
        raise QueryError(f"There is no {what} {value!r}.{did_you_mean(value, choices)}")
    return value


def _query(
    product: Product,
    time: Any,
    mask: str | None,
    by: str | Sequence[str] | None,
    variable: str | Sequence[str] | None,
    weights: str,
    reducers: tuple[str, ...],
    by_time: str | None,
) -> tuple[Query, Any]:
    """Check everything that can be checked without reading a pixel; return the query and its time labels."""
    archive = opened(product.store.url, product.store.snapshot)
    names = [variable] if variable is None or isinstance(variable, str) else list(variable)
    chosen = [product.definition.variable(name) for name in names]
    if not chosen:
        raise QueryError(f"variable is empty; expected one or more of {', '.join(product.variables)}.")
    for item in chosen:
        if item.name not in product.variables:
            raise QueryError(
                f"The archive holds no {item.name} of {product.id}, only {', '.join(product.variables)}."
            )
        if product.variables[item.name].kind != "continuous":
            raise QueryError(
                f"{item.long_name} is no quantity that has a mean; use it as by={item.name!r} or in a mask."
            )
        if "histogram" in reducers and not has_bins(product.variables[item.name]):
            raise QueryError(
                f"{item.name} of {product.id} has too many values for the reducer 'histogram', which is for "
                "8-bit variables with at most 254 values; ask for percentiles (p0 to p100) or thresholds "
                "(below_0.2) instead."
            )
    if (
        "histogram" in reducers
        and len({(product.variables[item.name].scale, item.offset, item.valid) for item in chosen}) > 1
    ):
        raise QueryError(
            "The histograms of variables with different scales don't fit in one array; ask for one variable "
            "at a time."
        )
    shapes = {product.array(item.name).chunks for item in chosen}
    if len(shapes) > 1:
        raise QueryError(
            f"{', '.join(item.name for item in chosen)} of {product.id} are stored in chunks of different "
            "size; ask for one variable at a time."
        )
    strata = () if by is None else (by,) if isinstance(by, str) else tuple(by)
    if len(strata) > _MOST_STRATA:
        raise QueryError(f"by has {len(strata)} layers; expected one or two, such as ('landcover', 'SM').")
    if mask is not None:
        parse_mask(mask, product, archive)
    for name in strata:
        stratum(name, archive, product.id)
    dates = select(product.times, time, product.id)
    results, labels = group_times(product.times[dates], by_time)
    query = Query(
        product.store.url,
        product.store.snapshot,
        product.id,
        tuple(dict.fromkeys(item.name for item in chosen)),
        mask,
        strata,
        _checked(weights, WEIGHTS, "weights"),
        tuple(dates.tolist()),
        tuple(results.tolist()),
        reducers,
    )
    return query, labels


def _covered(product: Product, where: Aoi, rule: str) -> tuple[Coverage, str]:
    """Return the pixels of an area, and what they are known by in caches."""
    text = repr((where.digest, product.grid, product.held.wkb_hex, rule))
    area = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    pixels = CACHE.get(
        ("coverage", area), lambda: coverage(where, product.grid, product.held, rule), lambda made: made.size
    )
    if pixels.is_empty:
        west, south, east, north = (f"{edge:.4f}" for edge in where.bounds)
        raise OutsideError(
            f"The area ({west}, {south}, {east}, {north}) lies outside of what the archive holds. "
            f"{product.extent}."
        )
    return pixels, area
