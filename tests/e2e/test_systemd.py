"""The units as systemd itself runs them: this machine's own system in a container, its disk untouched."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import requests
import yaml

from probav_hub.prepare import free_ports
from probav_hub.processes import local_requests

pytestmark = pytest.mark.load
ROOT = Path(__file__).parents[2]
PROBAV_HUB = Path(sys.executable).with_name("probav-hub")
INSIDE = Path("/srv/probav-try")
INIT = Path("/lib/systemd/systemd")
PASSWORD = "chosen-at-the-first-log-in"


def missing() -> str:
    if sys.platform != "linux" or os.geteuid():
        return "only root can boot a container"
    from probav_hub.sandbox import machine

    if not shutil.which("systemd-nspawn") or not INIT.exists():
        return "install systemd and systemd-container"
    return " ".join(machine.problems())


@dataclass
class System:
    """A booted systemd, and the folder that is `INSIDE` in it."""

    init: int
    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def run(self, *command: str | Path, seconds: float = 300) -> subprocess.CompletedProcess[str]:
        enter = ["nsenter", f"--target={self.init}", "--mount", "--pid", "--uts", "--ipc", "--"]
        return subprocess.run([*enter, *command], capture_output=True, text=True, timeout=seconds)

    def must(self, *command: str | Path) -> str:
        done = self.run(*command)
        journal = self.run("journalctl", "--no-pager", "--lines=40").stdout if done.returncode else ""
        assert done.returncode == 0, done.stdout + done.stderr + journal
        return done.stdout

    def certify(self) -> None:
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30",
                   "-subj", "/CN=hub", "-addext", "subjectAltName=DNS:localhost",
                   "-out", self.folder / "cert.pem", "-keyout", self.folder / "key.pem"]  # fmt: skip
        subprocess.run(command, check=True, capture_output=True)

    def browser(self) -> requests.Session:
        http = local_requests()
        http.verify = str(self.folder / "cert.pem")
        return http

    def main(self) -> int:
        shown = self.must("systemctl", "show", "--property=MainPID", "--value", "probav-hub.service")
        return int(shown)


def until(ask: Callable[[], object], seconds: float = 180) -> object:
    """Return the first true answer; connections may fail meanwhile."""
    deadline = time.monotonic() + seconds
    while True:
        with suppress(requests.ConnectionError, psutil.Error):
            if answer := ask():
                return answer
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.5)


@pytest.fixture
def system(tmp_path, demo_archive) -> Iterator[System]:
    if why := missing():
        pytest.skip(f"NO SYSTEMD: {why}")
    folder, root = tmp_path / "try", tmp_path / "root"
    for each in (folder, root, folder / "backups"):
        each.mkdir()
    shutil.copytree(demo_archive, folder / "archive")  # the service has a /tmp of its own
    seen = {str(ROOT), sys.prefix, sys.base_prefix}
    subprocess.run(["mount", "--bind", "/", root], check=True)
    command = ["systemd-nspawn", "--register=no", "--keep-unit", "--quiet", "--boot", f"--directory={root}",
               "--volatile=overlay", "--capability=all", "--console=pipe", f"--bind={folder}:{INSIDE}",
               *(f"--bind-ro={path}" for path in sorted(seen)), "--", "--unit=basic.target"]  # fmt: skip
    with open(tmp_path / "console.txt", "wb") as console:
        nspawn = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console)
    try:
        init = until(lambda: [each.pid for each in psutil.Process(nspawn.pid).children()], 30)
        made = System(init[0], folder, free_ports(1)[0])
        until(lambda: made.run("systemctl", "is-active", "basic.target").returncode == 0, 120)
        for hierarchy in ("memory", "cpu", "cpuacct", "pids"):  # which a container has to read only
            if os.path.ismount(f"/sys/fs/cgroup/{hierarchy}"):
                made.must("mount", "-o", "remount,rw,bind", f"/sys/fs/cgroup/{hierarchy}")
        yield made
    finally:
        nspawn.kill()
        nspawn.wait(60)
        subprocess.run(["umount", root], check=True)


def configure(system: System) -> None:
    system.certify()
    content = {
        "address": "0.0.0.0", "port": system.port, "state": str(INSIDE / "state"),
        "archive": str(INSIDE / "archive"),
        "spawner": "sandbox", "keep_servers": True,
        "tls": {"certificate": "cert.pem", "key": "key.pem"},
        "authentication": {"method": "first-use", "allowed_users": ["ada"]},
        "profiles": [{"name": "small", "title": "Small", "memory": "1G"}],
    }  # fmt: skip
    (system.folder / "probav-hub.yaml").write_text(yaml.safe_dump(content))
    (system.folder / "state").mkdir(mode=0o700)
    units = ["unit", "--config", INSIDE / "probav-hub.yaml", "--backup", INSIDE / "backups"]
    system.must(PROBAV_HUB, *units, "--into", "/etc/systemd/system")
    system.must("systemctl", "daemon-reload")


def start_server(system: System) -> requests.Session:
    """Log in as ada, start a server and return a session with a token."""
    http = system.browser()
    http.get(f"{system.url}/hub/login", timeout=60).raise_for_status()
    form = {"username": "ada", "password": PASSWORD, "_xsrf": http.cookies["_xsrf"]}
    http.post(f"{system.url}/hub/login?next=%2Fhub%2Ftoken", data=form, timeout=60).raise_for_status()
    xsrf = next(cookie.value for cookie in http.cookies if (cookie.name, cookie.path) == ("_xsrf", "/hub/"))
    api = f"{system.url}/hub/api/users/ada"
    token = http.post(f"{api}/tokens", headers={"X-XSRFToken": xsrf}, timeout=60).json()["token"]
    http = system.browser()
    http.headers["Authorization"] = f"token {token}"
    http.post(f"{api}/server", timeout=60).raise_for_status()
    until(lambda: http.get(api, timeout=60).json()["servers"].get("", {}).get("ready"))
    return http


def test_the_units_as_systemd_runs_them(system):
    configure(system)
    system.must("systemctl", "start", "probav-hub.service")  # returns when it is ready
    http = start_server(system)

    def started() -> str:
        answer = http.get(f"{system.url}/user/ada/api/status", timeout=60)
        return answer.json()["started"] if answer.ok else ""

    first = started()
    assert first

    old = ssl.get_server_certificate(("127.0.0.1", system.port))
    system.certify()
    system.must("systemctl", "reload", "probav-hub.service")
    assert ssl.get_server_certificate(("127.0.0.1", system.port)) != old
    assert until(started) == first

    system.must("systemctl", "start", "probav-backup.service")
    system.must(PROBAV_HUB, "backup", "--config", INSIDE / "probav-hub.yaml", "--verify", INSIDE / "backups")

    system.must("systemctl", "restart", "probav-hub.service")
    assert until(started) == first  # keep_servers: it went on

    before = system.main()
    system.must("systemctl", "kill", "--signal=KILL", "--kill-who=main", "probav-hub.service")
    until(lambda: system.main() not in (0, before))
    assert until(started) == first

    system.must("systemctl", "stop", "probav-hub.service")
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", system.port), 5)
