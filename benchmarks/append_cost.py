"""What one more dekad costs, by how many the archive holds already.

One tile of 1120 x 1120 pixels at 1 km, NDVI, taken in one dekad at a time as a near-real-time service does;
median time and mean bytes of a year.

    python benchmarks/append_cost.py [--years 10]
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine

import probav

SIZE = 1120
REPORTED = (1, 2, 5, 10, 15, 20)


def write_source(path: Path) -> None:
    """Write fields with some noise, which compress like NDVI does."""
    random = np.random.default_rng(7)
    fields = np.kron(random.integers(40, 200, (SIZE // 8, SIZE // 8)), np.ones((8, 8)))
    ndvi = np.clip(fields + random.normal(0, 3, (SIZE, SIZE)), 0, 250).astype("uint8")
    with rasterio.open(
        path, "w", driver="GTiff", width=SIZE, height=SIZE, count=1, dtype="uint8", nodata=255,
        crs="EPSG:4326", compress="deflate",
        transform=Affine(1 / 112, 0, -0.5 / 112, 0, -1 / 112, 55 + 0.5 / 112),
    ) as target:  # fmt: skip
        target.write(ndvi, 1)


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--years", type=int, default=10)
    parsed = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        source, archive = folder / "source.tif", folder / "archive"
        write_source(source)
        print(
            f"{'years held':>11}{'dates':>7}{'ms a dekad':>12}{'kB written':>12}   (median, mean of a year)"
        )
        for year in range(1, parsed.years + 1):
            spent, before = [], size(archive) if archive.exists() else 0
            for month in range(1, 13):
                for day in (1, 11, 21):
                    name = f"PROBAV_S10_TOC_X18Y02_{1998 + year}{month:02d}{day:02d}_1KM_V101_NDVI.tif"
                    os.link(source, folder / name)
                    start = time.perf_counter()
                    probav.ingest(archive, folder / name)
                    spent.append(1000 * (time.perf_counter() - start))
            written = (size(archive) - before) / 36 / 1000
            if year in REPORTED or year == parsed.years:
                print(f"{year:11}{36 * year:7}{statistics.median(spent):12.0f}{written:12.0f}", flush=True)


if __name__ == "__main__":
    main()
