"""What queries of this process read, told to the hub's accounting; what is left of budgets, asked there.

The engine finds `meter` by an entry point of the group `probav.meters`. Without a hub that keeps accounts
there is none. Where the accounting gives no answer queries go on, and what they read is told later.
"""

from __future__ import annotations

import atexit
import json
import os
import sys
import threading
import time
import urllib.request
import uuid
from functools import cache
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

URL, OWNER, TOKEN = "PROBAV_ACCOUNTING_URL", "PROBAV_ACCOUNTING_OWNER", "JUPYTERHUB_API_TOKEN"
TELL_SECONDS = 5.0  # between two tellings, while queries read
FRESH_SECONDS = 10.0  # for which an answer says what is left, when a query begins
SILENT_SECONDS = 60.0  # for which a service that gives no answer isn't asked
WARN_SECONDS = 60.0  # for which warnings aren't asked for again
AGAIN_SECONDS = 300.0  # between two showings of a warning
_TIMEOUT = 3.0
_MOST_ANSWER = 1 << 16
_LISTENS = "0A"  # state of a socket in Linux's table of them


@cache
def meter() -> HubMeter | None:
    """Return this process's meter; None where no hub keeps accounts."""
    url, token = os.environ.get(URL), os.environ.get(TOKEN)
    return HubMeter(url, token, os.environ.get(OWNER)) if url and token else None


class HubMeter:
    """Counts what is read here, tells it, and stops queries when a budget is spent.

    Parameters
    ----------
    url : str
        Of the hub's accounting.
    token : str
        Of this server.
    owner : str, optional
        Number of the user who listens there; another one is shown no token.
    """

    def __init__(self, url: str, token: str, owner: str | None = None) -> None:
        self._url, self._token, self._owner = f"{url.rstrip('/')}/api/reads", token, owner
        self._begin()
        atexit.register(self.tell)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._begin)  # its parent tells what was read so far

    def _begin(self) -> None:
        self._session = str(uuid.uuid4())
        self._lock, self._telling = threading.Lock(), threading.Lock()
        self._total = self._told = 0
        self._left: int | None = None  # when `_told` was told
        self._why = ""
        self._asked, self._failed = -1e9, -1e9
        self._timer: threading.Timer | None = None
        self.warnings: list[str] = []

    def before(self, planned: Any) -> str | None:
        """Return why a query that reads `planned.bytes` may not begin; None if it may."""
        if time.monotonic() - self._asked > FRESH_SECONDS:
            self.tell()
        with self._lock:
            left = self._room()
            if left is None or planned.bytes <= left:
                return None
            return (
                f"The query would read about {_words(planned.bytes)}, and {_words(max(left, 0))} are left: "
                f"{self._why}. Ask for a smaller area or a shorter time, or wait."
            )

    def read(self, size: int, ahead: int = 0) -> str | None:
        """Count bytes that were read; return why that is enough, if it is."""
        with self._lock:
            self._total += size
            if self._total > self._told and self._timer is None:
                self._timer = threading.Timer(TELL_SECONDS, self._tell_later)
                self._timer.daemon = True
                self._timer.start()
            left = self._room()
            if left is None or ahead <= left:
                return None
            return f"The query was stopped: {self._why}, and it read more than was left."

    def after(self) -> None:
        """Do nothing: what was read is told within seconds."""

    def tell(self) -> None:
        """Tell what was read, and ask what is left; a failure is tried again later."""
        if time.monotonic() - self._failed < SILENT_SECONDS:
            return
        with self._telling:
            total = self._total
            try:
                answer = self._post({"session": self._session, "total": total})
                left, why = answer["left"], str(answer["why"])
                warnings = [str(text) for text in answer["warnings"]]
            except (OSError, ValueError, KeyError, TypeError, HTTPException):
                self._failed = time.monotonic()
                return
            with self._lock:
                self._told, self._left, self._why = total, left, why
                self.warnings, self._asked = warnings, time.monotonic()

    def _tell_later(self) -> None:
        self._timer = None
        self.tell()

    def _room(self) -> int | None:
        """Return what may be read still, as far as is known; None where nothing limits it."""
        return None if self._left is None else self._left - (self._total - self._told)

    def _post(self, told: dict[str, Any]) -> Any:
        where = urlsplit(self._url)
        if self._owner is not None and where.hostname == "127.0.0.1" and sys.platform == "linux":
            if _listener(where.port or 80) != self._owner:
                raise OSError("another user listens there")
        request = urllib.request.Request(  # noqa: S310 - the hub's own address
            self._url,
            json.dumps(told).encode(),
            {"Authorization": f"token {self._token}", "Content-Type": "application/json"},
        )
        with _opener().open(request, timeout=_TIMEOUT) as answer:
            return json.loads(answer.read(_MOST_ANSWER))


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows nowhere: the token is for one address."""

    def redirect_request(self, *_: Any) -> None:
        """Return nothing, which makes it an error."""


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect())


def _listener(port: int) -> str | None:
    """Return the number of the user who listens on a port of 127.0.0.1."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        if words[3] == _LISTENS and int(words[1].partition(":")[2], 16) == port:
            return words[7]
    return None


def _words(size: int) -> str:
    amount = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:,.0f} {unit}" if unit == "B" else f"{amount:,.1f} {unit}"
        amount /= 1024
    return f"{amount:,.1f} TiB"


class Warnings:
    """Shows what the hub warns of above a cell's output: the server will be stopped, for instance."""

    def __init__(self, own: HubMeter) -> None:
        self._meter = own
        self._asked, self._shown = -1e9, -1e9

    def show(self, *_: Any) -> None:
        """Show warnings that are known, and ask for those of the next cell; a cell doesn't wait for that."""
        now = time.monotonic()
        if now - self._asked > WARN_SECONDS:
            self._asked = now
            asking = threading.Thread(target=self._meter.tell, daemon=True)
            asking.start()
            asking.join(0.2)
        if self._meter.warnings and now - self._shown > AGAIN_SECONDS:
            self._shown = now
            sys.stderr.write("".join(f"{text}\n" for text in self._meter.warnings))
