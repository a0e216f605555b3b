"""The help of the commands: options with defaults, an example, and the same as a cell and in Python."""

from __future__ import annotations

import shlex
from argparse import Namespace
from typing import TYPE_CHECKING, Any, cast

from probav_magics.commands import find, names
from probav_magics.commands.base import Command
from probav_magics.query import cell_of

if TYPE_CHECKING:
    from probav_magics.session import Session


def overview() -> str:
    """Return all commands, a line each."""
    found = [command for command in map(find, names()) if command is not None]
    lines = [f"  %probav {command.name:<10} {sentence(command)}" for command in found]
    return "\n".join([
        *lines,
        "",
        "  %probav COMMAND? lists the options and shows an example; %%probav COMMAND takes them as YAML.",
    ])  # fmt: skip


def page(command: Command) -> str:
    """Return all there is to know of a command."""
    parts = [command.parser().format_help().rstrip()]
    if command.example:
        parts += [_block("example", command.example), _block("as a cell", cell(command))]
    code = python(command)
    if code:
        parts.append(_block("in Python", code))
    return "\n\n".join(parts)


def sentence(command: Command) -> str:
    """Return what a command does, in a sentence; argparse wants its percent signs doubled."""
    return command.help.replace("%%", "%")


def cell(command: Command) -> str:
    """Return the example of a command as a cell of YAML."""
    return cell_of(command, _words(command))


def python(command: Command) -> str:
    """Return the Python of a command's example, as its option --code prints it; "" if it has no such."""
    parser = command.parser()
    if not command.example or "--code" not in parser.options():
        return ""
    sketch = _Sketch()
    command.run(parser.parse_args([*_words(command), "--code"]), cast("Session", sketch))
    return "\n".join(sketch.said).rstrip()


def _words(command: Command) -> list[str]:
    return shlex.split(command.example)[2:]


def _block(title: str, text: str) -> str:
    return "\n".join([f"{title}:", *(f"  {line}".rstrip() for line in text.splitlines())])


class _Sketch:
    """A session for code that is only written: without archive, and every name stands for itself."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.variables = _Everything()

    def archive(self) -> _Everything:
        return self.variables

    def archive_code(self) -> str:
        return "probav.open_archive()"

    def area(self, text: str) -> tuple[None, str]:
        return None, text

    def say(self, text: str) -> None:
        self.said.append(text)


class _Everything:
    """Holds whatever it is asked for."""

    def __contains__(self, name: object) -> bool:
        return True

    def __getitem__(self, name: str) -> Any:
        return Namespace(id=name)

    def get(self, name: str) -> None:
        """Return no value."""
