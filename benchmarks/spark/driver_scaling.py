"""What many tasks and many zones cost the driver: time and memory, each size in a process of its own.

Tasks are simulated: real descriptors of a zone that fills a chunk, on executors that do nothing with them but
unpack them; so what is seen is the overhead of a task. Zones are real ones, small squares, cut into tasks.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

SIDE = 280
TASKS = (100, 1_000, 10_000, 100_000, 1_000_000)
ZONES = (1, 10, 100, 1_000, 10_000, 100_000)


def nothing(shared: bytes, data: bytes) -> Iterator[tuple[int, bytes]]:
    """Unpack a task, on an executor."""
    from probav.execution.packing import unpack

    yield -1, len(unpack(data)["runs"]).to_bytes(8, "little")


def peak() -> float:
    """Return the most memory that this process had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def of_tasks(count: int) -> dict[str, float]:
    """Make, send and answer so many tasks."""
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[2])
    from probav_kernels.configuration import Settings
    from probav_kernels.environment import configure

    configure(Settings(driver_memory="2g"))
    from probav.execution import spark
    from probav.execution.packing import pack_task
    from probav.query import Query, Task

    spark.session()
    list(
        spark.each("benchmarks.spark.driver_scaling:nothing", [_packed(Query, Task, pack_task, 0)] * 8)
    )  # warm
    before, start = peak(), time.perf_counter()
    payloads = [_packed(Query, Task, pack_task, number) for number in range(count)]
    packed = time.perf_counter() - start
    size = sum(map(len, payloads))
    answers = sum(1 for _ in spark.each("benchmarks.spark.driver_scaling:nothing", payloads))
    assert answers == count
    job = time.perf_counter() - start - packed
    return {"packed": packed, "job": job, "bytes": size / count, "peak": peak(), "more": peak() - before}


def _packed(query_class, task_class, pack_task, number: int) -> bytes:
    rows = np.arange(SIDE)
    runs = np.stack([rows * 0 + number, rows, rows * 0, rows * 0 + SIDE], axis=1)
    none = np.empty(0, np.int64)
    query = query_class("", "", "", ("NDVI",), None, (), "pixel", (0,), (0,), ("mean",))
    dates = np.arange(12)
    task = task_class(query, (number, 0), dates, runs, np.empty((0, 3), np.int64), none, dates[:1], none)
    return pack_task(task)


def of_zones(count: int, size: int) -> dict[str, float]:
    """Cut so many zones into tasks and pack these."""
    import geopandas as gpd
    import shapely

    from benchmarks.spark.tile import bench, product
    from probav import areas, statistics
    from probav.execution.packing import pack_task
    from probav.tasks import make_batches

    asked = product(bench(size))
    side = int(np.ceil(np.sqrt(count)))
    step = size / 336 / side
    row, column = np.divmod(np.arange(count), side)
    west, north = column * step, 55 - row * step
    boxes = shapely.box(west, north - 0.7 * step, west + 0.7 * step, north)
    zones = areas.aoi(gpd.GeoDataFrame(geometry=boxes, crs=4326))
    start = time.perf_counter()
    query, _ = statistics._query(asked, None, "clear", None, None, "pixel", ("mean",), None)
    pixels, area = statistics._covered(asked, zones, "fraction")
    covered = time.perf_counter() - start
    tasks = [task for batch in make_batches(query, pixels, 2, area) for task in batch]
    cut = time.perf_counter() - start - covered
    size_packed = sum(len(pack_task(task)) for task in tasks)
    packed = time.perf_counter() - start - covered - cut
    found = {"covered": covered, "cut": cut, "packed": packed}
    return found | {"tasks": len(tasks), "bytes": size_packed, "peak": peak()}


def apart(**task: int) -> dict[str, float]:
    """Run one size in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.spark.driver_scaling", "--one", json.dumps(task)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def main(size: int, most: int) -> None:
    print(
        "| tasks | packed s | job s | ms a task | bytes a task | driver's peak MB |\n"
        "|---|---|---|---|---|---|"
    )
    for count in TASKS:
        if count <= most:
            own = apart(tasks=count)
            each = 1e3 * (own["packed"] + own["job"]) / count
            print(
                f"| {count:,} | {own['packed']:.2f} | {own['job']:.2f} | {each:.2f} | {own['bytes']:.0f} "
                f"| {own['peak']:.0f} |",
                flush=True,
            )
    print("\n| zones | covered s | cut s | packed s | tasks | MB sent | driver's peak MB |")
    print("|---|---|---|---|---|---|---|")
    for count in ZONES:
        own = apart(zones=count, size=size)
        print(
            f"| {count:,} | {own['covered']:.2f} | {own['cut']:.2f} | {own['packed']:.2f} "
            f"| {own['tasks']:.0f} | {own['bytes'] / 1e6:.2f} | {own['peak']:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=3360)
    parser.add_argument("--most", type=int, default=1_000_000, help="tasks")
    parser.add_argument("--one", type=json.loads, help="run one size in this process")
    given = parser.parse_args()
    if given.one:
        print(
            json.dumps(
                of_tasks(given.one["tasks"])
                if "tasks" in given.one
                else of_zones(given.one["zones"], given.one["size"])
            )
        )
    else:
        main(given.size, given.most)
