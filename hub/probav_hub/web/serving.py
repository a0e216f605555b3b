"""How a service of the hub is reached: where the hub says, within bounds, by certificates if it has any."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from jupyterhub.utils import make_ssl_context
from tornado.httpserver import HTTPServer
from tornado.web import Application

MOST_HEADER = 16384  # bytes of a request


def certificates(environment: Mapping[str, str]) -> tuple[ssl.SSLContext | None, ssl.SSLContext | None]:
    """Return how to ask others and how to be asked, where the hub's parts know each other by certificates."""
    key = environment.get("JUPYTERHUB_SSL_KEYFILE")
    if not key:
        return None, None
    files = (key, environment["JUPYTERHUB_SSL_CERTFILE"], environment["JUPYTERHUB_SSL_CLIENT_CA"])
    ask: Any = make_ssl_context(*files)
    answer: Any = make_ssl_context(*files, purpose=ssl.Purpose.CLIENT_AUTH)
    return ask, answer


def listen(application: Application, environment: Mapping[str, str], most_body: int) -> None:
    """Let the hub's proxy reach an application at the address that the hub gave its service.

    A request's body has `most_body` bytes at most.
    """
    where = urlsplit(environment["JUPYTERHUB_SERVICE_URL"])
    server = HTTPServer(
        application,
        ssl_options=certificates(environment)[1],
        max_body_size=most_body,
        max_header_size=MOST_HEADER,
        idle_connection_timeout=60,
    )
    server.listen(where.port or 0, where.hostname or "127.0.0.1")
