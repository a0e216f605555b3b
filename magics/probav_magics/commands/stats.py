"""%probav stats: statistics of areas over time, as figure, table and dataset."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Any

from probav.result_memory import statistics_bytes
from probav_magics.commands.base import Command, python_call
from probav_magics.options import (
    AOI_HELP,
    Parser,
    add_output,
    add_statistics,
    statistics_arguments,
)
from probav_magics.progress import ProgressLine
from probav_magics.show import show_table, size

if TYPE_CHECKING:
    from probav_magics.session import Session


class _Stats(Command):
    name = "stats"
    help = "Compute masked statistics of each feature of an area, date by date."
    example = (
        '%probav stats PROBAV_L3_S10_TOC_333M --aoi field --time 2016 --mask "clear & land" '
        "--reduce mean,p10,p90 -o ts"
    )

    def add_options(self, parser: Parser) -> None:
        add_statistics(parser, aoi_help=AOI_HELP)
        add_output(parser, plot=True)

    def run(self, options: Namespace, session: Session) -> None:
        where, text = session.area(options.aoi)
        named = statistics_arguments(options)
        if options.code:
            session.say(python_call(session, options, "statistics", text, **named))
            return
        product = session.archive()[options.product]
        _warn_of_memory(product, where, options, session)
        if options.engine == "spark":
            session.start_spark()
        with ProgressLine(session.shell, options.quiet) as progress:
            series = product.statistics(where, progress=progress, **named)
        session.store(options.out, series)
        if options.quiet:
            return
        from probav_extensions import series_of_each, series_table

        if not options.no_plot:
            from probav_extensions import timeseries_chart  # Bokeh takes a second to import

            for one in series_of_each(series):
                timeseries_chart(one).show()
        name = options.out or "Keep the result with -o NAME"
        sizes = " × ".join(f"{count} {dim}{'' if count == 1 else 's'}" for dim, count in _sizes(series.sizes))
        table = series_table(series)
        if series.sizes["zone"] == 1:  # the same in every row
            table = table.drop(columns=["zone", "name"], errors="ignore")
        show_table(table, f"{name}: {sizes}; {size(progress.bytes)} read in {progress.seconds:.1f} s.")


def _warn_of_memory(product: Any, where: Any, options: Namespace, session: Session) -> None:
    needed = statistics_bytes(
        product, where, options.time, reducers=options.reducers, variable=options.variable, by=options.by,
        by_time=options.by_time,
    )  # fmt: skip
    session.warn_of_memory(
        needed,
        f"statistics of {len(where)} zones take",
        "take fewer dates (--time), periods (--by-time year), reducers or zones at a time",
    )


def _sizes(sizes: object) -> list[tuple[str, int]]:
    words = {"class2": "second class", "time": "date"}
    return [(words.get(str(dim), str(dim)), int(count)) for dim, count in dict(sizes).items()]  # type: ignore[call-overload]


COMMAND = _Stats()
