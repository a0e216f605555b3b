"""The store under an archive: an Icechunk repository of Zarr arrays, which xarray alone can read.

One group a product. Nothing else of the package knows of Icechunk.
"""

import os

os.environ.setdefault("ICECHUNK_LOG", "error")  # its warning on local disks is what our lock answers

from probav.storage.layout import (
    PIXEL_CHUNK,
    TIME_CHUNK,
    append_times,
    array_of,
    create_group,
    create_variable,
    stored_grid,
    stored_info,
    stored_times,
    stored_variable,
)
from probav.storage.location import default_url, demo_path, exists, local_path
from probav.storage.repository import Store, create, remove_empty, writing

__all__ = [
    "PIXEL_CHUNK", "TIME_CHUNK", "Store", "append_times", "array_of", "create", "create_group",
    "create_variable", "default_url", "demo_path", "exists", "local_path", "remove_empty", "stored_grid",
    "stored_info", "stored_times", "stored_variable", "writing",
]  # fmt: skip
