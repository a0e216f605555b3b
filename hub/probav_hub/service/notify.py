"""Tell systemd what a service is at, where systemd has started it."""

from __future__ import annotations

import os
import socket


def notify(state: str) -> bool:
    """Send a line such as `READY=1`, and return whether there was anybody to send it to."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect("\0" + address[1:] if address.startswith("@") else address)
        sender.sendall(state.encode())
    return True
