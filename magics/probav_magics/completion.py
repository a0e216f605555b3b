"""What Tab offers after %probav, on a line and in a cell of YAML."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING

from probav_magics.commands import find, names
from probav_magics.offers import offers

if TYPE_CHECKING:
    from probav_magics.session import Session

_WORD = re.compile(r"""(?:[^\s"']|"[^"]*"|'[^']*')+|["'].*$""")
_OPEN = re.compile(r"""(?:[^\s"']|"[^"]*"|'[^']*')*(?:"[^"]*|'[^']*)?$""")
_KEY = re.compile(r"(\s*)([\w-]*)$")
_VALUE = re.compile(r"(\s*)([\w-]+):\s+(.*)$")
_ITEM = re.compile(r"\s*-\s+(.*)$")
Offer = tuple[list[str], str]
"""What can stand at the cursor, and the text before it that this replaces."""


def complete(session: Session, lines: list[str]) -> Offer:
    """Return what can stand at the end of the last of some lines, and the word that is begun there.

    Parameters
    ----------
    session : Session
    lines : list of str
        A line with %probav, or a cell that begins with %%probav, up to the cursor.
    """
    if len(lines) == 1:
        found, begun = _on_line(session, lines[0])
    else:
        found, begun = _in_cell(session, lines)
    return [word for word in found if word.casefold().startswith(begun.casefold())], begun


def _on_line(session: Session, line: str) -> Offer:
    words = _words(line)
    begun = words.pop()
    if not words:
        return [*names(), "help"], begun
    command = find(words[0])
    if command is None:
        return (names(), begun) if words == ["help"] else ([], begun)
    known = command.parser().options()
    given = _given(words[1:], known)
    option, equals, value = begun.partition("=")
    if equals and option in known:
        return offers(session, command, known[option], given, value)
    if not begun.startswith("-"):
        awaited = _awaited(words[1:], known)
        if awaited is not None:
            return offers(session, command, awaited, given, begun)
    free = [name for name in known if name.startswith("--") and (name not in given or _repeats(known[name]))]
    place = _next_place(words[1:], known)
    if place is None or begun.startswith("-"):
        return free, begun
    found, rest = offers(session, command, place, given, begun)
    return ([*found, *free] if rest == begun else found), rest


def _words(line: str) -> list[str]:
    """Return the words after %probav; the last one is what is begun, "" after a blank."""
    text = line.lstrip().lstrip("%")[len("probav") :].lstrip()
    found = _OPEN.search(text)
    begun = found[0] if found else ""
    return [*(word.strip("\"'") for word in _WORD.findall(text[: len(text) - len(begun)])), begun]


def _given(words: list[str], known: dict[str, argparse.Action]) -> dict[str, str]:
    """Return what a line says already: options by name, positional arguments by theirs."""
    given: dict[str, str] = {}
    places = [name for name in known if not name.startswith("-")]
    rest = list(words)
    while rest:
        option, _, value = rest.pop(0).partition("=")
        if option not in known:
            if places:
                given[places.pop(0)] = option
            continue
        taken = [rest.pop(0) for _ in range(min(_count(known[option]), len(rest)))] if not value else [value]
        given[option] = taken[0] if taken else ""
    return given


def _awaited(words: list[str], known: dict[str, argparse.Action]) -> argparse.Action | None:
    """Return the option whose value comes next, if the last words are one that still lacks it."""
    for back in range(1, min(4, len(words)) + 1):
        word = words[-back]
        if word in known and word.startswith("-"):
            return known[word] if _count(known[word]) >= back else None
    return None


def _next_place(words: list[str], known: dict[str, argparse.Action]) -> argparse.Action | None:
    """Return the positional argument that comes next, if there is one."""
    given = _given(words, known)
    return next((known[name] for name in known if not name.startswith("-") and name not in given), None)


def _count(action: argparse.Action) -> int:
    if action.nargs is None:
        return 1
    return action.nargs if isinstance(action.nargs, int) else 0


def _repeats(action: argparse.Action) -> bool:
    return isinstance(action.default, list)


def _in_cell(session: Session, lines: list[str]) -> Offer:
    words = [word for word in _words(lines[0] + " ") if word]
    last = lines[-1]
    outer = [found for line in lines[1:-1] if (found := re.match(r"([\w-]+):\s*$", line))]
    name = words[0] if words else outer[0][1] if outer else ""
    command = find(name)
    if command is None:
        begun = last.strip()
        return ([f"{known}:" for known in names()] if not words else []), begun
    known = command.parser().options()
    given = _given(words[1:], known) | _said(lines[1:-1], known)
    value, item = _VALUE.match(last), _ITEM.match(last)
    if value or item:
        key = value[2] if value else _last_key(lines[1:-1])
        action = _action(key, known)
        if action is None:
            return [], ""
        text = value[3] if value else item[1] if item else ""
        if action.nargs == 0:
            return ["yes", "no"], text
        return offers(session, command, action, given, text.lstrip("[").lstrip())
    key_begun = _KEY.match(last)
    if key_begun is None:
        return [], ""
    keys = [option.lstrip("-") for option in known if not option.startswith("-") or option.startswith("--")]
    free = [key for key in keys if key not in given and f"--{key}" not in given and key != "help"]
    return [f"{key}: " for key in free], key_begun[2]


def _said(lines: list[str], known: dict[str, argparse.Action]) -> dict[str, str]:
    """Return the values of the keys of a cell, by the names of the options."""
    found = {}
    for line in lines:
        match = re.match(r"\s*([\w-]+):\s*(.*?)\s*$", line)
        action = _action(match[1], known) if match else None
        if match and action is not None:
            name = next(name for name, one in known.items() if one is action and not re.match("-[^-]", name))
            found[name] = match[2].strip("\"'")
    return found


def _last_key(lines: list[str]) -> str:
    keys = [match[1] for line in lines if (match := re.match(r"\s*([\w-]+):", line))]
    return keys[-1] if keys else ""


def _action(key: str, known: dict[str, argparse.Action]) -> argparse.Action | None:
    key = key.replace("_", "-")
    return known.get(key) or known.get(f"--{key}")
