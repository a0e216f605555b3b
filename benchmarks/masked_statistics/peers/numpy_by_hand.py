"""Written by hand: zones burnt once by rasterio, then one np.bincount of label * 256 + DN a date."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rasterio.features import rasterize

from benchmarks.masked_statistics.peers.source import MOST_VALID, Bytes, Peer, Work, blocks, physical

_DN = np.arange(MOST_VALID + 1, dtype=np.float64)


def labels(work: Work) -> NDArray[np.int32]:
    """Return the zone of each pixel of the window from 1, 0 outside."""
    numbered = zip(work.frame.geometry, range(1, len(work.frame) + 1), strict=True)
    shape = work.window.height, work.window.width
    burnt: NDArray[np.int32] = rasterize(numbered, shape, transform=work.transform, dtype="int32")
    return burnt


def strata(work: Work, cover: Bytes) -> tuple[NDArray[np.int32], NDArray[np.intp]]:
    """Return the label (zone and class) of each pixel from 1, and where each label goes in the result."""
    zone = labels(work)
    classes = len(work.classes)
    if not work.by_class:
        return zone, np.arange(len(work.frame))
    known = (cover >= 1) & (cover <= classes)
    joined = np.where((zone > 0) & known, (zone - 1) * classes + cover, 0).astype(np.int32)
    return joined, np.arange(len(work.frame) * classes)


def summarise(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the eight statistics of histograms (..., DN)."""
    total = counts.sum(-1)
    n = np.maximum(total, 1)
    mean = counts @ _DN / n
    variance = np.maximum(counts @ _DN**2 / n - mean**2, 0)
    upto = counts.cumsum(-1)
    found = [total, mean, np.sqrt(variance), (upto > 0).argmax(-1), (upto >= total[..., None]).argmax(-1)]
    for share in (0.1, 0.5, 0.9):
        place = share * (n - 1)
        low, high = np.floor(place), np.ceil(place)
        below, above = ((upto > k[..., None]).argmax(-1) for k in (low, high))
        found.append(below + (above - below) * (place - low))
    stacked = np.stack(found, -1).astype(np.float64)
    stacked[total == 0, 1:] = np.nan
    return stacked


def _run(store: str, work: Work) -> NDArray[np.float64]:
    found = work.empty()
    label = None
    groups = len(work.frame) * len(work.classes)
    for start, ndvi, cover in blocks(work, store):
        if label is None:
            label = strata(work, cover)[0].ravel() * 256
        for offset, layer in enumerate(ndvi):
            counts = np.bincount(label + layer.ravel(), minlength=(groups + 1) * 256)
            counts = counts.reshape(-1, 256)[1:, : MOST_VALID + 1]
            found[:, :, start + offset] = summarise(counts).reshape(*found.shape[:2], -1)
    return physical(found)


PEERS = [
    Peer("rasterio + np.bincount", "GeoTIFF", "centre", lambda work: _run("GeoTIFF", work), by_hand=True),
    Peer("Zarr + np.bincount", "Zarr", "centre", lambda work: _run("Zarr", work), by_hand=True),
]
