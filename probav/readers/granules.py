"""One granule: the files of a product, a date and a window that are taken in together."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from probav.errors import SourceError
from probav.grid import Grid
from probav.products import Variable, get_product
from probav.readers.geotiff import open_geotiff
from probav.readers.hdf5 import open_hdf5
from probav.readers.layers import Layer, source_errors
from probav.readers.names import parse_name, split_suffix
from probav.readers.netcdf import open_netcdf

FORMATS = {
    ".hdf5": "hdf5", ".h5": "hdf5", ".hdf": "hdf5", ".nc": "netcdf",
    ".tif": "geotiff", ".tiff": "geotiff", ".tif.gz": "geotiff", ".tiff.gz": "geotiff",
}  # fmt: skip


@dataclass(frozen=True)
class Granule:
    """One product, one date, one window: what is ingested as a unit.

    Parameters
    ----------
    product : str
        Id in `probav.products.PRODUCTS`.
    date : datetime64[D]
        First day of the period.
    rank : int
        Of several granules of one product, date and window the highest counts.
    tile : str
        "X18Y02", or "".
    files : tuple of Path
    name : str
        The files' name without layer and suffix.
    """

    product: str
    date: np.datetime64
    rank: int
    tile: str
    files: tuple[Path, ...]
    name: str


class OpenGranule:
    """An open granule: its grid, its variables as found in the files, and their rows as stored numbers.

    Parameters
    ----------
    name : str
    grid : Grid
        Of this granule's window, on the product's own lattice where the file's corners lie on it.
    layers : mapping
    stack : ExitStack
        Closes the files.
    """

    def __init__(self, name: str, grid: Grid, layers: Mapping[str, Layer], stack: ExitStack) -> None:
        self.name = name
        self.grid = grid
        self.variables: dict[str, Variable] = {key: layer.variable for key, layer in layers.items()}
        self._layers = layers
        self._stack = stack

    def read(self, variable: str, start: int = 0, stop: int | None = None) -> NDArray[np.generic]:
        """Read rows of a variable.

        Parameters
        ----------
        variable : str
        start, stop : int, rows
            From `start` up to, not including, `stop`; default: all.

        Returns
        -------
        (stop - start, width) array of stored numbers (DN) in the variable's dtype

        Raises
        ------
        SourceError
            If the granule has no such variable or rows, or the file is damaged.
        """
        layer = self._layers.get(variable)
        if layer is None:
            raise SourceError(f"{self.name} has no variable {variable!r}; it has {', '.join(self._layers)}")
        stop = self.grid.height if stop is None else stop
        if not 0 <= start <= stop <= self.grid.height:
            raise SourceError(f"{self.name} has {self.grid.height} rows; got rows {start} to {stop}")
        with source_errors(layer.path):
            return layer.rows(start, stop)

    def close(self) -> None:
        """Close the files."""
        self._stack.close()

    def __enter__(self) -> OpenGranule:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_granule(granule: Granule) -> OpenGranule:
    """Open the files of a granule; use it as a context manager.

    Raises
    ------
    SourceError
        If a file is damaged, or contradicts its name or the product table.
    """
    product = get_product(granule.product)
    first = granule.files[0]
    kind = FORMATS[split_suffix(first.name)[1]]
    with ExitStack() as stack:
        if kind == "geotiff":
            files = [(path, _layer(path)) for path in granule.files]
            grid, layers = open_geotiff(files, product, granule.tile, stack)
        else:
            opener = open_hdf5 if kind == "hdf5" else open_netcdf
            grid, layers = opener(first, product, granule.tile, stack)
        return OpenGranule(granule.name, grid, layers, stack.pop_all())


def _layer(path: Path) -> str | None:
    try:
        return parse_name(path).layer
    except SourceError:  # the caller named product and date, the name says nothing
        return None
