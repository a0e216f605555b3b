"""What the service asks of the hub, and of the server that runs a notebook."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from pydantic import BaseModel, Field, ValidationError
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest, HTTPResponse

SECONDS = 30.0
HEADER = "X-Probav-Run"  # as probav_kernels.scheduled.status has it
ROUTE = "probav/scheduled"
_MOST_BYTES = 4 << 20
_UNREACHABLE = (OSError, ssl.SSLError, ConnectionError)


class UnreachableError(Exception):
    """The hub, or the server, gives no answer for now."""


class RefusedError(Exception):
    """The hub does not do it, and says why."""


class Told(BaseModel):
    """What a server says of its run; it is the user's, so that nothing of it is taken for granted."""

    state: Literal["running", "done", "failed"]
    cell: int = Field(ge=0, le=100_000)
    cells: int = Field(ge=0, le=100_000)
    error: str = Field(max_length=2000)
    output: str = Field(max_length=2000)


@dataclass(frozen=True)
class Server:
    """A server as the hub knows it: whether it can be asked, and at which path."""

    ready: bool
    path: str


class Servers:
    """The hub's REST API with the service's token, and servers through the hub's proxy without it.

    Parameters
    ----------
    api : str
        URL of the hub's API.
    token : str
    proxy : str
        URL of the proxy, without a path.
    internal : ssl.SSLContext or None
        For the first, where the hub's parts know each other by certificates.
    outside : callable
        Returns the context for the second, None where it speaks no TLS; its certificate may be renewed.
    """

    def __init__(
        self,
        api: str,
        token: str,
        proxy: str,
        internal: ssl.SSLContext | None = None,
        outside: Callable[[], ssl.SSLContext | None] = lambda: None,
    ) -> None:
        self._api, self._token, self._proxy = api.rstrip("/"), token, proxy.rstrip("/")
        self._internal, self._outside = internal, outside
        self._client = AsyncHTTPClient(force_instance=True, max_body_size=_MOST_BYTES, max_clients=50)

    async def start(self, user: str, name: str, options: dict[str, Any]) -> None:
        """Have the hub start a server; the options are the request's body, as JupyterHub 5 and 6 take them.

        Raises
        ------
        RefusedError, UnreachableError
        """
        answer = await self._hub("POST", self._of(user, name), options)
        if answer.code >= 500:
            raise UnreachableError(_message(answer))
        if answer.code >= 400:
            raise RefusedError(_message(answer))

    async def find(self, user: str, name: str) -> Server | None:
        """Return a server that runs, starts or stops; None if there is none.

        Raises
        ------
        UnreachableError
        """
        answer = await self._hub("GET", f"/users/{quote(user, safe='')}")
        if answer.code == 404:
            return None
        found = self._json(answer).get("servers", {}).get(name)
        return Server(bool(found.get("ready")), urlsplit(str(found["url"])).path) if found else None

    async def why(self, user: str, name: str) -> str:
        """Return what the hub says of a server that did not start, or nothing."""
        try:
            answer = await self._hub("GET", f"{self._of(user, name)}/progress")
        except UnreachableError:
            return ""
        lines = answer.body.decode("utf-8", "replace").splitlines() if answer.code == 200 else []
        events = [json.loads(line[5:]) for line in lines if line.startswith("data:")]
        failed = [str(event.get("message", "")) for event in events if event.get("failed")]
        return failed[-1].removeprefix("Spawn failed: ") if failed else ""

    async def remove(self, user: str, name: str) -> bool:
        """Have the hub stop and forget a server, and return whether it is gone.

        Raises
        ------
        UnreachableError
        """
        answer = await self._hub("DELETE", self._of(user, name), {"remove": True})
        if answer.code == 404:
            return True
        listed = await self._hub("GET", f"/users/{quote(user, safe='')}?include_stopped_servers=1")
        return listed.code == 404 or name not in self._json(listed).get("servers", {})

    async def ask(self, path: str, key: str) -> Told | int:
        """Return what a server says of its run, or the status of its answer where that is another.

        Raises
        ------
        UnreachableError
        """
        answer = await self._fetch(
            HTTPRequest(
                f"{self._proxy}{path}{ROUTE}",
                headers={HEADER: key},
                request_timeout=SECONDS,
                follow_redirects=False,
                ssl_options=self._outside(),
            )
        )
        if answer.code != 200:
            return answer.code
        try:
            return Told.model_validate_json(answer.body)
        except ValidationError:
            return 404  # something else answers there

    async def notebooks(self, path: str, token: str, most: int = 200, folders: int = 30) -> list[str]:
        """Return notebooks of a server, with a token of its user's; what is deep or hidden is left out."""
        found: list[str] = []
        left = [""]
        while left and folders and len(found) < most:
            folders -= 1
            request = HTTPRequest(
                f"{self._proxy}{path}api/contents/{quote(left.pop(0))}?content=1",
                headers={"Authorization": f"token {token}"},
                request_timeout=5,
                follow_redirects=False,
                ssl_options=self._outside(),
            )
            try:
                answer = await self._fetch(request)
                entries = json.loads(answer.body)["content"] if answer.code == 200 else []
                found += [entry["path"] for entry in entries if entry["type"] == "notebook"]
                left += [
                    entry["path"]
                    for entry in entries
                    if entry["type"] == "directory"
                    and entry["path"].count("/") < 2
                    and entry["path"] != "scheduled"
                ]
            except (UnreachableError, ValueError, KeyError, TypeError, AttributeError):
                break
        return sorted(str(name) for name in found[:most])

    @staticmethod
    def _of(user: str, name: str) -> str:
        return f"/users/{quote(user, safe='')}/servers/{quote(name, safe='')}"

    async def _hub(self, method: str, path: str, body: dict[str, Any] | None = None) -> HTTPResponse:
        return await self._fetch(
            HTTPRequest(
                f"{self._api}{path}",
                method=method,
                body=None if body is None else json.dumps(body),
                headers={"Authorization": f"token {self._token}", "Content-Type": "application/json"},
                request_timeout=SECONDS,
                follow_redirects=False,
                allow_nonstandard_methods=True,  # DELETE with a body
                ssl_options=self._internal,
            )
        )

    async def _fetch(self, request: HTTPRequest) -> HTTPResponse:
        try:
            answer = await self._client.fetch(request, raise_error=False)
        except (*_UNREACHABLE, HTTPClientError) as error:
            raise UnreachableError(str(error)) from None
        if answer.code == 599 or answer.code in (502, 503, 504):  # Tornado's own; the proxy's
            raise UnreachableError(str(answer.error or answer.reason))
        return answer

    @staticmethod
    def _json(answer: HTTPResponse) -> dict[str, Any]:
        if answer.code != 200:
            raise UnreachableError(f"the hub answers {answer.code}: {_message(answer)}")
        return dict(json.loads(answer.body))


def _message(answer: HTTPResponse) -> str:
    try:
        return str(json.loads(answer.body)["message"])
    except (ValueError, KeyError, TypeError):
        return str(answer.reason or answer.code)
