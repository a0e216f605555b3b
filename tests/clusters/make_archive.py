"""Make the archive that all places are asked about: `python make_archive.py FOLDER`.

Ten years of dekads, in a window around the corner where four tiles of ten degrees meet, on the world grid of
300 m pixels: a chunk of each tile for each dekad. Patches of numbers, all made up.
"""

from __future__ import annotations

import sys

import numpy as np
import xarray as xr
from pyproj import CRS

from probav.external import store_dataset
from probav.products.custom import from_dict

_MONTHS = np.arange("2011-01", "2021-01", dtype="datetime64[M]").astype("datetime64[D]")
DEKADS = (_MONTHS[:, None] + np.array([0, 10, 20])).ravel().astype("datetime64[ns]")
TILE, WINDOW, STEP = 3360, 200, 1 / 336
CORNER = (3 * TILE, 19 * TILE)  # row and column of the first pixel of tile X19Y03
GRID = {
    "x0": -180,
    "y0": 75,
    "nx": 336,
    "ny": 336,
    "width": 36 * TILE,
    "height": 14 * TILE,
    "crs": "EPSG:4326",
}
CLASSES = 10


def definition(id: str, variables: dict[str, dict], **more):
    return from_dict({
        "id": id, "title": id, "citation": "made up", "licence": "CC0-1.0", "grid": GRID,
        "variables": {name: {"long_name": name, **about} for name, about in variables.items()}, **more,
    })  # fmt: skip


SERIES = definition(
    "SERIES",
    {
        "NDVI": {"dtype": "uint8", "scale": 0.004, "offset": -0.08, "nodata": 255},
        "QUALITY": {
            "dtype": "uint8", "kind": "categorical",
            "flags": {0: "clear", 1: "cloud", 2: "shadow", 3: "snow"},
        },
    },
    cadence="dekad",
    default="NDVI",
)  # fmt: skip
RAIN = definition("RAIN", {"RAIN": {"dtype": "float32", "nodata": -9999}}, cadence="dekad")
COVER = definition(
    "COVER",
    {"LC": {"dtype": "uint8", "kind": "categorical", "nodata": 255,
            "flags": {code: f"class {code}" for code in range(1, CLASSES + 1)}}},
    cadence="year",
    role="landcover",
)  # fmt: skip


def patches(random, count: int, cell: int):
    """Return numbers in 0..1 (count, y, x) of all four windows, in patches of some pixels."""
    side = 2 * WINDOW // cell + 1
    coarse = random.random((count, side, side), np.float32)
    return np.repeat(np.repeat(coarse, cell, axis=1), cell, axis=2)[:, : 2 * WINDOW, : 2 * WINDOW]


def store(folder: str, product, days, variables) -> None:
    """Take arrays (time, y, x) in."""
    side = np.arange(-WINDOW, WINDOW)
    dataset = xr.Dataset(
        {name: (("time", "y", "x"), array) for name, array in variables.items()},
        {
            "time": days, "y": GRID["y0"] - (CORNER[0] + side) * STEP,
            "x": GRID["x0"] + (CORNER[1] + side) * STEP, "spatial_ref": ((), 0, CRS("EPSG:4326").to_cf()),
        },
    )  # fmt: skip
    report = store_dataset(folder, dataset, product)
    assert not report.rejected, report.rejected[0]


def main(folder: str) -> None:
    random = np.random.default_rng(20261126)
    shape = (len(DEKADS), 2 * WINDOW, 2 * WINDOW)
    cover = (1 + patches(random, 1, 25) * (CLASSES - 0.01)).astype("uint8")
    cover[:, :30, -30:] = 255
    ndvi = np.rint(patches(random, len(DEKADS), 20) * 230 + random.random(shape, np.float32) * 20)
    ndvi[random.random(shape, np.float32) < 0.03] = np.nan
    quality = (patches(random, len(DEKADS), 40) ** 2 * 3.99).astype("uint8")
    rain = patches(random, 36, 50) * 80 + random.random((36, *shape[1:]), np.float32)
    rain[:, :9, :9] = np.nan
    store(folder, COVER, DEKADS[:1], {"LC": cover})
    store(folder, SERIES, DEKADS, {"NDVI": ndvi * np.float32(0.004) - np.float32(0.08), "QUALITY": quality})
    store(folder, RAIN, DEKADS[:36], {"RAIN": rain})


if __name__ == "__main__":
    main(sys.argv[1])
