"""Where the engine's time goes: CPU seconds of its stations for each query, with one thread.

    python -m benchmarks.masked_statistics.where [--data FOLDER] [--size 3360] [--dates 36] [--long 720]

Asks each query of `make bench` three times and prints the last one, a column a query. Needs the data that
`make bench` makes.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import platformdirs

from benchmarks.masked_statistics import ours
from benchmarks.masked_statistics.queries import Bench
from probav import accumulate, areas, chunks, histogram, query, statistics, tables
from probav.execution import local
from probav.storage import locations

_QUERIES = ("a", "b", "c", "c20", "d")
# stations: in words, and the functions whose time they are; what one calls of another is not counted twice
_STATIONS: dict[str, list[tuple[Any, str]]] = {
    "reading chunks": [(locations.Place, "read")],
    "decoding them": [(chunks.ChunkReader, "decode")],
    "counting: rasters of zones": [(histogram, "_count_raster")],
    "counting: edges and small zones": [(histogram, "_count_entries")],
    "adding up and reducing": [(accumulate.Accumulator, "add"), (accumulate.Accumulator, "finish")],
    "labelling pixels": [(query._Labelled, "_lasting")],
    "the rest of the tasks": [(local, "run")],
    "the area, its weights, the tasks": [
        (areas, "aoi"), (statistics, "_covered"), (statistics, "make_batches"), (statistics, "_query"),
    ],
    "labels of the result": [(tables.Tables, "dataset")],
}  # fmt: skip
spent: Counter[str] = Counter()
_inside: list[float] = [0.0]


def _watch(owner: Any, name: str, station: str) -> None:
    function: Callable[..., Any] = getattr(owner, name)

    def watched(*arguments: Any, **options: Any) -> Any:
        start = time.thread_time()
        _inside.append(0.0)
        try:
            return function(*arguments, **options)
        finally:
            whole = time.thread_time() - start
            spent[station] += whole - _inside.pop()
            _inside[-1] += whole

    setattr(owner, name, watched)


def _in_this_thread(tasks: list[Any], accumulator: Any, progress: Any = None) -> None:
    for task in tasks:
        local.run(task, accumulator)
        accumulator.finish(task.zones)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    folder = Path(platformdirs.user_cache_dir("probav")) / "benchmark"
    parser.add_argument("--data", type=Path, default=folder)
    for name, default in (("--size", 3360), ("--dates", 36), ("--long", 720)):
        parser.add_argument(name, type=int, default=default)
    parsed = parser.parse_args()
    os.environ["PROBAV_THREADS"] = "1"
    for station, functions in _STATIONS.items():
        for owner, name in functions:
            _watch(owner, name, station)
    local.execute = _in_this_thread
    bench = Bench(parsed.data, parsed.size, parsed.dates, parsed.long)
    columns = {}
    for name in _QUERIES:
        asked = bench.queries()[name]
        product = ours.open_product(asked.series.archive)
        frame = asked.areas(1)
        for _ in range(3):
            spent.clear()
            start = time.process_time()
            ours.ask(product, frame, asked.by_class, "fraction")
            whole = time.process_time() - start
        columns[name] = {**spent, "all": whole}
    print("| CPU ms | " + " | ".join(columns) + " |\n|---|" + "---|" * len(columns))
    for station in (*_STATIONS, "all"):
        numbers = (f"{1000 * own.get(station, 0.0):.1f}" for own in columns.values())
        print(f"| {station} | " + " | ".join(numbers) + " |")


if __name__ == "__main__":
    main()
