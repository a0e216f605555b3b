"""Satellite vegetation archives one call away from a notebook cell.

>>> import probav
>>> archive = probav.open_archive()
>>> archive["PROBAV_L3_S10_TOC_333M"].statistics("Belgium", "2016", mask="clear & land")  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from probav import errors
from probav.archive import Archive, Extent, Product, create_archive, open_archive

if TYPE_CHECKING:
    from probav.areas import Aoi, aoi
    from probav.ingestion import Report, ingest

__version__ = "0.1.0"
__all__ = [
    "Aoi",
    "Archive",
    "Extent",
    "Product",
    "Report",
    "aoi",
    "create_archive",
    "errors",
    "ingest",
    "open_archive",
]

_LAZY = {"Aoi": "areas", "aoi": "areas", "Report": "ingestion", "ingest": "ingestion"}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        import importlib

        return getattr(importlib.import_module(f"probav.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'probav' has no attribute {name!r}")
