"""A query as YAML in a cell: the options of the line, one readable line each."""

from __future__ import annotations

import argparse
import re
from typing import Any

import yaml

from probav.errors import QueryError, did_you_mean
from probav_magics.commands import known
from probav_magics.commands.base import Command
from probav_magics.options import Parser

_TRUE, _FALSE = {"true", "yes", "on"}, {"false", "no", "off", ""}
_PLAIN = re.compile(r"(?:[\w./]|-(?=\d))([\w./~&|()<>=, :-]*[\w./~&|()<>=-])?")  # needs no quotes in YAML


def words_of(words: list[str], cell: str) -> list[str]:
    """Return the words of a line that means the same as a cell.

    Parameters
    ----------
    words : list of str
        Of the line: the command, with options or without; may be empty where the cell names the command.
    cell : str
        YAML: a mapping of option names to values, or of a command to such a mapping.

    Raises
    ------
    QueryError
        If the cell is no such mapping.
    """
    try:
        # the base loader makes text of everything: 2015-03 stays a month, no object is ever built
        query = yaml.load(cell, Loader=yaml.BaseLoader)  # noqa: S506
    except yaml.YAMLError as error:
        raise QueryError(f"The cell is no YAML: {_where(error)}.") from error
    except RecursionError:
        raise QueryError("The cell is no query: its brackets are nested too deeply.") from None
    if query in (None, ""):
        return words
    if not isinstance(query, dict):
        raise QueryError("The cell is no query; expected lines like 'time: 2015'.")
    if not words:
        if len(query) != 1 or not isinstance(next(iter(query.values())), dict):
            raise QueryError("Name the command: '%%probav stats' above, or 'stats:' as the only first line.")
        name, query = next(iter(query.items()))
        words = [str(name)]
    parser = known(words[0]).parser()
    positional: list[str] = []
    named: list[str] = []
    for key, value in query.items():
        _add(parser, str(key), value, positional, named)
    return [words[0], *positional, *words[1:], *named]


def _where(error: yaml.YAMLError) -> str:
    """Return what is wrong with a YAML text, and where, in one line."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if problem is None:
        return " ".join(str(error).split())
    return f"line {mark.line + 1}, column {mark.column + 1}: {problem}" if mark else str(problem)


def cell_of(command: Command, words: list[str]) -> str:
    """Return the cell of YAML that means the same as the words of a line after the command."""
    known_options = command.parser().options()
    positional = [name for name in known_options if not name.startswith("-")]
    found: dict[str, Any] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word not in known_options:
            found[positional.pop(0)] = word
            continue
        action = known_options[word]
        key = action.option_strings[-1].lstrip("-")
        values = [rest.pop(0) for _ in range(1 if action.nargs is None else int(action.nargs))]
        if repeats(action):
            found.setdefault(key, []).extend(values)
        else:
            found[key] = "yes" if not values else values if len(values) > 1 else values[0]
    lines = [f"{key}: {_written(value)}" for key, value in found.items()]
    return "\n".join([f"%%probav {command.name}", *lines]) if lines else f"%probav {command.name}"


def repeats(action: argparse.Action) -> bool:
    """Return whether an option may be given several times."""
    return isinstance(action.default, list)


def _written(value: str | list[str], in_list: bool = False) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_written(item, in_list=True) for item in value)}]"
    if _PLAIN.fullmatch(value) and ": " not in value and not (in_list and "," in value):
        return value
    return "'" + value.replace("'", "''") + "'"


def _add(parser: Parser, key: str, value: Any, positional: list[str], named: list[str]) -> None:
    known = parser.options()
    key = key.replace("_", "-")
    if key in known:
        positional.extend(_texts(value))
        return
    option = f"--{key}"
    if option not in known:
        names = [name.lstrip("-") for name in known if not name.startswith("-") or name.startswith("--")]
        raise QueryError(f"{parser.prog} has no option {key!r}.{did_you_mean(key, names)}")
    action = known[option]
    if action.nargs == 0:
        if str(value).casefold() in _TRUE:
            named.append(option)
        elif str(value).casefold() not in _FALSE:
            raise QueryError(f"{parser.prog}: {key} is yes or no, got {value!r}.")
    elif repeats(action):
        named.extend(f"{option}={text}" for text in _texts(value))
    elif action.nargs is None:
        named.append(f"{option}={','.join(_texts(value))}")
    else:
        named.extend([option, *_texts(value)])


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        raise QueryError(f"The cell holds {value!r} where a value or a list is expected.")
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]
