"""%probav extent: where and when the archive holds a product."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from probav_magics.commands.base import Command, python_call
from probav_magics.options import Parser, add_output, add_product
from probav_magics.show import show_figure, show_table

if TYPE_CHECKING:
    from probav_magics.session import Session


class _Extent(Command):
    name = "extent"
    example = "%probav extent PROBAV_L3_S10_TOC_333M -o tiles"
    help = "Map what the archive holds of a product, tile by tile, with its dates."

    def add_options(self, parser: Parser) -> None:
        add_product(parser)
        add_output(parser, plot=True)

    def run(self, options: Namespace, session: Session) -> None:
        if options.code:
            session.say(python_call(session, options, "footprint"))
            return
        product = session.archive()[options.product]
        tiles = product.footprint()
        session.store(options.out, tiles)
        if options.quiet:
            return
        if not options.no_plot:
            from probav_extensions import footprint_figure

            show_figure(footprint_figure(product))
        west, south, east, north = tiles.total_bounds
        days = {name: tiles[name].dt.strftime("%Y-%m-%d") for name in ("first", "last")}
        show_table(tiles.drop(columns="geometry").assign(**days),
                   f"Bounds: {west:.5f},{south:.5f},{east:.5f},{north:.5f}")  # fmt: skip


COMMAND = _Extent()
