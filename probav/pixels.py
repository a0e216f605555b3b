"""Which group each pixel of a block belongs to."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from probav.coverage import ONE

CLASSES = 256
"""Groups are numbered zone * CLASSES + class code; the class is 0 where a query has no strata."""


_Labels = tuple[NDArray[np.int64], NDArray[np.uint32], NDArray[np.int64]]


class Pixels:
    """The pixels of a task: a raster of zones, and entries for what a raster can't hold.

    A pixel of the raster belongs to one zone, whole. Pixels covered in part, and those of a second zone over
    the same pixel, are entries with a weight.

    Parameters
    ----------
    runs : (n, 4) int64
        Whole pixels: zone, row, first column, column after the last.
    edges : (m, 3) int64
        Pixels in part: zone, row, column.
    weights : (m,) int64
    shape : (int, int)
        Rows and columns of the block.
    """

    def __init__(
        self,
        runs: NDArray[np.int64],
        edges: NDArray[np.int64],
        weights: NDArray[np.int64],
        shape: tuple[int, int],
    ) -> None:
        self.zones, local = np.unique(np.concatenate([runs[:, 0], edges[:, 0]]), return_inverse=True)
        runs = runs.copy()
        runs[:, 0] = local[: len(runs)]
        self.zone = np.full(shape, -1, np.int32)
        again = _paint(runs, self.zone)
        self.entries = np.ascontiguousarray(np.vstack([edges[:, 1:], again[:, 1:]]))
        self.entry_zone = np.concatenate([local[len(runs) :], again[:, 0]])
        self.weights = np.concatenate([weights, np.full(len(again), ONE)])
        self._labels: tuple[NDArray[Any] | None, _Labels] | None = None
        self.window = (
            (int(runs[:, 1].min()), int(runs[:, 1].max()) + 1, int(runs[:, 2].min()), int(runs[:, 3].max()))
            if len(runs)
            else (0, 0, 0, 0)
        )

    def weigh(self, factor: NDArray[np.float64]) -> None:
        """Multiply the weight of each pixel by a factor (y,) of its row: every pixel becomes an entry."""
        row, column = np.nonzero(self.zone >= 0)
        self.entries = np.vstack([self.entries, np.column_stack([row, column])])
        self.entry_zone = np.concatenate([self.entry_zone, self.zone[row, column]])
        weights = np.concatenate([self.weights, np.full(len(row), ONE)])
        self.weights = np.rint(weights * factor[self.entries[:, 0]]).astype(np.int64)
        self.zone[:] = -1
        self.window = (0, 0, 0, 0)

    def labels(self, classes: NDArray[Any] | None) -> _Labels:
        """Return the groups that occur, numbered.

        Parameters
        ----------
        classes : (1 or t, y, x) uint8 or None

        Returns
        -------
        groups : (g,) int64
            zone * CLASSES + class of groups 1, 2, ...
        label : (1 or t, y, x) uint32
            Group of each raster pixel, 0 for none.
        entry : (1 or t, n) int64
            Group of each entry.
        """
        if self._labels is not None and self._labels[0] is classes:  # from one chunk of time to the next
            return self._labels[1]
        codes = np.zeros((1, *self.zone.shape), np.uint8) if classes is None else classes
        raster = np.where(self.zone >= 0, self.zone * np.int64(CLASSES) + codes, -1)
        entry = self.entry_zone * CLASSES + codes[:, self.entries[:, 0], self.entries[:, 1]].astype(np.int64)
        occurs = np.zeros(len(self.zones) * CLASSES, bool)
        occurs[raster[raster >= 0]] = True
        occurs[entry] = True
        number = np.cumsum(occurs)  # 1, 2, ... in order
        label = np.where(raster >= 0, number[raster], 0).astype(np.uint32)
        found = np.flatnonzero(occurs)
        groups = self.zones[found // CLASSES] * CLASSES + found % CLASSES
        self._labels = classes, (groups.astype(np.int64), label, number[entry].astype(np.int64))
        return self._labels[1]


@numba.njit(cache=True, nogil=True)
def _paint(runs: NDArray[np.int64], zone: NDArray[np.int32]) -> NDArray[np.int64]:
    """Paint runs into a raster; return the pixels (zone, row, column) that were painted already."""
    length = 0
    for i in range(runs.shape[0]):
        length += runs[i, 3] - runs[i, 2]
    again = np.empty((length, 3), np.int64)
    count = 0
    for i in range(runs.shape[0]):
        for column in range(runs[i, 2], runs[i, 3]):
            if zone[runs[i, 1], column] < 0:
                zone[runs[i, 1], column] = runs[i, 0]
            else:
                again[count, 0], again[count, 1], again[count, 2] = runs[i, 0], runs[i, 1], column
                count += 1
    return again[:count].copy()
