"""Where a result comes from: what every dataset and every exported file says of itself."""

from __future__ import annotations

import json
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from probav.archive import Product


@cache
def _version() -> str:
    return version("probav")


def provenance(product: Product, kind: str, arguments: dict[str, Any]) -> dict[str, str]:
    """Return the attributes of a dataset made from a product.

    Parameters
    ----------
    product : Product
    kind : str
        The method that was called: "statistics", "load".
    arguments : dict
        What it was called with, as far as JSON can say it; the area apart.

    Returns
    -------
    dict of str
        product, title, archive, snapshot, query (JSON), probav_version, citation, license.
    """
    return {
        "product": product.id,
        "title": product.title,
        "archive": product.store.url,
        "snapshot": product.store.snapshot,
        "query": json.dumps({"call": kind, **arguments}, sort_keys=True),
        "probav_version": _version(),
        "citation": product.definition.citation,
        "license": product.definition.licence,
    }
