"""The store under an archive: an Icechunk repository of Zarr arrays, which xarray alone can read.

One group a product. Nothing else of the package knows of Icechunk.
"""

import atexit
import os

os.environ.setdefault("ICECHUNK_LOG", "error")  # its warning on local disks is what our lock answers

from probav.storage.creation import create
from probav.storage.distributed import Fork, commit_distributed
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
from probav.storage.leaving import wait
from probav.storage.location import default_url, demo_path, local_path
from probav.storage.repository import Store, exists
from probav.storage.snapshots import (
    Collected,
    Snapshot,
    add_tag,
    ancestry,
    collect,
    expire,
    remove_tag,
    tags,
)
from probav.storage.transaction import commit, writing

__all__ = [
    "PIXEL_CHUNK", "TIME_CHUNK", "Collected", "Fork", "Snapshot", "Store", "add_tag", "add_window",
    "ancestry", "append_times", "array_of", "collect", "commit", "commit_distributed", "content_digest",
    "create", "create_group", "create_variable", "default_url", "demo_path", "exists", "expire",
    "is_product", "is_registered", "local_path", "remove_tag", "stored_definition",
    "stored_grid", "stored_info", "stored_times", "stored_variable", "tags", "variables_of", "window_key",
    "writing",
]  # fmt: skip

atexit.register(wait)
