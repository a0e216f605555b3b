"""Time arguments: what "2015-03", a pair or a slice means, as an inclusive range of days."""

from __future__ import annotations

import datetime
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probav.choices import BY_TIME
from probav.errors import TimeError, did_you_mean

Days = NDArray[np.datetime64]
_EXPECTED = (
    "expected a year ('2015'), a month ('2015-03'), a day ('2015-03-21'), two of them "
    "('2015-03/2015-10' or a pair), or a slice"
)
_DATE = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?")


def _ends(value: Any) -> tuple[np.datetime64, np.datetime64]:
    """First and last day of one year, month or day."""
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        value = f"{int(value):04d}"
    if isinstance(value, datetime.datetime | datetime.date):
        value = value.isoformat()[:10]
    if isinstance(value, np.datetime64):
        value = str(value if np.datetime_data(value)[0] in {"Y", "M"} else value.astype("datetime64[D]"))
    match = _DATE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise TimeError(f"Can't read {str(value)[:80]!r} as a date; {_EXPECTED}.")
    unit = "DMY"[match.groups().count(None)]
    parts = [match[1], *(f"{int(part):02d}" for part in match.groups()[1:] if part is not None)]
    try:
        period: np.datetime64 = np.datetime64("-".join(parts), unit)  # type: ignore[call-overload]
    except ValueError:
        raise TimeError(f"There is no date {value!r}; {_EXPECTED}.") from None
    after: np.datetime64 = period + np.timedelta64(1, unit)  # type: ignore[call-overload]
    return period.astype("datetime64[D]"), after.astype("datetime64[D]") - np.timedelta64(1, "D")


def time_range(time: Any) -> tuple[np.datetime64 | None, np.datetime64 | None]:
    """Return the first and the last day of a time argument, both included; None where it is open.

    Parameters
    ----------
    time : str, int, date, pair, slice or None
        See the message of the error for what is understood.

    Raises
    ------
    TimeError
        If it can't be understood, or ends before it starts.
    """
    if time is None:
        return None, None
    if isinstance(time, slice):
        if time.step is not None:
            raise TimeError(f"A slice of time can have no step, got {time!r}.")
        time = (time.start, time.stop)
    elif isinstance(time, str) and "/" in time:
        time = tuple(part.strip() or None for part in time.split("/"))
    if not isinstance(time, tuple | list):
        time = (time, time)
    if len(time) != 2:
        raise TimeError(f"Got {len(time)} dates {time!r}; {_EXPECTED}.")
    first = None if time[0] is None else _ends(time[0])[0]
    last = None if time[1] is None else _ends(time[1])[1]
    if first is not None and last is not None and last < first:
        raise TimeError(f"The period {first} to {last} ends before it starts; give the earlier date first.")
    return first, last


def select(times: Days, time: Any, what: str) -> NDArray[np.intp]:
    """Return the positions in `times` (sorted days) that a time argument selects.

    A composite is selected by the first day of its period, which is its label.

    Raises
    ------
    TimeError
        If it selects none; the message says which period there is.
    """
    first, last = time_range(time)
    keep = np.ones(len(times), bool)
    if first is not None:
        keep &= times >= first
    if last is not None:
        keep &= times <= last
    if not keep.any():
        held = f"it holds {len(times)} dates from {times[0]} to {times[-1]}" if len(times) else "it is empty"
        raise TimeError(f"{what} has no date in {first or '...'} to {last or '...'}: {held}.")
    return np.flatnonzero(keep)


def group_times(times: Days, by_time: str | None) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Group dates: to which group each belongs, and the labels of the groups.

    Parameters
    ----------
    times : (t,) datetime64[D], sorted
    by_time : None or a key of `BY_TIME`
        None: each date is a group of its own.

    Returns
    -------
    groups : (t,) int64
    labels : (g,) datetime64[D] or int64
        Ascending; groups without a date are left out.

    Raises
    ------
    TimeError
        If there is no such grouping.

    Notes
    -----
    A composite belongs to the group of the first day of its period, which is its label.
    """
    if by_time is None:
        return np.arange(len(times)), times
    if by_time not in BY_TIME:
        raise TimeError(f"There is no by_time={by_time!r}.{did_you_mean(by_time, BY_TIME)}")
    months = times.astype("datetime64[M]")
    number = months.astype(np.int64)
    labels: NDArray[Any]
    if by_time == "month":
        labels = months.astype("datetime64[D]")
    elif by_time == "season":  # months are counted from January 1970: seasons begin at 2, 5, 8, 11
        labels = ((number - 2) // 3 * 3 + 2).astype("datetime64[M]").astype("datetime64[D]")
    elif by_time == "year":
        labels = times.astype("datetime64[Y]").astype("datetime64[D]")
    else:
        labels = number % 12 + 1
        if by_time == "dekad-of-year":
            day = (times - months.astype("datetime64[D]")).astype(np.int64)
            labels = 3 * (labels - 1) + np.minimum(day // 10, 2) + 1
    found, groups = np.unique(labels, return_inverse=True)
    return groups.astype(np.int64), found
