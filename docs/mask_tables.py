"""The tables of docs/masks.md, from the product table: `python docs/mask_tables.py` renews them."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from probav.products import LC100_CLASSES, PRODUCTS, ProductDefinition, Variable

PAGE = Path(__file__).with_name("masks.md")
_KINDS = {"categorical": "classes", "flags": "flags"}


def names_table() -> str:
    """Return a table a group of products that share their mask names."""
    groups: dict[tuple[tuple[str, str, str], ...], list[str]] = defaultdict(list)
    for product in PRODUCTS.values():
        names = tuple((name, flag.variable, flag.doc) for name, flag in product.masks.items())
        groups[names].append(product.id)
    parts = []
    for names, ids in groups.items():
        if not names:
            continue
        rows = [f"| `{name}` | {variable} | {words} |" for name, variable, words in names]
        parts.append("\n".join([_ids(ids), "", "| name | layer | true where |", "|---|---|---|", *rows]))
    parts.append(f"No names, but their variables to compare: {_ids(groups[()])}.")
    return "\n\n".join(parts)


def variables_table() -> str:
    """Return the variables of each group of products that share them, as a mask compares them."""
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for product in PRODUCTS.values():
        groups[_variables(product)].append(product.id)
    rows = [f"| {_ids(ids)} | {', '.join(variables)} |" for variables, ids in groups.items()]
    return "\n".join(["| product | variables |", "|---|---|", *rows])


def classes_table() -> str:
    """Return the classes of the land cover map."""
    rows = [f"| {code} | `'{name}'` |" for code, (name, _) in LC100_CLASSES.items()]
    return "\n".join(["| code | name |", "|---|---|", *rows])


TABLES = {"names": names_table, "variables": variables_table, "classes": classes_table}


def renewed(text: str) -> str:
    """Return a page with each table between `<!-- table: NAME -->` and `<!-- end -->` made anew."""
    for name, make in TABLES.items():
        before, begin, rest = text.partition(f"<!-- table: {name} -->\n")
        _, end, after = rest.partition("<!-- end -->")
        if not begin or not end:
            raise ValueError(f"{PAGE.name} has no place for the table {name!r}: {begin or '<!-- table -->'}.")
        text = f"{before}{begin}\n{make()}\n\n{end}{after}"
    return text


def _variables(product: ProductDefinition) -> tuple[str, ...]:
    return tuple(_described(variable) for variable in product.variables.values())


def _described(variable: Variable) -> str:
    name = f"`{variable.name.lower()}`"
    if variable.kind != "continuous":
        return f"{name} ({_KINDS[variable.kind]})"
    return name if variable.units == "1" else f"{name} [{variable.units}]"


def _ids(ids: list[str]) -> str:
    """Return ids as code; [_C2] stands for a product and the same one of Collection 2."""
    found = set(ids)
    return ", ".join(
        f"`{name}[_C2]`" if f"{name}_C2" in found else f"`{name}`"
        for name in ids
        if not (name.endswith("_C2") and name.removesuffix("_C2") in found)
    )


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
