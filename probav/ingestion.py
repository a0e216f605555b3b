"""Take source products into an archive: idempotent, atomic per commit, a bad file never stops the others."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probav import storage
from probav.archive import Archive, Product, Progress, open_archive
from probav.errors import ProbavError, SourceError
from probav.grid import Grid
from probav.products import Variable, get_product
from probav.readers import Granule, OpenGranule, Rejected, discover, open_granule

# One commit: the dates of one chunk of the time axis, over all tiles
Batch = list["_Checked"]


@dataclass
class Report:
    """What an ingest did, in numbers of granules (a granule is one product, date and tile)."""

    archive: str
    taken: int = 0
    unchanged: int = 0
    superseded: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    snapshots: list[str] = field(default_factory=list)
    notes: set[str] = field(default_factory=set)

    def __str__(self) -> str:
        lines = [
            f"{self.archive}: {self.taken} taken in, {self.unchanged} already there, "
            f"{self.superseded} older than what is there, {len(self.rejected)} rejected"
        ]
        lines += [f"  rejected {item.path}: {item.reason}" for item in self.rejected]
        lines += [f"  {note}" for note in sorted(self.notes)]
        return "\n".join(lines)


@dataclass(frozen=True)
class _Checked:
    """A granule whose header is read and fits its product's grid."""

    granule: Granule
    digest: bytes
    grid: Grid


class _BadGranule(Exception):
    """A granule failed while its pixels were read."""

    def __init__(self, granule: Granule, reason: str) -> None:
        super().__init__(reason)
        self.granule = granule
        self.reason = reason


def ingest(
    archive: Archive | str | Path,
    sources: str | Path | Iterable[str | Path],
    product: str | None = None,
    *,
    date: str | None = None,
    progress: Progress | None = None,
) -> Report:
    """Take source product files into an archive, which is made where there is none.

    Files are recognised by their official names. What is already there is left alone, what is newer (a later
    version or consolidation step) replaces what is there. Each commit is whole or not there at all; after an
    interruption the same call goes on where it stopped.

    Parameters
    ----------
    archive : Archive, path or URL
    sources : path or paths
        Files, or folders that are searched with all their sub-folders.
    product, date : str, optional
        What a file name doesn't say: the product's id and the first day of the period.
    progress : callable, optional
        Called with granules done, granules in all and bytes read.

    Returns
    -------
    Report

    Raises
    ------
    SourceError
        If a source doesn't exist, or none of them is a product file that can be read.
    ArchiveError
        If the archive can't be written.
    UnknownProductError
        If `product` is none.
    """
    if product is not None:
        product = get_product(product).id
    granules, rejected = discover(sources, product=product, date=date)
    url = archive.url if isinstance(archive, Archive) else str(archive)
    report = Report(url, rejected=list(rejected))
    if not granules:
        raise SourceError(
            "Nothing to take in"
            + "".join(f"; {item.path}: {item.reason}" for item in report.rejected[:3])
            + ". Expected files under their official product names, or product= and date= to say what they "
            "are."
        )
    made = False
    total, done, read = len(granules), 0, 0

    def step(granule: Granule) -> None:
        nonlocal done, read
        done += 1
        read += sum(file.stat().st_size for file in granule.files)
        if progress is not None:
            progress(done, total, read)

    for name, of_product in groupby(granules, key=lambda g: g.product):
        for batch in _batches(url, name, list(of_product), report, step):
            made = storage.create(url, missing_only=True) or made
            for checked in _commit(url, name, batch, report):
                step(checked.granule)
    if made and not report.taken:
        storage.remove_empty(url)
    if report.taken + report.unchanged + report.superseded == 0:
        raise SourceError(f"Nothing could be taken in. {report}")
    return report


def _digest(granule: Granule) -> bytes:
    whole = hashlib.sha256()
    for file in sorted(granule.files):
        with file.open("rb") as stream:
            whole.update(hashlib.file_digest(stream, "sha256").digest())
    return whole.digest()


def _window_key(window: dict[str, Any]) -> tuple[int, int, int, int]:
    return window["row"], window["column"], window["height"], window["width"]


def _place(grid: Grid, granule: Grid) -> tuple[int, int, int, int]:
    """Window (row, column, height, width) of a granule on its product's grid."""
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


def _batches(url: str, name: str, granules: list[Granule], report: Report, step: Any) -> Iterator[Batch]:
    """Check headers, leave out what is there already, and cut the rest at chunks of the time axis."""
    archive = open_archive(url) if storage.exists(url) else None
    stored = archive[name] if archive is not None and name in archive else None
    grid = None if stored is None else stored.grid
    held = {} if stored is None else _held(stored)
    dates = [] if stored is None else list(storage.stored_times(stored.group))
    definition = get_product(name)
    newest: dict[tuple[Any, ...], _Checked] = {}  # by date and window: regional cuts are no rivals
    for granule in granules:
        try:
            with open_granule(granule) as opened:
                if grid is None:  # the first file decides: the product's own grid, or a grid of its own
                    fits = definition.grid.offset_of(opened.grid) is not None
                    grid = definition.grid if fits else opened.grid
                key = granule.date, *_place(grid, opened.grid)
                checked = _Checked(granule, _digest(granule), opened.grid)
        except ProbavError as error:
            report.rejected.append(Rejected(granule.files[0], str(error)))
            step(granule)
            continue
        rank, digest = held.get(key, (0, b""))
        rival = newest.get(key)
        if digest == checked.digest:
            report.unchanged += 1
            step(granule)
        elif granule.rank + 1 < rank or (rival is not None and granule.rank < rival.granule.rank):
            report.superseded += 1
            step(granule)
        else:
            if rival is not None:
                report.superseded += 1
                step(rival.granule)
            newest[key] = checked
    new = sorted({item.granule.date for item in newest.values()} - set(dates))
    position = {date: index for index, date in enumerate([*dates, *new])}

    def chunk(item: _Checked) -> int:
        return position[item.granule.date] // storage.TIME_CHUNK

    for _, batch in groupby(sorted(newest.values(), key=chunk), key=chunk):
        yield list(batch)


def _held(product: Product) -> dict[tuple[Any, ...], tuple[int, bytes]]:
    """Return rank (plus one) and digest of each date and window that is there."""
    dates = storage.stored_times(product.group)
    ranks = storage.array_of(product.group, "source_rank")[:]
    digests = storage.array_of(product.group, "source_digest")[:]
    return {
        (dates[position], *_window_key(tile)): (
            int(ranks[position, index]),
            digests[position, index].tobytes(),
        )
        for index, tile in enumerate(storage.stored_info(product.group)["tiles"])
        for position in np.flatnonzero(ranks[:, index])
    }


def _commit(url: str, name: str, batch: Batch, report: Report) -> Batch:
    """Write a batch as one commit; a granule that turns out to be bad is left out and the rest written.

    Returns the whole batch, the bad ones included.
    """
    good = list(batch)
    while good:
        words = sorted({str(item.granule.date) for item in good})
        message = f"{name}: {words[0]} to {words[-1]}, {len(good)} granules"
        names = [item.granule.name for item in good]
        try:
            with storage.writing(url, message, {"product": name, "granules": names}) as root:
                _write(root, name, good, report)
        except _BadGranule as bad:
            report.rejected.append(Rejected(bad.granule.files[0], bad.reason))
            good = [item for item in good if item.granule is not bad.granule]
            continue
        report.taken += len(good)
        report.snapshots.append(open_archive(url).snapshot)
        break
    return batch


def _write(root: Any, name: str, batch: Batch, report: Report) -> None:
    definition = get_product(name)
    if name in root:
        group = root[name]
    else:
        first = batch[0].grid
        group = storage.create_group(
            root, definition, definition.grid if definition.grid.offset_of(first) is not None else first
        )
    grid = storage.stored_grid(group)
    known = storage.stored_times(group)
    new = np.array(sorted({item.granule.date for item in batch} - set(known)), "datetime64[D]")
    storage.append_times(group, new)
    times = storage.stored_times(group)
    for window, items in groupby(
        sorted(batch, key=lambda item: _place(grid, item.grid)), key=lambda item: _place(grid, item.grid)
    ):
        by_position = {int(np.flatnonzero(times == item.granule.date)[0]): item for item in items}
        positions = sorted(by_position)
        runs = np.split(positions, np.flatnonzero(np.diff(positions) > 1) + 1)
        for run in runs:
            _write_window(group, grid, window, int(run[0]), [by_position[int(p)] for p in run], report)
        _note_sources(group, window, by_position)


def _note_sources(group: Any, window: tuple[int, int, int, int], sources: dict[int, _Checked]) -> None:
    """Write down which source each date of a window comes from: what makes a second ingest do nothing."""
    info = storage.stored_info(group)
    keys = [_window_key(tile) for tile in info["tiles"]]
    if window not in keys:
        tile = next(iter(sources.values())).granule.tile
        row, column, height, width = window
        info["tiles"].append(
            {
                "name": tile or f"r{row}c{column}",
                "row": row,
                "column": column,
                "height": height,
                "width": width,
            }
        )
        group.attrs["probav"] = info
        keys.append(window)
        for name in ("source_rank", "source_digest"):
            array = group[name]
            array.resize((array.shape[0], len(keys), *array.shape[2:]))
    index = keys.index(window)
    for position, item in sources.items():
        group["source_rank"][position, index] = item.granule.rank + 1
        group["source_digest"][position, index] = np.frombuffer(item.digest, "uint8")


def _write_window(
    group: Any,
    grid: Grid,
    window: tuple[int, int, int, int],
    start: int,
    items: list[_Checked],
    report: Report,
) -> None:
    """Write consecutive dates of one window, a strip of whole chunks at a time."""
    row, column, height, width = window
    with ExitStack() as stack:
        opened: list[OpenGranule] = []
        for item in items:
            try:
                opened.append(stack.enter_context(open_granule(item.granule)))
            except ProbavError as error:
                raise _BadGranule(item.granule, str(error)) from error
        names = list(dict.fromkeys(name for source in opened for name in source.variables))
        for name in names:
            if name not in group:
                found = next(source.variables[name] for source in opened if name in source.variables)
                table = get_product(group.basename).variables[name]
                storage.create_variable(group, found if found.units == table.units else table, grid)
            array = group[name]
            stored = storage.stored_variable(array, get_product(group.basename))
            edges = range(row - row % storage.PIXEL_CHUNK, row + height, storage.PIXEL_CHUNK)
            for top in edges:
                first, last = max(top, row) - row, min(top + storage.PIXEL_CHUNK, row + height) - row
                strip = np.full((len(items), last - first, width), stored.unwritten, array.dtype)
                for index, (item, source) in enumerate(zip(items, opened, strict=True)):
                    if name in source.variables and source.variables[name].units != stored.units:
                        report.notes.add(
                            f"{group.basename}: some files have {name} in {source.variables[name].units}, "
                            f"the archive in {stored.units}; it is left without a value at their dates"
                        )
                    elif name in source.variables:
                        try:
                            strip[index] = _recoded(source, name, first, last, stored)
                        except ProbavError as error:
                            raise _BadGranule(item.granule, str(error)) from error
                array[start : start + len(items), row + first : row + last, column : column + width] = strip


def _recoded(source: OpenGranule, name: str, start: int, stop: int, stored: Variable) -> NDArray[Any]:
    """Read rows in the encoding the archive holds: older files may have another type and no-data value."""
    found = source.variables[name]
    data = source.read(name, start, stop)
    if (found.scale, found.offset) != (stored.scale, stored.offset):
        raise SourceError(
            f"{name} is stored with scale {found.scale} and offset {found.offset}, the archive has "
            f"{stored.scale} and {stored.offset}; keep such files in an archive of their own"
        )
    if not np.can_cast(data.dtype, np.dtype(stored.dtype)):
        raise SourceError(f"{name} is {data.dtype}, which the archive's {stored.dtype} can't hold")
    recoded = data.astype(stored.dtype)
    if found.nodata != stored.nodata and found.nodata is not None:
        recoded[data == found.nodata] = stored.unwritten
    return recoded


__all__ = ["Report", "ingest"]
