"""Attributes and rows of HDF5 datasets, for PROBA-V HDF5 and netCDF-4 alike."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from probav.errors import SourceError
from probav.readers.layers import bounded, source_errors

_LARGEST_CHUNK = 1 << 30  # bytes; HDF5 reads whole chunks


def open_file(path: Path, stack: ExitStack) -> h5py.File:
    """Open a file for reading; no lock is taken, so that read-only and network disks work."""
    with source_errors(path):
        return stack.enter_context(h5py.File(path, "r", locking=False))


def number(attributes: Any, name: str) -> float | None:
    """Return a numeric attribute, whether stored as scalar, one-element array or text; None if not there."""
    value = attributes.get(name)
    if value is None:
        return None
    first = np.asarray(value).ravel()[:1]
    try:
        return float(first[0])
    except (IndexError, TypeError, ValueError):
        return None


def texts(attributes: Any, name: str) -> list[str]:
    """Return an attribute as a list of words: MAPPING, flag_meanings."""
    value = attributes.get(name)
    if value is None:
        return []
    items = np.asarray(value).ravel().tolist()
    words = [item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item) for item in items]
    return words[0].split() if len(words) == 1 else words


def plane(dataset: h5py.Dataset) -> tuple[int, int]:
    """(height, width) of a dataset, without leading axes of length 1.

    Raises
    ------
    SourceError
        If it has no two axes, is of an absurd size, keeps its pixels in another file, or needs a decoder this
        HDF5 library lacks.
    """
    shape = dataset.shape
    if shape is None or len(shape) < 2 or any(size != 1 for size in shape[:-2]):
        raise SourceError(f"{dataset.name} has the shape {shape}; expected rows x columns")
    if dataset.is_virtual or dataset.external:
        raise SourceError(f"{dataset.name} keeps its pixels in other files, which a product doesn't")
    chunk = dataset.chunks or (0,)
    if math.prod(chunk) * dataset.dtype.itemsize > _LARGEST_CHUNK:
        raise SourceError(f"{dataset.name} is stored in chunks of {chunk}; rewrite it in smaller ones")
    if dataset.compression == "szip":
        _check_szip(dataset)
    return bounded((int(shape[-2]), int(shape[-1])))


def _check_szip(dataset: h5py.Dataset) -> None:
    if not h5py.h5z.filter_avail(h5py.h5z.FILTER_SZIP):
        raise SourceError(
            f"{dataset.name} is SZIP-compressed and this HDF5 library has no SZIP decoder; "
            "install the h5py wheel, which brings one"
        )
    settings = dataset.id.get_create_plist().get_filter_by_id(h5py.h5z.FILTER_SZIP)[1]
    if len(settings) < 2 or not 2 <= settings[1] <= 32:  # 0 pixels a block crash the decoder
        raise SourceError(f"{dataset.name} has the SZIP settings {settings}; expected 2 to 32 pixels a block")


def row_reader(dataset: h5py.Dataset) -> Callable[[int, int], NDArray[np.generic]]:
    """Return a function that reads rows start to stop in the machine's byte order."""
    front = (0,) * (len(dataset.shape) - 2)
    native = dataset.dtype.newbyteorder("=")

    def rows(start: int, stop: int) -> NDArray[np.generic]:
        return np.asarray(dataset[(*front, slice(start, stop))], native)

    return rows
