"""From a line or a cell to a command; every mistake becomes one line without a traceback."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from IPython.core.error import UsageError

from probav.errors import ProbavError, QueryError
from probav_magics.commands import known
from probav_magics.help import overview, page
from probav_magics.options import HelpShown
from probav_magics.query import words_of

if TYPE_CHECKING:
    from probav_magics.session import Session

_HELP = ("-h", "--help", "help")


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
    except ProbavError as error:
        raise UsageError(str(error)) from error
    except OSError as error:  # no such file, no permission, a full disk
        raise UsageError(f"%probav: {error}") from error
    except MemoryError as error:
        raise UsageError(
            "The memory is used up; ask for fewer dates (--time), fewer features or a smaller area."
        ) from error
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
    if name in _HELP:
        session.say(page(known(rest[0])) if rest else overview())
        return
    command = known(name)
    try:
        options = command.parser().parse_args(rest)
    except HelpShown:
        session.say(page(command))
        return
    command.run(options, session)
