"""One plane of an HDF4 file: the scientific dataset that holds a SPOT-VEGETATION layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyhdf.SD import SD, SDC

from probav.errors import SourceError
from probav.readers.layers import bounded

MAGIC = b"\x0e\x03\x13\x01"
# as the SNAP SPOT-VGT reader knows them; both spellings occur
_DATASETS = ("PIXEL_DATA", "PIXEL DATA", "ANGLES_VALUES", "ANGLES VALUES", "MEASURE_VALUE", "MEASURE VALUE")
_TYPES = {
    SDC.UCHAR8: "uint8", SDC.UINT8: "uint8", SDC.INT8: "int8", SDC.INT16: "int16", SDC.UINT16: "uint16",
    SDC.INT32: "int32", SDC.UINT32: "uint32", SDC.FLOAT32: "float32", SDC.FLOAT64: "float64",
}  # fmt: skip


@dataclass(frozen=True)
class Plane:
    """A dataset of rows x columns: what the file says of it, and its rows as stored numbers."""

    shape: tuple[int, int]
    dtype: np.dtype[Any]
    attributes: Mapping[str, Any]
    rows: Callable[[int, int], NDArray[np.generic]]


def open_plane(path: Path, stack: ExitStack) -> Plane:
    """Open the plane of an HDF4 file; `stack` closes it.

    Raises
    ------
    SourceError
        If the file is no HDF4, or has no such dataset of rows x columns.
    """
    with path.open("rb") as stream:
        if stream.read(4) != MAGIC:
            raise SourceError("is no HDF4 file (damaged or incomplete?)")
    file = SD(str(path), SDC.READ)
    stack.callback(file.end)
    held = file.datasets()
    name = next((name for name in _DATASETS if name in held), None)
    if name is None:
        raise SourceError(f"holds {', '.join(held) or 'no dataset'}; expected {', '.join(_DATASETS[::2])}")
    dataset = file.select(name)
    stack.callback(dataset.endaccess)
    _, rank, size, kind, _ = dataset.info()
    if rank != 2:
        raise SourceError(f"{name} has {rank} axes; expected rows x columns")
    if kind not in _TYPES:
        raise SourceError(f"{name} has the HDF4 type {kind}; expected whole numbers or floats")
    height, width = bounded((int(size[0]), int(size[1])))
    dtype = np.dtype(_TYPES[kind])

    def rows(start: int, stop: int) -> NDArray[np.generic]:
        if stop == start:
            return np.empty((0, width), dtype)
        return np.asarray(dataset.get(start=(start, 0), count=(stop - start, width)), dtype)

    return Plane((height, width), dtype, dataset.attributes(), rows)
