"""%probav products: what the archive holds."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from probav.errors import UnknownProductError, did_you_mean
from probav_magics.commands.base import Command
from probav_magics.options import Parser, add_output
from probav_magics.show import show_table, size

if TYPE_CHECKING:
    from probav_magics.session import Session


class _Products(Command):
    name = "products"
    help = "List the products of the archive."
    example = "%probav products ndvi -o found"

    def add_options(self, parser: Parser) -> None:
        parser.add_argument("pattern", nargs="?", metavar="TEXT", help="only those with this in id or title")
        add_output(parser)

    def run(self, options: Namespace, session: Session) -> None:
        if options.code:
            session.say(_code(options, session))
            return
        archive = session.archive()
        table = archive.products
        if options.pattern:
            wanted = options.pattern.casefold()
            names = [f"{row.Index} {row.title} {row.variables}".casefold() for row in table.itertuples()]
            table = table[[wanted in name for name in names]]
            if table.empty:
                near = did_you_mean(options.pattern, archive.ids)
                raise UnknownProductError(f"No product of {archive.url} is called {options.pattern!r}.{near}")
        session.store(options.out, table)
        if options.quiet:
            return
        shown = table.reset_index().assign(
            first=table["first"].dt.strftime("%Y-%m-%d").to_numpy(),
            last=table["last"].dt.strftime("%Y-%m-%d").to_numpy(),
            size=[size(count) for count in table["size"]],
        )
        show_table(shown, "Sizes are uncompressed.", rows=50)


def _code(options: Namespace, session: Session) -> str:
    out = options.out or "products"
    lines = ["import probav", "", f"{out} = {session.archive_code()}.products"]
    if options.pattern:
        lines += [
            f'text = {out}.index + " " + {out}["title"] + " " + {out}["variables"]',
            f"{out} = {out}[text.str.casefold().str.contains({options.pattern.casefold()!r}, regex=False)]",
        ]
    return "\n".join(lines)


COMMAND = _Products()
