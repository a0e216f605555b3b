"""Cloud cover of items: counted once, and kept by the content of the source it was counted in.

A source's digest says what was counted, so the values hold for every snapshot, and for every archive that
took the same source in.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
from numpy.typing import NDArray

from probav.archive import Product, Progress
from probav.catalogue.table import ItemTable, Window
from probav.chunks import ChunkReader
from probav.errors import ArchiveError
from probav.execution.local import threads
from probav.products import Flag

MASK = "cloud"  # the name of the mask language that is counted
NONE_HELD = np.float32(np.inf)  # counted, but no pixel was ever written


def folder() -> Path:
    """Return where cloud cover is kept: $PROBAV_CATALOGUE, else this user's cache."""
    given = os.environ.get("PROBAV_CATALOGUE")
    return Path(given) if given else platformdirs.user_cache_path("probav") / "catalogue"


def has_clouds(product: Product) -> bool:
    """Return whether a product has a cloud mask, and the archive its layer."""
    flag = product.definition.masks.get(MASK)
    return flag is not None and flag.variable in product.variables


def known(product: Product, items: ItemTable) -> ItemTable:
    """Return the items with the cloud cover that was counted before."""
    if not has_clouds(product):
        return items
    digests, percents = _read(_path(product))
    if not len(digests):
        return items
    place = np.minimum(np.searchsorted(digests, items.digest), len(digests) - 1)
    return items.with_cloud(np.where(digests[place] == items.digest, percents[place], np.float32(np.nan)))


def counted(product: Product, items: ItemTable, progress: Progress | None = None) -> ItemTable:
    """Return the items with their cloud cover, counted where it isn't known yet, and keep it.

    Parameters
    ----------
    product : Product
    items : ItemTable
        Of this product.
    progress : callable, optional
        Called with items done, items in all and bytes read.

    Raises
    ------
    ArchiveError
        If the cloud cover can't be kept.
    """
    items = known(product, items)
    missing = np.flatnonzero(np.isnan(items.cloud))
    if not has_clouds(product) or not len(missing):
        return items
    cloud = items.cloud.copy()
    positions = product.positions[np.searchsorted(product.times, items.date)]
    reader = ChunkReader(product, product.definition.masks[MASK].variable)
    batch = np.column_stack([items.window, positions // reader.shape[0]])[missing]
    batches, which = np.unique(batch, axis=0, return_inverse=True)
    done = read = 0
    with ThreadPoolExecutor(threads(), thread_name_prefix="probav") as pool:
        for index, (window, chunk) in enumerate(batches.tolist()):
            rows = missing[which == index]
            dates = positions[rows] - chunk * reader.shape[0]
            cloud[rows], size = _percent(pool, product, reader, items.windows[window], chunk, dates)
            done, read = done + len(rows), read + size
            if progress is not None:
                progress(done, len(missing), read)
    _keep(_path(product), items.digest[missing], cloud[missing])
    return items.with_cloud(cloud)


def _percent(
    pool: ThreadPoolExecutor,
    product: Product,
    reader: ChunkReader,
    window: Window,
    chunk: int,
    dates: NDArray[np.intp],
) -> tuple[NDArray[np.float32], int]:
    """Return the cloud cover of a window at some dates of one chunk of time, and the bytes read.

    The share of flagged pixels among those that were ever written.
    """
    flag: Flag = product.definition.masks[MASK]
    _, height, width = reader.shape
    unwritten = reader.variable.unwritten
    bottom, right = window.row + window.grid.height, window.column + window.grid.width

    def count(block: tuple[int, int]) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
        found, size = reader.fetch([(chunk, *block)])
        if found[0] is None:
            return np.zeros(len(dates), np.int64), np.zeros(len(dates), np.int64), 0
        pixels = reader.empty()
        reader.decode(found[0], pixels)
        top, left = block[0] * height, block[1] * width
        part = pixels[
            dates, max(window.row - top, 0) : bottom - top, max(window.column - left, 0) : right - left
        ]
        flagged = flag.is_set(part).sum(axis=(1, 2))
        return flagged, (part != part.dtype.type(unwritten)).sum(axis=(1, 2)), size

    blocks = [
        (row, column)
        for row in range(window.row // height, -(-bottom // height))
        for column in range(window.column // width, -(-right // width))
    ]
    flagged, held, size = (sum(parts) for parts in zip(*pool.map(count, blocks), strict=True))
    percent = np.full(len(dates), NONE_HELD, np.float32)
    np.divide(100 * np.asarray(flagged), held, out=percent, where=np.asarray(held) > 0, casting="unsafe")
    return percent, int(size)


def _path(product: Product) -> Path:
    flag = product.definition.masks[MASK]
    made = hashlib.sha256(repr(flag).encode()).hexdigest()[:12]  # another definition counts anew
    return folder() / f"clouds-{product.id}-{made}.npz"


def _read(path: Path) -> tuple[NDArray[np.bytes_], NDArray[np.float32]]:
    """Return what was kept, sorted by digest; nothing where there is none, or what is there is damaged."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as kept:
            digests, percents = kept["digest"], kept["percent"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return np.empty(0, "S32"), np.empty(0, np.float32)
    fits = digests.dtype == "S32" and percents.dtype == np.float32 and digests.shape == percents.shape
    return (digests, percents) if fits else (np.empty(0, "S32"), np.empty(0, np.float32))


def _keep(path: Path, digests: NDArray[np.bytes_], percents: NDArray[np.float32]) -> None:
    """Add to what is kept: whole, or not at all."""
    old = _read(path)
    joined: Any = np.concatenate([digests, old[0]])
    distinct, first = np.unique(joined, return_index=True)
    values = np.concatenate([percents, old[1]])[first]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".", suffix=".npz", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                np.savez(stream, digest=distinct, percent=values)
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ArchiveError(
            f"Can't keep cloud cover at {path}: {error}; name a folder that can be written with "
            "$PROBAV_CATALOGUE."
        ) from error
