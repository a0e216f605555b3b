"""The reference tile of the masked statistics' benchmark, made where it is missing."""

from pathlib import Path

import platformdirs

import probav
from benchmarks.masked_statistics.data import PRODUCT, make_archive, make_geotiffs
from benchmarks.masked_statistics.queries import Bench


def bench(size: int) -> Bench:
    """Return the benchmark's data with their tile made."""
    made = Bench(Path(platformdirs.user_cache_dir("probav")) / "benchmark", size=size)
    make_geotiffs(made.tile)
    make_archive(made.tile)
    return made


def product(made: Bench) -> probav.Product:
    """Return the product of the tile."""
    return probav.open_archive(made.tile.archive)[PRODUCT]
