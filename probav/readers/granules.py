"""One granule: the files of a product, a date and a window that are taken in together."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from probav.errors import SourceError
from probav.grid import Grid
from probav.products import ProductDefinition, Variable, get_product
from probav.readers.geotiff import open_geotiff
from probav.readers.hdf5 import open_hdf5
from probav.readers.layers import Layer, source_errors
from probav.readers.names import ProductName, parse_custom, parse_name, split_suffix
from probav.readers.netcdf import open_netcdf
from probav.readers.vgt import open_vgt
from probav.readers.zips import unzip

# by suffix; ".hdf" is HDF4 where the product is SPOT-VEGETATION
FORMATS = {
    ".hdf5": "hdf5", ".h5": "hdf5", ".hdf": "hdf5", ".nc": "hdf5", ".zip": "zip",
    ".tif": "geotiff", ".tiff": "geotiff", ".tif.gz": "geotiff", ".tiff.gz": "geotiff",
}  # fmt: skip
_MOST_BYTES = 4 << 30  # of one reading


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
    definition : ProductDefinition, optional
        Default: the product table's.
    """

    product: str
    date: np.datetime64
    rank: int
    tile: str
    files: tuple[Path, ...]
    name: str
    definition: ProductDefinition = field(default=None, repr=False, compare=False)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.definition is None:
            object.__setattr__(self, "definition", get_product(self.product))


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
    notes : tuple of str
        What was left out, and why.
    """

    def __init__(
        self,
        name: str,
        grid: Grid,
        layers: Mapping[str, Layer],
        stack: ExitStack,
        notes: tuple[str, ...] = (),
    ) -> None:
        self.name = name
        self.grid = grid
        self.notes = notes
        self.paths = {key: layer.path for key, layer in layers.items()}
        self.places = {key: layer.place for key, layer in layers.items()}
        self.variables: dict[str, Variable] = {key: layer.variable for key, layer in layers.items()}
        self._layers = layers
        self._stack = stack

    def read(self, variable: str, start: int = 0, stop: int | None = None) -> NDArray[np.generic]:
        """Read rows of a variable.

        Parameters
        ----------
        variable : str
        start, stop : int, rows
            From `start` up to, not including, `stop`; default: all. At most 4 GiB at once.

        Returns
        -------
        (stop - start, width) array of stored numbers (DN) in the variable's dtype

        Raises
        ------
        SourceError
            If the granule has no such variable or rows, too many are asked for, or the file is damaged.
        """
        layer = self._layers.get(variable)
        if layer is None:
            raise SourceError(f"{self.name} has no variable {variable!r}; it has {', '.join(self._layers)}")
        stop = self.grid.height if stop is None else stop
        if not 0 <= start <= stop <= self.grid.height:
            raise SourceError(f"{self.name} has {self.grid.height} rows; got rows {start} to {stop}")
        size = (stop - start) * self.grid.width * np.dtype(layer.variable.dtype).itemsize
        if size > _MOST_BYTES:
            raise SourceError(f"{self.name}: {stop - start} rows are {size >> 30} GiB; read fewer at once")
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

    The files are read in this process. A damaged file can crash the C libraries, and this process with them:
    see `ReaderPool`.

    Raises
    ------
    SourceError
        If a file is damaged, or contradicts its name or the product table.
    """
    product = granule.definition
    files = granule.files
    zipped = _format(files[0]) == "zip"
    with ExitStack() as stack:
        if zipped:
            stack.enter_context(source_errors(files[0]))
            files = tuple(unzip(files[0], stack))
            if len(files) > 1 and not is_vgt(product.id):
                raise SourceError(
                    f"holds {', '.join(item.name for item in files)}; expected one product file"
                )
        named = [(path, _layer(path, granule)) for path in files]
        notes: tuple[str, ...] = ()
        if _format(files[0]) == "geotiff":
            grid, layers = open_geotiff(named, product, granule.tile, stack)
        elif is_vgt(product.id):
            grid, layers, notes = open_vgt(named, product, stack)
        else:
            opener = open_hdf5 if product.id.startswith("PROBAV_") else open_netcdf
            grid, layers = opener(files[0], product, granule.tile, stack)
        if zipped:
            layers = {key: replace(layer, path=granule.files[0], place=None) for key, layer in layers.items()}
        return OpenGranule(granule.name, grid, layers, stack.pop_all(), notes)


def name_of(path: Path, product: ProductDefinition | None) -> ProductName:
    """Return what a file's name says, by the product's own pattern where it has one.

    Raises
    ------
    SourceError
        If it says nothing.
    """
    if product is not None and product.pattern is not None:
        return parse_custom(path, product)
    return parse_name(path)


def is_vgt(product: str) -> bool:
    """Whether a product's id says SPOT-VEGETATION, whose planes are files of their own."""
    return product.startswith("SPOTVEGETATION_")


def plane_of(path: Path, product: ProductDefinition) -> tuple[str | None, str]:
    """Return what a name says that isn't official: the plane of SPOT-VEGETATION (0001_B0), and the rest."""
    stem = split_suffix(path.name)[0]
    rest, _, plane = stem.rpartition("_")
    variable = product.variable_in_file(plane) if is_vgt(product.id) else None
    return (None, stem) if variable is None else (variable.name, rest)


def _format(path: Path) -> str:
    return FORMATS[split_suffix(path.name)[1]]


def _layer(path: Path, granule: Granule) -> str | None:
    """Return the layer a file's name says, else the zip's; None where the caller named product and date."""
    for named in (path, granule.files[0]):
        try:
            layer = name_of(named, granule.definition).layer
        except SourceError:
            layer = plane_of(named, granule.definition)[0]
        if layer is not None:
            return layer
    return None
