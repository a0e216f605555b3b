"""The requests for tiles that a notebook server answers, to whom it answers else."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any, ClassVar

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from tornado import web

from probav_extensions.tiles.route import ROUTE

_WAITING = 512  # requests; a map asks for some dozens at once
_PINNED = "private, max-age=31536000, immutable"
_NAME = r"([A-Za-z0-9_.\-]{1,80})"


class Tiles(APIHandler):
    """One tile; drawn in a thread, so that the server's other work goes on."""

    auth_resource = "contents"
    SUPPORTED_METHODS: ClassVar[tuple[str, ...]] = ("GET",)  # type: ignore[misc]
    _waiting: ClassVar[int] = 0
    _is_gone = False

    def on_connection_close(self) -> None:
        """Note that the map was moved on: a tile that isn't begun need not be drawn."""
        self._is_gone = True
        super().on_connection_close()

    @web.authenticated
    @authorized
    async def get(self, product: str, variable: str, z: str, x: str, y: str) -> None:
        """Answer with a PNG."""
        if Tiles._waiting >= _WAITING:
            self.set_header("Retry-After", "1")
            raise web.HTTPError(503, f"{_WAITING} tiles are being drawn; ask again in a moment.")
        query = {name: self.get_arguments(name) for name in self.request.query_arguments}
        Tiles._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            found = await loop.run_in_executor(_pool(), self._draw, product, variable, (z, x, y), query)
        finally:
            Tiles._waiting -= 1
        if found is None:
            return
        png, is_pinned, stays = found
        self.set_header("Cache-Control", "no-store" if not stays else _PINNED if is_pinned else "no-cache")
        self.set_header("Cross-Origin-Resource-Policy", "same-origin")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.finish(
            png, set_content_type="image/png"
        )  # with an ETag, and without a body if it has not changed

    def _draw(
        self, product: str, variable: str, place: tuple[str, str, str], query: dict[str, list[str]]
    ) -> tuple[bytes, bool, bool] | None:
        """Return a PNG, whether the address says all of it, and whether it stays so; None for nobody."""
        if self._is_gone:
            return None
        # what draws takes a second to import: not when the server starts
        from probav.errors import ArchiveError, ProbavError
        from probav_extensions.tiles import kept, request

        try:
            asked = request.read(product, variable, place, query)
            png, stays = kept.kept_tile(asked.layer, asked.z, asked.x, asked.y)
        except request.NotThereError as error:
            raise web.HTTPError(404, _plain(error)) from None
        except ArchiveError as error:  # damaged, or not to be reached
            raise web.HTTPError(502, _plain(error)) from None
        except (request.BadRequestError, ProbavError) as error:
            raise web.HTTPError(400, _plain(error)) from None
        return png, asked.is_pinned, stays


def _plain(error: Exception) -> str:
    return str(error).replace("%", "%%")  # Tornado formats it


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return ThreadPoolExecutor(max(2, min(cores, 4)), thread_name_prefix="probav-tiles")


def handlers(base_url: str) -> list[Any]:
    """Return the routes of tiles below a base URL."""
    place = r"(\d{1,10})/(\d{1,10})/(\d{1,10})\.png"
    return [(url_path_join(base_url, ROUTE, f"{_NAME}/{_NAME}/{place}"), Tiles)]
