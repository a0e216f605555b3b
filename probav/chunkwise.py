"""Stored numbers of many dates and chunks at once, past the array layer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from probav.chunks import ChunkReader
from probav.masked import Reader


class ChunkwiseReader(Reader):
    """Reads whole chunks by itself: many at once, which the array layer does at several times the cost."""

    def _stored(self, name: str, dates: NDArray[np.intp], rows: slice, columns: slice) -> NDArray[Any]:
        reader = ChunkReader(self.product, name)
        depth, height, width = reader.shape
        positions = self.product.positions[dates]
        shape = (len(dates), rows.stop - rows.start, columns.stop - columns.start)
        out = np.empty(shape, reader.variable.dtype)
        for block in np.unique(positions // depth).tolist():
            found = np.flatnonzero(positions // depth == block)
            which, within = _compact(found), _compact(positions[found] % depth)
            cells = [
                (row, column)
                for row in range(rows.start // height, -(-rows.stop // height))
                for column in range(columns.start // width, -(-columns.stop // width))
            ]
            items, _ = reader.fetch([(block, *cell) for cell in cells])
            decoded = reader.array("chunkwise")
            for (row, column), item in zip(cells, items, strict=True):
                y = slice(max(rows.start, row * height), min(rows.stop, (row + 1) * height))
                x = slice(max(columns.start, column * width), min(columns.stop, (column + 1) * width))
                into = out[:, _moved(y, rows.start), _moved(x, columns.start)]
                if item is None:
                    into[which] = reader.variable.unwritten
                    continue
                reader.decode(item, decoded)
                into[which] = decoded[within, _moved(y, row * height), _moved(x, column * width)]
        return out


def _moved(part: slice, by: int) -> slice:
    return slice(part.start - by, part.stop - by)


def _compact(indexes: NDArray[np.intp]) -> slice | NDArray[np.intp]:
    """Return indexes as a slice, which is copied faster, if they follow each other."""
    if (np.diff(indexes) == 1).all():
        return slice(int(indexes[0]), int(indexes[-1]) + 1)
    return indexes
