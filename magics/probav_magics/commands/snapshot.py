"""%probav snapshot: the versions of the archive, and which one the notebook uses."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

import probav
from probav_magics.commands.base import Command
from probav_magics.options import Parser
from probav_magics.show import show_table

if TYPE_CHECKING:
    from probav_magics.session import Session


class _Snapshot(Command):
    name = "snapshot"
    help = "List the archive's snapshots, or pin this notebook to one: the same data for ever."

    def add_options(self, parser: Parser) -> None:
        parser.add_argument("id", nargs="?", metavar="ID", help="snapshot to use from here on, or 'latest'")

    def run(self, options: Namespace, session: Session) -> None:
        if options.id is None:
            archive = session.archive()
            which = "pinned" if session.pinned else "the newest"
            history = archive.history
            history["time"] = history["time"].dt.strftime("%Y-%m-%d %H:%M:%S")
            show_table(history, f"In use: {archive.snapshot} ({which}).")
            return
        pinned = None if options.id == "latest" else options.id
        archive = probav.open_archive(snapshot=pinned)
        session.pinned = pinned
        session.say(f"In use: {archive.snapshot}" + ("" if pinned else ", and the newest one from here on"))


COMMAND = _Snapshot()
