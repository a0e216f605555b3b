"""One run, from its turn to its end: a server is started, asked how it goes, and stopped."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from datetime import UTC, datetime
from typing import Any

from probav_hub.configuration import Schedules
from probav_hub.schedules.moments import ScheduleError, zone
from probav_hub.schedules.servers import RefusedError, Server, Servers, Told, UnreachableError
from probav_hub.schedules.store import Store
from probav_hub.schedules.tables import ACTIVE, Run, Schedule

LOG = logging.getLogger("probav.schedules")
ATTEMPTS = 2
LOOK_SECONDS = 2.0
START_SECONDS = 600.0  # that a server may take to start, pulling an image
GRACE_SECONDS = 120.0  # after a run's time, for a server to end it itself
REMOVE_TRIES = 60  # a second apart
GONE_LOOKS = 4  # a hub that has just been started may not know its servers yet
_ERROR_LETTERS = 400


class LostError(Exception):
    """The server is gone, or never was; says why."""


class Follower:
    """Follows runs.

    Parameters
    ----------
    store : Store
    servers : Servers
    given : Schedules
    """

    def __init__(self, store: Store, servers: Servers, given: Schedules) -> None:
        self._store, self._servers, self._given = store, servers, given

    async def follow(self, run: Run, schedule: Schedule) -> None:
        """Bring a run to its end, or back into the queue for its second attempt.

        It may be one that another process of this service has begun. If this one is told to end, the run's
        server goes on for the next.
        """
        try:
            if run.state == "queued" and not await self._start(run, schedule):
                return
            told = await self._watch(run, schedule)
            if told is not None:  # else its user stopped it
                self._end(run, told.state, _short(told.error), told, schedule)
        except RefusedError as error:
            self._end(run, "failed", _short(str(error)), None, schedule)
        except LostError as error:
            await self._lost(run, _short(str(error)))
            return
        await self.remove_server(run)

    async def _start(self, run: Run, schedule: Schedule) -> bool:
        """Have the hub start a server; False if the run no longer waits for it."""
        key = secrets.token_urlsafe(24)
        changes = {"state": "starting", "key": key, "started": time.time(), "server_left": True}
        if not self._store.update(run.id, ("queued",), **changes):
            return False
        run.key = key
        options: dict[str, Any] = {"run": self._work(run, schedule)}
        if schedule.profile:
            options["profile"] = schedule.profile
        LOG.info("Run %d of %s/%s starts", run.id, run.user, schedule.name)
        try:
            await self._servers.start(run.user, run.server, options)
        except UnreachableError as error:  # it may have been heard, though; watching tells
            LOG.warning("The hub does not say whether run %d starts: %s", run.id, error)
        return True

    def _work(self, run: Run, schedule: Schedule) -> dict[str, Any]:
        """Return what the server has to do, as `probav_kernels.scheduled.work` reads it."""
        return {
            "key": run.key,
            "schedule": schedule.name,
            "moment": self._moment(run, schedule).isoformat(timespec="minutes"),
            "notebook": schedule.notebook,
            "output": self._output(run, schedule),
            "parameters": schedule.parameters,
            "seconds": schedule.minutes * 60.0,
            "megabytes": self._given.output_megabytes,
        }

    def _moment(self, run: Run, schedule: Schedule) -> datetime:
        try:
            own = zone(schedule.timezone)
        except ScheduleError:  # a database of time zones that knows it no longer
            own = zone("UTC")
        return datetime.fromtimestamp(run.moment, UTC).astimezone(own)

    def _output(self, run: Run, schedule: Schedule) -> str:
        moment = self._moment(run, schedule)
        name = f"{moment:%Y-%m-%dT%H-%M}" if run.by == "schedule" else f"{moment:%Y-%m-%dT%H-%M-%S}"
        return f"scheduled/{schedule.name}/{name}{'' if run.attempt == 1 else '-again'}.ipynb"

    async def _watch(self, run: Run, schedule: Schedule) -> Told | None:
        """Return how the run ended; None if its user stopped it."""
        latest = time.monotonic() + START_SECONDS + schedule.minutes * 60 + GRACE_SECONDS
        server: Server | None = None
        gone = refused = 0
        while True:
            now = self._store.run(run.id)
            if now is None or now.state not in ACTIVE:
                return None
            try:
                told = await self._servers.ask(server.path, run.key) if server and server.ready else None
                if isinstance(told, Told):
                    refused = 0
                    self._store.update(run.id, state="running", cell=told.cell, cells=told.cells)
                    if told.state != "running":
                        return told
                elif told is not None and (refused := refused + 1) >= GONE_LOOKS:
                    if await self._servers.find(run.user, run.server) is not None:
                        raise RefusedError(_NO_EXTENSION)
                    server = None
                else:
                    server = await self._servers.find(run.user, run.server)
                    gone = gone + 1 if server is None else 0
                    if gone >= GONE_LOOKS:
                        raise LostError(await self._why(run, now))
            except UnreachableError:
                server = None
            if time.monotonic() > latest:
                raise RefusedError(f"It did not end within its {schedule.minutes} min, and was stopped.")
            await asyncio.sleep(LOOK_SECONDS)

    async def _why(self, run: Run, now: Run) -> str:
        if now.state == "running":
            return "Its server ended while the notebook ran."
        said = await self._servers.why(run.user, run.server)
        return f"Its server did not start{f': {said}' if said else '.'}"

    async def _lost(self, run: Run, why: str) -> None:
        LOG.warning("Run %d of %s is interrupted (attempt %d): %s", run.id, run.user, run.attempt, why)
        await self.remove_server(run)
        if run.attempt < ATTEMPTS:
            self._store.update(
                run.id, state="queued", attempt=run.attempt + 1, cell=0, error=f"First attempt: {why}"
            )
        else:
            self._store.finish(
                run.id, "interrupted", time.time(), self._given.history, self._given.pause_after, error=why
            )

    def _end(self, run: Run, state: str, error: str, told: Told | None, schedule: Schedule) -> None:
        output = self._output(run, schedule)
        fields = {"error": error, "output": output if told and told.output == output else ""}
        if told:
            fields |= {"cell": told.cell, "cells": told.cells}  # type: ignore[dict-item]
        self._store.finish(run.id, state, time.time(), self._given.history, self._given.pause_after, **fields)
        LOG.info(
            "Run %d of %s/%s is %s%s", run.id, run.user, schedule.name, state, f": {error}" * bool(error)
        )

    async def remove_server(self, run: Run) -> None:
        """Stop a run's server; what can't be stopped now is tried again by the scheduler."""
        for _ in range(REMOVE_TRIES):
            try:
                if await self._servers.remove(run.user, run.server):
                    self._store.clean(run.id)
                    return
            except UnreachableError:
                return
            await asyncio.sleep(1)


_NO_EXTENSION = (
    "The server can't run scheduled notebooks: its image lacks probav-kernels, or has an older one."
)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _ERROR_LETTERS else f"{line[: _ERROR_LETTERS - 1]}…"
