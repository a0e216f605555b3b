"""The data of the benchmark, made once into a folder: GeoTIFFs, the archive of them, and plain Zarr.

A series lies in a folder of its own: `geotiff/` one file a date and layer, `archive/` what `probav.ingest`
makes of them, `cube.zarr` the same arrays as plain Zarr, `keys/` the archive's keys as plain files.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray

from benchmarks.masked_statistics.world import CLASSES, World

PRODUCT = "PROBAV_L3_S10_TOC_333M"
SECOND = "PROBAV_L3_S10_TOC_NDVI_333M"  # another product on the same grid: NDVI alone
STEP = 1 / 336
# tile X18Y02: whole degrees are the centre of its first pixel
TRANSFORM = Affine(STEP, 0, -STEP / 2, 0, -STEP, 55 + STEP / 2)
CHUNKS = (12, 280, 280)
_LAND_COVER = f"""
id: BENCHMARK_LAND_COVER
title: Land cover of the benchmark
cadence: year
pattern: 'landcover_(?P<date>\\d{{4}})'
grid: {{x0: -180, y0: 75, nx: 336, ny: 336, width: 120960, height: 47040, crs: 'EPSG:4326'}}
variables:
  LC:
    dtype: uint8
    long_name: Land cover
    kind: categorical
    nodata: 255
    flags: {{{", ".join(f"{code}: class {code}" for code in range(1, CLASSES + 1))}}}
role: landcover
citation: made up
licence: CC0-1.0
"""


def to_degrees(x: Any, y: Any) -> tuple[Any, Any]:
    """Return longitude and latitude of places in pixels from the tile's corner."""
    return TRANSFORM.c + TRANSFORM.a * x, TRANSFORM.f + TRANSFORM.e * y


def to_pixels(longitude: Any, latitude: Any) -> tuple[Any, Any]:
    """Return places in pixels from the tile's corner: column, row."""
    return (longitude - TRANSFORM.c) / TRANSFORM.a, (latitude - TRANSFORM.f) / TRANSFORM.e


@dataclass(frozen=True)
class Series:
    """A series of NDVI and status maps in the top-left corner of a tile, with its land cover.

    Attributes
    ----------
    folder : Path
    height, width : int
        Pixels.
    first : int
        Dekads from January 2001 to the first date.
    dates : int
    """

    folder: Path
    height: int
    width: int
    first: int
    dates: int

    @property
    def days(self) -> NDArray[np.datetime64]:
        """First day of each dekad (datetime64[D])."""
        number = self.first + np.arange(self.dates)
        months = np.datetime64("2001-01", "M") + number // 3
        return months.astype("datetime64[D]") + 10 * (number % 3)

    @property
    def archive(self) -> str:
        """Path of the archive."""
        return str(self.folder / "archive")

    def geotiff(self, layer: str, number: int) -> Path:
        """Path of one date's file of a layer; "landcover" has one."""
        if layer == "landcover":
            return self.folder / "geotiff" / "landcover_2015.tif"
        day = str(self.days[number]).replace("-", "")
        return self.folder / "geotiff" / f"PROBAV_S10_TOC_X18Y02_{day}_333M_V101_{layer}.tif"


def write_geotiff(path: Path, array: NDArray[np.uint8], nodata: int | None) -> None:
    """Write a layer as PROBA-V's users get it: deflated, in blocks that suit windows."""
    height, width = array.shape
    with rasterio.open(
        path, "w", driver="GTiff", width=width, height=height, count=1, dtype="uint8", crs="EPSG:4326",
        transform=TRANSFORM, nodata=nodata, compress="deflate", tiled=True, blockxsize=256, blockysize=256,
    ) as target:  # fmt: skip
        target.write(array, 1)


@cache
def _world(height: int, width: int) -> World:
    return World(height, width)


def _write_date(series: Series, number: int) -> None:
    ndvi, status = _world(series.height, series.width).observe(series.first + number)
    write_geotiff(series.geotiff("NDVI", number), ndvi, 255)
    write_geotiff(series.geotiff("SM", number), status, None)


@contextmanager
def made_whole(path: Path) -> Iterator[Path]:
    """Give a folder to fill that gets its name when it is complete."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        yield beside
        beside.rename(path)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def make_geotiffs(series: Series) -> None:
    """Write the files of a series, two dates at a time, where they are missing."""
    if (series.folder / "geotiff").exists():
        return
    series.folder.mkdir(parents=True, exist_ok=True)
    with made_whole(series.folder / "geotiff") as folder:
        beside = Series(folder, series.height, series.width, series.first, series.dates)
        (folder / "geotiff").mkdir()
        with ProcessPoolExecutor(2) as pool:
            list(pool.map(_write_date, [beside] * series.dates, range(series.dates), chunksize=4))
        landcover = _world(series.height, series.width).landcover
        write_geotiff(beside.geotiff("landcover", 0), landcover, 255)
        for path in (folder / "geotiff").iterdir():
            path.rename(folder / path.name)
        (folder / "geotiff").rmdir()


def make_archive(series: Series, name: str = "archive", last: int | None = None, second: int = 0) -> None:
    """Take the files into an archive, all of them or those of the last dates.

    Parameters
    ----------
    series : Series
    name : str
    last : int, optional
        How many dates, from the end.
    second : int
        Dates of a second product on the same grid: the same NDVI under another name.
    """
    import probav

    if (series.folder / name).exists():
        return
    numbers = range(0 if last is None else series.dates - last, series.dates)
    sources = [series.geotiff(layer, number) for number in numbers for layer in ("NDVI", "SM")]
    with made_whole(series.folder / f"{name}-making") as beside:
        definition = beside / "landcover.yaml"
        definition.write_text(_LAND_COVER)
        probav.ingest(beside / name, sources)
        cover = probav.load_definition(definition)
        probav.ingest(beside / name, [series.geotiff("landcover", 0)], product=cover)
        links = []
        for number in range(second):
            source = series.geotiff("NDVI", number)
            links.append(beside / source.name.replace("_V101_NDVI", "_NDVI_V101_NDVI"))
            links[-1].symlink_to(source)
        if links:
            probav.ingest(beside / name, links)
        (beside / name).rename(series.folder / name)
    shutil.rmtree(series.folder / f"{name}-making")


def make_cube(series: Series) -> None:
    """Write the same arrays as plain Zarr, with the archive's chunks and codec."""
    import xarray as xr
    import zarr
    from zarr.codecs import ZstdCodec

    if (series.folder / "cube.zarr").exists():
        return
    xs = (np.arange(series.width)) * STEP
    ys = 55 - np.arange(series.height) * STEP
    shape = series.dates, series.height, series.width
    with made_whole(series.folder / "cube.zarr") as folder:
        coords = {"time": series.days.astype("datetime64[ns]"), "y": ys, "x": xs}
        xr.Dataset(coords=coords).to_zarr(folder, zarr_format=3, consolidated=False)
        group = zarr.open_group(folder, mode="a")
        for layer in ("NDVI", "SM"):
            array = group.create_array(
                layer, shape=shape, chunks=CHUNKS, dtype="uint8", compressors=ZstdCodec(level=1),
                fill_value=255 if layer == "NDVI" else 0, dimension_names=("time", "y", "x"),
            )  # fmt: skip
            for start in range(0, series.dates, CHUNKS[0]):
                numbers = range(start, min(start + CHUNKS[0], series.dates))
                array[start : numbers.stop] = np.stack([_read(series.geotiff(layer, n)) for n in numbers])
        cover = group.create_array(
            "landcover", shape=shape[1:], chunks=CHUNKS[1:], dtype="uint8", compressors=ZstdCodec(level=1),
            fill_value=255, dimension_names=("y", "x"),
        )  # fmt: skip
        cover[:] = _read(series.geotiff("landcover", 0))


def _read(path: Path) -> NDArray[np.uint8]:
    with rasterio.open(path) as source:
        array: NDArray[np.uint8] = source.read(1)
    return array


def make_keys(series: Series, name: str = "archive", target: str = "keys") -> None:
    """Copy every key of the archive's store into a folder, so that the same arrays are plain Zarr."""
    from zarr.core.buffer import default_buffer_prototype
    from zarr.core.sync import sync

    import probav

    if (series.folder / target).exists():
        return
    store = probav.open_archive(str(series.folder / name)).store.zarr_store

    async def copy(folder: Path) -> None:
        async for key in store.list():
            found = await store.get(key, default_buffer_prototype())
            (folder / key).parent.mkdir(parents=True, exist_ok=True)
            (folder / key).write_bytes(found.to_bytes())

    with made_whole(series.folder / target) as folder:
        sync(copy(folder))
