"""Time to open an archive and to look into it, by the number of products and dates it holds.

python benchmarks/archive_open.py
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np

import probav
from probav import storage
from probav.products import GRID_FROM_FILE, PRODUCTS


def make(url: str, products: int, dates: int) -> None:
    """Make an archive of some products with one window of 20 x 20 pixels on each date."""
    days = np.datetime64("1998-04-01") + 10 * np.arange(dates)
    storage.create(url)
    known = (definition for definition in PRODUCTS.values() if definition.grid != GRID_FROM_FILE)
    with storage.writing(url, "all", {}) as root:
        for definition in islice(known, products):
            group = storage.create_group(root, definition, definition.grid)
            for variable in definition.variables.values():
                storage.create_variable(group, variable, definition.grid)
            storage.append_times(group, days)
            storage.add_window(group, "", (0, 0, 20, 20))
            group["source_rank"][:, 0] = 1


def milliseconds(action: Callable[[], object], times: int = 7) -> float:
    """Median time of an action."""
    spent = []
    for _ in range(times):
        start = time.perf_counter()
        action()
        spent.append(1000 * (time.perf_counter() - start))
    return statistics.median(spent)


def main() -> None:
    print(f"{'products':>9}{'dates':>7}{'open ms':>10}{'one product ms':>16}{'products table ms':>19}")
    for products, dates in ((1, 36), (1, 360), (1, 3600), (10, 360), (50, 360), (50, 3600)):
        with tempfile.TemporaryDirectory() as folder:
            url = str(Path(folder, "archive"))
            make(url, products, dates)
            name = probav.open_archive(url).ids[0]
            row = [
                milliseconds(lambda url=url: probav.open_archive(url)),
                milliseconds(lambda url=url, name=name: probav.open_archive(url)[name].extent),
                milliseconds(lambda url=url: probav.open_archive(url).products, times=3),
            ]
            print(f"{products:9}{dates:7}{row[0]:10.1f}{row[1]:16.1f}{row[2]:19.1f}", flush=True)


if __name__ == "__main__":
    main()
