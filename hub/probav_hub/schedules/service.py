"""The hub's service `schedules`, as a program: the pages, the API, and what runs the notebooks.

The hub starts it, as `python -m probav_hub.schedules.service`, and again when it ends.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
import ssl
from collections.abc import Mapping
from pathlib import Path

from probav_hub.authentication import kept
from probav_hub.configuration import Configuration
from probav_hub.schedules.following import Follower
from probav_hub.schedules.mail import Postman
from probav_hub.schedules.pages import application
from probav_hub.schedules.scheduler import Scheduler
from probav_hub.schedules.servers import Servers
from probav_hub.schedules.store import Store
from probav_hub.schedules.tables import Schedule
from probav_hub.schedules.web import Parts
from probav_hub.web import certificates, listen

VARIABLE = "PROBAV_SCHEDULES"
DATABASE = "schedules.sqlite"
MOST_BODY = 65536  # bytes of a request
LOG = logging.getLogger("probav.schedules")


class Pinned:
    """How to speak TLS with the hub's own proxy: with whom has this certificate, under any name.

    Parameters
    ----------
    file : Path or None
        The certificate; a renewed one is taken up. None: there is no TLS.
    """

    def __init__(self, file: Path | None) -> None:
        self._file, self._read = file, 0.0
        self._context: ssl.SSLContext | None = None

    def __call__(self) -> ssl.SSLContext | None:
        """Return the context."""
        if self._file is not None and (changed := self._file.stat().st_mtime) != self._read:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # it need not be an authority's own
            context.load_verify_locations(self._file)
            self._context, self._read = context, changed
        return self._context


async def serve(given: Mapping[str, str]) -> None:
    """Serve until the process is told to end."""
    own = json.loads(given[VARIABLE])
    state, configuration = Path(own["state"]), Configuration.model_validate(own["configuration"])
    assert configuration.schedules is not None
    lock = open(state / "schedules.lock", "w")  # held until the process ends
    await only_one(lock.fileno())
    prefix, base = given["JUPYTERHUB_SERVICE_PREFIX"], given.get("JUPYTERHUB_BASE_URL", "/")
    internal, _ = certificates(given)
    store = Store(state / DATABASE)
    servers = Servers(
        given["JUPYTERHUB_API_URL"], given["JUPYTERHUB_API_TOKEN"], own["proxy"], internal,
        Pinned(Path(own["certificate"]) if own["certificate"] else None),
    )  # fmt: skip
    follower = Follower(store, servers, configuration.schedules)

    def link(schedule: Schedule) -> str:
        return f"{own['public']}{prefix}{schedule.id}"

    postman = Postman(store, configuration.schedules.mail, link)
    scheduler = Scheduler(store, follower, postman, configuration.schedules)
    parts = Parts(store, servers, scheduler, configuration, prefix)
    secret = bytes.fromhex(kept(state / "schedules_cookie_secret"))
    listen(application(parts, base, secret, own["secure"]), given, MOST_BODY)
    LOG.info("Schedules are looked at")
    await scheduler.forever()


async def only_one(lock: int) -> None:
    """Wait until no other process runs schedules: one of a hub that was killed may still be ending."""
    told = False
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if not told:
                LOG.warning("Another process runs the schedules; waiting for its end")
            told = True
            await asyncio.sleep(0.5)


async def end_with(parent: int) -> None:
    """End this process when the hub that started it has ended."""
    while os.getppid() == parent:
        await asyncio.sleep(1)
    LOG.warning("The hub has ended; its next one goes on with the runs")
    os._exit(0)


async def run() -> None:
    """Serve for as long as the hub is there."""
    ending = asyncio.ensure_future(end_with(os.getppid()))
    try:
        await serve(os.environ)
    finally:
        ending.cancel()


def main() -> None:
    """Run the service."""
    logging.basicConfig(format="[schedules] %(levelname)s %(message)s", level=logging.INFO)
    logging.getLogger("tornado").setLevel(logging.WARNING)  # JupyterHub says ids of sessions there
    logging.getLogger("tornado.access").setLevel(logging.ERROR)
    asyncio.run(run())


if __name__ == "__main__":
    main()
