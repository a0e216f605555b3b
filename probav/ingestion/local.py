"""Headers checked and a commit written by threads of this process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from probav import storage
from probav.accumulate import memory_budget
from probav.ingestion.plan import Check, Checked, Open, check
from probav.ingestion.readers import opening
from probav.ingestion.report import Report
from probav.ingestion.write import Plan, Written, commit_batch, finish, prepare, write_group
from probav.products import ProductDefinition
from probav.readers import Granule

Tick = Callable[[float], None]
"""Called with the fraction of a commit that is written."""


def check_all(granules: list[Granule], threads: int) -> list[Check]:
    """Check the headers of granules."""
    with ThreadPoolExecutor(threads, thread_name_prefix="probav-check") as pool:
        return list(pool.map(lambda granule: check(granule, opening()), granules))


def commit(
    url: str,
    definition: ProductDefinition,
    batch: list[Checked],
    report: Report,
    opening: Open,
    threads: int,
    tick: Tick,
) -> None:
    """Write a batch as one commit, with as many threads as fit into the memory budget.

    Raises
    ------
    ArchiveError
        If the archive can't be written; nothing is changed then.
    """

    def write(
        message: str, metadata: dict[str, Any], good: list[Checked]
    ) -> tuple[list[Checked], str | None]:
        def work(root: Any) -> list[Checked]:
            plan = prepare(root, definition, good, threads)
            written = _write_groups(root[definition.id], plan, opening, threads, tick)
            report.notes |= written.notes
            return finish(root, definition, plan, written)

        return storage.commit(url, message, metadata, work, create=True)

    commit_batch(definition, batch, report, write)


def _write_groups(product: Any, plan: Plan, opening: Open, threads: int, tick: Tick) -> Written:
    pieces = [piece for group in plan.groups for piece in group]
    widest = max((np.dtype(variable.dtype).itemsize for variable in plan.variables.values()), default=1)
    strip = max(
        (len(piece.items) * storage.PIXEL_CHUNK * piece.window[3] * widest for piece in pieces), default=1
    )
    total = sum(len(list(piece.strips())) for piece in pieces) * len(plan.variables)
    done = 0
    lock = threading.Lock()

    def strip_written() -> None:
        nonlocal done
        with lock:
            done += 1
            tick(done / total)

    written = Written()
    workers = max(1, min(threads, memory_budget() // (3 * strip)))
    with ThreadPoolExecutor(workers, thread_name_prefix="probav-ingest") as pool:
        running = [
            pool.submit(write_group, product, group, plan.variables, opening, strip_written)
            for group in plan.groups
        ]
        try:
            for future in running:
                written.add(future.result())
        finally:  # an interrupt waits for what is being written, not for what is still to come
            for future in running:
                future.cancel()
    return written
