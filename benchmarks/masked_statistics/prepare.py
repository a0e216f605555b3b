"""Make the data of a run where they are missing."""

from __future__ import annotations

import shutil

from benchmarks.masked_statistics import data
from benchmarks.masked_statistics.queries import Bench

SECOND_DATES = 12


def lengths(bench: Bench) -> list[int]:
    """Numbers of dates of the archives that the same query is asked of."""
    return [number for number in (36, 72, 180) if number < bench.long] + [bench.long]


def prepare(bench: Bench, *, strip: bool = True) -> None:
    """Make GeoTIFFs, archives and plain Zarr; what is there is kept."""
    data.make_geotiffs(bench.tile)
    data.make_archive(bench.tile, second=min(SECOND_DATES, bench.dates))
    data.make_cube(bench.tile)
    data.make_keys(bench.tile)
    data.make_geotiffs(bench.small)
    for number in lengths(bench):
        data.make_archive(
            bench.small, name="archive" if number == bench.long else f"archive-{number}", last=number
        )
    data.make_cube(bench.small)
    data.make_keys(bench.small)
    if strip and not (bench.strip.folder / "archive").exists():
        data.make_geotiffs(bench.strip)
        data.make_archive(bench.strip)
        shutil.rmtree(bench.strip.folder / "geotiff")
