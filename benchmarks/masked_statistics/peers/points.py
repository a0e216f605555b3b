"""Tools that read one pixel over time."""

from __future__ import annotations

import numpy as np
import rasterio
import xarray as xr
from numpy.typing import NDArray
from rasterio.windows import Window
from rasterstats import point_query

from benchmarks.masked_statistics.data import to_pixels
from benchmarks.masked_statistics.peers.source import NODATA, Peer, Work, clear, physical


def _result(work: Work, values: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the statistics of one pixel a date: its value, as often as it counts."""
    found = work.empty()
    good = values != NODATA
    found[0, 0, good, 0] = 1
    found[0, 0, good, 1:] = values[good, None]
    found[0, 0, good, 2] = 0
    return physical(found)


def _rasterio(work: Work) -> NDArray[np.float64]:
    x, y = work.frame.geometry.iloc[0].coords[0]
    column, row = (int(place) for place in to_pixels(x, y))
    layers = []
    for layer in ("NDVI", "SM"):
        numbers = np.empty(work.dates, np.uint8)
        for date in range(work.dates):
            with rasterio.open(work.series.geotiff(layer, date)) as source:
                numbers[date] = source.read(1, window=Window(column, row, 1, 1))[0, 0]
        layers.append(numbers)
    return _result(work, clear(*layers))


def _rasterstats(work: Work) -> NDArray[np.float64]:
    layers = []
    for layer in ("NDVI", "SM"):
        paths = [str(work.series.geotiff(layer, date)) for date in range(work.dates)]
        values = [point_query(work.frame, path, interpolate="nearest")[0] for path in paths]
        layers.append(np.array([_or_nodata(value) for value in values]))
    return _result(work, clear(*layers))


def _or_nodata(value: float | None) -> np.uint8:
    return np.uint8(NODATA if value is None else value)


def _xarray(work: Work) -> NDArray[np.float64]:
    cube = xr.open_zarr(
        work.series.folder / "cube.zarr", mask_and_scale=False, consolidated=False, chunks=None
    )
    place = work.frame.geometry.iloc[0]
    pixel = (
        cube[["NDVI", "SM"]].isel(time=slice(work.dates)).sel(x=place.x, y=place.y, method="nearest").load()
    )
    return _result(work, clear(pixel["NDVI"].values, pixel["SM"].values))


PEERS = [
    Peer("rasterio, one pixel", "GeoTIFF", "centre", _rasterio, points=True),
    Peer("rasterstats point_query", "GeoTIFF", "centre", _rasterstats, points=True),
    Peer("xarray, one pixel", "Zarr", "centre", _xarray, points=True),
]
