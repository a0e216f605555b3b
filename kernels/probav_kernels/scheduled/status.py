"""The page by which the hub's service of schedules learns how a run goes."""

from __future__ import annotations

import hmac
from dataclasses import asdict

from jupyter_server.auth.decorator import allow_unauthenticated
from tornado import web

from probav_kernels.scheduled.run import Run

HEADER = "X-Probav-Run"


class StatusPage(web.RequestHandler):
    """How the run goes, to who shows its key.

    The service shows no token of the hub: it could then do in this server whatever its user can.
    """

    def initialize(self, run: Run, key: str) -> None:
        """Take what every request is about."""
        self.run, self.key = run, key

    @allow_unauthenticated  # type: ignore[untyped-decorator,unused-ignore]
    def get(self) -> None:
        """Say how it goes."""
        shown = self.request.headers.get(HEADER, "")
        if not hmac.compare_digest(shown.encode(), self.key.encode()):
            raise web.HTTPError(403, "This page is for the hub's service of schedules.")
        self.set_header("Cache-Control", "no-store")
        self.write(asdict(self.run.status))
        self.run.is_known = self.run.status.state != "running"
