"""`probav archive catalogue` and `probav search`: what an archive holds, as a STAC catalogue."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import probav
from probav.cli.terminal import add_archive, bar, command, show
from probav.errors import AoiError, QueryError


def add(commands: Any, actions: Any) -> None:
    """Declare the commands: `search` among `commands`, `catalogue` among the actions of `probav archive`."""
    catalogue = command(actions, "catalogue", _catalogue, "write a static STAC catalogue of an archive")
    catalogue.add_argument("folder", nargs="?", type=Path, metavar="FOLDER", help="where; replaced if there")
    catalogue.add_argument(
        "--clouds", action="store_true", help="count the cloud cover of items where it isn't known yet"
    )
    search = command(commands, "search", _search, "list items: a product's tile at a date")
    search.add_argument("product", nargs="?", metavar="PRODUCT", help="id (default: all)")
    search.add_argument("--bbox", metavar="W,S,E,N", help="degrees; W > E crosses 180 degrees")
    search.add_argument("--time", metavar="TIME", help="year, month, date, or two of them: 2015-03/2015-10")
    search.add_argument("--cloud-cover", type=float, metavar="PERCENT", help="the highest that is taken")
    search.add_argument("--limit", type=int, default=100, metavar="N", help="the first N (default: 100)")
    add_archive(catalogue)
    add_archive(search)


def _catalogue(parsed: argparse.Namespace) -> None:
    if parsed.folder is None and not parsed.clouds:
        raise QueryError("probav archive catalogue needs a FOLDER to write to, --clouds, or both.")
    catalogue = probav.open_archive(parsed.archive).catalogue
    if parsed.clouds:
        shown, progress = bar("counting clouds")
        with shown:
            catalogue.count_clouds(progress=progress)
        print(f"The cloud cover of every item of {catalogue.archive.url} is known")
    if parsed.folder is not None:
        print(f"The catalogue is {catalogue.write(parsed.folder)}")


def _search(parsed: argparse.Namespace) -> None:
    catalogue = probav.open_archive(parsed.archive).catalogue
    found = catalogue.search(
        parsed.product, _bbox(parsed.bbox), parsed.time, parsed.cloud_cover, parsed.limit
    )
    show(found.drop(columns="geometry"))
    if len(found) == parsed.limit:
        print(f"The first {parsed.limit}; there may be more: --limit")


def _bbox(text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        return [float(edge) for edge in text.split(",")]
    except ValueError:
        raise AoiError(f"--bbox {text!r} is no box; expected W,S,E,N in degrees.") from None
