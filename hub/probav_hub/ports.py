"""Ports of this machine for servers: a free one may be taken before its server has it."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator

from jupyterhub.utils import random_port

ADDRESS = "127.0.0.1"
TRIES = 2


class PortTakenError(Exception):
    """Another process took the port that a server was to listen on."""


def choices() -> Iterator[int]:
    """Yield a port that is free, and another for a server that doesn't get the first."""
    for _ in range(TRIES):
        yield random_port()


def is_taken(port: int) -> bool:
    """Return whether a server can't listen on a port, as another process uses it."""
    with socket.socket(socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
        try:
            probe.bind((ADDRESS, port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


def refusal() -> str:
    """Return what a user is told whose server got no port."""
    return f"Other processes of this machine took its port {TRIES} times in a row: please start it again."
