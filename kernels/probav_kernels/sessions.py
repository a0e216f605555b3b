"""An extension of the notebook server: which Spark sessions its kernels have, for the panel in JupyterLab.

What it answers is what Spark's own pages show; the tokens that open those are not among it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from jupyter_core.paths import jupyter_runtime_dir
from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import url_path_join
from tornado import web
from tornado.httpclient import AsyncHTTPClient, HTTPClientError

from probav_kernels import ui
from probav_kernels.server import listener

_SECONDS = 3.0  # for which an answer waits for Spark's, whose first one takes long
_MOST_SECONDS = 120.0  # a request cut off is an error in the log of Spark, which notebooks show: so not soon
_MOST = 20  # sessions asked


class SparkSessions(APIHandler):
    """The sessions that run: their kernels, pages, executors and memory."""

    auth_resource = "kernels"
    SUPPORTED_METHODS: ClassVar[tuple[str, ...]] = ("GET",)  # type: ignore[misc]

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer with `sessions`; one that does not answer in time has no `executors`."""
        kernels = self._kernels()
        own = [found for found in announced() if found.pid in kernels][:_MOST]
        sessions = await asyncio.gather(*(self._describe(found, kernels[found.pid]) for found in own))
        self.set_header("Cache-Control", "no-cache")
        self.finish({"sessions": sessions})

    def _kernels(self) -> dict[int, str]:
        """Return the id of this server's kernels by process."""
        manager: Any = self.kernel_manager
        found = {}
        for kernel in manager.list_kernel_ids():
            provisioner = manager.get_kernel(kernel).provisioner
            pid = getattr(provisioner, "pid", None)
            if pid is not None:
                found[int(pid)] = kernel
        return found

    async def _describe(self, found: ui.Announcement, kernel: str) -> dict[str, Any]:
        """Describe a session; what it doesn't say in time is taken up when the panel asks again."""
        link = url_path_join(self.base_url, ui.ROUTE, str(found.pid), "/")
        shown: dict[str, Any] = {"kernel": kernel, "pid": found.pid, "ui": link, "executors": None}
        if found not in _asked:
            _asked[found] = asyncio.ensure_future(_state(found))
        task = _asked[found]
        if (await asyncio.wait({task}, timeout=_SECONDS))[0]:
            _asked.pop(found, None)
            shown |= task.result()
        return shown


_asked: dict[ui.Announcement, asyncio.Future[dict[str, Any]]] = {}


async def _state(found: ui.Announcement) -> dict[str, Any]:
    """Return what Spark's own interface tells; nothing if it gives no answer."""
    try:
        (application,) = await ask(found, "applications")
        executors = await ask(found, f"applications/{application['id']}/executors")
        return {
            "application": application["name"],
            "executors": [
                {
                    "id": executor["id"],
                    "cores": executor["totalCores"],
                    "active": executor["activeTasks"],
                    "done": executor["completedTasks"],
                    "failed": executor["failedTasks"],
                    "memory_used": executor["memoryUsed"],
                    "memory": executor["maxMemory"],
                }
                for executor in executors
            ],
        }
    except (OSError, HTTPClientError, ValueError, KeyError, TypeError):
        return {}


async def ask(found: ui.Announcement, path: str) -> Any:
    """Return what the REST interface of a session's Spark answers.

    Raises
    ------
    OSError, HTTPClientError, ValueError
        If nobody of this user listens there, or it gives no such answer.
    """
    host = listener(found.port)
    if host is None:
        raise OSError(f"nobody of this user listens on port {found.port}")
    response = await AsyncHTTPClient().fetch(
        f"http://{host}:{found.port}/api/v1/{path}",
        headers={"Authorization": f"Bearer {found.token}"},
        follow_redirects=False,
        request_timeout=_MOST_SECONDS,
    )
    return json.loads(response.body)


def announced() -> Iterator[ui.Announcement]:
    """Yield the sessions that living kernels of this user announced."""
    for path in sorted(Path(jupyter_runtime_dir()).glob("probav-spark-*.json")):
        number = path.stem.rpartition("-")[2]
        found = ui.read(int(number)) if number.isdecimal() else None
        if found is not None:
            yield found


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "probav_kernels.sessions"}]


def _load_jupyter_server_extension(server: ServerApp) -> None:
    application: Any = server.web_app
    application.add_handlers(".*$", [(url_path_join(server.base_url, ui.ROUTE), SparkSessions)])
