"""Where the chunks of a local archive lie on the disk, so that they can be read without a copy in between.

Icechunk copies each chunk twice on its way to Python and starts a task for it: ten times the cost of reading
the file. Here its manifests are read once, as their published format describes them; what is not understood
(another format version, chunks that lie in other files, object stores) is left to Icechunk.
Source: Icechunk specification, version 1 and 2, "Manifest files"; FlatBuffers, "Internals".
"""

from __future__ import annotations

import base64
import json
import os
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numcodecs import zstd
from numpy.typing import NDArray

from probav.storage.location import local_path

if TYPE_CHECKING:
    from probav.storage.repository import Store

_MAGIC = "ICE🧊CHUNK".encode()
_HEADER = 39  # magic, 24 bytes of writer, then one byte each: version, kind of file, compression
_MANIFEST, _ZSTD = 2, 1
_KEPT = 256  # manifests, of half a megabyte at most
_BITS = (20, 21, 21)  # of a chunk's number along time, y and x
_FROM_BASE32 = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", b"0123456789ABCDEFGHJKMNPQRSTVWXYZ")
Key = tuple[int, int, int]


class UnknownPlaceError(Exception):
    """A chunk's place can't be told here; Icechunk reads it."""


@dataclass(frozen=True)
class Place:
    """The bytes of a chunk: a part of a file, or `inline` itself."""

    path: str
    offset: int
    length: int
    inline: bytes | None = None

    def read(self, into: memoryview) -> memoryview:
        """Read the bytes into a buffer of at least `length` bytes; return the part that was filled.

        Raises
        ------
        OSError
            If the file is gone.
        ValueError
            If it is too short.
        """
        if self.inline is not None:
            return memoryview(self.inline)
        file = os.open(self.path, os.O_RDONLY)
        try:
            found = os.preadv(file, [into[: self.length]], self.offset)
        finally:
            os.close(file)
        if found != self.length:
            raise ValueError(f"{self.path} has {found} bytes at {self.offset}, not {self.length}")
        return into[: self.length]


class Places:
    """Where the chunks of one snapshot of a local archive lie.

    Parameters
    ----------
    store : Store
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._folder = local_path(store.url)
        self._read: OrderedDict[str, Manifest] = OrderedDict()

    @cached_property
    def _manifests(self) -> dict[str, list[tuple[str, list[list[int]]]]]:
        """Name and extents (first, last + 1 of each dimension) of the manifests of each array."""
        told = self._store.repository.inspect_snapshot(self._store.snapshot)
        nodes = (json.loads(told) if isinstance(told, str) else told)["nodes"]  # text in Icechunk 1
        return {
            node["path"].strip("/"): [(ref["id"], ref["extents"]) for ref in node["manifest_refs"]]
            for node in nodes
            if node["node_type"] == "array"
        }

    def find(self, array: str, key: Key) -> Place | None:
        """Return where a chunk lies; None if it was never written.

        Raises
        ------
        UnknownPlaceError
            If it is not to be found this way.
        """
        if self._folder is None:
            raise UnknownPlaceError
        try:
            for name, extents in self._manifests[array]:
                inside = (low <= number < high for number, (low, high) in zip(key, extents, strict=True))
                if all(inside) and (place := self._manifest(self._folder, array, name).find(key)) is not None:
                    return place
        except Exception as error:  # whatever is not as expected: Icechunk itself knows
            raise UnknownPlaceError from error
        return None

    def _manifest(self, folder: Path, array: str, name: str) -> Manifest:
        manifest = self._read.get(name)
        if manifest is None:
            manifest = Manifest(folder, name)
            self._compare(array, manifest)
            self._read[name] = manifest
            while len(self._read) > _KEPT:
                self._read.popitem(last=False)
        return manifest

    def _compare(self, array: str, manifest: Manifest) -> None:
        """Compare one chunk of each manifest with what Icechunk says it is."""
        from zarr.core.buffer import default_buffer_prototype
        from zarr.core.sync import sync

        key = manifest.first
        place = manifest.find(key)
        assert place is not None
        name = f"{array}/c/{'/'.join(map(str, key))}"
        told = sync(self._store.zarr_store.get(name, default_buffer_prototype()))
        if told is None or told.to_bytes() != bytes(place.read(memoryview(bytearray(place.length)))):
            raise ValueError(f"{name} is not where its manifest seems to say")


class Manifest:
    """The places of the chunks (time, y, x) that a manifest of one array names.

    Parameters
    ----------
    folder : Path
        Of the archive.
    name : str

    Raises
    ------
    ValueError, IndexError
        If it is not of the format known here, or names chunks in files that are not the archive's.
    """

    def __init__(self, folder: Path, name: str) -> None:
        data = (folder / "manifests" / name).read_bytes()
        if not data.startswith(_MAGIC) or data[37] != _MANIFEST or data[36] not in (1, 2):
            raise ValueError(f"{name} is no manifest of format version 1 or 2")
        self._chunks = str(folder / "chunks")
        self._body = bytes(zstd.decompress(data[_HEADER:]) if data[38] == _ZSTD else data[_HEADER:])
        tables = _Tables(np.frombuffer(self._body, np.uint8))
        arrays = tables.elements(tables.field(tables.follow(np.zeros(1, np.int64)), 1))
        if len(arrays) != 1:
            raise ValueError(f"{name} is of {len(arrays)} arrays")
        refs = tables.elements(tables.field(arrays, 1))
        index = tables.follow(tables.field(refs, 0))
        if (tables.number(index, "<u4") != len(_BITS)).any():
            raise ValueError(f"{name} is not of chunks of (time, y, x)")
        keys = [tables.number(index + 4 * axis, "<u4") for axis in (1, 2, 3)]
        inline, chunk = tables.field(refs, 1), tables.field(refs, 4)
        if ((inline == 0) & (chunk == 0)).any():
            raise ValueError(f"{name} refers to files that are not the archive's")
        self.first: Key = (int(keys[0][0]), int(keys[1][0]), int(keys[2][0]))
        codes = _code(*keys)
        order = np.argsort(codes)
        self._codes, self._inline, self._chunk = codes[order], inline[order], chunk[order]
        self._offset, self._length = (tables.value(refs, number)[order] for number in (2, 3))

    def find(self, key: Key) -> Place | None:
        """Return where a chunk lies; None if this manifest doesn't name it."""
        code = _code(*key)
        at = int(np.searchsorted(self._codes, code))
        if at == len(self._codes) or self._codes[at] != code:
            return None
        if start := int(self._chunk[at]):
            name = base64.b32encode(self._body[start : start + 12]).rstrip(b"=").translate(_FROM_BASE32)
            return Place(f"{self._chunks}/{name.decode()}", int(self._offset[at]), int(self._length[at]))
        start = int(self._inline[at])
        start += int.from_bytes(self._body[start : start + 4], "little")
        size = int.from_bytes(self._body[start : start + 4], "little")
        return Place("", 0, size, self._body[start + 4 : start + 4 + size])


def _code(time: Any, y: Any, x: Any) -> Any:
    """One number for a key, or an array of them for arrays."""
    return (time << sum(_BITS[1:])) | (y << _BITS[2]) | x


class _Tables:
    """FlatBuffers tables, many of a kind at once. Positions are offsets into the buffer; 0 means absent."""

    def __init__(self, buffer: NDArray[np.uint8]) -> None:
        self._buffer = buffer

    def number(self, at: NDArray[np.int64], kind: str) -> NDArray[np.int64]:
        """Return the numbers of a little-endian type at some positions."""
        size = np.dtype(kind).itemsize
        taken = self._buffer[at[:, None] + np.arange(size)]
        return np.ascontiguousarray(taken).view(kind)[:, 0].astype(np.int64)

    def follow(self, at: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return where the offsets at some positions lead."""
        return at + self.number(at, "<u4")

    def field(self, tables: NDArray[np.int64], number: int) -> NDArray[np.int64]:
        """Return the position of a field of each table; 0 where a table lacks it."""
        layout = tables - self.number(tables, "<i4")
        entry = 4 + 2 * number
        has = self.number(layout, "<u2") > entry
        offset = np.zeros(len(tables), np.int64)
        offset[has] = self.number(layout[has] + entry, "<u2")
        return np.where(offset > 0, tables + offset, 0)

    def value(self, tables: NDArray[np.int64], number: int) -> NDArray[np.int64]:
        """Return a 64-bit field of each table; 0, its default, where a table lacks it."""
        at = self.field(tables, number)
        found = np.zeros(len(tables), np.int64)
        found[at > 0] = self.number(at[at > 0], "<u8")
        return found

    def elements(self, fields: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the tables that the one vector field at `fields` lists."""
        start = self.follow(fields)
        count = int(self.number(start, "<u4")[0])
        return self.follow(start[0] + 4 + 4 * np.arange(count, dtype=np.int64))
