"""The call: find sources, plan, commit batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from itertools import groupby
from pathlib import Path

from probav.archive import Archive, Progress
from probav.errors import QueryError, SourceError, did_you_mean
from probav.execution.local import threads as default_threads
from probav.ingestion import local, on_spark
from probav.ingestion.plan import batches
from probav.ingestion.readers import opening
from probav.ingestion.report import Report
from probav.products import ProductDefinition, get_product
from probav.readers import Granule, Rejected, discover

_ENGINES = ("local", "spark")


def ingest(
    archive: Archive | str | Path,
    sources: str | Path | Iterable[str | Path],
    product: str | ProductDefinition | None = None,
    *,
    date: str | None = None,
    engine: str = "local",
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
    engine : {"local", "spark"}
        Threads of this process, or a Spark session whose executors see the archive and the source files
        under the same paths.
    threads : int, optional
        How many workers of this process read and write; $PROBAV_THREADS, else the cores, if not given.
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
    EngineError
        If Spark can't be used, or its job fails; what was committed before stays.
    """
    if isinstance(product, str):
        product = get_product(product)
    granules, rejected = discover(sources, product=product, date=date)
    url = archive.url if isinstance(archive, Archive) else str(archive)
    report = take(url, granules, rejected, engine=engine, threads=threads, dry_run=dry_run, progress=progress)
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
    engine: str = "local",
    threads: int | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Take granules in, in order of product and time; see `ingest`."""
    if engine not in _ENGINES:
        raise QueryError(f"There is no engine {engine!r} to take files in.{did_you_mean(engine, _ENGINES)}")
    workers = threads or default_threads()
    report = Report(url, rejected=list(rejected), dry_run=dry_run)
    count = _Counter(len(granules), progress)
    for _, own in groupby(granules, key=lambda granule: granule.product):
        of_product = list(own)
        definition = of_product[0].definition
        checker = on_spark.check_all if engine == "spark" else partial(local.check_all, threads=workers)
        for batch in batches(url, definition, of_product, checker, report, count.step):
            size = sum(item.bytes for item in batch)
            tick = count.part(len(batch), size)
            if dry_run:
                report.taken += len(batch)
                report.bytes += size
            elif engine == "spark":
                on_spark.commit(url, definition, batch, report, tick)
            else:
                local.commit(url, definition, batch, report, opening(), workers, tick)
            count.add(len(batch), size)
    return report


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
