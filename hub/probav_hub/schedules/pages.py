"""The pages of schedules: a user's list, a form, the history of one, and all of them for admins."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zoneinfo import available_timezones

from jinja2 import Environment
from jupyterhub.services.auth import HubOAuthCallbackHandler
from tornado import web

from probav_hub.profiles import of_user, words
from probav_hub.schedules import api, changes, moments
from probav_hub.schedules.drafts import Draft, DraftError, parameters
from probav_hub.schedules.servers import UnreachableError
from probav_hub.schedules.tables import ACTIVE, FAILED, Run, Schedule
from probav_hub.schedules.web import Handler, Parts
from probav_hub.web import Nothing, Style, templates

TEMPLATES = Path(__file__).with_name("templates")
_SHOWN = 3  # coming moments
_ACTIONS = ("run", "pause", "resume", "delete")


def environment(prefix: str, hub: str) -> Environment:
    """Return what makes pages of templates."""
    made = templates(TEMPLATES, prefix, hub, "Schedules")
    made.globals.update(active=ACTIVE, failed=FAILED)
    made.filters.update(at=at, when=when, lasted=lasted, state=state, quoted=lambda path: quote(path))
    return made


def application(parts: Parts, hub: str, cookie_secret: bytes, is_secure: bool) -> web.Application:
    """Return the service's web application; cookies are for TLS alone where that is spoken."""
    prefix = parts.prefix
    number = r"(\d+)"
    return web.Application(
        [
            (prefix.rstrip("/"), web.RedirectHandler, {"url": prefix}),
            (prefix, List),
            (f"{prefix}all", All),
            (f"{prefix}new", New),
            (f"{prefix}{number}", One),
            (f"{prefix}{number}/edit", Edit),
            (f"{prefix}{number}/({'|'.join(_ACTIONS)})", Act),
            (f"{prefix}runs/{number}/stop", Stop),
            (f"{prefix}api/schedules", api.Schedules),
            (f"{prefix}api/schedules/{number}", api.One),
            (f"{prefix}api/schedules/{number}/runs", api.Runs),
            (f"{prefix}api/runs/{number}", api.OneRun),
            (f"{prefix}style.css", Style),
            (f"{prefix}oauth_callback", HubOAuthCallbackHandler),
        ],
        parts=parts,
        templates=environment(prefix, hub),
        cookie_secret=cookie_secret,
        xsrf_cookie_kwargs={"samesite": "lax", **({"secure": True} if is_secure else {})},
        default_handler_class=Nothing,
    )


class List(Handler):
    """A user's schedules."""

    @web.authenticated
    def get(self) -> None:
        """Show them; the user has then seen how their runs ended."""
        found = self.store.schedules(self.user)
        self.store.visited(self.user, time.time())
        self.show("list.html", schedules=found, latest=self.store.latest_runs(found))


class All(Handler):
    """All users' schedules, to read."""

    @web.authenticated
    def get(self) -> None:
        """Show them to an admin."""
        if not self.sees_all:
            raise web.HTTPError(403, "All users' schedules are for admins of the hub.")
        found = self.store.schedules()
        self.show("all.html", schedules=found, latest=self.store.latest_runs(found))


class One(Handler):
    """A schedule and its runs."""

    @web.authenticated
    def get(self, number: str) -> None:
        """Show it."""
        found = self.schedule(number, to_change=False)
        self.show(
            "schedule.html",
            schedule=found,
            runs=self.store.runs(found.id, 200),
            own=found.user == self.user,
            coming=coming(found.cron, found.timezone) if found.enabled else [],
            has_mail=self.rules.given.mail is not None,
        )


class Form(Handler):
    """A form in which a schedule is written."""

    async def form(self, title: str, fields: dict[str, Any], **more: Any) -> None:
        """Show it."""
        given = self.parts.configuration
        own = of_user(given.profiles, self.groups)
        await self.show(
            "form.html",
            title=title,
            fields=fields,
            errors=more.pop("errors", {}),
            notebooks=await self._notebooks(),
            zones=sorted(available_timezones()),
            profiles=[(profile, words(profile)) for profile in own],
            given=self.rules.given,
            **more,
        )

    async def _notebooks(self) -> list[str]:
        """Return the notebooks of the home, if the user's server runs and may be asked."""
        token = self.hub_auth.get_token(self)
        try:
            server = await self.parts.servers.find(self.user, "")
        except UnreachableError:
            return []
        if server is None or not server.ready or not token:
            return []
        return await self.parts.servers.notebooks(server.path, token)

    def fields(self) -> dict[str, Any]:
        """Return what was written, as text."""
        names = ("name", "notebook", "cron", "timezone", "parameters", "profile", "minutes", "mail")
        return {name: self.get_body_argument(name, "") for name in names}

    async def draft(self, title: str, enabled: bool, **more: Any) -> Draft | None:
        """Return the schedule that was written; None if the form is shown again instead."""
        fields, errors, draft = self.fields(), {}, None
        values: dict[str, Any] = {name: value for name, value in fields.items() if value.strip()}
        values["parameters"] = {}
        try:
            values["parameters"] = parameters(fields["parameters"])
        except DraftError as error:
            errors = error.errors
        try:
            draft = self.rules.draft({**values, "enabled": enabled})
        except DraftError as error:
            errors = {**errors, **error.errors}
        if draft is None or errors:
            self.set_status(400)
            await self.form(title, fields, errors=errors, **more)
            return None
        if self.get_body_argument("action", "") == "check":
            explained = moments.explain(draft.cron)
            await self.form(
                title, fields, explained=explained, coming=coming(draft.cron, draft.timezone), **more
            )
            return None
        return draft


class New(Form):
    """A schedule that is to be made."""

    @web.authenticated
    async def get(self) -> None:
        """Show an empty form."""
        given = self.rules.given
        fields = {
            "notebook": self.get_query_argument("notebook", ""),
            "cron": "0 6 * * *",
            "timezone": given.timezone,
            "minutes": min(60, given.longest_minutes),
            "mail": "failure",
        }
        await self.form("New schedule", fields)

    @web.authenticated
    async def post(self) -> None:
        """Make it."""
        draft = await self.draft("New schedule", enabled=True)
        if draft is None:
            return
        made = changes.add(self.store, self.rules.given, self.user, draft, time.time())
        if isinstance(made, str):
            self.set_status(409)
            await self.form("New schedule", self.fields(), errors={"": made})
            return
        self.parts.scheduler.wake()
        self.redirect(f"{self.parts.prefix}{made.id}", status=303)


class Edit(Form):
    """A schedule that is changed."""

    @web.authenticated
    async def get(self, number: str) -> None:
        """Show it in the form."""
        found = self.schedule(number)
        names = ("name", "notebook", "cron", "timezone", "profile", "minutes", "mail")
        fields = {name: getattr(found, name) for name in names}
        fields["parameters"] = json.dumps(found.parameters, ensure_ascii=False) if found.parameters else ""
        await self.form(f"Change {found.name}", fields, number=found.id)

    @web.authenticated
    async def post(self, number: str) -> None:
        """Change it."""
        found = self.schedule(number)
        draft = await self.draft(f"Change {found.name}", enabled=found.enabled, number=found.id)
        if draft is None:
            return
        why = changes.change(self.store, found, draft, time.time())
        if why:
            self.set_status(409)
            await self.form(f"Change {found.name}", self.fields(), errors={"": why}, number=found.id)
            return
        self.parts.scheduler.wake()
        self.redirect(f"{self.parts.prefix}{found.id}", status=303)


class Act(Handler):
    """A button of a schedule."""

    @web.authenticated
    def post(self, number: str, action: str) -> None:
        """Do what it says."""
        found, now = self.schedule(number), time.time()
        if action == "run":
            changes.run_now(self.store, found, now)  # one that goes on already is what they wanted
        elif action == "delete":
            changes.remove(self.store, found, now)
        else:
            changes.set_enabled(self.store, found, action == "resume", now)
        self.parts.scheduler.wake()
        self.redirect(self.parts.prefix + ("" if action == "delete" else number), status=303)


class Stop(Handler):
    """The button that stops a run."""

    @web.authenticated
    def post(self, number: str) -> None:
        """Stop it."""
        run = self.run_of_user(number)
        changes.stop(self.store, run, time.time())
        self.parts.scheduler.wake()
        self.redirect(f"{self.parts.prefix}{run.schedule_id}", status=303)


def coming(cron: str, timezone: str) -> list[str]:
    """Return the next moments, in the schedule's own time."""
    zone = moments.zone(timezone)
    found = islice(moments.moments(cron, zone, datetime.now(UTC)), _SHOWN)
    return [f"{moment.astimezone(zone):%A, %d %B %Y, %H:%M}" for moment in found]


def at(seconds: float | None, timezone: str) -> str:
    """Return a time in a time zone."""
    if seconds is None:
        return ""
    return f"{datetime.fromtimestamp(seconds, UTC).astimezone(moments.zone(timezone)):%Y-%m-%d %H:%M}"


def when(schedule: Schedule) -> str:
    """Return in words when a schedule runs."""
    return f"{moments.explain(schedule.cron)}, {schedule.timezone}"


def lasted(run: Run) -> str:
    """Return how long a run took, or takes by now."""
    if run.started is None:
        return ""
    seconds = int((run.ended or time.time()) - run.started)
    return f"{seconds // 60}:{seconds % 60:02d} min"


def state(run: Run) -> str:
    """Return in words how a run goes, or ended."""
    words = {
        "queued": "waits for its turn", "starting": "its server starts", "running": "runs",
        "done": "done", "failed": "failed", "interrupted": "interrupted", "stopped": "stopped",
    }[run.state]  # fmt: skip
    where = f", cell {run.cell} of {run.cells}" if run.state == "running" and run.cells else ""
    return f"{words}{where}{' (second attempt)' if run.attempt > 1 else ''}"
