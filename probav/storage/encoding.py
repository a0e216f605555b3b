"""How files that registered arrays refer to store their pixels: as Zarr writes it down, and decoded here."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numcodecs
import numcodecs.zstd
import numpy as np
import zarr
from numpy.typing import NDArray

from probav.errors import SourceError
from probav.storage.layout import stored_info


@dataclass(frozen=True)
class Encoding:
    """How a variable is stored: what all files that one array refers to have in common.

    Attributes
    ----------
    dtype : str
    chunks : (int, int)
        Rows and columns.
    codecs : tuple of str
        Byte order ("little", "big"), then "shuffle", "zlib" and "zstd" in the order they were applied.
    """

    dtype: str
    chunks: tuple[int, int]
    codecs: tuple[str, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of a chunk, decoded."""
        return self.chunks[0] * self.chunks[1] * np.dtype(self.dtype).itemsize

    def zarr_codecs(self) -> dict[str, Any]:
        """Return what `zarr.Group.create_array` takes as this encoding."""
        from zarr.codecs import BytesCodec, ZstdCodec
        from zarr.codecs.numcodecs import Shuffle, Zlib

        known: dict[str, Callable[[], Any]] = {
            "shuffle": lambda: Shuffle(elementsize=np.dtype(self.dtype).itemsize),
            "zlib": Zlib,
            "zstd": ZstdCodec,
        }
        order, *rest = self.codecs
        return {"serializer": BytesCodec(endian=order), "compressors": [known[name]() for name in rest]}

    def decode(self, data: bytes) -> NDArray[Any]:
        """Return the pixels of a chunk: (rows, columns), not to be written to.

        Raises
        ------
        SourceError
            If it is damaged, or not of the length of a chunk.
        """
        order, *rest = self.codecs
        dtype = np.dtype(self.dtype).newbyteorder("<" if order == "little" else ">")
        try:
            for name in reversed(rest):
                if name == "zlib":
                    data = zlib.decompressobj().decompress(data, self.nbytes + 1)
                elif name == "zstd":
                    data = numcodecs.zstd.decompress(data, bytearray(self.nbytes))  # no more than that
                else:
                    data = numcodecs.Shuffle(dtype.itemsize).decode(data)
        except (RuntimeError, ValueError, zlib.error) as error:
            raise SourceError(f"a chunk is damaged: {error}") from error
        if memoryview(data).nbytes != self.nbytes:
            raise SourceError(
                f"a chunk has {memoryview(data).nbytes} bytes where {self.nbytes} are expected (a last strip "
                "of fewer rows?)"
            )
        return np.frombuffer(data, dtype).reshape(self.chunks)


def stored_encodings(group: zarr.Group) -> dict[str, Encoding]:
    """Return the encoding of each variable of a registered product's group; {} for any other product."""
    return {
        name: Encoding(item["dtype"], tuple(item["chunks"]), tuple(item["codecs"]))
        for name, item in stored_info(group).get("registered", {}).items()
    }
