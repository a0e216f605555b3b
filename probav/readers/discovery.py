"""Finding product files in folders and grouping them into granules."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from probav.errors import SourceError
from probav.products import PRODUCTS, ProductDefinition, get_product
from probav.readers.granules import FORMATS, Granule, is_vgt, name_of, plane_of
from probav.readers.names import ProductName, split_suffix
from probav.readers.periods import day_of, label
from probav.readers.zips import is_product


@dataclass(frozen=True)
class Rejected:
    """A file that looks like a product but isn't taken, and why."""

    path: Path
    reason: str


def discover(
    sources: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    product: str | ProductDefinition | None = None,
    date: str | None = None,
) -> tuple[list[Granule], list[Rejected]]:
    """Find the granules in files and folders (with all folders below, through links too, each once).

    Names alone are looked at, no file is opened. All candidates are kept: older versions, and copies of one
    granule in several folders, of which the one with the most files comes last.

    Parameters
    ----------
    sources : path or iterable of paths
    product : str or ProductDefinition, optional
        The product of files whose name doesn't say it. A file whose name says another one is rejected; so is
        one that a definition's own `pattern` doesn't fit.
    date : str, optional, "2015-01-01"
        The first day of the period of files whose name doesn't say it, likewise.

    Returns
    -------
    granules : list of Granule
        Sorted by product, date, tile, rank and number of files.
    rejected : list of Rejected
        Files with a product's suffix (.hdf5, .tif, .nc, .zip) that can't be taken, and folders that can't be
        read. Other suffixes (.VRG, .xml, .part), hidden files and quick-looks are passed over.

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
    seen: set[tuple[int, int]] = set()
    for item in sorted({item for root in roots for item in _files(root, seen, rejected)}):
        path = Path(item)
        try:
            named.append((path, given.name(path)))
        except SourceError as error:
            rejected.append(Rejected(path, str(error)))
    if not named and not rejected:
        raise SourceError(
            f"there is no product file in {', '.join(map(str, roots)) or 'no source at all'}; "
            f"expected files that end in {', '.join(FORMATS)}"
        )
    granules = [
        granule
        for group in _groups(named)
        for granule in _granules(group, given.product or PRODUCTS[group[0][1].product])
    ]
    return sorted(
        granules, key=lambda g: (g.product, g.date, g.tile, g.rank, len(g.files), g.files)
    ), rejected


@dataclass(frozen=True)
class _Given:
    """What the caller says of files whose names don't."""

    product: ProductDefinition | None
    date: np.datetime64 | None

    @classmethod
    def of(cls, product: str | ProductDefinition | None, date: str | None) -> _Given:
        known = get_product(product) if isinstance(product, str) else product
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
            name = name_of(path, self.product)
        except SourceError:
            if self.product is None or self.product.pattern is not None:
                raise
            if self.date is None:
                raise SourceError(f"{path.name} doesn't say its date; give date=") from None
            layer, granule = plane_of(path, self.product)
            return ProductName(self.product.id, self.date, "", 0, layer, granule)
        if self.product is not None and name.product != self.product.id:
            raise SourceError(f"{path.name} is of {name.product}, not of {self.product.id}")
        if self.date is not None and name.date != self.date:
            raise SourceError(f"{path.name} is of {name.date}, not of {self.date}")
        return name


def _files(root: Path, seen: set[tuple[int, int]], rejected: list[Rejected]) -> Iterator[str]:
    """Yield the product files below a folder, asking the disk for names only; `seen`: folders visited."""
    if root.is_dir():
        folders = [os.fspath(root)]
        while folders:
            folder = folders.pop()
            try:
                status = os.stat(folder)
                if (status.st_dev, status.st_ino) in seen:  # a link back, or a source inside of another
                    continue
                seen.add((status.st_dev, status.st_ino))
                with os.scandir(folder) as entries:
                    for entry in entries:
                        if entry.is_dir():
                            if not entry.name.startswith("."):
                                folders.append(entry.path)
                        elif is_product(entry.name) and entry.is_file():
                            yield entry.path
            except OSError as error:
                rejected.append(Rejected(Path(folder), f"can't be read: {error.strerror}"))
    elif root.exists():
        yield os.fspath(root)
    else:
        raise SourceError(f"{root} does not exist; expected a product file or a folder of them")


def _groups(named: list[tuple[Path, ProductName]]) -> Iterable[list[tuple[Path, ProductName]]]:
    """Group the files of a granule whose names differ in the layer; any other file is a granule."""
    groups: dict[tuple[str, str], list[tuple[Path, ProductName]]] = defaultdict(list)
    for path, name in named:
        kind = FORMATS[split_suffix(path.name)[1]]
        layered = kind == "geotiff" or (kind == "hdf5" and is_vgt(name.product))
        groups[name.granule, "" if layered else str(path)].append((path, name))
    return groups.values()


def _granules(group: list[tuple[Path, ProductName]], definition: ProductDefinition) -> Iterator[Granule]:
    """Make one granule of a group; several where folders repeat a layer (regional cuts, copies).

    Layers may have folders of their own, so folders are merged upwards as long as no layer repeats. At first
    the suffix counts as a folder, too: a packed and an unpacked copy may lie together.
    """
    name = group[0][1]
    folders: dict[Path, list[tuple[Path, ProductName]]] = defaultdict(list)
    for path, its_name in group:
        own = path.parent / split_suffix(path.name)[1] if len(group) > 1 else path
        folders[own].append((path, its_name))
    while len(folders) > 1:
        merged: dict[Path, list[tuple[Path, ProductName]]] = defaultdict(list)
        for folder, files in folders.items():
            merged[folder.parent] += files
        repeated = any(len({name.layer for _, name in files}) < len(files) for files in merged.values())
        if repeated or merged.keys() == folders.keys():
            break
        folders = merged
    for files in folders.values():
        paths = tuple(sorted(path for path, _ in files))
        yield Granule(name.product, name.date, name.rank, name.tile, paths, name.granule, definition)
