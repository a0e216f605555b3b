"""How the time of a query grows: with its area, with its dates, and with an archive it doesn't ask for."""

from __future__ import annotations

from typing import Any

from benchmarks.masked_statistics import areas, ours
from benchmarks.masked_statistics.data import STEP
from benchmarks.masked_statistics.measure import best, timed
from benchmarks.masked_statistics.prepare import lengths
from benchmarks.masked_statistics.queries import Bench

_MOST, _LEAST = 20, 3  # areas that are asked for
_ENOUGH = 1.5  # seconds


def _seconds(product: Any, height: int, width: int, across: float, time: Any = None) -> tuple[float, float]:
    """Best wall seconds over areas that differ, and their mean size in square degrees."""
    ours.ask(product, areas.polygon(height, width, 0, across), False, "fraction", time=time)
    spent, size = [], 0.0
    for seed in range(1, _MOST + 1):
        frame = areas.polygon(height, width, seed, across)
        size += float(frame.geometry.iloc[0].area)
        spent.append(timed(lambda f=frame: ours.ask(product, f, False, "fraction", time=time))[1])
        if len(spent) >= _LEAST and sum(one.wall for one in spent) > _ENOUGH:
            break
    return best(spent).wall, size / len(spent)


def measure(bench: Bench) -> dict[str, Any]:
    """Return pairs of what grows and wall seconds."""
    tile, small = bench.tile, bench.small
    product = ours.open_product(tile.archive)
    widest = tile.width * STEP
    by_area = []
    for across in (0.25, 0.5, 1, 2, 4, 7):
        if across < 0.9 * widest:
            seconds, size = _seconds(product, tile.height, tile.width, across)
            by_area.append((size, seconds))
    by_dates = []
    for dates in (1, 3, 6, 12, 18, 24, 36):
        if dates <= tile.dates:
            time = (str(tile.days[0]), str(tile.days[dates - 1]))
            by_dates.append((dates, _seconds(product, tile.height, tile.width, 2.0, time)[0]))
    by_length = []
    last = min(36, small.dates)
    time = (str(small.days[-last]), str(small.days[-1]))
    for number in lengths(bench):
        name = "archive" if number == bench.long else f"archive-{number}"
        held = ours.open_product(small.folder / name)
        by_length.append((number, _seconds(held, small.height, small.width, 0.5, time)[0]))
    return {"area": by_area, "dates": by_dates, "length": by_length}
