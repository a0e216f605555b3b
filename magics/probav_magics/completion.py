"""What Tab offers after %probav: commands, products, options and their values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probav.choices import ENGINES, RULES, WEIGHTS
from probav.errors import ProbavError
from probav_magics.commands import find, names

if TYPE_CHECKING:
    from probav_magics.session import Session

_VALUES = {
    "--engine": ENGINES,
    "--coverage": RULES,
    "--weights": WEIGHTS,
    "--reduce": ("mean", "std", "min", "max", "median", "p10", "p50", "p90"),
    "--by": ("landcover",),
}


def complete(session: Session, line: str, begun: str) -> list[str]:
    """Return what can stand at the cursor, at the end of a `line` of which the word `begun` is the last."""
    words = line.split()
    started = words[1:] if line.endswith((" ", "\t")) else words[1:-1]
    return [word for word in _offer(session, started) if word.casefold().startswith(begun.casefold())]


def _offer(session: Session, words: list[str]) -> list[str]:
    if not words:
        return names()
    command = find(words[0])
    if command is None:
        return []
    known = command.parser().options()
    last = words[-1]
    if last.startswith("-") and last in known and known[last].nargs != 0:
        return _values(session, last, words)
    options = [name for name in known if name.startswith("--") and name not in words]
    return [*_products(session), *options] if len(words) == 1 and "product" in known else options


def _values(session: Session, option: str, words: list[str]) -> list[str]:
    if option == "--aoi":
        return list(session.areas())
    if option in ("--mask", "--variable"):
        return _names(session, words[1] if len(words) > 1 else "", masks=option == "--mask")
    if option == "--product":
        return _products(session)
    return list(_VALUES.get(option, ()))


def _products(session: Session) -> list[str]:
    try:
        return session.archive().ids
    except ProbavError:
        return []


def _names(session: Session, product: str, *, masks: bool) -> list[str]:
    try:
        found = session.archive()[product]
    except ProbavError:
        return []
    if masks:
        return [name for name, flag in found.definition.masks.items() if flag.variable in found.variables]
    return list(found.variables)
