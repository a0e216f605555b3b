"""%probav alone: one screen of what there is and what to type next."""

from __future__ import annotations

import os
import shutil
import time
from argparse import Namespace
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from probav_magics.commands.base import Command
from probav_magics.options import Parser
from probav_magics.show import size

if TYPE_CHECKING:
    from probav import Archive
    from probav_magics.session import Session

_MAX_PRODUCTS = 8


class _Status(Command):
    name = "status"
    help = "Show archive, products and engine, and what to type next."
    example = "%probav status"

    def add_options(self, parser: Parser) -> None:
        """Add none."""

    def run(self, options: Namespace, session: Session) -> None:
        archive = session.archive()
        session.say("\n".join([
            f"Archive    {archive.url}",
            f"Snapshot   {archive.snapshot} ({'pinned' if session.pinned else 'the newest'})",
            f"Engine     {_engine(session)}",
            f"Areas      {', '.join(session.areas()) or 'none yet'}",
            *server(),
            "",
            "Products",
            *_products(archive),
            "",
            "Next",
            *_next(archive, session),
        ]))  # fmt: skip


def _engine(session: Session) -> str:
    describe = getattr(type(session.variables.get("spark")), "describe", None)
    local = "threads of this machine for small queries"
    if describe is None:
        return f"{local}; no Spark in this notebook"
    return f"{local}; Spark {describe(session.variables['spark'])}"


def server() -> list[str]:
    """Return what the hub has given this server: its time, and the room of its home."""
    lines = []
    with suppress(KeyError, ValueError):
        ends = float(os.environ["PROBAV_SERVER_ENDS"])
        at = time.strftime("%Y-%m-%d %H:%M %Z", time.localtime(ends))
        lines.append(f"Server     until {at}, {max(0.0, ends - time.time()) / 3600:.1f} h from now")
    with suppress(KeyError, ValueError, OSError):
        limit = int(os.environ["PROBAV_HOME_LIMIT"])
        found = shutil.disk_usage(Path.home())
        is_own = found.total <= limit * 1.05  # else it is part of a larger disk, which says nothing
        used = f"{size(found.used)} used of {size(found.total)}" if is_own else f"{size(limit)} at most"
        lines.append(f"Home       {used}")
    return lines


def _products(archive: Archive) -> list[str]:
    if not archive.ids:
        return ["  none; take files in with: probav archive ingest"]
    width = max(map(len, archive.ids))
    lines = []
    for product in list(archive)[:_MAX_PRODUCTS]:
        extent = product.extent
        names = ", ".join(product.variables)
        lines.append(
            f"  {product.id:<{width}}  {extent.dates:4} dates, {extent.first} to {extent.last}  {names}"
        )
    rest = len(archive) - _MAX_PRODUCTS
    return [*lines, *([f"  and {rest} more: %probav products"] if rest > 0 else [])]


def _next(archive: Archive, session: Session) -> list[str]:
    product = session.first_product()
    if product is None:
        return ["  %probav --help"]
    area = next(iter(session.areas()), "aoi")
    if not len(product.times):
        return [f"  {product.id} holds no date yet: probav archive ingest"]
    masks = {name for name, flag in product.definition.masks.items() if flag.variable in product.variables}
    mask = ' --mask "clear & land"' if {"clear", "land"} <= masks else ""
    year = product.times[-1].astype("datetime64[Y]")
    return [
        f"  %probav extent {product.id}   where and when there is data",
        f"  %probav aoi {area}   draw an area on a map: the variable {area} is what the map shows",
        f"  %probav stats {product.id} --aoi {area} --time {year}{mask} -o ts",
        "  %probav --help   all commands; %probav stats --help   the options of one",
    ]


COMMAND = _Status()
