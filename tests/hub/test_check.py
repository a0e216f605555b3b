from __future__ import annotations

import socket
import subprocess

import pytest

from probav_hub.check import problems
from probav_hub.configuration import Configuration
from probav_hub.prepare import free_ports


@pytest.fixture
def settings_of(tmp_path):
    """Return which settings of a configuration are a problem."""

    def look(**changes) -> dict[str, str]:
        given = {"state": tmp_path / "state", "port": free_ports(1)[0], **changes}
        return {found.setting: str(found) for found in problems(Configuration.model_validate(given))}

    return look


def test_the_default_has_no_problem(settings_of):
    assert settings_of() == {}


def test_a_hub_that_others_reach_must_be_safe(settings_of):
    found = settings_of(address="0.0.0.0")
    assert set(found) == {"address", "spawner", "authentication.method"}
    assert "tls" in found["address"]


def test_a_certificate_and_its_key(settings_of, tmp_path):
    (tmp_path / "c.pem").write_text("no certificate")
    tls = {"certificate": tmp_path / "c.pem", "key": tmp_path / "none"}
    assert "can't be used" in settings_of(tls=tls)["tls"]
    made = {"certificate": tmp_path / "cert.pem", "key": tmp_path / "key.pem"}
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=test", "-days", "1",
               "-out", made["certificate"], "-keyout", made["key"]]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    assert settings_of(tls=made) == {}
    assert set(settings_of(tls=made | {"certificate": made["key"]})) == {"tls"}


def test_a_taken_port(settings_of):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert "is taken" in settings_of(port=taken.getsockname()[1])["port"]


def test_folders_that_are_not_there(settings_of, tmp_path):
    found = settings_of(archive=str(tmp_path / "a"), notebooks=tmp_path / "n")
    assert set(found) == {"archive", "notebooks"}
    assert "sandbox" in settings_of(shared=tmp_path)["shared"]
    assert settings_of(archive="s3://bucket/archive") == {}


def test_secrets(settings_of, tmp_path):
    file = tmp_path / "password"
    file.write_text("long-enough-a-password")
    file.chmod(0o644)
    assert "chmod 600" in settings_of(authentication={"password_file": file})["authentication.password_file"]
    file.chmod(0o600)
    assert settings_of(authentication={"password_file": file}) == {}
    file.write_text("short")
    assert (
        "8 characters" in settings_of(authentication={"password_file": file})["authentication.password_file"]
    )


def test_a_provider_that_is_not_there(settings_of, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("s")
    secret.chmod(0o600)
    issuer = f"http://127.0.0.1:{free_ports(1)[0]}"
    oidc = {"issuer": issuer, "client_id": "hub", "client_secret_file": secret}
    found = settings_of(authentication={"method": "oidc", "oidc": oidc, "allowed_users": ["a"]})
    assert issuer in found["authentication.oidc"]


def test_profiles_that_this_machine_cannot_give(settings_of):
    found = settings_of(
        profiles=[{"name": "big", "title": "Big", "cpu": 1000, "memory": "900T", "groups": ["g"]}]
    )
    assert set(found) == {"profiles.big.cpu", "profiles.big.memory", "profiles"}


def test_misspelt_settings_of_jupyterhub(settings_of):
    found = settings_of(
        jupyterhub={"JupyterHub": {"bind_urll": 1, "log_level": 10}, "Spawnr": {}, "Spawner": {}}
    )
    assert set(found) == {"jupyterhub.JupyterHub.bind_urll", "jupyterhub.Spawnr"}
    assert "Did you mean 'bind_url'?" in found["jupyterhub.JupyterHub.bind_urll"]


def test_admins_do_not_share_the_password_of_all(settings_of, tmp_path):
    login = {"admins": ["boss"]}
    assert "no admin can log in" in settings_of(authentication=login)["authentication.admins"]
    given = {"SharedPasswordAuthenticator": {"admin_password": "x" * 32}}
    assert settings_of(authentication=login, jupyterhub=given) == {}
    file = tmp_path / "admin-password"
    file.write_text("x" * 31)
    file.chmod(0o600)
    login["admin_password_file"] = file
    assert "32 characters" in settings_of(authentication=login)["authentication.admin_password_file"]
    file.write_text("x" * 32)
    assert settings_of(authentication=login) == {}
