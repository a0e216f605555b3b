"""What is due is put into the queue, and what is in the queue is run, so many at a time."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

from probav_hub.configuration import Schedules
from probav_hub.schedules import moments
from probav_hub.schedules.following import Follower
from probav_hub.schedules.mail import Postman
from probav_hub.schedules.store import Store
from probav_hub.schedules.tables import Run, Schedule

LOG = logging.getLogger("probav.schedules")
LOOK_SECONDS = 2.0
SWEEP_SECONDS = 30.0
_LEAST_BACK = timedelta(minutes=5)  # a moment that came while the service was busy is not a missed one


class Scheduler:
    """Runs what is due.

    Parameters
    ----------
    store : Store
    follower : Follower
    postman : Postman
    given : Schedules
    """

    def __init__(self, store: Store, follower: Follower, postman: Postman, given: Schedules) -> None:
        self._store, self._follower, self._postman, self._given = store, follower, postman, given
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._woken = asyncio.Event()
        self._swept = 0.0

    def wake(self) -> None:
        """Look at once."""
        self._woken.set()

    async def forever(self) -> None:
        """Go on with what an earlier process of this service began, then run what is due."""
        for run in self._store.in_state("starting", "running"):
            LOG.info("Run %d of %s goes on", run.id, run.user)
            self._follow(run)
        while True:
            try:
                self.look(datetime.now(UTC))
            except Exception:  # a full disk, a defect: what is due later must still be run
                LOG.exception("Schedules can't be looked at; trying again in %g s", LOOK_SECONDS)
            try:
                await asyncio.wait_for(self._woken.wait(), LOOK_SECONDS)
            except TimeoutError:
                pass
            self._woken.clear()

    def look(self, now: datetime) -> None:
        """Look once at what is due and at what waits."""
        for schedule in self._store.due(now.timestamp()):
            due(self._store, schedule, now, self._given)
        waiting = [run for run in self._store.in_state("queued") if run.id not in self._tasks]
        going = Counter(run.user for run in self._store.in_state("starting", "running"))
        for run in by_turn(waiting, going, self._given.at_once):
            self._follow(run)
        if time.monotonic() - self._swept > SWEEP_SECONDS:
            self._swept = time.monotonic()
            for run in self._store.with_servers():
                self._keep(run.id, self._follower.remove_server(run))
            self._store.forget()
        self._postman.look()

    def _follow(self, run: Run) -> None:
        schedule = self._store.schedule(run.schedule_id)
        if schedule is None:  # removed
            self._store.finish(run.id, "stopped", time.time(), self._given.history, 0)
            return
        self._keep(run.id, self._follower.follow(run, schedule))

    def _keep(self, number: int, work: object) -> None:
        """Keep a task for a run until it ends; never two for one."""
        if number in self._tasks:
            work.close()  # type: ignore[attr-defined]
            return
        task = asyncio.ensure_future(work)  # type: ignore[call-overload]
        self._tasks[number] = task

        def ended(task: asyncio.Task[None]) -> None:
            del self._tasks[number]
            if not task.cancelled() and (error := task.exception()):
                LOG.error("Run %d can't be followed", number, exc_info=error)
            self.wake()

        task.add_done_callback(ended)


def due(store: Store, schedule: Schedule, now: datetime, given: Schedules) -> Run | None:
    """Put a schedule whose moment has come into the queue, once for all the moments that were missed."""
    try:
        zone = moments.zone(schedule.timezone)
        since = datetime.fromtimestamp(schedule.last_moment, UTC)
        back = max(timedelta(hours=given.catch_up_hours), _LEAST_BACK)
        moment = moments.latest(schedule.cron, zone, since, now, back)
        following = moments.following(schedule.cron, zone, now)
    except moments.ScheduleError as error:  # a time zone that is no more
        store.change(schedule.id, enabled=False, next_moment=None, note=f"Paused: {error}.")
        return None
    later = following.timestamp() if following else None
    if moment is None:
        note = f"The moment {_at(schedule.next_moment, schedule)} was missed: the hub did not run."
        store.change(schedule.id, next_moment=later, last_moment=now.timestamp(), note=note)
        return None
    changes = {"next_moment": later, "last_moment": moment.timestamp()}
    run = store.enqueue(schedule, moment.timestamp(), "schedule", now.timestamp(), **changes)
    if run is None:
        note = (
            f"The moment {_at(moment.timestamp(), schedule)} was passed over: the run before still went on."
        )
        store.change(schedule.id, **changes, note=note)
    return run


def _at(moment: float | None, schedule: Schedule) -> str:
    found = datetime.fromtimestamp(moment or 0.0, UTC).astimezone(moments.zone(schedule.timezone))
    return f"{found:%Y-%m-%d %H:%M}"


def by_turn(waiting: list[Run], going: Counter[str], at_once: int) -> list[Run]:
    """Return whose turn it is: the user's with the fewest runs that go, then who waits longest."""
    chosen: list[Run] = []
    going, left = Counter(going), list(waiting)
    while left and going.total() < at_once:
        run = min(left, key=lambda each: (going[each.user], each.id))
        left.remove(run)
        chosen.append(run)
        going[run.user] += 1
    return chosen
