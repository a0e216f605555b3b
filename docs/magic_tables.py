"""The commands of docs/magics.md, from their parsers: `python docs/magic_tables.py` renews them."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from probav_magics import commands, help
from probav_magics.commands.base import Command
from probav_magics.options import default_of

PAGE = Path(__file__).with_name("magics.md")
START, END = "<!-- commands -->", "<!-- end -->"
_ORDER = ("status", "products", "extent", "aoi", "load", "stats", "mask", "estimate", "export", "snapshot")
"""Commands as one comes to use them; others follow."""
_NEEDS_SPARK = ("spark",)
_DEFAULT = re.compile(r" \(default [^)]*\)")  # which has a column of its own


def renewed(text: str) -> str:
    """Return the page with its commands as the parsers have them.

    Raises
    ------
    ValueError
        If the page has no place for them.
    """
    before, start, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise ValueError("the page has no place for the commands")
    names = sorted(commands.names(), key=lambda name: _ORDER.index(name) if name in _ORDER else len(_ORDER))
    parts = [section(commands.known(name)) for name in names]
    return f"{before}{start}\n" + "\n\n".join(parts) + f"\n{end}{after}"


def section(command: Command) -> str:
    """Return what the page says of a command."""
    parts = [f"## {command.name}", help.sentence(command)]
    if command.example:
        parts.append(
            f"`{command.example}`" if command.name in _NEEDS_SPARK else f"```\n{command.example}\n```"
        )
    rows = [_row(action) for action in command.parser()._actions if action.dest != "help"]
    if rows:
        parts.append("\n".join(["| option | default | meaning |", "|---|---|---|", *rows]))
    return "\n\n".join(parts)


def _row(action: argparse.Action) -> str:
    values = (
        "\\|".join(map(str, action.choices)) if action.choices is not None else action.metavar or action.dest
    )
    values = " ".join(values) if isinstance(values, tuple) else values
    if not action.option_strings:
        name = f"`{action.metavar or action.dest}`"
        if action.choices is not None:
            name += f": {values}"
    elif action.nargs == 0:
        name = ", ".join(f"`{option}`" for option in action.option_strings)
    else:
        name = ", ".join(f"`{option}`" for option in action.option_strings) + f" {values}"
    meaning = _DEFAULT.sub("", (action.help or "").replace("%%", "%").replace("|", "\\|"))
    return f"| {name} | {default_of(action) or ''} | {meaning} |"


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
