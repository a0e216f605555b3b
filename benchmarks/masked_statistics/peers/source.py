"""What all peers share: the window an area needs, read from GeoTIFF or Zarr, and the pixels that count.

A peer gets the smallest window round the areas, and stored numbers of 8 bits: the cheapest input there is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import geopandas as gpd
import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.windows import Window
from rasterio.windows import transform as window_transform

from benchmarks.masked_statistics.data import CHUNKS, TRANSFORM, Series, to_pixels
from benchmarks.masked_statistics.queries import STATS
from benchmarks.masked_statistics.world import CLASSES

NODATA = 255
MOST_VALID = 250  # largest DN that is a value
_SCALE, _OFFSET = 0.004, -0.08
Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Work:
    """What a peer is asked.

    Attributes
    ----------
    series : Series
    frame : GeoDataFrame
    by_class : bool
    dates : int
        How many, from the first.
    most_classes : int
        How many classes, from the first.
    """

    series: Series
    frame: gpd.GeoDataFrame
    by_class: bool
    dates: int
    most_classes: int = CLASSES

    def part(self, dates: int, classes: int = CLASSES, zones: int | None = None) -> Work:
        """Return the same over fewer dates, classes or zones."""
        return replace(self, dates=dates, most_classes=classes, frame=self.frame.iloc[:zones])

    @property
    def classes(self) -> tuple[int, ...]:
        """Codes of the classes; one 0 where there are none."""
        return tuple(range(1, self.most_classes + 1)) if self.by_class else (0,)

    @property
    def window(self) -> Window:
        """The pixels within the areas' bounds, and one more on each side."""
        west, south, east, north = self.frame.total_bounds
        left, top = to_pixels(west, north)
        right, bottom = to_pixels(east, south)
        column, row = max(0, int(left) - 1), max(0, int(top) - 1)
        return Window(
            column, row,
            min(self.series.width, int(right) + 2) - column, min(self.series.height, int(bottom) + 2) - row,
        )  # fmt: skip

    @property
    def transform(self) -> Affine:
        """Pixels of the window to degrees."""
        return window_transform(self.window, TRANSFORM)

    def empty(self) -> NDArray[np.float64]:
        """Return the result to fill: (zone, class, date, statistic), all NaN but the counts."""
        found = np.full((len(self.frame), len(self.classes), self.dates, len(STATS)), np.nan)
        found[..., 0] = 0
        return found


@dataclass(frozen=True)
class Peer:
    """One contender.

    Attributes
    ----------
    name : str
    store : str
        "GeoTIFF" or "Zarr".
    rule : str
        "centre" or "fraction".
    run : callable
        Takes a Work and returns (zone, class, date, statistic) of physical values.
    points : bool
        Whether it answers for points; polygons otherwise.
    exact_percentiles : bool
        False: its definition of a percentile differs where pixels count in part.
    class_by_class : bool
        Whether its time is proportional to the classes, so that one may stand for all.
    by_hand : bool
        Whether it is a few lines for this very query rather than a tool.
    """

    name: str
    store: str
    rule: str
    run: Callable[[Work], NDArray[np.float64]]
    points: bool = False
    exact_percentiles: bool = True
    class_by_class: bool = False
    by_hand: bool = False


def clear(ndvi: Bytes, status: Bytes) -> Bytes:
    """Return NDVI with 255 where the pixel isn't clear: bits 0-2 of the status map are one number."""
    return np.where((status & 7) == 0, ndvi, np.uint8(NODATA))


def blocks(work: Work, store: str) -> Iterator[tuple[int, Bytes, Bytes]]:
    """Yield first date, NDVI (255: doesn't count) and land cover (y, x), in blocks as the store has them."""
    read = _GEOTIFF if store == "GeoTIFF" else _ZARR
    yield from read(work)


def _from_geotiff(work: Work) -> Iterator[tuple[int, Bytes, Bytes]]:
    def read(layer: str, number: int) -> Bytes:
        with rasterio.open(work.series.geotiff(layer, number)) as source:
            array: Bytes = source.read(1, window=work.window)
        return array

    cover = read("landcover", 0) if work.by_class else np.zeros((1, 1), np.uint8)
    for number in range(work.dates):
        yield number, clear(read("NDVI", number), read("SM", number))[None], cover


def _from_zarr(work: Work) -> Iterator[tuple[int, Bytes, Bytes]]:
    import zarr

    group: Any = zarr.open_group(work.series.folder / "cube.zarr", mode="r")
    rows, columns = work.window.toslices()
    cover = group["landcover"][rows, columns] if work.by_class else np.zeros((1, 1), np.uint8)
    for start in range(0, work.dates, CHUNKS[0]):
        times = slice(start, min(start + CHUNKS[0], work.dates))
        ndvi, status = (group[name][times, rows, columns] for name in ("NDVI", "SM"))
        yield start, clear(ndvi, status), cover


_GEOTIFF, _ZARR = _from_geotiff, _from_zarr


def opened(work: Work) -> Any:
    """Return NDVI (NaN where it doesn't count, float32) and land cover as xarray opens them, loaded."""
    import xarray as xr

    cube = xr.open_zarr(
        work.series.folder / "cube.zarr", mask_and_scale=False, consolidated=False, chunks=None
    )
    rows, columns = work.window.toslices()
    cube = cube.isel(time=slice(work.dates), y=rows, x=columns)
    good = ((cube["SM"] & 7) == 0) & (cube["NDVI"] != NODATA)
    return cube["NDVI"].astype("float32").where(good), cube["landcover"].load()


def physical(found: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn statistics of DNs into those of values, in place."""
    found[..., 1:] *= _SCALE
    found[..., 1] += _OFFSET
    found[..., 3:] += _OFFSET
    return found
