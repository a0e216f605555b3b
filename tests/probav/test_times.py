import calendar
import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probav.errors import TimeError
from probav.times import select, time_range

DAYS = st.dates(datetime.date(1900, 1, 1), datetime.date(2100, 12, 31))


def days(*texts):
    return tuple(None if text is None else np.datetime64(text, "D") for text in texts)


@given(DAYS)
def test_a_day_is_itself_in_every_form(day):
    expected = (np.datetime64(day), np.datetime64(day))
    noon = datetime.datetime.combine(day, datetime.time(12))
    for form in (
        day, noon, noon.replace(tzinfo=datetime.UTC), str(day), f" {day} ",
        f"{day.year}-{day.month}-{day.day}",
        np.datetime64(day), np.datetime64(noon, "ns"), pd.Timestamp(noon), np.str_(day), (day, str(day)),
        [day, day], slice(day, day), f"{day}/{day}", f"{day} / {day}",
    ):  # fmt: skip
        assert time_range(form) == expected, form


@given(DAYS)
def test_a_month_and_a_year_run_to_their_last_day_leap_years_included(day):
    last = calendar.monthrange(day.year, day.month)[1]
    assert time_range(f"{day:%Y-%m}") == (
        np.datetime64(day.replace(day=1)),
        np.datetime64(day.replace(day=last)),
    )
    year = days(f"{day.year}-01-01", f"{day.year}-12-31")
    assert time_range(day.year) == time_range(str(day.year)) == time_range(np.int64(day.year)) == year


@given(DAYS, DAYS)
def test_a_range_includes_both_ends_and_never_runs_backwards(one, other):
    first, last = sorted((one, other))
    assert time_range((first, last)) == (np.datetime64(first), np.datetime64(last))
    months = f"{first:%Y-%m}/{last:%Y-%m}"
    end = last.replace(day=calendar.monthrange(last.year, last.month)[1])
    assert time_range(months) == (np.datetime64(first.replace(day=1)), np.datetime64(end))
    if first < last:
        with pytest.raises(TimeError, match=f"period {last} to {first} ends before it starts"):
            time_range((last, first))


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (None, (None, None)),
        ((None, None), (None, None)),
        (slice(None), (None, None)),
        ("/", (None, None)),
        ("2015-03/", ("2015-03-01", None)),
        ("/2015-03", (None, "2015-03-31")),
        (slice("2015", None), ("2015-01-01", None)),
        ("2016-02", ("2016-02-01", "2016-02-29")),
        ("2015-02", ("2015-02-01", "2015-02-28")),
        ("1900-02", ("1900-02-01", "1900-02-28")),
        ("2000-02", ("2000-02-01", "2000-02-29")),
        ("2015-3-1/2015-3-2", ("2015-03-01", "2015-03-02")),
        (("2015", "2015-03"), ("2015-01-01", "2015-03-31")),
        ((2015, 2016), ("2015-01-01", "2016-12-31")),
    ],
)
def test_open_ends_and_mixed_precision(time, expected):
    assert time_range(time) == days(*expected)


@pytest.mark.parametrize(
    "time",
    [
        "", "spring", "2015-03-21T12:00", "20150321", "15-03", "2015/03/21", "2015-03-21-01", "-2015",
        20150321, True, 2015.0,
        ("2015",), ("2015", "2016", "2017"), {"from": "2015"}, "2015-W05", np.datetime64("NaT"),
        pd.NaT, b"2015", np.array(["2015", "2016"]), "2015-03-21 ; 2016", "9" * 100_000,
    ],
)  # fmt: skip
def test_what_is_no_time_is_refused_with_the_forms_that_are(time):
    with pytest.raises(TimeError, match=r"expected a year \('2015'\), a month"):
        time_range(time)


@pytest.mark.parametrize(
    "date", ["2015-02-29", "2015-02-30", "2015-13", "2015-00", "2015-04-31", "2015-01-32"]
)
def test_a_date_that_does_not_exist(date):
    with pytest.raises(TimeError, match=f"There is no date '{date}'"):
        time_range(date)


def test_a_slice_has_no_step():
    with pytest.raises(TimeError, match="no step"):
        time_range(slice("2015", "2016", 2))


DEKADS = np.array(["2015-01-01", "2015-01-11", "2015-01-21", "2015-02-01"], "datetime64[D]")


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (None, [0, 1, 2, 3]),
        ("2015-01", [0, 1, 2]),
        ("2015-01-11", [1]),
        (("2015-01-11", "2015-02-01"), [1, 2, 3]),
        (("2015-01-12", "2015-01-31"), [2]),
        ("2015-01-21/", [2, 3]),
    ],
)
def test_a_composite_is_selected_by_its_first_day(time, expected):
    assert select(DEKADS, time, "X").tolist() == expected


def test_no_date_in_the_period_says_which_there_are():
    with pytest.raises(TimeError, match="NDVI has no date in 2016-01-01 to 2016-12-31: it holds 4 dates from "
                                        "2015-01-01 to 2015-02-01"):  # fmt: skip
        select(DEKADS, 2016, "NDVI")
    with pytest.raises(TimeError, match=r"no date in 2015-02-02 to \.\.\."):
        select(DEKADS, "2015-02-02/", "NDVI")
    with pytest.raises(TimeError, match="it is empty"):
        select(DEKADS[:0], None, "NDVI")
