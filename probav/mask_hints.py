"""What may have been meant by a mask that isn't one: words for the messages of `probav.masks`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping

from probav.errors import did_you_mean

_STRINGS = re.compile(r"'[^']*'|\"[^\"]*\"")
_TWO_NAMES = re.compile(r"\b([A-Za-z_]\w*)[ \t]+([A-Za-z_]\w*)\b")
_KEYWORDS = {"and", "or", "not", "in", "is", "if", "else", "for", "lambda", "await", "yield"}
_SLIPS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"&&"), "'And' is one &: clear & land."),
    (re.compile(r"\|\|"), "'Or' is one |: cloud | shadow."),
    (re.compile(r"!(?!=)"), "'Not' is ~: ~cloud."),
    (re.compile(r"<>"), "'Unequal' is !=."),
    (re.compile(r"=>|=<"), "The equals sign comes last: >= and <=."),
    (re.compile(r"(?<![<>=!:])=(?!=)"), "'Equal' is ==, with two signs."),
    (re.compile(r"\b(AND|OR|NOT|IN)\b"), "Write &, |, ~ and in; words are in small letters."),
)
# words that people use for what the mask language calls otherwise
_OTHER_WORDS = {
    "status": "sm", "status_map": "sm", "statusmap": "sm", "quality": "good", "valid": "clear",
    "cloudfree": "clear", "cloud_free": "clear", "cloudless": "clear", "cloudy": "cloud", "water": "sea",
    "ocean": "sea", "ice": "snow", "snow_ice": "snow", "unclear": "undefined", "uncertain": "undefined",
    "land_cover": "landcover", "lc": "landcover", "cover": "landcover", "rain": "rainfall",
    "precipitation": "rainfall", "burned": "burnt",
}  # fmt: skip
_MOST_CLASSES = 12  # that a message lists


def of_text(text: str) -> str:
    """Return a sentence about what a text that can't be parsed may mean, with a blank before it, or ""."""
    plain = _STRINGS.sub("''", text[:200])
    for pattern, words in _SLIPS:
        if pattern.search(plain):
            return " " + words
    if any(plain.count(left) > plain.count(right) for left, right in ("()", "[]", "{}")):
        return " A bracket is not closed."
    for first, second in _TWO_NAMES.findall(plain):
        if not {first, second} & _KEYWORDS:
            return f" Join names: {first} & {second} (both), {first} | {second} (either)."
    return ""


def of_node(node: ast.AST) -> str:
    """Return the same about a part of a text that was parsed, but isn't of the language."""
    if isinstance(node, ast.Tuple):
        last = node.elts[-1] if node.elts else None
        if isinstance(last, ast.Constant) and isinstance(last.value, int | float):
            return " Numbers are written with a point: 0.1."
        if all(isinstance(item, ast.Name) for item in node.elts) and node.elts:
            names = [ast.unparse(item) for item in node.elts]
            return f" Join names: {' & '.join(names)} (all of them), {' | '.join(names)} (any of them)."
        return " Join conditions with & (all of them) or | (any of them)."
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
        return f" Names have no quotes: {node.value}."
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return f" 'Not' is ~: ~{ast.unparse(node.operand)}."
    if isinstance(node, ast.BinOp):
        return " There is no arithmetic: & joins conditions that all hold, | such of which one does."
    return ""


def of_name(
    name: str, choices: Iterable[str], classes: Mapping[str, Iterable[str]], absent: Iterable[str]
) -> str:
    """Return what an unknown name may mean.

    Parameters
    ----------
    name : str
    choices : iterable of str
        Names that are known.
    classes : mapping of str to iterable of str
        The names of the classes of each layer that has such.
    absent : iterable of str
        Variables of the product that the archive doesn't hold.
    """
    known = {choice.casefold(): choice for choice in choices}
    folded = name.casefold()
    if folded in {item.casefold() for item in absent}:
        return f" The product has it, but the archive holds none of it. Known: {', '.join(known.values())}."
    other = known.get(_OTHER_WORDS.get(folded, ""))
    if other is not None:
        return f" Did you mean {other!r}?"
    for layer, names in classes.items():
        for item in names:
            if item.casefold().replace(" ", "_") == folded:
                return f" That is a class of {layer}: write {layer} == {item!r}."
    return did_you_mean(name, known.values())


def of_class(name: str, classes: Mapping[int, str]) -> str:
    """Return which class of a layer an unknown class name may mean."""
    word = name.strip().casefold().rstrip("s")
    holding = {code: item for code, item in classes.items() if word and word in item.casefold()}
    if len(holding) > 1:
        shown = ", ".join(f"{code} {item!r}" for code, item in list(holding.items())[:_MOST_CLASSES])
        more = f" and {len(holding) - _MOST_CLASSES} more" if len(holding) > _MOST_CLASSES else ""
        return f" Which of {shown}{more}? Several are given by 'in': in ({', '.join(map(str, holding))})."
    if holding:
        return f" Did you mean {next(iter(holding.values()))!r}?"
    return did_you_mean(name, classes.values())
