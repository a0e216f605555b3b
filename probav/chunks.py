"""The read path: chunk bytes from the store, decoded into arrays without the array layer in between."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
from numcodecs import zstd
from numpy.typing import NDArray
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync

from probav.archive import Product
from probav.errors import ArchiveError, SourceError
from probav.masks import Layer
from probav.storage.encoding import stored_encodings


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
        self.shape: tuple[int, int, int] = self._array.chunks
        # registered files; anything else that `storage` didn't write goes through the array layer
        self._encoding = stored_encodings(product.group).get(variable)
        codecs = [type(codec).__name__ for codec in self._array.metadata.codecs]
        self._plain = codecs == ["BytesCodec", "ZstdCodec"] and np.little_endian and self._encoding is None

    def fetch(self, keys: list[tuple[int, int, int]]) -> tuple[list[Any], int]:
        """Return the stored bytes of chunks (time, row, column), None where there is none, and their sum."""
        if not self._plain and self._encoding is None:
            return keys, 0
        prototype = default_buffer_prototype()

        async def all_of_them() -> list[Any]:
            names = (f"{self._array.path}/{self._array.metadata.encode_chunk_key(key)}" for key in keys)
            return await asyncio.gather(*(self._store.get(name, prototype) for name in names))

        found = sync(all_of_them())
        return found, sum(len(item) for item in found if item is not None)

    def sizes(self, keys: list[tuple[int, int, int]]) -> int:
        """Return the sum of the stored bytes of chunks, which are not read."""

        async def all_of_them() -> list[int]:
            names = (f"{self._array.path}/{self._array.metadata.encode_chunk_key(key)}" for key in keys)
            return await asyncio.gather(*(self._size(name) for name in names))

        return sum(sync(all_of_them()))

    async def _size(self, name: str) -> int:
        return await self._store.getsize(name) if await self._store.exists(name) else 0

    def decode(self, item: Any, out: NDArray[Any]) -> None:
        """Decode what `fetch` returned for a chunk into `out` (time, y, x), filled where there is none."""
        if item is None:
            out[...] = self.variable.unwritten
        elif self._plain:
            try:
                zstd.decompress(item.as_numpy_array(), out)
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

    def empty(self) -> NDArray[Any]:
        """Return an array that `decode` can fill."""
        return np.empty(self.shape, self.variable.dtype)
