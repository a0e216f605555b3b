"""What all answers of the service have in common: who asks, what browsers may do with it, and errors."""

from __future__ import annotations

import json
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment
from jupyterhub.services.auth import HubOAuthenticated
from tornado import web

from probav_hub.configuration import Configuration
from probav_hub.profiles import of_user
from probav_hub.schedules.drafts import Rules
from probav_hub.schedules.scheduler import Scheduler
from probav_hub.schedules.servers import Servers
from probav_hub.schedules.store import Store
from probav_hub.schedules.tables import Run, Schedule

POLICY = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
_SAFE = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True)
class Parts:
    """What the service is made of."""

    store: Store
    servers: Servers
    scheduler: Scheduler
    configuration: Configuration
    templates: Environment
    prefix: str
    base: str


class Handler(HubOAuthenticated, web.RequestHandler):  # type: ignore[misc]  # JupyterHub has no types
    """An answer to who has logged in to the hub."""

    @property
    def parts(self) -> Parts:
        """What the service is made of."""
        found: Parts = self.settings["parts"]
        return found

    @property
    def store(self) -> Store:
        """The database."""
        return self.parts.store

    def set_default_headers(self) -> None:
        """Let a page load nothing but our own style, be in no frame and be kept by nobody."""
        self.set_header("Content-Security-Policy", POLICY)
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "same-origin")
        self.set_header("Cache-Control", "no-store")
        self.clear_header("Server")

    async def prepare(self) -> None:
        """Ask the hub who it is, without holding up the others, and for changes whether they mean it."""
        await self.hub_auth.get_user(self, sync=False)  # kept for what asks below
        if self.request.method not in _SAFE and not getattr(self, "_token_authenticated", False):
            self.check_xsrf_cookie()

    @property
    def user(self) -> str:
        """Name of who asks.

        Raises
        ------
        HTTPError
            If it is no user: a service has no home.
        """
        if self.current_user["kind"] != "user":
            raise web.HTTPError(403, "Schedules are users': a service has none.")
        return str(self.current_user["name"])

    @property
    def sees_all(self) -> bool:
        """Whether it is an admin of the hub; a token of one must be allowed to read users."""
        by_token = getattr(self, "_token_authenticated", False)
        allowed = not by_token or "list:users" in self.current_user.get("scopes", ())
        return bool(self.current_user.get("admin")) and allowed

    @property
    def rules(self) -> Rules:
        """What the hub allows who asks."""
        given = self.parts.configuration
        assert given.schedules is not None
        own = of_user(given.profiles, self.current_user.get("groups", ()))
        return Rules(given.schedules, [profile.name for profile in own])

    def schedule(self, number: str, to_change: bool = True) -> Schedule:
        """Return a schedule of who asks; an admin reads others', too.

        Raises
        ------
        HTTPError
            If there is none; another user's isn't there.
        """
        found = self.store.schedule(int(number)) if len(number) < 16 else None
        if found is None or (found.user != self.user and (to_change or not self.sees_all)):
            raise web.HTTPError(404, f"You have no schedule {number}.")
        return found

    def run_of_user(self, number: str) -> Run:
        """Return a run of who asks.

        Raises
        ------
        HTTPError
            If there is none.
        """
        found = self.store.run(int(number)) if len(number) < 16 else None
        if found is None or found.user != self.user:
            raise web.HTTPError(404, f"You have no run {number}.")
        return found

    def show(self, name: str, **values: Any) -> Awaitable[None]:
        """Answer with a page."""
        asks = self.current_user or {}
        page = self.parts.templates.get_template(name)
        xsrf = self.xsrf_form_html
        return self.finish(
            page.render(name=asks.get("name"), is_admin=bool(asks.get("admin")), xsrf=xsrf, **values)
        )

    def write_error(self, status_code: int, **about: Any) -> None:
        """Say what is wrong, and nothing of how the service is made."""
        what = told(about) or self._reason
        if self.request.path.startswith(f"{self.parts.prefix}api/"):
            self.set_header("Content-Type", "application/json")
            self.finish(json.dumps({"status": status_code, "message": what}))
        else:
            self.finish(self.parts.templates.get_template("error.html").render(what=what, code=status_code))


class Nothing(Handler):
    """What isn't there."""

    async def prepare(self) -> None:
        """Say so."""
        raise web.HTTPError(404, "There is no such page.")


def told(about: dict[str, Any]) -> str:
    """Return what an error says to users."""
    error = about.get("exc_info", (None, None))[1]
    return str(error.log_message) if isinstance(error, web.HTTPError) and error.log_message else ""
