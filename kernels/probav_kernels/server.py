"""An extension of the notebook server: Spark's pages of its kernels, to its user alone; encrypted messages.

`<prefix>/probav/spark/<process>/...` is what Spark of that kernel shows. The server lets in whom it lets in
elsewhere; only reading is passed on, and of the request nothing but its path and what it accepts.
"""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import url_path_join
from tornado import web
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest, HTTPResponse

from probav_kernels import ui

_LISTENS = "0A"  # state of a socket in Linux's table of them
_PASSED = ("Content-Type", "Cache-Control", "Content-Disposition", "Last-Modified", "ETag")
_SECONDS = 60.0


class SparkPages(JupyterHandler):
    """One of Spark's pages, of a kernel of this server's user."""

    auth_resource = "kernels"
    SUPPORTED_METHODS: ClassVar[tuple[str, ...]] = ("GET",)  # type: ignore[misc]

    @web.authenticated
    @authorized
    async def get(self, pid: str) -> None:
        """Pass a page on."""
        found = ui.read(int(pid))
        host = listener(found.port) if found is not None else None
        if found is None or host is None:
            raise web.HTTPError(404, f"No Spark session of kernel process {pid} runs: it ended, or moved.")
        root = url_path_join(self.base_url, ui.ROUTE, pid)
        page = (self.request.uri or "")[len(root) :]
        if not page.startswith("/"):
            self.redirect(f"{root}/{page}")
            return
        headers = {
            "Authorization": f"Bearer {found.token}",
            "X-Forwarded-Context": root,  # Spark puts it before its links
            "Accept": self.request.headers.get("Accept", "*/*"),
        }
        request = HTTPRequest(
            f"http://{host}:{found.port}{page}",
            headers=headers,
            follow_redirects=False,
            request_timeout=_SECONDS,
        )
        try:
            response = await AsyncHTTPClient().fetch(request, raise_error=False)
        except (OSError, HTTPClientError) as error:
            raise web.HTTPError(502, f"Spark of kernel process {pid} gives no answer: {error}") from None
        self._pass_on(response, root)

    def _pass_on(self, response: HTTPResponse, root: str) -> None:
        if response.code == 599:  # Tornado's own: no answer in time
            raise web.HTTPError(504, f"Spark gives no answer within {_SECONDS:.0f} s: {response.error}")
        self.set_status(response.code, response.reason)
        self.clear_header("Content-Type")
        for name in _PASSED:
            if name in response.headers:
                self.set_header(name, response.headers[name])
        if "Location" in response.headers:
            target = urlsplit(response.headers["Location"])
            path = target.path if target.path.startswith(f"{root}/") else root + target.path
            self.set_header("Location", target._replace(scheme="", netloc="", path=path).geturl())
        if response.body and response.code != 304:
            self.write(response.body)


def listener(port: int) -> str | None:
    """Return the address at which this user listens on a port; None if it is another's, or nobody's.

    What another user put there in place of an ended Spark must not pass as a page of this server.
    """
    tables = [Path("/proc/net/tcp"), Path("/proc/net/tcp6")]
    if not tables[0].exists():  # no Linux
        return "127.0.0.1"
    found = []
    for table in tables:
        for line in table.read_text().splitlines()[1:] if table.exists() else ():
            words = line.split()
            address, _, number = words[1].partition(":")
            if words[3] == _LISTENS and int(number, 16) == port:
                found.append((address, int(words[7])))
    if not found or any(owner != os.getuid() for _, owner in found):
        return None
    return _address(found[0][0])


def _address(text: str) -> str:
    """Return the address to connect to for one of Linux's table, whose words are of this machine's order."""
    data = b"".join(struct.pack("=I", int(text[start : start + 8], 16)) for start in range(0, len(text), 8))
    if data[:12] == b"\0" * 10 + b"\xff\xff":  # an IPv4 address in an IPv6 socket
        data = data[12:]
    if not any(data):  # every address of the machine
        return "127.0.0.1"
    if len(data) == 4:
        return socket.inet_ntop(socket.AF_INET, data)
    return f"[{socket.inet_ntop(socket.AF_INET6, data)}]"


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "probav_kernels.server"}]


def _load_jupyter_server_extension(server: ServerApp) -> None:
    os.environ[ui.PREFIX] = server.base_url  # for the kernels, which link to it
    from probav_kernels import activity  # which asks by what is defined here

    _encrypt(server)
    activity.watch(server)
    application: Any = server.web_app
    route = url_path_join(server.base_url, ui.ROUTE, r"(\d+)(?:/.*)?")
    application.add_handlers(".*$", [(route, SparkPages)])


def _encrypt(server: ServerApp) -> None:
    """Encrypt messages of kernels that can, unless the server is told what to do.

    A file in jupyter_server_config.d can't say it: Jupyter reads the names of extensions there, nothing else.
    """
    manager: Any = server.kernel_manager
    names = [kind.__name__ for kind in type(manager).__mro__]
    is_configured = any("transport_encryption" in server.config.get(name, {}) for name in names)
    if manager.has_trait("transport_encryption") and not is_configured:  # older ones have no such setting
        manager.transport_encryption = "auto"
