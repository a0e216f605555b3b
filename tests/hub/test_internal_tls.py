"""The hub waits for a service with a context that a client can use."""

from __future__ import annotations

import asyncio
import ssl
import subprocess

import pytest
from jupyterhub.objects import Server
from tornado.httpserver import HTTPServer
from tornado.web import Application

from probav_hub.internal_tls import mend_waiting_for_services


@pytest.fixture
def contexts(tmp_path):
    """Contexts to listen with and to ask with."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days",
               "1", "-addext", "subjectAltName=IP:127.0.0.1", "-out", cert, "-keyout", key]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    listening = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    listening.load_cert_chain(cert, key)
    return listening, ssl.create_default_context(cafile=str(cert))


def test_what_a_server_listens_with_is_not_asked_with(contexts, monkeypatch):
    listening, asking = contexts
    before, used = Server.wait_up, []

    def wait_up(self, *args, ssl_context=None, **options):
        used.append(ssl_context)
        return before(self, *args, ssl_context=ssl_context or asking, **options)

    monkeypatch.setattr(Server, "wait_up", wait_up)
    mend_waiting_for_services()
    mend_waiting_for_services()  # once is enough

    async def wait() -> None:
        server = HTTPServer(Application(), ssl_options=listening)
        server.listen(0, "127.0.0.1")
        (socket,) = server._sockets.values()
        service = Server(proto="https", connect_ip="127.0.0.1", connect_port=socket.getsockname()[1])
        await service.wait_up(http=True, timeout=20, ssl_context=listening)
        await service.wait_up(http=True, timeout=20, ssl_context=asking)
        server.stop()

    asyncio.run(wait())
    assert used == [None, asking]
