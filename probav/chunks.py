"""The read path: chunk bytes decoded into arrays that are used again, without the array layer in between."""

from __future__ import annotations

import asyncio
import math
import threading
from typing import Any

import numpy as np
from numcodecs import zstd
from numpy.typing import NDArray
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync

from probav import metering
from probav.archive import Product
from probav.errors import ArchiveError, LostChunkError, SourceError
from probav.masks import Layer
from probav.storage.encoding import stored_encodings
from probav.storage.locations import Key, Place, UnknownPlaceError

_buffers = threading.local()


def buffer(name: str, size: int) -> memoryview:
    """Return a buffer of at least `size` bytes that this thread uses again under this name.

    Fresh memory costs a page fault every 4 kB, which is more than decoding into it.
    """
    found: memoryview | None = getattr(_buffers, name, None)
    if found is None or len(found) < size:
        found = memoryview(bytearray(size + size // 4))
        setattr(_buffers, name, found)
    return found


class ChunkReader:
    """Reads whole chunks of one variable.

    Parameters
    ----------
    product : Product
    variable : str
    """

    def __init__(self, product: Product, variable: str) -> None:
        self.layer = Layer(product.id, variable)
        self.variable = product.variables[variable]
        self._array = product.array(variable)
        self._url = product.store.url
        self._store = product.store.zarr_store
        self._places = product.store.places
        self.shape: tuple[int, int, int] = self._array.chunks
        # registered files; anything else that `storage` didn't write goes through the array layer
        self._encoding = stored_encodings(product.group).get(variable)
        codecs = [type(codec).__name__ for codec in self._array.metadata.codecs]
        self._plain = codecs == ["BytesCodec", "ZstdCodec"] and np.little_endian and self._encoding is None

    def fetch(self, keys: list[Key]) -> tuple[list[Any], int]:
        """Return what `decode` takes for chunks (time, row, column), and their stored bytes in all."""
        if not self._plain and self._encoding is None:
            return list(keys), 0
        places = self._find(keys)
        if places is not None:
            return list(places), metering.read(sum(place.length for place in places if place is not None))
        prototype = default_buffer_prototype()

        async def all_of_them() -> list[Any]:
            return await asyncio.gather(*(self._store.get(self._name(key), prototype) for key in keys))

        found = sync(all_of_them())
        return found, metering.read(sum(len(item) for item in found if item is not None))

    def _find(self, keys: list[Key]) -> list[Place | None] | None:
        if not self._plain:
            return None
        try:
            return [self._places.find(self._array.path, key) for key in keys]
        except UnknownPlaceError:
            return None

    def _name(self, key: Key) -> str:
        return f"{self._array.path}/{self._array.metadata.encode_chunk_key(key)}"

    def keys(self, positions: NDArray[np.intp], rows: slice, columns: slice) -> list[Key]:
        """Return the chunks that hold stored dates of a window of the grid."""
        times, height, width = self.shape
        return [
            (int(time), row, column)
            for time in np.unique(positions // times)
            for row in range(rows.start // height, -(-rows.stop // height))
            for column in range(columns.start // width, -(-columns.stop // width))
        ]

    def sizes(self, keys: list[Key]) -> int:
        """Return the sum of the stored bytes of chunks, which are not read."""
        places = self._find(keys)
        if places is not None:
            return sum(place.length for place in places if place is not None)

        async def all_of_them() -> list[int]:
            return await asyncio.gather(*(self._size(self._name(key)) for key in keys))

        return sum(sync(all_of_them()))

    async def _size(self, name: str) -> int:
        return await self._store.getsize(name) if await self._store.exists(name) else 0

    def decode(self, item: Any, out: NDArray[Any]) -> None:
        """Decode what `fetch` returned for a chunk into `out` (time, y, x), filled where there is none.

        Raises
        ------
        ArchiveError
            If the chunk is damaged.
        LostChunkError
            If it can't be read.
        """
        if item is None:
            out[...] = self.variable.unwritten
        elif self._plain:
            try:
                zstd.decompress(self._bytes(item), out)
            except (RuntimeError, ValueError) as error:  # its checksum, or its length, is wrong
                raise ArchiveError(
                    f"A chunk of {self.layer.variable} of {self.layer.product} in {self._url} is damaged "
                    f"({error}). `probav archive verify` lists what is; restore it, or take it in again."
                ) from error
        elif self._encoding is not None:
            try:
                out[0] = self._encoding.decode(item.to_bytes())
            except SourceError as error:
                raise ArchiveError(f"{self.layer.variable} of {self.layer.product}: {error}") from error
        else:
            start = [index * size for index, size in zip(item, self.shape, strict=True)]
            part = self._array[
                tuple(slice(first, first + size) for first, size in zip(start, self.shape, strict=True))
            ]
            out[...] = self.variable.unwritten
            out[tuple(slice(0, length) for length in part.shape)] = part

    def _bytes(self, item: Any) -> Any:
        if not isinstance(item, Place):
            return item.as_numpy_array()
        try:
            return item.read(buffer("stored", item.length))
        except OSError as error:
            raise LostChunkError(
                f"Can't read a chunk of {self.layer.variable} of {self.layer.product} in {self._url}: "
                f"{error}. If its snapshot has expired, open the archive again."
            ) from error

    def window(self, position: int, rows: slice, columns: slice) -> NDArray[Any]:
        """Return one stored date of a window of the grid: (rows, columns).

        Raises
        ------
        ArchiveError
            If a chunk is damaged or lost.
        """
        times, height, width = self.shape
        found = np.empty((rows.stop - rows.start, columns.stop - columns.start), self.variable.dtype)
        blocks = [
            (row, column)
            for row in range(rows.start // height, -(-rows.stop // height))
            for column in range(columns.start // width, -(-columns.stop // width))
        ]
        items, _ = self.fetch([(position // times, *block) for block in blocks])
        decoded = self.array("window")
        for (row, column), item in zip(blocks, items, strict=True):
            self.decode(item, decoded)
            top, left = row * height, column * width
            y = slice(max(rows.start, top), min(rows.stop, top + height))
            x = slice(max(columns.start, left), min(columns.stop, left + width))
            piece = decoded[position % times, y.start - top : y.stop - top, x.start - left : x.stop - left]
            found[
                y.start - rows.start : y.stop - rows.start, x.start - columns.start : x.stop - columns.start
            ] = piece
        return found

    def array(self, name: str = "decoded") -> NDArray[Any]:
        """Return an array that `decode` can fill: this thread's own, used again under this name."""
        dtype = np.dtype(self.variable.dtype)
        count = math.prod(self.shape)
        taken = buffer(name, count * dtype.itemsize)[: count * dtype.itemsize]
        return np.frombuffer(taken, dtype).reshape(self.shape)

    def empty(self) -> NDArray[Any]:
        """Return a new array that `decode` can fill."""
        return np.empty(self.shape, self.variable.dtype)
