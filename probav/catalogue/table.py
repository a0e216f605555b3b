"""The items of an archive as columns: one item is one window (tile) of one product at one date."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Transformer

from probav import storage
from probav.archive import Product
from probav.grid import Grid
from probav.products.cadences import Cadence, period_end
from probav.times import Days


@dataclass(frozen=True)
class Window:
    """A window of a product: what all its items share.

    Attributes
    ----------
    product : str
    name : str
        Of the tile; unique within the product.
    cadence : str
        Of the product.
    grid : Grid
        Of the window.
    row, column : int
        Its first pixel on the product's grid.
    footprint : shapely geometry
        Outer pixel edges, EPSG:4326. It may reach half a pixel beyond 180 degrees.
    """

    product: str
    name: str
    cadence: Cadence
    grid: Grid
    row: int
    column: int
    footprint: Any


@dataclass(frozen=True)
class ItemTable:
    """Items, sorted by product, date and window.

    Attributes
    ----------
    windows : list of Window
    window : (n,) int32
        Index into `windows`.
    date : (n,) datetime64[D]
        First day of the period.
    rank : (n,) int64
        Of the source: a later version or consolidation step has a higher one.
    digest : (n,) bytes of 32
        SHA-256 of the source.
    cloud : (n,) float32, percent
        Pixels flagged as cloud; NaN where not counted, infinite where no pixel is held.
    """

    windows: list[Window]
    window: NDArray[np.int32]
    date: Days
    rank: NDArray[np.int64]
    digest: NDArray[np.bytes_]
    cloud: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.window)

    def take(self, chosen: NDArray[Any] | slice) -> ItemTable:
        """Return some of the items."""
        return ItemTable(
            self.windows, self.window[chosen], self.date[chosen], self.rank[chosen], self.digest[chosen],
            self.cloud[chosen],
        )  # fmt: skip

    def with_cloud(self, cloud: NDArray[np.float32]) -> ItemTable:
        """Return the same items with other cloud cover."""
        return replace(self, cloud=cloud)

    def ids(self) -> list[str]:
        """Return the id of each item: product, tile and date."""
        dates, which = np.unique(self.date, return_inverse=True)
        days = np.array([str(day).replace("-", "") for day in dates], object)
        heads = np.array([f"{window.product}_{window.name}_" for window in self.windows], object)
        return list(heads[self.window] + days[which])

    def last_days(self) -> Days:
        """Return the last day of each item's period."""
        last = self.date.copy()
        cadence = np.array([window.cadence for window in self.windows], object)[self.window]
        for each in {window.cadence for window in self.windows}:
            of_each = cadence == each
            last[of_each] = period_end(self.date[of_each], each) - np.timedelta64(1, "D")
        return last


def item_table(product: Product) -> ItemTable:
    """Return the items of a product, their cloud cover not known."""
    ranks = np.asarray(storage.array_of(product.group, "source_rank")[:])
    digests = np.asarray(storage.array_of(product.group, "source_digest")[:])
    windows = _windows(product)
    position, window = np.nonzero(ranks)
    date = storage.stored_times(product.group)[position]
    order = np.lexsort((window, date))
    position, window = position[order], window[order]
    return ItemTable(
        windows,
        window.astype(np.int32),
        date[order],
        ranks[position, window] - 1,
        np.ascontiguousarray(digests[position, window]).view("S32").reshape(-1),
        np.full(len(order), np.nan, np.float32),
    )


def joined(tables: Iterable[ItemTable]) -> ItemTable:
    """Return the items of several products as one table, in the order given."""
    parts = list(tables)
    firsts = np.cumsum([0, *(len(part.windows) for part in parts)])[:-1]
    empty = ItemTable(
        [], np.empty(0, np.int32), np.empty(0, "datetime64[D]"), np.empty(0, np.int64), np.empty(0, "S32"),
        np.empty(0, np.float32),
    )  # fmt: skip
    return ItemTable(
        [window for part in parts for window in part.windows],
        np.concatenate([
            empty.window, *(part.window + int(first) for part, first in zip(parts, firsts, strict=True)),
        ]).astype(np.int32),
        *(
            np.concatenate([getattr(part, name) for part in (empty, *parts)])
            for name in ("date", "rank", "digest", "cloud")
        ),
    )  # fmt: skip


def _windows(product: Product) -> list[Window]:
    found: dict[str, Window] = {}
    for tile in storage.stored_info(product.group)["tiles"]:
        name = str(tile["name"])
        if name in found:  # windows are only ever added: the first keeps the plain name
            name += "-r{row}c{column}h{height}w{width}".format(**tile)
        grid = product.window_grid(tile)
        found[name] = Window(
            product.id, name, product.definition.cadence, grid, tile["row"], tile["column"], footprint(grid)
        )
    return list(found.values())


def footprint(grid: Grid) -> Any:
    """Return the outer pixel edges of a grid in degrees of EPSG:4326.

    The box of its longitudes and latitudes where its outline can't be transformed as it is, because it
    crosses 180 degrees or the rim of its projection.
    """
    west, south, east, north = grid.bounds
    outline = shapely.box(west, south, east, north)
    if grid.is_geographic:
        return outline
    transformer = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True)
    points = shapely.get_coordinates(shapely.segmentize(outline, max(east - west, north - south) / 20))
    lon, lat = transformer.transform(*points.T)
    if np.isfinite(lon).all() and np.isfinite(lat).all() and np.abs(np.diff(lon)).max() < 180:
        shape = shapely.Polygon(np.column_stack([lon, lat]))
        if shape.is_valid:
            return shape
    left, bottom, right, top = transformer.transform_bounds(west, south, east, north, densify_pts=21)
    if not np.isfinite([left, bottom, right, top]).all():
        left, bottom, right, top = -180.0, -90.0, 180.0, 90.0
    return shapely.box(left, bottom, right if left <= right else right + 360, top)
