"""The periods products come in: calendar arithmetic on days, for one day or millions.

A period is named by its first day. Five-day periods and dekads start anew with each month, so that the last
one runs to the month's end; eight- and sixteen-day periods start anew with each year.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Cadence = Literal["day", "five-day", "dekad", "month", "eight-day", "sixteen-day", "year"]
CADENCES: tuple[str, ...] = get_args(Cadence)
Days = NDArray[np.datetime64]

# days of a period, periods of a month
_IN_MONTH = {"five-day": (5, 6), "dekad": (10, 3)}
_IN_YEAR = {"eight-day": 8, "sixteen-day": 16}


def period_start(days: Days, cadence: Cadence) -> Days:
    """Return the first day of the period that holds each day (datetime64[D], any shape)."""
    days = np.asarray(days, "datetime64[D]")
    months, years = days.astype("datetime64[M]"), days.astype("datetime64[Y]")
    if cadence in _IN_MONTH:
        length, count = _IN_MONTH[cadence]
        first = months.astype("datetime64[D]")
        index = np.minimum((days - first).astype(int) // length, count - 1)
        return np.asarray(first + length * index)
    if cadence in _IN_YEAR:
        first = years.astype("datetime64[D]")
        length = _IN_YEAR[cadence]
        return np.asarray(first + (days - first).astype(int) // length * length)
    if cadence == "month":
        return months.astype("datetime64[D]")
    return years.astype("datetime64[D]") if cadence == "year" else days


def period_end(days: Days, cadence: Cadence) -> Days:
    """Return the day after the last one of the period that holds each day (datetime64[D], any shape)."""
    first = period_start(days, cadence)
    if cadence == "year":
        return (first.astype("datetime64[Y]") + 1).astype("datetime64[D]")
    next_month = (first.astype("datetime64[M]") + 1).astype("datetime64[D]")
    if cadence == "month":
        return next_month
    if cadence in _IN_MONTH:
        length, count = _IN_MONTH[cadence]
        last = (first - first.astype("datetime64[M]")).astype(int) == length * (count - 1)
        return np.asarray(np.where(last, next_month, first + length))
    if cadence in _IN_YEAR:
        next_year = (first.astype("datetime64[Y]") + 1).astype("datetime64[D]")
        return np.asarray(np.minimum(first + _IN_YEAR[cadence], next_year))
    return np.asarray(first + 1)


def period_starts(first: np.datetime64, last: np.datetime64, cadence: Cadence) -> Days:
    """Return the first day of every period from the one that holds `first` to the one that holds `last`."""
    return np.unique(period_start(np.arange(first, last + 1, dtype="datetime64[D]"), cadence))
