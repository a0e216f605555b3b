"""JupyterHub's `internal_ssl`, with services that have pages."""

from __future__ import annotations

import ssl
from typing import Any

from jupyterhub.objects import Server


def mend_waiting_for_services() -> None:
    """Let the hub wait for such services to answer, which JupyterHub 6.1.1 can't, so that it ends instead.

    `JupyterHub.start` waits with the context that it listens with, which no client can connect with; without
    one, its connections use the hub's own certificate as they do elsewhere.
    """
    before = Server.wait_up
    if getattr(before, "is_mended", False):
        return

    def wait_up(self: Any, *args: Any, ssl_context: ssl.SSLContext | None = None, **options: Any) -> Any:
        if ssl_context is not None and ssl_context.protocol == ssl.PROTOCOL_TLS_SERVER:
            ssl_context = None
        return before(self, *args, ssl_context=ssl_context, **options)

    wait_up.is_mended = True  # type: ignore[attr-defined]
    Server.wait_up = wait_up
