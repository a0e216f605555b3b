"""`probav products|extent|stats|mask|estimate|load`: the queries of the magics."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import pandas as pd

import probav
from probav import options
from probav.choices import ENGINES, RULES
from probav.cli.terminal import add_archive, bar, command, show
from probav.errors import QueryError
from probav.exporting import check

_LISTED = 12  # files
_AOI_HELP = "file, place name, WKT or GeoJSON; W,S,E,N in degrees"


def add(commands: Any) -> None:
    """Declare the commands."""
    products = command(commands, "products", _products, "list the products of an archive")
    products.add_argument(
        "pattern", nargs="?", metavar="PATTERN", help="only ids or titles that contain this"
    )
    extent = command(commands, "extent", _extent, "show where and when the archive holds a product")
    options.add_product(extent)
    stats = command(commands, "stats", _stats, "masked statistics of an area over time")
    options.add_statistics(stats, aoi_help=_AOI_HELP)
    mask = command(commands, "mask", _mask, "what a mask leaves out, and why")
    options.add_query(mask, aoi_help=_AOI_HELP)
    mask.add_argument(
        "--coverage", choices=RULES[:3], default="fraction", help="how polygons cover pixels (fraction)"
    )
    mask.add_argument("--engine", choices=ENGINES, default="auto", help="threads here, or Spark (auto)")
    estimate = command(commands, "estimate", _estimate, "what a `stats` would read and cost")
    options.add_statistics(estimate, aoi_help=_AOI_HELP)
    load = command(commands, "load", _load, "write the pixels of an area to a file")
    options.add_load(load, aoi_help=_AOI_HELP)
    for own in (products, extent, stats, mask, estimate, load):
        add_archive(own)
    _add_output(stats, "table (.csv, .parquet) or netCDF (.nc) to write; CSV on the terminal if left out")
    stats.add_argument("--overwrite", action="store_true", help="replace a FILE that exists")
    _add_output(load, "GeoTIFF (.tif) or netCDF (.nc) to write", required=True)
    options.add_files(load)


def _add_output(parser: argparse.ArgumentParser, words: str, *, required: bool = False) -> None:
    parser.add_argument("--output", "-o", metavar="FILE", type=Path, required=required, help=words)


def _products(parsed: argparse.Namespace) -> None:
    table = probav.open_archive(parsed.archive).products
    if parsed.pattern:
        wanted = parsed.pattern.casefold()
        found = [
            wanted in f"{name} {title}".casefold()
            for name, title in zip(table.index, table["title"], strict=True)
        ]
        table = table[found]
    show(table)


def _extent(parsed: argparse.Namespace) -> None:
    product = probav.open_archive(parsed.archive)[parsed.product]
    print(product.extent)
    show(pd.DataFrame(product.footprint().drop(columns="geometry")).set_index("tile"))


def _aoi(text: str | None) -> Any:
    if text is None:
        raise probav.errors.AoiError(f"--aoi is missing: {_AOI_HELP}.")
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        return probav.aoi(text)
    return probav.aoi(numbers)


def _stats(parsed: argparse.Namespace) -> None:
    from probav.exporting.table import tidy
    from probav.exporting.text import write_table

    product = probav.open_archive(parsed.archive)[parsed.product]
    if parsed.output is not None:
        check(parsed.output, "statistics", overwrite=parsed.overwrite)
    shown, progress = bar("stats")
    with shown:
        result = product.statistics(
            _aoi(parsed.aoi), progress=progress, **options.statistics_arguments(parsed)
        )
    table = tidy(result)
    if parsed.output is None:
        write_table(table, sys.stdout)
    else:
        probav.export(result, parsed.output, overwrite=parsed.overwrite)
        print(f"{len(table)} rows in {parsed.output}")


def _mask(parsed: argparse.Namespace) -> None:
    from probav.explanation import mask_table

    product = probav.open_archive(parsed.archive)[parsed.product]
    if parsed.mask is None:
        raise QueryError("--mask is missing: which pixels count, such as --mask 'clear & land'.")
    shown, progress = bar("mask")
    with shown:
        explained = product.explain_mask(
            _aoi(parsed.aoi), parsed.time, parsed.mask, variable=parsed.variable, coverage=parsed.coverage,
            engine=parsed.engine, progress=progress,
        )  # fmt: skip
    table = mask_table(explained)
    numbers = {"pixels": "{:.2f}".format, "share": "{:.2%}".format, "alone": "{:.2f}".format}
    print(table.to_string(index=False, formatters=numbers))


def _estimate(parsed: argparse.Namespace) -> None:
    product = probav.open_archive(parsed.archive)[parsed.product]
    arguments = options.statistics_arguments(parsed)
    arguments.pop("reducers", None)
    print(product.estimate(_aoi(parsed.aoi), **arguments))


def _load(parsed: argparse.Namespace) -> None:
    check(parsed.output, "pixels", overwrite=parsed.overwrite)
    product = probav.open_archive(parsed.archive)[parsed.product]
    pixels = product.load(None if parsed.aoi is None else _aoi(parsed.aoi), **options.load_arguments(parsed))
    shown, progress = bar("load")
    with shown:
        files = probav.export(pixels, parsed.output, progress=progress, **options.files_arguments(parsed))
    names = ", ".join(map(str, files if len(files) <= _LISTED else files[:1]))
    more = f" and {len(files) - 1} more" if len(files) > _LISTED else ""
    print(f"{dict(pixels.sizes)} in {names}{more}")
