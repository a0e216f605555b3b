"""xarray-spatial's zonal statistics, zone and class as one label, a date at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xrspatial import zonal

from benchmarks.masked_statistics.peers.numpy_by_hand import strata
from benchmarks.masked_statistics.peers.source import Peer, Work, opened, physical


def _or_nan(reduce: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda values: reduce(values) if len(values) else np.nan


def _percentile(share: float) -> Callable[[Any], Any]:
    return _or_nan(lambda values: np.percentile(values, share))


_FUNCTIONS = {
    "count": len, "mean": _or_nan(np.mean), "std": _or_nan(np.std), "min": _or_nan(np.min),
    "max": _or_nan(np.max), "p10": _percentile(10), "p50": _percentile(50), "p90": _percentile(90),
}  # fmt: skip


def _run(work: Work) -> NDArray[np.float64]:
    found = work.empty()
    ndvi, cover = opened(work)
    label, _ = strata(work, cover.values)
    zones = xr.DataArray(label, dims=("y", "x"))
    flat = found.reshape(-1, work.dates, found.shape[-1])
    for date in range(work.dates):
        values = ndvi[date].astype("float64").drop_vars("time")
        table = zonal.stats(zones, values, stats_funcs=_FUNCTIONS)
        table = table[table["zone"] > 0]
        flat[table["zone"].to_numpy(int) - 1, date] = table[list(_FUNCTIONS)].to_numpy(np.float64)
    found[..., 0] = np.nan_to_num(found[..., 0])  # a group without a value
    return physical(found)


PEERS = [Peer("xarray-spatial, Zarr", "Zarr", "centre", _run)]
