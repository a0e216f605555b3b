"""The least that any engine of this kind must do: decode the chunks and count their pixels once.

The chunks of NDVI and status map are fetched and decoded into buffers that are used again; the histogram is
the simplest loop there is, `counts[label << 8 | DN] += 1`, with labels made beforehand and no mask.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import local
from typing import Any

import numba
import numpy as np
from numcodecs import zstd
from numpy.typing import NDArray

import probav
from benchmarks.masked_statistics.data import CHUNKS
from benchmarks.masked_statistics.measure import THREADS, Spent, best, timed
from benchmarks.masked_statistics.peers.numpy_by_hand import strata
from benchmarks.masked_statistics.peers.source import Work

_TIMES, _HEIGHT, _WIDTH = CHUNKS
# the chunk of the tile's corner (0 E, 55 N) on the product's grid
_ROW, _COLUMN = 20 * 336 // _HEIGHT, 180 * 336 // _WIDTH
Fetch = Callable[[list[str]], list[Any]]


@numba.njit(cache=True, nogil=True, boundscheck=False)
def _histogram(dn: NDArray[np.uint8], label: NDArray[np.uint32], counts: NDArray[np.uint32]) -> None:
    for date in range(dn.shape[0]):
        for pixel in range(dn.shape[1]):
            counts[date, label[pixel] | dn[date, pixel]] += np.uint32(1)


def fetch_through_archive(series: Any) -> Fetch:
    """Return what fetches keys of the archive's store."""
    import asyncio

    from zarr.core.buffer import default_buffer_prototype
    from zarr.core.sync import sync

    store = probav.open_archive(series.archive).store.zarr_store
    prototype = default_buffer_prototype()

    async def several(keys: list[str]) -> list[Any]:
        return await asyncio.gather(*(store.get(key, prototype) for key in keys))

    return lambda keys: [item.as_numpy_array() for item in sync(several(keys))]


def fetch_plain(series: Any) -> Fetch:
    """Return what reads the same keys from files."""
    folder = Path(series.folder, "keys")
    return lambda keys: [np.fromfile(folder / key, np.uint8) for key in keys]


def _chunk_labels(work: Work) -> dict[tuple[int, int], NDArray[np.uint32]]:
    """Return the labels of each chunk the areas touch, numbered from 0 within it, times 256."""
    window = work.window
    cover = np.zeros((window.height, window.width), np.uint8)
    if work.by_class:
        import rasterio

        with rasterio.open(work.series.geotiff("landcover", 0)) as source:
            cover = source.read(1, window=window)
    label = np.zeros((work.series.height, work.series.width), np.int32)
    label[window.toslices()] = strata(work, cover)[0]
    found = {}
    for row in range(-(-work.series.height // _HEIGHT)):
        for column in range(-(-work.series.width // _WIDTH)):
            part = np.zeros((_HEIGHT, _WIDTH), np.int32)
            own = label[row * _HEIGHT : (row + 1) * _HEIGHT, column * _WIDTH : (column + 1) * _WIDTH]
            part[: own.shape[0], : own.shape[1]] = own
            if part.any():
                numbers = np.unique(part, return_inverse=True)[1].ravel()
                found[row, column] = (numbers << 8).astype(np.uint32)
    return found


def limit(work: Work, fetch: Fetch, product: str, layers: tuple[str, ...]) -> dict[str, Spent]:
    """Return what reading, decoding and counting took, best of three, and fetching alone.

    The first of the layers is counted.
    """
    labels = _chunk_labels(work)
    chunks = range(-(-work.dates // _TIMES))
    own = local()

    def keys(block: tuple[int, int]) -> list[str]:
        place = f"{_ROW + block[0]}/{_COLUMN + block[1]}"
        return [f"{product}/{layer}/c/{time}/{place}" for time in chunks for layer in layers]

    def one(block: tuple[int, int], count: bool = True) -> None:
        if not hasattr(own, "buffers"):
            own.buffers = [np.empty((_TIMES, _HEIGHT * _WIDTH), np.uint8) for _ in layers]
        label = labels[block]
        fetched = fetch(keys(block))
        if not count:
            return
        for index in range(len(chunks)):
            for number, buffer in enumerate(own.buffers):
                zstd.decompress(fetched[len(layers) * index + number], buffer)
            counts = np.zeros((_TIMES, int(label.max()) + 256), np.uint32)
            _histogram(own.buffers[0], label, counts)

    with ThreadPoolExecutor(THREADS) as pool:

        def everything(count: bool) -> None:
            list(pool.map(lambda block: one(block, count), labels))

        everything(True)  # compiles, and warms the cache
        whole = [timed(lambda: everything(True))[1] for _ in range(3)]
        fetching = [timed(lambda: everything(False))[1] for _ in range(3)]
    return {"limit": best(whole), "fetch": best(fetching)}
