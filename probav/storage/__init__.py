"""The store under an archive: an Icechunk repository of Zarr arrays, which xarray alone can read.

One group a product. Nothing else of the package knows of Icechunk.
"""

import os

os.environ.setdefault("ICECHUNK_LOG", "error")  # its warning on local disks is what our lock answers

from probav.storage.layout import (
    PIXEL_CHUNK,
    TIME_CHUNK,
    add_window,
    append_times,
    array_of,
    content_digest,
    create_group,
    create_variable,
    is_product,
    is_registered,
    stored_definition,
    stored_grid,
    stored_info,
    stored_times,
    stored_variable,
    variables_of,
    window_key,
)
from probav.storage.location import default_url, demo_path, exists, local_path
from probav.storage.repository import Store, create, remove_empty, writing

__all__ = [
    "PIXEL_CHUNK", "TIME_CHUNK", "Store", "add_window", "append_times", "array_of", "content_digest",
    "create", "create_group", "create_variable", "default_url", "demo_path", "exists", "is_product",
    "is_registered", "local_path", "remove_empty", "stored_definition", "stored_grid", "stored_info",
    "stored_times", "stored_variable", "variables_of", "window_key", "writing",
]  # fmt: skip
