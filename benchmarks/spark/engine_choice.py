"""Whether engine="auto" takes the faster engine: a grid of 50 queries, each measured both ways.

One thread against a Spark session of two cores, so that Spark wins the long ones. Each query asks for an area
that was not asked before, as a researcher's first question does; the faster of two calls counts, so that
neither engine pays for what it loads once.
"""

import argparse
import itertools
import os
import time

from benchmarks.masked_statistics import areas
from benchmarks.spark.tile import bench, product

WIDTHS = (0.1, 1.0, 3.0, 6.0, 9.5)  # degrees
PERIODS = ("2015-06", "2015-04/2015-06", "2015", "2015-01/2015-09", "2015-07/2015-12")
KINDS = (
    {"mask": "clear", "reducers": ("mean",)},
    {"mask": "clear & ndvi > 0.3", "reducers": ("mean", "p10", "p90"), "by": "SM"},
)


def main(size: int) -> None:
    os.environ["PROBAV_THREADS"] = "1"
    from probav_kernels.configuration import Settings
    from probav_kernels.environment import configure

    configure(Settings(master="local[2,4]"))
    made = bench(size)
    asked = product(made)
    asked.statistics(
        (0.2, 54.2, 0.4, 54.4), engine="spark"
    )  # the session runs, its workers have what they need
    right, lost, total = 0, 0.0, 0.0
    print("| area, degrees | period | by | one thread s | Spark s | auto |\n|---|---|---|---|---|---|")
    grid = list(itertools.product(WIDTHS, PERIODS, KINDS))
    for number, (width, period, kind) in enumerate(grid):
        seconds = {}
        chosen = asked.estimate(areas.polygon(size, size, 1000 + number, width), period, **kind).engine
        for engine in ("local", "spark"):
            own = []
            for turn in range(2):
                area = areas.polygon(size, size, 10_000 * turn + number, width)
                start = time.perf_counter()
                asked.statistics(area, period, engine=engine, **kind)
                own.append(time.perf_counter() - start)
            seconds[engine] = min(own)
        best = min(seconds, key=seconds.__getitem__)
        right += chosen == best
        lost, total = lost + seconds[chosen] - seconds[best], total + seconds[best]
        word = chosen if chosen == best else f"**{chosen}**"
        print(
            f"| {width} | {period} | {kind.get('by', '')} | {seconds['local']:.3f} | {seconds['spark']:.3f} "
            f"| {word} |",
            flush=True,
        )
    print(
        f"\nauto took the faster engine in {right} of {len(grid)}; wrong choices cost {lost / total:.1%} of "
        "the time"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=3360)
    main(**vars(parser.parse_args()))
