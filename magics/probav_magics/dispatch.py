"""From a line or a cell to a command; every mistake becomes one line without a traceback."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from IPython.core.error import UsageError

from probav.errors import ProbavError, QueryError, did_you_mean
from probav_magics.commands import COMMANDS, find, overview
from probav_magics.options import HelpShown
from probav_magics.query import words_of

if TYPE_CHECKING:
    from probav_magics.session import Session


def dispatch(line: str, cell: str | None, session: Session) -> None:
    """Run the command of a line, or of a line and a cell of YAML.

    Raises
    ------
    UsageError
        For whatever the user can mend, and after an interrupt. IPython shows this very class as one line, a
        subclass with its traceback.
    """
    try:
        _run(line, cell, session)
    except HelpShown as shown:
        session.say(str(shown))
    except ProbavError as error:
        raise UsageError(str(error)) from error
    except KeyboardInterrupt:
        # an error all the same, so that the cells that wait behind this one don't run
        raise UsageError("Interrupted.") from None


def _run(line: str, cell: str | None, session: Session) -> None:
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise QueryError(f"%probav {line}: {error}; put a pair of quotes around a value.") from error
    if cell is not None:
        words = words_of(words, cell)
    name, rest = (words[0], words[1:]) if words else ("status", [])
    if name in ("-h", "--help", "help"):
        raise HelpShown(overview())
    command = find(name)
    if command is None:
        raise QueryError(f"%probav has no command {name!r}.{did_you_mean(name, COMMANDS)}")
    command.run(command.parser().parse_args(rest), session)
