"""What all answers of the service have in common: its parts, and what is whose."""

from __future__ import annotations

from dataclasses import dataclass

from tornado import web

from probav_hub.configuration import Configuration
from probav_hub.profiles import of_user
from probav_hub.schedules.drafts import Rules
from probav_hub.schedules.scheduler import Scheduler
from probav_hub.schedules.servers import Servers
from probav_hub.schedules.store import Store
from probav_hub.schedules.tables import Run, Schedule
from probav_hub.web import Page


@dataclass(frozen=True)
class Parts:
    """What the service is made of."""

    store: Store
    servers: Servers
    scheduler: Scheduler
    configuration: Configuration
    prefix: str


class Handler(Page):
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

    @property
    def rules(self) -> Rules:
        """What the hub allows who asks."""
        given = self.parts.configuration
        assert given.schedules is not None
        own = of_user(given.profiles, self.groups)
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
