"""Stored numbers of a product's pixels, and which of them a mask lets through."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probav import metering
from probav.archive import Archive, Product, opened
from probav.caches import ByteCache
from probav.chunks import ChunkReader
from probav.masks import Layer, Mask, parse_mask
from probav.products import Variable
from probav.sampling import sample

_MASKS_KEPT = 1 << 26  # bytes of masks that a dataset keeps for its next variable


class Reader:
    """What the variables of one dataset read from.

    Parameters
    ----------
    product : Product
    archive : Archive
        The product's, at its snapshot: where layers of other products are.
    mask : Mask, optional
    """

    def __init__(self, product: Product, archive: Archive, mask: Mask | None) -> None:
        self.product = product
        self._mask = mask
        layers = mask.layers if mask else ()
        self._others = {layer.product: archive[layer.product] for layer in layers}
        self._masks = ByteCache(_budget)

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel as what is read, without pixels and nothing open."""
        store, mask = self.product.store, None if self._mask is None else self._mask.text
        return _reopened, (store.url, store.snapshot, self.product.id, mask)

    def read(
        self, name: str, dates: NDArray[np.intp], rows: slice, columns: slice
    ) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        """Return stored numbers, and where the mask is true; None without a mask.

        Parameters
        ----------
        name : str
            A variable.
        dates : (t,) int
            Positions in `product.times`.
        rows, columns : slice
            Of the product's grid. Columns may run on beyond the edges of one that goes round the world.

        Returns
        -------
        (t, rows, columns) of the variable's type, and the same or a shape that broadcasts to it, bool
        """
        width = self.product.grid.width
        if (columns.start >= 0 and columns.stop <= width) or not self.product.grid.goes_round:
            return self._read(name, dates, rows, columns)
        pieces = [self._read(name, dates, rows, piece) for piece in _around(columns, width)]
        dn = np.concatenate([piece for piece, _ in pieces], axis=2)
        keep = [np.broadcast_to(keep, piece.shape) for piece, keep in pieces if keep is not None]
        return dn, np.concatenate(keep, axis=2) if keep else None

    def _read(
        self, name: str, dates: NDArray[np.intp], rows: slice, columns: slice
    ) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        own = self._stored(name, dates, rows, columns)
        if self._mask is None:
            return own, None
        key = (dates.tobytes(), rows.start, rows.stop, columns.start, columns.stop)

        def make() -> tuple[NDArray[np.uint8], tuple[int, ...]]:
            assert self._mask is not None
            keep = self._mask.evaluate({
                layer: own
                if layer == Layer(self.product.id, name)
                else self._layer(layer, dates, rows, columns)
                for layer in self._mask.layers
            })  # fmt: skip
            return np.packbits(keep), keep.shape

        packed, shape = self._masks.get(key, make, lambda made: made[0].nbytes)
        keep = np.unpackbits(packed, count=int(np.prod(shape))).view(bool).reshape(shape)
        return own, keep

    def _stored(self, name: str, dates: NDArray[np.intp], rows: slice, columns: slice) -> NDArray[Any]:
        positions = self.product.positions[dates]
        if metering.is_heard():  # the array layer doesn't tell what it reads
            reader = ChunkReader(self.product, name)
            metering.read(reader.sizes(reader.keys(positions, rows, columns)))
        found: NDArray[Any] = self.product.array(name).get_orthogonal_selection((positions, rows, columns))
        return found

    def _layer(self, layer: Layer, dates: NDArray[np.intp], rows: slice, columns: slice) -> NDArray[Any]:
        if layer.product == self.product.id:
            return self._stored(layer.variable, dates, rows, columns)
        days = self.product.times[dates]
        other = self._others[layer.product]
        layers, which = sample(other, layer.variable, self.product.grid, rows, columns, days)
        return layers[which]


def _reopened(url: str, snapshot: str, name: str, mask: str | None) -> Reader:
    archive = opened(url, snapshot)
    product = archive[name]
    return Reader(product, archive, None if mask is None else parse_mask(mask, product, archive))


def _around(columns: slice, width: int) -> list[slice]:
    """Cut columns that run on round the world into slices of its columns."""
    pieces, start = [], columns.start
    while start < columns.stop:
        turn = start // width * width
        stop = min(columns.stop, turn + width)
        pieces.append(slice(start - turn, stop - turn))
        start = stop
    return pieces


def _budget() -> int:
    return _MASKS_KEPT


def decode(variable: Variable, dn: NDArray[Any], keep: NDArray[np.bool_] | None) -> NDArray[np.float32]:
    """Return physical values as float32, NaN where there is none or `keep` is false."""
    if dn.dtype.itemsize <= 2 and dn.dtype.kind in "iu":
        table = _table(variable.scale, variable.offset, variable.nodata, variable.valid, dn.dtype.str)
        values: NDArray[np.float32] = table[np.ascontiguousarray(dn).view(f"u{dn.dtype.itemsize}")]
    else:
        physical = variable.physical(dn.astype(np.float64))  # never in float32: it rounds twice
        values = np.where(variable.is_valid(dn), physical, np.nan).astype(np.float32)
    if keep is not None:
        values[np.broadcast_to(~keep, values.shape)] = np.nan
    return values


@lru_cache(64)
def _table(
    scale: float, offset: float, nodata: float | None, valid: tuple[float, float] | None, kind: str
) -> NDArray[np.float32]:
    """Return the value of every stored number, by its bits as an unsigned number."""
    dtype = np.dtype(kind)
    variable = Variable("", kind, "", scale=scale, offset=offset, nodata=nodata, valid=valid)
    numbers = np.arange(1 << 8 * dtype.itemsize, dtype=f"u{dtype.itemsize}").view(dtype)
    good = variable.is_valid(numbers)
    return np.where(good, variable.physical(numbers), np.nan).astype(np.float32)
