"""The commands of %probav: one module each, found by its name; a new one is a new file here."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from probav.errors import QueryError, did_you_mean
from probav_magics.commands.base import Command


def names() -> list[str]:
    """Return the names of all commands."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name != "base")


def find(name: str) -> Command | None:
    """Return a command by its name, None if there is none of that name."""
    if name not in names():
        return None
    command: Command = import_module(f"{__name__}.{name}").COMMAND
    return command


def known(name: str) -> Command:
    """Return a command by its name.

    Raises
    ------
    QueryError
        If there is none of that name; the message gives near ones.
    """
    command = find(name)
    if command is None:
        raise QueryError(f"%probav has no command {name!r}.{did_you_mean(name, names())}")
    return command
