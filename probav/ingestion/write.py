"""One commit: granules of one product, cut into pieces that share no chunk, so that any number may write."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probav import storage
from probav.errors import ProbavError
from probav.ingestion.plan import Checked, Open, Window, check_encoding, place, product_grid
from probav.ingestion.report import Report
from probav.products import ProductDefinition, Variable
from probav.readers import OpenGranule, Rejected


class BadGranules(Exception):
    """Granules that failed while their pixels were read; nothing is committed then."""

    def __init__(self, reasons: dict[int, str]) -> None:
        super().__init__(reasons)
        self.reasons = reasons  # by index in the batch


@dataclass(frozen=True)
class Piece:
    """What one worker writes: rows of a window, over consecutive positions on the time axis.

    Attributes
    ----------
    window : Window
    rows : (int, int)
        First row and the one after the last, on the product's grid.
    start : int
        Position of the first date.
    items : tuple of Checked
        The source of each date.
    indices : tuple of int
        Where they stand in the batch.
    replaced : tuple of bool
        Whether the date had a source already, of which nothing may remain.
    """

    window: Window
    rows: tuple[int, int]
    start: int
    items: tuple[Checked, ...]
    indices: tuple[int, ...]
    replaced: tuple[bool, ...]

    def strips(self) -> Iterator[tuple[int, int]]:
        """Cut the rows at the edges of chunks."""
        first, last = self.rows
        for top in range(first - first % storage.PIXEL_CHUNK, last, storage.PIXEL_CHUNK):
            yield max(top, first), min(top + storage.PIXEL_CHUNK, last)

    def chunks(self) -> Iterator[tuple[int, int, int]]:
        """Chunks (time, row, column) that the piece lies in."""
        _, column, _, width = self.window
        size, depth = storage.PIXEL_CHUNK, storage.TIME_CHUNK
        return itertools.product(
            range(self.start // depth, (self.start + len(self.items) - 1) // depth + 1),
            range(self.rows[0] // size, (self.rows[1] - 1) // size + 1),
            range(column // size, (column + width - 1) // size + 1),
        )


@dataclass(frozen=True)
class Plan:
    """How a batch is written into an open transaction.

    Attributes
    ----------
    batch : list of Checked
    new : list of int
        Indices in the batch of what no other process wrote meanwhile.
    places : list of (int, int)
        Position on the time axis and index of the window of each of the batch.
    variables : dict
        As the archive has them.
    groups : list of lists of Piece
        No two groups share a chunk: each is written by one worker, in its order, the best versions last.
    """

    batch: list[Checked]
    new: list[int]
    places: list[tuple[int, int]]
    variables: dict[str, Variable]
    groups: list[list[Piece]]


@dataclass
class Written:
    """What writing a piece told, by index in the batch."""

    digests: dict[int, int] = field(default_factory=dict)
    bad: dict[int, str] = field(default_factory=dict)
    notes: set[str] = field(default_factory=set)

    def add(self, other: Written) -> None:
        """Add what another piece told."""
        for index, digest in other.digests.items():
            self.digests[index] = self.digests.get(index, 0) ^ digest
        self.bad.update(other.bad)
        self.notes |= other.notes


Transaction = Callable[[str, dict[str, Any], list[Checked]], tuple[list[Checked], str | None]]
"""Writes a batch under a message and metadata; returns what was written and the snapshot's id."""


def commit_batch(
    definition: ProductDefinition, batch: list[Checked], report: Report, write: Transaction
) -> None:
    """Write a batch as one commit; granules whose pixels turn out to be bad are left out, the rest written.

    Raises
    ------
    ArchiveError
        If the archive can't be written; nothing is changed then.
    """
    good = list(batch)
    while good:
        days = sorted({str(item.granule.date) for item in good})
        message = f"{definition.id}: {days[0]} to {days[-1]}, {len(good)} granules"
        try:
            written, snapshot = write(message, {"product": definition.id, "dates": days}, good)
        except BadGranules as bad:
            report.rejected += [
                Rejected(good[index].granule.files[0], reason) for index, reason in bad.reasons.items()
            ]
            good = [item for index, item in enumerate(good) if index not in bad.reasons]
            continue
        report.taken += len(written)
        report.unchanged += len(good) - len(written)
        report.bytes += sum(item.bytes for item in written)
        if snapshot is not None:
            report.snapshots.append(snapshot)
        return


def prepare(root: Any, definition: ProductDefinition, batch: list[Checked], workers: int) -> Plan:
    """Make room for a batch in an open transaction, and cut the work into pieces."""
    if definition.id in root:
        group = root[definition.id]
    else:
        group = storage.create_group(root, definition, product_grid(definition, batch[0].grid))
    grid = storage.stored_grid(group)
    windows = [place(grid, item.grid) for item in batch]
    indices = [
        storage.add_window(group, item.granule.tile, window)
        for item, window in zip(batch, windows, strict=True)
    ]
    known = set(storage.stored_times(group))
    days = sorted({item.granule.date for item in batch} - known)
    storage.append_times(group, np.array(days, "datetime64[D]"))
    position = {date: index for index, date in enumerate(storage.stored_times(group))}
    places = [(position[item.granule.date], index) for item, index in zip(batch, indices, strict=True)]
    ranks, digests = group["source_rank"][:], group["source_digest"]
    held = [int(ranks[at]) - 1 for at in places]

    def is_new(index: int, item: Checked) -> bool:
        if held[index] != item.granule.rank:
            return held[index] < item.granule.rank
        return bool(digests[places[index]].tobytes() != item.digest)

    new = [index for index, item in enumerate(batch) if is_new(index, item)]
    _make_variables(group, definition, [batch[index] for index in new])
    variables = {
        array.basename: storage.stored_variable(array, definition) for array in storage.variables_of(group)
    }
    positions = [at for at, _ in places]
    groups = _pieces(batch, new, windows, positions, [rank >= 0 for rank in held], workers)
    return Plan(batch, new, places, variables, groups)


def finish(root: Any, definition: ProductDefinition, plan: Plan, written: Written) -> list[Checked]:
    """Note where the pixels of each date and window come from; return what was written.

    Raises
    ------
    BadGranules
        If a granule couldn't be read to its end.
    """
    if written.bad:
        raise BadGranules(written.bad)
    group = root[definition.id]
    for index in plan.new:
        at, item = plan.places[index], plan.batch[index]
        group["source_rank"][at] = item.granule.rank + 1
        group["source_digest"][at] = np.frombuffer(item.digest, "uint8")
        group["content_digest"][at] = written.digests.get(index, 0)
    return [plan.batch[index] for index in plan.new]


def _make_variables(group: Any, definition: ProductDefinition, batch: list[Checked]) -> None:
    """Make the arrays of variables that come for the first time, encoded as the first file has them."""
    grid = storage.stored_grid(group)
    found: dict[str, list[Variable]] = defaultdict(list)
    for item in batch:
        for name, variable in item.variables.items():
            found[name].append(variable)
    for name, variables in found.items():
        if name not in group:
            table = definition.variables[name]
            usual = [variable for variable in variables if variable.units == table.units]
            storage.create_variable(group, (usual or [table])[0], grid)


def _pieces(
    batch: list[Checked],
    new: list[int],
    windows: list[Window],
    positions: list[int],
    replaced: list[bool],
    threads: int,
) -> list[list[Piece]]:
    """Cut a batch into pieces, in groups that share no chunk; the best versions come last."""
    pieces: list[Piece] = []
    order = sorted(new, key=lambda index: (windows[index], positions[index]))
    by_window = [(window, list(group)) for window, group in groupby(order, key=lambda index: windows[index])]
    bands = max(1, threads // max(1, len(by_window)))
    for window, indices in by_window:
        places = np.array([positions[index] for index in indices])
        for run in np.split(np.arange(len(places)), np.flatnonzero(np.diff(places) > 1) + 1):
            chosen = [indices[number] for number in run]
            pieces += [
                Piece(
                    window,
                    rows,
                    int(places[run[0]]),
                    tuple(batch[index] for index in chosen),
                    tuple(chosen),
                    tuple(replaced[index] for index in chosen),
                )
                for rows in _bands(window, bands)
            ]
    pieces.sort(key=lambda piece: max(item.granule.rank for item in piece.items))
    return _groups(pieces)


def _groups(pieces: list[Piece]) -> list[list[Piece]]:
    """Group pieces, in their order, so that no two groups lie in a common chunk."""
    leader = list(range(len(pieces)))

    def lead(number: int) -> int:
        while leader[number] != number:
            number = leader[number]
        return number

    first_in: dict[tuple[int, int, int], int] = {}
    for number, piece in enumerate(pieces):
        for chunk in piece.chunks():
            one, other = sorted((lead(first_in.setdefault(chunk, number)), lead(number)))
            leader[other] = one
    groups: dict[int, list[Piece]] = defaultdict(list)
    for number, piece in enumerate(pieces):
        groups[lead(number)].append(piece)
    return list(groups.values())


def _bands(window: Window, count: int) -> list[tuple[int, int]]:
    """Cut a window's rows into some bands, at the edges of chunks."""
    row, _, height, _ = window
    first, last = row // storage.PIXEL_CHUNK, (row + height - 1) // storage.PIXEL_CHUNK + 1
    edges = np.unique(np.linspace(first, last, count + 1).round().astype(int)) * storage.PIXEL_CHUNK
    cuts = np.clip(edges, row, row + height).tolist()
    return [(start, stop) for start, stop in pairwise(cuts) if start < stop]


def write_group(
    product: Any,
    pieces: list[Piece],
    variables: dict[str, Variable],
    opening: Open,
    strip_written: Callable[[], None],
) -> Written:
    """Write one group of pieces, one after the other, into a product's Zarr group."""
    written = Written()
    for piece in pieces:
        written.add(_write_piece(product, piece, variables, opening, strip_written))
    return written


def _write_piece(
    product: Any,
    piece: Piece,
    variables: dict[str, Variable],
    opening: Open,
    strip_written: Callable[[], None],
) -> Written:
    """Write one piece, a strip of whole chunks at a time."""
    digests: dict[int, int] = defaultdict(int)
    bad: dict[int, str] = {}
    notes: set[str] = set()
    with ExitStack() as stack:
        opened: list[OpenGranule | None] = []
        for index, item in zip(piece.indices, piece.items, strict=True):
            try:
                opened.append(stack.enter_context(opening(item.granule)))
            except ProbavError as error:
                bad[index] = str(error)
                opened.append(None)
        for name, stored in variables.items():
            runs = _runs(piece, name, stored, product.basename, notes)
            for first, last in piece.strips():
                for run in runs:
                    strip = np.full(
                        (len(run), last - first, piece.window[3]), stored.unwritten, np.dtype(stored.dtype)
                    )
                    for number, at in enumerate(run):
                        source, index = opened[at], piece.indices[at]
                        if source is None or index in bad or not _holds(piece.items[at], name, stored):
                            continue
                        try:
                            rows = first - piece.window[0], last - piece.window[0]
                            strip[number] = _recoded(source, name, *rows, stored)
                            digests[index] ^= _strip_digest(
                                name, first, piece.window[1], strip[number], stored
                            )
                        except ProbavError as error:
                            bad[index] = str(error)
                    if not bad:
                        times = slice(piece.start + run[0], piece.start + run[-1] + 1)
                        columns = slice(piece.window[1], piece.window[1] + piece.window[3])
                        product[name][times, first:last, columns] = strip
                strip_written()
    return Written(digests, bad, notes)


def _holds(item: Checked, name: str, stored: Variable) -> bool:
    return name in item.variables and item.variables[name].units == stored.units


def _runs(piece: Piece, name: str, stored: Variable, product: str, notes: set[str]) -> list[list[int]]:
    """Return runs of consecutive dates of a piece that have the variable, or had it from an older source."""
    wanted = []
    for at, (item, replaced) in enumerate(zip(piece.items, piece.replaced, strict=True)):
        if name in item.variables and not _holds(item, name, stored):
            notes.add(
                f"{product}: some files have {name} in {item.variables[name].units}, the archive in "
                f"{stored.units}; it is left without a value at their dates"
            )
        if replaced or _holds(item, name, stored):
            wanted.append(at)
    cuts = np.flatnonzero(np.diff(wanted) > 1) + 1
    return [run.tolist() for run in np.split(wanted, cuts)] if wanted else []


def _strip_digest(name: str, row: int, column: int, dn: NDArray[Any], stored: Variable) -> int:
    """Return the digest of a strip, piece by piece of a chunk: what `verify` can read one at a time."""
    digest, size = 0, storage.PIXEL_CHUNK
    for left in range(column - column % size, column + dn.shape[1], size):
        first, last = max(left, column), min(left + size, column + dn.shape[1])
        part = dn[:, first - column : last - column]
        digest ^= storage.content_digest(name, row, first, part, stored.unwritten)
    return digest


def _recoded(source: OpenGranule, name: str, start: int, stop: int, stored: Variable) -> NDArray[Any]:
    """Read rows in the encoding the archive holds: older files may have another type and no-data value."""
    found = source.variables[name]
    check_encoding(found, stored)  # what a file of the same batch has decided, too
    data = source.read(name, start, stop)
    recoded = data.astype(stored.dtype)
    if found.nodata != stored.nodata and found.nodata is not None:
        recoded[data == found.nodata] = stored.unwritten
    return recoded
