"""A notebook that the hub has this server run on a schedule: the server runs it, the hub asks how it goes.

So nothing that happens to a browser, to the hub or to its service of schedules ends the run.
"""

from __future__ import annotations

import os
from typing import Any

from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import url_path_join

from probav_kernels.scheduled.work import VARIABLE, Work

__all__ = ["ROUTE"]

ROUTE = "probav/scheduled"


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "probav_kernels.scheduled"}]


def _load_jupyter_server_extension(server: ServerApp) -> None:
    given = os.environ.pop(VARIABLE, "")  # kernels don't see it
    if not given:
        return
    from probav_kernels.scheduled.run import Run  # with nbclient, which other servers don't need
    from probav_kernels.scheduled.status import StatusPage

    run = Run(server, Work.of(given))
    application: Any = server.web_app
    application.add_handlers(
        ".*$", [(url_path_join(server.base_url, ROUTE), StatusPage, {"run": run, "key": run.work.key})]
    )
    loop: Any = server.io_loop
    loop.add_callback(run.to_its_end)
