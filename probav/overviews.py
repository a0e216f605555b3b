"""Decimated copies of a product's pixels, so that much of an archive is seen without reading all of it.

An overview of level n has pixels of 2^n x 2^n of the product's, in stored numbers: means of those that hold a
value and pass the mask; of classes and flags what most have. It is made in square pages, of all the dates
that lie in one chunk (whose decoding is most of the work), each from the four below it. Pages are kept in
$PROBAV_OVERVIEWS, which users may share, or the user's cache folder, under what they were made of: an
appended date, or another snapshot, leaves those of other dates good. They are made when asked for, or
beforehand by `probav archive overviews`.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
import shapely
from numpy.typing import NDArray

from probav import storage
from probav.archive import Archive, Product, Progress
from probav.caches import ByteCache, cache_budget
from probav.chunkwise import ChunkwiseReader
from probav.decimation import halve
from probav.errors import BudgetError
from probav.execution.local import threads
from probav.kept_files import KeptFiles, room_of
from probav.masks import parse_mask

PAGE = 280  # pixels a side, as a chunk's
_DIRECT = 2  # levels up to this one are made from pixels, and not kept on the disk
_FORMAT = 1
_PAGES = ByteCache(lambda: cache_budget() // 2)
# two who need the same page make it once; a page waits for those of lower levels only
_locks = [[threading.Lock() for _ in range(16)] for _ in range(32)]


@dataclass(frozen=True)
class _Page:
    """Stored numbers of some dates, and which hold a value: a bit each."""

    dn: NDArray[Any]
    keep: NDArray[np.uint8]

    @property
    def size(self) -> int:
        return self.dn.nbytes + self.keep.nbytes

    def at(self, date: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        return self.dn[date], np.unpackbits(self.keep[date], axis=-1, count=self.dn.shape[-1]).view(bool)

    def whole(self) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        return self.dn, np.unpackbits(self.keep, axis=-1, count=self.dn.shape[-1]).view(bool)


class Overviews:
    """The overviews of one variable of a product, under one mask.

    Parameters
    ----------
    archive : Archive
    product : Product
        One of the archive's.
    variable : str
    mask : str, optional
        Which pixels count; see `probav.masks`.
    budget : int, optional
        Bytes of pixels, decoded, that may be read for one answer; any number if not given.

    Raises
    ------
    MaskError, UnknownNameError
        If the mask can't be understood.
    """

    def __init__(
        self, archive: Archive, product: Product, variable: str, mask: str | None = None,
        *, budget: int | None = None,
    ) -> None:  # fmt: skip
        self.product = product
        self.variable = product.variables[variable]
        self._mask = None if mask is None else parse_mask(mask, product, archive)
        self._reader = ChunkwiseReader(product, archive, self._mask)
        self._others = [archive[layer.product] for layer in self._mask.layers] if self._mask else []
        self._budget = budget
        self._depth = int(product.array(variable).chunks[0])
        self._inverse = np.argsort(product.positions)
        self._files = _folders()
        self._held = product.held
        shapely.prepare(self._held)

    @cached_property
    def levels(self) -> int:
        """The level at which all that is held fits a page."""
        left, top, right, bottom = self._held.bounds if not self._held.is_empty else (0, 0, 1, 1)
        return max(0, math.ceil(math.log2(max(right - left, bottom - top, 1) / PAGE)))

    def read(
        self, date: int, level: int, rows: slice, columns: slice
    ) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Return an overview of a window.

        Parameters
        ----------
        date : int
            Position in `product.times`.
        level : int
            0 for the pixels themselves.
        rows, columns : slice
            Of the overview, whose first pixel covers the first ones of the product's grid.

        Returns
        -------
        (rows, columns) of the variable's type, and bool: where it holds a value

        Raises
        ------
        BudgetError
            If more had to be read for it than `budget`.
        """
        if level <= _DIRECT:  # of this date alone: to halve all that are decoded takes longer than to decode
            under = _times(rows, 1 << level), _times(columns, 1 << level)
            self._check(self._stored_bytes(*under), level)
            dn, keep = self._halved(np.array([date]), level, *under)
            return dn[0], keep[0]
        stored = int(self.product.positions[date])
        block, within = stored // self._depth, stored % self._depth
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        out, kept = np.zeros(shape, self.variable.dtype), np.zeros(shape, bool)
        pages = [
            (i, j)
            for i in range(rows.start // PAGE, -(-rows.stop // PAGE))
            for j in range(columns.start // PAGE, -(-columns.stop // PAGE))
            if self._holds(level, i, j)
        ]
        self._check(sum(self._missing(block, level, *at) for at in pages), level)
        for i, j in pages:
            dn, keep = self._page(block, level, i, j).at(within)
            y = slice(max(rows.start, i * PAGE), min(rows.stop, (i + 1) * PAGE))
            x = slice(max(columns.start, j * PAGE), min(columns.stop, (j + 1) * PAGE))
            here = (_moved(y, rows.start), _moved(x, columns.start))
            there = (_moved(y, i * PAGE), _moved(x, j * PAGE))
            out[here], kept[here] = dn[there], keep[there]
        return out, kept

    def make(self, dates: NDArray[np.intp], progress: Progress | None = None) -> None:
        """Make and keep the overviews of some dates, with those that lie in the same chunks.

        Parameters
        ----------
        dates : (t,) int
            Positions in `product.times`.
        progress : callable, optional
            Called with pages of the finest level done, in all, and bytes of pixels decoded.
        """
        finest = _DIRECT + 1
        side = PAGE << finest
        places = [
            (i, j)
            for i in range(-(-self.product.grid.height // side))
            for j in range(-(-self.product.grid.width // side))
            if self._holds(finest, i, j)
        ]
        blocks = np.unique(self.product.positions[dates] // self._depth).tolist()
        done, read = 0, 0
        with ThreadPoolExecutor(threads()) as pool:
            for block in blocks:
                missing = [self._missing(block, finest, *place) for place in places]
                pages = pool.map(lambda place, block=block: self._page(block, finest, *place), places)
                for _, size in zip(pages, missing, strict=True):
                    done, read = done + 1, read + size
                    if progress is not None:
                        progress(done, len(blocks) * len(places), read)
                for level in range(finest + 1, self.levels + 1):  # small: from what is in memory
                    for i, j in sorted({(i >> level - finest, j >> level - finest) for i, j in places}):
                        self._page(block, level, i, j)

    def _page(self, block: int, level: int, i: int, j: int) -> _Page:
        """Return a page: from memory, the disk, or made."""
        key = self._key(block, level, i, j)
        return _PAGES.get(key, lambda: self._from_disk(key, block, level, i, j), lambda page: page.size)

    def _from_disk(self, key: str, block: int, level: int, i: int, j: int) -> _Page:
        with _locks[level][int(key[:8], 16) % 16]:
            for files in self._files:
                if (data := files.get(key)) is not None and (page := self._unpacked(data, block)):
                    return page
            page = self._made(block, level, i, j)
            if (kept := self._writable()) is not None:
                kept.put(key, page.dn.tobytes() + page.keep.tobytes())
            return page

    def _writable(self) -> KeptFiles | None:
        return next((files for files in self._files if files.is_writable), None)

    @property
    def folder(self) -> Path | None:
        """Where overviews are kept that are made now; None for nowhere."""
        kept = self._writable()
        return None if kept is None else kept.folder

    def _unpacked(self, data: bytes, block: int) -> _Page | None:
        shape = (len(self._dates(block)), PAGE, PAGE)
        dtype = np.dtype(self.variable.dtype)
        cut = math.prod(shape) * dtype.itemsize
        if len(data) != cut + math.prod(shape) // 8:
            return None
        dn = np.frombuffer(data, dtype, math.prod(shape)).reshape(shape)
        return _Page(dn, np.frombuffer(data, np.uint8, offset=cut).reshape(*shape[:2], PAGE // 8))

    def _made(self, block: int, level: int, i: int, j: int) -> _Page:
        dates = self._dates(block)
        if level <= _DIRECT:
            side = PAGE << level
            under = slice(i * side, (i + 1) * side), slice(j * side, (j + 1) * side)
            dn, keep = self._halved(dates, level, *under)
            return _Page(dn, np.packbits(keep, axis=-1))
        mean = self.variable.kind == "continuous"
        out = np.zeros((len(dates), PAGE, PAGE), self.variable.dtype)
        kept = np.zeros(out.shape, bool)
        half = PAGE // 2
        for down in range(2):
            for right in range(2):
                at = (2 * i + down, 2 * j + right)
                if not self._holds(level - 1, *at):
                    continue
                # pages of pixels are many, each used once here: they'd drive everything else out of memory
                find = self._page if level - 1 > _DIRECT else self._made
                dn, keep = find(block, level - 1, *at).whole()
                here = (slice(None), _half(down, half), _half(right, half))
                out[here], kept[here] = halve(dn, keep, mean)
        return _Page(out, np.packbits(kept, axis=-1))

    def _halved(self, dates: NDArray[np.intp], level: int, rows: slice, columns: slice) -> tuple[Any, Any]:
        """Return the overview of a window of pixels, which hold no value beyond the grid."""
        grid = self.product.grid
        held = (
            slice(rows.start, min(rows.stop, grid.height)),
            slice(columns.start, min(columns.stop, grid.width)),
        )
        dn, keep = self._pixels(dates, *held)
        edge = ((0, 0), (0, rows.stop - held[0].stop), (0, columns.stop - held[1].stop))
        if any(after for _, after in edge):
            dn, keep = np.pad(dn, edge), np.pad(keep, edge)
        for _ in range(level):
            dn, keep = halve(dn, keep, self.variable.kind == "continuous")
        return dn, keep

    def _pixels(self, dates: NDArray[np.intp], rows: slice, columns: slice) -> tuple[Any, Any]:
        dn, passes = self._reader.read(self.variable.name, dates, rows, columns)
        keep = self.variable.is_valid(dn)
        if self.variable.nodata is None:  # flags: of pixels that were never written they say nothing
            keep &= self._taken(rows, columns)
        return dn, keep if passes is None else keep & passes

    def _taken(self, rows: slice, columns: slice) -> NDArray[np.bool_]:
        """Return which pixels lie in what was taken in."""
        inside = np.zeros((rows.stop - rows.start, columns.stop - columns.start), bool)
        for window in storage.stored_info(self.product.group)["tiles"]:
            top, left = window["row"] - rows.start, window["column"] - columns.start
            bottom, right = max(top + window["height"], 0), max(left + window["width"], 0)
            inside[max(top, 0) : bottom, max(left, 0) : right] = True
        return inside

    def _dates(self, block: int) -> NDArray[np.intp]:
        """Return the positions in `product.times` of the dates that lie in a chunk, as they are stored."""
        found: NDArray[np.intp] = self._inverse[block * self._depth : (block + 1) * self._depth]
        return found

    def _holds(self, level: int, i: int, j: int) -> bool:
        """Return whether anything was taken in beneath a page."""
        side = PAGE << level
        inner = shapely.box(j * side + 0.5, i * side + 0.5, (j + 1) * side - 0.5, (i + 1) * side - 0.5)
        return bool(shapely.intersects(self._held, inner))

    def _missing(self, block: int, level: int, i: int, j: int) -> int:
        """Return the bytes that must be decoded to make a page."""
        key = self._key(block, level, i, j)
        if key in _PAGES or any(files.has(key) for files in self._files):
            return 0
        if level <= _DIRECT + 1:
            side = PAGE << level
            return self._stored_bytes(slice(i * side, (i + 1) * side), slice(j * side, (j + 1) * side))
        below = [(2 * i + down, 2 * j + right) for down in range(2) for right in range(2)]
        return sum(self._missing(block, level - 1, *at) for at in below if self._holds(level - 1, *at))

    def _stored_bytes(self, rows: slice, columns: slice) -> int:
        """Return the bytes of the chunks beneath a window, decoded: of all layers that the mask needs."""
        _, height, width = self.product.array(self.variable.name).chunks
        grown = shapely.box(
            columns.start // width * width, rows.start // height * height,
            -(-columns.stop // width) * width, -(-rows.stop // height) * height,
        )  # fmt: skip
        layers = 1 + (len(self._mask.layers) if self._mask else 0)
        area = shapely.area(shapely.intersection(self._held, grown))
        return int(area) * self._depth * np.dtype(self.variable.dtype).itemsize * layers

    def _check(self, needed: int, level: int) -> None:
        if self._budget is not None and needed > self._budget:
            raise BudgetError(
                f"An overview of {self.variable.name} of {self.product.id} at 1:{1 << level} needs "
                f"{needed / 1e9:.1f} GB of pixels, more than the {self._budget / 1e9:.1f} GB that may be "
                "read for it at once. Look closer, or make overviews beforehand: `probav archive overviews`."
            )

    def _key(self, block: int, level: int, i: int, j: int) -> str:
        return hashlib.sha256(f"{self._state(block)}/{level}/{i}/{j}".encode()).hexdigest()

    def _state(self, block: int) -> str:
        """Return a digest of all that the pages of a block are made of."""
        if block not in self._states:
            dates = self._dates(block)
            rows = slice(block * self._depth, block * self._depth + len(dates))
            variable, grid = self.variable, self.product.grid
            parts: list[Any] = [
                _FORMAT, self.product.id, str(grid), variable.name, variable.dtype, variable.nodata,
                variable.valid, variable.kind, variable.scale, variable.offset, self._depth,
                None if self._mask is None else self._mask.text,
                self.product.times[dates].astype(int).tolist(),
                _sources(self.product, rows), *(_sources(other, slice(None)) for other in self._others),
            ]  # fmt: skip
            self._states[block] = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
        return self._states[block]

    @cached_property
    def _states(self) -> dict[int, str]:
        return {}


def _folders() -> list[KeptFiles]:
    """Return where overviews are kept: what users share, and this user's own."""
    room = room_of("PROBAV_OVERVIEWS_BYTES", 4 << 30)
    own = [KeptFiles(platformdirs.user_cache_path("probav") / "overviews", room)]
    shared = os.environ.get("PROBAV_OVERVIEWS")
    return [KeptFiles(Path(shared), room, private=False), *own] if shared else own


def _sources(product: Product, dates: slice) -> str:
    """Return a digest of what some stored dates of a product hold; of its snapshot where that isn't noted."""
    whole = hashlib.sha256()
    for name in ("source_rank", "source_digest", "content_digest"):
        if name not in product.group:
            return product.store.snapshot
        whole.update(np.ascontiguousarray(storage.array_of(product.group, name)[dates]).tobytes())
    return whole.hexdigest()


def _moved(part: slice, by: int) -> slice:
    return slice(part.start - by, part.stop - by)


def _times(part: slice, by: int) -> slice:
    return slice(part.start * by, part.stop * by)


def _half(second: int, half: int) -> slice:
    return slice(second * half, (second + 1) * half)
