"""What is measured: the engine's own call, and its result in the form that peers' results have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import xarray as xr
from numpy.typing import NDArray

import probav
from benchmarks.masked_statistics.data import PRODUCT
from benchmarks.masked_statistics.queries import STATS
from benchmarks.masked_statistics.world import CLASSES
from probav import storage
from probav.storage.locations import Place

REDUCERS = STATS[1:]


def ask(product: Any, frame: gpd.GeoDataFrame, by_class: bool, coverage: str, **options: Any) -> xr.Dataset:
    """Ask the engine a query."""
    by = "landcover" if by_class else None
    found: xr.Dataset = product.statistics(
        frame, mask="clear", by=by, reducers=REDUCERS, coverage=coverage, **options
    )
    return found


def estimated(product: Any, frame: gpd.GeoDataFrame, by_class: bool, coverage: str) -> float:
    """Return the seconds that the engine expects."""
    by = "landcover" if by_class else None
    return float(product.estimate(frame, mask="clear", by=by, coverage=coverage).seconds)


def table(found: xr.Dataset) -> NDArray[np.float64]:
    """Return a result as (zone, class, date, statistic)."""
    if "class" in found.dims:
        found = found.reindex({"class": range(1, CLASSES + 1)})
    else:
        found = found.expand_dims("class", axis=1)
    arrays = [found["valid" if name == "count" else name].values for name in STATS]
    arrays[0] = np.nan_to_num(arrays[0])
    return np.stack(arrays, -1)


class PlainPlaces:
    """Where chunks lie in such a folder: each is a file."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def find(self, array: str, key: tuple[int, int, int]) -> Place | None:
        """Return the file of a chunk; None if it was never written."""
        path = Path(self._folder, array, "c", *map(str, key))
        return Place(str(path), 0, path.stat().st_size) if path.exists() else None


class PlainStore:
    """A folder that holds every key of an archive, in the place of the archive's store."""

    def __init__(self, url: str, snapshot: str | None = None, tag: str | None = None) -> None:
        import zarr
        from zarr.storage import LocalStore

        self.url, self.snapshot = url, snapshot or "plain files"
        self.zarr_store = LocalStore(url, read_only=True)
        self.places = PlainPlaces(url)
        self.root = zarr.open_group(self.zarr_store, mode="r")


def open_product(path: str | Path, *, plain: bool = False, product: str = PRODUCT) -> Any:
    """Open the archive, or (`plain`) a folder of its keys, which only this benchmark can."""
    if plain:
        storage.Store = PlainStore  # type: ignore[assignment, misc]
    return probav.open_archive(str(path))[product]
