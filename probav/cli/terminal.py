"""What the commands share: how one is declared, a progress bar, a table."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

import pandas as pd
from tqdm import tqdm

from probav import options
from probav.archive import Progress

Run = Callable[[argparse.Namespace], int | None]
"""Runs a command; what it returns is the exit code."""


def command(where: Any, name: str, run: Run, words: str) -> options.Parser:
    """Declare a command among the sub-parsers `where`."""
    own: options.Parser = where.add_parser(name, help=words, description=words)
    own.set_defaults(run=run)
    return own


def group(where: Any, name: str, words: str) -> Any:
    """Declare a command that only has sub-commands; return the place for them."""
    own = where.add_parser(name, help=words, description=words)
    return own.add_subparsers(metavar="ACTION", parser_class=options.Parser, required=True)


def add_archive(parser: options.Parser) -> None:
    """Add --archive."""
    parser.add_argument(
        "--archive", metavar="URL", help="path or URL (default: $PROBAV_ARCHIVE, else the demo archive)"
    )


def bar(words: str) -> tuple[tqdm[Any], Progress]:
    """Return a progress bar on the terminal and the callback that moves it."""
    shown = tqdm(desc=words, unit="", file=sys.stderr, disable=None)

    def progress(done: int, total: int, read: int) -> None:
        shown.total = total
        if read:
            shown.set_postfix_str(f"{read / 1e6:.0f} MB", refresh=False)
        shown.update(done - shown.n)

    return shown, progress


def show(table: pd.DataFrame) -> None:
    """Print a table, or that there is nothing."""
    print(table.to_string() if len(table) else "(nothing)")
