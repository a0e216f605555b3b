"""docs/masks.md says of every product what its definition says."""

import importlib.util
import re
from pathlib import Path

import pytest

from probav.products import LC100_CLASSES, PRODUCTS

PAGE = Path(__file__).parents[1] / "docs" / "masks.md"


@pytest.fixture(scope="module")
def tables():
    spec = importlib.util.spec_from_file_location("mask_tables", PAGE.with_name("mask_tables.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tables_are_those_of_the_definitions(tables):
    text = PAGE.read_text(encoding="utf-8")
    assert tables.renewed(text) == text, "run `python docs/mask_tables.py`"


def test_every_name_variable_and_class_stands_there():
    text = PAGE.read_text(encoding="utf-8")
    parts = {name: text.partition(f"<!-- table: {name} -->")[2].partition("<!-- end -->")[0]
             for name in ("names", "variables", "classes")}  # fmt: skip
    for product in PRODUCTS.values():
        ids = rf"`{product.id.removesuffix('_C2')}(\[_C2\])?`"
        assert re.search(ids, parts["names"]), product.id
        section = next(part for part in re.split(r"\n\n(?=`)", parts["names"]) if re.search(ids, part))
        for name, flag in product.masks.items():
            assert f"| `{name}` | {flag.variable} | {flag.doc} |" in section
        row = next(line for line in parts["variables"].splitlines() if re.search(ids, line))
        for name in product.variables:
            assert f"`{name.lower()}`" in row
    for code, (name, _) in LC100_CLASSES.items():
        assert f"| {code} | `'{name}'` |" in parts["classes"]


def test_a_changed_definition_is_noticed(tables, monkeypatch):
    product = PRODUCTS["CGLS_SWI_V3"]
    monkeypatch.setattr(
        tables, "PRODUCTS", {**PRODUCTS, "OTHER": product.__class__(**{**vars(product), "id": "OTHER"})}
    )
    text = PAGE.read_text(encoding="utf-8")
    assert tables.renewed(text) != text


def test_a_page_without_a_place_for_a_table_is_refused(tables):
    with pytest.raises(ValueError, match="no place for the table 'names'"):
        tables.renewed("# Masks\n")
