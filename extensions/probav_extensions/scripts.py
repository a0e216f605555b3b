"""Bokeh's scripts, of the server's own Bokeh: its widget brings none, and none may come from outside."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from tornado import web

ROUTE = "probav/scripts/bokeh.js"


class BokehScript(APIHandler):
    """What a page needs to show Bokeh's charts."""

    auth_resource = "contents"
    SUPPORTED_METHODS: ClassVar[tuple[str, ...]] = ("GET",)  # type: ignore[misc]

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer with JavaScript; 404 where there is no Bokeh."""
        script = _script()
        if script is None:
            raise web.HTTPError(404, "There is no Bokeh beside this server: charts are pictures.")
        self.set_header("Cache-Control", "no-cache")  # it has an ETag: sent again after an update alone
        self.set_header("Cross-Origin-Resource-Policy", "same-origin")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.finish(script, set_content_type="text/javascript; charset=utf-8")


@lru_cache(maxsize=1)
def _script() -> bytes | None:
    """Return the script, without importing Bokeh, which takes a second."""
    found = find_spec("bokeh")
    for folder in found.submodule_search_locations or [] if found else []:
        path = Path(folder, "server", "static", "js", "bokeh.min.js")
        if path.exists():
            return path.read_bytes()
    return None


def handlers(base_url: str) -> list[Any]:
    """Return the route below a base URL."""
    return [(url_path_join(base_url, ROUTE), BokehScript)]
