"""Read an archive back, all of it, and say what is wrong.

Each chunk has a checksum, and each date and window a digest of the numbers that were written: the first tells
damage, the second also what was lost or exchanged whole.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from zarr.core.sync import sync

from probav import storage
from probav.archive import Archive, Product, Progress
from probav.chunks import ChunkReader
from probav.errors import LostChunkError, ProbavError
from probav.execution.local import threads as default_threads
from probav.products import Variable
from probav.products.cadences import period_starts
from probav.storage.originals import difference, kept

WRONG = ("damaged", "missing", "changed", "content", "impossible")
"""Kinds of findings that mean that something is wrong; "hole" and "overlap" are for information."""

_BATCH = 64  # chunks each thread reads until the next are handed out
_SHOWN = 200  # findings in words; the table has all
Key = tuple[int, int, int]
Place = tuple[int, int]
"""Position on the stored time axis, and index of the window."""
_Index = tuple[int, slice, slice]


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Attributes
    ----------
    kind : str
        "damaged" (a chunk's checksum, or a product that can't be opened), "missing" (a chunk that can't be
        read), "changed" (the original file of a registered product), "content" (other numbers than were
        written), "impossible" (numbers that are no value, code or no-data), "overlap" (two windows of one
        date), "hole" (dates that the product's cadence has, between a window's first and last, and the
        archive hasn't).
    product, variable, tile : str
        "" where it is of all of them.
    first, last : datetime64[D] or None
        Dates of the first and last period concerned.
    words : str
    """

    kind: str
    product: str
    variable: str
    tile: str
    first: np.datetime64 | None
    last: np.datetime64 | None
    words: str

    def __str__(self) -> str:
        dates = "" if self.first is None else str(self.first)
        if self.last != self.first:
            dates += f" to {self.last}"
        where = " ".join(part for part in (self.product, self.variable, self.tile, dates) if part)
        return f"{self.kind}: {where}: {self.words}"


@dataclass
class VerifyReport:
    """What was read, and what was found.

    Attributes
    ----------
    archive, snapshot : str
    chunks, bytes : int
        Read, and their stored size.
    findings : list of Finding
    """

    archive: str
    snapshot: str
    chunks: int = 0
    bytes: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong; holes and overlaps are for information."""
        return not any(finding.kind in WRONG for finding in self.findings)

    def to_dataframe(self) -> pd.DataFrame:
        """Return a row a finding: kind, product, variable, tile, first, last, words."""
        columns = [item.name for item in fields(Finding)]
        return pd.DataFrame(
            [[getattr(item, name) for name in columns] for item in self.findings], None, columns
        )

    def __str__(self) -> str:
        counts = {kind: 0 for kind in (*WRONG, "overlap", "hole")}
        for finding in self.findings:
            counts[finding.kind] += 1
        said = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count) or "nothing to report"
        verdict = "all is well" if self.ok else "SOMETHING IS WRONG"
        lines = [
            f"{self.archive} at snapshot {self.snapshot}: "
            f"{self.chunks} chunks read, {self.bytes / 1e6:.1f} MB",
            f"{verdict}: {said}",
            *(f"  {finding}" for finding in self.findings[:_SHOWN]),
        ]
        more = len(self.findings) - _SHOWN
        return "\n".join([*lines, f"  and {more} more"] if more > 0 else lines)


def verify(archive: Archive, *, threads: int | None = None, progress: Progress | None = None) -> VerifyReport:
    """Read every chunk of an archive's snapshot back and check it.

    Parameters
    ----------
    archive : Archive
        At the snapshot to verify; what is written meanwhile is not looked at.
    threads : int, optional
        $PROBAV_THREADS, else the cores, if not given.
    progress : callable, optional
        Called with chunks done, chunks in all and bytes read.

    Returns
    -------
    VerifyReport
    """
    report = VerifyReport(archive.url, archive.snapshot)
    checks = []
    for name in archive.ids:
        try:
            checks.append(_Check(archive[name], report))
        except Exception as error:  # damaged metadata makes the libraries raise nearly anything
            words = " ".join(str(error).split()) or type(error).__name__
            report.findings.append(Finding("damaged", name, "", "", None, None, f"can't be opened: {words}"))
    total = sum(len(keys) for check in checks for keys in check.keys.values())
    workers = threads or default_threads()
    with ThreadPoolExecutor(workers, thread_name_prefix="probav-verify") as pool:
        for check in checks:
            for name in check.keys:
                for batch in _batches(check.keys[name], _BATCH * workers):
                    for read in pool.map(check.reader(name), batch):
                        check.take(name, read)
                        report.chunks, report.bytes = report.chunks + 1, report.bytes + read.bytes
                    if progress is not None:
                        progress(report.chunks, total, report.bytes)
            check.finish()
    return report


def _batches(keys: NDArray[np.int32], size: int) -> Iterator[list[Key]]:
    rows = iter(keys)
    while batch := [(int(t), int(y), int(x)) for t, y, x in islice(rows, size)]:
        yield batch


@dataclass
class _Read:
    """What one chunk says."""

    key: Key
    bytes: int = 0
    failed: str = ""
    words: str = ""
    digests: dict[Place, int] = field(default_factory=dict)
    impossible: dict[Place, int] = field(default_factory=dict)


class _Check:
    """The checks of one product."""

    def __init__(self, product: Product, report: VerifyReport) -> None:
        self.product, self.report = product, report
        group = product.group
        self.times = storage.stored_times(group)
        info = storage.stored_info(group)
        self.names = [tile["name"] for tile in info["tiles"]]
        self.windows = np.array([storage.window_key(tile) for tile in info["tiles"]], int).reshape(-1, 4)
        self.held = storage.array_of(group, "source_rank")[:] > 0
        self.written = (
            storage.array_of(group, "content_digest")[:]
            if "content_digest" in group
            else np.zeros(self.held.shape, "uint64")
        )
        for axis, values in (("x", product.grid.xs()), ("y", product.grid.ys())):
            if not np.array_equal(storage.array_of(group, axis)[:], values):
                self._found("damaged", "", "", None, f"coordinates {axis} aren't those of the grid")
        self.found = np.zeros(self.held.shape, "uint64")
        self.changed = np.zeros(self.held.shape, bool)  # the originals, which aren't read then
        self.doubtful = np.zeros(self.held.shape, bool)  # content that can't be compared
        self.impossible: dict[tuple[str, Place], int] = defaultdict(int)
        self._holes()
        self._overlaps()
        self._changed()
        self.keys = {name: self._list(name) for name in product.variables}

    def _found(self, kind: str, variable: str, tile: str, dates: Any, words: str) -> None:
        first, last = (None, None) if dates is None else (min(dates), max(dates))
        self.report.findings.append(Finding(kind, self.product.id, variable, tile, first, last, words))

    def _list(self, name: str) -> NDArray[np.int32]:
        """Return the keys of the chunks that exist."""
        path = f"{self.product.id}/{name}"
        store = self.product.store.zarr_store

        async def listed() -> list[list[int]]:
            return [
                [int(number) for number in key.rpartition("/c/")[2].split("/")]
                async for key in store.list_prefix(path)
                if "/c/" in key
            ]

        return np.array(sorted(sync(listed())), np.int32).reshape(-1, 3)

    def _holes(self) -> None:
        cadence = self.product.definition.cadence
        for tile, name in enumerate(self.names):
            dates = np.sort(self.times[self.held[:, tile]])
            if len(dates):
                expected = period_starts(dates[0], dates[-1], cadence)
                gap = ~np.isin(expected, dates)
                edges = np.flatnonzero(np.diff(gap.astype(int), prepend=0, append=0))
                for start, stop in edges.reshape(-1, 2):
                    missing = expected[start:stop]
                    self._found("hole", "", name, missing, f"{len(missing)} of cadence {cadence!r} not there")

    def _overlaps(self) -> None:
        for one, (top, left, height, width) in enumerate(self.windows):
            others = self.windows[one + 1 :]
            meets = (others[:, 0] < top + height) & (others[:, 0] + others[:, 2] > top)
            meets &= (others[:, 1] < left + width) & (others[:, 1] + others[:, 3] > left)
            for other in np.flatnonzero(meets) + one + 1:
                both = self.held[:, one] & self.held[:, other]
                if both.any():
                    self.doubtful[both, one] = self.doubtful[both, other] = True
                    words = f"overlaps {self.names[other]} at {both.sum()} dates; the one written last counts"
                    self._found("overlap", "", self.names[one], self.times[both], words)

    def _changed(self) -> None:
        if not storage.is_registered(self.product.group):
            return
        for position, tile in np.argwhere(self.held).tolist():
            originals = set(kept(self.product.group, position, tile).values())
            for words in sorted(filter(None, map(difference, originals))):
                self._found("changed", "", self.names[tile], [self.times[position]], words)
                self.changed[position, tile] = True

    def reader(self, name: str) -> Any:
        """Return the function that reads and checks a chunk; it runs in threads."""
        reader = ChunkReader(self.product, name)

        def read(key: Key) -> _Read:
            found = _Read(key)
            pieces = list(self._pieces(key, reader.shape))
            if any(self.changed[place] for place, _ in pieces):
                return found
            try:
                (item,), found.bytes = reader.fetch([key])
            except ProbavError as error:
                found.failed, found.words = "missing", str(error)
                return found
            try:
                dn = reader.empty()
                reader.decode(item, dn)
            except LostChunkError as error:
                found.failed, found.words = "missing", str(error)
                return found
            except (ProbavError, RuntimeError, ValueError, OSError) as error:
                found.failed, found.words = "damaged", str(error)
                return found
            unwritten = reader.variable.unwritten
            for place, (t, rows, columns) in pieces:
                piece = dn[t, rows, columns]
                row, column = key[1] * reader.shape[1] + rows.start, key[2] * reader.shape[2] + columns.start
                if self.written[place]:
                    found.digests[place] = storage.content_digest(name, row, column, piece, unwritten)
                if count := impossible(piece, reader.variable):
                    found.impossible[place] = count
            return found

        return read

    def _pieces(self, key: Key, shape: tuple[int, int, int]) -> Iterator[tuple[Place, _Index]]:
        """Yield what a chunk holds of each date and window, as indexes into the chunk."""
        start, top, left = (index * size for index, size in zip(key, shape, strict=True))
        first = np.maximum(self.windows[:, :2] - [top, left], 0)
        last = np.minimum(self.windows[:, :2] + self.windows[:, 2:] - [top, left], shape[1:])
        for tile in np.flatnonzero((first < last).all(axis=1)).tolist():
            rows, columns = map(slice, first[tile].tolist(), last[tile].tolist())
            for position in range(start, min(start + shape[0], len(self.times))):
                if self.held[position, tile]:
                    yield (position, tile), (position - start, rows, columns)

    def take(self, name: str, read: _Read) -> None:
        """Take over what one chunk says."""
        if read.failed:
            places = [place for place, _ in self._pieces(read.key, self.product.array(name).chunks)]
            for place in places:
                self.doubtful[place] = True
            tiles = sorted({self.names[tile] for _, tile in places})
            dates = [self.times[position] for position, _ in places] or None
            words = f"chunk {'/'.join(map(str, read.key))}: {read.words}"
            self._found(read.failed, name, ", ".join(tiles), dates, words)
        for place, digest in read.digests.items():
            self.found[place] ^= np.uint64(digest)
        for place, count in read.impossible.items():
            self.impossible[name, place] += count

    def finish(self) -> None:
        """Compare what all chunks together say with what was written."""
        wrong = (self.found != self.written) & (self.written != 0) & ~self.doubtful
        for position, tile in np.argwhere(wrong):
            words = "holds other numbers than were written; take it in again"
            self._found("content", "", self.names[tile], [self.times[position]], words)
        for (name, (position, tile)), count in sorted(self.impossible.items()):
            words = f"{count} pixels are no value, code or no-data of {name}"
            self._found("impossible", name, self.names[tile], [self.times[position]], words)


def impossible(dn: NDArray[Any], variable: Variable) -> int:
    """Return how many stored numbers are neither a value of the variable, nor a code, nor no-data."""
    if variable.kind == "flags" or (variable.kind == "categorical" and not variable.flags):
        return 0
    known = [*variable.flags, variable.unwritten]
    fine = np.isin(dn, np.array(known, dn.dtype)) if variable.kind == "categorical" else variable.is_valid(dn)
    if dn.dtype.kind == "f":
        fine |= np.isnan(dn)
    rest = dn[~fine]
    return int((~np.isin(rest, np.array(known, dn.dtype))).sum()) if rest.size else 0
