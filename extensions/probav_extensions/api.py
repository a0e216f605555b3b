"""What the notebook server tells of the archive for the panel in JupyterLab: JSON, to whom it lets in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any, ClassVar

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from tornado import web

from probav import memory as system_memory

ROUTE = "probav/api"
_WAITING = 64  # requests; a panel asks for one or two at once


class _Answer(APIHandler):
    """JSON made in a thread, so that the server's other work goes on."""

    auth_resource = "contents"
    SUPPORTED_METHODS: ClassVar[tuple[str, ...]] = ("GET",)  # type: ignore[misc]
    _waiting: ClassVar[int] = 0

    async def answer(self, make: Callable[..., dict[str, Any]], *arguments: Any) -> None:
        """Answer with what a function returns."""
        if _Answer._waiting >= _WAITING:
            self.set_header("Retry-After", "1")
            raise web.HTTPError(503, f"{_WAITING} questions are being answered; ask again in a moment.")
        _Answer._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            status, found = await loop.run_in_executor(_pool(), _attempt, make, *arguments)
        finally:
            _Answer._waiting -= 1
        self.set_status(status)
        self.set_header("Cache-Control", "no-cache")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.finish(found)


class ArchiveAnswer(_Answer):
    """Which archive there is, if any, and what else of this server the panel can ask."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer with `archive`, null where there is none, and a `message` that says what to do."""
        extensions = self.serverapp.extension_manager.extensions if self.serverapp else {}
        loaded = {"spark": "probav_kernels.sessions", "metrics": "jupyter_resource_usage"}
        await self.answer(_archive, {key: name in extensions for key, name in loaded.items()})


class ProductsAnswer(_Answer):
    """The products, a line each."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer with `snapshot` and `products`."""
        await self.answer(_products)


class ProductAnswer(_Answer):
    """A product in full."""

    @web.authenticated
    @authorized
    async def get(self, name: str) -> None:
        """Answer with its layers, masks, footprint and cells to begin with."""
        await self.answer(_product, name)


class MemoryAnswer(_Answer):
    """The memory of the machine, or of the container this server is in."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer with `total` and `available`, in bytes, and with `ended`, a count of processes."""
        await self.answer(memory)


def _attempt(make: Callable[..., dict[str, Any]], *arguments: Any) -> tuple[int, dict[str, Any]]:
    from probav.errors import ArchiveError, ProbavError, UnknownProductError

    try:
        return 200, make(*arguments)
    except UnknownProductError as error:
        return 404, {"message": str(error)}
    except ArchiveError as error:  # there is none, damaged, or not to be reached
        return 502, {"message": str(error)}
    except ProbavError as error:
        return 400, {"message": str(error)}


def _archive(others: dict[str, bool]) -> dict[str, Any]:
    # what reads archives takes a second to import: not when the server starts
    import probav
    from probav.errors import ArchiveError
    from probav_extensions.holdings import archive_of

    try:
        archive = probav.open_archive()
    except ArchiveError as error:
        return {"archive": None, "message": str(error), **others}
    return {"archive": archive_of(archive), "message": "", **others}


def _products() -> dict[str, Any]:
    import probav
    from probav_extensions.holdings import products_of

    archive = probav.open_archive()
    return {"snapshot": archive.snapshot, "products": products_of(archive.url, archive.snapshot)}


def _product(name: str) -> dict[str, Any]:
    import probav
    from probav_extensions.holdings import product_of

    archive = probav.open_archive()
    return product_of(archive.url, archive.snapshot, archive[name].id)


def memory() -> dict[str, Any]:
    """Return the bytes in all and those that can still be had: of the container, if it has less.

    `ended` is the number of processes that the system has ended for want of memory since it started. Each is
    null where the system doesn't say.
    """
    return {
        "total": system_memory.limit(),
        "available": system_memory.free(),
        "ended": system_memory.ended(),
    }


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(2, thread_name_prefix="probav-api")


def handlers(base_url: str) -> list[Any]:
    """Return the routes of the panel's questions below a base URL."""
    return [
        (url_path_join(base_url, ROUTE, path), handler)
        for path, handler in (
            ("archive", ArchiveAnswer),
            ("products", ProductsAnswer),
            (r"products/([A-Za-z0-9_.\-]{1,80})", ProductAnswer),
            ("memory", MemoryAnswer),
        )
    ]
