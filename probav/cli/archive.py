"""`probav archive ...`: create, fill and look at an archive."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import probav
from probav import storage
from probav.cli.terminal import add_archive, bar, command, show


def add(actions: Any) -> None:
    """Declare the commands."""
    demo = command(actions, "create-demo", _create_demo, "make the demo archive, if it is not there yet")
    demo.add_argument("path", nargs="?", metavar="PATH", help="where (default: the local demo archive)")
    ingest = command(actions, "ingest", _ingest, "take source product files into an archive")
    ingest.add_argument(
        "sources", nargs="+", metavar="SOURCE", help="files, or folders searched with sub-folders"
    )
    ingest.add_argument("--product", metavar="ID", help="product of files whose names don't say it")
    ingest.add_argument("--date", metavar="DATE", help="first day of the period of such files")
    add_archive(ingest)
    info = command(actions, "info", _info, "show what an archive holds, its snapshot and history")
    add_archive(info)


def _create_demo(parsed: argparse.Namespace) -> None:
    from probav.demo import create_demo

    path = Path(parsed.path or storage.demo_path())
    create_demo(path)
    print(f"The demo archive is at {path}")


def _ingest(parsed: argparse.Namespace) -> None:
    shown, progress = bar("taking in")
    with shown:
        report = probav.ingest(
            parsed.archive or storage.default_url(),
            parsed.sources,
            parsed.product,
            date=parsed.date,
            progress=progress,
        )
    print(report)


def _info(parsed: argparse.Namespace) -> None:
    archive = probav.open_archive(parsed.archive)
    print(f"Archive {archive.url}\nSnapshot {archive.snapshot}\n")
    show(archive.products.drop(columns="title"))
    print()
    show(archive.history.head(10).set_index("snapshot"))
