"""Original files that registered arrays refer to: from which folders they are read, and that none changed.

Icechunk reads virtual chunks only from folders that the archive lists and the reader authorises, and compares
whole seconds of a file's time. Here its exact time and its size are compared as well, at every read.
"""

from __future__ import annotations

import datetime
import itertools
import json
import os
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import zarr
from zarr.api import asynchronous
from zarr.core.sync import sync
from zarr.storage import WrapperStore

from probav.errors import ArchiveError, SourceError
from probav.storage.location import first_line, icechunk_storage, local_path
from probav.storage.lock import lock

_GROUP = "originals"  # in a registered product's group: a JSON text for each date and window
_BYTES = 1 << 14
_DATES = 16  # of a chunk, and read at once
_CHUNK_KEY = 3  # numbers in the key of a chunk of (time, y, x)

Original = tuple[str, int, int]
"""Path, size in bytes and time of last change in nanoseconds."""

# what Zarr says of the codecs that HDF5 and TIFF files were written with; it changes nothing for a reader
warnings.filterwarnings("ignore", message="Numcodecs codecs are not in the Zarr version 3 specification")


def describe(path: Path) -> Original:
    """Return what a file is known by."""
    found = path.stat()
    return str(path), found.st_size, found.st_mtime_ns


def difference(original: Original) -> str | None:
    """Return how a file differs from what was registered; None if it doesn't."""
    path, size, changed = original
    try:
        found = os.stat(path)
    except OSError as error:
        return f"{path} can't be read any more ({error.strerror})"
    if (found.st_size, found.st_mtime_ns) == (size, changed):
        return None
    return f"{path} changed since it was registered"


def folder_url(folder: Path) -> str:
    """Return the URL under which Icechunk reads a folder.

    Raises
    ------
    SourceError
        If the name has letters that Icechunk (1.1 and 2.3) doesn't find again in its list of folders.
    """
    if folder.as_uri() != f"file://{folder}":
        raise SourceError(
            f"{folder} has letters in its name that can't be registered; use a symbolic link to it with a "
            "plain name (letters, digits, '-', '_', '.')"
        )
    return f"file://{folder}/"


def allow(url: str, folders: Iterable[Path]) -> None:
    """Add folders to those that the archive at `url` reads original files from.

    Raises
    ------
    ArchiveError
        If the archive can't be written, or is on an object store.
    """
    if local_path(url) is None:
        raise ArchiveError(f"{url} is no local archive; files of this machine can't be registered there.")
    where = icechunk_storage(url)
    with lock(url):
        try:
            config = icechunk.Repository.fetch_config(where) or icechunk.RepositoryConfig.default()
            known = config.virtual_chunk_containers or {}
            added = 0
            for folder in sorted(set(folders)):
                prefix = folder_url(folder)
                if not any(prefix.startswith(held) for held in known):
                    store = icechunk.local_filesystem_store(str(folder))
                    config.set_virtual_chunk_container(icechunk.VirtualChunkContainer(prefix, store))
                    added += 1
            if added:
                icechunk.Repository.open(where, config=config).save_config()
        except icechunk.IcechunkError as error:
            raise ArchiveError(f"Can't write to the archive {url}: {first_line(error)}") from error


def authorized(url: str, where: Any) -> Any:
    """Return the folders of an archive's original files, for Icechunk; only a local archive may have any."""
    if local_path(url) is None:
        return None
    config = icechunk.Repository.fetch_config(where)
    access = getattr(icechunk.credentials, "LocalFileSystemAccess", None)  # Icechunk 1 has no word for it
    return dict.fromkeys((config and config.virtual_chunk_containers) or {}, access)


def refer(
    array: Any, corner: tuple[int, int, int], chunks: list[tuple[int, int, int, int]], original: Original
) -> None:
    """Point chunks of an array into a file.

    Parameters
    ----------
    array : zarr.Array
    corner : (int, int, int)
        Key (time, row, column) of the file's first chunk.
    chunks : list of (row, column, offset, length)
    original : Original
    """
    path, _, nanoseconds = original
    # Icechunk compares whole seconds; CheckedStore does it exactly
    changed = datetime.datetime.fromtimestamp(-(-nanoseconds // 10**9), datetime.UTC)
    location = Path(path).as_uri()
    time, top, left = corner
    specs = [
        icechunk.VirtualChunkSpec([time, top + row, left + column], location, offset, length, None, changed)
        for row, column, offset, length in chunks
    ]
    refused = array.store.set_virtual_refs(f"/{array.path}", specs, validate_containers=True)
    assert not refused, f"{location} is in no folder that the archive may read"


def forget(array: Any, corner: tuple[int, int, int], rows: int, columns: int) -> None:
    """Take the references of rows x columns chunks away."""
    time, top, left = corner
    for row, column in itertools.product(range(rows), range(columns)):
        key = array.metadata.encode_chunk_key((time, top + row, left + column))
        sync(array.store.delete(f"{array.path}/{key}"))


def keep(group: zarr.Group, position: int, tile: int, files: Mapping[str, Original]) -> None:
    """Note the original of each variable at a date and window of a product's group.

    Raises
    ------
    SourceError
        If their paths are too long.
    """
    text = json.dumps(files).encode()
    if len(text) > _BYTES:
        raise SourceError(f"its paths are too long to be kept: {len(text)} bytes, {_BYTES} at most")
    if _GROUP not in group:
        group.create_group(_GROUP).create_array(
            "files", shape=(0, 0, _BYTES), chunks=(_DATES, 1, _BYTES), dtype="uint8", fill_value=0,
            dimension_names=("time", "tile", "byte"),
        )  # fmt: skip
    array: Any = group[f"{_GROUP}/files"]
    shape = max(array.shape[0], position + 1), max(array.shape[1], tile + 1), _BYTES
    if shape != array.shape:
        array.resize(shape)
    array[position, tile] = np.frombuffer(text.ljust(_BYTES, b"\0"), "uint8")


def kept(group: zarr.Group, position: int, tile: int) -> dict[str, Original]:
    """Return the original of each variable at a date and window of a product's group."""
    array: Any = group[f"{_GROUP}/files"]
    return _parse(array[position, tile]) if position < array.shape[0] and tile < array.shape[1] else {}


def _parse(row: Any) -> dict[str, Original]:
    text = np.asarray(row).tobytes().rstrip(b"\0")
    return {name: (path, size, changed) for name, (path, size, changed) in json.loads(text or "{}").items()}


class CheckedStore(WrapperStore[Any]):
    """A store whose failures are ArchiveErrors, and that reads no original which isn't the registered one."""

    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self._products: dict[str, Any] = {}  # name -> None, or windows and the array of originals
        self._chunks: dict[str, tuple[int, ...]] = {}
        self._files: dict[tuple[str, int, int], dict[str, Original]] = {}

    async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
        """Return the bytes of a key.

        Raises
        ------
        ArchiveError
            If they can't be read, or the original they lie in is not what was registered.
        """
        path = None
        array, _, numbers = key.partition("/c/")
        if numbers.count("/") == _CHUNK_KEY - 1 and array.count("/") == 1:
            product, variable = array.split("/")
            position, row, column = map(int, numbers.split("/"))
            path = await self._check(product, variable, position, row, column)
        try:
            return await self._store.get(key, prototype, byte_range)
        except icechunk.IcechunkError as error:
            where = f"{path}, for {key}" if path else f"{key} of the archive"
            remedy = "" if path else ". If its snapshot has expired, open the archive again"
            raise ArchiveError(f"Can't read {where}: {first_line(error)}{remedy}.") from error

    async def _check(self, product: str, variable: str, position: int, top: int, left: int) -> str | None:
        """Return the original that a chunk lies in; raise ArchiveError if it changed."""
        if product not in self._products:
            self._products[product] = await self._look_up(product)
        if self._products[product] is None:
            return None
        windows, array = self._products[product]
        name = f"{product}/{variable}"
        if name not in self._chunks:
            self._chunks[name] = (await asynchronous.open_array(store=self._store, path=name)).chunks
        y, x = top * self._chunks[name][1], left * self._chunks[name][2]
        for tile, (row, column, height, width) in enumerate(windows):
            if row <= y < row + height and column <= x < column + width:
                if (product, position, tile) not in self._files:
                    start = position - position % _DATES
                    rows = await array.getitem((slice(start, start + _DATES), slice(tile, tile + 1)))
                    for index, text in enumerate(np.asarray(rows)):
                        self._files[product, start + index, tile] = _parse(text)
                files = self._files.get((product, position, tile), {})
                if variable not in files:
                    continue
                if changed := difference(files[variable]):
                    raise ArchiveError(
                        f"{changed} in {product}; register it again (`probav archive register`), or put the "
                        "registered file back."
                    )
                return files[variable][0]
        return None

    async def _look_up(self, product: str) -> Any:
        group = await asynchronous.open_group(store=self._store, path=product, mode="r")
        info: Any = group.attrs.get("probav") or {}
        if not info.get("registered"):
            return None
        windows = [(t["row"], t["column"], t["height"], t["width"]) for t in info["tiles"]]
        return windows, await asynchronous.open_array(store=self._store, path=f"{product}/{_GROUP}/files")
