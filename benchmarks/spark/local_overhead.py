"""What a running Spark session on this machine's cores costs against threads, on the reference tile.

Medians of wall seconds over calls with the same areas, both engines in turns; the answers are compared.
"""

import argparse
import statistics
import time

from benchmarks.masked_statistics.queries import STATS
from benchmarks.spark.tile import bench, product


def main(size: int, times: int) -> None:
    from probav_kernels.environment import configure

    configure()
    made = bench(size)
    asked = product(made)
    reducers = tuple(name for name in STATS if name != "count")
    print("| query | threads s | Spark s | Spark - threads s | ratio |\n|---|---|---|---|---|")
    for name in ("c", "a", "a10", "b", "d"):
        query = made.queries()[name]
        areas = query.areas(1)
        seconds: dict[str, list[float]] = {"local": [], "spark": []}
        answers = {}
        for number in range(times + 1):  # the first warms both up
            for engine, own in seconds.items():
                start = time.perf_counter()
                answers[engine] = asked.statistics(
                    areas,
                    mask="clear",
                    by="landcover" if query.by_class else None,
                    reducers=reducers,
                    engine=engine,
                )
                if number:
                    own.append(time.perf_counter() - start)
        for variable in answers["local"].data_vars:
            assert answers["local"][variable].values.tobytes() == answers["spark"][variable].values.tobytes()
        local, spark = (statistics.median(own) for own in seconds.values())
        print(
            f"| {query.title} | {local:.3f} | {spark:.3f} | {spark - local:.2f} | {spark / local:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=3360)
    parser.add_argument("--times", type=int, default=5)
    main(**vars(parser.parse_args()))
