"""One server with TLS: a hub of sandboxes as its systemd unit starts it; renewal, backup and restore."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import requests
import yaml
from waiting import wait_for

from probav_hub.prepare import free_ports
from probav_hub.processes import local_requests
from probav_hub.service.unit import CAPABILITIES

pytestmark = pytest.mark.e2e
PROBAV_HUB = Path(sys.executable).with_name("probav-hub")
PASSWORD = "chosen-at-the-first-log-in"


def certify(folder: Path) -> None:
    """Make a certificate of this machine's loopback and its key, or renew it."""
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30",
               "-subj", "/CN=probav", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
               "-out", folder / "cert.pem", "-keyout", folder / "key.pem"]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)


@dataclass
class Served:
    """A hub whose certificate is in a folder."""

    hub: object
    folder: Path
    config: dict
    heard: socket.socket
    token: str = ""

    @property
    def file(self) -> Path:
        return self.folder / "probav-hub.yaml"

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.config['port']}"

    @property
    def state(self) -> Path:
        return Path(self.config["state"])

    def browser(self) -> requests.Session:
        http = local_requests()
        http.verify = str(self.folder / "cert.pem")
        return http

    def log_in(self, user: str) -> tuple[requests.Session, requests.Response]:
        http = self.browser()
        http.get(f"{self.url}/hub/login", timeout=30).raise_for_status()
        form = {"username": user, "password": PASSWORD, "_xsrf": http.cookies["_xsrf"]}
        return http, http.post(f"{self.url}/hub/login?next=%2Fhub%2Ftoken", data=form, timeout=30)

    def ask(self, method: str, path: str, **options: object) -> requests.Response:
        http = self.browser()
        http.headers["Authorization"] = f"token {self.token}"
        return http.request(method, f"{self.url}{path}", timeout=60, **options)

    def api(self, method: str, path: str, **options: object) -> requests.Response:
        done = self.ask(method, path, **options)
        done.raise_for_status()
        return done

    def start_server(self, user: str) -> None:
        """Start a user's server, unless it runs."""
        if not self.api("GET", f"/hub/api/users/{user}").json()["servers"]:
            self.api("POST", f"/hub/api/users/{user}/server")
        api = f"/hub/api/users/{user}"
        wait_for(
            lambda: self.api("GET", api).json()["servers"].get("", {}).get("ready"),
            120,
            lambda: self.hub.output,
        )

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run([PROBAV_HUB, *arguments], capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def start(start_hubs, tmp_path_factory):
    data = tmp_path_factory.mktemp("service") / "data"  # where the proxy's program is, too

    def run(served: Served) -> object:
        wanted = "".join(f",+{name.removeprefix('CAP_').lower()}" for name in CAPABILITIES)
        command = ["setpriv", "--no-new-privs", f"--bounding-set=-all{wanted}",
                   PROBAV_HUB, "up", "--config", served.file]  # fmt: skip
        return start_hubs(data, command, NOTIFY_SOCKET=str(served.folder / "notify"))

    return run


@pytest.fixture(scope="module")
def served(start, tmp_path_factory, demo_archive) -> Iterator[Served]:
    if sys.platform != "linux":
        pytest.skip("NO SANDBOXES: they are Linux's")
    from probav_hub.sandbox import machine

    if found := machine.problems():
        pytest.skip(f"NO SANDBOXES: {' '.join(found)}")
    folder = tmp_path_factory.mktemp("served")
    certify(folder)
    port, redirected = free_ports(2)
    config = {
        "address": "0.0.0.0", "port": port, "state": str(folder / "state"), "archive": str(demo_archive),
        "spawner": "sandbox", "keep_servers": False,
        "tls": {"certificate": "cert.pem", "key": "key.pem", "redirect_from": redirected},
        "authentication": {"method": "first-use", "allowed_users": ["ada", "ben"], "admins": ["ada"]},
        "profiles": [{"name": "small", "title": "Small", "memory": "1G", "disk": "64M"}],
    }  # fmt: skip
    (folder / "probav-hub.yaml").write_text(yaml.safe_dump(config))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(folder / "notify"))
        heard.settimeout(5)
        made = Served(None, folder, config, heard)
        made.hub = start(made)
        http, page = made.log_in("ada")
        assert page.ok
        tokens = http.post(
            f"{made.url}/hub/api/users/ada/tokens",
            headers={
                "X-XSRFToken": next(c.value for c in http.cookies if c.name == "_xsrf" and c.path == "/hub/")
            },
            timeout=30,
        )
        made.token = tokens.json()["token"]
        yield made


def test_systemd_hears_when_it_is_ready(served):
    assert served.heard.recv(100) == b"READY=1"


def test_all_addresses_are_listened_on_with_tls_alone(served):
    at = {
        connection.laddr.ip
        for process in served.hub.processes()
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == served.config["port"]
    }
    assert at == {"0.0.0.0"}
    with pytest.raises(requests.ConnectionError):
        local_requests().get(f"http://127.0.0.1:{served.config['port']}/hub/login", timeout=10)


def test_plain_http_is_sent_on(served):
    url = f"http://127.0.0.1:{served.config['tls']['redirect_from']}/hub/login?next=x"
    answer = local_requests().get(url, timeout=10, allow_redirects=False)
    assert answer.status_code == 301
    assert answer.headers["Location"] == f"{served.url}/hub/login?next=x"


def test_cookies_go_over_tls_only(served):
    http, page = served.log_in("ben")
    assert page.ok
    assert http.cookies
    assert [cookie.name for cookie in http.cookies if not cookie.secure] == []


def test_a_renewed_certificate_is_taken_up_while_servers_run_on(served):
    served.start_server("ben")
    before = served.api("GET", "/user/ben/api/status").json()["started"]
    port = served.config["port"]

    old = ssl.get_server_certificate(("127.0.0.1", port))
    key = (served.folder / "key.pem").read_text()
    (served.folder / "key.pem").write_text("no key")
    refused = served.run("reload", "--config", served.file)
    assert refused.returncode == 1
    assert "The hub goes on with the certificate it has" in refused.stderr
    assert ssl.get_server_certificate(("127.0.0.1", port)) == old

    (served.folder / "key.pem").write_text(key)
    certify(served.folder)
    done = served.run("reload", "--config", served.file)
    assert done.returncode == 0, done.stderr
    assert ssl.get_server_certificate(("127.0.0.1", port)) != old
    deadline = time.monotonic() + 30  # the hub tells a new proxy of all servers
    while not (answer := served.ask("GET", "/user/ben/api/status")).ok:
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.1)
    assert answer.json()["started"] == before


@pytest.mark.load
def test_a_backup_of_the_running_hub_is_brought_back_to_another(served, start, tmp_path):
    served.api("POST", "/hub/api/groups/remote-sensing", json={})
    served.api("POST", "/hub/api/groups/remote-sensing/users", json={"users": ["ben"]})
    served.start_server("ben")
    text = {"type": "file", "format": "text", "content": "months of work"}
    served.api("PUT", "/user/ben/api/contents/mine.txt", json=text)

    made = served.run("backup", "--config", served.file, tmp_path / "backups")
    assert made.returncode == 0, made.stderr
    backup = Path(made.stdout.strip())
    assert "lost+found" not in made.stderr
    served.hub.stop()
    for name in ("cert.pem", "key.pem"):
        shutil.move(served.folder / name, tmp_path)
    shutil.rmtree(served.state)

    again = Served(
        None, tmp_path / "again", served.config | {"state": str(tmp_path / "new")}, served.heard, served.token
    )
    again.folder.mkdir()
    (again.folder / "probav-hub.yaml").write_text(yaml.safe_dump(again.config))
    done = served.run("restore", "--config", again.file, backup)
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE((again.state / "cookie_secret").stat().st_mode) == 0o600
    assert stat.S_IMODE((again.folder / "key.pem").stat().st_mode) == stat.S_IMODE(
        (tmp_path / "key.pem").stat().st_mode
    )

    (again.folder / "notify").symlink_to(served.folder / "notify")
    again.hub = start(again)
    _, page = again.log_in("ben")  # with the password that ben chose
    assert page.ok
    assert json.loads(again.api("GET", "/hub/api/groups").text)[0]["users"] == ["ben"]  # ada's token is known
    again.start_server("ben")
    kept = again.api("GET", "/user/ben/api/contents/mine.txt").json()
    assert kept["content"] == "months of work"
    assert again.hub.stop() == 0
