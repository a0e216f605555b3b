"""`probav archive ...`: create, fill and look at an archive."""

from __future__ import annotations

import argparse
import datetime
from pathlib import Path
from typing import Any

import probav
from probav import options, storage
from probav.cli.terminal import add_archive, bar, command, show
from probav.products import ProductDefinition


def add(actions: Any) -> None:
    """Declare the commands."""
    demo = command(actions, "create-demo", _create_demo, "make the demo archive, if it is not there yet")
    demo.add_argument("path", nargs="?", metavar="PATH", help="where (default: the local demo archive)")
    ingest = command(actions, "ingest", _ingest, "take source product files into an archive")
    ingest.add_argument(
        "sources", nargs="+", metavar="SOURCE", help="files, or folders searched with sub-folders"
    )
    add_product(ingest)
    ingest.add_argument("--date", metavar="DATE", help="first day of the period of such files")
    ingest.add_argument(
        "--engine", metavar="ENGINE", default="local", help="local (threads, the default) or spark"
    )
    ingest.add_argument("--dry-run", action="store_true", help="only say what would be done")
    watch = command(actions, "watch", _watch, "take new files of a folder in as they arrive, until Ctrl-C")
    watch.add_argument("folder", metavar="FOLDER", help="where new products arrive")
    add_product(watch)
    watch.add_argument(
        "--every", metavar="SECONDS", type=_seconds, default=10.0,
        help="time between two looks, and how long a file must rest (default: %(default)g)",
    )  # fmt: skip
    for own in (ingest, watch):
        own.add_argument(
            "--threads", metavar="N", type=_count, help="workers (default: $PROBAV_THREADS, else the cores)"
        )
        add_archive(own)
    info = command(actions, "info", _info, "show what an archive holds, its snapshot and history")
    add_archive(info)


def add_product(parser: options.Parser) -> None:
    """Add --product."""
    parser.add_argument(
        "--product", metavar="ID|FILE",
        help="product of files whose names don't say it; a .yaml file that defines one of your own",
    )  # fmt: skip


def product_of(text: str | None) -> str | ProductDefinition | None:
    """Return what --product names: an id, or the definition in a YAML file."""
    if text is not None and Path(text).suffix.lower() in (".yaml", ".yml"):
        return probav.load_definition(text)
    return text


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 < number < 86400:
        raise ValueError
    return number


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
            product_of(parsed.product),
            date=parsed.date,
            engine=parsed.engine,
            threads=parsed.threads,
            dry_run=parsed.dry_run,
            progress=progress,
        )
    print(report)


def _watch(parsed: argparse.Namespace) -> None:
    where = parsed.archive or storage.default_url()
    try:
        print(f"Watching {parsed.folder} for {where}; Ctrl-C ends it", flush=True)
        for report in probav.watch(
            where, parsed.folder, product_of(parsed.product), every=parsed.every, threads=parsed.threads
        ):
            print(f"{datetime.datetime.now():%Y-%m-%d %H:%M:%S} {report}", flush=True)
    except KeyboardInterrupt:
        print("Watching ended")


def _info(parsed: argparse.Namespace) -> None:
    archive = probav.open_archive(parsed.archive)
    print(f"Archive {archive.url}\nSnapshot {archive.snapshot}\n")
    show(archive.products.drop(columns="title"))
    print()
    show(archive.history.head(10).set_index("snapshot"))
