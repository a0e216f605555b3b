"""Search over 1,000,000 synthetic items: milliseconds, warm, against a full scan with geopandas.

python benchmarks/catalogue_search.py [ITEMS]
"""

from __future__ import annotations

import sys
import time

import geopandas as gpd
import numpy as np
import shapely

from probav.catalogue.search import frame, select
from probav.catalogue.table import ItemTable, Window
from probav.grid import probav_grid, tile_offset

QUERIES = {
    "a point, a year": {"bbox": (4.3, 50.8, 4.4, 50.9), "time": "2015"},
    "a country, a month, clear": {"bbox": (-5, 42, 8, 51), "time": "2016-07", "cloud_cover": 20},
    "across 180 degrees, a decade": {"bbox": (170, -20, -170, 0), "time": "2010/2019"},
    "the world, a dekad": {"time": "2018-03-11"},
    "the first 100 of everything": {"limit": 100},
    "everything clear": {"cloud_cover": 10},
}
REPEATS = 5


def made(size: int) -> ItemTable:
    """Return items on the 504 tiles of PROBA-V, as many dates as it takes."""
    grid = probav_grid(336)
    windows = []
    for number in range(504):
        name = f"X{number % 36:02d}Y{number // 36:02d}"
        row, column = tile_offset(name, 336)
        own = grid.window(row, column, 3360, 3360)
        windows.append(
            Window("PROBAV_L3_S1_TOC_333M", name, "day", own, row, column, shapely.box(*own.bounds))
        )
    number = np.arange(size)
    random = np.random.default_rng(1)
    return ItemTable(
        windows,
        (number % 504).astype("int32"),
        np.datetime64("2013-10-16") + number // 504,
        np.ones(size, "int64"),
        np.frombuffer(random.bytes(32 * size), "S32"),
        random.uniform(0, 100, size).astype("float32"),
    )


def scanned(table: gpd.GeoDataFrame, bbox=None, time=None, cloud_cover=None, limit=None) -> gpd.GeoDataFrame:
    """Return what geopandas finds by comparing every row."""
    keep = np.ones(len(table), bool)
    if bbox is not None:
        west, south, east, north = bbox
        box = shapely.box(west, south, east, north)
        if west > east:
            box = shapely.union(shapely.box(west, south, 181, north), shapely.box(-181, south, east, north))
        keep &= table.intersects(box).to_numpy()
    if time is not None:
        first, last = (*time.split("/"), time)[:2] if "/" in time else (time, time)
        unit = {4: "Y", 7: "M", 10: "D"}[len(last)]
        stop = (np.datetime64(last, unit) + 1).astype("datetime64[ns]")
        keep &= ((table["start"] >= np.datetime64(first, "ns")) & (table["start"] < stop)).to_numpy()
    if cloud_cover is not None:
        keep &= (table["cloud_cover"] <= cloud_cover).to_numpy()
    return table[keep][:limit]


def timed(run) -> tuple[float, int]:
    """Return the median milliseconds of some runs, and the length of the result."""
    run()
    took = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        found = run()
        took.append(time.perf_counter() - start)
    return 1000 * sorted(took)[REPEATS // 2], len(found)


def main() -> None:
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    items = made(size)
    table = frame(items)
    print(f"{size:,} items; milliseconds (median of {REPEATS}, warm): found, selected, as a table, geopandas")
    for words, query in QUERIES.items():
        selecting, count = timed(lambda query=query: select(items, **query))
        whole, _ = timed(lambda query=query: frame(select(items, **query)))
        scanning, expected = timed(lambda query=query: scanned(table, **query))
        assert count == expected, (words, count, expected)
        print(
            f"{words:32} {count:9,} {selecting:8.1f} {whole:8.1f} {scanning:8.1f}  "
            f"{scanning / whole:6.1f} times as fast"
        )


if __name__ == "__main__":
    main()
