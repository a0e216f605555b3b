"""Where a mask leaves pixels out, and why: one date of an area as a map of reasons."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from probav import areas
from probav.archive import Product, opened
from probav.coverage import coverage
from probav.errors import QueryError
from probav.explanation import Conditions

OUT, VALID, NODATA, FIRST = 0, 1, 2, 3
"""Codes of a map: not in the area, valid, no data; the reasons follow."""


def map_reasons(
    product: Product, aoi: Any, time: Any, mask: str, *, variable: str | None = None
) -> xr.DataArray:
    """Return the first condition that each pixel of an area fails, in the order of the mask, at one date.

    Parameters
    ----------
    product : Product
    aoi : Aoi, or anything `probav.aoi` takes
    time : str or date
        Of which the product has one date.
    mask : str
    variable : str, optional
        Whose values count; the product's main variable if not given.

    Returns
    -------
    xarray.DataArray
        (y, x) uint8: 0 not touched by the area, 1 valid, 2 no data, and from 3 on the reasons in the
        attribute `reasons`: conditions, or their causes where a status map tells them.

    Raises
    ------
    QueryError
        If there are several dates, or more reasons than a map has codes.
    MaskError, UnknownNameError, TimeError, OutsideError, AoiError
        As `Product.load`.
    """
    where = areas.aoi(aoi)
    conditions = Conditions(mask, product, opened(product.store.url, product.store.snapshot))
    names = [reason.name for reason in conditions.leaves]
    base = product.load(where, time, variable=variable, clip=False)
    if base.sizes["time"] != 1:
        first, last = (str(day)[:10] for day in base["time"].to_numpy()[[0, -1]])
        raise QueryError(
            f"A map of reasons is of one date; {time!r} selects {base.sizes['time']} of {product.id}, "
            f"{first} to {last}."
        )
    if len(names) > 255 - FIRST:
        raise QueryError(f"The mask has {len(names)} reasons, more than a map has codes; explain fewer.")

    def values(text: str | None) -> NDArray[np.bool_]:
        pixels = product.load(where, time, text, variable=variable, clip=False)
        return np.asarray(np.isfinite(next(iter(pixels.data_vars.values())).to_numpy()[0]))

    valued = values(None)
    codes = np.where(valued, np.uint8(VALID), np.uint8(NODATA))
    undecided = valued
    for number, term in enumerate(conditions.terms):
        passes = values(term.text)
        failing = undecided & ~passes
        undecided = undecided & passes
        own = [i for i, reason in enumerate(conditions.leaves) if reason.term == number]
        if conditions.leaves[own[0]].codes is None:
            codes[failing] = FIRST + own[0]
            continue
        assert conditions.layer is not None
        layer = product.load(where, time, variable=conditions.layer.variable, clip=False)
        stored = layer[conditions.layer.variable].to_numpy()[0]
        for leaf in own:
            causes = conditions.leaves[leaf].codes
            assert causes is not None
            found = failing & causes[stored.astype(np.uint8)]
            codes[found] = FIRST + leaf
            failing = failing & ~found
    codes[~_touched(product, where, codes.shape)] = OUT
    found = next(iter(base.data_vars.values())).isel(time=0)
    return xr.DataArray(
        codes,
        {name: found[name] for name in ("y", "x", "time") if name in found.coords},
        ("y", "x"),
        "reason",
        {**base.attrs, "mask": mask, "variable": str(found.name), "reasons": names},
    )


def _touched(product: Product, where: areas.Aoi, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return which pixels of the window of an area it touches."""
    runs = coverage(where, product.grid, product.held, "touched").runs[:, 1:]
    top, left = runs[:, 0].min(), runs[:, 1].min()
    touched = np.zeros(shape, bool)
    for row, start, stop in runs.tolist():
        touched[row - top, start - left : stop - left] = True
    return touched
