"""%probav mask: what a mask leaves out and why, as figure, map and table."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Any

import numpy as np

from probav.choices import ENGINES, RULES
from probav.errors import QueryError
from probav_magics.commands.base import Command, python_call
from probav_magics.options import AOI_HELP, Parser, add_output, add_query
from probav_magics.progress import ProgressLine
from probav_magics.show import show_figure, show_table, size

if TYPE_CHECKING:
    import xarray as xr

    from probav_magics.session import Session

_MAX_DRAWN = 50_000_000  # pixels


class _Mask(Command):
    name = "mask"
    help = "Show how many pixels each condition of a mask leaves out, over time and on a map."
    example = '%probav mask PROBAV_L3_S10_TOC_333M --aoi field --time 2016 --mask "clear & land" -o why'

    def add_options(self, parser: Parser) -> None:
        add_query(parser, aoi_help=AOI_HELP)
        parser.add_argument(
            "--coverage",
            choices=RULES[:3],
            default="fraction",
            help="how polygons cover pixels (default fraction)",
        )
        parser.add_argument(
            "--engine", choices=ENGINES, default="auto", help="threads here, or Spark (default auto)"
        )
        parser.add_argument(
            "--map", metavar="DATE", help="date to draw a map of; the one with most masked if left out"
        )
        add_output(parser, plot=True)

    def run(self, options: Namespace, session: Session) -> None:
        where, text = session.area(options.aoi)
        if options.mask is None:
            raise QueryError("--mask is missing: which pixels count, such as --mask 'clear & land'.")
        given = {"time": options.time, "mask": options.mask, "variable": options.variable}
        defaults = {"coverage": "fraction", "engine": "auto"}
        given |= {name: getattr(options, name) for name in defaults}
        named = {name: value for name, value in given.items() if value not in (None, defaults.get(name))}
        if options.code:
            session.say(python_call(session, options, "explain_mask", text, **named))
            return
        product = session.archive()[options.product]
        if options.engine == "spark":
            session.start_spark()
        with ProgressLine(session.shell, options.quiet) as progress:
            explained = product.explain_mask(where, progress=progress, **named)
        session.store(options.out, explained)
        if options.quiet:
            return
        if not options.no_plot:
            _draw(explained, product, where, options)
        from probav.explanation import mask_table

        name = options.out or "Keep the result with -o NAME"
        dates = explained.sizes["time"]
        table = mask_table(explained)
        table["share"] = table["share"].map("{:.1%}".format)
        show_table(
            table,
            f"{name}: {dates} date{'' if dates == 1 else 's'} together; 'alone' is what leaving a reason out "
            f"would gain; {size(progress.bytes)} read in {progress.seconds:.1f} s.",
            rows=40,
        )


def _draw(explained: xr.Dataset, product: Any, where: Any, options: Namespace) -> None:
    from probav.explanation_map import map_reasons
    from probav_extensions import reasons_figure, reasons_map_figure

    show_figure(reasons_figure(explained))
    masked = explained["count"] - explained["valid"] - explained["nodata"] - explained["outside"]
    days = explained["time"].to_numpy()
    date = options.map or str(days[int(np.argmax(masked.sum("zone").to_numpy()))])[:10]
    west, south, east, north = where.bounds
    pixels = (east - west) * (north - south) * product.grid.nx * product.grid.ny
    if product.grid.crs == "EPSG:4326" and pixels > _MAX_DRAWN:
        return
    reasons = map_reasons(product, where, date, options.mask, variable=options.variable)
    show_figure(reasons_map_figure(reasons, where))


COMMAND = _Mask()
