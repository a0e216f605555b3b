"""What of the sources is new: their headers checked, their content compared with what the archive holds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from probav import storage
from probav.archive import open_archive
from probav.errors import ProbavError, SourceError
from probav.grid import Grid
from probav.ingestion.report import Report
from probav.products import ProductDefinition, Variable
from probav.readers import Granule, Rejected

Window = tuple[int, int, int, int]
"""Row, column, height and width on the product's grid."""

Open = Callable[[Granule], Any]
"""Opens a granule as a context manager."""


@dataclass(frozen=True)
class Checked:
    """A granule whose header was read, and the digest of its files."""

    granule: Granule
    digest: bytes
    grid: Grid
    variables: Mapping[str, Variable]
    notes: tuple[str, ...]
    bytes: int


Check = Checked | ProbavError
"""A checked granule, or why it can't be taken in."""


class Stored:
    """What an archive holds of a product: its grid, dates, and the source of each date and window."""

    def __init__(self, url: str, name: str) -> None:
        archive = open_archive(url) if storage.exists(url) else None
        product = archive[name] if archive is not None and name in archive else None
        self.definition = None if product is None else product.definition
        self.grid: Grid | None = None
        self.registered = product is not None and storage.is_registered(product.group)
        self.dates: list[np.datetime64] = []
        self.variables: Mapping[str, Variable] = {}
        self._windows: dict[Window, int] = {}
        self.registered = product is not None and storage.is_registered(product.group)
        if product is not None:
            self.grid, self.variables = product.grid, product.variables
            self.dates = list(storage.stored_times(product.group))
            tiles = storage.stored_info(product.group)["tiles"]
            self._windows = {storage.window_key(tile): index for index, tile in enumerate(tiles)}
            self._positions = {date: index for index, date in enumerate(self.dates)}
            self._ranks = storage.array_of(product.group, "source_rank")[:]
            self._digests = storage.array_of(product.group, "source_digest")

    def source(self, date: np.datetime64, window: Window) -> tuple[int, bytes]:
        """Return the rank and digest of what is there at a date and window; -1 and b"" for nothing."""
        index = self._windows.get(window)
        if index is None or date not in self._positions:
            return -1, b""
        position = self._positions[date]
        rank = int(self._ranks[position, index]) - 1
        return (-1, b"") if rank < 0 else (rank, self._digests[position, index].tobytes())


def place(grid: Grid, granule: Grid) -> Window:
    """Return the window of a granule on its product's grid.

    Raises
    ------
    SourceError
        If its pixels don't lie on that grid, or beyond it.
    """
    offset = grid.offset_of(granule)
    if offset is None:
        raise SourceError(
            f"its pixels don't lie on the grid of the product in the archive: first pixel centre "
            f"({granule.x0:.7f}, {granule.y0:.7f}) and {granule.nx:.6g} pixels a degree, the archive has "
            f"({grid.x0:.7f}, {grid.y0:.7f}) and {grid.nx:.6g}; keep such files in an archive of their own"
        )
    row, column = offset
    if row < 0 or column < 0 or row + granule.height > grid.height or column + granule.width > grid.width:
        raise SourceError(f"it reaches beyond the grid of the product in the archive ({grid.bounds})")
    return row, column, granule.height, granule.width


def product_grid(definition: ProductDefinition, first: Grid) -> Grid:
    """Return the grid an archive keeps a product on: its own, or the first file's where that is off it."""
    return definition.grid if definition.grid.offset_of(first) is not None else first


def batches(
    url: str,
    definition: ProductDefinition,
    granules: list[Granule],
    check_all: Callable[[list[Granule]], list[Check]],
    report: Report,
    step: Callable[[Granule], None],
) -> Iterator[list[Checked]]:
    """Yield what is to be written, one chunk of the time axis at a time.

    What `check_all` finds bad, and what is left out, is counted in the report; `step` is called for it.
    """
    stored = Stored(url, definition.id)
    if stored.definition not in (None, definition):
        report.notes.add(
            f"{definition.id}: the archive has another definition, and keeps it; to use the new one, take "
            "the files into another archive"
        )
    grid = stored.grid
    dates = {*stored.dates}
    new = sorted({granule.date for granule in granules} - dates)
    position = {date: index for index, date in enumerate([*stored.dates, *new])}

    def chunk(granule: Granule) -> int:
        return position[granule.date] // storage.TIME_CHUNK

    for _, group in groupby(sorted(granules, key=chunk), key=chunk):
        newest: dict[tuple[Any, ...], Checked] = {}  # by date and window: regional cuts are no rivals
        own = list(group)
        for granule, checked in zip(own, check_all(own), strict=True):
            try:
                if isinstance(checked, ProbavError):
                    raise checked
                if stored.registered:
                    raise SourceError(
                        f"{definition.id} is registered in this archive, not taken in; register this file, "
                        "too (`probav archive register`), or take it in to another archive"
                    )
                if stored.registered:
                    raise SourceError(
                        f"{definition.id} is registered in this archive, by reference to its original files; "
                        "register this file too, or take it into another archive"
                    )
                grid = grid or product_grid(definition, checked.grid)
                window = place(grid, checked.grid)
                _fits(checked, stored.variables)
            except ProbavError as error:
                report.rejected.append(Rejected(granule.files[0], str(error)))
                step(granule)
                continue
            rank, digest = stored.source(granule.date, window)
            rival = newest.get((granule.date, *window))
            if digest == checked.digest:
                report.unchanged += 1
                step(granule)
            elif granule.rank < rank or (rival is not None and granule.rank < rival.granule.rank):
                report.superseded += 1
                step(granule)
            else:
                if rival is not None:
                    report.superseded += 1
                    step(rival.granule)
                newest[granule.date, *window] = checked
                report.notes.update(f"{granule.product}: {note}" for note in checked.notes)
        if newest:
            yield list(newest.values())


def check(granule: Granule, opening: Open) -> Check:
    """Read a granule's header and the digest of its files."""
    try:
        with opening(granule) as opened:
            digest, size = _digest(granule)
            return Checked(granule, digest, opened.grid, dict(opened.variables), opened.notes, size)
    except ProbavError as error:
        return error
    except OSError as error:  # it went away, or may not be read
        return SourceError(f"{granule.files[0]} can't be read: {error}")


def _digest(granule: Granule) -> tuple[bytes, int]:
    """Return the SHA-256 of a granule's files, whatever they are called, and their size in bytes."""
    whole, size = hashlib.sha256(), 0
    for file in sorted(granule.files):
        with file.open("rb") as stream:
            whole.update(hashlib.file_digest(stream, "sha256").digest())
            size += stream.tell()
    return whole.digest(), size


def _fits(checked: Checked, stored: Mapping[str, Variable]) -> None:
    for name, found in checked.variables.items():
        if name in stored:
            check_encoding(found, stored[name])


def check_encoding(found: Variable, held: Variable) -> None:
    """Raise SourceError where an archive's array can't hold a file's numbers as they are.

    Other units (days of old TIME layers) are no error: such a layer is left out, with a note.
    """
    if found.units != held.units:
        return
    if (found.scale, found.offset) != (held.scale, held.offset):
        raise SourceError(
            f"{found.name} is stored with scale {found.scale} and offset {found.offset}, the archive has "
            f"{held.scale} and {held.offset}; keep such files in an archive of their own"
        )
    if not np.can_cast(np.dtype(found.dtype), np.dtype(held.dtype)):
        raise SourceError(f"{found.name} is {found.dtype}, which the archive's {held.dtype} can't hold")
