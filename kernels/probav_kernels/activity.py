"""A running cell or Spark job is activity: a server whose user has closed the browser is not idle then.

JupyterHub culls servers by what they report, and Jupyter reports when messages passed. A cell that computes
for hours without a word, or a Spark job of a thread in the background, would be ended.
"""

from __future__ import annotations

import os
from collections.abc import Container
from datetime import UTC, datetime
from typing import Any

from jupyter_server.serverapp import ServerApp
from tornado.httpclient import HTTPClientError
from tornado.ioloop import PeriodicCallback

from probav_kernels import ui
from probav_kernels.sessions import announced, ask

SECONDS = 60.0  # between two looks, unless the hub wants to be told sooner
TOLD_EVERY = "JUPYTERHUB_ACTIVITY_INTERVAL"  # seconds between two reports to the hub
_SETTING = "probav_last_activity"  # Jupyter's server takes the latest of all settings with such an end


def watch(server: ServerApp) -> None:
    """Look once a minute or for each report to the hub, for as long as the server runs."""
    seconds = min(SECONDS, float(os.environ.get(TOLD_EVERY, SECONDS)))
    PeriodicCallback(lambda: note(server), seconds * 1e3).start()


async def note(server: ServerApp) -> None:
    """Tell the server that it is in use, if a kernel is busy or Spark of one works."""
    manager: Any = server.kernel_manager
    kernels = [manager.get_kernel(name) for name in manager.list_kernel_ids()]
    states = [getattr(kernel, "execution_state", "") for kernel in kernels]
    processes = [getattr(kernel.provisioner, "pid", None) for kernel in kernels]
    application: Any = server.web_app
    if "busy" in states or await works(processes):
        application.settings[_SETTING] = datetime.now(UTC)


async def works(kernels: Container[int | None]) -> bool:
    """Return whether a Spark session of one of these kernels' processes runs a job."""
    return any([await _runs_jobs(found) for found in announced() if found.pid in kernels])


async def _runs_jobs(found: ui.Announcement) -> bool:
    try:
        applications = await ask(found, "applications")
        jobs = [await ask(found, f"applications/{app['id']}/jobs?status=running") for app in applications]
    except (OSError, HTTPClientError, ValueError, KeyError, TypeError):  # it is ending: it does no work
        return False
    return any(jobs)
