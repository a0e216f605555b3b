"""The call: find sources, plan, commit batch by batch."""

from __future__ import annotations

import atexit
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import groupby
from pathlib import Path

from probav.archive import Archive, Progress
from probav.errors import SourceError
from probav.execution.local import threads as default_threads
from probav.ingestion.local import commit
from probav.ingestion.plan import batches
from probav.ingestion.report import Report
from probav.products import ProductDefinition, get_product
from probav.readers import Granule, ReaderPool, Rejected, discover


def ingest(
    archive: Archive | str | Path,
    sources: str | Path | Iterable[str | Path],
    product: str | ProductDefinition | None = None,
    *,
    date: str | None = None,
    threads: int | None = None,
    dry_run: bool = False,
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
    product : str or ProductDefinition, optional
        What file names don't say; for a product of one's own its definition (`probav.load_definition`).
    date : str, optional
        The first day of the period, where names don't say it.
    threads : int, optional
        How many workers read and write; $PROBAV_THREADS, else the cores, if not given.
    dry_run : bool
        Only report what would be done; headers are read, nothing is written.
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
    if isinstance(product, str):
        product = get_product(product)
    granules, rejected = discover(sources, product=product, date=date)
    url = archive.url if isinstance(archive, Archive) else str(archive)
    report = take(url, granules, rejected, threads=threads, dry_run=dry_run, progress=progress)
    if report.taken + report.unchanged + report.superseded == 0:
        reasons = "".join(f"; {item.path}: {item.reason}" for item in report.rejected[:3])
        more = f"; and {len(report.rejected) - 3} more" if len(report.rejected) > 3 else ""
        raise SourceError(
            f"Nothing could be taken in{reasons}{more}. Expected files under their official product names, "
            "or product= and date= to say what they are."
        )
    return report


def take(
    url: str,
    granules: list[Granule],
    rejected: list[Rejected],
    *,
    threads: int | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Take granules in, in order of product and time; see `ingest`."""
    workers = threads or default_threads()
    report = Report(url, rejected=list(rejected), dry_run=dry_run)
    count = _Counter(len(granules), progress)
    opening = _readers().open
    with ThreadPoolExecutor(workers) as checkers:
        for _, own in groupby(granules, key=lambda granule: granule.product):
            of_product = list(own)
            definition = of_product[0].definition
            for batch in batches(url, definition, of_product, opening, checkers, report, count.step):
                size = sum(item.bytes for item in batch)
                if dry_run:
                    report.taken += len(batch)
                    report.bytes += size
                else:
                    tick = count.part(len(batch), size)
                    commit(url, definition, batch, report, opening, workers, tick)
                count.add(len(batch), size)
    return report


@cache
def _readers() -> ReaderPool:
    """Return the reading processes of this process, which take a second to start and end with it."""
    pool = ReaderPool(default_threads())
    atexit.register(pool.close)
    return pool


class _Counter:
    """Counts granules and bytes, for progress that moves inside a commit too."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._total, self._progress = total, progress
        self._done = self._read = 0

    def add(self, granules: int, size: int) -> None:
        """Count granules that are dealt with."""
        self._done += granules
        self._read += size
        self._show(0, 0)

    def step(self, granule: Granule) -> None:
        """Count a granule that is left out."""
        try:
            size = sum(file.stat().st_size for file in granule.files)
        except OSError:  # it went away, and was rejected
            size = 0
        self.add(1, size)

    def part(self, granules: int, size: int) -> Callable[[float], None]:
        """Return what a commit calls with the fraction that is written; all is done when it is committed."""

        def tick(fraction: float) -> None:
            self._show(min(granules - 1, int(granules * fraction)), int(size * fraction))

        return tick

    def _show(self, more: int, size: int) -> None:
        if self._progress is not None:
            self._progress(self._done + more, self._total, self._read + size)
