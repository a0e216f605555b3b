"""The period a file's date stands for: its label is always the first day, whatever the name carries."""

from __future__ import annotations

from datetime import date
from functools import lru_cache

import numpy as np

from probav.errors import SourceError
from probav.products import Cadence, DateRule, ProductDefinition, period_end, period_start


def day_of(digits: str) -> date:
    """Return the date written as yyyymmdd.

    Raises
    ------
    SourceError
        If there is no such day.
    """
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError as error:
        raise SourceError(f"{digits} is no date: {error}") from None


def label(day: date, product: ProductDefinition, position: DateRule | None = None) -> np.datetime64:
    """First day of the period of `product` that a file dates with `day`.

    Parameters
    ----------
    day : date
    product : ProductDefinition
    position : "first", "last" or "within", optional
        Which day of its period `day` is; default: as the product's names have it.

    Returns
    -------
    datetime64[D]

    Raises
    ------
    SourceError
        If no period of the product starts (ends) on that day.
    """
    position = position or product.date_in_name
    first, last = _period(day, product.cadence)
    if position != "within" and np.datetime64(day, "D") != (first if position == "first" else last):
        does = "starts" if position == "first" else "ends"
        raise SourceError(
            f"{day} {does} no period of {product.id}; the {product.cadence} around it is {first} to {last}"
        )
    return first


@lru_cache(maxsize=10_000)  # folders of thousands of tiles and layers have few dates
def _period(day: date, cadence: Cadence) -> tuple[np.datetime64, np.datetime64]:
    """First and last day of the period that holds a day."""
    given = np.array(day, "datetime64[D]")
    start, end = period_start(given, cadence), period_end(given, cadence)
    return np.datetime64(start.item(), "D"), np.datetime64(end.item(), "D") - 1
