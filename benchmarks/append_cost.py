"""What appending one dekad costs as an archive grows: time, and bytes written, at 1, 2, 5 and 10 years.

A tile of 1120 x 1120 pixels on the world grid of 300 m, three variables, appended one dekad a commit. Printed
are means over a year, so that every length of the last chunk of the time axis (1 to 12 dates) is in them.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from probav import storage
from probav.products import get_product

PRODUCT, VARIABLES = "PROBAV_L3_S10_TOC_333M", ("NDVI", "SM", "RED")
YEARS, DEKADS = (1, 2, 5, 10), 36
ROW, COLUMN, SIZE = 6720, 60480, 1120


class Written:
    """Counts the bytes of files that are new since the last call, those of chunks apart."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._known = folder, set()
        self()

    def __call__(self) -> tuple[int, int]:
        sizes = [0, 0]
        for kind in ("chunks", "manifests", "snapshots", "transactions"):
            for entry in os.scandir(self._folder / kind):
                if (kind, entry.name) not in self._known:
                    self._known.add((kind, entry.name))
                    sizes[kind != "chunks"] += entry.stat().st_size
        return sizes[0], sizes[1]


def start(root) -> None:
    definition = get_product(PRODUCT)
    group = storage.create_group(root, definition, definition.grid)
    for name in VARIABLES:
        storage.create_variable(group, definition.variable(name), definition.grid)
    storage.add_window(group, "X18Y02", (ROW, COLUMN, SIZE, SIZE))


def append(root, date: np.datetime64, layer: np.ndarray) -> None:
    group = root[PRODUCT]
    storage.append_times(group, np.array([date]))
    for name in VARIABLES:
        array = storage.array_of(group, name)
        array[-1:, ROW : ROW + SIZE, COLUMN : COLUMN + SIZE] = layer.astype(array.dtype)[None]
    group["source_rank"][-1, 0] = 1


def main(years: tuple[int, ...]) -> None:
    random = np.random.default_rng(1)
    coarse = np.kron(random.integers(0, 250, (35, 35)), np.ones((32, 32)))
    with tempfile.TemporaryDirectory() as name:
        url = Path(name) / "archive"
        storage.commit(str(url), "start", {}, start, create=True)
        written, rows = Written(url), []
        print(f"{'dates held':>10} {'ms a commit':>12} {'MB a date':>10} {'of it not pixels, kB':>21}")
        for number in range(max(years) * DEKADS):
            layer = np.clip(coarse + random.integers(-3, 4, coarse.shape), 0, 250)
            date = np.datetime64("1999-01-01") + 10 * number
            begin = time.perf_counter()
            storage.commit(str(url), str(date), {}, lambda root, d=date, dn=layer: append(root, d, dn))
            rows.append((time.perf_counter() - begin, *written()))
            if (number + 1) / DEKADS in years:
                seconds, pixels, other = np.mean(rows[-DEKADS:], axis=0)
                print(
                    f"{number + 1:10} {seconds * 1e3:12.0f} {pixels / 1e6:10.2f} {other / 1e3:21.1f}",
                    flush=True,
                )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--years", type=int, nargs="+", default=YEARS)
    main(tuple(parser.parse_args().years))
