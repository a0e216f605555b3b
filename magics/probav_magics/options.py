"""The options of the magics: those of the command line, with a notebook's own ways of taking and keeping."""

from __future__ import annotations

import argparse
import keyword
import re
from typing import Any, NoReturn

from probav import options
from probav.errors import QueryError, did_you_mean
from probav.options import add_product, add_query, add_statistics, load_arguments, statistics_arguments

__all__ = [
    "AOI_HELP",
    "HelpShown",
    "Parser",
    "add_output",
    "add_product",
    "add_query",
    "add_statistics",
    "load_arguments",
    "statistics_arguments",
    "variable_name",
]

AOI_HELP = 'a variable, a file, a country or "west,south,east,north" in degrees'


class HelpShown(Exception):
    """The help of a command was asked for."""


class Parser(options.Parser):
    """The command line's parser, which in a notebook hands its help over instead of ending the process."""

    def __init__(self, prog: str, description: str) -> None:
        super().__init__(prog=prog, description=description, add_help=False, formatter_class=_Formatter)
        self.add_argument("-h", "--help", action=_Help, nargs=0, help="show this and do nothing")
        # a bounding box may begin with a minus: -5.2,40,3,50
        self._negative_number_matcher = re.compile(r"^-\.?\d[\d.,eE+-]*$")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse words; an unknown option comes before what else may be missing."""
        for word in args:
            if word.startswith("--") and word.partition("=")[0] not in self.options():
                name = word.partition("=")[0]
                near = did_you_mean(name, [known for known in self.options() if known.startswith("--")])
                raise QueryError(f"{self.prog} has no option {name}.{near}")
        return super().parse_known_args(args, namespace)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Answer a value that is no choice with near ones."""
        if action.choices is not None and value not in action.choices:
            raise argparse.ArgumentError(
                action, f"there is no {value!r}.{did_you_mean(str(value), map(str, action.choices))}"
            )

    def error(self, message: str) -> NoReturn:
        """Raise, with where to read more."""
        quotes = " A value with blanks in it needs quotes." if "no option or argument" in message else ""
        end = "" if message.endswith(("?", ".")) else "."
        raise QueryError(f"{self.prog}: {message}{end}{quotes} {self.prog} --help lists the options.")

    def format_help(self) -> str:
        """Return the help, under a first line that is short: the options are listed anyway."""
        places = [
            f"[{action.metavar or action.dest}]"
            if action.nargs == "?"
            else str(action.metavar or action.dest)
            for action in self._actions
            if not action.option_strings
        ]
        self.usage = " ".join(["%(prog)s", *places, "[options]"])
        return super().format_help()

    def options(self) -> dict[str, argparse.Action]:
        """Return all options and positional arguments by their names, dashes included."""
        return {name: action for action in self._actions for name in (action.option_strings or [action.dest])}


class _Help(argparse.Action):
    def __call__(self, *_: Any) -> NoReturn:
        raise HelpShown


class _Formatter(argparse.HelpFormatter):
    """Says the default of an option whose help doesn't."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=32, width=100)

    def _get_help_string(self, action: argparse.Action) -> str:
        words, default = action.help or "", default_of(action)
        return words if default is None or "default" in words else f"{words} (default {default})"


def default_of(action: argparse.Action) -> str | None:
    """Return the default of an option as one would write it; None if it has none."""
    if action.nargs == 0 or action.default in (None, argparse.SUPPRESS) or action.default == []:
        return None
    is_list = isinstance(action.default, tuple | list)
    return ",".join(map(str, action.default)) if is_list else str(action.default)


def add_output(parser: argparse.ArgumentParser, *, plot: bool = False) -> None:
    """Add what becomes of a result."""
    parser.add_argument("-o", "--out", metavar="NAME", type=variable_name, help="variable for the result")
    parser.add_argument("--code", action="store_true", help="print the Python call instead of running it")
    parser.add_argument("--quiet", action="store_true", help="show nothing")
    if plot:
        parser.add_argument("--no-plot", action="store_true", help="draw nothing")


def variable_name(name: str) -> str:
    """Return a name if a variable can have it; the `type` of an argument."""
    if not name.isidentifier() or keyword.iskeyword(name):
        raise argparse.ArgumentTypeError(f"{name!r} is no name for a Python variable")
    return name
