"""Zero copy: put original files into an archive by reference, so that they are read where they lie.

A registered product is a group like any other, but its arrays are cut as its files are (a date a chunk) and
each chunk is a place in a file. A file is known by its size and time of last change, not by its content: to
read terabytes to register them would defeat the purpose.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from probav import storage
from probav.archive import Archive, Progress, open_archive
from probav.errors import ProbavError, SourceError
from probav.grid import Grid
from probav.ingestion import Report
from probav.ingestion.plan import Stored, Window, place
from probav.products import ProductDefinition, Variable, get_product
from probav.readers import Granule, Rejected, discover, open_granule
from probav.references import References, find_references
from probav.storage.encoding import Encoding, stored_encodings
from probav.storage.originals import Original, allow, describe, folder_url, forget, keep, refer

_COMMIT = 256  # granules


@dataclass(frozen=True)
class _Checked:
    """A granule whose chunks are found."""

    granule: Granule
    grid: Grid
    variables: dict[str, Variable]
    references: dict[str, References]
    originals: dict[str, Original]

    @property
    def digest(self) -> bytes:
        """What tells this granule's files from others, and from themselves after a change."""
        return hashlib.sha256(json.dumps(self.originals, sort_keys=True).encode()).digest()


def register(
    archive: Archive | str | Path,
    sources: str | Path | Iterable[str | Path],
    product: str | ProductDefinition | None = None,
    *,
    date: str | None = None,
    progress: Progress | None = None,
) -> Report:
    """Put original files into an archive by reference; they must stay where they are, as they are.

    Nothing is copied, and reading is slower than from files taken in. A file that has changed since (in size
    or time) is an error for whoever reads it, until it is registered again. What is registered already is
    left alone; a later version of the same product, date and window replaces it.

    Parameters
    ----------
    archive : Archive or path
        On a local disk; made where there is none.
    sources : path or paths
        Files, or folders that are searched with all their sub-folders.
    product : str or ProductDefinition, optional
        What file names don't say; see `probav.ingest`.
    date : str, optional
        The first day of the period, where names don't say it.
    progress : callable, optional
        Called with granules done, granules in all and bytes referred to.

    Returns
    -------
    Report
        `taken` counts the granules registered.

    Raises
    ------
    SourceError
        If a source doesn't exist, or none of them can be registered.
    ArchiveError
        If the archive can't be written, or is on an object store.
    UnknownProductError
        If `product` is none.
    """
    if isinstance(product, str):
        product = get_product(product)
    roots = [sources] if isinstance(sources, str | Path) else list(sources)
    granules, rejected = discover([Path(root).absolute() for root in roots], product=product, date=date)
    url = archive.url if isinstance(archive, Archive) else str(archive)
    report = Report(url, rejected=list(rejected), verb="registered")
    done = 0
    for name, of_product in groupby(granules, key=lambda granule: granule.product):
        own = list(of_product)
        for start in range(0, len(own), _COMMIT):
            batch = _new(url, name, own[start : start + _COMMIT], report)
            if batch:
                _commit(url, own[0].definition, batch, report)
            done += len(own[start : start + _COMMIT])
            if progress is not None:
                progress(done, len(granules), report.bytes)
    if report.taken + report.unchanged + report.superseded == 0:
        reasons = "".join(f"; {item.path}: {item.reason}" for item in report.rejected[:3])
        raise SourceError(f"Nothing could be registered{reasons}.")
    return report


def _new(url: str, name: str, granules: list[Granule], report: Report) -> list[_Checked]:
    """Find the chunks of what isn't registered yet; what doesn't fit its product's arrays is rejected."""
    archive = open_archive(url) if storage.exists(url) else None
    held = archive[name] if archive is not None and name in archive else None
    if held is not None and not storage.is_registered(held.group):
        reason = (
            f"the archive holds {name} itself, not by reference; take this file in "
            "(`probav archive ingest`), or register it in another archive"
        )
        report.rejected += [Rejected(granule.files[0], reason) for granule in granules]
        return []
    stored = Stored(url, name)
    known = dict(stored.variables)
    encodings = stored_encodings(held.group) if held is not None else {}
    grid = stored.grid
    newest: dict[tuple[Any, ...], _Checked] = {}
    for granule in granules:
        try:
            checked = _check(granule)
            found = {key: item.encoding for key, item in checked.references.items()}
            grid = grid or _grid(granule.definition, checked.grid, found)
            window = _fit(grid, checked, known, encodings)
        except (ProbavError, OSError) as error:
            report.rejected.append(Rejected(granule.files[0], str(error)))
            continue
        rank, digest = stored.source(granule.date, window)
        rival = newest.get((granule.date, *window))
        if digest == checked.digest:
            report.unchanged += 1
        elif granule.rank < rank or (rival is not None and granule.rank < rival.granule.rank):
            report.superseded += 1
        else:
            report.superseded += rival is not None
            newest[granule.date, *window] = checked
            known, encodings = {**checked.variables, **known}, {**found, **encodings}
    return list(newest.values())


def _check(granule: Granule) -> _Checked:
    before = {path: describe(path) for path in granule.files}
    for path in before:
        folder_url(path.parent)
    with open_granule(granule) as opened:
        references = {}
        for name, variable in opened.variables.items():
            path = opened.paths[name]
            if path not in before:
                raise SourceError(f"{path.name} lies in a packed file; take it in (`probav archive ingest`)")
            try:
                references[name] = find_references(path, opened.places[name], variable)
            except SourceError as error:
                raise SourceError(str(error) if path == granule.files[0] else f"{path}: {error}") from error
        checked = _Checked(
            granule,
            opened.grid,
            dict(opened.variables),
            references,
            {name: before[item.path] for name, item in references.items()},
        )
    if before != {path: describe(path) for path in granule.files}:
        raise SourceError(f"{granule.files[0]} changed while it was read; register it when it is complete")
    return checked


def _grid(definition: ProductDefinition, first: Grid, encodings: dict[str, Encoding]) -> Grid:
    """Return the product's own grid where the first file's chunks are chunks of it, else the file's."""
    offset = definition.grid.offset_of(first)
    if offset is None or not (0 <= offset[0] and 0 <= offset[1]):
        return first
    window = *offset, first.height, first.width
    return (
        definition.grid
        if all(_aligned(definition.grid, window, item) for item in encodings.values())
        else first
    )


def _aligned(grid: Grid, window: Window, encoding: Encoding) -> bool:
    """Return whether a window's edges are chunk edges of the whole grid, or the grid's own."""
    row, column, height, width = window
    return (
        row % encoding.chunks[0] == column % encoding.chunks[1] == 0
        and ((row + height) % encoding.chunks[0] == 0 or row + height == grid.height)
        and ((column + width) % encoding.chunks[1] == 0 or column + width == grid.width)
    )


def _fit(grid: Grid, checked: _Checked, known: dict[str, Variable], encodings: dict[str, Encoding]) -> Window:
    """Return a granule's window; raise SourceError where one array can't refer to it and to what is there."""
    try:
        window = place(grid, checked.grid)
    except SourceError as error:
        raise SourceError(
            f"what is registered of {checked.granule.product} already has no place for it ({error}); take "
            "these files in (`probav archive ingest`), or register each window in an archive of its own"
        ) from error
    for name, found in checked.references.items():
        encoding, variable = encodings.get(name, found.encoding), known.get(name, checked.variables[name])
        if found.encoding != encoding or not _same(variable, checked.variables[name]):
            raise SourceError(
                f"{name} is stored as {_words(checked.variables[name], found.encoding)}, in what is "
                f"registered already as {_words(variable, encoding)}; one array can't refer to both: take "
                "these files in (`probav archive ingest`)"
            )
        if not _aligned(grid, window, encoding):
            raise SourceError(
                f"its window (row {window[0]}, column {window[1]}, {window[2]} x {window[3]} pixels) has "
                f"edges that aren't edges of the chunks of {name} "
                f"({encoding.chunks[0]} x {encoding.chunks[1]}); take it in (`probav archive ingest`)"
            )
    return window


def _same(one: Variable, other: Variable) -> bool:
    return all(
        getattr(one, field) == getattr(other, field)
        for field in ("dtype", "scale", "offset", "nodata", "valid", "units")
    )


def _words(variable: Variable, encoding: Encoding) -> str:
    chunks = " x ".join(map(str, encoding.chunks))
    nodata = "none" if variable.nodata is None else f"{variable.nodata:g}"
    return f"{encoding.dtype}, {', '.join(encoding.codecs)}, chunks {chunks}, no-data {nodata}"


def _commit(url: str, definition: ProductDefinition, batch: list[_Checked], report: Report) -> None:
    """Write a batch as one commit."""
    storage.create(url, missing_only=True)
    allow(url, [item.path.parent for checked in batch for item in checked.references.values()])
    dates = sorted({str(item.granule.date) for item in batch})
    message = f"{definition.id}: {dates[0]} to {dates[-1]}, {len(batch)} granules by reference"
    metadata = {"product": definition.id, "granules": [item.granule.name for item in batch]}
    with storage.writing(url, message, metadata) as root:
        _write(root, definition, batch)
    report.taken += len(batch)
    report.bytes += sum(size for item in batch for _, size, _ in set(item.originals.values()))
    report.snapshots.append(open_archive(url).snapshot)


def _write(root: Any, definition: ProductDefinition, batch: list[_Checked]) -> None:
    if definition.id not in root:
        first = batch[0]
        encodings = {name: item.encoding for name, item in first.references.items()}
        storage.create_group(root, definition, _grid(definition, first.grid, encodings))
    group = root[definition.id]
    grid = storage.stored_grid(group)
    info = storage.stored_info(group)
    encodings = stored_encodings(group)
    for checked in batch:
        for name, item in checked.references.items():
            if name not in group:
                encodings[name] = item.encoding
                chunks, codecs = (1, *item.encoding.chunks), item.encoding.zarr_codecs()
                storage.create_variable(group, checked.variables[name], grid, chunks, codecs)
    info["registered"] = {
        name: {"dtype": item.dtype, "chunks": item.chunks, "codecs": item.codecs}
        for name, item in encodings.items()
    }
    group.attrs["probav"] = info
    known = storage.stored_times(group)
    storage.append_times(
        group, np.array(sorted({item.granule.date for item in batch} - set(known)), "datetime64[D]")
    )
    times = list(storage.stored_times(group))
    for checked in batch:
        position = times.index(checked.granule.date)
        window = place(grid, checked.grid)
        tile = storage.add_window(group, checked.granule.tile, window)
        replaced = bool(group["source_rank"][position, tile])
        for name, encoding in encodings.items():
            corner = position, window[0] // encoding.chunks[0], window[1] // encoding.chunks[1]
            if replaced:  # the file that comes may leave chunks out
                sizes = zip(window[2:], encoding.chunks, strict=True)
                rows, columns = (-(-size // chunk) for size, chunk in sizes)
                forget(group[name], corner, rows, columns)
            if name in checked.references:
                refer(group[name], corner, checked.references[name].chunks, checked.originals[name])
        keep(group, position, tile, checked.originals)
        group["source_rank"][position, tile] = checked.granule.rank + 1
        group["source_digest"][position, tile] = np.frombuffer(checked.digest, "uint8")
