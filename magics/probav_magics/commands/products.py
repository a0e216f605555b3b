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

    def add_options(self, parser: Parser) -> None:
        parser.add_argument("pattern", nargs="?", metavar="TEXT", help="only those with this in id or title")
        add_output(parser)

    def run(self, options: Namespace, session: Session) -> None:
        if options.code:
            session.say(f"import probav\n\n{options.out or 'products'} = {session.archive_code()}.products")
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


COMMAND = _Products()
