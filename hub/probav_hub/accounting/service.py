"""The hub's service `accounting`: it looks at the running servers, and shows and enforces what they use.

The hub starts it, as `python -m probav_hub.accounting.service`, and again when it ends.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import DatabaseError
from tornado.httpclient import HTTPClientError

from probav_hub.accounting.database import NAME, open_database
from probav_hub.accounting.enforcing import enforce, stopped
from probav_hub.accounting.hub_api import Hub, running
from probav_hub.accounting.recording import Recorder, Running, boot
from probav_hub.configuration import Accounting, Budget, Configuration, Profile
from probav_hub.web import certificates, listen

VARIABLE = "PROBAV_ACCOUNTING"
MOST_BODY = 4096  # bytes of a request
LOG = logging.getLogger("probav.accounting")


@dataclass
class State:
    """What the service's parts share.

    Attributes
    ----------
    engine : sqlalchemy.Engine
    accounting : Accounting
    budgets : tuple of Budget
    profiles : dict of Profile
    servers : list of Running
        As last seen.
    groups, admins : dict and set of str
        Of the users that have a server, as last seen.
    looked : float
        When that was, in seconds since 1970.
    failures : int
        How often the hub couldn't be asked.
    """

    engine: Engine
    accounting: Accounting
    budgets: tuple[Budget, ...]
    profiles: dict[str, Profile]
    servers: list[Running] = field(default_factory=list)
    looked: float = 0.0
    failures: int = 0

    @classmethod
    def of(cls, given: str) -> State:
        """Make the state that the hub's variable says."""
        values = json.loads(given)
        profiles = [Profile.model_validate(each) for each in values["profiles"]]
        return cls(
            open_database(Path(values["state"])),
            Accounting.model_validate(values["accounting"]),
            tuple(Budget.model_validate(each) for each in values["budgets"]),
            {profile.name: profile for profile in profiles},
        )


def described(given: Configuration, state: str) -> str:
    """Return what the service is told of the hub's configuration: no secrets."""
    values = {
        "state": state,
        "accounting": given.accounting and given.accounting.model_dump(mode="json"),
        "budgets": [budget.model_dump(mode="json") for budget in given.budgets],
        "profiles": [profile.model_dump(mode="json") for profile in given.profiles],
    }
    return json.dumps(values)


async def look(state: State, hub: Hub, recorder: Recorder) -> None:
    """Look at the running servers once: keep what they use, warn, and stop those whose budget is spent."""
    users = await hub.active_users()
    now = time.time()
    state.servers = running(users, state.profiles)
    recorder.see(state.servers, now, time.monotonic())
    state.looked = now
    for stop in enforce(state.engine, state.accounting, state.budgets, state.servers, now):
        await hub.stop(stop.server.user, stop.server.server)
        stopped(state.engine, stop, now)
        LOG.warning("%s/%s: %s", stop.server.user, stop.server.server, stop.text)


async def keep_looking(state: State, hub: Hub) -> None:
    """Look for as long as the service runs; what goes wrong is told, and tried again."""
    recorder = Recorder(state.engine, boot())
    while True:
        began = time.monotonic()
        try:
            await look(state, hub, recorder)
        except (OSError, HTTPClientError, ValueError, KeyError) as error:
            state.failures += 1
            LOG.warning("The hub gives no answer (%s): what runs is counted once it does.", error)
        except DatabaseError as error:
            state.failures += 1
            LOG.error("%s can't be written (%s): what runs is counted once it can.", NAME, error.orig)
        await asyncio.sleep(max(0.2, state.accounting.every_seconds - (time.monotonic() - began)))


async def serve() -> None:
    """Serve until the process is told to end."""
    from probav_hub.accounting.pages import application

    environment = os.environ
    state = State.of(environment[VARIABLE])
    ask, _ = certificates(environment)
    hub = Hub(environment["JUPYTERHUB_API_URL"], environment["JUPYTERHUB_API_TOKEN"], ask)
    prefix, base = environment["JUPYTERHUB_SERVICE_PREFIX"], environment.get("JUPYTERHUB_BASE_URL", "/")
    listen(application(state, prefix, base), environment, MOST_BODY)
    await keep_looking(state, hub)


def main() -> None:
    """Run the service."""
    logging.basicConfig(format="[accounting] %(levelname)s %(message)s", level=logging.WARNING)
    LOG.setLevel(logging.INFO)
    for name in ("tornado.access", "tornado.application"):  # each figure that is asked for, each page
        logging.getLogger(name).setLevel(logging.ERROR)
    with suppress(KeyboardInterrupt):  # Ctrl-C in the hub's terminal
        asyncio.run(serve())


if __name__ == "__main__":
    main()
