"""Map tiles of an archive, beside rio-tiler on a Cloud-Optimised GeoTIFF with overviews of the same date.

Synthetic NDVI at 300 m, twelve dates, on tiles of 10 x 10 degrees. "drawn" is a tile that nobody asked for
before; "kept" is asked for again. "nothing made" has no overviews yet, "made" has those of
`probav archive overviews`. Times of one tile after another, without what
the notebook server adds (some milliseconds).

    python benchmarks/tiles.py [--tiles 4 3]
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
from rio_tiler.constants import WEB_MERCATOR_TMS
from rio_tiler.io import Reader

import probav
from probav import overviews, storage
from probav.overviews import Overviews
from probav.products import get_product
from probav_extensions.colours import colormap
from probav_extensions.tiles import kept, render

PRODUCT, DATES, SIDE = "PROBAV_L3_S10_TOC_333M", 12, 3360
ROW, COLUMN = 2 * SIDE, 18 * SIDE  # X18Y02, the first tile
Place = tuple[int, int, int]


def field(random: np.random.Generator, number: int) -> np.ndarray:
    """Return one date of one tile: fields, a season, noise and clouds."""
    fields = np.kron(random.integers(40, 200, (SIDE // 8, SIDE // 8)), np.ones((8, 8)))
    values = np.clip(fields * (1 + 0.25 * np.sin(number / 6)) + random.normal(0, 3, (SIDE, SIDE)), 0, 250)
    cloud = np.kron(random.random((SIDE // 60, SIDE // 60)) < 0.3, np.ones((60, 60), bool))
    return np.where(cloud, 255, values).astype("uint8")


def make(url: str, cog: Path, down: int, across: int) -> None:
    """Make the archive, and the GeoTIFF of its first date."""
    definition = get_product(PRODUCT)
    variable, grid = definition.variables["NDVI"], definition.grid
    storage.create(url)
    random = np.random.default_rng(3)
    own = grid.window(ROW, COLUMN, down * SIDE, across * SIDE)
    plain = cog.with_suffix(".plain.tif")
    profile = {
        "driver": "GTiff", "width": own.width, "height": own.height, "count": 1, "dtype": "uint8",
        "crs": own.crs, "transform": own.transform, "nodata": 255, "tiled": True,
    }  # fmt: skip
    with (
        storage.writing(url, "all", {}) as root,
        rasterio.open(plain, "w", **profile) as target,
    ):
        group: Any = storage.create_group(root, definition, grid)
        storage.create_variable(group, variable, grid)
        storage.append_times(group, np.datetime64("2015-01-01") + 10 * np.arange(DATES))
        array = group["NDVI"]
        for i in range(down):
            for j in range(across):
                top, left = i * SIDE, j * SIDE
                window = (ROW + top, COLUMN + left, SIDE, SIDE)
                tile = storage.add_window(group, f"{i} {j}", window)
                dn = np.stack([field(random, number) for number in range(DATES)])
                array[:, ROW + top : ROW + top + SIDE, COLUMN + left : COLUMN + left + SIDE] = dn
                group["source_rank"][:, tile] = 1
                target.write(dn[0], 1, window=rasterio.windows.Window(left, top, SIDE, SIDE))
    rasterio.shutil.copy(plain, cog, driver="COG", compress="DEFLATE", overview_resampling="average")
    plain.unlink()


def places(bounds: tuple[float, float, float, float], zoom: int, count: int) -> list[Place]:
    """Return tiles of a zoom within bounds: all, or some by chance."""
    found = [(t.z, t.x, t.y) for t in WEB_MERCATOR_TMS.tiles(*bounds, zooms=[zoom])]
    chosen = np.random.default_rng(zoom).permutation(len(found))[:count]
    return [found[index] for index in sorted(chosen.tolist())]


def times(draw: Callable[[int, int, int], object], asked: list[Place]) -> np.ndarray:
    """Return milliseconds of each tile."""
    spent = []
    for place in asked:
        start = time.perf_counter()
        draw(*place)
        spent.append(1000 * (time.perf_counter() - start))
    return np.array(spent)


def forget() -> None:
    """Forget what is in memory."""
    overviews._PAGES.clear()
    kept._MEMORY.clear()
    kept._files.cache_clear()
    render._overviews.cache_clear()


def row(words: str, spent: np.ndarray) -> float:
    p50, p95 = np.percentile(spent, [50, 95])
    print(f"{words:42}{len(spent):6}{p50:9.0f}{p95:9.0f}{spent.sum() / 1000:9.2f}", flush=True)
    return float(p50)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tiles", type=int, nargs=2, default=(4, 3), metavar=("DOWN", "ACROSS"))
    parsed = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = str(Path(folder, "cache"))
        os.environ.pop("PROBAV_OVERVIEWS", None)
        url, cog = str(Path(folder, "archive")), Path(folder, "date.tif")
        make(url, cog, *parsed.tiles)
        archive = probav.open_archive(url)
        product = archive[PRODUCT]
        layer = render.Layer(url, archive.snapshot, PRODUCT, "NDVI", str(product.times[0]))
        cmap, _ = colormap(product.variables["NDVI"])
        colours = {dn: tuple(cmap(min(dn / 250, 1.0), bytes=True)) for dn in range(256)}

        def ours(z: int, x: int, y: int) -> object:
            return kept.kept_tile(layer, z, x, y)

        def peer(z: int, x: int, y: int) -> object:
            with Reader(str(cog)) as source:
                return source.tile(x, y, z, reproject_method="nearest").render(colormap=colours)

        bounds = product.extent.bounds
        pixels = parsed.tiles[0] * parsed.tiles[1] * SIDE**2
        print(f"{pixels / 1e6:.0f} Mpixel a date, {DATES} dates, {product.size / 1e9:.1f} GB")
        print(f"{'':42}{'tiles':>6}{'p50 ms':>9}{'p95 ms':>9}{'sum s':>9}")
        near, all_of_it = places(bounds, 9, 60), places(bounds, 4, 100)
        middle = [place for zoom in (5, 6, 7, 8) for place in places(bounds, zoom, 20)]
        ours(*places(bounds, 12, 1)[0])  # what is imported and compiled once
        row("all of it, nothing made", times(ours, all_of_it))
        forget()
        start = time.perf_counter()
        os.environ["XDG_CACHE_HOME"] = str(Path(folder, "beforehand"))
        forget()
        Overviews(archive, product, "NDVI").make(np.arange(DATES))
        spent = time.perf_counter() - start
        size = sum(path.stat().st_size for path in Path(folder, "beforehand").rglob("*") if path.is_file())
        stored = sum(path.stat().st_size for path in Path(url).rglob("*") if path.is_file())
        print(f"overviews of all dates made in {spent:.1f} s, {size / stored:.1%} of the archive's bytes")
        for words, asked in (("all of it", all_of_it), ("zoom 5 to 8", middle), ("native, zoom 9", near)):
            forget()
            first = row(f"{words}, made, drawn", times(ours, asked))
            again = row(f"{words}, made, kept", times(ours, asked))
            peers = row(f"{words}, rio-tiler on a COG", times(peer, asked))
            print(f"  ratio to rio-tiler: drawn {first / peers:.2f}, kept {again / peers:.3f}")


if __name__ == "__main__":
    main()
