"""%probav snapshot: the versions of the archive, and which one the notebook uses."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

import probav
from probav_magics.commands.base import Command
from probav_magics.options import Parser, add_output
from probav_magics.show import show_table

if TYPE_CHECKING:
    from probav_magics.session import Session


class _Snapshot(Command):
    name = "snapshot"
    help = "List the archive's snapshots, or pin this notebook to one: the same data for ever."
    example = "%probav snapshot -o history"

    def add_options(self, parser: Parser) -> None:
        parser.add_argument("id", nargs="?", metavar="ID", help="snapshot to use from here on, or 'latest'")
        add_output(parser)

    def values(self, option: str, session: Session) -> list[str]:
        return ["latest", *session.archive().history["snapshot"]] if option == "id" else []

    def run(self, options: Namespace, session: Session) -> None:
        if options.code:
            session.say(f"import probav\n\n{_code(options, session)}")
        elif options.id is None:
            _list(options, session)
        else:
            pinned = None if options.id == "latest" else options.id
            archive = probav.open_archive(snapshot=pinned)
            session.pinned = pinned
            session.store(options.out, archive)
            if not options.quiet:
                which = "" if pinned else ", and the newest one from here on"
                session.say(f"In use: {archive.snapshot}{which}")


def _code(options: Namespace, session: Session) -> str:
    if options.id is None:
        return f"{options.out or 'history'} = {session.archive_code()}.history"
    pinned = "" if options.id == "latest" else f"snapshot={options.id!r}"
    return f"{options.out or 'archive'} = probav.open_archive({pinned})"


def _list(options: Namespace, session: Session) -> None:
    archive = session.archive()
    history = archive.history
    session.store(options.out, history)
    if options.quiet:
        return
    which = "pinned" if session.pinned else "the newest"
    shown = history.assign(time=history["time"].dt.strftime("%Y-%m-%d %H:%M:%S"))
    show_table(shown, f"In use: {archive.snapshot} ({which}).")


COMMAND = _Snapshot()
