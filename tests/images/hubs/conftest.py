"""Hubs on this machine whose servers are containers of the user image."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from probav_hub import prepare
from probav_hub.configuration import Configuration, Docker, Profile
from probav_hub.processes import local_requests
from probav_hub.remote_kernel import RemoteKernel
from probav_hub.settings import Settings

NAME = f"probav-test-run-{os.getpid()}"
SMALL = Profile(name="small", title="Small", cpu=2, memory="3G", processes=700)
SUPERVISOR = """
import sys
from pathlib import Path
from probav_hub.processes import Hub
from probav_hub.settings import Settings
with Hub(Settings.load(Path(sys.argv[1]))) as hub:
    hub.wait_until_ready()
    print("READY", hub._process.pid, flush=True)
    hub.wait()
"""


def supervise(settings: Settings) -> tuple[subprocess.Popen[str], int]:
    """Start a hub in a process of its own, which adopts what it starts; return it and the hub's number."""
    process = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, settings.file],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    line = process.stdout.readline()
    assert line.startswith("READY"), settings.log.read_text()[-3000:]
    return process, int(line.split()[1])


@dataclass
class Site:
    """A hub on this machine whose servers are containers."""

    settings: Settings
    http: requests.Session
    engine: Any
    process: subprocess.Popen[str]
    hub: int
    name: str = NAME

    def user(self, user: str) -> dict[str, Any]:
        """Return what the hub says of a user, who is made where there is none."""
        api = f"{self.settings.url}/hub/api/users/{user}"
        if (answer := self.http.get(api, timeout=30)).status_code == 404:
            answer = self.http.post(api, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def spawn(self, user: str, profile: str = "small") -> float | str:
        """Return how many seconds the start of a server took, or why there is none."""
        self.user(user)
        api = f"{self.settings.url}/hub/api/users/{user}"
        began = time.monotonic()
        answer = self.http.post(f"{api}/server", json={"profile": profile}, timeout=300)
        if answer.status_code not in (201, 202):
            return answer.json()["message"]
        while time.monotonic() - began < 300:
            model = self.user(user)["servers"].get("", {})
            if model.get("ready"):
                return time.monotonic() - began
            if not model.get("pending"):
                break
            time.sleep(0.2)
        return self.settings.log.read_text()[-3000:]

    def stop(self, user: str) -> None:
        self.http.delete(f"{self.settings.url}/hub/api/users/{user}/server", timeout=60)
        deadline = time.monotonic() + 60
        while self.user(user)["servers"] and time.monotonic() < deadline:
            time.sleep(0.2)

    def container(self, user: str) -> Any:
        return self.engine.containers.get(f"{self.name}-{user}")

    def kernel(self, user: str) -> RemoteKernel:
        return RemoteKernel(self.http, f"{self.settings.url}/user/{user}", "probav-python")

    def kill_and_start_anew(self) -> None:
        """Kill hub and supervisor, and start another hub on the same state."""
        for pid in (self.process.pid, self.hub):
            os.kill(pid, 9)
        self.process.wait(30)
        self.process, self.hub = supervise(self.settings)


@pytest.fixture(scope="session")
def start_site(engine_socket, engine, image, archive_to_read) -> Callable[..., AbstractContextManager[Site]]:
    """Start a hub, with changes to its configuration, until a block ends; nothing of it is left then."""

    @contextmanager
    def start(
        state: Path, name: str = NAME, docker: dict[str, Any] | None = None, **changes: Any
    ) -> Iterator[Site]:
        image("user")
        given = Configuration(
            spawner="docker",
            docker=Docker(socket=engine_socket, name=name, network=name, pull="never", **(docker or {})),
            **{"profiles": (SMALL,), "culling": None, "accounting": None, **changes},
        )
        settings = prepare.settings(
            state=state, port=None, archive=str(archive_to_read), notebooks=None, token="t" * 32,
            configuration=given,
        )  # fmt: skip
        settings.save()
        with local_requests() as http:
            http.headers["Authorization"] = f"token {settings.token}"
            try:
                site = Site(settings, http, engine, *supervise(settings), name)
                try:
                    yield site
                finally:
                    site.process.terminate()
                    site.process.wait(90)
            finally:
                remove_all(engine, name)

    return start


def remove_all(engine: Any, name: str) -> None:
    for container in engine.containers.list(all=True, filters={"name": name}):
        container.remove(force=True, v=True)
    for volume in engine.volumes.list():
        if volume.name.startswith(name):
            volume.remove(force=True)
    with suppress(Exception):
        engine.networks.get(name).remove()
