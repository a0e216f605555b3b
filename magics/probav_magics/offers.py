"""What the value of an option can be, as far as archive, notebook and what is typed so far tell."""

from __future__ import annotations

import argparse
import glob
import os
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from probav.errors import ProbavError
from probav_magics.commands.base import Command

if TYPE_CHECKING:
    from probav import Product
    from probav.products import Variable
    from probav_magics.session import Session

Given = Mapping[str, str]
"""What a line says already: options by name, positional arguments by theirs."""
Found = tuple[Iterable[str], str]
"""What can stand there, and the end of the text that it replaces."""
_CLASS_OF = re.compile(r"""(\w+)\s*(?:==|!=|not\s+in|in)\s*[(\[{]?[^'&|~)\]}]*(?:'[^']*',\s*)*'([^'&|]*)$""")
_NAME = re.compile(r"\w*$")


def offers(
    session: Session, command: Command, action: argparse.Action, given: Given, text: str
) -> tuple[list[str], str]:
    """Return what can stand in place of the value of an option, and the end of its text that is replaced.

    Parameters
    ----------
    session : Session
    command : Command
    action : argparse.Action
        The option.
    given : mapping
    text : str
        What there is of the value.
    """
    if action.choices is not None:
        return [str(choice) for choice in action.choices], text
    try:
        own = command.values(action.dest, session)
        found = _OFFERS.get(action.dest)
        words, rest = (own, text) if own or found is None else found(session, given, text)
    except ProbavError:
        return [], text
    return [str(word) for word in words], rest


def _product(session: Session, given: Given) -> Product:
    return session.archive()[given.get("product", "")]


def _products(session: Session, given: Given, text: str) -> Found:
    return session.archive().ids, text


def _areas(session: Session, given: Given, text: str) -> Found:
    """Variables; and countries and files, once something is typed."""
    if not text:
        return session.areas(), text
    return [*session.areas(), *_places(session, given, text)[0], *_files(session, given, text)[0]], text


def _variables_of_areas(session: Session, given: Given, text: str) -> Found:
    return session.areas(), text


def _places(session: Session, given: Given, text: str) -> Found:
    from probav.places import names

    quote = text[:1] if text[:1] in ("'", '"') else ""
    return [f"{quote}{name}{quote}" if quote or " " not in name else f'"{name}"' for name in names()], text


def _files(session: Session, given: Given, text: str) -> Found:
    quote = text[:1] if text[:1] in ("'", '"') else ""
    begun = text[len(quote) :]
    known = glob.glob(glob.escape(os.path.expanduser(begun)) + "*") if begun else glob.glob("*")
    home = os.path.expanduser("~")
    found = [name.replace(home, "~", 1) if begun.startswith("~") else name for name in known]
    return [quote + (f"{name}/" if os.path.isdir(os.path.expanduser(name)) else name) for name in found], text


def _masks(session: Session, given: Given, text: str) -> Found:
    """Names of the mask language; of classes, in the quotes after a layer of such."""
    archive, product = session.archive(), _product(session, given)
    named = _CLASS_OF.search(text)
    if named:
        variable = _layer(session, product, named[1])
        return ([f"{name}'" for name in variable.flags.values()] if variable else []), named[2]
    held = [name for name, flag in product.definition.masks.items() if flag.variable in product.variables]
    roles = [item.definition.role for item in archive if item.definition.role]
    end = _NAME.search(text)
    return [*held, *(name.lower() for name in product.variables), *roles], end[0] if end else ""


def _layer(session: Session, product: Product, name: str) -> Variable | None:
    for known, variable in product.variables.items():
        if known.casefold() == name.casefold():
            return variable
    other = session.archive().by_role(name.casefold())
    return other.variables[other.definition.default] if other is not None else None


def _listed(names: Iterable[str], text: str) -> Found:
    """Return those names that a list, of which `text` is the beginning, lacks."""
    *before, begun = text.split(",")
    taken = {name.strip(" \"'").casefold() for name in before}
    return [name for name in names if name.casefold() not in taken], begun.strip(" \"'")


def _variables(session: Session, given: Given, text: str) -> Found:
    return _listed(_product(session, given).variables, text)


def _strata(session: Session, given: Given, text: str) -> Found:
    roles = [item.definition.role for item in session.archive() if item.definition.role]
    variables = _product(session, given).variables.items()
    return _listed([*roles, *(name for name, one in variables if one.kind != "continuous")], text)


def _reducers(session: Session, given: Given, text: str) -> Found:
    from probav.reducers import REDUCERS

    more = ("p5", "p10", "p25", "p50", "p75", "p90", "p95", "below_", "above_")
    return _listed([*(name for name in REDUCERS if name not in ("count", "outside")), *more], text)


def _times(session: Session, given: Given, text: str) -> Found:
    """Years that the product has, their months, and the dates of a month."""
    begun = text.rpartition("/")[2].strip("\"'")
    length = 4 if len(begun) <= 4 else 7 if len(begun) <= 7 else 10
    return dict.fromkeys(str(day)[:length] for day in _product(session, given).times), begun


def _dates(session: Session, given: Given, text: str) -> Found:
    return map(str, _product(session, given).times), text


_OFFERS: dict[str, Callable[[Session, Given, str], Found]] = {
    "product": _products,
    "like": _products,
    "aoi": _areas,
    "name": _variables_of_areas,
    "place": _places,
    "file": _files,
    "mask": _masks,
    "variable": _variables,
    "by": _strata,
    "reducers": _reducers,
    "time": _times,
    "map": _dates,
}
