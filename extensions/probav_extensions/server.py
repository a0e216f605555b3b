"""An extension of the notebook server: tiles of the archive for maps, and JSON for the panel.

The server lets in whom it lets in elsewhere. Its own prefix is handed to its kernels, so that a map in a
notebook finds the tiles wherever the server is: behind the hub, a proxy, or alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from jupyter_server.serverapp import ServerApp

from probav_extensions import api, memory_meter, scripts
from probav_extensions.tiles import handlers as tiles
from probav_extensions.tiles.route import ARCHIVE, PREFIX

Handlers = Callable[[str], list[Any]]
_ROUTES: tuple[Handlers, ...] = (tiles.handlers, api.handlers, scripts.handlers)  # routes below a base URL


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "probav_extensions.server"}]


def _load_jupyter_server_extension(server: ServerApp) -> None:
    os.environ[PREFIX] = server.base_url  # for the kernels, which link to it
    archive = os.environ.get("PROBAV_ARCHIVE", "")
    os.environ[ARCHIVE] = archive if "://" in archive or not archive else os.path.abspath(archive)
    application: Any = server.web_app
    for routes in _ROUTES:
        application.add_handlers(".*$", routes(server.base_url))
    memory_meter.configure(server)
