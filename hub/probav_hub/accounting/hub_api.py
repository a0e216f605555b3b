"""What the service asks of the hub: which servers run, and that one be stopped."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.httputil import url_concat

from probav_hub.accounting.recording import Running
from probav_hub.accounting.standing import GIB
from probav_hub.configuration import Profile
from probav_hub.profiles import size

SECONDS = 30.0
_PAGES = "application/jupyterhub-pagination+json"
_MOST_PAGES = 1000


class Hub:
    """The hub's REST API, with the service's own token.

    Parameters
    ----------
    url : str
        Of the API.
    token : str
    context : ssl.SSLContext or None
        Where the hub's parts know each other by certificates.
    """

    def __init__(self, url: str, token: str, context: ssl.SSLContext | None = None) -> None:
        self._url, self._token, self._context = url.rstrip("/"), token, context

    async def active_users(self) -> list[dict[str, Any]]:
        """Return the users that have a server."""
        url: str | None = url_concat(f"{self._url}/users", {"state": "active"})
        found: list[dict[str, Any]] = []
        for _ in range(_MOST_PAGES):
            if url is None:
                return found
            answer = json.loads((await self._ask(url)).body)
            found += answer["items"]
            following = answer["_pagination"]["next"]
            url = following and url_concat(
                f"{self._url}/users",
                {"state": "active", "offset": following["offset"], "limit": following["limit"]},
            )
        raise ValueError(f"the hub's list of users has no end: {_MOST_PAGES} pages")

    async def stop(self, user: str, server: str) -> None:
        """Stop a server."""
        name = f"servers/{quote(server, safe='')}" if server else "server"
        await self._ask(f"{self._url}/users/{quote(user, safe='')}/{name}", method="DELETE")

    async def _ask(self, url: str, method: str = "GET") -> Any:
        request = HTTPRequest(
            url,
            method=method,
            headers={"Authorization": f"token {self._token}", "Accept": _PAGES},
            request_timeout=SECONDS,
            follow_redirects=False,
            ssl_options=self._context,
        )
        return await AsyncHTTPClient().fetch(request)


def running(users: list[dict[str, Any]], profiles: Mapping[str, Profile]) -> list[Running]:
    """Return the servers of users as the hub's API gives them.

    A server without a profile that is known has the first one's: the hub gives nothing else.
    """
    first = next(iter(profiles.values()))
    found = []
    for user in users:
        for name, server in user.get("servers", {}).items():
            if server.get("stopped") or not server.get("started"):
                continue
            options = server.get("user_options") or {}
            named = options.get("profile") if isinstance(options, dict) else None
            profile = profiles.get(str(named), first)
            started = datetime.fromisoformat(server["started"]).timestamp()
            found.append(
                Running(
                    user["name"], name, started, profile.name, tuple(sorted(user.get("groups", ()))),
                    profile.cpu, size(profile.memory) / GIB, float(profile.spark_executors),
                )
            )  # fmt: skip
    return found
