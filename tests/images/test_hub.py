"""The hub in its own image: what is in it, and a hub in a container that starts servers beside itself."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from contextlib import suppress

import pytest
import requests
import yaml
from waiting import wait_for

INSTALLED = (
    "import json, importlib.metadata as found; "
    "print(json.dumps({each.metadata['Name']: each.version for each in found.distributions()}))"
)
NAME = f"probav-test-in-{os.getpid()}"
PASSWORD = "a password for the test"


@pytest.fixture(scope="module")
def inside(start):
    return start("hub")


def test_it_holds_the_hub_as_locked_and_no_engine_no_notebooks(inside, locked):
    known, installed = locked("hub"), json.loads(inside.python(INSTALLED))
    wrong = {
        name: version
        for name, version in installed.items()
        if name != "probav-hub" and version not in known.get(re.sub(r"[-_.]+", "-", name).lower(), ())
    }
    assert not wrong
    assert {"probav-hub", "jupyterhub", "dockerspawner", "jupyterhub-kubespawner", "oauthenticator"} <= set(
        installed
    )
    assert not {"probav", "probav-kernels", "jupyterlab", "pyspark", "numpy"} & set(installed)


def test_it_is_nobodys_root_and_its_proxy_needs_no_registry(inside):
    assert inside.run("id", "-u").strip() == "1000"
    said = inside.python(
        "from probav_hub.proxy import command; from pathlib import Path; print(command(Path('/nowhere')))"
    )
    assert "/opt/probav/share/probav/proxy/" in said
    assert re.search(r"\d+\.\d+", inside.run("sh", "-c", "node --version"))


def test_check_explains_what_it_lacks(inside):
    made = "spawner: docker\nstate: /tmp/state\n"
    inside.run("sh", "-c", f"printf '{made}' > /tmp/probav-hub.yaml")
    said = inside.run("probav-hub", "check", "/tmp/probav-hub.yaml", fails=True)
    assert "archive: there is none, and nothing here can make one." in said
    assert "docker.socket: No engine of containers listens" in said


TELL = """
from probav_kernels.metering import meter
told = meter()
told.read(123_000_000)
told.tell()
print(told._told)
"""


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")  # the certificate is the test's own
@pytest.mark.parametrize("engine_socket", ["podman", "docker"], indirect=True, scope="session")
def test_a_hub_in_a_container_starts_servers_beside_itself(
    engine, engine_socket, image, archive_to_read, tmp_path
):
    """The engine's socket is mounted; the user who runs the hub is the one who may use it."""
    image("user")
    folder = tmp_path / "site"
    folder.mkdir(mode=0o755)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", folder / "key.pem", "-out",
         folder / "certificate.pem", "-days", "2", "-subj", "/CN=localhost"], check=True, capture_output=True,
    )  # fmt: skip
    given = {
        "address": "0.0.0.0", "state": "/srv/probav/hub", "archive": str(archive_to_read),
        "spawner": "docker", "tls": {"certificate": "certificate.pem", "key": "key.pem"}, "culling": None,
        "authentication": {"method": "sign-up", "admins": ["ann"]},
        "docker": {"socket": "unix:///run/engine.sock", "name": NAME, "network": NAME, "hub_host": NAME,
                   "pull": "never"},
        "profiles": [{"name": "small", "title": "Small", "cpu": 2, "memory": "2G"}],
    }  # fmt: skip
    (folder / "probav-hub.yaml").write_text(yaml.safe_dump(given))
    for file in folder.iterdir():
        os.chown(file, 1000, 1000)
        file.chmod(0o600)
    path = engine_socket.removeprefix("unix://")
    os.chmod(path, 0o660)  # as systemd's podman.socket and docker make it
    network = engine.networks.create(NAME)
    hub = engine.containers.run(
        image("hub"), detach=True, name=NAME, hostname=NAME, network=NAME, cap_drop=["ALL"],
        security_opt=["no-new-privileges"], group_add=[os.stat(path).st_gid],
        volumes={
            str(folder): {"bind": "/etc/probav", "mode": "ro"},
            str(archive_to_read): {"bind": str(archive_to_read), "mode": "ro"},
            path: {"bind": "/run/engine.sock", "mode": "rw"},
        },
    )  # fmt: skip
    try:
        wait_for(
            lambda: b"JupyterHub is ready" in hub.logs() or _ended(hub), 120, lambda: hub.logs().decode()
        )
        assert b"JupyterHub is ready" in hub.logs(), hub.logs().decode()
        assert hub.exec_run(["python", "/opt/probav/start/healthy.py"])[0] == 0
        address = hub.attrs["NetworkSettings"]["Networks"][NAME]["IPAddress"]
        url = f"https://{address}:8000"
        with requests.Session() as http:
            http.trust_env, http.verify = False, False
            _sign_up_and_in(http, url)
            _start(http, url)
            found = engine.containers.get(f"{NAME}-ann")
            assert found.status == "running"
            ports = found.attrs["HostConfig"]["PortBindings"] or {}
            assert not any(ports.values()), "a port of this machine is open"
            code, said = found.exec_run(["python", "-c", TELL])  # the accounting is in the hub's container
            assert (code, said.decode().strip()) == (0, "123000000"), said.decode()
            page = http.get(f"{url}/services/accounting/", timeout=30)
            assert "117.3 MiB" in page.text, page.text
    finally:
        for each in engine.containers.list(all=True, filters={"name": NAME}):
            each.remove(force=True, v=True)
        with suppress(Exception):
            engine.volumes.get(f"{NAME}-home-ann").remove()
        network.remove()


def _ended(container):
    container.reload()
    return container.status == "exited"


def _token(http, path):
    return next(cookie.value for cookie in http.cookies if cookie.name == "_xsrf" and cookie.path == path)


def _sign_up_and_in(http, url):
    http.get(f"{url}/hub/signup", timeout=30).raise_for_status()
    form = {"username": "ann", "signup_password": PASSWORD, "signup_password_confirmation": PASSWORD,
            "_xsrf": _token(http, "/hub/")}  # fmt: skip
    http.post(f"{url}/hub/signup", data=form, timeout=30).raise_for_status()
    http.get(f"{url}/hub/login", timeout=30).raise_for_status()
    form = {"username": "ann", "password": PASSWORD, "_xsrf": _token(http, "/hub/")}
    answer = http.post(f"{url}/hub/login?next=/hub/home", data=form, timeout=30)
    answer.raise_for_status()
    assert answer.url.endswith("/hub/home"), answer.url


def _start(http, url):
    api, headers = f"{url}/hub/api/users/ann", {"X-XSRFToken": _token(http, "/hub/")}
    answer = http.post(f"{api}/server", headers=headers, timeout=300)
    assert answer.status_code in (201, 202), answer.text
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        if http.get(api, headers=headers, timeout=30).json()["servers"].get("", {}).get("ready"):
            break
        time.sleep(0.3)
    page = http.get(f"{url}/user/ann/lab", timeout=60)  # by the hub's log-in, as a browser goes
    assert page.ok, page.text[:500]
    status = http.get(f"{url}/user/ann/api/status", timeout=60)
    assert "kernels" in status.json()
