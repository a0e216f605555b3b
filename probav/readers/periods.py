"""The period a file's date stands for: its label is always the first day, whatever the name carries."""

from __future__ import annotations

from datetime import date

import numpy as np

from probav.errors import SourceError
from probav.products import DateRule, ProductDefinition, period_end, period_start


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
    given = np.datetime64(day, "D")
    first = np.datetime64(period_start(given, product.cadence).item(), "D")
    last = np.datetime64(period_end(given, product.cadence).item(), "D") - 1
    if position != "within" and given != (first if position == "first" else last):
        does = "starts" if position == "first" else "ends"
        raise SourceError(
            f"{day} {does} no period of {product.id}; the {product.cadence} around it is {first} to {last}"
        )
    return first
