"""Near real time: take new files in as they arrive.

Folders are looked at again and again, because network disks tell nobody of new files.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from probav.archive import Archive, Progress
from probav.errors import SourceError
from probav.ingestion.report import Report
from probav.ingestion.take import take
from probav.products import ProductDefinition, get_product
from probav.readers import Granule, Rejected, discover

_Signature = tuple[int, int]


def watch(
    archive: Archive | str | Path,
    folder: str | Path,
    product: str | ProductDefinition | None = None,
    *,
    every: float = 10.0,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Iterator[Report]:
    """Take new product files of a folder in as they arrive; yield a report each time something happened.

    A file is looked at when it hasn't changed for `every` seconds, so that a copy under way is left alone. A
    product of several files is taken in with all of them that are there, and again when another arrives. A
    later consolidation step (RT1 after RT0) replaces the earlier one. A rejected file is reported once, and
    tried again when it changes.

    Parameters
    ----------
    archive, product, threads, progress
        As in `ingest`.
    folder : path
    every : float, seconds
        Time between two looks, and how long a file must rest.

    Yields
    ------
    Report

    Raises
    ------
    SourceError
        If the folder doesn't exist.
    ArchiveError
        If the archive can't be written.
    """
    root = Path(folder)
    if not root.is_dir():
        raise SourceError(f"{root} is no folder; expected the folder in which new products arrive.")
    if isinstance(product, str):
        product = get_product(product)
    url = archive.url if isinstance(archive, Archive) else str(archive)
    before: dict[Path, _Signature] = {}
    done: dict[Path, _Signature] = {}
    while True:
        now = _signatures(root)
        oldest = time.time_ns() - int(every * 1e9)
        resting = {path for path, sign in now.items() if before.get(path) == sign or sign[1] < oldest}
        new = {path for path in resting if done.get(path) != now[path]}
        granules, rejected = _found(root, product) if new else ([], [])
        granules = [item for item in granules if new & {*item.files} and resting >= {*item.files}]
        rejected = [item for item in rejected if item.path in new]
        if granules or rejected:
            report = take(url, granules, rejected, threads=threads, progress=progress)
            if report.taken or report.rejected:
                yield report
        done.update((path, now[path]) for path in new)
        before = now
        time.sleep(every)


def _found(root: Path, product: ProductDefinition | None) -> tuple[list[Granule], list[Rejected]]:
    try:
        return discover(root, product=product)
    except SourceError:  # nothing but other files yet
        return [], []


def _signatures(root: Path) -> dict[Path, _Signature]:
    """Return size and time of last change of every file in a folder and those below."""
    found = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            try:
                status = path.stat()
            except OSError:  # it went away
                continue
            found[path] = (status.st_size, status.st_mtime_ns)
    return found
