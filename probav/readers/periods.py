"""The period a file's date stands for: its label is always the first day, whatever the name carries."""

from __future__ import annotations

import calendar
from datetime import date

import numpy as np

from probav.errors import SourceError
from probav.products import ProductDefinition

# first days of the month; the last period of a month runs to the month's end
_STARTS = {"five-day": (1, 6, 11, 16, 21, 26), "dekad": (1, 11, 21)}


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


def label(day: date, product: ProductDefinition, position: str | None = None) -> np.datetime64:
    """First day of the period of `product` that a file dates with `day`.

    Parameters
    ----------
    day : date
    product : ProductDefinition
    position : "first" or "last", optional
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
    if product.cadence == "day":
        return np.datetime64(day, "D")
    if product.cadence == "year":
        if (day.month, day.day) != (1, 1):
            raise SourceError(f"{day} starts no period of {product.id}; expected the first of January")
        return np.datetime64(day, "D")
    starts = _STARTS[product.cadence]
    ends = (*(start - 1 for start in starts[1:]), calendar.monthrange(day.year, day.month)[1])
    days = starts if position == "first" else ends
    if day.day not in days:
        does = "starts" if position == "first" else "ends"
        raise SourceError(
            f"{day} {does} no period of {product.id}; expected day {', '.join(map(str, days))} of the month"
        )
    return np.datetime64(day.replace(day=starts[days.index(day.day)]), "D")
