"""`probav archive register`: original files by reference."""

from __future__ import annotations

import argparse
from typing import Any

import probav
from probav import storage
from probav.cli.archive import add_product, product_of
from probav.cli.terminal import add_archive, bar, command


def add(actions: Any) -> None:
    """Declare the command."""
    words = "refer to source product files where they lie, without copying"
    own = command(actions, "register", _register, words)
    own.add_argument(
        "sources", nargs="+", metavar="SOURCE", help="files, or folders searched with sub-folders"
    )
    add_product(own)
    own.add_argument("--date", metavar="DATE", help="first day of the period of such files")
    add_archive(own)


def _register(parsed: argparse.Namespace) -> None:
    shown, progress = bar("registering")
    with shown:
        report = probav.register(
            parsed.archive or storage.default_url(),
            parsed.sources,
            product_of(parsed.product),
            date=parsed.date,
            progress=progress,
        )
    print(report)
