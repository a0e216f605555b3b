"""xarray with regionmask for the zones and flox for the groups."""

from __future__ import annotations

import warnings

import numpy as np
import regionmask
from flox.xarray import xarray_reduce
from numpy.typing import NDArray

from benchmarks.masked_statistics.peers.source import Peer, Work, opened, physical

_REDUCTIONS = ("count", "nanmean", "nanstd", "nanmin", "nanmax")


def _run(work: Work) -> NDArray[np.float64]:
    ndvi, cover = opened(work)
    ndvi = ndvi.astype("float64")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # groups without a value
        zone = regionmask.mask_geopandas(work.frame, ndvi["x"], ndvi["y"], overlap=False).rename("zone")
        by, expected = [zone], [np.arange(len(work.frame))]
        if work.by_class:
            by.append(cover)
            expected.append(np.array(work.classes))
        options = {"expected_groups": tuple(expected)}
        parts = [xarray_reduce(ndvi, *by, func=name, **options) for name in _REDUCTIONS]
        percentiles = xarray_reduce(ndvi, *by, func="nanquantile", q=[0.1, 0.5, 0.9], **options)
    order = ("zone", "landcover", "time") if work.by_class else ("zone", "time")
    arrays = [part.transpose(*order).values for part in parts]
    arrays += list(percentiles.transpose("quantile", *order).values)
    found = np.stack(arrays, -1).reshape(work.empty().shape)
    found[..., 0] = np.nan_to_num(found[..., 0])
    return physical(found)


PEERS = [Peer("xarray + regionmask + flox, Zarr", "Zarr", "centre", _run)]
