"""Satellite vegetation archives one call away from a notebook cell.

>>> import probav
>>> archive = probav.open_archive()
>>> archive["PROBAV_L3_S10_TOC_333M"].statistics("Belgium", "2016", mask="clear & land")  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from probav import errors

if TYPE_CHECKING:
    from probav.archive import Archive, Extent, Product, create_archive, open_archive
    from probav.areas import Aoi, aoi
    from probav.combination import CombinedProduct, combine
    from probav.explanation import explain_mask
    from probav.exporting import export
    from probav.external import definition_of, from_stac, store_dataset
    from probav.ingestion import Report, ingest, watch
    from probav.products import ProductDefinition
    from probav.products.custom import load_definition
    from probav.registration import register

__version__ = "0.1.0"
__all__ = [
    "Aoi",
    "Archive",
    "CombinedProduct",
    "Extent",
    "Product",
    "ProductDefinition",
    "Report",
    "aoi",
    "combine",
    "create_archive",
    "definition_of",
    "errors",
    "explain_mask",
    "export",
    "from_stac",
    "ingest",
    "load_definition",
    "open_archive",
    "register",
    "store_dataset",
    "watch",
]

_LAZY = {
    "Aoi": "areas", "Archive": "archive", "CombinedProduct": "combination", "Extent": "archive",
    "Product": "archive", "ProductDefinition": "products", "Report": "ingestion", "aoi": "areas",
    "combine": "combination", "create_archive": "archive", "definition_of": "external",
    "explain_mask": "explanation", "export": "exporting", "from_stac": "external", "ingest": "ingestion",
    "load_definition": "products.custom", "open_archive": "archive", "register": "registration",
    "store_dataset": "external", "watch": "ingestion",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        import importlib

        return getattr(importlib.import_module(f"probav.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'probav' has no attribute {name!r}")
