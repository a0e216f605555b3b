"""The commands of %probav: one module each, found by its name; a new one is a new file here."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from probav_magics.commands.base import Command

COMMANDS: list[str] = sorted(
    module.name for module in pkgutil.iter_modules(__path__) if module.name != "base"
)


def find(name: str) -> Command | None:
    """Return a command by its name, None if there is none of that name."""
    if name not in COMMANDS:
        return None
    command: Command = import_module(f"{__name__}.{name}").COMMAND
    return command


def overview() -> str:
    """Return all commands, a line each."""
    found = [command for command in map(find, COMMANDS) if command is not None]
    lines = [f"  %probav {command.name:<10} {command.help.replace('%%', '%')}" for command in found]
    return "\n".join(
        [*lines, "", "  %probav COMMAND --help lists the options; %%probav COMMAND takes them as YAML."]
    )
