"""%probav load: pixels as an xarray.Dataset."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from probav.options import add_load
from probav_magics.commands.base import Command, python_call
from probav_magics.options import AOI_HELP, Parser, add_output, load_arguments
from probav_magics.show import show_figure, size

if TYPE_CHECKING:
    from probav_magics.session import Session

_MAX_DRAWN = 50_000_000  # pixels of a date; a figure shows less than one in fifty of them


class _Load(Command):
    name = "load"
    example = '%probav load PROBAV_L3_S10_TOC_333M --aoi field --time 2016-07 --mask "clear & land" -o july'
    help = "Load the pixels of an area, lazily, and draw some of their dates."

    def add_options(self, parser: Parser) -> None:
        add_load(parser, aoi_help=f"{AOI_HELP}; all there is if not given")
        add_output(parser, plot=True)

    def run(self, options: Namespace, session: Session) -> None:
        where, text = (None, "None") if options.aoi is None else session.area(options.aoi)
        named = load_arguments(options)
        if options.code:
            session.say(python_call(session, options, "load", text, **named))
            return
        pixels = session.archive()[options.product].load(where, **named)
        session.store(options.out, pixels)
        if options.quiet:
            return
        shape = pixels.sizes
        if not options.no_plot and not options.keep_dn and shape["y"] * shape["x"] <= _MAX_DRAWN:
            from probav_extensions import raster_figure

            show_figure(raster_figure(pixels))
        name = f"{options.out}: " if options.out else "Keep it with -o NAME: "
        layers = ", ".join(map(str, pixels.data_vars))
        session.say(
            f"{name}{layers}; {shape['time']} dates × {shape['y']} × {shape['x']} "
            f"pixels, {size(pixels.nbytes)} when read"
        )


COMMAND = _Load()
