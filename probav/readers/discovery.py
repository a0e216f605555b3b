"""Finding product files in folders and grouping them into granules."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from probav.errors import SourceError
from probav.products import ProductDefinition, get_product
from probav.readers.granules import FORMATS, Granule
from probav.readers.names import ProductName, parse_name, split_suffix
from probav.readers.periods import day_of, label


@dataclass(frozen=True)
class Rejected:
    """A file that looks like a product but isn't taken, and why."""

    path: Path
    reason: str


def discover(
    sources: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    product: str | None = None,
    date: str | None = None,
) -> tuple[list[Granule], list[Rejected]]:
    """Find the granules in files and folders (with all folders below).

    Parameters
    ----------
    sources : path or iterable of paths
    product : str, optional
        The product of files whose name doesn't say it. A file whose name says another one is rejected.
    date : str, optional, "2015-01-01"
        The first day of the period of files whose name doesn't say it, likewise.

    Returns
    -------
    granules : list of Granule
        Sorted by product, date, tile and rank.
    rejected : list of Rejected
        Files with a product's suffix (.hdf5, .tif, .nc) that can't be taken; other suffixes are passed over.

    Raises
    ------
    SourceError
        If a source does not exist, or there is no product file in all of them.
    UnknownProductError
        If `product` is unknown.
    """
    given = _Given.of(product, date)
    named: list[tuple[Path, ProductName]] = []
    rejected: list[Rejected] = []
    roots = [Path(sources)] if isinstance(sources, str | os.PathLike) else [Path(item) for item in sources]
    for path in sorted({path for root in roots for path in _files(root)}):
        try:
            named.append((path, given.name(path)))
        except SourceError as error:
            rejected.append(Rejected(path, str(error)))
    if not named and not rejected:
        raise SourceError(
            f"there is no product file in {', '.join(map(str, roots)) or 'no source at all'}; "
            f"expected files that end in {', '.join(FORMATS)}"
        )
    granules = [granule for group in _groups(named) for granule in _granules(group)]
    return sorted(granules, key=lambda g: (g.product, g.date, g.tile, g.rank, g.files)), rejected


@dataclass(frozen=True)
class _Given:
    """What the caller says of files whose names don't."""

    product: ProductDefinition | None
    date: np.datetime64 | None

    @classmethod
    def of(cls, product: str | None, date: str | None) -> _Given:
        known = None if product is None else get_product(product)
        if date is None:
            return cls(known, None)
        day = day_of(str(date).replace("-", ""))
        return cls(known, np.datetime64(day, "D") if known is None else label(day, known, "first"))

    def name(self, path: Path) -> ProductName:
        if not split_suffix(path.name)[1]:
            raise SourceError(
                f"{path.name} is no product file; expected one that ends in {', '.join(FORMATS)}"
            )
        try:
            name = parse_name(path)
        except SourceError:
            if self.product is None:
                raise
            if self.date is None:
                raise SourceError(f"{path.name} doesn't say its date; give date=") from None
            return ProductName(self.product.id, self.date, "", 0, None, split_suffix(path.name)[0])
        if self.product is not None and name.product != self.product.id:
            raise SourceError(f"{path.name} is of {name.product}, not of {self.product.id}")
        if self.date is not None and name.date != self.date:
            raise SourceError(f"{path.name} is of {name.date}, not of {self.date}")
        return name


def _files(root: Path) -> Iterator[Path]:
    if root.is_dir():
        for folder, _, names in os.walk(root):
            yield from (
                Path(folder, name) for name in names if not name.startswith(".") and split_suffix(name)[1]
            )
    elif root.exists():
        yield root
    else:
        raise SourceError(f"{root} does not exist; expected a product file or a folder of them")


def _groups(named: list[tuple[Path, ProductName]]) -> Iterable[list[tuple[Path, ProductName]]]:
    """Group the GeoTIFFs of a granule, whose names differ in the layer; any other file is a granule."""
    groups: dict[tuple[str, Path | None], list[tuple[Path, ProductName]]] = defaultdict(list)
    for path, name in named:
        alone = FORMATS[split_suffix(path.name)[1]] != "geotiff"
        groups[name.granule, path if alone else None].append((path, name))
    return groups.values()


def _granules(group: list[tuple[Path, ProductName]]) -> Iterator[Granule]:
    """Make one granule of a group; one per folder where two folders hold the same layer (regional cuts)."""
    layers = [name.layer for _, name in group]
    folders: dict[Path | None, list[Path]] = defaultdict(list)
    for path, _ in group:
        folders[path.parent if len(set(layers)) < len(layers) else None].append(path)
    name = group[0][1]
    for paths in folders.values():
        yield Granule(name.product, name.date, name.rank, name.tile, tuple(paths), name.granule)
