"""Ingest throughput beside a plain rio-cogeo conversion and xarray.to_zarr of the same files.

One tile of 3360 x 3360 pixels (10 x 10 degrees at 300 m), NDVI and status map, as deflated GeoTIFF. Each
contender runs in a process of its own, children included in its CPU time.

    python benchmarks/archive_ingest.py [--dates 12]
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine

SIZE = 3360


def write_sources(folder: Path, dates: int) -> None:
    """Write NDVI like a season over fields, with clouds, and the status map that goes with it."""
    random = np.random.default_rng(7)
    fields = np.kron(random.integers(40, 200, (SIZE // 8, SIZE // 8)), np.ones((8, 8)))
    profile = {
        "driver": "GTiff", "width": SIZE, "height": SIZE, "count": 1, "dtype": "uint8", "crs": "EPSG:4326",
        "transform": Affine(1 / 336, 0, -0.5 / 336, 0, -1 / 336, 55 + 0.5 / 336), "compress": "deflate",
    }  # fmt: skip
    for number in range(dates):
        date = np.datetime64("2015-01-01") + 31 * (number // 3) + 10 * (number % 3)
        day = str(date.astype("datetime64[M]") + 0).replace("-", "") + f"{1 + 10 * (number % 3):02d}"
        season = 1 + 0.25 * np.sin(number / 6)
        ndvi = np.clip(fields * season + random.normal(0, 3, (SIZE, SIZE)), 0, 250).astype("uint8")
        cloud = np.kron(random.random((SIZE // 60, SIZE // 60)) < 0.3, np.ones((60, 60), bool))
        status = np.where(cloud, 251, 248).astype("uint8")
        ndvi[cloud] = 255
        for layer, array, nodata in (("NDVI", ndvi, 255), ("SM", status, None)):
            name = f"PROBAV_S10_TOC_X18Y02_{day}_333M_V101_{layer}.tif"
            with rasterio.open(folder / name, "w", nodata=nodata, **profile) as target:
                target.write(array, 1)


def probav(sources: Path, target: Path) -> None:
    """Take the files in, checksums, versions and provenance included."""
    import probav as engine

    engine.ingest(target / "archive", sources)


def rio_cogeo(sources: Path, target: Path) -> None:
    """Convert each file to a Cloud-Optimised GeoTIFF with the tool's default profile."""
    from rio_cogeo.cogeo import cog_translate
    from rio_cogeo.profiles import cog_profiles

    for path in sorted(sources.glob("*.tif")):
        cog_translate(path, target / path.name, cog_profiles.get("deflate"), quiet=True)


def xarray_to_zarr(sources: Path, target: Path) -> None:
    """Stack the files with xarray and write one Zarr, cut and compressed as the archive is."""
    import xarray as xr
    from zarr.codecs import ZstdCodec

    data, encoding = {}, {}
    for layer in ("NDVI", "SM"):
        arrays = []
        for path in sorted(sources.glob(f"*_{layer}.tif")):
            with rasterio.open(path) as source:
                arrays.append(source.read(1))
        data[layer] = (("time", "y", "x"), np.stack(arrays))
        encoding[layer] = {"chunks": (12, 280, 280), "compressors": [ZstdCodec(level=1)]}
    xr.Dataset(data).to_zarr(target / "cube.zarr", zarr_format=3, encoding=encoding, consolidated=False)


CONTENDERS = {"probav ingest": probav, "xarray.to_zarr": xarray_to_zarr, "rio-cogeo": rio_cogeo}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dates", type=int, default=12)
    parser.add_argument("--only", nargs=3, metavar=("CONTENDER", "SOURCES", "TARGET"), help=argparse.SUPPRESS)
    parsed = parser.parse_args()
    if parsed.only:
        CONTENDERS[parsed.only[0]](Path(parsed.only[1]), Path(parsed.only[2]))
        return
    with tempfile.TemporaryDirectory() as temporary:
        sources = Path(temporary, "sources")
        sources.mkdir()
        write_sources(sources, parsed.dates)
        raw = 2 * parsed.dates * SIZE * SIZE / 1e6
        print(f"{parsed.dates} dates, {raw:.0f} MB of pixels, {os.cpu_count()} cores")
        print(f"{'':16}{'CPU s':>8}{'wall s':>8}{'MB/s a core':>13}{'written MB':>12}{'CPU ratio':>11}")
        first = None
        for name in CONTENDERS:
            target = Path(temporary, "target")
            target.mkdir()
            start = time.perf_counter()
            command = [sys.executable, __file__, "--only", name, str(sources), str(target)]
            process = subprocess.Popen(command)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            assert process.returncode == 0, name
            wall, cpu = time.perf_counter() - start, usage.ru_utime + usage.ru_stime
            written = sum(path.stat().st_size for path in target.rglob("*") if path.is_file()) / 1e6
            first = first or cpu
            print(f"{name:16}{cpu:8.1f}{wall:8.1f}{raw / cpu:13.0f}{written:12.0f}{cpu / first:11.2f}")
            shutil.rmtree(target)


if __name__ == "__main__":
    main()
