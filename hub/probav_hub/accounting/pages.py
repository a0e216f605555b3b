"""The service's pages: a user's own use, everybody's for the operator; and what kernels tell and ask."""

from __future__ import annotations

import csv
import io
import json
import secrets
import time
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from jupyterhub.services.auth import HubOAuthCallbackHandler
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from sqlalchemy import select
from tornado import web

from probav_hub.accounting.database import STOPS
from probav_hub.accounting.enforcing import warnings
from probav_hub.accounting.metrics import Use
from probav_hub.accounting.recording import ReportError, read
from probav_hub.accounting.service import State
from probav_hub.accounting.standing import BYTES, DAY, RESOURCES, Standing, days, moment, standings
from probav_hub.accounting.totals import Total, totals
from probav_hub.web import Nothing, Page, Style, templates

TEMPLATES = Path(__file__).with_name("templates")
DAYS, MOST_DAYS = 30, 3660


def application(state: State, prefix: str, hub_prefix: str) -> web.Application:
    """Return the service's web application, below a prefix of the hub's address."""
    made = templates(TEMPLATES, prefix, hub_prefix, "Own use")
    made.globals.update(moment=moment, days=days, resources=RESOURCES)
    registry = CollectorRegistry()
    registry.register(Use(state))
    return web.Application(
        [
            (prefix.rstrip("/"), web.RedirectHandler, {"url": prefix}),
            (prefix, Own),
            (f"{prefix}all", All),
            (f"{prefix}use.csv", Table),
            (f"{prefix}api/reads", Reads),
            (f"{prefix}metrics", Metrics, {"registry": registry}),
            (f"{prefix}style.css", Style),
            (f"{prefix}oauth_callback", HubOAuthCallbackHandler),
        ],
        state=state,
        templates=made,
        cookie_secret=secrets.token_bytes(32),
        default_handler_class=Nothing,
    )


class Handler(Page):
    """An answer of this service."""

    @property
    def state(self) -> State:
        """What the service's parts share."""
        found: State = self.settings["state"]
        return found

    def require_operator(self) -> None:
        """Refuse who isn't an admin of the hub, and tokens that may not read users, such as servers' own."""
        if self.is_by_token and not self.holds("list:users"):
            raise web.HTTPError(403, "This token may not read about users: it needs the scope list:users.")
        if self.current_user["kind"] == "user" and not self.sees_all:
            raise web.HTTPError(403, "This page is for admins of the hub; your own use is on the other one.")


class Own(Handler):
    """A user's own use."""

    @web.authenticated
    def get(self) -> None:
        """Show what is used, what is left, and when there is room again."""
        user, now = self.user, time.time()
        found = standings(self.state.engine, self.state.budgets, user, self.groups, now)
        own, _ = totals(self.state.engine, now - DAYS * DAY, user)
        with self.state.engine.connect() as connection:
            query = select(STOPS).where(STOPS.c.user == user, STOPS.c.moment > now - DAYS * DAY)
            stops = [row.text for row in connection.execute(query.order_by(STOPS.c.id.desc()).limit(10))]
        self.show(
            "own.html", user=user, standings=found, total=own[0] if own else Total(user), length=DAYS,
            warnings=warnings(self.state.engine, user), stops=stops,
            running=[server for server in self.state.servers if server.user == user],
        )  # fmt: skip


class All(Handler):
    """Everybody's use."""

    @web.authenticated
    def get(self) -> None:
        """Show what all users and groups used, and how full budgets are."""
        self.require_operator()
        length, now = _days(self), time.time()
        users, groups = totals(self.state.engine, now - length * DAY)
        shared: dict[str, list[Standing]] = {}
        full = [
            (user, standing)
            for user, groups_of in sorted(_known_groups(self.state, users).items())
            for standing in standings(self.state.engine, self.state.budgets, user, groups_of, now, shared)
            if standing.used
        ]
        self.show(
            "all.html", users=users, groups=groups, length=length, running=self.state.servers,
            full=_once(full), looked=self.state.looked, budgets=self.state.budgets,
        )  # fmt: skip


class Table(Handler):
    """Everybody's use, as a table to compute with."""

    @web.authenticated
    def get(self) -> None:
        """Answer with CSV: a row a user and a group."""
        self.require_operator()
        length = _days(self)
        users, groups = totals(self.state.engine, time.time() - length * DAY)
        text = io.StringIO()
        rows = csv.writer(text)
        rows.writerow(["kind", "name", "days", *(each.name for each in RESOURCES)])
        for kind, found in (("user", users), ("group", groups)):
            for total in found:
                amounts = [f"{total.amounts[each.name]:.{4 if each.column else 0}f}" for each in RESOURCES]
                rows.writerow([kind, _plain(total.name), length, *amounts])
        self.set_header("Content-Type", "text/csv; charset=utf-8")
        self.set_header("Content-Disposition", f'attachment; filename="use-{length}-days.csv"')
        self.finish(text.getvalue())


class Reads(Handler):
    """What a process of a user's server has read, and what it may read still."""

    SUPPORTED_METHODS: ClassVar[tuple[str, ...]] = ("POST",)  # type: ignore[misc]

    def check_xsrf_cookie(self) -> None:
        """Ask for no cookie of a form: who posts shows a token of their own in a header."""

    async def prepare(self) -> None:
        """Let nobody in by a cookie, which a browser would show for another site's page."""
        if "Authorization" not in self.request.headers:
            raise web.HTTPError(403, "Only a token in the header Authorization is taken here.")
        await super().prepare()

    def post(self) -> None:
        """Keep what was read by the token's user, and answer with what is left."""
        if self.current_user is None:
            raise web.HTTPError(403, "This token is not valid here.")
        user = self.user
        try:
            told = json.loads(self.request.body)
            read(self.state.engine, user, self.groups, told, time.time())
        except (ReportError, ValueError) as error:
            raise web.HTTPError(400, str(error)) from None
        found = standings(self.state.engine, self.state.budgets, user, self.groups, time.time())
        tight = min((each for each in found if each.resource is BYTES), key=_left, default=None)
        self.set_header("Content-Type", "application/json")
        self.finish({
            "left": None if tight is None else int(tight.left),
            "why": "" if tight is None else _why(tight),
            "warnings": warnings(self.state.engine, user),
        })  # fmt: skip


class Metrics(Handler):
    """Figures for Prometheus."""

    def initialize(self, registry: CollectorRegistry) -> None:
        """Take what collects the figures."""
        self._registry = registry

    @web.authenticated
    def get(self) -> None:
        """Answer whom the hub lets read metrics."""
        if not self.holds("read:metrics"):
            raise web.HTTPError(403, "This token may not read metrics: it needs the scope read:metrics.")
        self.set_header("Content-Type", CONTENT_TYPE_LATEST)
        self.finish(generate_latest(self._registry))

    def get_login_url(self) -> str:
        """Send nobody to a form: who asks is a program."""
        raise web.HTTPError(403, "Show a token with the scope read:metrics.")


def _days(handler: web.RequestHandler) -> int:
    text = handler.get_argument("days", str(DAYS))
    if not text.isdecimal() or not 1 <= len(text) <= 4 or not 1 <= int(text) <= MOST_DAYS:
        raise web.HTTPError(400, f"days: expected a whole number from 1 to {MOST_DAYS}.")
    return int(text)


def _left(standing: Standing) -> float:
    return standing.left


def _why(standing: Standing) -> str:
    again = standing.frees
    text = standing.sentence()
    return text if again is None else f"{text}; some is free again from {moment(again)} on"


def _plain(name: str) -> str:
    """Return a name that no spreadsheet takes for a formula."""
    return f"'{name}" if name[:1] in "=+-@\t\r" else name


def _known_groups(state: State, users: Iterable[Total]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {user.name: [] for user in users}
    found |= {server.user: list(server.groups) for server in state.servers}
    return found


def _once(found: list[tuple[str, Standing]]) -> list[tuple[str, Standing]]:
    """Return standings with shared budgets once, as everybody's, and the fullest first."""
    kept: dict[tuple[str, str, str], tuple[str, Standing]] = {}
    for user, standing in found:
        who = "all of its users" if standing.budget.shared else user
        kept[(who, standing.budget.name, standing.resource.name)] = who, standing
    return sorted(kept.values(), key=lambda item: -item[1].used / item[1].limit)
