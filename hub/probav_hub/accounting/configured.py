"""JupyterHub configured for accounting: the service, what it may do, and budgets at the start of a server."""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import DatabaseError
from tornado.log import app_log

from probav_hub.accounting.database import open_database
from probav_hub.accounting.service import VARIABLE, described
from probav_hub.accounting.standing import Standing, lines, refusal, standings
from probav_hub.authentication import secret
from probav_hub.configuration import Profile
from probav_hub.errors import HubError
from probav_hub.prepare import LASTING_PORTS, check_port
from probav_hub.settings import Settings

NAME = "accounting"
# tell a kernel where to say what it reads, and whose program is there
URL, OWNER = "PROBAV_ACCOUNTING_URL", "PROBAV_ACCOUNTING_OWNER"
ACCESS = f"access:services!service={NAME}"
SCOPES = ["list:users", "read:users:groups", "read:servers", "delete:servers"]
SERVER_SCOPES = ["users:activity!user", "access:servers!server", ACCESS]  # the hub's own two, and ours
USER_SCOPES = ["self", ACCESS]
METRICS_SCOPES = ["read:metrics", ACCESS]
_PORT_FILE = "accounting.port"


def configure(c: Any, settings: Settings) -> None:
    """Add the service, its roles and the address that kernels tell to JupyterHub's configuration object."""
    given = settings.configuration
    if given.accounting is None:
        return
    port = _port(Path(settings.state, _PORT_FILE))
    secure = bool(given.jupyterhub.get("JupyterHub", {}).get("internal_ssl"))
    url = f"{'https' if secure else 'http'}://127.0.0.1:{port}"
    c.JupyterHub.services.append({
        "name": NAME,
        "url": url,
        "command": [sys.executable, "-m", "probav_hub.accounting.service"],
        "environment": {VARIABLE: described(given, settings.state)},
        "oauth_no_confirm": True,
        "display": True,
    })  # fmt: skip
    roles = c.JupyterHub.load_roles
    roles.append({"name": NAME, "services": [NAME], "scopes": SCOPES})
    _user_role(roles)["scopes"] += [
        scope for scope in USER_SCOPES if scope not in _user_role(roles)["scopes"]
    ]
    c.Spawner.server_token_scopes = SERVER_SCOPES
    # with certificates inside the hub only its proxy reaches a service
    way = settings.url.removesuffix(given.base_url.rstrip("/")) if secure else url
    c.Spawner.environment |= {URL: f"{way}{given.base_url}services/{NAME}/", OWNER: str(os.geteuid())}
    if given.accounting.metrics_token_file:
        name = f"{NAME}-metrics"
        token = secret(given.accounting.metrics_token_file)
        c.JupyterHub.services.append({"name": name, "api_token": token, "display": False})
        roles.append({"name": name, "services": [name], "scopes": METRICS_SCOPES})


def _user_role(roles: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what every user may do, as it is configured so far."""
    for role in roles:
        if role["name"] == "user":
            return role
    roles.append({"name": "user", "scopes": []})
    return roles[-1]


def _port(file: Path) -> int:
    """Return the service's port: the one it had, so that kernels of servers that go on find it again."""
    try:
        kept = [int(file.read_text())]
    except (OSError, ValueError):
        kept = []
    for port in [*kept, *random.sample(LASTING_PORTS, 100)]:
        with suppress(HubError, OverflowError):
            check_port(port)
            file.write_text(f"{port}\n")
            return port
    raise HubError(f"No port of 127.0.0.1 from {LASTING_PORTS[0]} to {LASTING_PORTS[-1]} is free.")


@cache
def _engine(state: str) -> Engine:
    return open_database(state)


class Budgets:
    """What the hub asks before it starts a server.

    Parameters
    ----------
    settings : Settings
    """

    def __init__(self, settings: Settings) -> None:
        self._state, self._given = settings.state, settings.configuration

    @property
    def page(self) -> str:
        """The path of the page that shows users what they used."""
        return f"{self._given.base_url}services/{NAME}/"

    def standings(self, user: str, groups: Sequence[str]) -> list[Standing]:
        """Return where a user stands; nothing where no budget is configured."""
        if not self._given.budgets:
            return []
        try:
            return standings(_engine(self._state), self._given.budgets, user, groups, time.time())
        except (HubError, DatabaseError) as error:  # users can work; the log tells who can mend it
            app_log.error("Budgets are not known, and servers start without: %s", error)
            return []

    def lines(self, user: str, groups: Sequence[str]) -> list[str]:
        """Return what is left of a user's budgets, a line each."""
        return lines(self.standings(user, groups))

    def refusal(self, profile: Profile, user: str, groups: Sequence[str]) -> str | None:
        """Return why a user can't start a server of a profile; None if they can."""
        return refusal(profile, self.standings(user, groups))
