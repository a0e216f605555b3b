"""A running cell or Spark job is activity: a server whose user has closed the browser is not idle then.

JupyterHub culls servers by what they report, and Jupyter reports when messages passed. A cell that computes
for hours without a word, or a Spark job of a thread in the background, would be ended.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jupyter_core.paths import jupyter_runtime_dir
from jupyter_server.serverapp import ServerApp
from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.ioloop import PeriodicCallback

from probav_kernels import ui

SECONDS = 60.0
_ANSWER_SECONDS = 5.0
_SETTING = "probav_last_activity"  # Jupyter's server takes the latest of all settings with such an end


def watch(server: ServerApp) -> None:
    """Look once a minute, for as long as the server runs."""
    PeriodicCallback(lambda: note(server), SECONDS * 1e3).start()


async def note(server: ServerApp) -> None:
    """Tell the server that it is in use, if a kernel is busy or Spark of one works."""
    manager: Any = server.kernel_manager
    kernels = [getattr(manager.get_kernel(name), "execution_state", "") for name in manager.list_kernel_ids()]
    application: Any = server.web_app
    if "busy" in kernels or await works():
        application.settings[_SETTING] = datetime.now(UTC)


async def works() -> bool:
    """Return whether a Spark session of this user's kernels runs a job."""
    for file in Path(jupyter_runtime_dir()).glob("probav-spark-*.json"):
        number = file.stem.rpartition("-")[2]
        found = ui.read(int(number)) if number.isdecimal() else None
        if found is not None and await _runs_jobs(found):
            return True
    return False


async def _runs_jobs(found: ui.Announcement) -> bool:
    from probav_kernels.server import listener

    host = listener(found.port)
    if host is None:
        return False

    async def ask(path: str) -> Any:
        request = HTTPRequest(
            f"http://{host}:{found.port}/api/v1/applications{path}",
            headers={"Authorization": f"Bearer {found.token}"},
            request_timeout=_ANSWER_SECONDS,
        )
        return json.loads((await AsyncHTTPClient().fetch(request)).body)

    try:
        return any([await ask(f"/{app['id']}/jobs?status=running") for app in await ask("")])
    except Exception:  # it is ending, or gone: then it does no work
        return False
