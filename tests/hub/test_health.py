"""What `probav-hub check` tells of a hub that has run for a while."""

from __future__ import annotations

import fcntl
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from probav_hub.configuration import Configuration
from probav_hub.prepare import free_ports
from probav_hub.service import certificate, health


@pytest.fixture
def certify(tmp_path):
    """Make a certificate that is valid for so many days from now, or was until so many ago."""

    def make(days: int) -> dict[str, Path]:
        made = {"certificate": tmp_path / "cert.pem", "key": tmp_path / "key.pem"}
        key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hub")])
        names = x509.SubjectAlternativeName([x509.DNSName("hub.example.org"), x509.DNSName("hub")])
        certificate = (
            x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(days=100))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(names, critical=False)
            .sign(key, hashes.SHA256())
        )
        made["certificate"].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        private = serialization.PrivateFormat.PKCS8
        made["key"].write_bytes(
            key.private_bytes(serialization.Encoding.PEM, private, serialization.NoEncryption())
        )
        return made

    return make


@pytest.fixture
def given(tmp_path):
    (tmp_path / "state").mkdir()

    def make(**changes: object) -> Configuration:
        return Configuration.model_validate({"state": tmp_path / "state", **changes})

    return make


def test_a_certificate_that_expires_is_told_in_time(given, certify):
    tls = certify(7)
    assert [note for note in health.notes(given(tls=tls)) if "valid for 7 more days" in note]
    assert list(health.problems(given(tls=tls))) == []
    assert not [note for note in health.notes(given(tls=certify(90))) if "certificate" in note]


def test_one_that_has_expired_is_a_problem(given, certify):
    ((setting, what, remedy),) = health.problems(given(tls=certify(-1)))
    assert setting == "tls.certificate"
    assert "has expired" in what
    assert "probav-hub reload" in remedy


def test_its_names(certify):
    assert certificate.names(certify(1)["certificate"]) == ["hub.example.org", "hub"]


def test_a_redirection_needs_a_hub_on_all_addresses(given, certify):
    tls = certify(90) | {"redirect_from": free_ports(1)[0]}
    ((setting, _, _),) = health.problems(given(tls=tls))
    assert setting == "tls.redirect_from"
    assert list(health.problems(given(tls=tls, address="0.0.0.0"))) == []


def test_a_damaged_database(given, tmp_path):
    file = tmp_path / "state" / "jupyterhub.sqlite"
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("CREATE TABLE counted (number INTEGER)")
    assert list(health.problems(given())) == []
    file.write_bytes(file.read_bytes()[:4096] + b"x" * 4096)
    ((setting, what, remedy),) = health.problems(given())
    assert (setting, "jupyterhub.sqlite is damaged" in what, "backup" in remedy) == ("state", True, True)


def test_little_room(given, monkeypatch):
    monkeypatch.setattr(health, "LITTLE_ROOM", 2**80)
    assert [note for note in health.notes(given()) if "GiB are free" in note]
    monkeypatch.setattr(health, "LEAST_ROOM", 2**80)
    assert [what for _, what, _ in health.problems(given()) if "MiB are free" in what]


def test_whether_the_hub_runs(given, tmp_path):
    state = tmp_path / "state"
    assert not health.is_running(state)
    with (state / "lock").open("w") as lock:
        assert not health.is_running(state)
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert health.is_running(state)


def test_an_archive_that_can_not_be_opened(given, tmp_path):
    (tmp_path / "empty").mkdir()
    (note,) = health.notes(given(archive=str(tmp_path / "empty")))
    assert note.startswith(f"The archive {tmp_path / 'empty'} can't be opened, and queries will fail: ")
