"""A query as YAML in a cell: the options of the line, one readable line each."""

from __future__ import annotations

from typing import Any

import yaml

from probav.errors import QueryError, did_you_mean
from probav_magics.commands import COMMANDS, find
from probav_magics.options import Parser

_TRUE, _FALSE = {"true", "yes", "on"}, {"false", "no", "off", ""}


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
        raise QueryError(f"The cell is no YAML: {error}") from error
    if query in (None, ""):
        return words
    if not isinstance(query, dict):
        raise QueryError("The cell is no query; expected lines like 'time: 2015'.")
    if not words:
        if len(query) != 1 or not isinstance(next(iter(query.values())), dict):
            raise QueryError("Name the command: '%%probav stats' above, or 'stats:' as the only first line.")
        name, query = next(iter(query.items()))
        words = [str(name)]
    command = find(words[0])
    if command is None:
        raise QueryError(f"%probav has no command {words[0]!r}.{did_you_mean(words[0], COMMANDS)}")
    parser = command.parser()
    positional: list[str] = []
    named: list[str] = []
    for key, value in query.items():
        _add(parser, str(key), value, positional, named)
    return [words[0], *positional, *words[1:], *named]


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
    elif action.nargs is None:
        named.append(f"{option}={','.join(_texts(value))}")
    else:
        named.extend([option, *_texts(value)])


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        raise QueryError(f"The cell holds {value!r} where a value or a list is expected.")
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]
