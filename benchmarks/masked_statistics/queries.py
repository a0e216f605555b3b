"""The queries: which series, which areas, by class or not, how many dates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd

from benchmarks.masked_statistics import areas
from benchmarks.masked_statistics.data import Series

STATS = ("count", "mean", "std", "min", "max", "p10", "p50", "p90")


@dataclass(frozen=True)
class Query:
    """One question; `areas(seed)` gives areas of its kind.

    Attributes
    ----------
    name : str
    title : str
    series : Series
    areas : callable
        Takes a seed, returns a GeoDataFrame.
    by_class : bool
        Whether each area is split by land cover.
    """

    name: str
    title: str
    series: Series
    areas: Callable[[int], gpd.GeoDataFrame]
    by_class: bool = False


@dataclass(frozen=True)
class Bench:
    """What one run measures: where its data lie and how large they are."""

    folder: Path
    size: int = 3360
    dates: int = 36
    long: int = 720

    @property
    def tile(self) -> Series:
        """The reference tile."""
        first = 36 * 14  # January 2015
        return Series(self.folder / f"tile-{self.size}-{self.dates}", self.size, self.size, first, self.dates)

    @property
    def small(self) -> Series:
        """A long series over 2 x 2 chunks."""
        return Series(self.folder / f"series-{self.long}", 560, 560, 0, self.long)

    @property
    def strip(self) -> Series:
        """A long series over one row of the tile's chunks."""
        folder = self.folder / f"strip-{self.size}-{self.long}"
        return Series(folder, 280, self.size, 0, self.long)

    def queries(self) -> dict[str, Query]:
        """The queries by name."""
        tile, small, strip, long = self.tile, self.small, self.strip, self.long
        side, dates = self.size, self.dates
        found = [
            Query("a", f"a: one polygon, {dates} dates", tile, lambda s: areas.polygon(side, side, s)),
            Query(
                "a10", f"a10: a x 10 classes, {dates} dates", tile,
                lambda s: areas.polygon(side, side, s), True,
            ),
            Query(
                "b", f"b: 50 districts x 10 classes, {dates} dates", tile,
                lambda s: areas.districts(side, side, s), True,
            ),
            Query("c", f"c: one point, {dates} dates", tile, lambda s: areas.point(side, side, s)),
            Query("c20", f"c20: one point, {long} dates", small, lambda s: areas.point(560, 560, s)),
            Query("d", f"d: small parcels, {dates} dates", tile, lambda s: areas.parcels(side, side, s)),
            Query(
                "strip", f"b over one chunk row, {long} dates", strip,
                lambda s: areas.districts(280, side, s), True,
            ),
        ]  # fmt: skip
        return {query.name: query for query in found}
