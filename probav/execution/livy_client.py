"""Sessions of a Livy server, over its REST API: made, asked, cancelled and ended. They know no query."""

from __future__ import annotations

import base64
import json
import os
import shlex
import stat
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from probav.errors import EngineError

ANSWER_SECONDS = 30  # one HTTP request
START_SECONDS = 300  # a session, which may wait for its cluster's queue
CANCEL_SECONDS = 10
STUCK_SECONDS = 3600  # a statement whose progress does not change
SILENT_SECONDS = 900  # without a request the server ends the session, as its owner is gone
POLL = (0.05, 1.0)  # seconds: first and longest pause between two looks at a statement
GONE = ("shutting_down", "error", "dead", "killed", "success")


@dataclass(frozen=True)
class Server:
    """Where Livy is and as whom to ask: from the environment, which kernels fill from their configuration.

    Attributes
    ----------
    url : str
        PROBAV_SPARK_LIVY_URL.
    user : str or None
        Livy's proxyUser: PROBAV_SPARK_LIVY_USER, else the hub's user.
    credentials : str or None
        File that holds `name:password` for Basic authentication: PROBAV_SPARK_LIVY_CREDENTIALS.
    """

    url: str
    user: str | None = None
    credentials: str | None = None

    @classmethod
    def configured(cls) -> Server:
        """Return the server that the environment names.

        Raises
        ------
        EngineError
            If it names none, or one that no request can be sent to.
        """
        url = os.environ.get("PROBAV_SPARK_LIVY_URL", "").rstrip("/")
        if not url:
            raise EngineError(
                "engine='livy' needs the address of a Livy server: set livy_url in spark.toml, or "
                "PROBAV_SPARK_LIVY_URL in the environment, to something like https://livy.example.org:8998."
            )
        parts = urlsplit(url)
        if parts.password or parts.username:
            raise EngineError(
                "PROBAV_SPARK_LIVY_URL holds a user's name or a password: keep `name:password` in a file that"
                " only you can read, and name that file in PROBAV_SPARK_LIVY_CREDENTIALS."
            )
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise EngineError(
                f"PROBAV_SPARK_LIVY_URL is {url!r}, which is no address of a server: it begins with http://"
                " or https://."
            )
        user = os.environ.get("PROBAV_SPARK_LIVY_USER") or os.environ.get("JUPYTERHUB_USER")
        return cls(url, user or None, os.environ.get("PROBAV_SPARK_LIVY_CREDENTIALS") or None)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request and return what Livy answers.

        Raises
        ------
        EngineError
            If the server can't be reached, refuses, or is no Livy.
        """
        headers = {"Accept": "application/json", "X-Requested-By": "probav"}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        if self.credentials:
            headers["Authorization"] = f"Basic {_basic(Path(self.credentials))}"
        request = urllib.request.Request(self.url + path, data, headers, method=method)  # noqa: S310 - http(s) only
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:  # noqa: S310
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise RefusedError(self._refusal(error, f"{method} {path}"), error.code) from None
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise EngineError(
                f"The Livy server {self.url} can't be reached: {reason}. Is it running, and is its address "
                "(livy_url) right? engine='local' works without."
            ) from None
        except ValueError:
            raise EngineError(
                f"{self.url} answers, but not as a Livy server does: is livy_url right?"
            ) from None

    def _refusal(self, error: urllib.error.HTTPError, what: str) -> str:
        said = ""
        with suppress(Exception):
            said = str(json.load(error).get("msg", ""))
        if error.code == 401:
            return (
                f"The Livy server {self.url} wants to know who asks (401): name a file of `name:password` in"
                " PROBAV_SPARK_LIVY_CREDENTIALS. Kerberos works in sparkmagic's kernels, not here."
            )
        if error.code == 403:
            return (
                f"The Livy server {self.url} does not let {self.user or 'you'} do that: {said or 'forbidden'}"
            )
        return f"The Livy server {self.url} refused {what} ({error.code}): {said or error.reason}"


class RefusedError(EngineError):
    """Livy answered with an HTTP error."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def _basic(file: Path) -> str:
    """Return the credentials of a private file, encoded."""
    try:
        mode, text = file.stat().st_mode, file.read_text().strip()
    except OSError as error:
        raise EngineError(f"The file with Livy's credentials can't be read: {error}.") from None
    if stat.S_IMODE(mode) & 0o077:
        raise EngineError(
            f"The file with Livy's credentials, {file}, can be read by others: run `chmod 600 {file}`."
        )
    if ":" not in text or "\n" in text:
        raise EngineError(
            f"The file with Livy's credentials, {file}, does not hold one line `name:password`."
        )
    return base64.b64encode(text.encode()).decode()


class Session:
    """A PySpark session of a server. `statement` is the only thing done with it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.process = os.getpid()
        body: dict[str, Any] = {
            "kind": "pyspark", "name": f"probav-{uuid.uuid4().hex[:12]}",
            "heartbeatTimeoutInSecond": SILENT_SECONDS,
            **({"proxyUser": server.user} if server.user else {}), **_wanted(),
        }  # fmt: skip
        self.number = int(server.ask("POST", "/sessions", body)["id"])
        try:
            self._wait_until_idle()
        except BaseException:
            self.end()
            raise

    @property
    def alive(self) -> bool:
        """Whether it still takes statements."""
        try:
            return self._state() not in GONE
        except RefusedError:
            return False

    def end(self) -> None:
        """End it on the server, if that is there."""
        with suppress(EngineError):
            self.server.ask("DELETE", f"/sessions/{self.number}")

    def statement(self, code: str, progress: Callable[[float], None] | None = None) -> str:
        """Run code and return what it printed; an interrupt cancels it and leaves the session usable.

        Raises
        ------
        EngineError
            If the code raises something, the session dies, or the server can't be reached.
        """
        path = f"/sessions/{self.number}/statements"
        number = self.server.ask("POST", path, {"code": code, "kind": "pyspark"})["id"]
        try:
            found = self._finished(f"{path}/{number}", progress)
        except KeyboardInterrupt:
            self._cancel(f"{path}/{number}")
            raise
        output = found.get("output") or {}
        if found["state"] != "available" or output.get("status") != "ok":
            raise StatementError(self._failure(found, output))
        return str(output.get("data", {}).get("text/plain", ""))

    def _finished(self, path: str, progress: Callable[[float], None] | None) -> dict[str, Any]:
        pause, last, changed, looked = POLL[0], -1.0, time.monotonic(), time.monotonic()
        most = 0.0  # a statement's next job makes its share smaller
        while True:
            found: dict[str, Any] = self.server.ask("GET", path)
            if found["state"] not in ("waiting", "running", "cancelling"):
                return found
            now, done = time.monotonic(), float(found.get("progress") or 0)
            if done != last:
                last, changed = done, now
                most = max(most, done)
                if progress is not None:
                    progress(most)
            if now - changed > STUCK_SECONDS:
                self._cancel(path)
                raise EngineError(
                    f"{self} made no progress for {STUCK_SECONDS // 60} minutes: its statement was cancelled."
                )
            if now - looked > 2:
                looked = now
                if (state := self._state()) in GONE:
                    raise EngineError(f"{self} died while it worked (state {state!r}){self._last_words()}")
            time.sleep(pause)
            pause = min(1.5 * pause, POLL[1])

    def _cancel(self, path: str) -> None:
        with suppress(EngineError):
            self.server.ask("POST", f"{path}/cancel")
            deadline = time.monotonic() + CANCEL_SECONDS
            while self.server.ask("GET", path)["state"] in ("waiting", "running", "cancelling"):
                if time.monotonic() > deadline:  # Python code that no Spark job can be cancelled for
                    self.end()
                    return
                time.sleep(POLL[0])

    def _failure(self, found: dict[str, Any], output: dict[str, Any]) -> str:
        if found["state"] in ("cancelled", "cancelling"):
            return f"{self}: its statement was cancelled by someone else."
        text = "\n".join([str(output.get("evalue", "")), *map(str, output.get("traceback", []))])
        return f"{self}: {output.get('ename', found['state'])}\n{text}"

    def _wait_until_idle(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while (state := self._state()) != "idle":
            if state in GONE:
                raise EngineError(f"{self} can't start (state {state!r}){self._last_words()}")
            if time.monotonic() > deadline:
                raise EngineError(
                    f"{self} did not start within {START_SECONDS} s (state {state!r}): "
                    "is there room on the cluster?"
                )
            time.sleep(0.5)

    def _state(self) -> str:
        return str(self.server.ask("GET", f"/sessions/{self.number}/state")["state"])

    def _last_words(self) -> str:
        """Return the line of its log that says most."""
        with suppress(EngineError):
            lines = self.server.ask("GET", f"/sessions/{self.number}/log?from=-1&size=100")["log"]
            lines = [line.strip() for line in lines if line.strip() and not line.strip().startswith("at ")]
            telling = [line for line in lines if "Error" in line or "Exception" in line or "ERROR" in line]
            if telling or lines:
                return f": {(telling or lines)[-1][:500]}"
        return "; Livy's log says why."

    def __str__(self) -> str:
        return f"Session {self.number} of the Livy server {self.server.url}"


class StatementError(EngineError):
    """A statement failed; the message's first line says where, the others are the remote traceback."""


def _wanted() -> dict[str, Any]:
    """Return what sessions are to be like, in Livy's words, as far as the environment says it."""
    names = {"executors": "numExecutors", "executor_cores": "executorCores",
             "executor_memory": "executorMemory", "driver_memory": "driverMemory"}  # fmt: skip
    given = {livy: os.environ.get(f"PROBAV_SPARK_{name.upper()}", "") for name, livy in names.items()}
    found: dict[str, Any] = {
        name: int(text) if name.endswith(("Executors", "Cores")) and text.isdigit() else text
        for name, text in given.items()
        if text
    }
    words = shlex.split(os.environ.get("PROBAV_SPARK_CONF", ""))
    if words:
        found["conf"] = {name: value for name, _, value in (word.partition("=") for word in words)}
    archives = os.environ.get("PROBAV_SPARK_ARCHIVES", "").replace(",", " ").split()
    return found | ({"archives": archives} if archives else {})
