"""One task in a process of its own: `python -m benchmarks.masked_statistics.child '{"task": "peer", ...}'`.

The last line it prints is the result, as JSON; the numbers themselves go to the file named `out`.
"""

from __future__ import annotations

import json
import sys
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.masked_statistics.measure import Spent, best, peak_memory, timed
from benchmarks.masked_statistics.queries import Bench, Query
from benchmarks.masked_statistics.world import CLASSES

SEED = 1  # of the areas whose results are compared
_LONGEST = 20.0  # seconds of a run that is done in full
_SOME = 12.0  # seconds of a run over some of the dates, else


def _work(query: Query, dates: int | None = None) -> Any:
    from benchmarks.masked_statistics.peers.source import Work

    return Work(query.series, query.areas(SEED), query.by_class, dates or query.series.dates)


def peer(query: Query, task: dict[str, Any]) -> dict[str, Any]:
    """Time a peer: in full where that is quick, else from one and from more dates.

    What is known after each step is printed, so that it counts if the next one takes too long.
    """
    from benchmarks.masked_statistics.peers import peers_of

    one = peers_of(task["module"])[task["peer"]]
    work = _work(query)
    classes = 1 if one.class_by_class and query.name == "b" else CLASSES

    def known(found: Any, spent: list[Spent], dates: int, classes: int) -> dict[str, Any]:
        np.save(task["out"], found)
        said = {
            **asdict(best(spent)), "median": float(np.median([part.wall for part in spent])),
            "runs": len(spent), "dates": dates, "of_dates": work.dates, "classes": classes,
            "scaled": dates < work.dates or classes < CLASSES,
        }  # fmt: skip
        print(json.dumps(said), flush=True)
        return said

    one.run(work.part(1, 1, zones=1))  # imports and compilers
    found, first = timed(lambda: one.run(work.part(1, classes)))
    once = Spent(0.0, 0.0)  # what doesn't grow with the classes
    if classes < CLASSES:
        times = 4 if first.wall < 3 else 2
        several = timed(lambda: one.run(work.part(1, times * classes)))[1]
        once = first.scaled(times).plus(several, -1).scaled(1 / (times - 1)).at_least(0.0)

    def all_classes(spent: Spent) -> Spent:
        return spent.plus(once, -1).at_least(0.0).scaled(CLASSES / classes).plus(once)

    total = all_classes(first.scaled(work.dates))
    said = known(found, [total], 1, classes)
    if first.wall < 25 and work.dates > 1:
        number = min(work.dates, max(2, int(_SOME / first.wall)))
        found, some = timed(lambda: one.run(work.part(number, classes)))
        slope = some.plus(first, -1).scaled(1 / (number - 1)).at_least(0.0)
        total = all_classes(some.plus(slope, work.dates - number))
        said = known(found, [total], number, classes)
    if total.wall <= _LONGEST:
        spent: list[Spent] = []
        while len(spent) < 5 and sum(part.wall for part in spent) < 3:
            found, part = timed(lambda: one.run(work))
            spent.append(part)
        said = known(found, spent, work.dates, CLASSES)
    return said


def compiled(query: Query, task: dict[str, Any]) -> dict[str, Any]:
    """Ask every query once, so that what compiles once on a machine is compiled."""
    from benchmarks.masked_statistics import ours

    for one in _bench(task).queries().values():
        if one.name != "strip":
            product = ours.open_product(one.series.archive)
            for coverage in ("fraction", "centre"):
                ours.ask(product, one.areas(0), one.by_class, coverage)
    return {}


def ours(query: Query, task: dict[str, Any]) -> dict[str, Any]:
    """Time the engine: the first call, calls with other areas, the same area again."""
    from benchmarks.masked_statistics import ours

    coverage, plain = task["coverage"], task.get("plain", False)
    path = query.series.folder / ("keys" if plain else "archive")
    frames = [query.areas(seed) for seed in range(SEED, SEED + 1 + task["others"])]

    def first() -> Any:
        product = ours.open_product(path, plain=plain)
        return product, ours.ask(product, frames[0], query.by_class, coverage)

    (product, found), cold = timed(first)
    np.save(task["out"], ours.table(found))
    others = [
        timed(lambda f=frame: ours.ask(product, f, query.by_class, coverage))[1] for frame in frames[1:]
    ]
    again = [timed(lambda: ours.ask(product, frames[0], query.by_class, coverage))[1] for _ in frames[1:]]
    seconds = ours.estimated(product, frames[0], query.by_class, coverage)
    return {
        "cold": asdict(cold), "other": asdict(best(others)), "again": asdict(best(again)),
        "median": float(np.median([spent.wall for spent in others])), "estimate": seconds,
        "memory": peak_memory(),
    }  # fmt: skip


def second(query: Query, task: dict[str, Any]) -> dict[str, Any]:
    """Time a second product over the same parcels, and over others, whose weights aren't known."""
    from benchmarks.masked_statistics import ours
    from benchmarks.masked_statistics.data import SECOND

    product = ours.open_product(query.series.archive)
    other = ours.open_product(query.series.archive, product=SECOND)
    frames = [query.areas(seed) for seed in range(SEED, SEED + 4)]

    def ask(frame: Any) -> Any:
        return other.statistics(frame, reducers=ours.REDUCERS, coverage="fraction")

    ask(frames[3])  # whatever is done once a process
    known = []
    for frame in frames[:2]:
        ours.ask(product, frame, query.by_class, "fraction")
        known.append(timed(lambda f=frame: ask(f))[1])
    unknown = [timed(lambda: ask(frames[2]))[1]]
    return {"known": asdict(best(known)), "unknown": asdict(best(unknown))}


def limit(query: Query, task: dict[str, Any]) -> dict[str, Any]:
    """Time decoding and counting alone."""
    from benchmarks.masked_statistics import limit
    from benchmarks.masked_statistics.data import PRODUCT, SECOND
    from benchmarks.masked_statistics.prepare import SECOND_DATES

    fetch = (limit.fetch_plain if task["plain"] else limit.fetch_through_archive)(query.series)
    if task.get("second"):
        work = _work(query, min(SECOND_DATES, query.series.dates))
        found = limit.limit(work, fetch, SECOND, ("NDVI",))
    else:
        found = limit.limit(_work(query), fetch, PRODUCT, ("NDVI", "SM"))
    return {name: asdict(spent) for name, spent in found.items()}


def memory(query: Query, task: dict[str, Any]) -> dict[str, Any]:
    """Run a query once; what counts is this process's peak."""
    from benchmarks.masked_statistics import ours

    product = ours.open_product(query.series.archive)
    days = query.series.days
    time = None if task["dates"] is None else (str(days[-task["dates"]]), str(days[-1]))
    before = peak_memory()
    _, spent = timed(lambda: ours.ask(product, query.areas(SEED), query.by_class, "fraction", time=time))
    return {"before": before, "peak": peak_memory(), **asdict(spent)}


def growth(query: Query, task: dict[str, Any]) -> dict[str, Any]:
    """Time one polygon by its size, by the number of dates, and by the length of the archive."""
    from benchmarks.masked_statistics import growth

    return growth.measure(_bench(task))


def _bench(task: dict[str, Any]) -> Bench:
    return Bench(**{**task["bench"], "folder": Path(task["bench"]["folder"])})


TASKS = {one.__name__: one for one in (compiled, peer, ours, second, limit, memory, growth)}


def main() -> None:
    warnings.simplefilter("ignore")
    task = json.loads(sys.argv[1])
    found = TASKS[task["task"]](_bench(task).queries()[task["query"]], task)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
