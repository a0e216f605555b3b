"""%probav estimate: what a query of statistics would cost."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from probav_magics.commands.base import Command, python_call
from probav_magics.options import (
    AOI_HELP,
    Parser,
    add_output,
    add_statistics,
    statistics_arguments,
)

if TYPE_CHECKING:
    from probav_magics.session import Session


class _Estimate(Command):
    name = "estimate"
    help = "Say what %%probav stats with the same options would read and how long it would take."
    example = '%probav estimate PROBAV_L3_S10_TOC_333M --aoi field --time 2016 --mask "clear & land" -o price'

    def add_options(self, parser: Parser) -> None:
        add_statistics(parser, aoi_help=AOI_HELP)
        add_output(parser)

    def run(self, options: Namespace, session: Session) -> None:
        where, text = session.area(options.aoi)
        named = {name: value for name, value in statistics_arguments(options).items() if name != "reducers"}
        if options.code:
            session.say(python_call(session, options, "estimate", text, **named))
            return
        price = session.archive()[options.product].estimate(where, **named)
        session.store(options.out, price)
        if not options.quiet:
            session.say(str(price))


COMMAND = _Estimate()
