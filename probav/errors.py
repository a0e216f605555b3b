"""Every error probav raises on purpose, under one root.

A message says what failed on which object, what was found, what was expected and what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ProbavError(Exception):
    """Root of all errors that probav raises on purpose."""

    def __str__(self) -> str:
        # KeyError, which some leaves inherit, would show the message in quotes
        return str(self.args[0]) if self.args else ""


class UnknownNameError(ProbavError, KeyError):
    """A product, variable, mask, reducer or place has no such name; the message gives near ones."""


class UnknownProductError(UnknownNameError):
    """The archive or the product table has no such product."""


class ArchiveError(ProbavError, OSError):
    """An archive can't be opened, created or written."""


class LostChunkError(ArchiveError):
    """A chunk of an archive can't be read: its file is gone, or the snapshot that named it has expired."""


class ConflictError(ArchiveError):
    """Another process changed the same part of an archive first; nothing was changed, do it again."""


class SourceError(ProbavError, OSError):
    """A source product file is not what its name or the product table says, or can't be read."""


class AoiError(ProbavError, ValueError):
    """An area of interest can't be read, is empty, or is not a valid geometry."""


class RepairWarning(UserWarning):
    """Invalid geometries were repaired; the message says which, why and what became of their area."""


class OutsideError(AoiError):
    """An area of interest or a period lies wholly outside of what the archive holds."""


class TimeError(ProbavError, ValueError):
    """A time argument can't be understood, or selects no date."""


class MaskError(ProbavError, ValueError):
    """A mask expression is not of the mask language."""


class QueryError(ProbavError, ValueError):
    """An option of a query has no meaning for this product."""


class BudgetError(ProbavError, MemoryError):
    """A query needs more memory, time or bytes than it may use."""


class EngineError(ProbavError, RuntimeError):
    """An engine (Spark) can't be started or failed while computing."""


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """Return " Did you mean 'X'?" for the nearest of `choices`, or the whole list where none is near."""
    known = sorted({str(choice) for choice in choices})
    folded = {choice.casefold(): choice for choice in known}
    near = difflib.get_close_matches(str(name).casefold(), folded, n=3, cutoff=0.6)
    if near:
        return " Did you mean " + " or ".join(repr(folded[item]) for item in near) + "?"
    return f" Known: {', '.join(known)}." if known else ""
