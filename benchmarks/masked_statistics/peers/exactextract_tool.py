"""exactextract, with all dates of a block and all classes in one call, so that it covers each polygon once.

It has no strata: a class is a copy of the values with everything else masked.
"""

from __future__ import annotations

import warnings

import numpy as np
from exactextract import exact_extract
from exactextract.raster import NumPyRasterSource
from numpy.typing import NDArray
from rasterio.transform import array_bounds

from benchmarks.masked_statistics.peers.source import NODATA, Peer, Work, blocks, physical

OPERATIONS = [
    "count", "mean", "stdev", "min", "max", "quantile(q=0.1)", "quantile(q=0.5)", "quantile(q=0.9)",
]  # fmt: skip
_AT_ONCE = 120  # arrays in one call
Floats = NDArray[np.float32]  # of whole numbers it returns percentiles without their fractions


def _run(store: str, strategy: str, work: Work) -> NDArray[np.float64]:
    found = work.empty()
    waiting: list[tuple[int, int, Floats]] = []  # class, date, values
    for start, ndvi, cover in blocks(work, store):
        for offset, layer in enumerate(ndvi):
            real = np.where(layer == NODATA, np.float32(np.nan), layer.astype(np.float32))
            for index, code in enumerate(work.classes):
                values = np.where(cover == code, real, np.float32(np.nan)) if work.by_class else real
                waiting.append((index, start + offset, values))
            if len(waiting) + len(work.classes) > _AT_ONCE:
                _extract(work, strategy, waiting, found)
                waiting = []
    _extract(work, strategy, waiting, found)
    return physical(found)


def _extract(
    work: Work, strategy: str, rasters: list[tuple[int, int, Floats]], found: NDArray[np.float64]
) -> None:
    if not rasters:
        return
    height, width = rasters[0][2].shape
    west, south, east, north = array_bounds(height, width, work.transform)
    sources = [
        NumPyRasterSource(values, west, south, east, north, name=f"r{number}")
        for number, (_, _, values) in enumerate(rasters)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the arrays have no coordinate system to compare
        table = exact_extract(sources, work.frame, OPERATIONS, strategy=strategy, output="pandas")
    # all rasters of one operation, then the next operation
    numbers = table.to_numpy(np.float64).reshape(len(work.frame), len(OPERATIONS), len(rasters))
    for number, (index, date, _) in enumerate(rasters):
        found[:, index, date] = numbers[:, :, number]


def _peer(store: str, strategy: str) -> Peer:
    return Peer(
        f"exactextract {strategy.split('-')[0]}-sequential, {store}",
        store,
        "fraction",
        lambda work: _run(store, strategy, work),
        exact_percentiles=False,
    )


PEERS = [
    _peer("GeoTIFF", "feature-sequential"),
    _peer("GeoTIFF", "raster-sequential"),
    _peer("Zarr", "feature-sequential"),
]
