"""Readers of source products: file names to granules, granules to rows of stored numbers."""

from probav.readers.discovery import Rejected, discover
from probav.readers.granules import Granule, OpenGranule, open_granule
from probav.readers.guard import GuardedGranule, ReaderPool
from probav.readers.names import ProductName, parse_name

__all__ = [
    "Granule",
    "GuardedGranule",
    "OpenGranule",
    "ProductName",
    "ReaderPool",
    "Rejected",
    "discover",
    "open_granule",
    "parse_name",
]
