"""rasterstats, called once a date and class: it has no strata, so other classes are masked."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rasterstats import zonal_stats

from benchmarks.masked_statistics.peers.source import NODATA, Peer, Work, blocks, physical

_STATS = ["count", "mean", "std", "min", "max", "percentile_10", "percentile_50", "percentile_90"]


def _run(store: str, work: Work) -> NDArray[np.float64]:
    found = work.empty()
    for start, ndvi, cover in blocks(work, store):
        for offset, layer in enumerate(ndvi):
            for index, code in enumerate(work.classes):
                values = np.where(cover == code, layer, np.uint8(NODATA)) if work.by_class else layer
                rows = zonal_stats(work.frame, values, affine=work.transform, nodata=NODATA, stats=_STATS)
                table = [[row[name] for name in _STATS] for row in rows]
                found[:, index, start + offset] = np.array(table, np.float64)
    return physical(found)


PEERS = [Peer("rasterstats, GeoTIFF", "GeoTIFF", "centre", lambda work: _run("GeoTIFF", work))]
