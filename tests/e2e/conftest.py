"""A real hub for the tests that need one: `start_hub` for one of their own, `hub` for the session's."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
import requests
from waiting import wait_for

from probav_hub.processes import local_requests
from probav_hub.remote_kernel import RemoteKernel

ROOT = Path(__file__).parents[2]
PROBAV_HUB = Path(sys.executable).with_name("probav-hub")


@dataclass
class RunningHub:
    """A `probav-hub up` (or `make run`) in its own process group, and what it prints."""

    process: subprocess.Popen[bytes]
    data: Path
    output_file: Path
    url: str = field(init=False)
    user: str = field(init=False)
    password: str = field(init=False)

    @property
    def output(self) -> str:
        return self.output_file.read_text()

    def wait_until_ready(self) -> None:
        pattern = r"URL\s+(\S+)\n(?:\s+User\s+(\S+)\n\s+Password\s+(\S+))?"
        found = wait_for(
            lambda: self.process.poll() is not None or re.search(pattern, self.output),
            180,
            lambda: self.output,
        )
        assert isinstance(found, re.Match), f"the hub ended: {self.output}"
        self.url, self.user, self.password = found.groups()

    def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        """Signal the whole group, as a terminal does on Ctrl-C, and return the exit code."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, how)
        return self.process.wait(120)

    def processes(self) -> list[psutil.Process]:
        """Return the processes, whoever their parent is, whose environment names this hub's data folder."""
        found = []
        for process in psutil.process_iter():
            try:
                if any(str(self.data) in value for value in process.environ().values()):
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                continue
        return found

    def log_in(self, password: str | None = None) -> requests.Session:
        """Return an HTTP session with a token of the user, who has logged in by the form."""
        http = local_requests()
        http.get(f"{self.url}/hub/login", timeout=30).raise_for_status()
        form = {"username": self.user, "password": password or self.password, "_xsrf": http.cookies["_xsrf"]}
        http.post(f"{self.url}/hub/login?next=/hub/token", data=form, timeout=30).raise_for_status()
        token = http.post(
            f"{self.url}/hub/api/users/{self.user}/tokens",
            headers={
                "X-XSRFToken": next(c.value for c in http.cookies if c.name == "_xsrf" and c.path == "/hub/")
            },
            timeout=30,
        )
        token.raise_for_status()
        http.cookies.clear()
        http.headers["Authorization"] = f"token {token.json()['token']}"
        return http

    def start_server(self, http: requests.Session) -> str:
        """Start the user's server, unless it runs, and return its address."""
        api = f"{self.url}/hub/api/users/{self.user}"
        if not http.get(api, timeout=30).json()["servers"]:
            http.post(f"{api}/server", timeout=180).raise_for_status()
        wait_for(
            lambda: http.get(api, timeout=30).json()["servers"].get("", {}).get("ready"),
            180,
            lambda: self.output,
        )
        return f"{self.url}/user/{self.user}"

    def kernel(self) -> RemoteKernel:
        """Log in, start the server and return a PROBA-V kernel of it, not started yet."""
        http = self.log_in()
        return RemoteKernel(http, self.start_server(http), "probav-python")


StartHub = Callable[..., RunningHub]


@pytest.fixture(scope="session")
def environment() -> Callable[[Path], dict[str, str]]:
    """Return the environment of a new user whose data folder is given, without the user's own settings."""

    def make(data: Path) -> dict[str, str]:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("PROBAV_", "JUPYTER"))
        }
        return {**kept, "XDG_DATA_HOME": str(data), "PROBAV_ARCHIVE": str(data / "no-archive")}

    return make


@pytest.fixture(scope="session")
def start_hubs(environment) -> Iterator[StartHub]:
    started: list[RunningHub] = []

    def start(
        data: Path,
        command: list[str | Path] | None = None,
        notebooks: Path | None = None,
        wait: bool = True,
        **changes: str,
    ) -> RunningHub:
        data.mkdir(parents=True, exist_ok=True)
        with_notebooks = ["--notebooks", notebooks] if notebooks else []
        if command is None:
            from probav_hub.prepare import free_ports

            command = [PROBAV_HUB, "up", "--port", str(free_ports(1)[0]), *with_notebooks]
        output = data / "output.txt"
        with output.open("wb") as file:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**environment(data), **changes},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        hub = RunningHub(process, data, output)
        started.append(hub)
        if wait:
            hub.wait_until_ready()
        return hub

    yield start
    for hub in started:
        hub.stop()


@pytest.fixture
def start_hub(start_hubs, tmp_path) -> StartHub:
    """Start a hub of the test's own; it is stopped with the session at the latest."""

    def start(**options: object) -> RunningHub:
        return start_hubs(tmp_path / "data", **options)

    return start


@pytest.fixture
def run_hub_command(environment, tmp_path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `probav-hub ...` to its end."""

    def run(
        *arguments: str | Path, changes: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [PROBAV_HUB, *arguments],
            cwd=ROOT,
            env={**environment(tmp_path / "data"), **(changes or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=400,
        )

    return run


@pytest.fixture(scope="session")
def demo_archive(request) -> Path:
    """Return the tests' small demo archive (PROBAV_TEST_ARCHIVE names another one to use instead)."""
    named = os.environ.get("PROBAV_TEST_ARCHIVE")
    return Path(named) if named else request.getfixturevalue("demo_archive")


@pytest.fixture(scope="session")
def hub(start_hubs, tmp_path_factory, demo_archive) -> RunningHub:
    """Return the session's hub, with the samples and the demo archive."""
    data = tmp_path_factory.mktemp("hub")
    return start_hubs(data, notebooks=ROOT / "sample_notebooks", PROBAV_ARCHIVE=str(demo_archive))
