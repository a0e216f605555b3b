"""When schedules are due, in all time zones, when clocks change, and after a pause."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probav_hub.schedules.moments import ScheduleError, explain, following, latest, moments, shortest, zone

# changes of an hour at several times of the day, of half an hour, at midnight, none, and a skipped day
ZONES = [
    "UTC", "Europe/Brussels", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Africa/Cairo",
    "Asia/Kolkata", "Pacific/Apia",
]  # fmt: skip
BEGIN, END = datetime(2011, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)
times = st.datetimes(BEGIN.replace(tzinfo=None), END.replace(tzinfo=None)).map(
    lambda t: t.replace(tzinfo=UTC)
)
zones = st.sampled_from(ZONES).map(ZoneInfo)
minutes = st.integers(0, 59)
crons = st.one_of(
    st.builds("{} {} * * *".format, minutes, st.integers(0, 23)),
    st.builds("{} {} * * {}".format, minutes, st.integers(0, 23), st.integers(0, 7)),
    st.builds("{} {} {} * *".format, minutes, st.integers(0, 23), st.integers(1, 31)),
    st.builds("*/{} * * * *".format, st.sampled_from([5, 7, 15, 30])),
    st.builds("{} */{} * * *".format, minutes, st.sampled_from([1, 2, 3, 6])),
    st.builds("{},{} 1-3 * * *".format, minutes, minutes),
)


def local(moment: datetime, zone: ZoneInfo) -> str:
    return moment.astimezone(zone).isoformat(timespec="minutes")


@settings(deadline=None, max_examples=40)
@given(crons, zones, times)
def test_moments_only_go_forward_and_are_whole_minutes(cron, zone, after):
    found = list(islice(moments(cron, zone, after), 60))
    assert len(found) == 60
    assert [after, *found] == sorted({after, *found})
    assert {moment.second for moment in found} == {0}


@settings(deadline=None, max_examples=40)
@given(crons, zones, times, st.integers(1, 30))
def test_it_does_not_matter_where_one_begins_to_look(cron, zone, after, count):
    """What follows a moment follows any time before it, too: nothing is lost or doubled by a restart."""
    found = list(islice(moments(cron, zone, after), count + 1))
    middle = found[count - 1] + (found[count] - found[count - 1]) / 2
    assert following(cron, zone, found[count - 1]) == following(cron, zone, middle) == found[count]


@settings(deadline=None, max_examples=20)
@given(minutes, st.integers(0, 23), zones, times)
def test_a_fixed_time_is_once_on_every_day_of_a_year(minute, hour, zone, after):
    found = list(islice(moments(f"{minute} {hour} * * *", zone, after), 366))
    days = [moment.astimezone(zone).date() for moment in found]
    assert len(set(days)) == 366
    skipped = {days[0] + timedelta(days=number) for number in range(366)} - set(days)
    assert len(skipped) <= (2 if zone.key == "Pacific/Apia" else 1)  # 2011-12-30 never was in Samoa


@settings(deadline=None, max_examples=20)
@given(st.sampled_from([1, 5, 15, 30]), zones, times)
def test_every_so_many_minutes_is_by_the_real_time(step, zone, after):
    found = list(islice(moments(f"*/{step} * * * *", zone, after), 300))
    gaps = {(later - earlier).total_seconds() / 60 for earlier, later in pairwise(found)}
    assert gaps == {float(step)}


@pytest.mark.parametrize(
    ("cron", "after", "expected"),
    [
        ("30 2 * * *", "2026-03-28T12:00Z", ["2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"]),
        ("30 2 * * *", "2026-10-24T12:00Z", ["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"]),
        ("30 2 * * *", "2026-10-25T00:45Z", ["2026-10-26T02:30+01:00"]),
        ("30 * * * *", "2026-10-24T23:50Z", ["2026-10-25T02:30+02:00", "2026-10-25T02:30+01:00"]),
        ("0 6 1 * *", "2026-01-15T12:00Z", ["2026-02-01T06:00+01:00"]),
        ("0 6 * * MON", "2026-11-26T12:00Z", ["2026-11-30T06:00+01:00"]),
        ("0 0 29 2 *", "2026-11-26T12:00Z", ["2028-02-29T00:00+01:00"]),
    ],
)
def test_days_on_which_clocks_change(cron, after, expected):
    brussels = ZoneInfo("Europe/Brussels")
    found = islice(moments(cron, brussels, datetime.fromisoformat(after)), len(expected))
    assert [local(moment, brussels) for moment in found] == expected


@settings(deadline=None, max_examples=30)
@given(crons, zones, times, st.floats(0, 4), st.floats(0, 4))
def test_what_was_missed_is_caught_up_with_once_and_not_for_ever(cron, zone, since, days, back_days):
    now, back = since + timedelta(days=days), timedelta(days=back_days)
    found = latest(cron, zone, since, now, back)
    missed = []
    for moment in moments(cron, zone, since):
        if moment > now:
            break
        missed.append(moment)
    recent = [moment for moment in missed if moment > now - back]
    assert found == (recent[-1] if recent else None)
    if found:  # from there on nothing is due before the next moment
        assert latest(cron, zone, found, now, back) is None
        following_one = following(cron, zone, found)
        assert following_one is not None
        assert following_one > now


@settings(deadline=None, max_examples=40)
@given(crons, zones, times, st.lists(st.floats(-3, 5), max_size=12))
def test_a_clock_that_is_set_back_runs_nothing_twice(cron, zone, now, steps):
    """What the service does at each look, with the clock stepping by hours to and fro."""
    last, done = now, []
    for hours in steps:
        now += timedelta(hours=hours)
        moment = latest(cron, zone, last, now, timedelta(hours=24))
        if moment:
            done.append(moment)
            last = moment
    assert done == sorted(set(done))


@pytest.mark.parametrize(
    ("cron", "said"),
    [
        ("", "'' has 0 parts; expected five"),
        ("* * * *", "has 4 parts"),
        ("0 0 6 * * *", "has 6 parts"),
        ("61 * * * *", "is no cron expression: bad minute"),
        ("0 6 * * MOON", "bad day-of-week"),
        ("0 6 31 2 *", "bad day-of-month"),
    ],
)
def test_expressions_that_are_none(cron, said):
    with pytest.raises(ScheduleError, match=said.replace("(", r"\(")):
        explain(cron)


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../../etc/passwd", "Europe", "/etc/localtime", "a\0b"])
def test_zones_that_are_none(name):
    with pytest.raises(ScheduleError, match="there is no time zone"):
        zone(name)


def test_the_shortest_time_between_two():
    now, utc = datetime(2026, 1, 1, tzinfo=UTC), ZoneInfo("UTC")
    assert shortest("*/5 * * * *", utc, now) == timedelta(minutes=5)
    assert shortest("0 6,7 * * *", utc, now) == timedelta(hours=1)
    assert shortest("0,59 6 * * *", utc, now) == timedelta(minutes=59)


def test_words():
    assert explain("0 6 * * MON") == "At 06:00 on Monday"
