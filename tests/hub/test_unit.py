"""The systemd units of a hub: right in systemd's own eyes, sheltered, and without a secret."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from probav_hub.configuration import load
from probav_hub.errors import HubError
from probav_hub.service.unit import units

SANDBOX = """
state: {state}
port: 443
address: 0.0.0.0
tls: {{certificate: cert.pem, key: key.pem}}
spawner: sandbox
authentication: {{method: first-use, allowed_users: [ada]}}
"""
SIMPLE = """
state: {state}
authentication: {{method: shared-password, password_file: password}}
"""


DOCKER = """
state: {state}
shared: {state}/shared
spawner: docker
docker: {{homes: {state}/users}}
authentication: {{method: sign-up}}
"""


@pytest.fixture
def made(tmp_path):
    """Return the units of a configuration, written into a folder."""

    def write(text: str) -> dict[str, str]:
        (tmp_path / "password").write_text("a-secret-of-this-test")
        file = tmp_path / "probav-hub.yaml"
        file.write_text(text.format(state=tmp_path / "state"))
        found = units(file, load(file), tmp_path / "backups")
        for name, content in found.items():
            (tmp_path / name).write_text(content)
        return found

    return write


@pytest.mark.parametrize("text", [SANDBOX, SIMPLE, DOCKER])
def test_systemd_finds_nothing_wrong(made, tmp_path, text):
    if not shutil.which("systemd-analyze"):
        pytest.skip("NO SYSTEMD: install systemd to have the units verified")
    names = [tmp_path / name for name in made(text)]
    done = subprocess.run(["systemd-analyze", "verify", *names], capture_output=True, text=True)
    said = [line for line in done.stderr.splitlines() if str(tmp_path) in line or "probav" in line]
    assert (done.returncode, said) == (0, [])


@pytest.mark.parametrize(("text", "most"), [(SANDBOX, 6.0), (SIMPLE, 3.0), (DOCKER, 5.0)])
def test_systemd_finds_the_hub_sheltered(made, tmp_path, text, most):
    if not shutil.which("systemd-analyze"):
        pytest.skip("NO SYSTEMD: install systemd to have the units looked at")
    made(text)
    command = ["systemd-analyze", "security", "--offline=true", f"--threshold={most * 10:.0f}", "--no-pager"]
    done = subprocess.run([*command, tmp_path / "probav-hub.service"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_no_secret_is_in_a_unit(made):
    assert "a-secret" not in "".join(made(SIMPLE).values())


def test_a_percent_sign_in_a_path_is_none_of_systemds(made, tmp_path):
    text = SIMPLE.replace("{state}", "{state}/100% mine")
    assert f'ReadWritePaths="{tmp_path}/state/100%% mine"' in made(text)["probav-hub.service"]


def test_what_the_hub_gives_to_users_can_be_written(made, tmp_path):
    state = tmp_path / "state"
    assert f"ReadWritePaths={state} {state}/shared {state}/users" in made(DOCKER)["probav-hub.service"]


def test_what_can_be_no_service(made):
    with pytest.raises(HubError, match="names no `state`"):
        made("port: 8000")
    with pytest.raises(HubError, match="journal"):
        made("state: {state}")


def test_servers_that_are_kept_are_not_killed(made):
    assert "KillMode=mixed" in made(SANDBOX)["probav-hub.service"]
    assert "KillMode=process" in made(SANDBOX + "keep_servers: true\n")["probav-hub.service"]
