"""Logging in: by an OpenID Connect provider, a real one started here, and by passwords of one's own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from urllib.parse import urljoin

import pytest
import requests
import yaml

from probav_hub.prepare import free_ports
from probav_hub.processes import local_requests
from probav_hub.proxy import find_node

pytestmark = pytest.mark.e2e
PROVIDER = Path(__file__).parents[1] / "hub" / "oidc"
PROBAV_HUB = Path(sys.executable).with_name("probav-hub")
GROUPS = {"alice": ["staff"], "carol": ["staff", "operators"], "bob": ["guests"]}


@pytest.fixture
def provider(tmp_path) -> Iterator[Callable[[str], str]]:
    """Start the provider for a callback; return its issuer."""
    node = find_node()
    folder = tmp_path / "provider"
    shutil.copytree(PROVIDER, folder)
    environment = {
        **os.environ,
        "PATH": f"{node}:{os.environ['PATH']}",
        "CLIENT_SECRET": "a-secret-of-this-test",
    }
    command = [node / "npm", "ci", "--no-audit", "--no-fund", "--silent"]
    installed = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if installed.returncode:
        pytest.skip(f"NO PROVIDER: npm can't install oidc-provider: {installed.stderr.strip()[-200:]}")
    started: list[subprocess.Popen[str]] = []

    def start(callback: str) -> str:
        port = free_ports(1)[0]
        arguments = [node / "node", "provider.js", str(port), callback, json.dumps(GROUPS)]
        process = subprocess.Popen(arguments, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout
        assert any("ready" in line for line in process.stdout)
        return f"http://127.0.0.1:{port}"

    yield start
    for process in started:
        process.kill()
        process.wait(10)


@pytest.fixture
def configured(start_hub, tmp_path, demo_archive):
    """Start a hub of a configuration file."""

    def start(content: dict):
        port = content.setdefault("port", free_ports(1)[0])
        file = tmp_path / "probav-hub.yaml"
        file.write_text(yaml.safe_dump({"archive": str(demo_archive), **content}))
        hub = start_hub(command=[PROBAV_HUB, "up", "--config", str(file)])
        assert hub.url == f"http://127.0.0.1:{port}"
        return hub

    return start


def by_provider(url: str, name: str) -> tuple[requests.Session, requests.Response]:
    """Log in as a browser does: from the hub's button through the provider's forms, and back."""
    http = local_requests()
    page = http.get(f"{url}/hub/oauth_login?next=%2Fhub%2Fhome", timeout=30)
    for _ in range(4):  # its log-in, its consent
        form = re.search(r'<form[^>]*action="([^"]+)"', page.text)
        if "/interaction/" not in page.url or not form:
            break
        prompt = re.search(r'name="prompt" value="([^"]+)"', page.text)
        assert prompt
        fields = {"prompt": prompt[1], "login": name, "password": "any"}
        page = http.post(urljoin(page.url, unescape(form[1])), data=fields, timeout=30)
    return http, page


def test_an_institutes_provider_lets_its_groups_in(configured, provider, tmp_path):
    secret = tmp_path / "client-secret"
    secret.write_text("a-secret-of-this-test")
    secret.chmod(0o600)
    port = free_ports(1)[0]
    issuer = provider(f"http://127.0.0.1:{port}/hub/oauth_callback")
    oidc = {"issuer": issuer, "client_id": "hub", "client_secret_file": str(secret), "groups_claim": "groups"}
    hub = configured(
        {
            "port": port,
            "authentication": {
                "method": "oidc", "oidc": oidc, "allowed_groups": ["staff"], "admin_groups": ["operators"],
            },
            "profiles": [
                {"name": "small", "title": "Small"},
                {"name": "large", "title": "Large", "groups": ["operators"]},
            ],
        }
    )  # fmt: skip
    assert hub.user is None
    _, refused = by_provider(hub.url, "bob")
    assert refused.status_code == 403
    assert "not currently authorized" in refused.text
    http, page = by_provider(hub.url, "alice")
    assert page.status_code == 200, page.text[-2000:]
    assert "alice" in page.text
    assert http.get(f"{hub.url}/hub/admin", timeout=30).status_code == 403
    spawn = http.get(f"{hub.url}/hub/spawn", timeout=60)
    assert 'value="large"' not in spawn.text  # one profile: nothing to choose
    operator, _ = by_provider(hub.url, "carol")
    assert operator.get(f"{hub.url}/hub/admin", timeout=30).status_code == 200
    spawn = operator.get(f"{hub.url}/hub/spawn", timeout=30)
    assert 'value="large"' in spawn.text
    assert "1 core, 2GB of memory" in spawn.text
    forged = local_requests().get(f"{hub.url}/hub/oauth_callback?code=x&state=y", timeout=30)
    assert forged.status_code in (400, 403)
    log = (hub.data / "probav" / "hub" / "hub.log").read_text()
    assert "a-secret-of-this-test" not in log


def test_passwords_of_ones_own(configured):
    hub = configured({"authentication": {"method": "first-use", "allowed_users": ["ada", "ben"]}})

    def log_in(name: str, password: str) -> requests.Response:
        http = local_requests()
        http.get(f"{hub.url}/hub/login", timeout=30).raise_for_status()
        form = {"username": name, "password": password, "_xsrf": http.cookies["_xsrf"]}
        return http.post(f"{hub.url}/hub/login?next=%2Fhub%2Ftoken", data=form, timeout=30)

    assert log_in("ada", "short").status_code == 403
    assert log_in("ada", "the-first-password").ok
    assert log_in("ada", "another-password").status_code == 403
    assert log_in("ada", "the-first-password").ok
    assert log_in("stranger", "a-long-password").status_code == 403
