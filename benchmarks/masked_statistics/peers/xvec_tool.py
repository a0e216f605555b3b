"""xvec's zonal statistics, by exactextract and by rasterising, called once a class."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import rioxarray  # noqa: F401 - the accessor .rio
import xvec  # noqa: F401 - the accessor .xvec
from numpy.typing import NDArray

from benchmarks.masked_statistics.peers.exactextract_tool import OPERATIONS
from benchmarks.masked_statistics.peers.source import Peer, Work, opened, physical

_SIMPLE = ["count", "mean", "std", "min", "max"]
_ORDER = ("geometry", "time", ...)


def _exactextract(cube: Any, work: Work) -> NDArray[np.float64]:
    options: dict[str, Any] = {"stats": OPERATIONS, "method": "exactextract"}
    table = cube.xvec.zonal_stats(work.frame.geometry, x_coords="x", y_coords="y", **options)
    return np.asarray(table.transpose(*_ORDER).values)


def _rasterize(cube: Any, work: Work) -> NDArray[np.float64]:
    # it fails where areas leave no pixel of the raster free: one row and column more on each side
    padded = cube.pad(y=1, x=1).assign_coords(y=_longer(cube["y"].values), x=_longer(cube["x"].values))
    padded = padded.rio.write_crs("EPSG:4326")
    places: dict[str, Any] = {"x_coords": "x", "y_coords": "y", "method": "rasterize"}
    simple = padded.xvec.zonal_stats(work.frame.geometry, stats=_SIMPLE, **places)
    shares = padded.xvec.zonal_stats(work.frame.geometry, stats="quantile", q=[0.1, 0.5, 0.9], **places)
    parts = [part.transpose(*_ORDER).values for part in (simple, shares)]
    return np.concatenate(parts, axis=-1)


def _longer(places: NDArray[np.float64]) -> NDArray[np.float64]:
    step = places[1] - places[0]
    return np.concatenate([[places[0] - step], places, [places[-1] + step]])


def _run(method: Any, work: Work) -> NDArray[np.float64]:
    found = work.empty()
    ndvi, cover = opened(work)
    ndvi = ndvi.rio.write_crs("EPSG:4326")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for index, code in enumerate(work.classes):
            found[:, index] = method(ndvi.where(cover == code) if work.by_class else ndvi, work)
    found[..., 0] = np.nan_to_num(found[..., 0])
    return physical(found)


PEERS = [
    Peer(
        "xvec (exactextract), Zarr",
        "Zarr",
        "fraction",
        lambda work: _run(_exactextract, work),
        exact_percentiles=False,
        class_by_class=True,
    ),
    Peer(
        "xvec (rasterize), Zarr", "Zarr", "centre", lambda work: _run(_rasterize, work), class_by_class=True
    ),
]
