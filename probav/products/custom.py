"""Product definitions as plain data: user-defined products in YAML, and any product inside an archive."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, fields
from pathlib import Path
from typing import Any, get_args

import numpy as np
import yaml
from rasterio.crs import CRS
from rasterio.errors import CRSError

from probav.errors import did_you_mean
from probav.grid import Grid
from probav.products import PRODUCTS, checks
from probav.products.cadences import CADENCES
from probav.products.checks import Check, DefinitionError
from probav.products.definition import (
    GRID_FROM_FILE,
    DateRule,
    Flag,
    Kind,
    ProductDefinition,
    Variable,
)

__all__ = ["DefinitionError", "from_dict", "load_definition", "to_dict"]

FROM_FILE = "from file"
_LARGEST = 256 * 1024  # bytes of YAML
_DEEPEST = 20
_RESERVED = ("PROBAV_", "SPOTVEGETATION_", "CGLS_", "CHIRPS_")  # whose formats and names are known
_WIDEST = 10**7  # pixels of one side
_DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")


def load_definition(path: str | os.PathLike[str]) -> ProductDefinition:
    """Read a user-defined product from a YAML file.

    Raises
    ------
    DefinitionError
        If the file can't be read, or is no definition; the message names the key.
    """
    file = Path(path)
    try:
        with file.open("rb") as stream:
            data = stream.read(_LARGEST + 1)
        if len(data) > _LARGEST:
            raise DefinitionError(f"it is larger than {_LARGEST >> 10} KiB")
        found = from_dict(yaml.load(data, _Loader))  # noqa: S506 - a SafeLoader
        if found.id.casefold() in map(str.casefold, PRODUCTS):
            raise DefinitionError(f"id: {found.id!r} is a product that probav knows already; take another id")
        if found.id.startswith(_RESERVED):
            raise DefinitionError(f"id: {found.id!r} looks like a product of probav's own; take another id")
        return found
    except DefinitionError as error:
        raise DefinitionError(f"{file} defines no product: {error}") from None
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise DefinitionError(f"{file} can't be read as YAML: {' '.join(str(error).split())}") from None


def to_dict(definition: ProductDefinition) -> dict[str, Any]:
    """Return a definition as plain data that JSON and YAML can hold, without what is at its default."""
    found = _plain(definition)
    for variable in found["variables"].values():
        del variable["name"]
    return found | ({"grid": FROM_FILE} if definition.grid == GRID_FROM_FILE else {})


def from_dict(data: object) -> ProductDefinition:
    """Return the definition that plain data hold: the content of a YAML file, or what `to_dict` gave.

    Raises
    ------
    DefinitionError
        If it is no definition; the message names the key.
    """
    found: ProductDefinition = _record(ProductDefinition, data, "")
    _check_whole(found)
    return found


class _Loader(yaml.SafeLoader):
    """Refuses aliases, which can make a small file huge, keys given twice, and endless nesting."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise DefinitionError("aliases (*name) aren't allowed")
        self.depth += 1
        if self.depth > _DEEPEST:
            raise DefinitionError(f"it is nested deeper than {_DEEPEST} levels")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        keys = Counter(str(key.value) for key, _ in node.value)
        for key, count in keys.most_common(1):
            if count > 1:
                raise DefinitionError(f"line {node.start_mark.line + 1}: the key {key!r} is there twice")
        return super().construct_mapping(node, deep=deep)


def _crs(value: Any, where: str) -> str:
    """Return EPSG:n where there is such a code, else WKT: as the readers do."""
    try:
        crs = CRS.from_user_input(checks.text(value, where))
    except CRSError:
        raise checks.fail(where, value, "a coordinate reference system: EPSG:n, PROJ or WKT") from None
    code = crs.to_epsg()
    return f"EPSG:{code}" if code else str(crs.to_wkt())


def _grid(value: Any, where: str) -> Grid:
    if value == FROM_FILE:
        return GRID_FROM_FILE
    grid: Grid = _record(Grid, value, where)
    if grid.nx <= 0 or grid.ny <= 0:
        raise DefinitionError(f"{where}: nx and ny are pixels per unit of the CRS and positive")
    if not (0 < grid.width <= _WIDEST and 0 < grid.height <= _WIDEST):
        raise DefinitionError(f"{where}: width and height are 1 to {_WIDEST:,} pixels")
    return grid


def _variables(value: Any, where: str) -> dict[str, Variable]:
    def variable(item: Any, at: str) -> Variable:
        if isinstance(item, Mapping):
            if "name" in item:
                raise DefinitionError(f"{at}.name: no such key; the name is {at.rpartition('.')[2]!r}")
            item = {"name": at.rpartition(".")[2], **item}
        return _record(Variable, item, at)  # type: ignore[no-any-return]

    found: dict[str, Variable] = checks.mapping_of(variable, checks.identifier)(value, where)
    if not found:
        raise checks.fail(where, value, "one variable at least")
    return found


def _flag(value: Any, where: str) -> Flag:
    return _record(Flag, value, where)  # type: ignore[no-any-return]


_CHECKS: dict[type, dict[str, Check]] = {
    ProductDefinition: {
        "id": checks.identifier, "title": checks.text, "variables": _variables, "default": checks.identifier,
        "grid": _grid, "cadence": checks.one_of(CADENCES), "date_in_name": checks.one_of(get_args(DateRule)),
        "masks": checks.mapping_of(_flag, checks.identifier), "citation": checks.text, "licence": checks.text,
        "role": checks.identifier, "pattern": checks.pattern,
    },
    Variable: {
        "name": checks.identifier, "dtype": checks.one_of(_DTYPES), "long_name": checks.text,
        "units": checks.text, "scale": checks.number, "offset": checks.number, "nodata": checks.number,
        "blank": checks.number, "valid": checks.list_of(checks.number, 2),
        "kind": checks.one_of(get_args(Kind)), "flags": checks.mapping_of(checks.text, checks.code),
        "colours": checks.mapping_of(checks.colour, checks.code), "from_file": checks.boolean,
        "aliases": checks.list_of(checks.text),
    },
    Flag: {
        "variable": checks.identifier, "doc": checks.text, "bits": checks.whole, "equals": checks.whole,
        "between": checks.list_of(checks.whole, 2), "values": checks.list_of(checks.whole),
    },
    Grid: {
        "x0": checks.number, "y0": checks.number, "nx": checks.number, "ny": checks.number,
        "width": checks.whole, "height": checks.whole, "crs": _crs,
    },
}  # fmt: skip


def _record(kind: type, data: object, where: str) -> Any:
    """Return a dataclass whose fields the entries of a mapping are."""
    if not isinstance(data, Mapping):
        raise checks.fail(where or "the file", data, "a mapping of keys and values")
    path = f"{where}." if where else ""
    known = {item.name: item for item in fields(kind)}
    for key in data:
        if key not in known:
            raise DefinitionError(f"{path}{str(key)[:80]}: no such key.{did_you_mean(str(key)[:80], known)}")
    given = {**_defaults(kind, data), **{key: value for key, value in data.items() if value is not None}}
    missing = [name for name, item in known.items() if name not in given and not _has_default(item)]
    if missing:
        raise DefinitionError(
            f"{path}{missing[0]} is missing; needed, too: {', '.join(missing[1:]) or 'nothing'}"
        )
    return kind(**{key: _CHECKS[kind][key](given[key], f"{path}{key}") for key in known if key in given})


def _has_default(item: Field[Any]) -> bool:
    return item.default is not MISSING or item.default_factory is not MISSING


def _defaults(kind: type, data: Mapping[Any, Any]) -> dict[str, Any]:
    """Return what a file may leave out although the table has it."""
    if kind is not ProductDefinition:
        return {}
    variables = data.get("variables")
    first = next(iter(variables), "") if isinstance(variables, Mapping) else ""
    return {"masks": {}, "grid": FROM_FILE, "date_in_name": "first", "default": first}


def _check_whole(product: ProductDefinition) -> None:
    """Check what no key can say alone."""
    if product.default not in product.variables:
        near = did_you_mean(product.default, product.variables)
        raise DefinitionError(f"default: {product.default!r} is no variable.{near}")
    names = Counter(name.casefold() for name in (*product.variables, *product.masks))
    name, count = names.most_common(1)[0]
    if count > 1:
        raise DefinitionError(f"{name!r} is the name of two variables or masks; case makes no difference")
    for variable in product.variables.values():
        _check_variable(variable, f"variables.{variable.name}")
    for name, flag in product.masks.items():
        _check_flag(flag, f"masks.{name}", product)


def _check_variable(variable: Variable, where: str) -> None:
    dtype = np.dtype(variable.dtype)
    low, high = (-math.inf, math.inf) if dtype.kind == "f" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    numbers = {"nodata": variable.nodata, "blank": variable.blank}
    numbers |= dict(zip(("valid[0]", "valid[1]"), variable.valid or (), strict=False))
    for key, value in numbers.items():
        if value is not None and not (low <= value <= high and (dtype.kind == "f" or value == int(value))):
            raise DefinitionError(f"{where}.{key}: {variable.dtype} can't hold {value:g}")
    if variable.scale == 0:
        raise DefinitionError(f"{where}.scale: got 0; expected what to multiply stored numbers with")
    if variable.valid is not None:
        first, last = variable.valid
        if first > last:
            raise DefinitionError(f"{where}.valid: starts at {first:g} and ends at {last:g}")
        if variable.nodata is not None and first <= variable.nodata <= last:
            raise DefinitionError(
                f"{where}.nodata: {variable.nodata:g} is within valid ({first:g} to {last:g})"
            )
    if variable.kind != "continuous" and dtype.kind == "f":
        raise DefinitionError(f"{where}.dtype: {variable.kind} numbers are whole; got {variable.dtype}")


def _check_flag(flag: Flag, where: str, product: ProductDefinition) -> None:
    if flag.variable not in product.variables:
        near = did_you_mean(flag.variable, product.variables)
        raise DefinitionError(f"{where}.variable: {flag.variable!r} is no variable.{near}")
    if sum(way is not None for way in (flag.bits, flag.between, flag.values)) != 1:
        raise DefinitionError(f"{where}: give one of between, values, or bits with equals")
    if flag.bits is not None:
        dtype = np.dtype(product.variables[flag.variable].dtype)
        if dtype.kind == "f" or not 0 < flag.bits <= np.iinfo(dtype).max or flag.equals & ~flag.bits:
            raise DefinitionError(
                f"{where}: got bits {flag.bits} and equals {flag.equals} of {dtype}; expected bits that the "
                "type has, and no bit in equals that isn't in bits"
            )


def _plain(record: Any) -> dict[str, Any]:
    """Return a dataclass as a mapping of what differs from its defaults."""
    found: dict[str, Any] = {}
    for item in fields(record):
        value = getattr(record, item.name)
        if value == item.default or (not value and item.default_factory is not MISSING):
            continue
        if isinstance(value, Grid):
            value = asdict(value)
        elif isinstance(value, Mapping):
            value = {
                str(key): entry if isinstance(entry, str) else _plain(entry) for key, entry in value.items()
            }
        elif isinstance(value, tuple):
            value = list(value)
        found[item.name] = value
    return found
