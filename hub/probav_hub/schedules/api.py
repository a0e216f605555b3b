"""The REST API, for programs: the same checks as the pages."""

from __future__ import annotations

import json
import time
from typing import Any

from tornado import web

from probav_hub.schedules import changes
from probav_hub.schedules.drafts import Draft, DraftError
from probav_hub.schedules.tables import Run, Schedule
from probav_hub.schedules.web import Handler

_FIELDS = ("name", "notebook", "cron", "timezone", "parameters", "profile", "minutes", "mail", "enabled")


class Api(Handler):
    """An answer in JSON."""

    def get_login_url(self) -> str:
        """Refuse: a program is not sent to a page."""
        raise web.HTTPError(403, "Show a token of the hub that may access the service schedules.")

    def body(self) -> dict[str, Any]:
        """Return the JSON object that was sent.

        Raises
        ------
        HTTPError
            If there is none.
        """
        try:
            found = json.loads(self.request.body or b"{}")
        except (ValueError, RecursionError):
            raise web.HTTPError(400, "The request's body is no JSON.") from None
        if not isinstance(found, dict):
            raise web.HTTPError(400, f"The request's body is a {type(found).__name__}; expected an object.")
        return found

    def answer(self, found: Any, status: int = 200) -> None:
        """Answer with JSON."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(found))

    def draft(self, fields: dict[str, Any]) -> Draft | None:
        """Return the schedule that some fields make; None if an answer says what is wrong with them."""
        try:
            return self.rules.draft(fields)
        except DraftError as error:
            self.answer({"status": 400, "message": str(error), "fields": error.errors}, 400)
            return None


class Schedules(Api):
    """All schedules of a user; with `?all=1` all users', for admins."""

    @web.authenticated
    def get(self) -> None:
        """List them."""
        everybody = self.get_argument("all", "") in ("1", "true")
        if everybody and not self.sees_all:
            raise web.HTTPError(403, "All users' schedules are for admins of the hub.")
        found = self.store.schedules(None if everybody else self.user)
        latest = self.store.latest_runs(found)
        self.answer([model(schedule, latest.get(schedule.id)) for schedule in found])

    @web.authenticated
    def post(self) -> None:
        """Make one."""
        draft = self.draft(self.body())
        if draft is None:
            return
        made = changes.add(self.store, self.rules.given, self.user, draft, time.time())
        if isinstance(made, str):
            raise web.HTTPError(409, made)
        self.parts.scheduler.wake()
        self.answer(model(made), 201)


class One(Api):
    """A schedule."""

    @web.authenticated
    def get(self, number: str) -> None:
        """Return it."""
        found = self.schedule(number, to_change=False)
        self.answer(model(found, self.store.latest_runs([found]).get(found.id)))

    @web.authenticated
    def patch(self, number: str) -> None:
        """Change what is given."""
        found = self.schedule(number)
        draft = self.draft({**{name: getattr(found, name) for name in _FIELDS}, **self.body()})
        if draft is None:
            return
        why = changes.change(self.store, found, draft, time.time())
        if why:
            raise web.HTTPError(409, why)
        self.parts.scheduler.wake()
        self.answer(model(self.schedule(number)))

    @web.authenticated
    def delete(self, number: str) -> None:
        """Remove it, and stop its run."""
        changes.remove(self.store, self.schedule(number), time.time())
        self.parts.scheduler.wake()
        self.set_status(204)


class Runs(Api):
    """The runs of a schedule."""

    @web.authenticated
    def get(self, number: str) -> None:
        """List them, the latest first."""
        found = self.schedule(number, to_change=False)
        self.answer([run_model(run) for run in self.store.runs(found.id)])

    @web.authenticated
    def post(self, number: str) -> None:
        """Run it now."""
        made = changes.run_now(self.store, self.schedule(number), time.time())
        if made is None:
            raise web.HTTPError(409, "A run of this schedule goes on already.")
        self.parts.scheduler.wake()
        self.answer(run_model(made), 201)


class OneRun(Api):
    """A run."""

    @web.authenticated
    def get(self, number: str) -> None:
        """Return it."""
        self.answer(run_model(self.run_of_user(number)))

    @web.authenticated
    def delete(self, number: str) -> None:
        """Stop it."""
        if not changes.stop(self.store, self.run_of_user(number), time.time()):
            raise web.HTTPError(409, "This run has ended.")
        self.parts.scheduler.wake()
        self.set_status(204)


def model(schedule: Schedule, latest: Run | None = None) -> dict[str, Any]:
    """Return a schedule as the API gives it."""
    return {
        "id": schedule.id,
        "user": schedule.user,
        **{name: getattr(schedule, name) for name in _FIELDS},
        "next": schedule.next_moment,
        "note": schedule.note,
        "latest": latest and run_model(latest),
    }


def run_model(run: Run) -> dict[str, Any]:
    """Return a run as the API gives it; times are seconds since 1970."""
    names = ("id", "schedule_id", "moment", "by", "state", "attempt", "queued", "started", "ended", "cell",
             "cells", "error", "output")  # fmt: skip
    return {name: getattr(run, name) for name in names}
