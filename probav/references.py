"""Where the pixels of a file lie in it, chunk by chunk: what an array needs to refer to them in place.

HDF5 (and netCDF-4) says so itself, GDAL says it of a GeoTIFF's blocks. What Zarr's codecs can't decode as it
stands, or only in very many or very large pieces, is refused. VirtualiZarr would do the same for HDF5 by
way of xarray, and needs two more libraries for GeoTIFF.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import rasterio
from rasterio.windows import Window

from probav.errors import SourceError
from probav.products import Variable
from probav.storage.encoding import Encoding

FEWEST_ROWS = 16
SMALLEST_CHUNK = 1 << 14  # bytes of pixels; below, the references outgrow what they save
LARGEST_CHUNK = 1 << 26  # one pixel costs a whole chunk
_INGEST = "it can't be referred to in place; take it in (`probav archive ingest`)"
_FILTERS = {h5py.h5z.FILTER_DEFLATE: "zlib", h5py.h5z.FILTER_SHUFFLE: "shuffle"}
_COMPRESSIONS = {"": (), "DEFLATE": ("zlib",), "ZSTD": ("zstd",)}


@dataclass(frozen=True)
class References:
    """The chunks of a variable in one file: row and column of each chunk, byte offset and length."""

    path: Path
    encoding: Encoding
    chunks: list[tuple[int, int, int, int]]


def find_references(path: Path, place: str | int | None, variable: Variable) -> References:
    """Return where a variable's chunks lie in a file; some of them are decoded and compared.

    Parameters
    ----------
    path : Path
    place : str or int
        Dataset of an HDF5 file, or band of a GeoTIFF; None for anything else.
    variable : Variable
        As the reader found it.

    Raises
    ------
    SourceError
        If the file can't be referred to, and why; it can be ingested then.
    """
    if place is None or path.suffix.lower() in (".gz", ".zip"):
        raise SourceError(f"is packed, or of a format without an index; {_INGEST}")
    return _in_hdf5(path, place, variable) if isinstance(place, str) else _in_geotiff(path, place, variable)


def _in_hdf5(path: Path, name: str, variable: Variable) -> References:
    with h5py.File(path, "r", locking=False) as file:
        dataset = file[name]
        properties = dataset.id.get_create_plist()
        if dataset.is_virtual or dataset.external or file.userblock_size:
            raise SourceError(f"{variable.name} lies in other files, or behind a user block; {_INGEST}")
        codecs = ["big" if dataset.dtype.byteorder == ">" else "little"]
        for index in range(properties.get_nfilters()):
            code, _, _, words = properties.get_filter(index)
            if code not in _FILTERS:
                called = "SZIP" if code == h5py.h5z.FILTER_SZIP else words.decode("ascii", "replace") or code
                in_chunks = "" if dataset.chunks is None else f" in chunks of {_size(dataset.chunks[-2:])}"
                raise SourceError(
                    f"{variable.name} is stored with {called}{in_chunks}, which no Zarr codec reads; "
                    + _INGEST
                )
            if dataset.dtype.itemsize > 1 or _FILTERS[code] != "shuffle":
                codecs.append(_FILTERS[code])
        shape = dataset.chunks or dataset.shape
        encoding = Encoding(variable.dtype, (int(shape[-2]), int(shape[-1])), tuple(codecs))
        _check(encoding, dataset.shape[-2:], variable)
        found: list[tuple[int, int, int, int]] = []

        def note(chunk: Any) -> None:
            row, column = (
                at // size for at, size in zip(chunk.chunk_offset[-2:], encoding.chunks, strict=True)
            )
            if chunk.filter_mask:
                raise SourceError(f"{variable.name} has chunks that skip a filter; {_INGEST}")
            found.append((row, column, chunk.byte_offset, chunk.size))

        if dataset.chunks is not None:
            dataset.id.chunk_iter(note)
        elif dataset.id.get_offset() is not None:
            found.append((0, 0, dataset.id.get_offset(), encoding.nbytes))
        _check_missing(found, encoding, dataset.shape[-2:], float(dataset.fillvalue), variable)
        front = (0,) * (dataset.ndim - 2)
        _compare(path, encoding, found, lambda rows, columns: dataset[(*front, rows, columns)], variable)
    return References(path, encoding, found)


def _in_geotiff(path: Path, band: int, variable: Variable) -> References:
    with rasterio.open(path, driver="GTiff") as file, path.open("rb") as header:
        order = {b"II": "little", b"MM": "big"}[header.read(2)]
        structure = file.tags(ns="IMAGE_STRUCTURE")
        compression, predictor = structure.get("COMPRESSION", ""), structure.get("PREDICTOR", "1")
        if compression not in _COMPRESSIONS or predictor != "1":
            said = compression if predictor == "1" else f"{compression} and predictor {predictor}"
            raise SourceError(f"{variable.name} is stored with {said}, which no Zarr codec reads; {_INGEST}")
        if file.count > 1 and structure.get("INTERLEAVE") != "BAND":
            raise SourceError(f"its {file.count} bands lie pixel by pixel in one another; {_INGEST}")
        if "NBITS" in file.tags(band, ns="IMAGE_STRUCTURE"):
            raise SourceError(f"{variable.name} has pixels of less than a byte; {_INGEST}")
        height, width = file.block_shapes[band - 1]
        encoding = Encoding(variable.dtype, (height, width), (order, *_COMPRESSIONS[compression]))
        _check(encoding, file.shape, variable)
        found = []
        for row, column in product(range(-(-file.height // height)), range(-(-file.width // width))):
            offset, length = (
                file.get_tag_item(f"BLOCK_{what}_{column}_{row}", "TIFF", bidx=band)
                for what in ("OFFSET", "SIZE")
            )
            if offset:
                found.append((row, column, int(offset), int(length)))
        _check_missing(found, encoding, file.shape, file.nodatavals[band - 1] or 0, variable)

        def read(rows: slice, columns: slice) -> Any:
            return file.read(band, window=Window.from_slices(rows, columns))

        _compare(path, encoding, found, read, variable)
    return References(path, encoding, found)


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _check(encoding: Encoding, shape: tuple[int, int], variable: Variable) -> None:
    """Raise SourceError for chunks that are too small to refer to, or too large to read."""
    height, _ = encoding.chunks
    whole = encoding.chunks[0] >= shape[0] and encoding.chunks[1] >= shape[1]
    if not whole and (height < FEWEST_ROWS or encoding.nbytes < SMALLEST_CHUNK):
        raise SourceError(
            f"{variable.name} is stored in chunks of {_size(encoding.chunks)} pixels, too small to refer to "
            f"each of them (at least {FEWEST_ROWS} rows and {SMALLEST_CHUNK >> 10} KiB); {_INGEST}"
        )
    if encoding.nbytes > LARGEST_CHUNK:
        raise SourceError(
            f"{variable.name} is stored in chunks of {_size(encoding.chunks)} pixels, too large to read for "
            f"a few of them ({LARGEST_CHUNK >> 20} MiB at most); {_INGEST}"
        )


def _check_missing(
    found: list[tuple[int, int, int, int]],
    encoding: Encoding,
    shape: tuple[int, int],
    fill: float,
    variable: Variable,
) -> None:
    """Raise SourceError where chunks that the file leaves out mean another number than in the archive."""
    expected = -(-shape[0] // encoding.chunks[0]) * -(-shape[1] // encoding.chunks[1])
    if len(found) < expected and fill != variable.unwritten:
        raise SourceError(
            f"{variable.name} leaves out chunks that mean {fill:g}; the archive fills with "
            f"{variable.unwritten:g}; {_INGEST}"
        )


def _compare(
    path: Path,
    encoding: Encoding,
    found: list[tuple[int, int, int, int]],
    read: Callable[[slice, slice], Any],
    variable: Variable,
) -> None:
    """Decode the middle and the last chunk and raise SourceError unless the reader's pixels come out."""
    height, width = encoding.chunks
    for row, column, offset, length in {item for item in (*found[len(found) // 2 :][:1], *found[-1:])}:
        with path.open("rb") as file:
            file.seek(offset)
            decoded = encoding.decode(file.read(min(length, 2 * LARGEST_CHUNK)))
        pixels = read(slice(row * height, (row + 1) * height), slice(column * width, (column + 1) * width))
        if not np.array_equal(decoded[: pixels.shape[0], : pixels.shape[1]], pixels, equal_nan=True):
            raise SourceError(f"{variable.name} is encoded in a way this program doesn't know; {_INGEST}")
