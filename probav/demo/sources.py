"""The demo's source products, file by file, and the truth beside them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from probav.demo.fields import Floats
from probav.demo.observation import NOISE, Observation, dn, observe
from probav.demo.world import COVERS, LAG, Dekad, World
from probav.demo.writers import write_cgls, write_probav, write_tif
from probav.grid import CHIRPS_GRID, Grid
from probav.products import LC100_CLASSES

VERSION = 1  # of the demo's content: raise it whenever a stored number changes
_RT_DEKADS = (4, 5)  # dekads of which an early FAPAR run lies beside the final one
_TILE = "X18Y02"
_NDVI300_ATTRIBUTES = {
    "long_name": "Normalized Difference Vegetation Index 333M",
    "scale_factor": np.float32(0.004),
    "add_offset": np.float32(-0.08),
    "valid_range": np.array([0, 250], np.uint8),
    "flag_values": np.array([251, 252, 253, 254, 255], np.uint8),
    "flag_meanings": "missing cloud snow sea background",
}
_FAPAR_ATTRIBUTES = {
    "long_name": "Fraction of Absorbed Photosynthetically Active Radiation 1KM",
    "scale_factor": np.float32(1 / 250),
    "add_offset": np.float32(0),
    "valid_range": np.array([0, 235], np.uint8),
}


def write_sources(
    folder: Path,
    *,
    seed: int = 1998,
    years: tuple[int, ...] = (2015, 2016, 2017),
    size_degrees: float = 2.0,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write the synthetic source products of a demo archive, and their truth into `folder`/truth.

    The same seed, years and size give the same numbers on every machine. Per dekad: a PROBA-V S10 TOC 300 m
    HDF5 file, NDVI 300 m and FAPAR 1 km of Copernicus Global Land, CHIRPS rainfall; once: LC100 land cover.

    Parameters
    ----------
    folder : Path
        Created where absent.
    seed : int
    years : tuple of int
        Consecutive; 2014 to 2020, when PROBA-V flew.
    size_degrees : float
        Edge of the window, which starts at 4 E, 51.5 N; at most 6.
    progress : callable, optional
        Called with (dekads written, dekads in all).
    """
    folder.mkdir(parents=True, exist_ok=True)
    world = World(seed, years, size_degrees)
    _write_cover(folder, world)
    _write_truth(folder / "truth", world)
    total = len(world.dekads)
    # NumPy computes without the interpreter's lock while HDF5, which has one lock, writes
    with ThreadPoolExecutor(min(os.cpu_count() or 1, 4)) as pool:
        for done, _ in enumerate(pool.map(partial(_write_dekad, folder, world), world.dekads), start=1):
            if progress:
                progress(done, total)


def _write_dekad(folder: Path, world: World, dekad: Dekad) -> None:
    first, last = (str(day).replace("-", "") for day in (dekad.first, dekad.last))
    truth = world.ndvi(dekad)
    seen = observe(world, dekad, truth)
    write_probav(
        folder / f"PROBAV_S10_TOC_{_TILE}_{first}_333M_V101.HDF5",
        world.grid300,
        {"NDVI": seen.ndvi, **seen.bands, "SM": seen.sm, "TIME": seen.time},
        (str(dekad.first), str(dekad.last)),
    )
    write_cgls(
        folder / f"c_gls_NDVI300_{first}0000_CUSTOM_PROBAV_V1.0.1.nc",
        world.grid300, "NDVI", _ndvi300(world, seen), _NDVI300_ATTRIBUTES,
    )  # fmt: skip
    fapar = _fapar(world, truth)
    runs = {6: fapar}
    if dekad.index in _RT_DEKADS:  # the near-real-time run was too high: it must lose
        runs[0] = np.where(fapar == 255, 255, np.minimum(fapar + 20, 235)).astype(np.uint8)
    for run, array in runs.items():
        path = folder / f"c_gls_FAPAR-RT{run}_{last}0000_CUSTOM_PROBAV_V2.0.1.nc"
        write_cgls(path, world.grid1000, "FAPAR", array, _FAPAR_ATTRIBUTES)
    year, month, number = first[:4], first[4:6], dekad.index % 3 + 1
    grid = _rain_grid(world)
    rain = np.round(world.rainfall(dekad, grid), 2).astype(np.float32)
    rain[_at_sea(world, grid)] = -9999
    write_tif(folder / f"chirps-v2.0.{year}.{month}.{number}.tif", grid, rain, -9999)


def _ndvi300(world: World, seen: Observation) -> NDArray[np.uint8]:
    """Return the clear NDVI, and codes where there is none."""
    sea, v, u = world.sea[1:, 1:], *world.unit(world.grid300)
    background = sea & (v[:, None] + u[None, :] < 0.1)  # far from the coast
    codes = np.select(
        [background, sea, seen.missing, seen.status == 4, seen.status != 0],
        [255, 254, 251, 253, 252],
        default=0,
    )
    return np.where(codes, codes, seen.ndvi).astype(np.uint8)


def _fapar(world: World, truth: Floats) -> NDArray[np.uint8]:
    """FAPAR of the noise-free NDVI, linear in it, over 3 x 3 pixels of 300 m; none where any is sea."""
    height, width = world.grid1000.height, world.grid1000.width

    def blocks(array: NDArray[Any]) -> NDArray[Any]:
        return array[: 3 * height, : 3 * width].reshape(height, 3, width, 3)

    fapar = np.clip(1.15 * blocks(truth).mean(axis=(1, 3)) - 0.08, 0, 0.94)
    return np.where(blocks(world.sea).any(axis=(1, 3)), 255, dn(fapar, 1 / 250)).astype(np.uint8)


def _rain_grid(world: World) -> Grid:
    """Return the CHIRPS window: a quarter of a degree wider than the area on each side."""
    west, south, east, north = world.grid300.bounds
    columns, rows = CHIRPS_GRID.pixels(np.array([west]), np.array([north]))
    height, width = round((north - south) * 20) + 10, round((east - west) * 20) + 10
    return CHIRPS_GRID.window(int(rows[0]) - 5, int(columns[0]) - 5, height, width)


def _at_sea(world: World, grid: Grid) -> NDArray[np.bool_]:
    """Where a rain pixel's centre is at sea; around the window as at its nearest edge."""
    column, row = world.truth_grid.pixels(grid.xs(), grid.ys())
    rows = np.clip(np.floor(row).astype(int), 0, world.truth_grid.height - 1)
    columns = np.clip(np.floor(column).astype(int), 0, world.truth_grid.width - 1)
    return world.sea[np.ix_(rows, columns)]


def _write_cover(folder: Path, world: World) -> None:
    codes = np.array([cover.code for cover in COVERS], np.uint8)[world.cover[1:, 1:]]
    year = world.dekads[0].first.astype("datetime64[Y]")
    epoch = "base" if str(year) == "2015" else "conso"
    write_tif(
        folder / f"PROBAV_LC100_global_v3.0.1_{year}-{epoch}_Discrete-Classification-map_EPSG-4326.tif",
        world.grid100, np.repeat(np.repeat(codes, 3, 0), 3, 1), 255,
    )  # fmt: skip


def _write_truth(folder: Path, world: World) -> None:
    """Write what a statistic of the demo ought to find: truth.json and districts.geojson."""
    folder.mkdir(exist_ok=True)
    inner = np.s_[1:, 1:]
    zones = world.district[inner]
    counts = np.bincount(zones.ravel())
    series = np.array(
        [np.bincount(zones.ravel(), world.ndvi(dekad)[inner].ravel()) / counts for dekad in world.dekads]
    )
    truth = {
        "version": VERSION,
        "seed": world.seed,
        "dates": [str(dekad.first) for dekad in world.dekads],
        "lag_dekads": LAG,
        "largest_error_of_a_clear_ndvi": NOISE,
        "classes": {
            str(cover.code): {
                "name": LC100_CLASSES[cover.code][0],
                "ndvi_without_rain_and_trend": [
                    round(cover.season(dekad.middle), 5) for dekad in world.dekads
                ],
                "ndvi_per_sd_of_rain": cover.rain_gain,
                "has_trend_in_districts": cover.vegetation,
            }
            for cover in COVERS
        },
        "districts": {
            district.name: {
                "trend_per_year_of_vegetation": district.trend,
                "pixels": int(counts[number]),
                "mean_ndvi": [round(float(value), 5) for value in series[:, number]],
            }
            for number, district in enumerate(world.districts, start=1)
        },
    }
    (folder / "truth.json").write_text(json.dumps(truth, indent=1))
    features = [
        {
            "type": "Feature",
            "id": number,
            "properties": {"name": district.name, "trend_per_year": district.trend},
            "geometry": shapely.geometry.mapping(district.polygon),
        }
        for number, district in enumerate(world.districts, start=1)
    ]
    collection = {"type": "FeatureCollection", "features": features}
    (folder / "districts.geojson").write_text(json.dumps(collection, indent=1))
