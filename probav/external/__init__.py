"""Data of other missions: loaded from any STAC catalogue, and kept in an archive beside ours."""

from probav.external.load import from_stac
from probav.external.store import definition_of, store_dataset

__all__ = ["definition_of", "from_stac", "store_dataset"]
