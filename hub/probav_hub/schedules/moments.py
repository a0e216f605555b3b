"""When a schedule is due: cron expressions in a time zone, by Debian's rules when clocks change.

A run at a fixed time is once a day, also on the day that lacks the time (then just after) or has it twice;
one of every so many minutes goes on by the real time.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

_FIELDS = 5
_LOOKED_AT = 400  # moments, for the shortest time between two


class ScheduleError(ValueError):
    """An expression or a zone that is none; says why."""


def zone(name: str) -> ZoneInfo:
    """Return a time zone of the IANA database.

    Raises
    ------
    ScheduleError
        If there is none of that name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder's name is none either
        raise ScheduleError(
            f"there is no time zone {name!r}: write one such as Europe/Brussels or UTC"
        ) from None


def moments(cron: str, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """Yield the moments after another (UTC), the earliest first; none if there never is one.

    Raises
    ------
    ScheduleError
        If the expression is none.
    """
    last = after = after.astimezone(UTC)
    for moment in _parsed(cron, after.astimezone(zone)):
        found = moment.astimezone(UTC)
        if found > last:  # an hour that comes twice gives its moments in its own time
            yield found
            last = found


def explain(cron: str) -> str:
    """Return an expression in words.

    Raises
    ------
    ScheduleError
        If it is none.
    """
    return _parsed(cron, datetime(2026, 1, 1, tzinfo=UTC)).explain()


def shortest(cron: str, zone: ZoneInfo, after: datetime) -> timedelta | None:
    """Return the shortest time between two of the coming moments; None if there are not two.

    Raises
    ------
    ScheduleError
        If the expression is none.
    """
    coming = islice(moments(cron, zone, after), _LOOKED_AT)
    return min((later - earlier for earlier, later in pairwise(coming)), default=None)


def latest(cron: str, zone: ZoneInfo, since: datetime, now: datetime, back: timedelta) -> datetime | None:
    """Return the latest moment after `since` that is due and not further back; None if there is none.

    However many moments were missed, one run catches up with all of them.
    """
    found = None
    for moment in moments(cron, zone, max(since, now - back)):
        if moment > now:
            break
        found = moment
    return found


def following(cron: str, zone: ZoneInfo, after: datetime) -> datetime | None:
    """Return the next moment; None if there never is one."""
    return next(moments(cron, zone, after), None)


def _parsed(cron: str, begin: datetime) -> CronSim:
    if len(cron.split()) != _FIELDS:
        raise ScheduleError(
            f"{cron!r} has {len(cron.split())} parts; expected five: minute, hour, day of the month, month, "
            "day of the week, as in `0 6 * * 1` for Mondays at 6:00"
        )
    try:
        return CronSim(cron, begin)
    except CronSimError as error:
        raise ScheduleError(f"{cron!r} is no cron expression: {str(error).lower()}") from None
