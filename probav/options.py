"""The options of a query, written once: the command line and the magics call the same things the same."""

from __future__ import annotations

import argparse
import re
from typing import Any, NoReturn

from probav.choices import BY_TIME, DEFAULT_REDUCERS, ENGINES, FILE_ENGINES, RESAMPLING, RULES, WEIGHTS
from probav.errors import QueryError, did_you_mean


class Parser(argparse.ArgumentParser):
    """An argument parser that raises instead of ending the process, and names near options.

    Raises
    ------
    QueryError
        For arguments that can't be understood.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"allow_abbrev": False, "formatter_class": _Formatter, **kwargs})
        self._negative_number_matcher = re.compile(r"-\.?\d")  # -5,40,3,44 is a box, no option

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse arguments; an unknown option is answered with near ones."""
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown:
            known = [option for action in self._actions for option in action.option_strings]
            first = unknown[0].split("=")[0]
            self.error(f"there is no option or argument {first!r}.{did_you_mean(first, known)}")
        return parsed, unknown

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing and exiting."""
        raise QueryError(f"{self.prog}: {message}")


class _Formatter(argparse.HelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=32, width=100)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _one_or_more(text: str) -> str | tuple[str, ...]:
    names = _names(text)
    return names[0] if len(names) == 1 else names


def add_product(parser: argparse.ArgumentParser) -> None:
    """Add the product, which every query names first."""
    parser.add_argument("product", metavar="PRODUCT", help="product id, as `products` lists them")


def add_query(parser: argparse.ArgumentParser, *, aoi_help: str) -> None:
    """Add what loading and statistics share: where, when and which pixels."""
    add_product(parser)
    parser.add_argument("--aoi", metavar="AOI", help=aoi_help)
    parser.add_argument(
        "--time", metavar="TIME", help="2015, 2015-03, 2015-03-21 or 2015-03/2015-10; all dates if left out"
    )
    parser.add_argument("--mask", metavar="EXPR", help="which pixels count, such as 'clear & land'")
    parser.add_argument(
        "--variable", metavar="LIST", type=_one_or_more,
        help="variable, or several as in NDVI,RED; the product's main one if left out",
    )  # fmt: skip


def add_statistics(parser: argparse.ArgumentParser, *, aoi_help: str) -> None:
    """Add the options of `stats` and `estimate`."""
    add_query(parser, aoi_help=aoi_help)
    parser.add_argument(
        "--by", metavar="LIST", type=_one_or_more,
        help="split zones by a categorical layer, such as landcover, or by two, crossed",
    )  # fmt: skip
    parser.add_argument(
        "--by-time", choices=tuple(BY_TIME), help="count all dates of a period together, exactly"
    )
    parser.add_argument(
        "--reduce", metavar="LIST", type=_names, default=DEFAULT_REDUCERS, dest="reducers",
        help="mean, std, var, min, max, sum, mode, median, iqr, p0 to p100, below_0.2, above_0.5, area, "
        f"histogram (default {','.join(DEFAULT_REDUCERS)})",
    )  # fmt: skip
    parser.add_argument(
        "--coverage", choices=RULES, default="fraction", help="how polygons cover pixels (default fraction)"
    )
    parser.add_argument(
        "--weights", choices=WEIGHTS, default="pixel", help="'area' weighs pixels by the cosine of latitude"
    )
    parser.add_argument(
        "--engine",
        choices=ENGINES,
        default="auto",
        help="threads here, Spark, or Spark behind Livy (default auto)",
    )
    parser.add_argument(
        "--cache", action="store_true", help="keep the result on the disk for the next time it is asked for"
    )


def statistics_arguments(options: argparse.Namespace) -> dict[str, Any]:
    """Return the keyword arguments of `Product.statistics` that differ from its defaults."""
    given = {
        "time": options.time, "mask": options.mask, "by": options.by, "variable": options.variable,
        "reducers": options.reducers, "coverage": options.coverage, "weights": options.weights,
        "engine": options.engine, "by_time": options.by_time, "cache": options.cache,
    }  # fmt: skip
    defaults = {
        "reducers": DEFAULT_REDUCERS, "coverage": "fraction", "weights": "pixel", "engine": "auto",
        "cache": False,
    }  # fmt: skip
    return {name: value for name, value in given.items() if value != defaults.get(name)}


def add_load(parser: argparse.ArgumentParser, *, aoi_help: str) -> None:
    """Add the options of `load`."""
    add_query(parser, aoi_help=aoi_help)
    parser.add_argument(
        "--like", metavar="PRODUCT", help="give the pixels of another product's grid, such as one of 1 km"
    )
    parser.add_argument(
        "--resampling", choices=RESAMPLING, default="nearest",
        help="how to come to them: the nearest pixel, the mean of those covered, or their most frequent class"
        " (default nearest)",
    )  # fmt: skip
    parser.add_argument("--keep-dn", action="store_true", help="stored numbers instead of physical values")


def add_files(parser: argparse.ArgumentParser) -> None:
    """Add how pixels become files."""
    parser.add_argument("--overwrite", action="store_true", help="replace a file that exists")
    parser.add_argument(
        "--by-date", action="store_true", help="a file for each date of pixels: NAME_2016-07-01.tif"
    )
    parser.add_argument(
        "--engine",
        choices=FILE_ENGINES,
        default="auto",
        help="who writes files of pixels: threads here, or Spark's executors, which must see the folder "
        "(default auto)",
    )


def files_arguments(options: argparse.Namespace) -> dict[str, Any]:
    """Return the keyword arguments of `probav.export` that differ from its defaults."""
    given = {"overwrite": options.overwrite, "by_date": options.by_date, "engine": options.engine}
    return {name: value for name, value in given.items() if value not in (False, "auto")}


def load_arguments(options: argparse.Namespace) -> dict[str, Any]:
    """Return the keyword arguments of `Product.load` that differ from its defaults."""
    given = {
        "time": options.time, "mask": options.mask, "variable": options.variable, "like": options.like,
        "resampling": options.resampling, "keep_dn": options.keep_dn,
    }  # fmt: skip
    defaults = {"resampling": "nearest", "keep_dn": False}
    return {name: value for name, value in given.items() if value != defaults.get(name)}
