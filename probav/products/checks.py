"""Checks of plain data: each takes a value and the key it stands at, and returns the value or raises.

A message names the key, what it holds and what was expected.
"""

from __future__ import annotations

import keyword
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from probav.errors import ProbavError, did_you_mean

Check = Callable[[Any, str], Any]
_LONGEST = 5000  # characters of one text
_MOST = 1000  # entries of one mapping
# what a product's group has besides its variables
_TAKEN = (
    "x", "y", "time", "spatial_ref", "source_rank", "source_digest", "content_digest", "originals",
)  # fmt: skip


class DefinitionError(ProbavError, ValueError):
    """A user-defined product's definition is incomplete or contradicts itself."""


def fail(where: str, value: object, expected: str) -> DefinitionError:
    """Return the error that says what a key holds and what it should."""
    said = repr(value)
    return DefinitionError(f"{where}: got {said[:80]}{'...' if len(said) > 80 else ''}; expected {expected}")


def text(value: Any, where: str) -> str:
    """Check that it is a text and says something."""
    if not isinstance(value, str) or not value.strip() or len(value) > _LONGEST:
        raise fail(where, value, f"a text of at most {_LONGEST} characters")
    return value


def identifier(value: Any, where: str) -> str:
    """Check that it is a name which the mask language and the archive can use."""
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,79}", value):
        raise fail(where, value, "a name of letters, digits and _ that starts with a letter")
    if keyword.iskeyword(value) or value in _TAKEN:
        raise fail(where, value, "another name: this one means something else already")
    return value


def number(value: Any, where: str) -> float:
    """Check that it is a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e300:
        raise fail(where, value, "a number (NaN never holds a value anyway)")
    return value


def whole(value: Any, where: str) -> int:
    """Check that it is a whole number."""
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > 2**53:
        raise fail(where, value, "a whole number")
    return value


def boolean(value: Any, where: str) -> bool:
    """Check that it is true or false."""
    if not isinstance(value, bool):
        raise fail(where, value, "true or false")
    return value


def colour(value: Any, where: str) -> str:
    """Check that it is a colour of red, green and blue."""
    if not isinstance(value, str) or not re.fullmatch("#[0-9a-fA-F]{6}", value):
        raise fail(where, value, "a colour such as '#1a9850'")
    return value


def code(value: Any, where: str) -> float:
    """Return a stored number, of which JSON has made a text where it is a key."""
    try:
        found = float(value) if isinstance(value, str) else number(value, where)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise fail(where, value, "a stored number")
    return int(found) if found == int(found) else found


def pattern(value: Any, where: str) -> str:
    """Check that it is a regular expression of file names."""
    expected = "at most 300 characters with a group (?P<date>...); tile, version, layer where names have them"
    if len(text(value, where)) > 300:
        raise fail(where, value, expected)
    try:
        groups = set(re.compile(value).groupindex)
    except (re.error, RecursionError, OverflowError) as error:
        raise DefinitionError(f"{where}: {value!r} is no regular expression: {error}") from None
    if "date" not in groups or groups - {"date", "tile", "version", "layer"}:
        raise fail(where, value, expected)
    return str(value)


def one_of(choices: tuple[str, ...]) -> Check:
    """Return a check for one of some words."""

    def check(value: Any, where: str) -> str:
        if value not in choices:
            near = did_you_mean(str(value)[:80], choices)
            message = f"{fail(where, value, 'one of ' + ', '.join(choices))}."
            raise DefinitionError(message + (near if near.startswith(" Did") else ""))
        return str(value)

    return check


def list_of(check: Check, length: int | None = None) -> Check:
    """Return a check for a list of such values, which makes a tuple of it."""

    def checked(value: Any, where: str) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple) or len(value) > _MOST or length not in (None, len(value)):
            raise fail(where, value, f"a list{'' if length is None else f' of {length}'}")
        return tuple(check(item, f"{where}[{index}]") for index, item in enumerate(value))

    return checked


def mapping_of(check: Check, key: Check) -> Check:
    """Return a check for a mapping of such keys to such values."""

    def checked(value: Any, where: str) -> dict[Any, Any]:
        if not isinstance(value, Mapping) or len(value) > _MOST:
            raise fail(where, value, "a mapping")
        places = {name: f"{where}.{str(name)[:80]}" for name in value}
        return {key(name, places[name]): check(item, places[name]) for name, item in value.items()}

    return checked
