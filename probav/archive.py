"""An archive and its products as a user sees them."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from probav import storage, versions
from probav.errors import UnknownProductError, did_you_mean
from probav.grid import Grid
from probav.products import ProductDefinition, Variable

if TYPE_CHECKING:  # geopandas and xarray take a second to import: only where they are used
    import geopandas as gpd
    import xarray as xr
    from shapely.geometry.base import BaseGeometry

    from probav.catalogue import Catalogue
    from probav.combination import CombinedProduct, Prefer
    from probav.estimation import Estimate
    from probav.verification import VerifyReport

Progress = Callable[[int, int, int], None]
"""Called with tasks done, tasks in all, and bytes read so far."""


@dataclass(frozen=True)
class Extent:
    """What an archive holds of a product: where, how fine and when."""

    product: str
    bounds: tuple[float, float, float, float]
    crs: str
    resolution: tuple[float, float]
    first: datetime.date | None
    last: datetime.date | None
    dates: int

    def __str__(self) -> str:
        west, south, east, north = (f"{edge:.5f}" for edge in self.bounds)
        return (
            f"{self.product}: {west} to {east} east, {south} to {north} north ({self.crs}), "
            f"pixels of {self.resolution[0]:.6g} x {self.resolution[1]:.6g}, "
            f"{self.dates} dates from {self.first} to {self.last}"
        )


class Product:
    """A product in an archive, at the archive's snapshot.

    Get one by `archive["CGLS_NDVI300_V1"]`.
    """

    def __init__(self, store: storage.Store, name: str) -> None:
        self.id = name
        self.store = store
        group: Any = store.root[name]
        self.group = group
        self.definition: ProductDefinition = storage.stored_definition(group)
        self._arrays: dict[str, Any] = {}

    @property
    def title(self) -> str:
        """The product's name in words."""
        return self.definition.title

    @cached_property
    def grid(self) -> Grid:
        """The pixel grid of the whole product, of which the archive may hold a part."""
        return storage.stored_grid(self.group)

    @cached_property
    def variables(self) -> dict[str, Variable]:
        """The variables the archive holds, with the encoding it holds them in."""
        arrays = storage.variables_of(self.group)
        found = {array.basename: storage.stored_variable(array, self.definition) for array in arrays}
        return {name: found[name] for name in self.definition.variables if name in found}

    @cached_property
    def _stored_times(self) -> np.ndarray[Any, np.dtype[np.datetime64]]:
        return storage.stored_times(self.group)

    @cached_property
    def positions(self) -> np.ndarray[Any, np.dtype[np.intp]]:
        """Index on the stored time axis of each of `times`: late arrivals are stored at the end."""
        return np.argsort(self._stored_times, kind="stable")

    @cached_property
    def times(self) -> np.ndarray[Any, np.dtype[np.datetime64]]:
        """The dates the archive holds, sorted: first day of each period (datetime64[D])."""
        times: np.ndarray[Any, np.dtype[np.datetime64]] = self._stored_times[self.positions]
        return times

    def array(self, variable: str) -> Any:
        """Return the Zarr array of a variable: (time, y, x) of DNs, times in stored order."""
        if variable not in self._arrays:
            self._arrays[variable] = self.group[variable]
        return self._arrays[variable]

    @cached_property
    def _windows(self) -> list[dict[str, Any]]:
        """The windows (tiles) that were taken in, with the dates of each."""
        ranks = self.group["source_rank"][:]
        windows = []
        for index, tile in enumerate(storage.stored_info(self.group)["tiles"]):
            days = self._stored_times[ranks[:, index] > 0]
            if len(days):
                windows.append({**tile, "first": days.min(), "last": days.max(), "dates": len(days)})
        return windows

    @cached_property
    def held(self) -> BaseGeometry:
        """What was taken in, in pixel coordinates (column, row): the union of the windows."""
        import shapely

        return shapely.union_all([
            shapely.box(w["column"], w["row"], w["column"] + w["width"], w["row"] + w["height"])
            for w in self._windows
        ])  # fmt: skip

    @property
    def extent(self) -> Extent:
        """Where, how fine and when the archive holds this product."""
        grids = [self.window_grid(window).bounds for window in self._windows]
        edges = np.array(grids or [self.grid.bounds])
        days = self.times
        return Extent(
            self.id,
            (*edges[:, :2].min(axis=0).tolist(), *edges[:, 2:].max(axis=0).tolist()),
            self.grid.crs,
            (1 / self.grid.nx, 1 / self.grid.ny),
            days[0].item() if len(days) else None,
            days[-1].item() if len(days) else None,
            len(days),
        )

    def window_grid(self, window: Mapping[str, Any]) -> Grid:
        """Return the grid of one of the windows (tiles) that were taken in."""
        return self.grid.window(window["row"], window["column"], window["height"], window["width"])

    def footprint(self) -> gpd.GeoDataFrame:
        """Return what the archive holds of this product, tile by tile.

        Returns
        -------
        GeoDataFrame
            tile, first, last, dates (number) and geometry (outer pixel edges, EPSG:4326).
        """
        import geopandas as gpd
        import shapely

        rows = [
            {
                "tile": window["name"],
                "first": pd.Timestamp(window["first"]),
                "last": pd.Timestamp(window["last"]),
                "dates": window["dates"],
                "geometry": shapely.box(*self.window_grid(window).bounds),
            }
            for window in self._windows
        ]
        columns = ["tile", "first", "last", "dates", "geometry"]
        return gpd.GeoDataFrame(rows, columns=columns, geometry="geometry", crs=self.grid.crs).to_crs(
            "EPSG:4326"
        )

    @property
    def size(self) -> int:
        """Bytes of the pixels held, uncompressed."""
        per_pixel = sum(np.dtype(variable.dtype).itemsize for variable in self.variables.values())
        return per_pixel * sum(int(w["height"] * w["width"] * w["dates"]) for w in self._windows)

    def load(self, aoi: Any = None, time: Any = None, mask: str | None = None, **options: Any) -> xr.Dataset:
        """Return pixels as a lazy xarray.Dataset; see `probav.loading.load`."""
        from probav.loading import load

        return load(self, aoi, time, mask, **options)

    def statistics(self, aoi: Any, time: Any = None, mask: str | None = None, **options: Any) -> xr.Dataset:
        """Return masked statistics of areas over time; see `probav.statistics.statistics`."""
        from probav.statistics import statistics

        return statistics(self, aoi, time, mask, **options)

    def estimate(self, aoi: Any, time: Any = None, mask: str | None = None, **options: Any) -> Estimate:
        """Return what `statistics` with the same arguments would read and cost."""
        from probav.statistics import estimate

        return estimate(self, aoi, time, mask, **options)

    def explain_mask(self, aoi: Any, time: Any = None, mask: str = "", **options: Any) -> xr.Dataset:
        """Return how many pixels each condition of a mask leaves out; see `probav.explain_mask`."""
        from probav.explanation import explain_mask

        return explain_mask(self, aoi, time, mask, **options)

    def __repr__(self) -> str:
        return f"<Product {self.extent}; variables {', '.join(self.variables)}>"


class Archive:
    """A versioned archive of products, at one snapshot. Open one with `probav.open_archive`."""

    def __init__(self, store: storage.Store) -> None:
        self.store = store
        self._products: dict[str, Product] = {}

    @property
    def url(self) -> str:
        """Where the archive is."""
        return self.store.url

    @property
    def snapshot(self) -> str:
        """Id of the snapshot in use: the same id gives the same data for ever."""
        return self.store.snapshot

    @cached_property
    def ids(self) -> list[str]:
        """Ids of the products held."""
        return sorted(name for name, group in self.store.root.groups() if storage.is_product(group))

    @property
    def products(self) -> pd.DataFrame:
        """What the archive holds, a row a product.

        Indexed by id: title, variables, grid, first, last, dates, tiles, size (uncompressed bytes).
        """

        def row(product: Product) -> dict[str, Any]:
            extent = product.extent
            return {
                "id": product.id,
                "title": product.title,
                "variables": ", ".join(product.variables),
                "grid": f"{extent.resolution[0]:.6g} {extent.crs}",
                "first": pd.Timestamp(extent.first) if extent.first else pd.NaT,
                "last": pd.Timestamp(extent.last) if extent.last else pd.NaT,
                "dates": extent.dates,
                "tiles": len(product._windows),
                "size": product.size,
            }

        with ThreadPoolExecutor(8) as pool:  # an object store answers each question in its own time
            rows = list(pool.map(row, self))
        columns = ["id", "title", "variables", "grid", "first", "last", "dates", "tiles", "size"]
        return pd.DataFrame(rows, columns=columns).set_index("id")

    @property
    def history(self) -> pd.DataFrame:
        """The snapshots up to this one, newest first.

        Columns: snapshot, time (UTC), message, product, first, last, dates (what it wrote) and tags.
        """
        return versions.history(self.store)

    @property
    def tags(self) -> pd.DataFrame:
        """The tags of the archive, for `open_archive(tag=...)`: tag, snapshot, time (UTC), message."""
        return versions.tags(self.store)

    def tag(self, name: str) -> None:
        """Give this snapshot a name that stays; see `probav.versions.tag`."""
        versions.tag(self.store, name)

    def untag(self, name: str) -> None:
        """Take a tag away for ever; see `probav.versions.untag`."""
        versions.untag(self.store, name)

    def diff(self, since: Archive | str) -> pd.DataFrame:
        """Return what changed since another snapshot (or tag) of this archive; see `probav.versions.diff`."""
        other = since.store if isinstance(since, Archive) else versions.version(self.url, since)
        return versions.diff(self.store, other)

    def expire(self, older_than: versions.Age, *, keep: int = 1, yes: bool = False) -> pd.DataFrame:
        """Forget old snapshots that no tag names; see `probav.versions.expire`."""
        return versions.expire(self.url, older_than, keep=keep, yes=yes)

    def collect(self, *, grace: versions.Age = "1 day", yes: bool = False) -> storage.Collected:
        """Throw away what no snapshot needs; see `probav.versions.collect`."""
        return versions.collect(self.url, grace=grace, yes=yes)

    @cached_property
    def catalogue(self) -> Catalogue:
        """The archive as a STAC catalogue, to search and to write."""
        from probav.catalogue import Catalogue

        return Catalogue(self)

    def combine(self, *names: str, harmonise: str | None = None, prefer: Prefer = "last") -> CombinedProduct:
        """Return products of this archive as one series; see `probav.combination.combine`."""
        from probav.combination import combine

        return combine(*(self[name] for name in names), harmonise=harmonise, prefer=prefer)

    def verify(self, *, threads: int | None = None, progress: Progress | None = None) -> VerifyReport:
        """Read everything back and say what is wrong; see `probav.verification.verify`."""
        from probav.verification import verify

        return verify(self, threads=threads, progress=progress)

    def by_role(self, role: str) -> Product | None:
        """Return the product that masks and strata know as `role` ("landcover"), if the archive holds it."""
        return next((product for product in self if product.definition.role == role), None)

    def __getitem__(self, name: str) -> Product:
        for known in self.ids:
            if known.casefold() == str(name).casefold():
                if known not in self._products:
                    self._products[known] = Product(self.store, known)
                return self._products[known]
        raise UnknownProductError(
            f"The archive {self.url} holds no product {name!r}.{did_you_mean(name, self.ids)}"
        )

    def __iter__(self) -> Iterator[Product]:
        return (self[name] for name in self.ids)

    def __contains__(self, name: object) -> bool:
        return str(name).casefold() in {known.casefold() for known in self.ids}

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"<Archive {self.url} at snapshot {self.snapshot}: {', '.join(self.ids) or 'empty'}>"


def open_archive(url: str | None = None, *, snapshot: str | None = None, tag: str | None = None) -> Archive:
    """Open an archive for reading.

    Parameters
    ----------
    url : str or path, optional
        Path, file:// or s3:// URL; $PROBAV_ARCHIVE, else the local demo archive, if not given.
    snapshot, tag : str, optional
        Pin to this version; the newest one otherwise.

    Raises
    ------
    ArchiveError
        If there is no archive, or no such version of it.
    """
    return Archive(storage.Store(str(url) if url is not None else storage.default_url(), snapshot, tag))


@lru_cache(maxsize=16)
def opened(url: str, snapshot: str) -> Archive:
    """Return an archive at a snapshot, opened once a process: what it holds can't change."""
    return open_archive(url, snapshot=snapshot)


def create_archive(url: str) -> Archive:
    """Make an empty archive at a path or URL.

    Raises
    ------
    ArchiveError
        If there is something already, or it can't be written.
    """
    storage.create(str(url))
    return open_archive(str(url))
