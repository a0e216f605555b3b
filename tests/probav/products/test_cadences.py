import calendar
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probav.products import CADENCES, period_end, period_start, period_starts

DAYS = st.dates(date(1981, 1, 1), date(2100, 12, 31))


def by_the_calendar(day, cadence):
    """First and last day of a period, by datetime alone."""
    month_end = calendar.monthrange(day.year, day.month)[1]
    if cadence in ("five-day", "dekad"):
        starts = (1, 6, 11, 16, 21, 26) if cadence == "five-day" else (1, 11, 21)
        index = max(i for i, start in enumerate(starts) if start <= day.day)
        last = month_end if index == len(starts) - 1 else starts[index + 1] - 1
        return day.replace(day=starts[index]), day.replace(day=last)
    if cadence in ("eight-day", "sixteen-day"):
        length = 8 if cadence == "eight-day" else 16
        first = day
        while (int(f"{first:%j}") - 1) % length:
            first -= timedelta(1)
        return first, min(first + timedelta(length - 1), date(day.year, 12, 31))
    if cadence == "month":
        return day.replace(day=1), day.replace(day=month_end)
    return (day.replace(month=1, day=1), day.replace(month=12, day=31)) if cadence == "year" else (day, day)


@settings(deadline=None, max_examples=200)
@given(DAYS, st.sampled_from(CADENCES))
def test_periods_are_those_of_the_calendar(day, cadence):
    first, last = by_the_calendar(day, cadence)
    assert period_start(np.datetime64(day), cadence) == np.datetime64(first)
    assert period_end(np.datetime64(day), cadence) == np.datetime64(last + timedelta(1))


@pytest.mark.parametrize("cadence", CADENCES)
def test_periods_of_two_years_follow_each_other(cadence):
    starts = period_starts(np.datetime64("2015-01-01"), np.datetime64("2016-12-31"), cadence)
    ends = period_end(starts, cadence)
    assert starts[0] == np.datetime64("2015-01-01")
    assert ends[-1] == np.datetime64("2017-01-01")
    assert np.array_equal(starts[1:], ends[:-1])
    number = {"day": 731, "five-day": 144, "dekad": 72, "month": 24, "eight-day": 92, "sixteen-day": 46}
    assert len(starts) == number.get(cadence, 2)
