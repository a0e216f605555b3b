"""What an archive holds as a SpatioTemporal Asset Catalogue: collections, items, search, files to serve."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from probav.archive import Archive, Product, Progress
from probav.catalogue import clouds
from probav.catalogue.items import collection, items_of
from probav.catalogue.search import frame, select
from probav.catalogue.table import ItemTable, item_table, joined
from probav.errors import QueryError

if TYPE_CHECKING:
    import geopandas as gpd


class Catalogue:
    """The catalogue of an archive at its snapshot. Get one by `archive.catalogue`.

    A product is a collection; an item is one window (tile) of it at one date.

    Parameters
    ----------
    archive : Archive
    """

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        self._tables: dict[str, ItemTable] = {}
        self._joined: ItemTable | None = None

    def collections(self) -> list[dict[str, Any]]:
        """Return the STAC collection of each product."""
        return [collection(product, self._table(product.id), self.archive) for product in self.archive]

    def items(self, product: str) -> Iterator[dict[str, Any]]:
        """Yield the STAC items of a product, by date and tile.

        Raises
        ------
        UnknownProductError
            If the archive doesn't hold it.
        """
        known = self.archive[product]
        return items_of(known, self._table(known.id), self.archive)

    def count_clouds(self, product: str | None = None, *, progress: Progress | None = None) -> None:
        """Count the cloud cover of items where it isn't known yet: what `search(cloud_cover=)` needs.

        Reads the status maps once; sources that were counted before are not read again, in this archive, at
        another snapshot or in another archive. Counts are kept in $PROBAV_CATALOGUE, else this user's cache.

        Parameters
        ----------
        product : str, optional
            All that have a cloud mask if not given.
        progress : callable, optional
            Called with items done, items in all and bytes read, product by product.

        Raises
        ------
        UnknownProductError
            If the archive doesn't hold it.
        QueryError
            If it has no cloud mask.
        ArchiveError
            If the counts can't be kept.
        """
        chosen = list(self.archive) if product is None else [self.archive[product]]
        for known in chosen:
            if clouds.has_clouds(known):
                self._tables[known.id] = clouds.counted(known, self._table(known.id), progress)
            elif product is not None:
                raise _no_clouds(known.id)
        self._joined = None

    def search(
        self,
        product: str | None = None,
        bbox: Sequence[float] | None = None,
        time: Any = None,
        cloud_cover: float | None = None,
        limit: int | None = None,
    ) -> gpd.GeoDataFrame:
        """Return the items that meet every condition.

        Parameters
        ----------
        product : str, optional
            All if not given.
        bbox : (west, south, east, north), degrees, optional
            Items that touch it; west > east crosses 180 degrees.
        time : str, date, pair or slice, optional
            Both ends included; a composite belongs to the first day of its period.
        cloud_cover : float, percent, optional
            The highest that is taken. Needs `count_clouds`; products without clouds are left out.
        limit : int, optional
            The first so many.

        Returns
        -------
        GeoDataFrame
            Indexed by id: product, tile, start, end (first and last day), cloud_cover (percent, NaN where
            not known) and geometry (outer pixel edges, EPSG:4326).

        Raises
        ------
        UnknownProductError, AoiError, TimeError, QueryError
            If a condition can't be understood, or the cloud cover was never counted.
        """
        chosen = None if product is None else self.archive[product]
        items = select(self._all if chosen is None else self._table(chosen.id), bbox, time)
        if cloud_cover is not None:
            self._check_counted(items, chosen)
        return frame(select(items, cloud_cover=cloud_cover, limit=limit))

    def write(self, folder: str | Path) -> Path:
        """Write a static, self-contained STAC catalogue and return its catalog.json.

        For each product collection.json, the items as lines of JSON and as GeoParquet (stac-geoparquet). The
        cloud cover of items is there where `count_clouds` has counted it. A catalogue that is there is
        replaced.

        Raises
        ------
        ArchiveError
            If the folder holds something else, or can't be written; nothing is changed then.
        MissingExtraError
            If the extra "stac" is not installed.
        """
        from probav.catalogue.static import write

        write(
            Path(folder),
            f"Archive {self.archive.url} at snapshot {self.archive.snapshot}",
            self.archive.snapshot,
            ((document, self.items(document["id"])) for document in self.collections()),
        )
        return Path(folder) / "catalog.json"

    def _table(self, product: str) -> ItemTable:
        if product not in self._tables:
            known = self.archive[product]
            self._tables[product] = clouds.known(known, item_table(known))
        return self._tables[product]

    @property
    def _all(self) -> ItemTable:
        if self._joined is None:
            self._joined = joined(self._table(name) for name in self.archive.ids)
        return self._joined

    def _check_counted(self, items: ItemTable, chosen: Product | None) -> None:
        cloudy = {product.id for product in self.archive if clouds.has_clouds(product)}
        if chosen is not None and chosen.id not in cloudy:
            raise _no_clouds(chosen.id)
        of_cloudy = np.array([window.product in cloudy for window in items.windows], bool)
        if missing := int((np.isnan(items.cloud) & of_cloudy[items.window]).sum()):
            raise QueryError(
                f"The cloud cover of {missing} of {len(items)} items was never counted; "
                "archive.catalogue.count_clouds() (probav archive catalogue --clouds) does it once."
            )


def _no_clouds(product: str) -> QueryError:
    return QueryError(f"{product} has no cloud mask in this archive, so its items have no cloud cover.")


__all__ = ["Catalogue"]
