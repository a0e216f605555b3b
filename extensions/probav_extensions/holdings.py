"""What an archive holds as plain data for a browser: products, layers, masks, cells to begin with."""

from __future__ import annotations

import shlex
from functools import lru_cache
from typing import Any

import numpy as np

from probav.archive import Archive, Product, opened
from probav.products import Variable
from probav_extensions.thumbnail import thumbnail

AREA = "{area}"
"""Stands in a cell for the area that the user names, quoted as a shell quotes."""
_MASKS = ("clear & land", "clear", "good")  # the first whose names a product knows
_MOST_CLASSES = 40
_METRES_PER_DEGREE = 111_320  # along a meridian
_KEPT = 64  # products described, of all snapshots


def archive_of(archive: Archive) -> dict[str, Any]:
    """Return which archive this is, and at which snapshot."""
    history = archive.history.head(1)
    tags = archive.tags
    return {
        "url": archive.url,
        "snapshot": archive.snapshot,
        "written": str(history["time"].iloc[0])[:16] if len(history) else None,
        "message": str(history["message"].iloc[0]) if len(history) else "",
        "tags": sorted(tags.loc[tags["snapshot"] == archive.snapshot, "tag"].astype(str)),
        "count": len(archive),
    }


@lru_cache(maxsize=8)
def products_of(url: str, snapshot: str) -> list[dict[str, Any]]:
    """Return a line about each product; see `product_of` for one in full."""
    archive = opened(url, snapshot)
    return [
        {
            "id": name,
            "title": row["title"],
            "variables": list(archive[str(name)].variables),
            "first": _day(row["first"]),
            "last": _day(row["last"]),
            "dates": int(row["dates"]),
            "tiles": int(row["tiles"]),
            "size": int(row["size"]),
            "resolution": _resolution(archive[str(name)]),
            "has_values": has_values(archive[str(name)]),
        }
        for name, row in archive.products.iterrows()
    ]


@lru_cache(maxsize=_KEPT)
def product_of(url: str, snapshot: str, name: str) -> dict[str, Any]:
    """Return a product in full.

    Raises
    ------
    UnknownProductError
        If the archive holds no such product; the message names near ones.
    """
    archive = opened(url, snapshot)
    product = archive[name]
    return {
        "id": product.id,
        "title": product.title,
        "bounds": [round(edge, 5) for edge in product.extent.bounds],
        "crs": product.grid.crs,
        "resolution": _resolution(product),
        "variables": [
            _variable(variable, name == product.definition.default)
            for name, variable in product.variables.items()
        ],
        "masks": [
            {"name": word, "doc": flag.doc}
            for word, flag in product.definition.masks.items()
            if flag.variable in product.variables
        ],
        "strata": _strata(product, archive),
        "citation": product.definition.citation,
        "licence": product.definition.licence,
        "footprint": thumbnail(product.footprint()),
        "area": _middle(product),
        "cells": cells(product),
    }


def cells(product: Product) -> dict[str, str]:
    """Return the text of cells to begin with; `AREA` in them stands for an area.

    Parameters
    ----------
    product : Product

    Returns
    -------
    dict
        `load`, `stats` and `map`; no `stats` for products of classes, which have no mean.
    """
    named = shlex.quote(product.id)
    days = product.times
    year = f" --time {str(days[-1])[:4]}" if len(days) > 1 else ""
    mask = next((mask for mask in _MASKS if set(mask.split(" & ")) <= _mask_names(product)), None)
    quoted = "" if mask is None else f" --mask {mask}" if mask.isidentifier() else f' --mask "{mask}"'
    found = {
        "load": f"%probav load {named} --aoi {AREA}{year}{quoted} -o ds",
        "map": f"%probav aoi --product {named}",
    }
    if has_values(product):
        found["stats"] = f"%probav stats {named} --aoi {AREA}{year}{quoted} -o ts"
    return found


def has_values(product: Product) -> bool:
    """Return whether the main variable of a product is a quantity, which statistics can be made of."""
    return product.definition.variable(None).kind == "continuous"


def _mask_names(product: Product) -> set[str]:
    return {word for word, flag in product.definition.masks.items() if flag.variable in product.variables}


def _day(moment: Any) -> str | None:
    return None if moment is None or moment != moment else str(moment)[:10]


def _resolution(product: Product) -> str:
    """Return the size of a pixel in words: "331 m (1/336°)"."""
    grid = product.grid
    if grid.crs != "EPSG:4326":
        return f"{1 / grid.nx:.6g} ({grid.crs})"
    metres = _METRES_PER_DEGREE / grid.ny
    words = f"{metres / 1000:.3g} km" if metres >= 1000 else f"{metres:.0f} m"
    return f"{words} ({f'1/{grid.ny:.0f}' if grid.ny > 1 else f'{1 / grid.ny:.6g}'}°)"


def _variable(variable: Variable, is_main: bool) -> dict[str, Any]:
    classes = {str(code): words for code, words in variable.flags.items()}
    return {
        "name": variable.name,
        "words": variable.long_name,
        "units": "" if variable.units == "1" else variable.units,
        "kind": variable.kind,
        "main": is_main,
        "classes": dict(list(classes.items())[:_MOST_CLASSES]),
    }


def _strata(product: Product, archive: Archive) -> list[str]:
    """Return by what `--by` can split this product's zones."""
    categorical = [name for name, variable in product.variables.items() if variable.kind == "categorical"]
    return sorted(categorical) + sorted({
        other.definition.role
        for other in archive
        if other.definition.role
        and other.id != product.id
        and other.definition.variable(None).kind == "categorical"
    })  # fmt: skip


def _middle(product: Product) -> str:
    """Return a box in the tile that has most dates, as `--aoi` takes it: small enough to be read at once."""
    tiles = product.footprint()
    west, south, east, north = tiles.loc[tiles["dates"].idxmax()].geometry.bounds if len(tiles) else (
        product.extent.bounds
    )  # fmt: skip
    x, y = (west + east) / 2, (south + north) / 2
    half = np.minimum(np.array([east - west, north - south]) * 0.4, 0.25)
    return ",".join(f"{edge:.3f}" for edge in (x - half[0], y - half[1], x + half[0], y + half[1]))
