"""Mail about runs, by a real mail server of this process."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from email import message_from_bytes, policy

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from probav_hub.configuration import Mail, Schedules
from probav_hub.prepare import free_ports
from probav_hub.schedules import changes
from probav_hub.schedules.drafts import Rules
from probav_hub.schedules.mail import TRIES, Postman, address
from probav_hub.schedules.store import Store

GIVEN = Schedules()


class Letters:
    """What aiosmtpd hands mail to."""

    def __init__(self) -> None:
        self.found = []

    async def handle_DATA(self, server, session, envelope) -> str:
        self.found.append((envelope, message_from_bytes(envelope.content, policy=policy.default), session))
        return "250 OK"


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A mail server that wants TLS and a password."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days",
               "1", "-addext", "subjectAltName=DNS:localhost", "-out", cert, "-keyout", key]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))  # whom this machine trusts

    def check(server, session, envelope, mechanism, data) -> AuthResult:
        return AuthResult(success=(data.login, data.password) == (b"hub", b"the password"))

    controller = Controller(
        Letters(), hostname="localhost", port=free_ports(1)[0], tls_context=context, require_starttls=True,
        authenticator=check, auth_required=True,
    )  # fmt: skip
    controller.start()
    yield controller
    controller.stop()


@pytest.fixture
def mail(tmp_path):
    """Return the operator's words about a mail server."""
    file = tmp_path / "password"
    file.write_text("the password\n")
    file.chmod(0o600)

    def mail(port: int, **more) -> Mail:
        given = {"host": "localhost", "port": port, "sender": "hub@example.org", "user": "hub",
                 "password_file": file, "address": "{username}@example.org", **more}  # fmt: skip
        return Mail.model_validate(given)

    return mail


@pytest.fixture
def ended(tmp_path):
    """Return a store, and end runs of a schedule in it."""
    store = Store(tmp_path / "schedules.sqlite")

    def end(wishes: str, *states: str) -> Store:
        fields = {"name": "daily", "notebook": "a.ipynb", "cron": "0 6 * * *", "mail": wishes}
        schedule = changes.add(store, GIVEN, "ada", Rules(GIVEN, []).draft(fields), 0.0)
        for state in states:
            run = changes.run_now(store, schedule, 1767247200.0)
            store.update(run.id, started=1767247200.0)
            error = "Cell 1 of 2: Error: a\r\nBcc: x@evil.org" if state == "failed" else ""
            store.finish(run.id, state, 1767247320.0, 50, 0, error=error)
        return store

    yield end
    store.close()


def send(store: Store, given: Mail | None) -> None:
    postman = Postman(store, given, lambda schedule: f"https://hub/services/schedules/{schedule.id}")

    async def once() -> None:
        postman.look()
        await postman._task

    asyncio.run(once())


def test_who_wants_mail_about_failures_gets_it_once(server, mail, ended):
    store = ended("failure", "done", "stopped", "failed")
    for _ in range(2):
        send(store, mail(server.port))
    ((envelope, letter, session),) = server.handler.found
    assert session.ssl
    assert envelope.rcpt_tos == ["ada@example.org"]
    assert letter["Subject"] == "Schedule daily failed"
    assert letter["From"] == "hub@example.org"
    assert letter["Bcc"] is None
    text = letter.get_content()
    assert "The run of a.ipynb for 2026-01-01 06:00 (UTC) failed after 2 min." in text
    assert "Cell 1 of 2: Error: a" in text
    assert "https://hub/services/schedules/1" in text
    assert store.mails() == []


def test_who_wants_all_gets_all(server, mail, ended):
    send(ended("always", "done", "failed"), mail(server.port))
    assert [letter["Subject"] for _, letter, _ in server.handler.found] == [
        "Schedule daily is done", "Schedule daily failed",
    ]  # fmt: skip


def test_who_wants_none_gets_none(ended):
    assert ended("never", "done", "failed").mails() == []


def test_a_mail_server_that_is_away_is_asked_again_and_not_for_ever(mail, ended):
    store = ended("failure", "failed")
    for number in range(1, TRIES + 1):
        ((run, _),) = store.mails()
        assert run.mail_tries == number - 1
        send(store, mail(free_ports(1)[0]))
    assert store.mails() == []


def test_a_certificate_that_is_not_the_servers_gets_no_password(server, mail, ended, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    store = ended("failure", "failed")
    send(store, mail(server.port))
    assert len(store.mails()) == 1
    assert server.handler.found == []


def test_addresses():
    own = Mail(host="x", sender="a@b")
    assert address(own, "ada@example.org") == "ada@example.org"
    assert address(own, "ada") == ""
    given = Mail(host="x", sender="a@b", address="{username}@example.org")
    assert address(given, "ada") == "ada@example.org"
    for name in ("a, b", "a\nb", "<a>", "a;b", ""):
        assert address(given, name) == ""
