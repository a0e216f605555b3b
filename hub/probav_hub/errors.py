"""The hub's errors."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class HubError(Exception):
    """What failed, on what, and what to do about it, in one sentence."""


class EngineError(HubError):
    """A `probav` command failed and has said why on the terminal itself."""


def near(name: str, choices: Iterable[str]) -> str:
    """Return " Did you mean 'X'?" for the nearest of some names, or all of them where none is near."""
    known = sorted(choices)
    found = difflib.get_close_matches(name, known, n=1)
    if found:
        return f" Did you mean {found[0]!r}?"
    return f" Known: {', '.join(known)}." if known else ""
