"""`probav archive verify`: read everything back."""

from __future__ import annotations

import argparse
from typing import Any

import probav
from probav.cli.terminal import add_archive, bar, command


def add(actions: Any) -> None:
    """Declare the command."""
    own = command(actions, "verify", _verify, "read everything back; exit code 1 if something is wrong")
    own.add_argument(
        "--strict", action="store_true", help="missing dates and overlapping windows are wrong, too"
    )
    add_archive(own)


def _verify(parsed: argparse.Namespace) -> int:
    archive = probav.open_archive(parsed.archive)
    shown, progress = bar("verifying")
    with shown:
        report = archive.verify(progress=progress)
    print(report)
    return 0 if report.ok and not (parsed.strict and report.findings) else 1
