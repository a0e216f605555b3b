"""%probav export: a result as a file."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

import probav
from probav.errors import QueryError, did_you_mean
from probav.options import add_files, files_arguments
from probav_magics.commands.base import Command
from probav_magics.options import Parser
from probav_magics.progress import ProgressLine
from probav_magics.show import size

if TYPE_CHECKING:
    from probav_magics.session import Session


_LISTED = 12  # files


class _Export(Command):
    name = "export"
    help = "Write a result to a file: .csv, .parquet or .nc for statistics, .nc or .tif for pixels."
    example = "%probav export ts ts.csv --overwrite"

    def add_options(self, parser: Parser) -> None:
        parser.add_argument("name", metavar="NAME", help="variable that holds what stats or load gave")
        parser.add_argument("file", metavar="FILE", help="file to write; its suffix says the format")
        add_files(parser)
        parser.add_argument("--code", action="store_true", help="print the Python call instead of running it")
        parser.add_argument("--quiet", action="store_true", help="show nothing")

    def values(self, option: str, session: Session) -> list[str]:
        return _datasets(session) if option == "name" else []

    def run(self, options: Namespace, session: Session) -> None:
        if options.name not in session.variables:
            near = did_you_mean(options.name, _datasets(session))
            raise QueryError(
                f"There is no variable {options.name!r}.{near} Keep a result with -o NAME of stats or load."
            )
        named = files_arguments(options)
        if options.code:
            more = "".join(f", {key}={value!r}" for key, value in named.items())
            session.say(f"import probav\n\nprobav.export({options.name}, {options.file!r}{more})")
            return
        if options.engine == "spark":
            session.start_spark()
        with ProgressLine(session.shell, options.quiet) as progress:
            files = probav.export(session.variables[options.name], options.file, progress=progress, **named)
        if options.quiet:
            return
        if len(files) <= _LISTED:
            session.say("\n".join(f"{file}: {size(file.stat().st_size)}" for file in files))
        else:
            whole = sum(file.stat().st_size for file in files)
            session.say(f"{files[0]} and {len(files) - 1} more: {size(whole)}")


def _datasets(session: Session) -> list[str]:
    """Return the user's variables that may be results."""
    return [
        name
        for name, value in session.variables.items()
        if hasattr(value, "data_vars") and not name.startswith("_")
    ]


COMMAND = _Export()
