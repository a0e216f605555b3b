"""The command line: `probav archive ...` for the data manager, the queries of the magics for everybody."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

import probav
from probav import options, storage
from probav.archive import Progress
from probav.errors import ProbavError, QueryError

_AOI_HELP = "file, place name, WKT or GeoJSON; W,S,E,N in degrees"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0, or 2 for a mistake that one sentence explains."""
    try:
        parser = _parser()
        parsed = parser.parse_args(sys.argv[1:] if arguments is None else arguments)
        if not hasattr(parsed, "run"):
            parser.print_help()
            return 0
        parsed.run(parsed)
        sys.stdout.flush()
    except QueryError as error:  # the parser's begin with the command
        print(error if str(error).startswith("probav") else f"probav: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # whoever read the output (head) has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ProbavError, OSError) as error:
        print(f"probav: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("probav: interrupted; what was committed stays", file=sys.stderr)
        return 130
    return 0


def _parser() -> options.Parser:
    parser = options.Parser("probav", description="Satellite vegetation archives one call away.")
    parser.add_argument("--version", action="version", version=f"probav {probav.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", parser_class=options.Parser)
    archive = commands.add_parser("archive", help="create, fill and look at an archive")
    actions = archive.add_subparsers(metavar="ACTION", parser_class=options.Parser, required=True)

    def command(
        where: Any, name: str, run: Callable[[argparse.Namespace], None], words: str
    ) -> options.Parser:
        own: options.Parser = where.add_parser(name, help=words, description=words)
        own.set_defaults(run=run)
        return own

    demo = command(actions, "create-demo", _create_demo, "make the demo archive, if it is not there yet")
    demo.add_argument("path", nargs="?", metavar="PATH", help="where (default: the local demo archive)")
    ingest = command(actions, "ingest", _ingest, "take source product files into an archive")
    ingest.add_argument(
        "sources", nargs="+", metavar="SOURCE", help="files, or folders searched with sub-folders"
    )
    ingest.add_argument("--product", metavar="ID", help="product of files whose names don't say it")
    ingest.add_argument("--date", metavar="DATE", help="first day of the period of such files")
    info = command(actions, "info", _info, "show what an archive holds, its snapshot and history")
    products = command(commands, "products", _products, "list the products of an archive")
    products.add_argument(
        "pattern", nargs="?", metavar="PATTERN", help="only ids or titles that contain this"
    )
    extent = command(commands, "extent", _extent, "show where and when the archive holds a product")
    options.add_product(extent)
    stats = command(commands, "stats", _stats, "masked statistics of an area over time, as CSV")
    options.add_statistics(stats, aoi_help=_AOI_HELP)
    estimate = command(commands, "estimate", _estimate, "what a `stats` would read and cost")
    options.add_statistics(estimate, aoi_help=_AOI_HELP)
    load = command(commands, "load", _load, "write the pixels of an area to a netCDF file")
    options.add_query(load, aoi_help=_AOI_HELP)
    for own in (ingest, info, products, extent, stats, estimate, load):
        own.add_argument(
            "--archive", metavar="URL", help="path or URL (default: $PROBAV_ARCHIVE, else the demo archive)"
        )
    for own, required in ((stats, False), (load, True)):
        own.add_argument("--output", "-o", metavar="FILE", type=Path, required=required, help="file to write")
    return parser


def _bar(words: str) -> tuple[tqdm[Any], Progress]:
    """Return a progress bar on the terminal and the callback that moves it."""
    bar = tqdm(desc=words, unit="", file=sys.stderr, disable=None)

    def progress(done: int, total: int, read: int) -> None:
        bar.total = total
        bar.set_postfix_str(f"{read / 1e6:.0f} MB", refresh=False)
        bar.update(done - bar.n)

    return bar, progress


def _create_demo(parsed: argparse.Namespace) -> None:
    from probav.demo import create_demo

    path = Path(parsed.path or storage.demo_path())
    create_demo(path)
    print(f"The demo archive is at {path}")


def _ingest(parsed: argparse.Namespace) -> None:
    bar, progress = _bar("taking in")
    with bar:
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
    _print(archive.products.drop(columns="title"))
    print()
    _print(archive.history.head(10).set_index("snapshot"))


def _products(parsed: argparse.Namespace) -> None:
    table = probav.open_archive(parsed.archive).products
    if parsed.pattern:
        wanted = parsed.pattern.casefold()
        found = [
            wanted in f"{name} {title}".casefold()
            for name, title in zip(table.index, table["title"], strict=True)
        ]
        table = table[found]
    _print(table)


def _extent(parsed: argparse.Namespace) -> None:
    product = probav.open_archive(parsed.archive)[parsed.product]
    print(product.extent)
    _print(pd.DataFrame(product.footprint().drop(columns="geometry")).set_index("tile"))


def _print(table: pd.DataFrame) -> None:
    print(table.to_string() if len(table) else "(nothing)")


def _aoi(text: str | None) -> Any:
    if text is None:
        raise probav.errors.AoiError(f"--aoi is missing: {_AOI_HELP}.")
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        return probav.aoi(text)
    return probav.aoi(numbers)


def _stats(parsed: argparse.Namespace) -> None:
    product = probav.open_archive(parsed.archive)[parsed.product]
    bar, progress = _bar("stats")
    with bar:
        result = product.statistics(
            _aoi(parsed.aoi), progress=progress, **options.statistics_arguments(parsed)
        )
    table = result.to_dataframe().drop(columns="geometry").reset_index()
    if parsed.output is None:
        table.to_csv(sys.stdout, index=False)
    else:
        table.to_csv(parsed.output, index=False)
        print(f"{len(table)} rows in {parsed.output}")


def _estimate(parsed: argparse.Namespace) -> None:
    product = probav.open_archive(parsed.archive)[parsed.product]
    arguments = options.statistics_arguments(parsed)
    arguments.pop("reducers", None)
    print(product.estimate(_aoi(parsed.aoi), **arguments))


def _load(parsed: argparse.Namespace) -> None:
    product = probav.open_archive(parsed.archive)[parsed.product]
    pixels = product.load(None if parsed.aoi is None else _aoi(parsed.aoi), **options.load_arguments(parsed))
    pixels.to_netcdf(parsed.output, engine="h5netcdf")
    print(f"{dict(pixels.sizes)} in {parsed.output}")


if __name__ == "__main__":
    sys.exit(main())
