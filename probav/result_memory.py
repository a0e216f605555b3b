"""What a result of statistics takes in memory, known before it is computed: said before a kernel dies."""

from __future__ import annotations

from collections.abc import Sequence

from probav.accumulate import memory_budget
from probav.archive import Product
from probav.areas import Aoi
from probav.bins import BINS
from probav.reducers import COUNTS
from probav.times import group_times, select

_COPIES = 3  # of a result: its tables, the dataset, and what is shown of it
_USUAL_CLASSES = 8  # of a stratum in a zone


def statistics_bytes(
    product: Product,
    area: Aoi,
    time: object = None,
    *,
    reducers: Sequence[str],
    variable: str | Sequence[str] | None = None,
    by: str | Sequence[str] | None = None,
    by_time: str | None = None,
) -> int:
    """Return roughly the bytes that `Product.statistics` with these arguments takes at most.

    Raises
    ------
    TimeError
        If `time` or `by_time` can't be understood.
    """
    dates = product.times[select(product.times, time, product.id)]
    times = len(group_times(dates, by_time)[1])
    variables = 1 if variable is None or isinstance(variable, str) else len(variable)
    strata = 0 if by is None else 1 if isinstance(by, str) else len(by)
    cells = len(area) * times * variables * _USUAL_CLASSES**strata
    numbers = len(reducers) + len(COUNTS) + 1 + (BINS if "histogram" in reducers else 0)
    return int(_COPIES * 8 * cells * numbers + min(memory_budget(), 16 * BINS * cells))
