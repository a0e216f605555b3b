"""How many pixels of a product an area covers, without looking at any of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import shapely

from probav import areas
from probav.coverage import coverage

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from probav.archive import Product
    from probav.areas import Aoi
    from probav.grid import Grid


def pixel_counts(products: Iterable[Product], aoi: Aoi) -> pd.DataFrame:
    """Return how many pixels of each product an area covers, parts of pixels counted as parts.

    The sum of covered fractions of a polygon is its area in pixels, so nothing is rasterised: a country
    takes as long as a field. Pixels that several features cover count for each of them, as in statistics.

    Parameters
    ----------
    products : iterable of Product
    aoi : Aoi, or anything `probav.aoi` takes

    Returns
    -------
    DataFrame
        Indexed by product: resolution (CRS units of a column), pixels (of the whole grid) and held (of what
        the archive holds), both sums of fractions.
    """
    where = areas.aoi(aoi)
    known: dict[tuple[Grid, bytes], tuple[float, float]] = {}
    rows = []
    for product in products:
        key = product.grid, product.held.wkb
        if key not in known:
            known[key] = _count(where, product.grid, product.held)
        rows.append((product.id, 1 / product.grid.nx, *known[key]))
    return pd.DataFrame(rows, columns=["product", "resolution", "pixels", "held"]).set_index("product")


def _count(where: Aoi, grid: Grid, held: BaseGeometry) -> tuple[float, float]:
    frame = where.frame.geometry if grid.is_geographic else where.frame.geometry.to_crs(grid.crs)
    shapes = shapely.transform(frame.to_numpy(), lambda xy: np.column_stack(grid.pixels(xy[:, 0], xy[:, 1])))
    bounds = shapely.bounds(shapes)
    over_the_seam = grid.goes_round and bool((bounds[:, 0] < 0).any() or (bounds[:, 2] > grid.width).any())
    if over_the_seam or (shapely.get_dimensions(shapes) < 2).any():  # points and lines have no area
        covered = coverage(where, grid, held)
        inside = float(covered.totals().sum())
        return inside + (float(covered.beyond.totals().sum()) if covered.beyond else 0.0), inside
    whole = float(shapely.area(shapes).sum())
    shapely.prepare(held)
    if shapely.contains(held, shapely.box(*shapely.total_bounds(shapes))):
        return whole, whole
    return whole, float(shapely.area(shapely.intersection(shapes, held)).sum())
