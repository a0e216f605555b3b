"""Which group each pixel of a block belongs to."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from probav.fractions import ONE

_DENSE = 4  # a raster of the window pays where at least one pixel in so many belongs to a zone
_FEW = 64  # pixels of a zone, on average, below which counting them one by one is cheaper than a raster
_MANY = 1024  # zones, for which a table of 256 classes is too large
_NO_CLASSES = np.zeros(1, np.int64)
_ALL_CODES = np.arange(256)
Window = tuple[int, int, int, int]
"""First row, row after the last, first column, column after the last."""


class Zones:
    """The pixels of a task, by zone.

    Where zones fill a part of the block, their whole pixels are in rasters of zone numbers, of which there
    are several where zones overlap. Pixels that count in part, and those of zones too small for a raster, are
    entries with a weight.

    Parameters
    ----------
    runs : (n, 4) int64
        Whole pixels: zone, row, first column, column after the last.
    edges : (m, 3) int64
        Pixels in part: zone, row, column.
    weights : (m,) int64
    shape : (int, int)
        Rows and columns of the block.
    factor : (y,) float64, optional
        What the weight of a pixel in each row is multiplied by; every pixel is an entry then.

    Attributes
    ----------
    names : (z,) int64
        The zones that occur, ascending; all else says them by their place in it.
    rasters : list of ((y, x) int32, Window)
        Zone of each pixel plus 1, 0 for none; and the window of it that is not 0.
    entries : (k, 2) int64
        Row and column.
    of : (k,) int64
        Zone of each entry.
    weights : (k,) int64
        Of the entries, in 1 / ONE.
    """

    def __init__(
        self,
        runs: NDArray[np.int64],
        edges: NDArray[np.int64],
        weights: NDArray[np.int64],
        shape: tuple[int, int],
        factor: NDArray[np.float64] | None = None,
    ) -> None:
        owner = np.concatenate([runs[:, 0], edges[:, 0]])
        self.shape = shape
        self.names = np.unique(owner)
        local = np.searchsorted(self.names, owner)
        self.rasters: list[tuple[NDArray[np.int32], Window]] = []
        left = np.column_stack([local[: len(runs)], runs[:, 1:]])
        while len(left) and factor is None:
            window = (
                int(left[:, 1].min()), int(left[:, 1].max()) + 1,
                int(left[:, 2].min()), int(left[:, 3].max()),
            )  # fmt: skip
            room = (window[1] - window[0]) * (window[3] - window[2])
            if int((left[:, 3] - left[:, 2]).sum()) < max(room / _DENSE, _FEW * len(self.names)):
                break
            zone = np.zeros(shape, np.int32)
            left = _paint(left, zone)
            self.rasters.append((zone, window))
        self.entries = np.vstack([edges[:, 1:], _unrolled(left)])
        self.of = np.concatenate([local[len(runs) :], np.repeat(left[:, 0], left[:, 3] - left[:, 2])])
        self.weights = np.concatenate([weights, np.full(len(self.entries) - len(edges), ONE)])
        if factor is not None:
            self.weights = np.rint(self.weights * factor[self.entries[:, 0]]).astype(np.int64)


class Pixels:
    """The pixels of a task, by group: a zone, or a class in a zone.

    Parameters
    ----------
    zones : Zones
    classes : (y, x) uint8 or uint16, or None
        Class of each pixel.
    count : int
        Groups are numbered zone * count + class.

    Attributes
    ----------
    groups : (g,) int64
        Zone * count + class of groups 0, 1, ...
    rasters : list of ((y, x) uint16 or uint32, Window)
        Group of each pixel plus 1, 0 for none; and the window of it that is not 0.
    entries : (n,) int32
        Pixel, counted along the rows of the block; sorted by group.
    starts : (g + 1,) int64
        Where the entries of each group begin and end.
    weights : (n,) int64
        Of the entries, in 1 / ONE.
    """

    def __init__(self, zones: Zones, classes: NDArray[Any] | None = None, count: int = 1) -> None:
        codes = _NO_CLASSES
        dense = None
        if classes is not None and classes.dtype == np.uint8 and len(zones.names) < _MANY:
            codes, dense = _ALL_CODES, classes
        elif classes is not None:
            codes = np.flatnonzero(np.bincount(classes.ravel()))
            place = np.zeros(codes[-1] + 1, np.int32)
            place[codes] = np.arange(len(codes))
            dense = place[classes]
        pixel = zones.entries
        number = np.zeros((len(zones.names), len(codes)), np.int64)  # group of each from 1; 0: not met
        for zone, window in zones.rasters:
            _meet(zone, window, dense, number)
        code = np.zeros(len(pixel), np.int64) if dense is None else dense[pixel[:, 0], pixel[:, 1]]
        number[zones.of, code] = 1
        met = np.flatnonzero(number)
        number.ravel()[met] = np.arange(1, len(met) + 1)
        self.groups = zones.names[met // len(codes)] * count + codes[met % len(codes)]
        kind = np.uint16 if len(met) < 1 << 16 else np.uint32
        self.rasters = [(_label(zone, dense, number.astype(kind)), window) for zone, window in zones.rasters]
        group = number[zones.of, code] - 1
        order = np.argsort(group, kind="stable")
        self.entries = (pixel[order, 0] * zones.shape[1] + pixel[order, 1]).astype(np.int32)
        self.weights = zones.weights[order]
        self.starts = np.searchsorted(group[order], np.arange(len(met) + 1))

    @property
    def size(self) -> int:
        """Bytes in memory."""
        arrays = [self.groups, self.entries, self.weights, self.starts, *(label for label, _ in self.rasters)]
        return sum(array.nbytes for array in arrays)

    def as_entries(self) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
        """Return entries, starts and weights with the pixels of the rasters among them."""
        if not self.rasters:
            return self.entries, self.starts, self.weights
        pixel = [self.entries]
        group = [np.repeat(np.arange(len(self.groups)), np.diff(self.starts))]
        for label, _ in self.rasters:
            found = np.flatnonzero(label)
            pixel.append(found.astype(np.int32))
            group.append(label.ravel()[found].astype(np.int64) - 1)
        of = np.concatenate(group)
        order = np.argsort(of, kind="stable")
        weight = np.concatenate([self.weights, np.full(len(of) - len(self.weights), ONE)])
        return (
            np.concatenate(pixel)[order],
            np.searchsorted(of[order], np.arange(len(self.groups) + 1)),
            weight[order],
        )


def _unrolled(runs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Row and column of each pixel of some runs."""
    length = runs[:, 3] - runs[:, 2]
    column = np.arange(int(length.sum())) - np.repeat(np.cumsum(length) - length, length)
    return np.column_stack([np.repeat(runs[:, 1], length), column + np.repeat(runs[:, 2], length)])


@numba.njit(cache=True, nogil=True)
def _paint(runs: NDArray[np.int64], zone: NDArray[np.int32]) -> NDArray[np.int64]:
    """Paint runs into a raster of zone + 1; return what lies on what was painted already, as runs."""
    again = np.empty((16, 4), np.int64)
    count = 0
    for i in range(runs.shape[0]):
        number, row, first, last = runs[i]
        line = zone[row, first:last]
        taken = 0
        for k in range(len(line)):
            taken |= line[k]
        if taken == 0:  # as nearly always: zones seldom overlap
            line[:] = number + 1
            continue
        begin = -1
        for k in range(len(line) + 1):
            is_taken = k < len(line) and line[k] > 0
            if is_taken and begin < 0:
                begin = k
            if not is_taken and begin >= 0:
                if count == len(again):
                    larger = np.empty((2 * count, 4), np.int64)
                    larger[:count] = again
                    again = larger
                again[count, 0], again[count, 1] = number, row
                again[count, 2], again[count, 3] = first + begin, first + k
                count += 1
                begin = -1
            if k < len(line) and not is_taken:
                line[k] = number + 1
    return again[:count].copy()


@numba.njit(cache=True, nogil=True)
def _meet(zone: Any, window: tuple[int, int, int, int], dense: Any, number: NDArray[np.int64]) -> None:
    """Mark which classes occur in which zones."""
    for row in range(window[0], window[1]):
        for column in range(window[2], window[3]):
            if zone[row, column]:
                number[zone[row, column] - 1, 0 if dense is None else dense[row, column]] = 1


@numba.njit(cache=True, nogil=True)
def _label(zone: Any, dense: Any, number: Any) -> Any:
    """Group of each pixel plus 1."""
    label = np.zeros(zone.shape, number.dtype)
    for row in range(zone.shape[0]):
        for column in range(zone.shape[1]):
            if zone[row, column]:
                label[row, column] = number[zone[row, column] - 1, 0 if dense is None else dense[row, column]]
    return label
